"""Hamiltonian guides: the integrator, the density of a run, the bound, and what is refused."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, IDENTITY, MODEL_CASES, built, relative_error, scatter, step_of
from joint import close
from pyro import poutine
from pyro.infer import ReweightedWakeSleep, Trace_ELBO
from steps import a_capture, equal_on_fresh_inputs
from torch import nn

import guides
import zoo
from guides import AmortisedHamiltonian, AmortisedNormal, Hamiltonian, MeanField
from guides.parts.leapfrog import leapfrog
from guides.parts.log_joint import LogJoint
from zoo.latents import describe
from zoo.metrics.weight_diagnostics import k_hat
from zoo.models.linear.ppca import ProbabilisticPCA
from zoo.objectives import IWAE, OBJECTIVES, Trace
from zoo.objectives.pyro_elbo import PyroELBO
from zoo.pairing.mismatch import PairingError
from zoo.sampling.guide_density import FromGuide
from zoo.sampling.importance_weights import weight_chunks
from zoo.sampling.joint_density import JointDensity

FAMILIES = {"ppca": AmortisedHamiltonian, "eight_schools": Hamiltonian}
SMALL = {"moves": 2, "leapfrogs": 2}


def banana_pull(at):
    """The gradient of a density that is no normal, in 2 + 1 coordinates."""
    (x, y) = (part.detach().requires_grad_() if not part.requires_grad else part for part in at)
    density = -(x**2).sum() / 2 - ((y - (x**2).sum().tanh()) ** 2).sum()
    return torch.autograd.grad(density, (x, y), create_graph=True)


def moved(flat, count=3):
    u, v = [flat[:2], flat[2:3]], [flat[3:5], flat[5:]]
    steps = [torch.tensor([0.3, 0.1]), torch.tensor(0.2)]
    u, v, _ = leapfrog(u, v, banana_pull(u), steps, banana_pull, count)
    return torch.cat([*u, *v])


def test_leapfrog_preserves_volume():
    jacobian = torch.autograd.functional.jacobian(moved, torch.randn(6))
    assert abs(torch.linalg.slogdet(jacobian)[1]) < IDENTITY
    assert (jacobian - torch.eye(6)).abs().max() > 0.1


def test_leapfrog_is_reversible():
    start = torch.randn(6)
    end = moved(start)
    back = moved(torch.cat([end[:3], -end[3:]]))
    close(back, torch.cat([start[:3], -start[3:]]))


@pytest.mark.parametrize("objective", [Trace(3), IWAE(4)], ids=str)
@pytest.mark.parametrize(
    ("model", "family", "plain", "names"),
    [
        ("hvae", AmortisedHamiltonian, AmortisedNormal, ""),
        ("eight_schools", Hamiltonian, MeanField, "start."),
    ],
)
def test_without_moves_it_is_the_normal(objective, model, family, plain, names):
    """With the same weights and noise: the same loss and gradients."""
    made, args = MODEL_CASES[model].make()
    with built(made, plain, objective, args) as program:
        scatter(program.guide, spread=0.3)
        loss, grads = step_of(program, args)
        state = {k.removeprefix("guide."): v for k, v in program.state_dict().items()}
    with built(made, partial(family, moves=0), objective, args) as program:
        program.guide.load_state_dict(
            {f"{names}{k}": v for k, v in state.items() if not k.startswith("model.")}
        )
        found, ours = step_of(program, args)
    close(found, loss)
    grads = {k.replace("guide.", f"guide.{names}"): v for k, v in grads.items()}
    assert ours.keys() == grads.keys()
    assert all(relative_error(ours[name], grads[name]) < IDENTITY for name in ours)


@pytest.mark.parametrize("model", FAMILIES)
def test_density_is_that_of_start_and_momenta_less_the_way_back(model):
    """A run's weight by the formula: log p + sum log r - log q(start) - sum log q(momenta)."""
    made, args = MODEL_CASES[model].make()
    with built(made, partial(FAMILIES[model], **SMALL), Trace(), args) as program:
        scatter(program.guide, spread=0.3)
        (traces,) = program.pair.draw(5, args, {})
        drawn = traces.guide
        names = [site.name for site in program.latents.sites]
        auxiliary = [n for n in drawn.stochastic_nodes if "_start" in n or "_momentum_" in n]
        assert len(auxiliary) == 3 * len(names)
        back, transforms = way_back(program, drawn, args)
        expected = sum(drawn.nodes[name]["log_prob"].sum() for name in auxiliary) - back
        close(drawn.log_prob_sum(), expected - transforms)


