"""The rivals of the speed benchmark are the same models: the same densities and losses."""

import math

import numpy as np
import pytest
import torch
from pyro import poutine
from torch.nn.functional import softplus

from benchmarks import records
from benchmarks.rivals import torch_models
from benchmarks.rivals.masks import masks
from benchmarks.speed import scoring, step_time
from benchmarks.speed.tasks import task_of
from benchmarks.speed.timing import trainer_of
from guides.parts.flows import conditional_nets
from zoo.handlers.minibatch import Minibatch
from zoo.isolation import isolated

NETWORKS = (
    "bernoulli_latent/amortised_discrete/1",
    "bernoulli_vae/amortised_normal/1",
    "bernoulli_vae/amortised_iaf/1",
    "categorical_vae/relaxed/1",
    "hvae/top_down/1",
    "pixel_vae/amortised_normal/1",
)
ORDERS = {  # the rival's parameters, in the order of the zoo's
    "hvae/top_down/1": (
        *("entrance", "moments", "cell", "leave"),
        *("climb", "higher", "row", "top"),
    )
}


@pytest.fixture(autouse=True)
def single_precision():
    """That of the benchmark."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(before)


def batch_of(row):
    """A small minibatch, and how many rows it stands for."""
    task = task_of(row)[0]
    return tuple(column[:5] for column in task.data.train), len(task.data.train[0])


def moved(program):
    """The program's parameters, away from where they start: biases are no longer zero."""
    with torch.no_grad():
        for parameter in program.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))


@pytest.mark.parametrize("row", torch_models.LOSSES)
def test_losses_written_by_hand_are_those_of_the_zoo(row):
    """At the same parameters and the same noise."""
    (x,), size = batch_of(row)
    program = trainer_of(row).program
    moved(program)
    loss = torch_models.LOSSES[row](size)
    with torch.no_grad():
        for own, other in zip(loss.parameters(), program.parameters(), strict=True):
            own.copy_(other)
    with isolated(seed=3):
        wanted = program(torch.zeros(()), torch.arange(5), x)
    with isolated(seed=3):
        found = loss(x)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    for own, other in zip(gradients(loss, found), gradients(program, wanted), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-4 * float(other.abs().max()))


def test_scores_written_by_hand_are_those_of_the_zoo():
    """Under the same noise."""
    ways = scoring.the_ways(3, 200, 100)
    with isolated(seed=3):
        wanted = ways["zoo"]()
    with isolated(seed=3):
        found = ways["plain_torch"]()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-4)
    assert ways["products_alone"]() is None


def gradients(module, loss):
    return torch.autograd.grad(loss, list(module.parameters()))


def test_schools_written_by_hand_are_those_of_the_zoo(monkeypatch):
    """At a draw of the zoo's guide; the hand-written loss leaves constants out."""
    task = task_of("eight_schools/mean_field/1")[0]
    pair = trainer_of("eight_schools/mean_field/1").program.pair
    guide = poutine.trace(pair.guide).get_trace(*task.data.train)
    model = poutine.trace(poutine.replay(pair.model, trace=guide)).get_trace(*task.data.train)
    mu, tau, theta = (guide.nodes[name]["value"].detach() for name in ("mu", "tau", "theta"))
    loss = torch_models.SchoolsLoss(*task.data.train)
    u = torch.cat([mu[None], tau.log()[None], theta])
    noise = (u - loss.loc.detach()) / softplus(loss.raw.detach())
    monkeypatch.setattr(torch, "randn_like", lambda like: noise)
    wanted = guide.log_prob_sum() - model.log_prob_sum()
    constants = 7 * 0.5 * math.log(2 * math.pi) + loss.sigma.log().sum()
    assert loss().item() == pytest.approx((wanted - constants).item(), rel=1e-4)


SCHOOLS, LOGISTIC = "eight_schools/mean_field/1", "logistic_10000/full_rank/1"


