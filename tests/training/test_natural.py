"""IVON: its step, held against closed forms and the published algorithm, and its fits."""

from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import pytest
import torch
from steps import EXACT, interpreted
from torch import nn

import guides
import zoo
from zoo.objectives import Objective
from zoo.optim.natural import IVON, KEPT, NATURAL, NormalParameters, Places
from zoo.optim.scales import cholesky_factor, factor_size, numbers_of_factor, positive, unscaled
from zoo.optim.schedules import Cosine

MEAN = torch.tensor([1.0, -2.0, 0.5])
PRECISION = torch.tensor([[4.0, 1.0, 0.3], [1.0, 0.5, 0.1], [0.3, 0.1, 9.0]])


def close(found, exact):
    error = (found - exact).norm() / exact.norm().clamp(min=1e-300)
    assert error <= EXACT, f"relative error {error}"
    return True


def loss_of(loc, numbers, precision, *, correlated):
    """Minus the ELBO of a normal posterior, but for a constant, exactly."""
    dtype = loc.dtype
    off, precision = loc - MEAN.to(dtype), precision.to(dtype)
    if correlated:
        factor = cholesky_factor(numbers, len(loc))
        spread = (factor.mT @ precision @ factor).trace() / 2
        return off @ precision @ off / 2 + spread - factor.diagonal().log().sum()
    scale = positive(numbers)
    return off @ precision @ off / 2 + precision.diagonal() @ scale**2 / 2 - scale.log().sum()


def normals(count, *, correlated):
    """Means and factors (3, 3) of normals to begin at."""
    for _ in range(count):
        factor = torch.eye(3) + 0.3 * torch.randn(3, 3).tril()
        factor = factor if correlated else factor.diagonal().diag_embed()
        yield torch.randn(3), factor.abs() if not correlated else factor


def pair_of(loc, factor, *, correlated):
    numbers = numbers_of_factor(factor) if correlated else unscaled(factor.diagonal())
    return NormalParameters(nn.Parameter(loc.clone()), nn.Parameter(numbers), correlated)


def factor_of(pair):
    size = len(pair.loc)
    numbers = pair.scale.detach()
    return cholesky_factor(numbers, size) if pair.correlated else positive(numbers).diag_embed()


def precision_of(pair):
    factor = factor_of(pair)
    return torch.linalg.inv(factor @ factor.mT)


def stepped(pair, lr, precision, steps=1):
    """The normal after steps along the exact gradients."""
    optimizer = IVON([{"params": [pair.loc, pair.scale]}], lr, [pair])
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(pair.loc, pair.scale, precision, correlated=pair.correlated).backward()
        optimizer.step()
    return pair


def target_of(*, correlated):
    """E[f''] as the family sees it: all of it, or its diagonal."""
    return PRECISION if correlated else PRECISION.diagonal().diag_embed()


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


@dataclass(frozen=True)
class Exactly(Objective):
    """Minus the ELBO under a normal posterior of three values, without noise."""

    def loss(self, pair, state, args, kwargs):
        loc, numbers = pair.guide.parameters()
        correlated = len(numbers) > len(loc)
        return loss_of(loc, numbers, PRECISION, correlated=correlated)


def model():
    pyro.sample("z", dist.Normal(torch.zeros(3), 1.0).to_event(1))


def fitted(guide, **settings):
    given = {"objective": Exactly(), "optimizer": "ivon", "until": "steps", "compile": False}
    return zoo.fit(model, guide, **given | settings)


def vector(fit):
    parameters = fit.guide.parameters()
    return torch.cat([p.detach().reshape(-1) for p in parameters])


@pytest.mark.parametrize("guide", ["mean_field", "full_rank"])
def test_a_fit_ends_at_the_best_normal(guide):
    fit = fitted(guide, steps=800, lr=0.2)
    loc, numbers = fit.guide.parameters()
    pair = NormalParameters(loc, numbers, guide == "full_rank")
    assert close(loc.detach(), MEAN)
    assert close(precision_of(pair), target_of(correlated=pair.correlated))


@pytest.mark.parametrize("guide", ["mean_field", "full_rank"])
@pytest.mark.parametrize(
    "settings", [{}, {"clip_norm": 1.0}, {"lr_schedule": Cosine(30)}, {"replicas": 2}], ids=str
)
def test_captured_steps_are_the_plain_ones(guide, settings, monkeypatch):
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    settings = {"steps": 30, "lr": 0.1, **settings}
    compiled = fitted(guide, **settings | {"compile": True})
    plain = fitted(guide, **settings)
    if "replicas" not in settings:
        compiled, plain = [compiled], [plain]
    for one, other in zip(compiled, plain, strict=True):
        assert (one.backend, other.backend) == ("compiled", "plain")
        assert close(one.losses, other.losses)
        assert close(vector(one), vector(other))


