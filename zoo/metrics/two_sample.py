"""Distances and two-sample tests between draws of the guide and draws of the posterior.

Every function takes x, draws from the guide, and y, draws from the reference, as matrices
(draws, dimensions); :func:`two_sample` scales both by the reference's means and sds first.
Sources: Bonneel et al. 2015, "Sliced and Radon Wasserstein barycenters of measures"; Gretton et
al. 2012, "A kernel two-sample test"; Lopez-Paz & Oquab 2017, "Revisiting classifier two-sample
tests".
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo.isolation import isolated
from zoo.metrics.means import sample_mean
from zoo.metrics.metric import Metric
from zoo.metrics.posterior import constant, posterior_errors, varying
from zoo.metrics.shares import share_error

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

Draws = dict[str, Tensor]
COVERAGE_LEVELS = (0.5, 0.9)
FOLDS = 5
MOST_DRAWS = 2000  # of each sample in a kernel matrix or a classifier
FEWEST_DRAWS = 20


def two_sample(draws: Draws, reference: Draws, *, seed: int = 0) -> dict[str, Metric]:
    """All metrics of this module, on the sites that both have, in units of the reference's sds.

    Args:
        draws: site -> independent draws from the guide, (draws, ...).
        reference: site -> draws from the posterior, e.g. of a long Markov chain, (draws, ...).
        seed: of projections, permutations, folds and bootstrap.

    Returns:
        "posterior_mean_error", "posterior_sd_error", "sliced_wasserstein_1", "..._2", "mmd",
        "mmd_p", "classifier_logistic", "classifier_knn", "coverage_50", "coverage_90".

    Raises:
        ValueError: if they have no site in common, other dimensions, or fewer than 20 draws.
    """
    x, y = (as_matrix(value, draws, reference) for value in (draws, reference))
    kept = varying(x, ~constant(y))
    x, y = x[:, kept], y[:, kept]
    mean, sd = y.mean(0), y.std(0)
    found = posterior_errors({"all": x}, {"all": (mean, sd)}, f"{len(y)} reference draws")
    x, y = (x - mean) / sd, (y - mean) / sd
    with isolated(seed=seed):
        for order in (1, 2):
            found[f"sliced_wasserstein_{order}"] = sliced_wasserstein(x, y, order=order)
        found["mmd"], found["mmd_p"] = mmd(x, y)
        from sklearn.linear_model import LogisticRegression
        from sklearn.neighbors import KNeighborsClassifier

        found["classifier_logistic"] = classifier(x, y, LogisticRegression(), seed=seed)
        found["classifier_knn"] = classifier(x, y, KNeighborsClassifier(15), seed=seed)
        for level in COVERAGE_LEVELS:
            found[f"coverage_{round(100 * level)}"] = coverage(x, y, level=level)
    return found


def as_matrix(values: Draws, first: Draws, second: Draws) -> Tensor:
    """The sites that both have, side by side: (draws, dimensions).

    Raises:
        ValueError: see :func:`two_sample`.
    """
    shared = [name for name in first if name in second]
    if not shared:
        raise ValueError(f"Expected a site in common; got {list(first)} and {list(second)}.")
    for name in shared:
        if first[name].shape[1:] != second[name].shape[1:]:
            shapes = tuple(first[name].shape[1:]), tuple(second[name].shape[1:])
            raise ValueError(f"Draws of '{name}' have shapes {shapes[0]} and {shapes[1]}.")
    matrix = torch.cat([values[name].reshape(len(values[name]), -1) for name in shared], dim=1)
    if len(matrix) < FEWEST_DRAWS:
        raise ValueError(f"Expected at least {FEWEST_DRAWS} draws; got {len(matrix)}.")
    return matrix


def sliced_wasserstein(
    x: Tensor, y: Tensor, *, order: int = 1, projections: int = 100, resamples: int = 50
) -> Metric:
    """The Wasserstein distance of the draws' projections, averaged over random directions.

    Two finite samples of one distribution have a distance above 0 too; the note says how large,
    from a random permutation of the draws between the two samples.

    Args:
        x: draws, (n, d).
        y: reference draws, (m, d).
        order: 1 or 2.
        projections: number of random directions.
        resamples: bootstrap resamples behind the standard error.
    """
    directions = torch.randn(x.shape[1], projections, dtype=x.dtype, device=x.device)
    directions = directions / directions.norm(dim=0)
    first, second = (Projected(sample @ directions) for sample in (x, y))

    def distance(first: Tensor, second: Tensor) -> Tensor:
        return (_quantile_gaps(first, second) ** order).mean() ** (1 / order)

    resampled = [distance(first.resampled(), second.resampled()) for _ in range(resamples)]
    se = float(torch.stack(resampled).std())
    pooled = torch.cat([x, y])
    mixed = pooled[torch.randperm(len(pooled), device=x.device)] @ directions
    halves = (Projected(part).ordered for part in (mixed[: len(x)], mixed[len(x) :]))
    note = f"{float(distance(*halves)):.2g} between as many draws of one distribution"
    value = float(distance(first.ordered, second.ordered))
    return Metric(value, se, "reference sd", "lower", note)


class Projected:
    """Projections of one sample on every direction, in order, and bootstrap resamples of them.

    A resample takes each draw a number of times. So the order of a resample follows from the order
    of the sample, and nothing is sorted again.

    Args:
        projections: (draws, directions).

    Attributes:
        ordered: (directions, draws), each row ascending.
    """

    def __init__(self, projections: Tensor) -> None:
        self.ordered, self.places = projections.mT.contiguous().sort(dim=1)

    def resampled(self) -> Tensor:
        """A resample of as many draws, one for all directions, in order: (directions, draws)."""
        count = self.ordered.shape[1]
        picked = torch.randint(count, (count,), device=self.ordered.device)
        times = picked.bincount(minlength=count)[self.places]
        return self.ordered.flatten().repeat_interleave(times.flatten()).view_as(self.ordered)


def _quantile_gaps(x: Tensor, y: Tensor) -> Tensor:
    """Distances between equal quantiles of ordered rows, as optimal transport couples them."""
    if x.shape[1] != y.shape[1]:
        count = min(x.shape[1], y.shape[1])
        x, y = (_quantiles(value, count) for value in (x, y))
    return (x - y).abs()


def _quantiles(ordered: Tensor, count: int) -> Tensor:
    levels = (torch.arange(count, device=ordered.device) + 0.5) / count
    return ordered[:, (levels * ordered.shape[1]).long()]


def bootstrap(
    statistic: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, resamples: int
) -> float:
    """Standard error of a statistic of two independent samples, by resampling their draws."""
    values = [statistic(_resampled(x), _resampled(y)) for _ in range(resamples)]
    return float(torch.stack(values).std())


def _resampled(x: Tensor) -> Tensor:
    return x[torch.randint(len(x), (len(x),), device=x.device)]


def mmd(x: Tensor, y: Tensor, *, permutations: int = 500) -> tuple[Metric, Metric]:
    """Unbiased squared maximum mean discrepancy, and its permutation p-value.

    The kernel is Gaussian, and its width is the median distance between pooled draws. The standard
    error is that of a U-statistic, with its second-order term, which is what remains where the
    distributions are equal.

    Args:
        x: draws, (n, d).
        y: reference draws, (m, d); min(n, m, 2000) of each are used, evenly spaced.
        permutations: number of random assignments of the draws to the two samples.
    """
    n = min(len(x), len(y), MOST_DRAWS)
    kernel = gaussian_kernel(torch.cat([evenly(x, n), evenly(y, n)]))
    value = _mmd_of(kernel, torch.arange(2 * n, device=x.device)[None] < n)[0]
    labels = torch.rand(permutations, 2 * n, device=x.device).argsort(1) < n
    beyond = int((_mmd_of(kernel, labels) >= value).sum())
    p = (1 + beyond) / (1 + permutations)
    note = f"{n} draws each"
    p_error = share_error(p, permutations)
    return (
        Metric(float(value), _mmd_error(kernel, n), "squared MMD", "lower", note),
        Metric(p, p_error, "p-value", "", f"{permutations} permutations"),
    )


def evenly(draws: Tensor, count: int) -> Tensor:
    """`count` evenly spaced draws, so that every chain of a reference contributes."""
    return draws[torch.arange(count, device=draws.device) * len(draws) // count]


def gaussian_kernel(z: Tensor) -> Tensor:
    """exp(-|z_i - z_j|^2 / (2 h^2)) with h the median distance, (draws, draws)."""
    square = torch.cdist(z, z) ** 2
    above = torch.triu(torch.ones_like(square, dtype=torch.bool), 1)
    width = square[above].median().clamp(min=torch.finfo(z.dtype).tiny)
    return (-0.5 * square / width).exp()


def _mmd_of(kernel: Tensor, first: Tensor) -> Tensor:
    """MMD^2 for each assignment of the draws; `first`, (assignments, 2 n), marks those of x."""
    x, n = first.to(kernel.dtype), len(kernel) // 2
    xx = ((x @ kernel) * x).sum(1)
    xy = ((x @ kernel) * (1 - x)).sum(1)
    yy = kernel.sum() - xx - 2 * xy
    return (xx + yy - 2 * n) / (n * (n - 1)) - 2 * xy / n**2


def _mmd_error(kernel: Tensor, n: int) -> float:
    """Standard error of MMD^2 as a U-statistic of n pairs of draws."""
    cross = kernel[:n, n:]
    h = kernel[:n, :n] + kernel[n:, n:] - cross - cross.mT
    off = ~torch.eye(n, dtype=torch.bool, device=kernel.device)
    pairs = h[off]
    means = (h * off).sum(1) / (n - 1)
    whole = pairs.var()
    single = (means.var() - whole / (n - 1)).clamp(min=0)
    return float((4 * (n - 2) * single + 2 * whole).div(n * (n - 1)).sqrt())


def classifier(x: Tensor, y: Tensor, model: "ClassifierMixin", *, seed: int = 0) -> Metric:
    """Cross-validated accuracy of a classifier that tells the two samples apart; 0.5 is chance.

    Args:
        x: draws, (n, d).
        y: reference draws, (m, d); min(n, m, 2000) of each are used, evenly spaced.
        model: a classifier of scikit-learn.
        seed: of the folds.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    n = min(len(x), len(y), MOST_DRAWS)
    both = torch.cat([evenly(x, n), evenly(y, n)]).detach().cpu().numpy()
    labels = (torch.arange(2 * n) < n).long().numpy()
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    accuracy = float(cross_val_score(model, both, labels, cv=folds).mean())
    error = share_error(accuracy, 2 * n)
    return Metric(accuracy, error, "of draws", "lower", "0.5 for equal distributions")


