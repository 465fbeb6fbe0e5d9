"""Amortised flows: their steps, inverses and densities against truth, and what they gain."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from cases import AUTODIFF, ERRORS, IDENTITY, MODEL_CASES, built, scatter, step_of
from pyro.distributions.transforms.householder import ConditionedHouseholder
from steps import a_capture, equal_on_fresh_inputs
from test_guides_targets import gap, ppca, train
from torch import nn

from guides import (
    AmortisedHouseholder,
    AmortisedNAF,
    AmortisedPlanar,
    AmortisedSpline,
    AmortisedSylvester,
)
from guides.amortised_sylvester import Sylvester
from guides.parts.flows import conditional_nets
from zoo.compile.noise import draw_noise
from zoo.flows.planar import LARGEST_NEGATIVE, Planar, along
from zoo.flows.roots import root, tanh_root
from zoo.flows.sigmoidal import SigmoidalFlow
from zoo.flows.spline import Splines, numbers_of
from zoo.objectives import DoublyReparameterised, StickingTheLanding, Trace
from zoo.sampling.guide_density import FromGuide
from zoo.sampling.joint_density import JointDensity
from zoo.traces import Assign, run

FLOWS = {
    "amortised_planar": AmortisedPlanar,
    "amortised_householder": AmortisedHouseholder,
    "amortised_sylvester": AmortisedSylvester,
    "amortised_naf": AmortisedNAF,
    "amortised_spline": AmortisedSpline,
}
ROWS, SIZE, CONTEXT = 6, 3, 4


def plain(name):
    """The guide with an encoder that is linear in the row."""
    return partial(FLOWS[name], body=nn.Identity())


def planar(spread):
    v, w = spread * torch.randn(2, ROWS, SIZE)
    return Planar(along(v, w), w, torch.randn(ROWS, 1))


def sylvester(spread, *, flipped):
    return Sylvester(spread * torch.randn(ROWS, SIZE * (SIZE + 2)), SIZE, flipped=flipped)


def network(numbers, spread):
    net = conditional_nets(SIZE, CONTEXT, 2, 8, numbers)[1]
    scatter(net, spread=spread / 3)
    return net, torch.randn(ROWS, CONTEXT)


def naf(spread):
    return SigmoidalFlow(*network([5, 5, 5], spread))


def splines(spread):
    net, context = network(numbers_of(4), spread)
    return Splines(net, torch.randn(ROWS, SIZE), 0.5 + torch.rand(ROWS, SIZE), context)


STEPS = {
    "planar": planar,
    "reflections": lambda spread: ConditionedHouseholder(torch.randn(ROWS, 2, SIZE)),
    "sylvester": partial(sylvester, flipped=False),
    "sylvester, flipped": partial(sylvester, flipped=True),
    "naf": naf,
    "splines": splines,
}


@pytest.mark.parametrize("spread", [0.3, 1.0])
@pytest.mark.parametrize("name", STEPS)
def test_a_step_has_its_jacobian_and_its_inverse(name, spread):
    """The determinant by autograd; back and forth is the identity, with particles in front."""
    step, x = STEPS[name](spread), torch.randn(2, ROWS, SIZE)
    y = step._call(x)
    jacobian = torch.autograd.functional.jacobian(lambda x: step._call(x).sum((0, 1)), x)
    log_det = torch.linalg.slogdet(jacobian.movedim(0, -2))[1]
    found = step.log_abs_det_jacobian(x, y)
    torch.testing.assert_close(found, log_det, rtol=IDENTITY, atol=IDENTITY)
    torch.testing.assert_close(step._inverse(y), x, rtol=IDENTITY, atol=IDENTITY)
    assert (y - x).abs().max() > 0.1


@pytest.mark.parametrize("name", STEPS)
def test_the_inverse_of_a_step_has_its_gradient(name):
    """By numerical differences of z in the inverse, which finds roots without a closed form."""
    step = STEPS[name](0.5)
    y = step._call(torch.randn(ROWS, SIZE)).detach().requires_grad_()
    assert torch.autograd.gradcheck(step._inverse, (y,), rtol=AUTODIFF, atol=AUTODIFF)


def test_a_root_and_its_gradients():
    a = torch.tensor([0.3, 2.0, 11.0]).requires_grad_()
    value = torch.tensor([-1.0, 0.5, 8.0]).requires_grad_()

    def cube_root(a, value):
        def increasing(x):
            return a * x**3 + x, 3 * a * x**2 + 1

        return root(increasing, value, -9.0 * torch.ones(3), 9.0 * torch.ones(3))

    x = cube_root(a, value)
    torch.testing.assert_close(a * x**3 + x, value, rtol=IDENTITY, atol=IDENTITY)
    slope = 3 * a * x**2 + 1
    by_a, by_value = torch.autograd.grad(x.sum(), (a, value))
    torch.testing.assert_close(by_value, 1 / slope, rtol=IDENTITY, atol=IDENTITY)
    torch.testing.assert_close(by_a, -(x**3) / slope, rtol=IDENTITY, atol=IDENTITY)


def test_a_root_where_the_function_is_nearly_flat():
    """x - 0.999 tanh(x), whose slope at 0 is 0.001: the worst that a planar step can be."""
    x = torch.tensor([-3.0, -1e-3, 0.0, 1e-2, 0.4, 7.0])
    value = x - LARGEST_NEGATIVE * torch.tanh(x)
    found = tanh_root(value, torch.tensor(-LARGEST_NEGATIVE), torch.tensor(1.0), torch.tensor(0.0))
    torch.testing.assert_close(found, x, rtol=IDENTITY, atol=IDENTITY)


def test_planar_steps_stay_invertible():
    v, w = 20 * torch.randn(2, 500, SIZE)
    strength = (along(v, w) * w).sum(-1)
    assert (strength > -1).all()
    assert (strength.min(), strength.max() > 1) == (pytest.approx(-LARGEST_NEGATIVE), True)
    still = along(v, torch.zeros_like(w))
    assert torch.equal(still, v)


def grid_of(lows, highs, points):
    """Points of a grid in the plane and the area of a cell."""
    axes = [torch.linspace(float(a), float(b), points) for a, b in zip(lows, highs, strict=True)]
    area = (axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0])
    return torch.cartesian_prod(*axes), area


@pytest.mark.thin(6)
@torch.no_grad()
@pytest.mark.parametrize("name", FLOWS)
def test_the_density_integrates_to_one(name):
    """By quadrature of exp log q(z) at points the guide did not draw, for one row."""
    made, args = MODEL_CASES["ppca"].make(rows=1)
    with built(made, plain(name), Trace(), args) as program:
        scatter(program.guide, spread=0.15, seed=5)
        density = FromGuide(JointDensity(program, args, torch.arange(1)))
        u = density.draw(1000)[:, 0]
        middle, reach = u.median(0).values, (u - u.median(0).values).abs().amax(0)
        points, area = grid_of(
            middle - 2 * reach, middle + 2 * reach, 600 if "spline" in name else 250
        )
        log_q = density(points[:, None]).base
    assert float(log_q.exp().sum() * area) == pytest.approx(1.0, rel=AUTODIFF)


@pytest.mark.parametrize("name", FLOWS)
def test_a_held_draw_has_the_density_that_the_draw_had(name):
    """Inverting a flow that remembers no draw gives the log q of the draw."""
    made, args = MODEL_CASES["gaussian_vae"].make()
    with built(made, plain(name), Trace(), args) as program:
        scatter(program.guide, spread=0.1, seed=5)
        first = run(program.model, program.guide, args, {}).guide
        with Assign({"z": first.nodes["z"]["value"]}):
            again = run(program.model, deepcopy(program.guide), args, {}).guide
    assert again.log_prob_sum().item() == pytest.approx(first.log_prob_sum().item(), rel=IDENTITY)


@pytest.mark.parametrize("name", FLOWS)
def test_gradients_of_a_held_draws_density(name):
    """d log q(z; phi) / d phi at fixed z against differences in phi, along one direction."""
    made, args = MODEL_CASES["gaussian_vae"].make()
    with built(made, plain(name), Trace(), args) as program:
        scatter(program.guide, spread=0.1, seed=5)
        z = run(program.model, program.guide, args, {}).guide.nodes["z"]["value"].detach()
        moving = list(program.guide.parameters())
        way = [torch.randn_like(p) for p in moving]

        def log_q(step=0.0):
            with torch.no_grad():
                for parameter, part in zip(moving, way, strict=True):
                    parameter.add_(step * part)
            with Assign({"z": z}):
                return run(program.model, program.guide, args, {}).guide.log_prob_sum()

        grads = torch.autograd.grad(log_q(), moving)
        slope = sum((g * part).sum() for g, part in zip(grads, way, strict=True))
        size = 1e-6
        difference = (log_q(size) - log_q(-2 * size)) / (2 * size)
    assert slope.item() == pytest.approx(difference.item(), rel=AUTODIFF)


@pytest.mark.thorough
@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_is_captured_in_minibatches_and_goes_in_replicas(name):
    """Drawn and inverted in one step; two replicas side by side equal each alone."""
    made, args = MODEL_CASES["ppca"].make(rows=8)
    family = partial(plain(name), depth=1)
    with a_capture(made, family, args, StickingTheLanding(2), batch=4) as found:
        captured, program, rows = found
        assert equal_on_fresh_inputs(*found, steps=(2.0,))
        flat, held = captured.layout.read(program)
        flats, noise = torch.stack([flat, 1.1 * flat]), draw_noise(captured.noise, 2)
        clock, picked = torch.tensor(2.0), rows.order.block(2, 1)[0]

        def step(flat, noise):
            return captured.graph(flat, held, clock, picked, noise, rows.args)[:2]

        both = torch.vmap(step)(flats, noise)
        for i in (0, 1):
            alone = step(flats[i], tuple(part[i] for part in noise))
            for side, one in zip(both, alone, strict=True):
                torch.testing.assert_close(side[i], one, rtol=IDENTITY, atol=IDENTITY)


@pytest.mark.parametrize("name", FLOWS)
def test_the_path_derivative_has_the_mean_of_the_plain_one(name):
    """Of one draw: sticking the landing drops the score, whose mean is 0, and nothing else."""
    made, args = MODEL_CASES["ppca"].make()
    found = []
    for objective in (StickingTheLanding(1), DoublyReparameterised(1)):
        with built(made, FLOWS[name], objective, args) as program:
            scatter(program.guide, spread=0.5, seed=5)
            found.append(step_of(program, args)[1])
    for parameter, grad in found[0].items():
        if "guide" in parameter:
            torch.testing.assert_close(found[1][parameter], grad, rtol=IDENTITY, atol=IDENTITY)


BETTER = {  # guide -> (settings, share of the best diagonal guide's gap that must go)
    "amortised_planar": ({"depth": 4}, 2),
    "amortised_householder": ({}, 50),
    "amortised_sylvester": ({"depth": 2}, 2),
    "amortised_naf": ({"context": 4, "hidden": 8}, 2),
    "amortised_spline": ({"context": 4, "hidden": 8}, 2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_beats_the_best_diagonal_normal(name):
    """On a correlated normal posterior, where the best diagonal one's gap is in closed form."""
    settings, share = BETTER[name]
    model, x = ppca(orthogonal=False)
    family = partial(FLOWS[name], body=nn.Identity(), **settings)
    fitted = train(model, family, x, objective=Trace(8), lr=0.02, steps=1000)
    missing, error = gap(fitted, model.log_evidence(x).sum().detach(), x)
    assert missing > -ERRORS * error
    assert model.mean_field_gap(x).sum().detach() / share - missing > ERRORS * error


