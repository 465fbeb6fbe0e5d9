"""Annealed chains in a guide: the density of a run, the bound, and what is refused."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, IDENTITY, MODEL_CASES, built, relative_error, scatter, step_of
from chains import (
    DRAWS,
    MEAN_FIELD_GAP,
    NEAREST,
    compare_with_evidence,
    correlated,
    log_weights,
    mean_and_error,
)
from joint import close
from steps import a_capture, equal_on_fresh_inputs

import zoo
from guides import Annealed, Diffusion, MeanField
from guides.parts.leapfrog import leapfrog
from guides.parts.log_joint import LogJoint
from guides.parts.plates import positive
from zoo.latents import describe
from zoo.models.hierarchical.eight_schools import EightSchools
from zoo.models.regression.linear_regression import LinearRegression
from zoo.objectives import IWAE, Trace
from zoo.objectives.pyro_elbo import PyroELBO
from zoo.pairing.mismatch import PairingError
from zoo.sampling.importance_weights import weight_chunks


@pytest.mark.parametrize("objective", [Trace(3), IWAE(4)], ids=str)
def test_without_bridges_it_is_the_start(objective):
    """With the same weights and noise: the same loss and gradients."""
    made, args = MODEL_CASES["linear_regression"].make()
    with built(made, MeanField, objective, args) as program:
        scatter(program.guide, spread=0.3)
        loss, grads = step_of(program, args)
        state = program.guide.state_dict()
    with built(made, partial(Annealed, bridges=0), objective, args) as program:
        program.guide.load_state_dict({f"start.{name}": value for name, value in state.items()})
        found, ours = step_of(program, args)
    close(found, loss)
    grads = {name.replace("guide.", "guide.start."): grad for name, grad in grads.items()}
    assert ours.keys() == grads.keys()
    assert all(relative_error(ours[name], grads[name]) < IDENTITY for name in ours)


@pytest.mark.parametrize("family", [Annealed, Diffusion])
def test_density_is_that_of_the_way_there_less_the_way_back(family):
    """Step by step on each bridge's own gradient, by autograd, in the latents' own units."""
    made, args = MODEL_CASES["eight_schools"].make()
    with built(made, partial(family, bridges=3), Trace(), args) as program:
        scatter(program.guide, spread=0.3)
        (traces,) = program.pair.draw(5, args, {})
        drawn, guide = traces.guide, program.guide
        scale = torch.cat([positive(raw).reshape(-1) for raw in guide.start.unconstrained_scale])
        loc = torch.cat([part.reshape(-1) for part in guide.start.loc])
        start = dist.Normal(loc, scale)
        first = loc + scale * drawn.nodes["joint_start"]["value"]
        there, back, u = run(guide, drawn, args, start, first)
        close(drawn.nodes["joint"]["value"], u)
        expected = start.log_prob(first).sum() + there - back - jacobian(program, drawn, u)
        close(drawn.log_prob_sum(), expected)


def run(guide, drawn, args, start, u):
    """Log density of the momenta on the way there and on the way back, and the chain's end."""
    sites = guide.latents.sites
    density = LogJoint(guide.model[0], guide.latents, guide.plates(args), args, {})
    there, back, rest = torch.zeros(()), torch.zeros(()), dist.Normal(0.0, 1.0)
    v = None
    for k, beta in enumerate(guide.chain.betas):
        came, v = v, drawn.nodes[f"joint_momentum_{k + 1}"]["value"]
        if came is None:
            there = there + rest.log_prob(v).sum()
        else:
            kept = guide.chain.unconstrained_kept[k - 1].sigmoid()
            spread = (1 - kept**2).sqrt()
            there = there + dist.Normal(kept * came, spread).log_prob(v).sum()
            returned = kept * v
            if guide.chain.correction is not None:
                y = (u - start.loc) / start.stddev
                returned = returned + (1 - kept**2) * guide.chain.correction(k - 1, y, v)
            back = back + dist.Normal(returned, spread).log_prob(came).sum()

        def pull(at, beta=beta):
            (u,) = at
            parts = u.split([site.size for site in sites], dim=-1)
            parts = [
                part.reshape(5, *site.batch_shape, *site.unconstrained_shape)
                if site.batch_shape
                else part.reshape(5, 1)
                for part, site in zip(parts, sites, strict=True)
            ]
            bridge = beta * density(parts) + (1 - beta) * start.log_prob(u).sum()
            return torch.autograd.grad(bridge, u, retain_graph=True)

        step = positive(guide.chain.unconstrained_step[k]) * start.stddev
        ([u], [v], _) = leapfrog([u], [v], pull([u]), [step], pull, 1)
    return there, back + rest.log_prob(v).sum(), u


def jacobian(program, drawn, u):
    """log |dz/du| of all latents and particles."""
    total, parts = 0.0, u.split([site.size for site in program.latents.sites], dim=-1)
    for site, part in zip(program.latents.sites, parts, strict=True):
        value = drawn.nodes[site.name]["value"]
        transform = torch.distributions.biject_to(site.support)
        total = total + transform.log_abs_det_jacobian(part.reshape(value.shape), value).sum()
    return total


def test_bridges_lie_between_start_and_target_in_order():
    made, args = MODEL_CASES["linear_regression"].make()
    with built(made, partial(Annealed, bridges=5), Trace(), args) as program:
        scatter(program.guide, spread=2.0)
        betas = torch.stack(program.guide.chain.betas)
    assert (betas.diff() > 0).all()
    assert 0 < betas[0] < betas[-1] < 1


