"""The evaluation harness: figures of merit of a fit, each with its error, on held-out rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import torch

from zoo.figures import Evidence, Figure
from zoo.figures.groups import PARTS, Scored
from zoo.figures.groups.asked import Asked, asked_for
from zoo.isolation import isolated
from zoo.log_weights import row_count
from zoo.prepare import to_device
from zoo.program import Program
from zoo.refit import fit_again
from zoo.result import Fit
from zoo.verdict import verdict

QUICKEST = (
    "elbo",
    "iwae_10",
    "iwae_100",
    "log_evidence",
    "ess",
    "k_hat",
    "k_hat_share",
    "exact_log_evidence",
    "gap",
    "posterior_mean_error",
    "posterior_sd_error",
)
DRAWS, FEWEST, WEIGHTS = 1000, 200, 2_000_000  # for each row; in all


@dataclass(frozen=True)
class Figures(Mapping[str, Figure]):
    """Name -> figure, with what was left out and why.

    Attributes:
        figures: the figures.
        skipped: name -> why a figure that was asked for is not there.
        split: the data split they were taken on.
        rows: number of data rows; 1 where all data share a latent.
        draws: draws from the guide for each row.
    """

    figures: dict[str, Figure]
    skipped: dict[str, str]
    split: str
    rows: int
    draws: int

    def __getitem__(self, name: str) -> Figure:
        if name in self.skipped:
            raise KeyError(f"{name} was not computed: {self.skipped[name]}")
        return self.figures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)

    @property
    def verdict(self) -> str:
        """One line in plain words: did inference work? See :mod:`zoo.verdict`."""
        return verdict(self.figures, self.draws)


def evaluate(
    result: Fit,
    *,
    figures: Sequence[str | Evidence] | str | None = None,
    split: str | None = None,
    draws: int | None = None,
    seed: int = 0,
) -> Figures:
    """Scores a fit against everything that is known about its task.

    Args:
        result: the fit.
        figures: what to compute: names of figures or of groups (``zoo.figures.groups``), "all",
            or None for all that takes seconds. By name or under "all" only: gaps, sbc, vsbc, ais,
            ais_from_guide, smc and bdmc. iwae_K goes for any K; for other settings pass the
            estimator itself, such as ``zoo.figures.AnnealedImportance(temperatures=1000)``.
        split: "train", "valid" or "test". None is test where rows are independent and there is
            one; latents that rows share were inferred from train, and are scored there. A guide
            with free parameters for each row has none for new rows: they are fitted first, with
            the model held, for as many steps as the fit took.
        draws: draws from the guide for each row. None is 1000, or with more than 2,000 rows so
            many that rows x draws is two million, but 200 at least.
        seed: of the draws. A figure does not depend on which others are asked for.

    Returns:
        The figures; values are means over rows in nats/row where rows are independent, else nats.

    Raises:
        ValueError: for a figure that does not exist, or fewer than 20 draws.
    """
    split = split or held_out_split(result)
    asked = asked_for(figures)
    if draws is not None and draws < 20:
        raise ValueError(f"Expected at least 20 draws; got {draws}.")
    program, note = _for_rows_of(result, split)
    args = tuple(to_device(arg, result.device) for arg in result.task.scored(split))
    draws = draws or default_draws(row_count(program, args))
    names = frozenset(asked.names)
    scored = Scored(result, program, args, split, draws, seed, note, names)
    found, skipped = _computed(scored, asked)
    ordered = {name: found[name] for wanted in asked.names for name in _called(wanted, found)}
    return Figures(ordered, skipped | asked.left, split, row_count(program, args), draws)


def default_draws(rows: int) -> int:
    """Draws for each row where none are asked for: so many in all, and enough for `iwae_100`."""
    return max(FEWEST, min(DRAWS, WEIGHTS // rows))


def held_out_split(result: Fit) -> str:
    """The test rows where rows are independent and there are any, else the train rows."""
    return "test" if result.latents.rowwise and result.task.data.test else "train"


def _for_rows_of(result: Fit, split: str) -> tuple[Program, str]:
    """The program to score, with local parameters fitted to the split's rows if it has any."""
    if split == "train" or result.amortised:
        return result.program, ""
    inner = fit_again(result, result.task.on(split))
    steps = len(inner.losses)
    return inner.program, f"row parameters fitted to the {split} rows for {steps} steps"


def _computed(scored: Scored, asked: Asked) -> tuple[dict[str, Figure], dict[str, str]]:
    """Every figure that can be computed, and the reasons why others cannot."""
    found: dict[str, Figure] = {}
    skipped: dict[str, str] = {}
    given = (scored.program, scored.args, scored.note)
    jobs = [(asked.of(part), partial(part.compute, scored)) for part in PARTS]
    jobs += [(list(one.names), partial(one.figures, *given)) for one in asked.estimators]
    for names, compute in [job for job in jobs if job[0]]:
        try:
            with isolated(seed=scored.seed), torch.no_grad():
                found |= compute()
        except (ValueError, NotImplementedError) as error:
            skipped |= dict.fromkeys(names, str(error))
    missing = [name for name in asked.names if not _called(name, found) and name not in skipped]
    return found, skipped | dict.fromkeys(missing, "the task has nothing of that name")


def _called(wanted: str, found: Mapping[str, Figure]) -> list[str]:
    """The figure of that name, and those of single sites: NAME/SITE."""
    return [name for name in found if name == wanted or name.startswith(f"{wanted}/")]


def as_numbers(figures: Figures) -> dict[str, dict[str, object]]:
    """The figures for JSON: name -> {value, se, unit, better, note}."""
    return {name: asdict(figure) for name, figure in figures.items()}