def test_householder_turns_a_normal_and_keeps_volumes():
    """The density is that of N(H m, H diag(s^2) H^T)."""
    loc, scale, v = torch.randn(3), 0.5 + torch.rand(3), torch.randn(2, 3)
    steps = [ConditionedHouseholder(v)]
    turn = torch.eye(3)
    for each in v:
        turn = (torch.eye(3) - 2 * torch.outer(each, each) / each.dot(each)) @ turn
    z = torch.randn(10, 3)
    base = torch.distributions.Independent(torch.distributions.Normal(loc, scale), 1)
    flow = torch.distributions.TransformedDistribution(base, steps)
    normal = torch.distributions.MultivariateNormal(turn @ loc, turn @ scale.diag() ** 2 @ turn.T)
    torch.testing.assert_close(flow.log_prob(z), normal.log_prob(z), rtol=IDENTITY, atol=IDENTITY)


@pytest.mark.parametrize("name", FLOWS)
def test_single_precision(name):
    torch.set_default_dtype(torch.float32)
    try:
        made, args = MODEL_CASES["ppca"].make()
        with built(made, FLOWS[name], StickingTheLanding(2), args) as program:
            loss, grads = step_of(program, args)
    finally:
        torch.set_default_dtype(torch.float64)
    assert {loss.dtype, *(grad.dtype for grad in grads.values())} == {torch.float32}
    assert all(grad.isfinite().all() for grad in grads.values())