def test_weights_agree_with_the_exact_evidence():
    """Of linear regression, from a normal with the posterior's moments."""
    x = torch.cat([torch.ones(9, 1), torch.randn(9, 2)], dim=1)
    y = x @ torch.tensor([0.5, 1.0, -1.0]) + 0.5 * torch.randn(9)
    model = LinearRegression(3)
    q = model.posterior(x, y)["beta"]
    factor = torch.diag(q.covariance_matrix.diagonal().sqrt())
    log_w = log_weights(model, (x, y), partial(Annealed, bridges=3), q.mean, factor)
    compare_with_evidence(log_w, model.log_evidence(x, y))


def test_weights_agree_with_the_evidence_of_eight_schools():
    """From its prior, with steps that are far too long for an uncorrected chain to be exact."""
    model, args = EightSchools(centred=False), MODEL_CASES["eight_schools"].make()[1]
    mean, factor = torch.zeros(10), torch.eye(10)
    mean[0], factor[0, 0], mean[1] = 4.0, 4.0, 1.0
    family = partial(Annealed, bridges=4)
    log_w = log_weights(model, args, family, mean, factor, step=0.7)
    compare_with_evidence(log_w, model.log_evidence(*args))


def test_the_bound_rises_with_bridges_from_one_start():
    """The start is the nearest mean-field normal to a correlated one, whose gap is known."""
    mean, factor, bounds = torch.zeros(2), NEAREST * torch.eye(2), []
    for bridges in (0, 4, 16):
        family = partial(Annealed, bridges=bridges)
        log_w = log_weights(correlated, (), family, mean, factor)
        bounds.append(mean_and_error(log_w))
    (first, error), (middle, more), (last, most) = bounds
    assert abs(first + MEAN_FIELD_GAP) < ERRORS * error
    assert middle - first > ERRORS * (error**2 + more**2).sqrt()
    assert last - middle > ERRORS * (more**2 + most**2).sqrt()
    assert last < -ERRORS * most


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["linear_regression", "eight_schools_noncentred"])
def test_trained_bounds_are_above_the_starts_and_below_the_evidence(name):
    bounds = []
    for bridges in (0, 4):
        family = partial(Annealed, bridges=bridges)
        settings = {"objective": Trace(10), "steps": 300, "lr": 0.03, "compile": False}
        fit = zoo.fit(zoo.load(name), family, **settings)
        args = fit.task.data.train
        log_w = torch.cat(list(weight_chunks(fit.program, args, DRAWS)), dim=1).detach()[:, 0]
        bounds.append(mean_and_error(log_w))
    exact = fit.model.log_evidence(*args)
    (first, error), (last, more) = bounds
    assert last - first > ERRORS * (error**2 + more**2).sqrt()
    assert last < exact - ERRORS * more


@pytest.mark.parametrize("family", [Annealed, Diffusion])
def test_gradients_are_those_of_finite_differences(family):
    """Of the whole step, through the model's gradient inside the guide."""
    made, args = MODEL_CASES["linear_regression"].make()
    with built(made, partial(family, bridges=2), Trace(2), args) as program:
        _, grads = step_of(program, args)
        for name, parameter in program.guide.named_parameters(prefix="guide"):
            at = (0,) * parameter.dim()
            losses = []
            for change in (1e-5, -2e-5):
                with torch.no_grad():
                    parameter[at] += change
                losses.append(step_of(program, args)[0])
            with torch.no_grad():
                parameter[at] += 1e-5
            slope = (losses[0] - losses[1]) / 2e-5
            assert grads[name][at].item() == pytest.approx(slope.item(), rel=1e-4, abs=1e-5), name


def test_pyros_own_elbo_has_the_same_loss():
    made, args = MODEL_CASES["linear_regression"].make()
    losses = []
    for objective in (Trace(), PyroELBO(pyro.infer.Trace_ELBO())):
        with built(made, partial(Annealed, bridges=2), objective, args) as program:
            losses.append(step_of(program, args)[0])
    close(*losses)


@pytest.mark.exhaustive
def test_captured_step_equals_the_plain_one():
    made, args = MODEL_CASES["eight_schools"].make()
    with a_capture(made, partial(Annealed, bridges=2), args) as parts:
        equal_on_fresh_inputs(*parts)


def shared(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


def with_a_coin(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    coin = pyro.sample("coin", dist.Bernoulli(0.5))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean + coin, 1.0), obs=x)


def drawn(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    with pyro.plate("columns", 6, subsample_size=2) as some:
        pyro.sample("y", dist.Normal(mean, 1.0), obs=x[some])


@pytest.mark.parametrize("family", [Annealed, Diffusion])
@pytest.mark.parametrize(
    ("model", "settings", "sentence"),
    [
        (shared, {"rows": 20}, "moved by a minibatch, they fit those rows"),
        (with_a_coin, {}, "'coin' is global and discrete"),
        (drawn, {}, "draws a part of plate 'columns' by itself"),
    ],
    ids=["minibatch", "discrete", "subsampled plate"],
)
def test_what_has_no_gradient_to_follow_is_refused(model, family, settings, sentence):
    with pytest.raises(PairingError, match=sentence):
        built(model, family, Trace(), (torch.randn(6),), **settings).__enter__()


@pytest.mark.parametrize("family", [Annealed, Diffusion])
def test_number_of_bridges(family):
    model, args = MODEL_CASES["linear_regression"].make()
    with pytest.raises(ValueError, match="Expected bridges to be a whole number of at least 0; g"):
        family(describe(model, *args), model, bridges=-1)
