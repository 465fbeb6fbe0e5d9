"""IVON: its step, held against closed forms and the published algorithm."""

import pytest
import torch
from normal_posterior import MEAN, PRECISION, close, factor_of, loss_of, precision_of, target_of
from steps import EXACT
from torch import nn

from zoo.optim.natural import IVON, KEPT, NormalParameters
from zoo.optim.scales import numbers_of_factor, positive, unscaled


def normals(count, *, correlated):
    """Means and factors (3, 3) of normals to begin at."""
    for _ in range(count):
        factor = torch.eye(3) + 0.3 * torch.randn(3, 3).tril()
        factor = factor if correlated else factor.diagonal().diag_embed()
        yield torch.randn(3), factor.abs() if not correlated else factor


def pair_of(loc, factor, *, correlated):
    numbers = numbers_of_factor(factor) if correlated else unscaled(factor.diagonal())
    return NormalParameters(nn.Parameter(loc.clone()), nn.Parameter(numbers), correlated)


def stepped(pair, lr, precision, steps=1):
    """The normal after steps along the exact gradients."""
    optimizer = IVON([{"params": [pair.loc, pair.scale]}], lr, [pair])
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(pair.loc, pair.scale, precision, correlated=pair.correlated).backward()
        optimizer.step()
    return pair


@pytest.mark.parametrize("correlated", [False, True])
def test_the_best_normal_is_a_fixed_point(correlated):
    hessian = target_of(correlated=correlated)
    best = pair_of(MEAN, torch.linalg.cholesky(hessian.inverse()), correlated=correlated)
    after = stepped(best, 0.7, PRECISION, steps=3)
    assert close(after.loc.detach(), MEAN)
    assert close(precision_of(after), hessian)


@pytest.mark.parametrize("correlated", [False, True])
def test_at_rate_one_the_mean_lands_where_the_precision_is_right(correlated):
    """Newton's step, from any mean; of a mean-field normal where the posterior is one."""
    hessian = target_of(correlated=correlated)
    for mean, _ in normals(5, correlated=correlated):
        start = pair_of(mean, torch.linalg.cholesky(hessian.inverse()), correlated=correlated)
        assert close(stepped(start, 1.0, hessian).loc.detach(), MEAN)


@pytest.mark.parametrize("correlated", [False, True])
@pytest.mark.parametrize("rate", [0.01, 0.3, 1.0])
def test_the_precision_goes_the_way_of_the_rate_but_for_the_correction(correlated, rate):
    """At rate 1 it would land; the correction (H - P) P^-1 (H - P) / 2 keeps it positive."""
    hessian = target_of(correlated=correlated)
    for mean, factor in normals(5, correlated=correlated):
        start = pair_of(mean, factor, correlated=correlated)
        before = precision_of(start)
        way = rate * (hessian - before)
        after = precision_of(stepped(start, rate, PRECISION))
        assert close(after, before + way + way @ before.inverse() @ way / 2)


def test_steps_at_rate_one_converge_quadratically():
    start = pair_of(torch.zeros(3), torch.eye(3), correlated=True)
    errors = []
    for _ in range(9):
        relative = precision_of(start) @ torch.linalg.inv(PRECISION) - torch.eye(3)
        errors.append(torch.linalg.eigvals(relative).abs().max().item())
        start = stepped(start, 1.0, PRECISION)
    late = [pair for pair in zip(errors, errors[1:], strict=False) if 1e-4 < pair[0] < 0.5]
    assert len(late) >= 2
    assert all(after <= before**2 for before, after in late)
    assert close(precision_of(start), PRECISION)


@pytest.mark.parametrize("correlated", [False, True])
def test_scales_stay_positive_whatever_the_gradients(correlated):
    """And no variance grows by more than a factor of two."""
    for (mean, factor), size in zip(
        normals(8, correlated=correlated), 10.0 ** torch.arange(-3, 5), strict=True
    ):
        pair = pair_of(mean, factor, correlated=correlated)
        before = precision_of(pair)
        optimizer = IVON([{"params": [pair.loc, pair.scale]}], 1.0, [pair])
        pair.loc.grad, pair.scale.grad = size * torch.randn(3), size * torch.randn_like(pair.scale)
        optimizer.step()
        assert (factor_of(pair).diagonal() > 0).all()
        after = precision_of(pair)
        assert torch.linalg.eigvalsh(after - before / 2).min() > -EXACT * after.norm()


def test_one_draw_gives_the_published_step():
    """Shen et al., algorithm 1, with no weight decay, one row, and one rate."""
    weights, rate, size = torch.randn(20, 3), 0.05, 3

    def f(z):
        return nn.functional.softplus(weights @ z).sum() + (z**4).sum() / 4

    pair = pair_of(torch.randn(size), torch.eye(size), correlated=False)
    optimizer = IVON([{"params": [pair.loc, pair.scale]}], rate, [pair])
    m, h, g = pair.loc.detach().clone(), torch.ones(size), torch.zeros(size)
    for t in range(1, 31):
        noise, sigma = torch.randn(size), h.rsqrt()
        theta = (m + sigma * noise).requires_grad_()
        (gradient,) = torch.autograd.grad(f(theta), theta)
        hessian = gradient * (theta.detach() - m) / sigma**2
        g = KEPT * g + (1 - KEPT) * gradient
        h = (1 - rate) * h + rate * hessian + rate**2 * (h - hessian) ** 2 / h / 2
        m = m - rate * g / (1 - KEPT**t) / h
        optimizer.zero_grad()
        scale = positive(pair.scale)
        (f(pair.loc + scale * noise) - scale.log().sum()).backward()
        optimizer.step()
        assert close(pair.loc.detach(), m)
        assert close(positive(pair.scale.detach()), h.rsqrt())
