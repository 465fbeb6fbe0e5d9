"""Checks that a student can run: properties that every right solution has."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor

from zoo.homework.api import Check

D, H = 3, 2


def _close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-5)


def _normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _uniform(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _states(bits: int) -> Tensor:
    return torch.tensor(list(product((0.0, 1.0), repeat=bits)))


def _pairs() -> tuple[Tensor, Tensor]:
    """All states of x and z together."""
    both = _states(D + H)
    return both[:, :D], both[:, D:]


def _generative() -> tuple[Tensor, Tensor, Tensor]:
    return _normal(H), _normal(H, D), _normal(D)


def check_a(function: Callable[..., Any]) -> Iterator[Check]:
    """Shape, normalisation, large activations."""
    x, z = _pairs()
    log_p = function(x, z, *_generative())
    yield Check("shape", log_p.shape == (32,), "There is one log probability a row: (N,).")
    total = log_p.exp().sum()
    hint = "The probabilities of all states of x and z sum to 1."
    yield Check("joint log probability", _close(total, torch.ones(())), hint)
    b, w, c = _generative()
    large = function(x, z, 60 * b.sign(), w, 60 * c.sign())
    hint = "With activations of +60 and -60 the results are finite."
    yield Check("joint log probability", bool(large.isfinite().all()), hint)


def check_b(function: Callable[..., Any]) -> Iterator[Check]:
    """Shapes, zeros and ones, uniform numbers near 0 and 1, the influence of z."""
    u_z, u_x = _uniform(20, H), _uniform(20, D)
    b, w, c = _generative()
    z, x = function(b, w, c, u_z, u_x)
    right = z.shape == (20, H) and x.shape == (20, D) and z.dtype == x.dtype == b.dtype
    yield Check("shapes", right, "z has shape (N, H), x (N, D), in the dtype of the parameters.")
    binary = bool(((z == 0) | (z == 1)).all() and ((x == 0) | (x == 1)).all())
    yield Check("bits", binary, "All entries are 0 or 1.")
    z, x = function(b, w, c, torch.full((4, H), 1e-6), torch.full((4, D), 1e-6))
    hint = "With uniform numbers near 0 all bits are 1."
    yield Check("dream", bool((z == 1).all() and (x == 1).all()), hint)
    strong = torch.tensor([[50.0, -50.0, 0.0], [0.0, 0.0, 50.0]])
    z, x = function(torch.zeros(H), strong, torch.tensor([-25.0, 25.0, -25.0]), u_z, u_x)
    follows = (x[:, 0] == z[:, 0]).all() and (x[:, 2] == z[:, 1]).all()
    hint = "With very large weights x follows the latent variables of the same dream."
    yield Check("dream", bool(follows), hint)


def check_c(function: Callable[..., Any]) -> Iterator[Check]:
    """Shapes, rows twice, latent variables that are off, the sign."""
    x, z = _pairs()
    parameters = _generative()
    first = function(x, z, *parameters)
    right = [one.shape for one in first] == [one.shape for one in parameters]
    yield Check("shapes", right, "The gradients have the shapes of b, w and c.")
    if not right:
        return
    twice = function(x.repeat(2, 1), z.repeat(2, 1), *parameters)
    same = all(_close(*pair) for pair in zip(first, twice, strict=True))
    yield Check("mean over rows", same, "Each row given twice leaves the gradients as they are.")
    off = function(x, torch.zeros_like(z), *parameters)[1]
    hint = "If all latent variables are 0 the gradient of w is 0."
    yield Check("weights", _close(off, torch.zeros(H, D)), hint)
    ones = function(torch.ones(4, D), torch.ones(4, H), *parameters)
    rising = all(bool((one > 0).all()) for one in ones)
    yield Check("sign", rising, "If all bits are 1, larger parameters make log p larger.")


def check_d(function: Callable[..., Any]) -> Iterator[Check]:
    """Shapes, rows twice, pixels that are off, the sign."""
    x, z = _pairs()
    v, a = _normal(D, H), _normal(H)
    first = function(x, z, v, a)
    right = first[0].shape == (D, H) and first[1].shape == (H,)
    yield Check("shapes", right, "The gradients have the shapes of v and a.")
    if not right:
        return
    twice = function(x.repeat(2, 1), z.repeat(2, 1), v, a)
    same = all(_close(*pair) for pair in zip(first, twice, strict=True))
    yield Check("mean over rows", same, "Each row given twice leaves the gradients as they are.")
    off = function(torch.zeros_like(x), z, v, a)[0]
    hint = "If all of x is 0 the gradient of v is 0."
    yield Check("weights", _close(off, torch.zeros(D, H)), hint)
    ones = function(torch.ones(4, D), torch.ones(4, H), v, a)
    rising = all(bool((one > 0).all()) for one in ones)
    yield Check("sign", rising, "If all bits are 1, larger parameters make log q larger.")


def check_e(function: Callable[..., Any]) -> Iterator[Check]:
    """Shapes, a rate of zero, slopes of one, what each phase is called with."""
    x = _states(D)
    before = (*_generative(), _normal(D, H), _normal(H))
    seen: dict[str, Any] = {}

    def wake(x: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        seen["wake"] = (x, z)
        return tuple(torch.ones_like(one) for one in before[:3])

    def sleep(x: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        seen["sleep"] = (x, z)
        return tuple(torch.ones_like(one) for one in before[3:])

    def dream(rows: int) -> tuple[Tensor, Tensor]:
        seen["rows"] = rows
        return _states(H).repeat(2, 1)[:rows], 1 - x[:rows]

    def step(rate: float) -> tuple[Tensor, ...]:
        return function(x, *before, rate, lambda data: data[:, :H], dream, wake, sleep)

    after = step(0.0)
    right = [one.shape for one in after] == [one.shape for one in before]
    yield Check("shapes", right, "The results are b, w, c, v and a, in their own shapes.")
    if not right:
        return
    still = all(_close(*pair) for pair in zip(after, before, strict=True))
    yield Check("rate", still, "A step of size 0 changes nothing.")
    moved = all(_close(*pair) for pair in zip(step(0.5), (p + 0.5 for p in before), strict=True))
    yield Check("step", moved, "With slopes of 1 and a rate of 0.5 all parameters grow by 0.5.")
    rows = seen.get("rows") == len(x)
    yield Check("sleep phase", rows, "There are as many dreams as rows of data.")
    given = "wake" in seen and torch.equal(seen["wake"][0], x)
    yield Check("wake phase", given, "The wake phase learns from the data.")


def check_f(function: Callable[..., Any]) -> Iterator[Check]:
    """Shapes, the posterior itself, signs."""
    log_joint = _normal(8, 4).flatten().log_softmax(0).view(8, 4)
    exclusive, inclusive = function(log_joint, _normal(8, 4).flip(0).log_softmax(1))
    right = exclusive.shape == () and inclusive.shape == ()
    yield Check("shapes", right, "Both divergences have shape ().")
    positive = bool(exclusive > 0 and inclusive > 0)
    yield Check("sign", positive, "A divergence is positive where q is not the posterior.")
    exact = function(log_joint, log_joint.log_softmax(1))
    zero = all(_close(one, torch.zeros(())) for one in exact)
    yield Check("zero", zero, "Both are 0 where q(z | x) is the posterior.")
    independent = _normal(8).log_softmax(0).unsqueeze(1) + _normal(4).log_softmax(0)
    flat = torch.full((8, 4), 0.25).log()
    found = function(independent, flat)
    one_row = function(_normal(4).log_softmax(0).unsqueeze(0), flat[:1])
    same = all(_close(*pair) for pair in zip(found, one_row, strict=True))
    hint = "If neither p(z | x) nor q depends on x, the number of states of x does not matter."
    yield Check("mean over x", same, hint)


def check_g(function: Callable[..., Any]) -> Iterator[Check]:
    """A scalar with gradients in both, a sum of slopes, a factor that all particles share."""

    def slopes(log_p: Tensor, log_q: Tensor) -> tuple[Tensor | None, ...]:
        leaves = (log_p.clone().requires_grad_(), log_q.clone().requires_grad_())
        value = function(*leaves)
        return torch.autograd.grad(value, leaves, allow_unused=True)

    log_p, log_q = _normal(4, 3) - 3, _normal(4, 3).flip(0) - 2
    shape = function(log_p.clone().requires_grad_(), log_q.clone().requires_grad_()).shape
    yield Check("shape", shape == (), "The loss is one number, of shape ().")
    if shape != ():
        return
    first = slopes(log_p, log_q)
    attached = all(one is not None for one in first)
    yield Check("attached", attached, "The loss has a gradient in log_p and one in log_q.")
    if not attached:
        return
    third = torch.full((3,), -1 / 3)
    hint = "The gradients of a row's particles sum to -1/N, because the weights sum to 1."
    total = all(one is not None and _close(one.sum(0), third) for one in first)
    yield Check("weights", total, hint)
    moved = slopes(log_p + torch.tensor([5.0, -7.0, 2.0]), log_q)
    same = all(
        one is not None and other is not None and _close(one, other)
        for one, other in zip(first, moved, strict=True)
    )
    yield Check("weights", same, "A factor that all particles of a row share changes no gradient.")
    low = slopes(log_p - 300, log_q - 300)
    finite = all(one is not None and bool(one.isfinite().all()) for one in low)
    yield Check("weights", finite, "Log probabilities of -300 give finite gradients.")
