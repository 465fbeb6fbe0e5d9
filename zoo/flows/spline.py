"""Monotone rational-quadratic splines, increasing functions with a closed inverse, and their flow.

Between knots (x_k, y_k) with slopes d_k, s = (y_{k+1} - y_k) / (x_{k+1} - x_k), and t in [0, 1]
the place within the bin:

    y = y_k + (y_{k+1} - y_k) (s t^2 + d_k t (1 - t)) / (s + (d_{k+1} + d_k - 2 s) t (1 - t)).

Outside of [-BOX, BOX] the function is the identity. Each of B bins takes at least
LEAST_BIN_SHARE / B of the box in both directions, and slopes are at least LEAST_SLOPE: an inverse
loses digits where a spline is flat, and in an autoregressive flow the next value's knots depend on
the inverse, so that the loss grows from value to value.
Source: Gregory & Delbourgo 1982; Durkan, Bekasov, Murray & Papamakarios 2019, "Neural spline
flows".
Departs from the paper: its least bins and slopes are 1/1000.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints
from torch.nn.functional import pad, softplus

BOX = 4.0
LEAST_BIN_SHARE = 0.4
LEAST_SLOPE = 0.01
UNCONSTRAINED_UNIT_SLOPE = math.log(math.expm1(1 - LEAST_SLOPE))


class Knots(NamedTuple):
    """Knots of splines; x, y and slopes, (..., bins + 1) each."""

    x: Tensor
    y: Tensor
    slope: Tensor


class Bin(NamedTuple):
    """The bin that a point lies in: its lower corner, sizes, and slopes at both ends; (...)."""

    x: Tensor
    y: Tensor
    width: Tensor
    height: Tensor
    left: Tensor
    right: Tensor


def numbers_of(bins: int) -> list[int]:
    """How many numbers a spline takes: widths, heights, and slopes at inner knots."""
    return [bins, bins, bins - 1]


def knots(widths: Tensor, heights: Tensor, slopes: Tensor) -> Knots:
    """Knots from unconstrained numbers; (..., bins), (..., bins), (..., bins - 1)."""
    inner = softplus(slopes + UNCONSTRAINED_UNIT_SLOPE) + LEAST_SLOPE
    return Knots(_edges(widths), _edges(heights), pad(inner, (1, 1), value=1.0))


def _edges(numbers: Tensor) -> Tensor:
    shares = LEAST_BIN_SHARE / numbers.shape[-1] + (1 - LEAST_BIN_SHARE) * numbers.softmax(-1)
    inner = 2 * BOX * shares.cumsum(-1)[..., :-1] - BOX
    return pad(pad(inner, (1, 0), value=-BOX), (0, 1), value=BOX)


def spline(x: Tensor, at: Knots) -> tuple[Tensor, Tensor]:
    """The function and the log of its slope at x, shape (...)."""
    inside = x.abs() < BOX
    within = torch.where(inside, x, 0.0)
    here = _bin(within, at.x, at)
    t = (within - here.x) / here.width
    y, log_slope = _at(t, here)
    return torch.where(inside, y, x), torch.where(inside, log_slope, 0.0)


def inverse_spline(y: Tensor, at: Knots) -> Tensor:
    """The x whose value is y, shape (...): the root of a quadratic in t."""
    inside = y.abs() < BOX
    within = torch.where(inside, y, 0.0)
    here = _bin(within, at.y, at)
    s, rise = here.height / here.width, within - here.y
    bent = here.left + here.right - 2 * s
    a = here.height * (s - here.left) + rise * bent
    b = here.height * here.left - rise * bent
    c = -s * rise
    t = 2 * c / (-b - (b**2 - 4 * a * c).clamp(min=0).sqrt())
    return torch.where(inside, here.x + t * here.width, y)


def _at(t: Tensor, here: Bin) -> tuple[Tensor, Tensor]:
    s, both = here.height / here.width, t * (1 - t)
    below = s + (here.left + here.right - 2 * s) * both
    y = here.y + here.height * (s * t**2 + here.left * both) / below
    slope = s**2 * (here.right * t**2 + 2 * s * both + here.left * (1 - t) ** 2) / below**2
    return y, slope.log()


def _bin(value: Tensor, edges: Tensor, at: Knots) -> Bin:
    k = (edges[..., 1:-1] <= value.unsqueeze(-1)).sum(-1, keepdim=True)
    x, y, slope = (part.expand(*k.shape[:-1], part.shape[-1]) for part in at)

    def ends(part: Tensor) -> tuple[Tensor, Tensor]:
        low, high = part.gather(-1, k), part.gather(-1, k + 1)
        return low.squeeze(-1), high.squeeze(-1)

    (x0, x1), (y0, y1), (left, right) = ends(x), ends(y), ends(slope)
    return Bin(x0, y0, x1 - x0, y1 - y0, left, right)


class Splines(Transform):
    """One autoregressive step x -> y with y_i = spline(x_i; knots), which are read off x_<i.

    Args:
        net: masked network x (..., d) -> three tensors (..., numbers, d), with as many numbers
            as :func:`numbers_of` says; its `permutation` is the order of the values, as plain
            numbers.
        loc: x less loc, in units of `scale`, is what the splines act on.
        scale: see there.
        context: what the network reads besides x; None for nothing.
    """

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(
        self,
        net: nn.Module,
        loc: Tensor | float = 0.0,
        scale: Tensor | float = 1.0,
        context: Tensor | None = None,
    ) -> None:
        super().__init__(cache_size=1)
        self.net, self.loc, self.scale = net, loc, scale
        self.context = () if context is None else (context,)

    def _call(self, x: Tensor) -> Tensor:
        v = (x - self.loc) / self.scale
        return self.loc + self.scale * spline(v, self._knots(v))[0]

    def _inverse(self, y: Tensor) -> Tensor:
        w = (y - self.loc) / self.scale
        v = torch.zeros_like(w)
        for i in self.net.permutation:  # type: ignore[union-attr]
            at = Knots(*(part[..., i, :] for part in self._knots(v)))
            found = inverse_spline(w[..., i], at).unsqueeze(-1)
            v = torch.cat([v[..., :i], found, v[..., i + 1 :]], dim=-1)
        return self.loc + self.scale * v

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Log |det| by the triangular Jacobian, shape (...)."""
        v = (x - self.loc) / self.scale
        return spline(v, self._knots(v))[1].sum(-1)

    def _knots(self, v: Tensor) -> Knots:
        return knots(*(part.mT for part in self.net(v, *self.context)))
