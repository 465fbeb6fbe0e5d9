"""Natural gradients of normals: IVON, from gradients of means and scales.

A loss of a normal with mean m and precision P = s^-2 has the natural gradients (dL/dm / P, d) with

    d = s dL/ds P,    which is E[f''] - P for L = E[f] - entropy, by Price's theorem.

A step of rate r, of which g is the running average of dL/dm:

    P <- P + r d + r^2 d^2 / (2 P),     m <- m - r g / P,

where the last term, a correction of second order, keeps P above P / 2. With a full covariance
L L^T and A = r (L^T E[f''] L - I), whose lower triangle is that of r L^T dL/dL, the same step is

    P <- L^-T (I + A + A^2 / 2) L^-1,   m <- m - r P^-1 g.

Source: Khan & Rue 2023, "The Bayesian learning rule"; Lin, Schmidt & Khan 2020, "Handling the
positive-definite constraint in the Bayesian learning rule"; Shen et al. 2024, "Variational
learning is effective for large deep networks"; for the triangle Murray 2016, "Differentiation of
the Cholesky decomposition".
Departs from Shen et al.: prior and number of rows are the model's own, so that there is no weight
decay; one rate for means and precisions; E[f''] is from the gradient of the scale, which for one
draw of the objective `trace` is their estimate.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from zoo.optim.functional import Moments, Rates
from zoo.optim.scales import (
    cholesky_factor,
    gradient_of_factor,
    numbers_of_factor,
    positive,
    slope,
    unscaled,
)

KEPT = 0.9  # of the average of the mean's gradient, in a step
Moved = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class NormalParameters:
    """The parameters of a normal, or of several independent ones.

    Attributes:
        loc: means.
        scale: numbers of the scales: their :func:`~zoo.optim.scales.unscaled`, shaped as `loc`; or
            of a triangular factor, see :func:`~zoo.optim.scales.cholesky_factor`.
        correlated: is it a factor?
    """

    loc: nn.Parameter
    scale: nn.Parameter
    correlated: bool = False


@dataclass(frozen=True)
class Places:
    """Where a normal's parameters are in a list of parameters; `correlated` as above."""

    loc: int
    scale: int
    correlated: bool


@dataclass(frozen=True)
class NaturalRule:
    """An update rule of normals; the fields are named as those of ``functional.Rule``.

    Attributes:
        independent: (loc, its gradient, numbers of the scale, their gradient, average, rates) ->
            (loc, numbers, average), of independent coordinates.
        correlated: the same with the numbers of a factor.
        rates: (count, learning rate) -> rates.
        moments: names of the running averages; those of scales stay 0.
    """

    independent: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Rates], Moved]
    correlated: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Rates], Moved]
    rates: Callable[[Tensor, Tensor], Rates]
    moments: tuple[str, ...]

    def apply(
        self,
        places: Sequence[Places],
        parts: Sequence[Tensor],
        gradients: Sequence[Tensor],
        moments: Sequence[Moments],
        rates: Rates,
    ) -> tuple[tuple[Tensor, ...], tuple[Moments, ...]]:
        """Moves all parameters, each as a vector (..., n).

        Args:
            places: of the normals, which are all of the parameters.
            parts: the parameters.
            gradients: theirs.
            moments: their running averages, by parameter and not by name.
            rates: at this step.
        """
        new, averages = list(parts), list(moments)
        for at in places:
            rule = self.correlated if at.correlated else self.independent
            i, j = at.loc, at.scale
            new[i], new[j], average = rule(
                parts[i], gradients[i], parts[j], gradients[j], moments[i][0], rates
            )
            averages[i] = (average,)
        return tuple(new), tuple(averages)


def averaged(count: Tensor, lr: Tensor) -> Rates:
    """The learning rate, and the one that undoes the bias of the average to 0."""
    return lr, lr / (1 - torch.exp(count * math.log(KEPT)))


def independent(
    loc: Tensor, g_loc: Tensor, numbers: Tensor, g_numbers: Tensor, average: Tensor, rates: Rates
) -> Moved:
    """Independent coordinates; all shapes (..., d)."""
    scale = positive(numbers)
    change = rates[0] * scale * (g_numbers / slope(numbers))
    scale = scale / (1 + change + change**2 / 2).sqrt()
    average = KEPT * average + (1 - KEPT) * g_loc
    return loc - rates[1] * scale**2 * average, unscaled(scale), average


def correlated(
    loc: Tensor, g_loc: Tensor, numbers: Tensor, g_numbers: Tensor, average: Tensor, rates: Rates
) -> Moved:
    """A full covariance; loc (..., d) and the numbers of its factor (..., d (d + 1) / 2)."""
    size = loc.shape[-1]
    factor = cholesky_factor(numbers, size)
    half = (factor.mT @ gradient_of_factor(numbers, g_numbers, size)).tril()
    change = rates[0][..., None] * (half + half.tril(-1).mT)
    eye = torch.eye(size, dtype=loc.dtype, device=loc.device)
    grown = eye + change + change @ change / 2
    upper = torch.linalg.cholesky_ex(grown.flip(-1, -2))[0].flip(-1, -2)
    factor = torch.linalg.solve_triangular(upper, factor.mT, upper=True).mT
    average = KEPT * average + (1 - KEPT) * g_loc
    step = (factor @ (factor.mT @ average[..., None])).squeeze(-1)
    return loc - rates[1] * step, numbers_of_factor(factor), average


NATURAL: dict[str, NaturalRule] = {
    "ivon": NaturalRule(independent, correlated, averaged, ("exp_avg",)),
}


class IVON(Optimizer):
    """The rule `ivon` as one of torch's optimizers.

    Args:
        params: of the normals, in groups, as torch's optimizers take them.
        lr: rate r, up to 1.
        normals: which parameters belong together.
    """

    def __init__(
        self, params: Iterable[dict], lr: float, normals: Sequence[NormalParameters]
    ) -> None:
        super().__init__(params, {"lr": lr})
        self.normals = normals

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Moves the normals that have a gradient."""
        rule = NATURAL["ivon"]
        (group,) = self.param_groups
        for normal in self.normals:
            pair = [normal.loc, normal.scale]
            if all(parameter.grad is None for parameter in pair):
                continue
            gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in pair]
            for parameter in pair:
                state = self.state[parameter]
                state.setdefault("exp_avg", torch.zeros_like(parameter))
                state["step"] = state.get("step", torch.tensor(0.0)) + 1
            parts = [value.reshape(-1) for value in pair]
            averages = [(self.state[p]["exp_avg"].reshape(-1),) for p in pair]
            lr = parts[0].new_tensor(group["lr"])
            rates = rule.rates(self.state[normal.loc]["step"].to(lr), lr)
            places = [Places(0, 1, normal.correlated)]
            flat = [value.reshape(-1) for value in gradients]
            moved, means = rule.apply(places, parts, flat, averages, rates)
            for parameter, value, (average,) in zip(pair, moved, means, strict=True):
                parameter.copy_(value.reshape(parameter.shape))
                self.state[parameter]["exp_avg"] = average.reshape(parameter.shape)