def kl(log_q: Tensor, log_p: Tensor) -> Metric:
    """A Monte Carlo estimate of KL(q || p) from draws of q, where both densities are known.

    Args:
        log_q: normalised log-density of q at its own draws, (draws,).
        log_p: normalised log-density of p at the same, (draws,).
    """
    return sample_mean(log_q - log_p, "nats", better="lower")


def coverage(x: Tensor, y: Tensor, *, level: float = 0.9, resamples: int = 100) -> Metric:
    """Share of reference draws inside the guide's central intervals, over all dimensions.

    A share below `level` means that the guide is too narrow or in the wrong place, a share above
    it that the guide is too wide.

    Args:
        x: draws, (n, d).
        y: reference draws, (m, d).
        level: probability of the guide's interval.
        resamples: bootstrap resamples behind the standard error.
    """
    tails = torch.tensor([0.5 - level / 2, 0.5 + level / 2], dtype=x.dtype, device=x.device)

    def inside(first: Tensor, second: Tensor) -> Tensor:
        low, high = first.quantile(tails, dim=0)
        return ((second >= low) & (second <= high)).to(x.dtype).mean()

    found = float(inside(x, y))
    # where all draws are inside, or none, every resample has the same share
    se = max(bootstrap(inside, x, y, resamples), share_error(found, y.numel()))
    return Metric(found, se, "of reference draws", "", f"should be {level:.2g}")
