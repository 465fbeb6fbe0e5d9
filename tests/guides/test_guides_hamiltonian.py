"""Hamiltonian guides: the integrator, the density of a run, its gradients, and the bound."""

from functools import partial

import pyro
import pytest
import torch
from cases import ERRORS, IDENTITY, MODEL_CASES, built, relative_error, scatter, step_of
from joint import close
from pyro.infer import Trace_ELBO
from steps import a_capture, equal_on_fresh_inputs
from torch import nn

import zoo
from guides import AmortisedHamiltonian, AmortisedNormal, Hamiltonian, MeanField
from guides.parts.leapfrog import leapfrog
from guides.parts.log_joint import LogJoint
from zoo.latents import describe
from zoo.metrics.weight_diagnostics import k_hat
from zoo.models.linear.ppca import ProbabilisticPCA
from zoo.objectives import IWAE, Trace
from zoo.objectives.pyro_elbo import PyroELBO
from zoo.sampling.importance_weights import weight_chunks

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
