"""The evaluation harness: figures of merit of a fit, each with its error, on held-out rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from zoo.draws import draw
from zoo.figures import WEIGHT_FIGURES, Evidence, Figure
from zoo.figures.asked import asked_for
from zoo.figures.k_hat import k_hat_threshold
from zoo.figures.posterior import exact_moments, posterior_errors
from zoo.fit import fit
from zoo.isolation import isolated
from zoo.log_weights import row_count, weight_chunks
from zoo.prepare import to_device
from zoo.program import Program
from zoo.result import Fit
from zoo.truth import HasEvidence

EXACT = ("exact_log_evidence", "gap")
POSTERIOR = ("posterior_mean_error", "posterior_sd_error")


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
        """One line in plain words: how tight the bound is, and whether to trust the posterior."""
        found = self.figures
        if "k_hat" not in found:
            return "no importance weights: " + "; ".join(self.skipped.values())
        if "gap" in found:
            gap = found["gap"]
            tightness = (
                f"bound {gap.value:.3g} +- {gap.se:.1g} {gap.unit} below the exact evidence"
            )
        else:
            width = found["log_evidence"].value - found["elbo"].value
            tightness = (
                f"bound {width:.3g} {found['elbo'].unit} below the importance-sampled log p(x)"
            )
        k, limit = found["k_hat"].value, k_hat_threshold(self.draws)
        trust = "trust the weights" if k < limit else "do not trust this posterior's tails"
        return f"{tightness}; k-hat {k:.2f} (limit {limit:.2f}): {trust}"


def evaluate(
    result: Fit,
    *,
    figures: Sequence[str | Evidence] | None = None,
    split: str | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Figures:
    """Scores a fit against everything that is known about its task.

    Args:
        result: the fit.
        figures: what to compute; None for all that is quick and that the task allows. By name
            only: iwae_K for any K, ais, ais_from_guide, smc and bdmc, which take chains or draws
            of their own; for other settings pass the estimator itself, such as
            ``zoo.figures.AnnealedImportance(temperatures=1000)``.
        split: "train", "valid" or "test". None is test where rows are independent and there is
            one; latents that rows share were inferred from train, and are scored there. A guide
            with free parameters for each row has none for new rows: they are fitted first, with
            the model held, for as many steps as the fit took.
        draws: draws from the guide for each row.
        seed: of the draws.

    Returns:
        The figures; values are means over rows in nats/row where rows are independent, else nats.

    Raises:
        ValueError: for a figure that does not exist, or fewer than 20 draws.
    """
    split = split or held_out_split(result)
    tables = (*WEIGHT_FIGURES, *EXACT, *POSTERIOR)
    asked = asked_for(figures or tables, tables)
    wanted = asked.names
    if draws < 20:
        raise ValueError(f"Expected at least 20 draws; got {draws}.")
    program, note = _for_rows_of(result, split)
    args = tuple(to_device(arg, result.device) for arg in result.task.split(split))
    found: dict[str, Figure] = {}
    skipped: dict[str, str] = {}
    with isolated(seed=seed), torch.no_grad():
        _weight_figures(program, args, draws, wanted, note, found, skipped)
        _exact_figures(program, args, wanted, note, found, skipped)
        _posterior_figures(program, args, draws, wanted, note, found, skipped)
        _estimated_figures(program, args, asked.estimators, note, found, skipped)
    ordered = {name: found[name] for name in wanted if name in found}
    return Figures(ordered, skipped, split, row_count(program, args), draws)


def held_out_split(result: Fit) -> str:
    """The test rows where rows are independent and there are any, else the train rows."""
    return "test" if result.latents.rowwise and result.task.data.test else "train"


def _for_rows_of(result: Fit, split: str) -> tuple[Program, str]:
    """The program to score, with local parameters fitted to the split's rows if it has any."""
    if split == "train" or result.amortised:
        return result.program, ""
    steps, update = len(result.losses), result.settings.update
    task = replace(result.task.on(split), build=lambda: result.model)
    rows = result.settings.batch_size
    inner = fit(
        task,
        result.guide_spec,
        objective=result.settings.objective,
        steps=steps,
        optimizer=update.optimizer,
        lr=update.lr,
        batch_size=None if rows is None else min(rows, task.data.rows),
        seed=result.settings.seed,
        device=str(result.device),
        freeze_model=True,
        compile=result.settings.compile,
    )
    return inner.program, f"row parameters fitted to the {split} rows for {steps} steps"


def _weight_figures(
    program: Program,
    args: tuple,
    draws: int,
    wanted: Sequence[str],
    note: str,
    found: dict[str, Figure],
    skipped: dict[str, str],
) -> None:
    """Figures of the log-weights, row chunk by row chunk; only per-row numbers are kept."""
    names = [name for name in WEIGHT_FIGURES if name in wanted or name == "elbo"]
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in names}
    for log_w in weight_chunks(program, args, draws):
        for name in [name for name in names if name not in skipped]:
            try:
                parts[name].append(WEIGHT_FIGURES[name].compute(log_w))
            except ValueError as error:
                skipped[name] = str(error)
    for name in [name for name in names if name not in skipped]:
        values, errors = (torch.cat(column) for column in zip(*parts[name], strict=True))
        rowwise = program.latents.rowwise
        found[name] = WEIGHT_FIGURES[name].summarise(values, errors, rowwise=rowwise, note=note)


def _exact_figures(
    program: Program,
    args: tuple,
    wanted: Sequence[str],
    note: str,
    found: dict[str, Figure],
    skipped: dict[str, str],
) -> None:
    asked = [name for name in EXACT if name in wanted]
    if not asked:
        return
    if not isinstance(program.model, HasEvidence):
        skipped.update(dict.fromkeys(asked, "the model does not know its log evidence"))
        return
    try:
        exact = program.model.log_evidence(*args)
    except ValueError as error:
        skipped.update(dict.fromkeys(asked, str(error)))
        return
    bound = found["elbo"]
    value = float(exact.mean())
    found["exact_log_evidence"] = Figure(value, 0.0, bound.unit, "higher", note)
    found["gap"] = Figure(value - bound.value, bound.se, bound.unit, "lower", note)


def _posterior_figures(
    program: Program,
    args: tuple,
    draws: int,
    wanted: Sequence[str],
    note: str,
    found: dict[str, Figure],
    skipped: dict[str, str],
) -> None:
    asked = [name for name in POSTERIOR if name in wanted]
    if not asked:
        return
    try:
        exact = exact_moments(program.model, args)
    except ValueError as error:
        skipped.update(dict.fromkeys(asked, str(error)))
        return
    if exact is None:
        skipped.update(dict.fromkeys(asked, "the model does not know its posterior"))
        return
    sampled = draw(program, args, draws).latents
    if not sampled:
        skipped.update(dict.fromkeys(asked, "the guide draws nothing"))
        return
    found.update(posterior_errors(sampled, exact, note))


def _estimated_figures(
    program: Program,
    args: tuple,
    estimators: Sequence[Evidence],
    note: str,
    found: dict[str, Figure],
    skipped: dict[str, str],
) -> None:
    for estimator in estimators:
        try:
            found.update(estimator.figures(program, args, note))
        except ValueError as error:
            skipped.update(dict.fromkeys(estimator.names, str(error)))


def as_numbers(figures: Figures) -> dict[str, dict[str, object]]:
    """The figures for JSON: name -> {value, se, unit, better, note}."""
    return {name: asdict(figure) for name, figure in figures.items()}
