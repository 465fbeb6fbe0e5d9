"""Minibatches: the log-densities of an epoch average to the full one, exactly."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import IDENTITY, MODEL_CASES, built, clock
from pyro import poutine

from guides import MeanField, PerDatum
from zoo.data.batches import Shuffle
from zoo.handlers.minibatch import Minibatch
from zoo.models import MODELS
from zoo.objectives import Trace

N, B = 12, 3


def all_at_once(x):
    """A global latent and one for every row; the plate takes the rows it is given."""
    mean = pyro.sample("mean", dist.Normal(x.new_zeros(()), 1.0))
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(mean, 1.0))
        pyro.sample("x", dist.Normal(z, 0.5), obs=x)


def subsampling(x):
    """The same; the plate knows how many rows there are."""
    mean = pyro.sample("mean", dist.Normal(x.new_zeros(()), 1.0))
    with pyro.plate("data", N, subsample_size=B) as rows:
        z = pyro.sample("z", dist.Normal(mean, 1.0))
        pyro.sample("x", dist.Normal(z, 0.5), obs=x[rows])


def given_size(x):
    """The same; the plate is told its full size and takes the rows it is given."""
    mean = pyro.sample("mean", dist.Normal(x.new_zeros(()), 1.0))
    with pyro.plate("data", N, subsample_size=len(x)):
        z = pyro.sample("z", dist.Normal(mean, 1.0))
        pyro.sample("x", dist.Normal(z, 0.5), obs=x)


def epoch():
    return Shuffle(N, B, seed=4).block(0, N // B)


def log_density(model, values, *args):
    return poutine.trace(poutine.condition(model, data=values)).get_trace(*args).log_prob_sum()


@pytest.mark.parametrize("whole_data", [False, True])
@pytest.mark.parametrize("model", [all_at_once, subsampling, given_size])
def test_an_epoch_averages_to_the_full_density(model, whole_data):
    x, mean, z = torch.randn(N), torch.randn(()), torch.randn(N)
    full = log_density(all_at_once, {"mean": mean, "z": z}, x)
    found = []
    for rows in epoch():
        with Minibatch(rows, N):
            arg = x if model is subsampling else x[rows]
            found.append(log_density(model, {"mean": mean, "z": z[rows]}, arg))
    assert torch.stack(found).mean().item() == pytest.approx(full.item(), rel=IDENTITY)
    assert torch.stack(found).std() > 0.1
    if whole_data:
        with Minibatch(None, N):
            same = log_density(all_at_once, {"mean": mean, "z": z}, x)
        assert same.item() == pytest.approx(full.item(), rel=IDENTITY)


def rowwise_models():
    return [name for name in MODELS if MODEL_CASES[name].row_plate]


@pytest.mark.parametrize("name", rowwise_models())
def test_the_zoos_models(name, device):
    case = MODEL_CASES[name]
    model, args = case.make(device, rows=N)
    model.eval()  # in training some take a random order at each call
    trace = poutine.trace(model).get_trace(*args)
    values, found = {site: trace.nodes[site]["value"] for site in case.sites}, []
    local = {site for site in values if case.sites[site].scope == "local"}
    full = trace.log_prob_sum()
    for rows in epoch():
        part = {n: value[rows] if n in local else value for n, value in values.items()}
        with Minibatch(rows, N):
            found.append(log_density(model, part, *(arg[rows] for arg in args)))
    mean = torch.stack(found).mean().item()
    assert mean == pytest.approx(full.item(), rel=IDENTITY)


def test_sites_outside_of_the_rows_count_once():
    with Minibatch(None, 100):
        trace = poutine.trace(all_at_once).get_trace(torch.randn(B))
    assert trace.nodes["mean"]["scale"] == 1
    assert trace.nodes["x"]["scale"] == pytest.approx(100 / B)
    assert trace.nodes["z"]["cond_indep_stack"][0].full_size == 100


def local_only(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z.sum(-1), 1.0), obs=x)


def nested_rows(x):
    """The plate over rows lies outside of another one."""
    rows, columns = pyro.plate("data", len(x), dim=-2), pyro.plate("columns", x.shape[1], dim=-1)
    with rows, columns:
        z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


@pytest.mark.parametrize(
    ("model", "shape", "event"), [(local_only, (N,), (2,)), (nested_rows, (N, 4), ())]
)
def test_per_datum_takes_the_parameters_of_its_rows(model, shape, event, device):
    x = torch.randn(shape, device=device)
    rows = torch.tensor([7, 2, 11], device=device)
    with built(model, PerDatum, Trace(), (x[rows],), rows=N, device=device) as program:
        (loc,), guide = program.guide.loc, program.guide
        assert tuple(loc.shape) == (*shape, *event)
        with torch.no_grad():
            loc.copy_(torch.arange(loc.numel()).reshape(loc.shape))
            guide.unconstrained_scale[0].fill_(-30.0)
        with program.handlers(rows, size=N):
            z = guide(x[rows])["z"]
        assert torch.allclose(z, loc[rows], atol=1e-4)
        program.backward(clock(device), rows, x[rows])
        touched = loc.grad.reshape(N, -1).abs().sum(-1) > 0
        assert touched.nonzero().flatten().tolist() == [2, 7, 11]


def test_per_datum_under_a_plate_that_subsamples():
    def model(x):
        with pyro.plate("data", N, subsample_size=B) as rows:
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x[rows])

    x = torch.randn(N)
    with built(model, PerDatum, Trace(), (x,)) as program:
        program.backward(clock(), None, x)
        assert program.guide.loc[0].shape == (N,)
        assert (program.guide.loc[0].grad != 0).sum() == B


def test_a_gradient_over_an_epoch_is_the_full_one():
    """Global parameters: minibatch gradients at one value average to the gradient of all rows."""

    def model(x):
        mean = pyro.sample("mean", dist.Normal(x.new_zeros(()), 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mean, 0.5), obs=x)

    x, grads = torch.randn(N), []
    with built(model, MeanField, Trace(), (x[:B],), rows=N) as program:
        for rows in (None, *epoch()):
            program.zero_grad(set_to_none=True)
            torch.manual_seed(1)
            program.backward(clock(), rows, x if rows is None else x[rows])
            grads.append(program.guide.loc[0].grad.clone())
    assert torch.stack(grads[1:]).mean().item() == pytest.approx(grads[0].item(), rel=IDENTITY)
