"""Tests that the student runs: shapes, limits and identities of the sheet flows."""

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


def _shapes(*pairs: tuple[Tensor, tuple[int, ...]]) -> Check:
    found = " and ".join(str(tuple(tensor.shape)) for tensor, _ in pairs)
    expected = " and ".join(str(shape) for _, shape in pairs)
    passed = all(tensor.shape == shape for tensor, shape in pairs)
    return Check("shape", passed, f"Expected shape {expected}; got {found}.")


def check_a(function: Callable[..., Any]) -> Iterator[Check]:
    """Shapes, entries, and which inputs can reach which outputs."""
    degrees = torch.tensor([2, 1, 3, 1, 2])
    first, second = _results(function(degrees=degrees, size=4), "first", "second")
    yield _shapes((first, (5, 4)), (second, (4, 5)))
    first, second = first.double(), second.double()
    binary = bool(((first**2 == first).all()) and (second**2 == second).all())
    yield Check("shape", binary, "The entries of a mask are 0 and 1.")
    paths = second @ first
    yield Check(
        "paths", _near(paths.triu(), 0.0), "No path may lead from an input to an output up to it."
    )
    yield Check("output mask", _near(second[0], 0.0), "Output 1 depends on nothing.")
    yield Check(
        "hidden mask", bool((first[:, 0] == 1).all()), "Every hidden unit may see input 1."
    )
    every = bool((paths > 0)[torch.ones(4, 4).tril(-1) > 0].all())
    yield Check(
        "paths",
        every,
        "If all degrees from 1 to D - 1 occur, every output sees all inputs before it.",
    )


def _layer(seed: int) -> dict[str, Tensor]:
    """Four hidden units on three inputs, of degrees 1, 2, 1, 2."""
    first = torch.tensor([[1.0, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 0]], dtype=DOUBLE)
    second = torch.tensor([[0.0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]], dtype=DOUBLE)
    return {
        "w1": _draw(seed, 4, 3) * first,
        "b1": _draw(seed + 1, 4),
        "w2": 0.5 * _draw(seed + 2, 6, 4) * second.repeat(2, 1),
        "b2": 0.5 * _draw(seed + 3, 6),
    }


def check_b(function: Callable[..., Any]) -> Iterator[Check]:
    """Shapes, no weights, constant shift and scale, rows on their own."""
    u, layer = _draw(0, 5, 3), _layer(1)
    z, log_det = _results(function(u=u, **layer), "z", "log_det")
    yield _shapes((z, (5, 3)), (log_det, (5,)))
    idle = {name: torch.zeros_like(value) for name, value in layer.items()}
    same, none = _results(function(u=u, **idle), "z", "log_det")
    yield Check(
        "output of the layer",
        _near(same, u),
        "Where shift and log-scale are 0, the layer changes nothing.",
    )
    yield Check(
        "log-determinant", _near(none, 0.0), "A layer that changes nothing has determinant 1."
    )
    doubled = idle | {"b2": torch.tensor([0.0] * 3 + [2.0**0.5] * 3, dtype=DOUBLE)}
    _, constant = _results(function(u=u, **doubled), "z", "log_det")
    yield Check(
        "log-determinant",
        _near(constant, constant[:1]) and bool((constant > 0).all()),
        "A layer that stretches every coordinate by the same factor has the same positive "
        "log-determinant in every row.",
    )
    alone, det = _results(function(u=u[:1], **layer), "z", "log_det")
    yield Check(
        "log-determinant",
        _near(alone, z[:1]) and _near(det, log_det[:1]),
        "Rows must not influence each other.",
    )


def check_c(function: Callable[..., Any]) -> Iterator[Check]:
    """Shapes, no bend, a bend along the plane, far away."""
    u, a, w = _draw(10, 5, 3), _draw(11, 3), _draw(12, 3)
    a, b = a + (0.5 - w @ a) * w / (w @ w), torch.tensor(0.3, dtype=DOUBLE)
    z, log_det = _results(function(u=u, a=a, w=w, b=b), "z", "log_det")
    yield _shapes((z, (5, 3)), (log_det, (5,)))
    same, none = _results(function(u=u, a=0 * a, w=w, b=b), "z", "log_det")
    yield Check("output of the layer", _near(same, u), "With a = 0 the layer changes nothing.")
    yield Check("log-determinant", _near(none, 0.0), "With a = 0 the determinant is 1.")
    _, shear = _results(function(u=u, a=a - (w @ a) * w / (w @ w), w=w, b=b), "z", "log_det")
    yield Check(
        "log-determinant",
        _near(shear, 0.0),
        "A bend along the plane (a at right angles to w) is a shear, with determinant 1.",
    )
    far, flat = _results(function(u=u, a=a, w=w, b=b + 60), "z", "log_det")
    yield Check(
        "log-determinant",
        _near(flat, 0.0) and _near(far, u + a),
        "Far from the plane tanh is flat, so the layer only shifts.",
    )