def values_of_latents(row):
    """A point on the supports of a row's latents."""
    if row == SCHOOLS:
        return {"mu": np.array(1.5), "tau": np.array(2.5), "theta": np.linspace(-3.0, 9.0, 8)}
    return {"beta": np.linspace(-1.0, 1.0, 20)}


def log_density_of_the_zoo(row, values):
    """Log p at those latents, of a minibatch for the full data; and the minibatch."""
    task, _, _, batch, _ = task_of(row)
    size = len(task.data.train[0])
    data = tuple(column[:batch] for column in task.data.train)
    tensors = {name: torch.as_tensor(value, dtype=torch.float32) for name, value in values.items()}
    with Minibatch(torch.arange(len(data[0])) if batch else None, size if batch else None):
        given = poutine.condition(task.build(), data=tensors)
        found = poutine.trace(given).get_trace(*data).log_prob_sum()
    return float(found), [column.numpy() for column in data], size


@pytest.mark.parametrize("row", [SCHOOLS, "logistic_regression/full_rank/1", LOGISTIC])
def test_numpyro_has_the_density_of_global_latents(row):
    pytest.importorskip("numpyro")
    from numpyro.infer.util import log_density

    from benchmarks.rivals.numpyro_models import eight_schools, logistic_regression

    values = values_of_latents(row)
    if row.startswith("logistic_regression"):
        values = {"beta": np.linspace(-0.1, 0.1, 31)}
    wanted, data, size = log_density_of_the_zoo(row, values)
    if row == SCHOOLS:
        found, _ = log_density(eight_schools, data, {}, values)
    else:
        found, _ = log_density(logistic_regression, (*data, size), {}, values)
    assert float(found) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("row", ["hmm/empty/1", "hmm_forward/empty/1"])
def test_numpyro_sums_out_the_states_of_the_hidden_markov_model(row):
    """Both rows are one model: all paths at once, or the forward algorithm."""
    pytest.importorskip("numpyro")
    from numpyro.infer.util import log_density

    from benchmarks.rivals.numpyro_models import hidden_markov

    (x,), size = batch_of(row)
    program = trainer_of(row).program
    moved(program)
    values = {
        name.removeprefix("model."): value.detach().numpy()
        for name, value in program.named_parameters()
    }
    found, _ = log_density(hidden_markov, (x.numpy(), size), {}, values)
    wanted = -program(torch.zeros(()), torch.arange(5), x)
    assert float(found) == pytest.approx(wanted.item(), rel=1e-5)


def test_pymc_has_the_density_of_eight_schools():
    """Over the unconstrained latents: tau adds the logarithm of its derivative."""
    pm = pytest.importorskip("pymc")
    from benchmarks.arrival.pymc_models import schools_centred

    values = values_of_latents(SCHOOLS)
    wanted, data, _ = log_density_of_the_zoo(SCHOOLS, values)
    with pm.Model() as model:
        schools_centred(*data)
        logp = model.compile_logp()
    at = values | {"tau_log__": np.log(values["tau"])}
    found = logp({name: value for name, value in at.items() if name != "tau"})
    assert found == pytest.approx(wanted + np.log(values["tau"]), rel=1e-5)


@pytest.mark.parametrize("step", [0, 1])
def test_masks_are_those_of_pyro(step):
    net = conditional_nets(20, 16, 2, None, [1, 1])[step]
    for found, wanted in zip(masks(20, 16, 40, reverse=step == 1), net.masks, strict=True):
        np.testing.assert_array_equal(found, wanted.numpy())


def as_rival(value):
    """A parameter in NumPyro's layout: (in, out) and (height, width, in, out)."""
    array = value.detach().numpy()
    if array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0, 0]
    return np.transpose(array, (2, 3, 1, 0) if array.ndim == 4 else None)


def channels_last(array):
    """The head of the map of z, whose outputs the zoo lays out as (channels, pixels)."""
    return array.reshape(*array.shape[:-1], 16, 784).swapaxes(-1, -2).reshape(array.shape)