def way_back(program, drawn, args):
    """sum log r and log |dz/du| of a run, from its start and momenta alone."""
    guide, sites = program.guide, program.latents.sites
    plates = guide.plates(args)
    density = LogJoint(program.model, program.latents, plates, args, {})
    u = [drawn.nodes[f"{site.name}_start"]["value"] for site in sites]
    scales = [drawn.nodes[f"{site.name}_start"]["fn"].stddev for site in sites]
    context = guide.context if isinstance(guide, Hamiltonian) else contexts(guide, args)
    total, pull = torch.zeros(()), density.gradient(u)
    for t in range(2):
        v = [drawn.nodes[f"{site.name}_momentum_{t + 1}"]["value"] for site in sites]
        steps = [
            (nn.functional.softplus(e[t]) + 1e-12) * s
            for e, s in zip(guide.chain.unconstrained_step, scales, strict=True)
        ]
        u, v, pull = leapfrog(u, v, pull, steps, density.gradient, 2)
        for i, network in enumerate(guide.chain.reverse_momenta[t]):
            event = len(sites[i].unconstrained_shape)
            r = network(u[i], pull[i] * scales[i], context[i], event)
            total = total + r.log_prob(v[i]).sum()
    jacobian = sum(
        torch.distributions.biject_to(site.support)
        .log_abs_det_jacobian(part, drawn.nodes[site.name]["value"])
        .sum()
        for site, part in zip(sites, u, strict=True)
    )
    return total, jacobian


def contexts(guide, args):
    outputs = zip(guide.latents.sites, guide.encoder(args), strict=True)
    return [guide._read(site, output)[2] for site, output in outputs]


@pytest.mark.parametrize("name", ["ppca", "dequantised_vae", "local_level", "neals_funnel"])
def test_the_density_is_the_models_own(name):
    """For several particles at once, and for the rows of a minibatch, each counted once."""
    made, args = MODEL_CASES[name].make()
    family = AmortisedHamiltonian if describe(made, *args).rowwise else Hamiltonian
    with built(made, family, Trace(), args, rows=40 if family is not Hamiltonian else None) as p:
        (traces,) = p.pair.draw(3, args, {})
        sites = p.latents.sites
        values = [traces.model.nodes[site.name]["value"] for site in sites]
        u = [
            torch.distributions.biject_to(site.support).inv(value)
            for site, value in zip(sites, values, strict=True)
        ]
        found = LogJoint(p.model, p.latents, p.guide.plates(args), args, {})(u)
        log_det = sum(
            torch.distributions.biject_to(site.support).log_abs_det_jacobian(part, value).sum()
            for site, part, value in zip(sites, u, values, strict=True)
        )
        close(found, traces.model.log_prob_sum() + log_det)


@pytest.mark.parametrize(
    "model", ["ppca", pytest.param("eight_schools", marks=pytest.mark.exhaustive)]
)
def test_gradients_are_those_of_finite_differences(model):
    """Of the whole step, through the model's gradient inside the guide."""
    made, args = MODEL_CASES[model].make()
    with built(made, partial(FAMILIES[model], **SMALL), Trace(2), args) as program:
        _, grads = step_of(program, args)
        for name, parameter in program.named_parameters():
            at = (0,) * parameter.dim()
            with torch.no_grad():
                parameter[at] += 1e-5
                above, _ = step_of_loss(program, args)
                parameter[at] -= 2e-5
                below, _ = step_of_loss(program, args)
                parameter[at] += 1e-5
            slope = (above - below) / 2e-5
            assert grads[name][at].item() == pytest.approx(slope.item(), rel=1e-4, abs=1e-5), name