def check_d(function: Callable[..., Any]) -> Iterator[Check]:
    """Shape, layers that cancel, order of layers, stretching."""
    eps, log_sd, log_dets = _draw(20, 4, 3), 0.3 * _draw(21, 4, 3), _draw(22, 2, 4)
    log_q = _single(function(eps=eps, log_sd=log_sd, log_dets=log_dets), "log_q")
    yield _shapes((log_q, (4,)))
    cancel = torch.stack([log_dets[0], -log_dets[0]])
    none = torch.zeros_like(log_dets)
    found = _single(function(eps=eps, log_sd=log_sd, log_dets=cancel), "log_q")
    idle = _single(function(eps=eps, log_sd=log_sd, log_dets=none), "log_q")
    yield Check(
        "change of variables",
        _near(found, idle),
        "A layer and its inverse leave the density as it was.",
    )
    wider = _single(function(eps=eps, log_sd=log_sd, log_dets=none + 1), "log_q")
    yield Check(
        "change of variables", bool((wider < idle).all()), "Stretching lowers the density."
    )
    swapped = _single(function(eps=eps, log_sd=log_sd, log_dets=log_dets.flip(0)), "log_q")
    yield Check(
        "change of variables", _near(swapped, log_q), "All layers count alike, in any order."
    )
    broad = _single(function(eps=eps, log_sd=log_sd + 1, log_dets=none), "log_q")
    yield Check(
        "change of variables",
        bool((broad < idle).all()),
        "With the same noise, a broader first normal lowers the density.",
    )


def check_e(function: Callable[..., Any]) -> Iterator[Check]:
    """Shape, no weights, a constant shift, which coordinates matter."""
    z, layer = _draw(30, 5, 3), _layer(31)
    u = _single(function(z=z, **layer), "u")
    yield _shapes((u, (5, 3)))
    idle = {name: torch.zeros_like(value) for name, value in layer.items()}
    same = _single(function(z=z, **idle), "u")
    yield Check("all coordinates", _near(same, z), "Where shift and log-scale are 0, u equals z.")
    shifted = idle | {"b2": torch.tensor([1.0] * 3 + [0.0] * 3, dtype=DOUBLE)}
    undone = _single(function(z=z + 1, **shifted), "u")
    yield Check("first coordinate", _near(undone, z), "A constant shift of 1 is undone.")
    changed = z.clone()
    changed[:, 2] += 1
    other = _single(function(z=changed, **layer), "u")
    yield Check(
        "all coordinates",
        _near(other[:, :2], u[:, :2]) and not _near(other[:, 2], u[:, 2]),
        "The last coordinate of z reaches the last coordinate of u alone.",
    )


def _posterior(seed: int) -> dict[str, Tensor]:
    root = torch.eye(3, dtype=DOUBLE) + 0.5 * _draw(seed, 3, 3)
    return {
        "loc": _draw(seed + 1, 5, 3),
        "log_sd": 0.3 * _draw(seed + 2, 5, 3),
        "mean": _draw(seed + 3, 5, 3),
        "precision": root @ root.T,
    }


def check_f(function: Callable[..., Any]) -> Iterator[Check]:
    """Shape, sign, zero at the posterior, a common shift."""
    problem = _posterior(40)
    gap = _single(function(**problem), "gap")
    yield _shapes((gap, (5,)))
    concept = "divergence from the posterior"
    yield Check(concept, bool((gap > 0).all()), "The ELBO is below log p(x) unless q is exact.")
    sd = problem["log_sd"][:1].expand(5, 3)
    exact = problem | {
        "log_sd": sd,
        "loc": problem["mean"],
        "precision": torch.diag(torch.exp(-2 * sd[0])),
    }
    zero = _single(function(**exact), "gap")
    yield Check(concept, _near(zero, 0.0), "The gap is 0 where the guide is the posterior.")
    moved = problem | {"loc": problem["loc"] + 3, "mean": problem["mean"] + 3}
    yield Check(
        concept,
        _near(_single(function(**moved), "gap"), gap),
        "Moving guide and posterior together does not change the gap.",
    )


def check_g(function: Callable[..., Any]) -> Iterator[Check]:
    """Shapes, signs, independent latents, the encoder does not matter to the first gap."""
    problem = _posterior(50)
    approximation, amortisation = _results(function(**problem), "approximation", "amortisation")
    yield _shapes((approximation, ()), (amortisation, (5,)))
    yield Check(
        "approximation gap",
        bool(approximation > 0),
        "With correlated latents no diagonal normal is exact.",
    )
    yield Check(
        "amortisation gap",
        bool((amortisation > 0).all()),
        "The encoder cannot do better than the best diagonal normal.",
    )
    diagonal = problem | {"precision": torch.diag(torch.tensor([0.5, 1.0, 3.0], dtype=DOUBLE))}
    none, _ = _results(function(**diagonal), "approximation", "amortisation")
    yield Check(
        "approximation gap",
        _near(none, 0.0),
        "With independent latents the best diagonal normal is the posterior.",
    )
    other = problem | {"loc": problem["loc"] + 1, "log_sd": problem["log_sd"] - 1}
    unchanged, _ = _results(function(**other), "approximation", "amortisation")
    yield Check(
        "approximation gap",
        _near(unchanged, approximation),
        "The approximation gap does not depend on what the encoder gives.",
    )
