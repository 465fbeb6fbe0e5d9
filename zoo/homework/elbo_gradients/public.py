"""What a student can check alone: properties of right answers, never the answers."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from zoo.homework.api import Check

Function = Callable[..., tuple[Tensor, ...]]
SMALL = 1e-4
LOC, SCALE = torch.tensor([0.4, -1.0]), torch.tensor([0.5, 1.5])
A = torch.tensor([[1.0, 0.5], [-0.3, 0.8], [0.2, -1.0]])
Y, NOISE = torch.tensor([0.5, -1.0, 0.3]), torch.tensor(0.7)
EPS = torch.tensor([[0.3, -1.2], [1.5, 0.2], [-0.7, 0.9]])
RAW = torch.tensor([[0.2, 5.0], [-0.6, -0.4]])


def _close(a: Tensor, b: Tensor) -> bool:
    close = a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=SMALL, atol=SMALL)
    return bool(close)


def _shape(name: str, got: Tensor, want: tuple[int, ...]) -> Check:
    hint = f"Expected {name} of shape {want}; got {tuple(got.shape)}."
    return Check("shape", got.shape == want, hint)


def _mass(log_density: Tensor, width: float) -> Tensor:
    """The integral of a density from its logarithms on a square grid."""
    return log_density.double().exp().sum() * width**2


def check_a(function: Function) -> Iterator[Check]:
    """The densities of z integrate to 1; without A the likelihood is the same for every z."""
    line = torch.arange(-8.0, 8.0, 0.1)
    grid = torch.cartesian_prod(line, line)
    likelihood, prior, q = function(grid, A, Y, NOISE, LOC, SCALE)
    for name, term in (("log_likelihood", likelihood), ("log_prior", prior), ("log_q", q)):
        yield _shape(name, term, (len(grid),))
    one = torch.ones(())
    yield Check("log prior", _close(_mass(prior, 0.1), one), "p(z) must integrate to 1 over z.")
    yield Check("log q", _close(_mass(q, 0.1), one), "q(z) must integrate to 1 over z.")
    same = function(grid[:3], 0 * A, Y, NOISE, LOC, SCALE)[0]
    hint = "With A = 0 the log likelihood must be the same for every z."
    yield Check("log likelihood", _close(same, same[:1].expand(3)), hint)
    data = torch.cartesian_prod(line, line)
    rows = [function(EPS[:1], A[:2], y, NOISE, LOC, SCALE)[0][0] for y in data[::16]]
    sparse = torch.stack(rows).double().exp().sum() * 0.01 * 16
    hint = "p(y | z) must integrate to 1 over y."
    yield Check("log likelihood", abs(float(sparse) - 1.0) < 0.05, hint)


def check_b(function: Function) -> Iterator[Check]:
    """KL is 0 at the prior and positive elsewhere; a narrow q gives the likelihood at its mean."""
    expected, kl = function(A, Y, NOISE, LOC, SCALE)
    yield _shape("expected_log_likelihood", expected, ())
    yield _shape("kl", kl, ())
    yield Check("KL divergence", bool(kl > 0), "The KL divergence must be positive.")
    at_prior = function(A, Y, NOISE, torch.zeros(2), torch.ones(2))[1]
    hint = "The KL divergence must be 0 where q equals the prior."
    yield Check("KL divergence", _close(at_prior, torch.zeros(())), hint)
    wide = function(A, Y, NOISE, LOC, 2 * SCALE)[0]
    hint = "A wider q must have a smaller expected log likelihood."
    yield Check("expected log likelihood", bool(wide < expected), hint)
    flat = [function(0 * A, Y, NOISE, LOC, SCALE * factor)[0] for factor in (1.0, 2.0)]
    hint = "With A = 0 the expected log likelihood must not depend on the scale of q."
    yield Check("expected log likelihood", _close(flat[0], flat[1]), hint)


def check_c(function: Callable[..., Tensor]) -> Iterator[Check]:
    """No noise gives the mean; the draws have a gradient."""
    loc, log_scale = LOC.clone().requires_grad_(), SCALE.log().requires_grad_()
    z = function(EPS, loc, log_scale)
    yield _shape("z", z, (3, 2))
    still = function(torch.zeros(3, 2), loc, log_scale)
    yield Check("draw", _close(still, LOC.expand(3, 2)), "With eps = 0 every draw must be loc.")
    twice = function(2 * EPS, loc, log_scale) - LOC
    hint = "Twice the noise must lie twice as far from loc."
    yield Check("draw", _close(twice, 2 * (z - LOC)), hint)
    for name, leaf in (("gradient in loc", loc), ("gradient in log scale", log_scale)):
        yield Check(name, _reached(z.sum(), leaf), "The draws do not depend on it for autograd.")


def _reached(objective: Tensor, leaf: Tensor) -> bool:
    if not objective.requires_grad:
        return False
    (found,) = torch.autograd.grad(objective, leaf, allow_unused=True, retain_graph=True)
    return found is not None and bool(found.isfinite().all())


def _elbo_checks(function: Callable[..., Tensor], spread: Tensor, name: str) -> Iterator[Check]:
    loc, spread = LOC.clone().requires_grad_(), spread.clone().requires_grad_()
    elbo = function(EPS, loc, spread, A, Y, NOISE)
    yield _shape("elbo", elbo, ())
    doubled = function(torch.cat([EPS, EPS]), loc, spread, A, Y, NOISE)
    hint = "Giving every row of noise twice must leave the estimate as it is."
    yield Check("estimate", _close(doubled, elbo), hint)
    hint = "Autograd finds no gradient."
    yield Check("gradient in loc", _reached(elbo, loc), hint)
    yield Check(name, _reached(elbo, spread), hint)


def check_d(function: Callable[..., Tensor]) -> Iterator[Check]:
    """The estimate is a mean over draws and reaches both parameters."""
    yield from _elbo_checks(function, SCALE.log(), "gradient in log scale")


def check_e(function: Function) -> Iterator[Check]:
    """The upper triangle of raw does not matter; no noise gives the mean."""
    raw = RAW.clone().requires_grad_()
    z, log_q = function(EPS, LOC, raw)
    yield _shape("z", z, (3, 2))
    yield _shape("log_q", log_q, (3,))
    other = function(EPS, LOC, RAW.tril())[0]
    hint = "The entries of raw above the diagonal must not matter."
    yield Check("draw", _close(z, other), hint)
    still, top = function(torch.zeros(3, 2), LOC, RAW)
    yield Check("draw", _close(still, LOC.expand(3, 2)), "With eps = 0 every draw must be loc.")
    hint = "q must be largest at its mean, where eps = 0."
    yield Check("log q", bool((top >= log_q).all()), hint)
    hint = "Autograd finds no gradient."
    yield Check("gradient in raw", _reached(z.sum() + log_q.sum(), raw), hint)


def check_f(function: Callable[..., Tensor]) -> Iterator[Check]:
    """The estimate is a mean over draws and reaches both parameters."""
    yield from _elbo_checks(function, RAW, "gradient in raw")


def check_g(function: Function) -> Iterator[Check]:
    """Without data q is the prior; the gap is 0 where the posterior is diagonal."""
    loc, scale, gap = function(A, Y, NOISE)
    yield _shape("loc", loc, (2,))
    yield _shape("scale", scale, (2,))
    yield _shape("gap", gap, ())
    nothing = function(0 * A, Y, NOISE)
    yield Check("mean", _close(nothing[0], torch.zeros(2)), "With A = 0 the mean must be 0.")
    yield Check("scale", _close(nothing[1], torch.ones(2)), "With A = 0 the scales must be 1.")
    yield Check(
        "gap", bool(gap > 0), "The gap must be positive where the posterior is correlated."
    )
    apart = function(torch.diag(torch.tensor([1.0, 2.0])), Y[:2], NOISE)[2]
    hint = "The gap must be 0 where A is diagonal."
    yield Check("gap", _close(apart, torch.zeros(())), hint)
