"""Tests that the student runs: shapes, limits and identities of the sheet iwae."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from zoo.homework.api import Check

CLOSE = 1e-9
DOUBLE = torch.float64


def _draw(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=DOUBLE)


def _near(found: Tensor, expected: Tensor | float) -> bool:
    expected = torch.as_tensor(expected, dtype=DOUBLE)
    return bool(((found - expected).abs() <= CLOSE * (1 + expected.abs())).all())


def _results(value: Any, *names: str) -> tuple[Tensor, ...]:
    return tuple(value[name] for name in names) if isinstance(value, dict) else tuple(value)


def _single(value: Any, name: str) -> Tensor:
    return value[name] if isinstance(value, dict) else value


def _problem(seed: int) -> dict[str, Tensor]:
    """Three rows of four features with two latents; five draws."""
    return {
        "eps": _draw(seed, 5, 3, 2),
        "x": _draw(seed + 1, 3, 4),
        "loc": _draw(seed + 2, 3, 2),
        "log_sd": 0.3 * _draw(seed + 3, 3, 2),
        "slope": _draw(seed + 4, 4, 2),
        "noise": torch.tensor(0.7, dtype=DOUBLE),
    }


def check_a(function: Callable[..., Any]) -> Iterator[Check]:
    """Shapes; no noise gives the mean; with A = 0 and the prior as guide all weights are equal."""
    problem = _problem(0)
    z, log_w = _results(function(**problem), "z", "log_w")
    shapes = z.shape == (5, 3, 2) and log_w.shape == (5, 3)
    yield Check(
        "shape",
        shapes,
        f"Expected z of shape (5, 3, 2) and log_w of shape (5, 3); got {tuple(z.shape)} and "
        f"{tuple(log_w.shape)}.",
    )
    still = problem | {"eps": torch.zeros_like(problem["eps"])}
    z, _ = _results(function(**still), "z", "log_w")
    yield Check(
        "draw from the guide",
        _near(z, problem["loc"]),
        "Without noise every draw is the guide's mean.",
    )
    unit = problem | {"log_sd": torch.zeros_like(problem["log_sd"])}
    z, _ = _results(function(**unit), "z", "log_w")
    yield Check(
        "draw from the guide",
        _near(z, problem["loc"] + problem["eps"]),
        "Where log_sd is 0, the guide's standard deviation is 1.",
    )
    flat = {name: torch.zeros_like(problem[name]) for name in ("loc", "log_sd", "slope")}
    _, log_w = _results(function(**problem | flat), "z", "log_w")
    yield Check(
        "log-weight",
        _near(log_w, log_w[:1]),
        "If x does not depend on z and the guide is the prior, all draws of a row have the same "
        "weight, p(x).",
    )


def check_b(function: Callable[..., Any]) -> Iterator[Check]:
    """Shape, one draw, equal weights, order of rows, a common shift."""
    log_w = _draw(10, 6, 4)
    bound = _single(function(log_w=log_w), "bound")
    yield Check("shape", bound.shape == (4,), f"Expected shape (4,); got {tuple(bound.shape)}.")
    one = _single(function(log_w=log_w[:1]), "bound")
    yield Check("one draw", _near(one, log_w[0]), "With K = 1 the bound is the only log-weight.")
    equal = _single(function(log_w=log_w[:1].expand(6, 4)), "bound")
    yield Check(
        "mean of weights",
        _near(equal, log_w[0]),
        "K equal weights have that weight as their mean.",
    )
    inside = (bound > log_w.mean(0)).all() and (bound < log_w.max(0).values).all()
    yield Check(
        "mean of weights",
        bool(inside),
        "By Jensen's inequality the bound lies between the mean and the largest log-weight.",
    )
    shifted = _single(function(log_w=log_w - 3000), "bound")
    yield Check(
        "range",
        bool(shifted.isfinite().all()) and _near(shifted + 3000, bound),
        "Adding a constant to all log-weights adds it to the bound, also a constant of -3000.",
    )


def check_c(function: Callable[..., Any]) -> Iterator[Check]:
    """A scalar with gradients; none at the exact posterior."""
    problem = _problem(20)

    def gradients(**changed: Tensor) -> tuple[Tensor, ...]:
        inputs = problem | changed
        loc = inputs["loc"].clone().requires_grad_()
        log_sd = inputs["log_sd"].clone().requires_grad_()
        loss = function(**inputs | {"loc": loc, "log_sd": log_sd})
        shapes.append(tuple(loss.shape))
        return torch.autograd.grad(loss, (loc, log_sd), allow_unused=True, materialize_grads=True)

    shapes: list[tuple[int, ...]] = []
    by_loc, by_log_sd = gradients()
    yield Check("shape", shapes[0] == (), f"Expected a scalar; got shape {shapes[0]}.")
    yield Check(
        "estimator",
        bool((by_loc != 0).any() and (by_log_sd != 0).any()),
        "The loss must depend on loc and on log_sd through the draws.",
    )
    # without likelihood terms that depend on z the prior is the posterior
    flat = {name: torch.zeros_like(problem[name]) for name in ("loc", "log_sd", "slope")}
    by_loc, by_log_sd = gradients(**flat)
    yield Check(
        "estimator",
        _near(by_loc, 0.0) and _near(by_log_sd, 0.0),
        "Where the guide is the exact posterior this estimator is 0 for every draw, not only on "
        "average.",
    )
    few = {name: problem[name][:, :1] for name in ("eps",)}
    few |= {name: problem[name][:1] for name in ("x", "loc", "log_sd")}
    alone, together = gradients(**few)[0], gradients()[0][:1]
    yield Check("unbiased", _near(alone, together), "Rows must not influence each other.")


def check_d(function: Callable[..., Any]) -> Iterator[Check]:
    """Shapes, equal weights, one weight, shift, constants."""
    log_w, values = _draw(30, 8, 3), _draw(31, 8, 3)
    estimate, ess = _results(function(log_w=log_w, values=values), "estimate", "ess")
    shapes = estimate.shape == (3,) and ess.shape == (3,)
    yield Check(
        "shape",
        shapes,
        f"Expected two results of shape (3,); got {tuple(estimate.shape)} and {tuple(ess.shape)}.",
    )
    ones = torch.ones_like(values)
    constant, _ = _results(function(log_w=log_w, values=ones), "estimate", "ess")
    yield Check(
        "posterior mean", _near(constant, 1.0), "The posterior mean of the constant 1 is 1."
    )
    _, equal = _results(function(log_w=0 * log_w, values=values), "estimate", "ess")
    yield Check(
        "effective sample size", _near(equal, 8.0), "S equal weights have effective sample size S."
    )
    alone = log_w + torch.tensor([900.0] + 7 * [0.0], dtype=DOUBLE)[:, None]
    first, one = _results(function(log_w=alone, values=values), "estimate", "ess")
    yield Check(
        "effective sample size",
        _near(one, 1.0),
        "If one draw has all the weight, the effective sample size is 1.",
    )
    yield Check(
        "posterior mean",
        _near(first, values[0]),
        "If one draw has all the weight, the estimate is its value.",
    )


def check_e(function: Callable[..., Any]) -> Iterator[Check]:
    """Number and order of excesses; the order of draws and a common factor do not matter."""
    log_w = _draw(40, 100)
    excess = _single(function(log_w=log_w), "excess")
    yield Check(
        "excess over the cut",
        excess.shape == (20,),
        f"100 draws have a tail of 20; got shape {tuple(excess.shape)}.",
    )
    ascending = bool((excess.diff() >= 0).all() and (excess > 0).all() and (excess < 1).all())
    yield Check(
        "excess over the cut",
        ascending,
        "Excesses are in ascending order, above 0, and below 1 in units of the largest weight.",
    )
    other = _single(function(log_w=log_w.flip(0) + 5), "excess")
    yield Check(
        "excess over the cut",
        _near(other, excess),
        "The order of the draws and a common factor of the weights do not matter.",
    )


def check_f(function: Callable[..., Any]) -> Iterator[Check]:
    """A scalar; the unit does not matter; a heavier tail has a larger k."""
    p = (torch.arange(60, dtype=DOUBLE) + 0.5) / 60

    def quantiles(k: float) -> Tensor:
        return torch.expm1(-k * torch.log1p(-p)) / k

    k = _single(function(excess=0.1 * quantiles(0.5)), "k")
    yield Check("shape", k.shape == (), f"Expected a scalar; got shape {tuple(k.shape)}.")
    unit = _single(function(excess=quantiles(0.5)), "k")
    yield Check("shape of the tail", _near(unit, k), "k-hat does not depend on the unit.")
    light = _single(function(excess=0.1 * quantiles(0.1)), "k")
    heavy = _single(function(excess=0.1 * quantiles(0.9)), "k")
    yield Check(
        "shape of the tail", bool(light < k) and bool(k < heavy), "Heavier tails have a larger k."
    )


def _chains(seed: int, steps: int) -> dict[str, Tensor]:
    return {
        "z": _draw(seed, 7),
        "eps": _draw(seed + 1, steps - 1, 7),
        "betas": torch.linspace(0.0, 1.0, steps + 1, dtype=DOUBLE),
        "x": _draw(seed + 2, 3),
        "slope": _draw(seed + 3, 3),
        "noise": torch.tensor(0.8, dtype=DOUBLE),
    }


def _check_chains(function: Callable[..., Any], seed: int) -> Iterator[Check]:
    problem = _chains(seed, 4)
    log_w = _single(function(**problem), "log_w")
    yield Check("shape", log_w.shape == (7,), f"Expected shape (7,); got {tuple(log_w.shape)}.")
    x, noise = problem["x"], problem["noise"]
    flat = problem | {"slope": torch.zeros_like(x)}
    constant = -0.5 * (x / noise).square().sum() - 3 * (noise * math.sqrt(2 * math.pi)).log()
    yield Check(
        "identity",
        _near(_single(function(**flat), "log_w"), constant),
        "If x does not depend on z, every weight is p(x).",
    )
    other = function(**problem | {"eps": problem["eps"] + 1})
    yield Check(
        "mean of log w",
        not _near(_single(other, "log_w"), log_w),
        "The chains must move: other noise gives other weights.",
    )
    single = _single(function(**_chains(seed, 1)), "log_w")
    start = _chains(seed, 1)["z"]
    still = _single(function(**_chains(seed, 1) | {"z": start.flip(0)}), "log_w")
    yield Check(
        "identity",
        single.shape == (7,) and _near(still.flip(0), single),
        "With T = 1 there are no moves; the weight depends on the start of each chain alone.",
    )


def check_g(function: Callable[..., Any]) -> Iterator[Check]:
    """Shape, x independent of z, moves, T = 1."""
    yield from _check_chains(function, 50)


def check_h(function: Callable[..., Any]) -> Iterator[Check]:
    """The same backwards."""
    yield from _check_chains(function, 60)


def check_i(function: Callable[..., Any]) -> Iterator[Check]:
    """Scalars; equal weights; a shift; each bound from its own chains."""
    forward, reverse = _draw(70, 6) - 10, _draw(71, 9) - 5
    lower, upper = _results(function(forward=forward, reverse=reverse), "lower", "upper")
    yield Check(
        "shape",
        lower.shape == () and upper.shape == (),
        f"Expected two scalars; got {tuple(lower.shape)} and {tuple(upper.shape)}.",
    )
    same = torch.full((4,), -7.0, dtype=DOUBLE)
    low, high = _results(function(forward=same, reverse=same[:2]), "lower", "upper")
    yield Check("lower bound", _near(low, -7.0), "Equal weights: the bound is their logarithm.")
    yield Check("upper bound", _near(high, -7.0), "Equal weights: the bound is their logarithm.")
    yield Check(
        "upper bound",
        bool(upper > reverse.min()) and bool(upper < reverse.mean()),
        "By Jensen's inequality the upper bound is below the mean of log w of the reverse chains: "
        "it is the tighter of the two.",
    )
    yield Check(
        "lower bound",
        bool(lower > forward.mean()) and bool(lower < forward.max()),
        "By Jensen's inequality the lower bound is above the mean of log w of the forward chains: "
        "it is the tighter of the two.",
    )