def carried(row, program, fresh):
    """NumPyro's parameters with the zoo's values."""
    import jax

    values = [as_rival(value) for value in program.parameters()]
    if row.startswith("pixel_vae"):
        values[2:4] = [channels_last(value) for value in values[2:4]]
    names = [f"{name}$params" for name in ORDERS.get(row, ())] or list(fresh)
    carry, found = iter(values), {}
    for name in names:
        leaves, tree = jax.tree.flatten(fresh[name])
        taken = [np.reshape(next(carry), np.shape(leaf)) for leaf in leaves]
        found[name] = jax.tree.unflatten(tree, taken)
    assert next(carry, None) is None
    assert found.keys() == fresh.keys()
    return found


def densities_of_the_zoo(program, draws, x, size):
    """Log q and log p of a draw, summed."""
    pair = program.pair
    with isolated(seed=0), Minibatch(torch.arange(len(x)), size), torch.no_grad():
        guide = poutine.trace(pair.guide).get_trace(x)
        for name, value in draws.items():
            guide.nodes[name]["value"] = torch.from_numpy(np.array(value, np.float32))
        sums = []
        for part in (pair.guide, pair.model):
            trace = poutine.trace(poutine.replay(part, trace=guide)).get_trace(x)
            sums.append(float(trace.log_prob_sum()))
    return sums


@pytest.mark.thin(6)
@pytest.mark.parametrize("row", NETWORKS)
def test_numpyro_has_the_densities_of_the_zoo(row):
    """Of guide and model, at a draw of NumPyro's guide."""
    pytest.importorskip("numpyro")
    import jax
    from numpyro.handlers import replay, seed, substitute, trace

    from benchmarks.rivals.numpyro_networks import PAIRS

    (x,), size = batch_of(row)
    model, guide = PAIRS[row](size)
    program = trainer_of(row).program
    moved(program)
    key, given = jax.random.PRNGKey(1), x.numpy()
    first = trace(seed(guide, key)).get_trace(given)
    second = trace(seed(replay(model, first), key)).get_trace(given)
    sites = [*second.values(), *first.values()]
    fresh = {site["name"]: site["value"] for site in sites if site["type"] == "param"}
    params = carried(row, program, fresh)
    of_guide = trace(substitute(seed(guide, key), params)).get_trace(given)
    of_model = trace(substitute(seed(replay(model, of_guide), key), params)).get_trace(given)
    draws = {n: s["value"] for n, s in of_guide.items() if s["type"] == "sample"}
    scaled = None if row.startswith("bernoulli_latent") else size
    wanted = densities_of_the_zoo(program, draws, x, scaled)
    assert [summed(of_guide), summed(of_model)] == pytest.approx(wanted, rel=1e-5)


def summed(found):
    """Sum of the log-probabilities of all sites; the flow's with what its draw left over."""
    total = 0.0
    for site in found.values():
        if site["type"] == "sample":
            extra = [site["intermediates"]] if site["intermediates"] else []
            scale = 1.0 if site["scale"] is None else site["scale"]
            total += float((scale * site["fn"].log_prob(site["value"], *extra)).sum())
    return total


def test_a_run_goes_on_with_the_rows_that_are_missing(tmp_path, monkeypatch):
    """Each row is written as it ends; rows of another commit are measured again."""
    out, asked = tmp_path / "speed.json", []

    def measured(row):
        asked.append(row)
        columns = ("zoo_compiled", "replicas_over_one", "replicas", "build_seconds")
        return {"row": row} | dict.fromkeys(columns, 1.0)

    def run(*rows):
        asked.clear()
        monkeypatch.setattr("sys.argv", ["step_time", "--out", str(out), "--rows", *rows])
        step_time.main()
        return [row["row"] for row in records.read(out)["rows"]]

    monkeypatch.setattr(step_time, "measured", measured)
    assert run(LOGISTIC) == [LOGISTIC] == asked
    assert run(LOGISTIC, SCHOOLS) == [SCHOOLS, LOGISTIC]
    assert asked == [SCHOOLS]
    records.write(out, records.read(out) | {"commit": "another"})
    assert run(SCHOOLS) == [SCHOOLS] == asked
