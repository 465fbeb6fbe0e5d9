"""Are ranks uniform? Pearson's test on bins, simultaneous bands of the ECDF, and the shape.

Source: Säilynoja, Bürkner & Vehtari 2022, "Graphical test for discrete uniformity".
Departs from the paper: the bands are a constant number of binomial standard deviations, set by
simulation.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.figures.figure import Figure

SIMULATED = 1000  # uniform samples behind a band


@dataclass(frozen=True)
class Uniformity:
    """Are ranks 0..L of one dimension uniform?

    Attributes:
        ranks: (N,), each in 0..L.
        most: L, the number of draws that each truth was ranked among.
        bins: counts in equal bins, (bins,).
        chi_square_p: p-value of Pearson's test on the bins.
        ecdf_p: p-value of the largest standardised deviation of the ECDF.
        band: lower and upper 95 % simultaneous band of the ECDF at rank 0..L-1, (L,) each.
        spread: mean of (12 (u - 1/2)^2) for u the rank in (0, 1); above 1 in a U shape.
        offset: mean of u - 1/2.
    """

    ranks: Tensor
    most: int
    bins: Tensor
    chi_square_p: float
    ecdf_p: float
    band: tuple[Tensor, Tensor]
    spread: Figure
    offset: Figure

    @property
    def ecdf(self) -> Tensor:
        """Share of ranks at or below 0..L-1, (L,)."""
        return _ecdf(self.ranks[None], self.most)[0]

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

    def figures(self) -> dict[str, Figure]:
        """By name: "chi_square_p", "ecdf_p", "spread" and "offset"."""
        note = f"{len(self.ranks)} ranks among {self.most} draws"
        return {
            "chi_square_p": Figure(self.chi_square_p, 0.0, "p-value", "", note),
            "ecdf_p": Figure(self.ecdf_p, _p_error(self.ecdf_p), "p-value", "", note),
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
    ecdf_p, band = _ecdf_test(ranks, most)
    u = (ranks + 0.5) / (most + 1)
    square = 12 * (u - 0.5) ** 2 / (1 - 1 / (most + 1) ** 2)  # mean 1 under uniform ranks
    n = len(ranks)
    return Uniformity(
        ranks=ranks,
        most=most,
        bins=counts,
        chi_square_p=chi_square_tail(chi_square, len(counts) - 1),
        ecdf_p=ecdf_p,
        band=band,
        spread=Figure(float(square.mean()), float(square.std()) / n**0.5, "", "", "should be 1"),
        offset=Figure(float(u.mean()) - 0.5, float(u.std()) / n**0.5, "", "", "should be 0"),
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
    """Of each row of ranks, (rows, N) -> (rows, L)."""
    counts = torch.zeros(len(ranks), most + 1, dtype=torch.float64)
    counts.scatter_add_(1, ranks, torch.ones_like(ranks, dtype=torch.float64))
    return counts.cumsum(1)[:, :-1] / ranks.shape[1]


def _ecdf_test(ranks: Tensor, most: int) -> tuple[float, tuple[Tensor, Tensor]]:
    """p-value of the ECDF's largest deviation in binomial sds, and the 95 % band."""
    at = torch.arange(1, most + 1, dtype=torch.float64) / (most + 1)
    sd = (at * (1 - at) / len(ranks)).sqrt()
    simulated = torch.randint(most + 1, (SIMULATED, len(ranks)))
    under = ((_ecdf(simulated, most) - at).abs() / sd).amax(1)
    found = ((_ecdf(ranks[None], most) - at).abs() / sd).amax()
    wide = under.quantile(0.95) * sd
    p = (1 + int((under >= found).sum())) / (1 + SIMULATED)
    return p, ((at - wide).clamp(min=0), (at + wide).clamp(max=1))


def _p_error(p: float) -> float:
    return (p * (1 - p) / SIMULATED) ** 0.5
