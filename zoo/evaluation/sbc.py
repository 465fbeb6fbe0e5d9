"""Simulation-based calibration: data are simulated from the model, so the true latents are known.

SBC, for amortised guides: the rank of the true z among draws from q(z|x) is uniform if q is right
on average over p(x). A histogram of ranks like a U means that the guide is too narrow, a hump that
it is too wide, and a slope that its location is wrong.
VSBC, for global latents: the guide is fitted anew to each simulated data set. If its location is
unbiased, the probability that q gives to values below the truth is symmetric around 1/2.
Sources: Talts et al. 2018, "Validating Bayesian inference algorithms with simulation-based
calibration"; Yao et al. 2018, "Yes, but did it work?".
Departs from the papers: the symmetry of VSBC is tested by Wilcoxon's signed-rank test. The paper
compares the samples p and 1 - p by a Kolmogorov-Smirnov test, but these are not independent.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from pyro import poutine
from pyro.distributions import Unit
from torch import Tensor

from zoo.isolation import isolated
from zoo.latents import Family, Latents
from zoo.metrics.means import sample_mean
from zoo.metrics.metric import Metric
from zoo.metrics.uniformity import Uniformity, uniformity
from zoo.program import Program
from zoo.sampling.draws import draw
from zoo.sampling.simulated import simulate

Put = Callable[[tuple, dict[str, Tensor]], tuple]
FEWEST_SIMULATIONS = 10
SIGNIFICANT = 0.01  # p-value below which a guide counts as biased


@torch.no_grad()
def simulate_arguments(
    program: Program, args: tuple, put: Put | None = None
) -> tuple[dict, tuple]:
    """One draw of latents and data from the model.

    Args:
        program: a trained program in eval mode.
        args: arguments of the model; those that it observes are replaced.
        put: (args, observed site -> values) -> args with the values inserted; None finds the
            argument that equals the observed value.

    Returns:
        Site -> latents, and the arguments with the simulated data in them.

    Raises:
        ValueError: if a site observes none of the arguments, or is a factor.
    """
    with poutine.block(), program.handlers(None):
        given = poutine.trace(program.model).get_trace(*args, **program.kwargs)
        trace = simulate(program.model, args, program.kwargs)
    nodes: dict[str, Any] = dict(trace.nodes)
    _refuse_factors(nodes, program.latents.observed)
    observed = {name: nodes[name]["value"] for name in program.latents.observed}
    was: dict[str, Any] = {name: given.nodes[name]["value"] for name in observed}
    latents = {name: nodes[name]["value"] for name in program.latents.names}
    return latents, _put(args, observed, was) if put is None else put(args, observed)


def _refuse_factors(nodes: dict[str, Any], observed: Iterable[str]) -> None:
    """Raises ValueError for a factor: without it the latents are no draws of the model."""
    for name in observed:
        if isinstance(nodes[name]["fn"], Unit):
            raise ValueError(
                f"No data can be simulated from the factor '{name}'. Write it as a pyro.sample "
                "site with obs; for a known density, compare with its exact draws: two_sample."
            )


def _put(args: tuple, observed: dict[str, Tensor], was: dict[str, Tensor]) -> tuple:
    replaced = list(args)
    for name, value in observed.items():
        places = [i for i, arg in enumerate(args) if _is_same(arg, was[name])]
        if not places:
            raise ValueError(
                f"Site '{name}' observes none of the model's arguments as they are; say with "
                "put(args, observed) where its simulated values go."
            )
        replaced[places[0]] = value.reshape(args[places[0]].shape)
    return tuple(replaced)


def _is_same(arg: object, value: Tensor) -> bool:
    return isinstance(arg, Tensor) and arg.shape == value.shape and torch.equal(arg, value)


def rank_calibration(
    program: Program,
    args: tuple,
    *,
    draws: int = 99,
    repeats: int = 1,
    put: Put | None = None,
    seed: int = 0,
) -> dict[str, Uniformity]:
    """SBC of an amortised guide: every row is simulated, and its true latents are ranked.

    Args:
        program: a trained program in eval mode, of a rowwise model.
        args: arguments of the model, on its device; their number of rows is kept.
        draws: L, number of draws from the guide among which each true value is ranked.
        repeats: number of simulated data sets; each gives one rank for each row.
        put: see :func:`simulate_arguments`.
        seed: of the simulations and the draws.

    Returns:
        "SITE[i]" for each dimension of each latent.

    Raises:
        ValueError: if the guide is not amortised, or rows share latents.
    """
    latents = program.latents
    amortised = not isinstance(program.guide, Family) or program.guide.amortised
    if not latents.rowwise or not amortised:
        raise ValueError(
            "SBC without refitting takes a guide that computes each row's latents from the row; "
            f"got {type(program.guide).__name__} on {latents.names}. Use "
            "zoo.evaluation.sbc.refit_calibration."
        )
    parts = []
    with isolated(seed=seed):
        for _ in range(repeats):
            truth, simulated = simulate_arguments(program, args, put)
            sampled = draw(program, simulated, draws).latents
            parts.append(_ranks(latents, truth, sampled, by_row=True))
        return {name: uniformity(ranks, draws) for name, ranks in _together(parts).items()}


def _together(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _ranks(latents: Latents, truth: dict, draws: dict, *, by_row: bool) -> dict[str, Tensor]:
    """Ranks of every dimension: (rows,) with a rank for each row, or (1,) without rows.

    Where the true value equals some draws, as with labels, its rank is drawn among them.
    """
    found: dict[str, Tensor] = {}
    for name, values in draws.items():
        true = truth[name].unsqueeze(0)
        z = values.reshape(len(values), *truth[name].shape)
        if by_row:
            assert latents.row_plate is not None
            at = true.dim() - len(latents[name].event_shape) + latents.row_plate.dim
            z, true = z.movedim(at, 1), true.movedim(at, 1)
        rows = true.shape[1] if by_row else 1
        z, true = z.reshape(len(z), rows, -1), true.reshape(1, rows, -1)
        ties = (z == true).sum(0)
        below = (z < true).sum(0) + (torch.rand_like(ties.double()) * (ties + 1)).long()
        found |= {_label(name, i, below.shape[1]): below[:, i] for i in range(below.shape[1])}
    return found


def _label(name: str, i: int, size: int) -> str:
    return name if size == 1 else f"{name}[{i}]"


@dataclass(frozen=True)
class Symmetry:
    """VSBC of one dimension.

    Attributes:
        p: probability that q gives to values below the truth, (simulations,).
        symmetry_p: p-value of the signed-rank test that p is symmetric around 1/2.
        offset: mean of p - 1/2; above 0 where the guide is too low.
        uniformity: SBC of the refitted guide from the same ranks, a stricter test.
    """

    p: Tensor
    symmetry_p: float
    offset: Metric
    uniformity: Uniformity

    @property
    def verdict(self) -> str:
        """Is the guide's location biased?"""
        if self.symmetry_p > SIGNIFICANT:
            return "no sign of bias"
        return "too low" if self.offset.value > 0 else "too high"


