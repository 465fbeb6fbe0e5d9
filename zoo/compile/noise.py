"""Noise as an explicit input: every draw of a step becomes a function of normals and uniforms.

A captured step must not draw random numbers by itself, for two reasons. Under vmap,
`empty().normal_()` would give all replicas the same draw; and two programs can be compared only
under the same noise.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from zoo.compile.gamma_noise import PROPOSALS, GammaNoise, StandardGamma, dirichlet_draw
from zoo.torch_private import sample_dirichlet, standard_gamma


class Spec(NamedTuple):
    """One draw of noise that a step takes: standard normals or uniforms on [0, 1)."""

    normal: bool
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    def draw(self) -> Tensor:
        """Fresh noise from the global random state."""
        return draw_noise([self])[0]


Kind = tuple[bool, torch.dtype, torch.device]  # normal or uniform, and what of
LINE = 16  # numbers: torch makes normals in groups of so many, each from as many random words
MOST_NUMBERS = 2**22  # of noise in memory at once


def draw_noise(specs: Sequence[Spec], replicas: int | None = None) -> tuple[Tensor, ...]:
    """Fresh noise for each spec; with replicas, their dimension comes first."""
    lead, rows = () if replicas is None else (replicas,), []
    for kind in _kinds(specs):
        normal, dtype, device = kind
        sample = torch.randn if normal else torch.rand
        rows.append(sample((*lead, sum(_sizes(kind, specs))), dtype=dtype, device=device))
    return noise_of_step(specs, rows)


def noise_of_steps(
    specs: Sequence[Spec], taken: int, steps: int, replicas: int | None = None
) -> tuple[Tensor, ...]:
    """The noise of many steps, each kind of it in one draw.

    A compiled loop that draws for itself takes ten times as long for each number. Steps get the
    same noise however many are drawn at once: each takes whole groups of numbers, in order.

    Args:
        specs: the draws of a step.
        taken: number of steps to draw noise for; the rows of further steps are not set.
        steps: number of rows of the result.
        replicas: number of fits that are trained together; None for a single one.

    Returns:
        For each kind of noise its numbers, shape (steps, numbers), or (steps, replicas, numbers);
        :func:`noise_of_step` cuts them up.
    """
    lead, kinds = (steps,) if replicas is None else (steps, replicas), _kinds(specs)
    found = []
    for kind in kinds:
        size = -(-sum(_sizes(kind, specs)) // LINE) * LINE
        found.append(torch.empty((*lead, size), dtype=kind[1], device=kind[2]))
    at_once = taken if len(kinds) == 1 and kinds[0][2].type == "cpu" else 1
    for start in range(0, taken, at_once or 1):
        for (normal, _, _), numbers in zip(kinds, found, strict=True):
            rows = numbers[start : start + at_once]
            rows.normal_() if normal else rows.uniform_()
    return tuple(found)


def noise_of_step(specs: Sequence[Spec], rows: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The noise for each spec, from one step's row of :func:`noise_of_steps`."""
    kinds = _kinds(specs)
    cut = {kind: iter(_cut(kind, specs, row)) for kind, row in zip(kinds, rows, strict=True)}
    return tuple(next(cut[_kind(spec)]) for spec in specs)


