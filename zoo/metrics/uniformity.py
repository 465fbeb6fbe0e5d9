"""Are ranks uniform? Pearson's test on bins, simultaneous bands of the ECDF, and the shape.

The largest deviation of the ECDF, in binomial standard deviations, has an exact distribution. How
many of N uniform ranks are 0, 1, ..., L are Poisson variables given that they sum to N: their
running sum is a Markov chain, and a p-value is the probability that it leaves the band.

Source: Säilynoja, Bürkner & Vehtari 2022, "Graphical test for discrete uniformity".
Departs from the paper: the bands are a constant number of binomial standard deviations; the chain
has Poisson steps in the place of binomial ones, hence a convolution.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.metrics.metric import Metric

CHANCE = 0.95  # that all of the ECDF lies in the band
ROUNDING = 1e-12  # of the chain's probabilities: no p-value is below it


@dataclass(frozen=True)
class Uniformity:
    """Are ranks 0..L of one dimension uniform?

    Attributes:
        ranks: (N,), each in 0..L.
        most: L, the number of draws that each truth was ranked among.
        bins: counts in equal bins, (bins,).
        chi_square_p: p-value of Pearson's test on the bins.
        ecdf_p: exact p-value of the largest standardised deviation of the ECDF.
        spread: mean of (12 (u - 1/2)^2) for u the rank in (0, 1); above 1 in a U shape.
        offset: mean of u - 1/2.
    """

    ranks: Tensor
    most: int
    bins: Tensor
    chi_square_p: float
    ecdf_p: float
    spread: Metric
    offset: Metric

    @property
    def ecdf(self) -> Tensor:
        """Share of ranks at or below 0..L-1, (L,)."""
        return _ecdf(self.ranks, self.most)

    @property
    def band(self) -> tuple[Tensor, Tensor]:
        """Lower and upper 95 % simultaneous band of the ECDF at rank 0..L-1, (L,) each."""
        at, sd = _uniform(len(self.ranks), self.most)
        wide = _widest(len(self.ranks), self.most) * sd
        return (at - wide).clamp(min=0), (at + wide).clamp(max=1)

    @property
    def p(self) -> float:
        """p-value of both tests: twice the smaller one."""
        return min(1.0, 2 * min(self.chi_square_p, self.ecdf_p))

    @property
    def verdict(self) -> str:
        """What the shape says of the guide."""
        if min(self.chi_square_p, self.ecdf_p) > 0.01:
            return "no sign of miscalibration"
        found = []
        if abs(self.spread.value - 1) > 3 * self.spread.se:
            found.append("too narrow (U shape)" if self.spread.value > 1 else "too wide (hump)")
        if abs(self.offset.value) > 3 * self.offset.se:
            found.append("too low" if self.offset.value > 0 else "too high")
        return " and ".join(found) or "not uniform"

    def metrics(self) -> dict[str, Metric]:
        """By name: "chi_square_p", "ecdf_p", "spread" and "offset"."""
        note = f"{len(self.ranks)} ranks among {self.most} draws"
        return {
            "chi_square_p": Metric(self.chi_square_p, 0.0, "p-value", "", note),
            "ecdf_p": Metric(self.ecdf_p, 0.0, "p-value", "", note),
            "spread": self.spread,
            "offset": self.offset,
        }


def uniformity(ranks: Tensor, most: int, *, bins: int = 20) -> Uniformity:
    """Tests ranks for uniformity on 0..most.

    Args:
        ranks: (N,).
        most: L, the largest rank.
        bins: at most so many; fewer where that leaves under 5 ranks in each.

    Raises:
        ValueError: for fewer than 10 ranks, or ranks outside of 0..most.
    """
    ranks = ranks.detach().cpu().long()
    if len(ranks) < 10 or ranks.min() < 0 or ranks.max() > most:
        raise ValueError(
            f"Expected at least 10 ranks in 0..{most}; got {len(ranks)} in "
            f"{int(ranks.min())}..{int(ranks.max())}."
        )
    counts, expected = _binned(ranks, most, max(2, min(bins, len(ranks) // 5, most + 1)))
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    u = (ranks + 0.5) / (most + 1)
    square = 12 * (u - 0.5) ** 2 / (1 - 1 / (most + 1) ** 2)  # mean 1 under uniform ranks
    n = len(ranks)
    return Uniformity(
        ranks=ranks,
        most=most,
        bins=counts,
        chi_square_p=chi_square_tail(chi_square, len(counts) - 1),
        ecdf_p=_ecdf_p(ranks, most),
        spread=Metric(float(square.mean()), float(square.std()) / n**0.5, "", "", "should be 1"),
        offset=Metric(float(u.mean()) - 0.5, float(u.std()) / n**0.5, "", "", "should be 0"),
    )


def chi_square_tail(value: float, freedom: int) -> float:
    """Probability that a chi-square variable with so many degrees of freedom is above `value`."""
    half = torch.tensor([freedom / 2, value / 2], dtype=torch.float64)
    return float(torch.special.gammaincc(half[0], half[1]))


def _binned(ranks: Tensor, most: int, bins: int) -> tuple[Tensor, Tensor]:
    """Counts, and what is expected, of bins that hold the L + 1 ranks as evenly as they can."""
    of_rank = torch.arange(most + 1) * bins // (most + 1)
    width = torch.bincount(of_rank, minlength=bins)
    counts = torch.bincount(of_rank[ranks], minlength=bins)
    return counts.double(), width.double() * len(ranks) / (most + 1)


def _ecdf(ranks: Tensor, most: int) -> Tensor:
    """Of ranks (N,), at 0..L-1: (L,)."""
    return torch.bincount(ranks, minlength=most + 1).double().cumsum(0)[:-1] / len(ranks)


def _uniform(count: int, most: int) -> tuple[Tensor, Tensor]:
    """Mean and sd of the ECDF of that many uniform ranks, (L,) each."""
    at = torch.arange(1, most + 1, dtype=torch.float64) / (most + 1)
    return at, (at * (1 - at) / count).sqrt()


def _ecdf_p(ranks: Tensor, most: int) -> float:
    """Probability that uniform ranks deviate at least as far."""
    at, sd = _uniform(len(ranks), most)
    found = ((_ecdf(ranks, most) - at).abs() / sd).amax()
    return max(1 - float(within(found[None], len(ranks), most)), ROUNDING)


def _widest(count: int, most: int) -> Tensor:
    """The least number of sds that the ECDF stays within with 95 % probability, shape ()."""
    low, high = 0.0, 4.0
    while within(torch.tensor([high]), count, most) < CHANCE:
        low, high = high, 2 * high
    for _ in range(3):
        tried = torch.linspace(low, high, 9, dtype=torch.float64)
        first = int((within(tried, count, most) >= CHANCE).double().argmax())
        low, high = float(tried[first - 1]), float(tried[first])
    return tried[first]


def within(sds: Tensor, count: int, most: int) -> Tensor:
    """Probability that an ECDF of uniform ranks deviates everywhere by less than so many sds.

    Args:
        sds: binomial standard deviations, (widths,).
        count: number of ranks N.
        most: L, the largest rank.
    """
    ranks = torch.arange(count + 1, dtype=torch.float64)
    step = _poisson(ranks, count / (most + 1))
    size = 1 << (2 * count + 1).bit_length()
    turned = torch.fft.rfft(step, size)
    chance = torch.zeros(len(sds), count + 1, dtype=torch.float64)
    chance[:, 0] = 1.0
    for at, sd in zip(*_uniform(count, most), strict=True):
        chance = torch.fft.irfft(torch.fft.rfft(chance, size) * turned, size)[:, : count + 1]
        inside = (ranks / count - at).abs() / sd < sds[:, None] * (1 - 1e-9)  # ties are outside
        chance = torch.where(inside, chance, 0.0)
    return (chance * step.flip(0)).sum(1) / _poisson(ranks[-1], count)


def _poisson(values: Tensor, rate: float) -> Tensor:
    return (values * math.log(rate) - rate - torch.lgamma(values + 1)).exp()