def refit_calibration(
    program: Program,
    args: tuple,
    refit: Callable[[tuple], Program],
    *,
    simulations: int = 50,
    draws: int = 199,
    put: Put | None = None,
    seed: int = 0,
) -> dict[str, Symmetry]:
    """VSBC and SBC of a guide that is fitted anew to every simulated data set.

    Args:
        program: a program whose model to simulate from.
        args: arguments of the model, on its device.
        refit: simulated arguments -> a trained program, e.g.
            ``lambda args: zoo.fit(model, guide, *args, steps=500).program``; it is called for each
            simulation.
        simulations: number of data sets, at least 10.
        draws: draws from each fitted guide.
        put: see :func:`simulate_arguments`.
        seed: of the simulations and the draws; `refit` has a seed of its own.

    Returns:
        "SITE[i]" for each dimension of each latent.

    Raises:
        ValueError: for fewer than 10 simulations.
    """
    if simulations < FEWEST_SIMULATIONS:
        raise ValueError(f"Expected at least {FEWEST_SIMULATIONS} simulations; got {simulations}.")
    parts = []
    with isolated(seed=seed):
        for _ in range(simulations):
            truth, simulated = simulate_arguments(program, args, put)
            fitted = refit(simulated)
            sampled = draw(fitted, simulated, draws).latents
            parts.append(_ranks(fitted.latents, truth, sampled, by_row=False))
        return {name: _symmetry(ranks, draws) for name, ranks in _together(parts).items()}


def _symmetry(ranks: Tensor, draws: int) -> Symmetry:
    p = (ranks.cpu() + 0.5) / (draws + 1)
    offset = sample_mean(p, target=0.5, note="should be 0")
    return Symmetry(p, signed_rank_p(p - 0.5), offset, uniformity(ranks, draws))


def signed_rank_p(values: Tensor) -> float:
    """p-value of Wilcoxon's signed-rank test that values are symmetric around 0.

    It uses the normal approximation, and zeros are left out; 1 if all are zero.
    """
    if not values.any():
        return 1.0
    from scipy.stats import wilcoxon

    return float(wilcoxon(values.numpy(), zero_method="wilcox", method="asymptotic").pvalue)