def step_of_loss(program, args):
    with torch.enable_grad():
        return step_of(program, args)


@torch.no_grad()
def test_draws_without_gradients_are_the_same():
    made, args = MODEL_CASES["ppca"].make()
    with built(made, AmortisedHamiltonian, Trace(), args) as program:
        pyro.set_rng_seed(1)
        found = program.guide(*args)["z"]
        pyro.set_rng_seed(1)
        with torch.enable_grad():
            recorded = program.guide(*args)["z"]
    assert recorded.requires_grad
    assert not found.requires_grad
    assert torch.equal(found, recorded)


@torch.no_grad()
def test_weights_agree_with_the_exact_evidence():
    """The mean weight is the evidence, and the bound is below it."""
    x = torch.randn(12, 5)
    family = partial(AmortisedHamiltonian, moves=1, leapfrogs=2)
    with torch.enable_grad():
        fit = zoo.fit(ProbabilisticPCA(5, 2), family, x, steps=150, lr=0.01, compile=False)
    log_w = torch.cat(list(weight_chunks(fit.program, (x,), 8000)), dim=1)
    assert k_hat(log_w)[0].max() < 0.7  # else the error of a mean weight is not known
    exact = fit.model.log_evidence(x)
    ratio = (log_w - exact).exp()
    z = (ratio.mean(0) - 1) / (ratio.std(0) / len(ratio) ** 0.5)
    assert z.abs().max() < ERRORS
    bound, error = log_w.mean(0), log_w.std(0) / len(log_w) ** 0.5
    assert (bound < exact + ERRORS * error).all()
    assert (exact - bound).mean() > 0


@pytest.mark.exhaustive
def test_the_bound_rises_with_a_move_under_a_held_model():
    """Paired by rows, under a posterior that is far from diagonal; the evidence is above both."""
    model = ProbabilisticPCA(3, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 0.8], [0.8, 1.0], [1.0, 1.0]]))
        model.log_scale.fill_(-0.5)
    x = torch.randn(60, 2) @ model.weight.detach().T + torch.randn(60, 3) / torch.e**0.5
    settings = {"steps": 500, "lr": 0.01, "freeze_model": True, "compile": False}
    bounds = []
    for moves in (0, 1):
        family = partial(AmortisedHamiltonian, moves=moves)
        fit = zoo.fit(model, family, x, objective=Trace(10), **settings)
        log_w = torch.cat(list(weight_chunks(fit.program, (x,), 400)), dim=1).detach()
        bounds.append(log_w.mean(0))
    gain = bounds[1] - bounds[0]
    assert gain.mean() > ERRORS * gain.std() / len(gain) ** 0.5
    assert bounds[1].mean() < model.log_evidence(x).mean()


def test_pyros_own_elbo_has_the_same_loss():
    made, args = MODEL_CASES["ppca"].make()
    losses = []
    for objective in (Trace(), PyroELBO(Trace_ELBO())):
        with built(made, partial(AmortisedHamiltonian, **SMALL), objective, args) as program:
            losses.append(step_of(program, args)[0])
    close(*losses)


@pytest.mark.parametrize(
    ("model", "batch"),
    [("ppca", 3), pytest.param("eight_schools", None, marks=pytest.mark.exhaustive)],
)
def test_captured_step_equals_the_plain_one(model, batch):
    made, args = MODEL_CASES[model].make()
    family = partial(FAMILIES[model], moves=1, leapfrogs=1)
    with a_capture(made, family, args, batch=batch) as parts:
        equal_on_fresh_inputs(*parts)


def test_the_models_parameters_stay_its_own():
    made, args = MODEL_CASES["bernoulli_vae"].make()
    with built(made, AmortisedHamiltonian, Trace(), args) as program:
        names = [name for name, _ in program.named_parameters(remove_duplicate=False)]
        assert program.guide.model[0] is program.model
    assert len(names) == len(set(names))


@pytest.mark.parametrize("objective", ["stl", "dreg", "tail_adaptive", "tvo", "rloo", "rws"])
def test_objectives_that_score_given_draws_are_refused(objective):
    made, args = MODEL_CASES["ppca"].make()
    with pytest.raises(PairingError, match="takes log q of given draws; AmortisedHamiltonian dr"):
        built(made, AmortisedHamiltonian, OBJECTIVES[objective], args).__enter__()