def test_replicas_have_rates_of_their_own(monkeypatch):
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    for guide in ("mean_field", "full_rank"):
        both = fitted(guide, steps=20, lr=[0.05, 0.2], replicas=2, compile=True)
        for one, lr in zip(both, (0.05, 0.2), strict=True):
            assert close(vector(one), vector(fitted(guide, steps=20, lr=lr)))


@pytest.mark.parametrize(
    "guide", ["mean_field", pytest.param("full_rank", marks=pytest.mark.thorough)]
)
def test_a_compiled_loop_takes_the_plain_steps(guide):
    compiled = fitted(guide, steps=40, lr=0.1, compile=True)
    assert compiled.backend == "compiled"
    assert close(vector(compiled), vector(fitted(guide, steps=40, lr=0.1)))


@pytest.mark.parametrize("compile", [False, True])
def test_a_fit_goes_on_from_a_checkpoint(compile, tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    settings = {"lr": 0.1, "compile": compile}
    whole = fitted("full_rank", steps=25, **settings)
    fitted("full_rank", steps=10, checkpoint=tmp_path, **settings)
    again = fitted("full_rank", steps=25, resume=tmp_path, **settings)
    assert torch.equal(vector(again), vector(whole))
    plainly = fitted("full_rank", steps=25, lr=0.1, resume=fitted("full_rank", steps=10, lr=0.1))
    assert close(vector(plainly), vector(whole))


@pytest.mark.parametrize("guide", ["mean_field", "full_rank"])
def test_draws_lead_it_down_too(guide):
    fit = zoo.fit(zoo.load("logistic_regression"), guide, optimizer="ivon", steps=300, lr=0.01)
    start, end = fit.losses[:50], fit.losses[-50:]
    error = (start.var() / 50 + end.var() / 50).sqrt()
    assert start.mean() - end.mean() > 5 * error


def with_spread(x):
    spread = pyro.param("spread", torch.tensor(1.0), dist.constraints.positive)
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, spread), obs=x)


@pytest.mark.parametrize(
    ("task", "guide", "settings", "sentence"),
    [
        ("eight_schools", "iaf", {}, r"'guide\.\S+' of shape \S+ is none that the guide"),
        ("ppca", "amortised_normal", {}, r"full_rank, or optimizer='adam'|freeze_model=True"),
        (with_spread, "mean_field", {}, "a parameter of the model. Hold it by freeze_model=True"),
        ("eight_schools", "mean_field", {"weight_decay": 0.1}, "Expected weight_decay to be 0.0"),
        ("eight_schools", "mean_field", {"lr": 1.5}, "Expected lr to be at most 1"),
    ],
)
def test_what_it_cannot_do_is_refused(task, guide, settings, sentence):
    task = (zoo.load(task),) if isinstance(task, str) else (task,)
    args = (torch.randn(9),) if task[0] is with_spread else ()
    with pytest.raises(ValueError, match=sentence):
        zoo.fit(task[0], guide, *args, optimizer="ivon", steps=3, **settings)


def test_the_way_out_is_one():
    fit = zoo.fit(
        with_spread, "mean_field", torch.randn(9), optimizer="ivon", steps=3, freeze_model=True
    )
    assert len(fit.losses) == 3


def test_a_parameter_made_on_the_way_is_refused():
    """It is met at the second step, when the optimizer has its normals already."""
    runs = []

    def late(x):
        runs.append(1)
        mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
        if len(runs) > 40:
            mean = mean + pyro.param("late", torch.tensor(0.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mean, 1.0), obs=x)

    with pytest.raises(ValueError, match="a parameter of the model|none that the guide"):
        zoo.fit(late, "mean_field", torch.randn(9), optimizer="ivon", steps=60, compile=False)


def test_every_place_is_of_a_stated_normal():
    """What the program finds is what the guide states, by place; a part of it is none."""
    for guide, correlated in ((guides.MeanField, False), (guides.FullRank, True)):
        fit = zoo.fit(model, guide, steps=1, optimizer="adam", until="steps")
        loc, scale = fit.guide.parameters()
        assert fit.program.places_of_normals([scale, loc]) == (Places(1, 0, correlated),)
        assert fit.program.places_of_normals([scale]) == ()
    assert factor_size(3) == scale.numel()
    assert set(NATURAL) == {"ivon"}
