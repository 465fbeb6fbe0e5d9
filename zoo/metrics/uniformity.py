"""Are ranks uniform? Pearson's test on bins, simultaneous bands of the ECDF, and its shape.

The largest deviation of the ECDF, in binomial standard deviations, has a distribution that is
computed exactly. The counts of the ranks 0, 1, ..., L among N uniform ranks are independent
Poisson variables conditioned on the sum N. Their running sum is therefore a Markov chain, and the
p-value is the probability that this chain leaves the band.

Source: Säilynoja, Bürkner & Vehtari 2022, "Graphical test for discrete uniformity".
Departs from the paper: the width of the bands is a constant number of binomial standard
deviations; the steps of the chain are Poisson, not binomial, so that each is a convolution.
"""

import math
from dataclasses import dataclass

import torch
from scipy.special import chdtrc
from torch import Tensor

from zoo.metrics.means import sample_mean
from zoo.metrics.metric import Metric

BAND_PROBABILITY = 0.95  # that the whole ECDF lies in the band
SMALLEST_P = 1e-12  # the rounding error of the chain's probabilities
FEWEST_RANKS = 10
FEWEST_IN_BIN = 5
SIGNIFICANT = 0.01  # p-value below which ranks count as not uniform
CLEAR = 3.0  # standard errors from which on a spread or an offset is named


@dataclass(frozen=True)
class Uniformity:
    """Tests of whether the ranks of one dimension are uniform on 0..L.

    Attributes:
        ranks: (N,), each in 0..L.
        most: L, the number of draws among which each true value was ranked.
        bins: counts in equal bins, (bins,).
        chi_square_p: p-value of Pearson's test on the bins.
        ecdf_p: exact p-value of the largest standardised deviation of the ECDF.
        spread: mean of 12 (u - 1/2)^2, with u in (0, 1) the rank; above 1 for a U shape.
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
        """Lower and upper end of the 95 % simultaneous band of the ECDF at 0..L-1, (L,) each."""
        at, sd = _uniform(len(self.ranks), self.most)
        wide = _widest(len(self.ranks), self.most) * sd
        return (at - wide).clamp(min=0), (at + wide).clamp(max=1)

    @property
    def p(self) -> float:
        """p-value of both tests together: twice the smaller one (Bonferroni)."""
        return min(1.0, 2 * min(self.chi_square_p, self.ecdf_p))

    @property
    def verdict(self) -> str:
        """What the shape of the ranks says about the guide."""
        if min(self.chi_square_p, self.ecdf_p) > SIGNIFICANT:
            return "no sign of miscalibration"
        found = []
        if abs(self.spread.value - 1) > CLEAR * self.spread.se:
            found.append("too narrow (U shape)" if self.spread.value > 1 else "too wide (hump)")
        if abs(self.offset.value) > CLEAR * self.offset.se:
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
    """Tests whether ranks are uniform on 0..most.

    Args:
        ranks: (N,).
        most: L, the largest rank.
        bins: largest number of bins; it is lowered so that each expects at least 5 ranks.

    Raises:
        ValueError: for fewer than 10 ranks, or ranks outside of 0..most.
    """
    ranks = ranks.detach().cpu().long()
    if len(ranks) < FEWEST_RANKS or ranks.min() < 0 or ranks.max() > most:
        raise ValueError(
            f"Expected at least {FEWEST_RANKS} ranks in 0..{most}; got {len(ranks)} in "
            f"{int(ranks.min())}..{int(ranks.max())}."
        )
    bins = max(2, min(bins, len(ranks) // FEWEST_IN_BIN, most + 1))
    counts, expected = _binned(ranks, most, bins)
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    u = (ranks + 0.5) / (most + 1)
    square = 12 * (u - 0.5) ** 2 / (1 - 1 / (most + 1) ** 2)  # mean 1 under uniform ranks
    return Uniformity(
        ranks=ranks,
        most=most,
        bins=counts,
        chi_square_p=float(chdtrc(len(counts) - 1, chi_square)),
        ecdf_p=_ecdf_p(ranks, most),
        spread=sample_mean(square, note="should be 1"),
        offset=sample_mean(u, target=0.5, note="should be 0"),
    )


def _binned(ranks: Tensor, most: int, bins: int) -> tuple[Tensor, Tensor]:
    """Counts and expected counts of bins whose widths differ by at most one rank."""
    of_rank = torch.arange(most + 1) * bins // (most + 1)
    width = torch.bincount(of_rank, minlength=bins)
    counts = torch.bincount(of_rank[ranks], minlength=bins)
    return counts.double(), width.double() * len(ranks) / (most + 1)


def _ecdf(ranks: Tensor, most: int) -> Tensor:
    """The ECDF of ranks (N,) at 0..L-1: (L,)."""
    return torch.bincount(ranks, minlength=most + 1).double().cumsum(0)[:-1] / len(ranks)


def _uniform(count: int, most: int) -> tuple[Tensor, Tensor]:
    """Mean and sd of the ECDF of that many uniform ranks, (L,) each."""
    at = torch.arange(1, most + 1, dtype=torch.float64) / (most + 1)
    return at, (at * (1 - at) / count).sqrt()


def _ecdf_p(ranks: Tensor, most: int) -> float:
    """Probability that the ECDF of uniform ranks deviates at least as far as the one found."""
    at, sd = _uniform(len(ranks), most)
    found = ((_ecdf(ranks, most) - at).abs() / sd).amax()
    return max(1 - float(within(found[None], len(ranks), most)), SMALLEST_P)


def _widest(count: int, most: int) -> Tensor:
    """Half the width of the 95 % band in sds: found by search in a refined grid, shape ()."""
    low, high = 0.0, 4.0
    while within(torch.tensor([high]), count, most) < BAND_PROBABILITY:
        low, high = high, 2 * high
    for _ in range(3):
        tried = torch.linspace(low, high, 9, dtype=torch.float64)
        first = int((within(tried, count, most) >= BAND_PROBABILITY).double().argmax())
        low, high = float(tried[first - 1]), float(tried[first])
    return tried[first]


def within(sds: Tensor, count: int, most: int) -> Tensor:
    """Probability that an ECDF of uniform ranks deviates by less than so many sds everywhere.

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
        # a deviation equal to the limit, up to rounding, is outside
        inside = (ranks / count - at).abs() / sd < sds[:, None] * (1 - 1e-9)
        chance = torch.where(inside, chance, 0.0)
    return (chance * step.flip(0)).sum(1) / _poisson(ranks[-1], count)


def _poisson(values: Tensor, rate: float) -> Tensor:
    return (values * math.log(rate) - rate - torch.lgamma(values + 1)).exp()