def steps_at_once(specs: Sequence[Spec], most: int, replicas: int | None = None) -> int:
    """For how many steps, up to `most`, noise may be in memory at once; at least 1."""
    numbers = (replicas or 1) * sum(math.prod(spec.shape) for spec in specs)
    return max(1, min(most, MOST_NUMBERS // max(1, numbers)))


def _kind(spec: Spec) -> Kind:
    return spec.normal, spec.dtype, spec.device


def _kinds(specs: Sequence[Spec]) -> list[Kind]:
    """Each kind of noise that a step takes, once."""
    return list(dict.fromkeys(map(_kind, specs)))


def _sizes(kind: Kind, specs: Sequence[Spec]) -> list[int]:
    return [math.prod(spec.shape) for spec in specs if _kind(spec) == kind]


def _cut(kind: Kind, specs: Sequence[Spec], row: Tensor) -> list[Tensor]:
    """The noise of all specs of one kind, in order; numbers may be left over at the end."""
    shapes = [spec.shape for spec in specs if _kind(spec) == kind]
    sizes = _sizes(kind, specs)
    parts = row[..., : sum(sizes)].split(sizes, dim=-1)
    lead = row.shape[:-1]
    return [part.reshape((*lead, *shape)) for part, shape in zip(parts, shapes, strict=True)]


Source = Callable[[Spec], Tensor]


class ExplicitNoise(TorchFunctionMode):
    """Inside, torch's random functions take their noise from `source`."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source

    def __torch_function__(
        self, func: Callable, types: Sequence[type], args: tuple = (), kwargs: dict | None = None
    ) -> object:
        """The result of a random function's rule; of any other function its own result."""
        rule = RULES.get(func)
        if rule is None:
            return func(*args, **(kwargs or {}))
        return rule(self, *args, **(kwargs or {}))

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Standard normals with the dtype and device of `like`."""
        return self.source(
            Spec(normal=True, shape=tuple(shape), dtype=like.dtype, device=like.device)
        )

    def uniform(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Uniforms on [0, 1) with the dtype and device of `like`."""
        return self.source(
            Spec(normal=False, shape=tuple(shape), dtype=like.dtype, device=like.device)
        )


Noise = Callable[[ExplicitNoise, Sequence[int], Tensor], Tensor]


def record(specs: list[Spec]) -> Source:
    """A source that draws fresh noise, and adds what it was asked for to `specs`."""

    def source(spec: Spec) -> Tensor:
        specs.append(spec)
        return spec.draw()

    return source


def replay(noise: Sequence[Tensor]) -> Source:
    """A source that hands out given noise in order."""
    left: Iterator[Tensor] = iter(noise)
    return lambda spec: next(left)


def _like(dtype: torch.dtype | None, device: object) -> Tensor:
    return torch.empty(0, dtype=dtype, device=device)  # type: ignore[call-overload]


def _shape(size: tuple) -> tuple[int, ...]:
    return tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else tuple(size)


def _normal_(mode: ExplicitNoise, x: Tensor, mean: float = 0, std: float = 1) -> Tensor:
    noise = mode.normal(x.shape, x)
    return x.copy_(noise if (mean, std) == (0, 1) else mean + std * noise)


def _normal(
    mode: ExplicitNoise, mean: Tensor, std: Tensor | float = 1.0, size: tuple | None = None
) -> Tensor:
    if size is not None:
        return mean + std * mode.normal(size, _like(None, None))
    shape = torch.broadcast_shapes(mean.shape, torch.as_tensor(std).shape)
    return mean + std * mode.normal(shape, mean)


def _filled(
    noise: Noise,
    mode: ExplicitNoise,
    *shape: object,
    size: Sequence[int] | None = None,
    dtype: torch.dtype | None = None,
    device: object = None,
) -> Tensor:
    """torch.randn or torch.rand, with normals or uniforms as `noise`."""
    return noise(mode, _shape(shape if size is None else tuple(size)), _like(dtype, device))


def _filled_like(
    noise: Noise,
    mode: ExplicitNoise,
    x: Tensor,
    dtype: torch.dtype | None = None,
    device: object = None,
) -> Tensor:
    """torch.randn_like or torch.rand_like, with normals or uniforms as `noise`."""
    return noise(mode, x.shape, _like(dtype or x.dtype, device or x.device))


def _uniform_(mode: ExplicitNoise, x: Tensor, low: float = 0, high: float = 1) -> Tensor:
    return x.copy_(low + (high - low) * mode.uniform(x.shape, x))


def _exponential_(mode: ExplicitNoise, x: Tensor, rate: float = 1) -> Tensor:
    return x.copy_(-torch.log1p(-mode.uniform(x.shape, x)) / rate)


def _bernoulli(mode: ExplicitNoise, probs: Tensor) -> Tensor:
    return (mode.uniform(probs.shape, probs) < probs).to(probs.dtype)


def _bernoulli_(mode: ExplicitNoise, x: Tensor, p: Tensor | float = 0.5) -> Tensor:
    return x.copy_(mode.uniform(x.shape, x) < p)


def _multinomial(
    mode: ExplicitNoise,
    probs: Tensor,
    num_samples: int,
    replacement: bool = False,
) -> Tensor:
    """Draws by the inverse distribution function.

    Without replacement, the classes are in the order of independent exponential times whose rates
    are their probabilities.
    """
    if replacement or num_samples == 1:
        edges = probs.cumsum(-1)
        shape = (*probs.shape[:-1], num_samples)
        points = mode.uniform(shape, probs) * edges[..., -1:]
        passed = (points.unsqueeze(-1) >= edges.unsqueeze(-2)).sum(-1)
        return passed.clamp(max=probs.shape[-1] - 1)
    race = -torch.log1p(-mode.uniform(probs.shape, probs)) / probs
    return race.argsort(-1)[..., :num_samples]


def _gamma_noise(mode: ExplicitNoise, like: Tensor) -> GammaNoise:
    shape = (PROPOSALS, *like.shape)
    return GammaNoise(
        mode.normal(shape, like), mode.uniform(shape, like), mode.uniform(like.shape, like)
    )


def _standard_gamma(mode: ExplicitNoise, concentration: Tensor, generator: None = None) -> Tensor:
    if generator is not None:
        raise ValueError(
            "Expected a gamma draw from torch's global random state; got a generator of its own. "
            "Leave the generator out, or use the plain step, compile=False."
        )
    return StandardGamma.apply(concentration, *_gamma_noise(mode, concentration))


def _dirichlet(mode: ExplicitNoise, concentration: Tensor) -> Tensor:
    return dirichlet_draw(concentration, _gamma_noise(mode, concentration))


def _randperm(mode: ExplicitNoise, n: int, device: object = None) -> Tensor:
    return mode.uniform((n,), _like(None, device)).argsort()


def _dropout(
    mode: ExplicitNoise,
    x: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
) -> Tensor:
    if not training:
        return x
    kept = x * (mode.uniform(x.shape, x) >= p).to(x.dtype) / (1 - p)
    return x.copy_(kept) if inplace else kept


def _one_hot(mode: ExplicitNoise, index: Tensor, num_classes: int = -1) -> Tensor:
    """One-hot vectors; nothing random, but torch's own function reads values to check them."""
    if num_classes < 0:
        num_classes = int(index.max()) + 1
    return (index.unsqueeze(-1) == torch.arange(num_classes, device=index.device)).long()


RULES: dict[Callable, Callable] = {  # random function -> the same from the mode's noise
    torch.Tensor.normal_: _normal_,
    torch.normal: _normal,
    torch.randn: partial(_filled, ExplicitNoise.normal),
    torch.rand: partial(_filled, ExplicitNoise.uniform),
    torch.randn_like: partial(_filled_like, ExplicitNoise.normal),
    torch.rand_like: partial(_filled_like, ExplicitNoise.uniform),
    torch.Tensor.uniform_: _uniform_,
    torch.Tensor.exponential_: _exponential_,
    torch.bernoulli: _bernoulli,
    torch.Tensor.bernoulli: _bernoulli,
    torch.Tensor.bernoulli_: _bernoulli_,
    torch.multinomial: _multinomial,
    torch.Tensor.multinomial: _multinomial,
    standard_gamma: _standard_gamma,
    sample_dirichlet: _dirichlet,
    torch.randperm: _randperm,
    functional.dropout: _dropout,
    functional.one_hot: _one_hot,
}