def test_the_same_for_pyros_own():
    made, args = MODEL_CASES["ppca"].make()
    with pytest.raises(PairingError, match="takes log q of given draws; .* Use trace or iwae"):
        zoo.fit(made, AmortisedHamiltonian, *args, objective=ReweightedWakeSleep(), steps=1)


def shared(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


def mixed(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
        k = pyro.sample("k", dist.Bernoulli(x.new_full((), 0.5)))
        pyro.sample("x", dist.Normal(z.sum(-1) + k, 1.0), obs=x)


def drawn(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
        with pyro.plate("columns", 4, dim=-2, subsample_size=2) as some:
            pyro.sample("y", dist.Normal(z, 1.0), obs=x.expand(4, -1)[some])


@pytest.mark.parametrize(
    ("model", "family", "objective", "settings", "sentence"),
    [
        (shared, Hamiltonian, Trace(), {"rows": 20}, "moved by a minibatch, they fit those rows"),
        (mixed, AmortisedHamiltonian, OBJECTIVES["enumerate"], {}, "does not cover 'k', which is"),
        (drawn, AmortisedHamiltonian, Trace(), {}, "draws a part of plate 'columns' by itself"),
    ],
    ids=["minibatch", "discrete", "subsampled plate"],
)
def test_what_has_no_gradient_to_follow_is_refused(model, family, objective, settings, sentence):
    with pytest.raises(PairingError, match=sentence):
        built(model, family, objective, (torch.randn(6),), **settings).__enter__()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"moves": -1}, "Expected moves to be a whole number of at least 0; got -1"),
        ({"leapfrogs": 0}, "Expected leapfrogs to be a whole number above 0; got 0"),
    ],
)
def test_numbers_of_moves(settings, sentence):
    model, args = MODEL_CASES["ppca"].make()
    with pytest.raises(ValueError, match=sentence):
        AmortisedHamiltonian(describe(model, *args), model, **settings)


@pytest.fixture(scope="module")
def fitted():
    x = torch.randn(30, 5)
    return zoo.fit(ProbabilisticPCA(5, 2), guides.AmortisedHamiltonian, x, steps=5, compile=False)


def test_metrics_that_would_need_the_marginal_say_so(fitted):
    found = zoo.evaluate(fitted, draws=100, metrics=["latents", "kl_exact", "gap", "posterior"])
    assert "log q of the latents alone is not known" in found.skipped["kl_exact"]
    assert "mutual_information" not in found
    assert "auxiliary numbers are counted" in found["kl"].note
    assert found["gap"].value > 0
    assert found["posterior_mean_error"].value > 0


def test_annealing_from_its_density_is_refused():
    fit = zoo.fit(zoo.load("neals_funnel"), guides.Hamiltonian, steps=2, compile=False)
    x = zoo.fit(shared, guides.Hamiltonian, torch.randn(6), steps=2, compile=False)
    for one in (fit, x):
        with pytest.raises(ValueError, match="not one vector of the .* density is not known"):
            FromGuide(JointDensity(one.program, one.task.scoring_args("train")))


def test_a_fit_comes_back(fitted, tmp_path):
    zoo.save(fitted, tmp_path / "run")
    again = zoo.load_fit(tmp_path / "run", ProbabilisticPCA(5, 2), *fitted.task.data.train)
    (x,) = fitted.task.data.train
    drawn = []
    for fit in (fitted, again):
        pyro.set_rng_seed(3)
        drawn.append(fit.guide(x)["z"])
    assert torch.equal(*drawn)


def test_sites_are_marked_as_the_guides_own(fitted):
    (x,) = fitted.task.data.train
    trace = poutine.trace(fitted.guide).get_trace(x)
    marked = [n for n in trace.stochastic_nodes if trace.nodes[n]["infer"].get("is_auxiliary")]
    assert marked == ["z_start", "z_momentum_1", "z_momentum_2"]
