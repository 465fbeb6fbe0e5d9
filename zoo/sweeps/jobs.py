"""One run of a sweep: trained, scored and packed, in whatever process it is handed to."""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import torch

from zoo.comparison.aggregate import Row, record_of
from zoo.comparison.comparison import row_of
from zoo.comparison.folder import TENSORBOARD
from zoo.evaluation.evaluate import evaluate, metrics_record
from zoo.results.record import with_checksum
from zoo.results.result import Fit
from zoo.task import Task
from zoo.training.checkpoint import save
from zoo.training.divergence import DivergenceError
from zoo.training.fit import fit
from zoo.training.progress import Progress
from zoo.training.settings import Request
from zoo.training.tensorboard import TensorBoard

ROW = "run.json"


@dataclass(frozen=True)
class Job:
    """A run to take.

    Attributes:
        name: of the run.
        pair: names of guide and objective.
        task: what is fitted.
        guide: with what.
        request: how.
        model_kwargs: keyword arguments of the model.
        device: where.
        metrics: what is computed.
        split: on which rows.
        draws: with how many draws for each row.
        logged: write a log for TensorBoard?
        dtype: torch's default dtype, which another process does not know of.
    """

    name: str
    pair: tuple[str, str]
    task: Task
    guide: Callable
    request: Request
    model_kwargs: dict[str, object]
    device: str
    metrics: tuple[str, ...]
    split: str
    draws: int | None
    logged: bool
    dtype: torch.dtype = field(default_factory=torch.get_default_dtype)


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes:
        name: of the run.
        row: of the run; None if it did not come to its end.
        files: path in the run's folder -> contents.
        said: why it did not come to its end.
        progress: where the fit ended; None where it took no step.
    """

    name: str
    row: Row | None = None
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    said: str = ""
    progress: Progress | None = None


def take(job: Job) -> Outcome:
    """Trains, scores and packs a run; one thread each, so that the numbers are always the same.

    A fit that diverges has come to its end, where its parameters were last finite. Any other
    error is said.
    """
    torch.set_num_threads(1)
    torch.set_default_dtype(job.dtype)
    with TemporaryDirectory() as folder:
        log = TensorBoard(folder) if job.logged else None
        try:
            return _taken(job, Path(folder), log)
        except Exception as error:  # noqa: BLE001  # whatever a guide of the user's raises
            return Outcome(job.name, said=f"failed with {type(error).__name__}: {error}")
        finally:
            if log is not None:
                log.close()


def _taken(job: Job, folder: Path, log: TensorBoard | None) -> Outcome:
    reached = list[Progress]()

    def note(progress: Progress) -> None:
        reached[:] = [replace(progress, run=job.name)]
        if log is not None:
            log(replace(progress, run=TENSORBOARD))

    result = _fitted(job, note)
    if result.stopped == "interrupted":
        return Outcome(job.name, said=f"interrupted at step {len(result.losses)}")
    seed = job.request.seed
    metrics = evaluate(result, metrics=job.metrics, split=job.split, draws=job.draws, seed=seed)
    if log is not None:
        log.end(result, metrics, run=TENSORBOARD)
    row = row_of(result, metrics, *job.pair)
    save(result, folder)
    (folder / "metrics.json").write_text(json.dumps(metrics_record(metrics), indent=2))
    (folder / ROW).write_text(with_checksum({"row": record_of(row)}))
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    return Outcome(job.name, row, files, progress=reached[-1] if reached else None)


def _fitted(job: Job, note: Callable[[Progress], None]) -> Fit:
    try:
        return fit(
            job.task,
            job.guide,
            **vars(job.request),
            device=job.device,
            model_kwargs=job.model_kwargs,
            on_progress=note,
        )
    except DivergenceError as error:
        warnings.warn(f"{job.name}: {error}", stacklevel=2)
        return cast(Fit, error.fit)
