"""Taking the runs of a comparison one pair after another, each written as it ends."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from guides import guide_named
from zoo.comparison.aggregate import Row, run_name
from zoo.comparison.budget import Curve, fit_within
from zoo.comparison.comparison import Asked, Comparison, row_of
from zoo.comparison.folder import WAY_OUT, Folder, clear
from zoo.comparison.from_folder import report_on
from zoo.comparison.held import NOTHING_TO_HOLD, learns_nothing, sentence, under
from zoo.evaluation.evaluate import QUICKEST, Metrics, evaluate
from zoo.files import refuse_occupied
from zoo.latents import Latents
from zoo.latents.family import solver_of
from zoo.results.result import Fit
from zoo.training.checkpoint import load_fit
from zoo.training.checkpointer import Checkpoint, SaveError
from zoo.training.fit import fit
from zoo.training.progress import Progress, Watcher
from zoo.training.tensorboard import TensorBoard


class Runs:
    """The runs of a comparison.

    Args:
        found: what is found; filled run by run.
        asked: what was asked for.
        latents: of the task's model.
        seconds: time between two checkpoints.
        progress: show a bar for each run.
        on_progress: is told how far each run is.
        log: has a log of each run; None for none.
    """

    def __init__(
        self,
        found: Comparison,
        asked: Asked,
        latents: Latents,
        *,
        seconds: float,
        progress: bool,
        on_progress: Watcher | None = None,
        log: TensorBoard | None = None,
    ) -> None:
        self.found, self.asked, self.latents, self.request = found, asked, latents, asked.request
        self.seconds, self.progress = seconds, progress
        self.watchers, self.log = [one for one in (log, on_progress) if one is not None], log
        self.folder: Folder | None = None
        self.whole: list[Row] = []  # runs that an earlier comparison left in the folder

    def names(self, guide: str, objective: str) -> list[str]:
        """Names of the runs of a pair."""
        return [run_name(guide, objective, seed) for seed in range(self.asked.seeds)]

    def open(self, out: str | Path, *, resume: bool, force: bool) -> None:
        """Tries the folder; reads what is whole in it, or refuses what it holds.

        Raises:
            ValueError: for a folder that cannot be written to, or holds anything else.
        """
        folder = Folder(out, self.asked.record(self.found.task))
        if resume and folder.begun:
            self.whole, self.found.curves = folder.read()
        else:
            if force:
                clear(folder.path)
            refuse_occupied(folder.path, "--out", WAY_OUT)
        self.folder = folder

    def hold_model(self) -> None:
        """Trains the model that is to be held fixed, unless that was done, and holds it.

        A model without parameters is what it is.

        Raises:
            KeyboardInterrupt: if that was interrupted.
        """
        if self.asked.held is None:
            return
        given = self.asked.held.fit
        if given is None and learns_nothing(self.found.task, self.asked.model_kwargs):
            self.found.fixed = NOTHING_TO_HOLD
            return
        result = given or self._train_model()
        self.found.held, self.found.task = result, under(result)
        self.found.fixed = sentence(result)
        self.request = replace(self.request, freeze_model=True)

    def _train_model(self) -> Fit:
        task, (objective, *_) = self.found.task, self.asked.objectives.values()
        (first, *_) = self.asked.guides.values()
        guide = first if task.recipe is None else guide_named(task.usual_guide)
        place = None
        if self.folder is not None:
            place = Checkpoint(self.folder.model, self.seconds, None)
        result = fit(
            task,
            guide,
            **vars(replace(self.request, objective=objective, seed=0)),
            device=self.asked.device,
            progress=self.progress,
            model_kwargs=self.asked.model_kwargs,
            checkpoint=place,
            resume=None if place is None else place.folder,
        )
        if result.stopped == "interrupted":
            raise KeyboardInterrupt
        return result

    def take_up(self) -> None:
        """Takes up the runs that an earlier comparison left whole."""
        for row in self.whole:
            self._take_up(row)
        self._write()

    def take(self, guide: str, objective: str) -> Exception | None:
        """Fits and scores the seeds of a pair that are not whole.

        Returns:
            The error that ended it, if model, guide or objective raised one: other pairs go on.

        Raises:
            KeyboardInterrupt: if that was interrupted; what is whole is kept.
            OSError: if results cannot be written.
        """
        try:
            self._take(guide, objective)
        except (OSError, SaveError):
            raise
        except Exception as error:  # noqa: BLE001  # whatever a guide of the user's raises
            left = [name for name in self.names(guide, objective) if name not in self.found.fits]
            said = f"{type(error).__name__}: {error}"
            self.found.unfinished |= dict.fromkeys(left, f"failed with {said}")
            self._write()
            return error
        return None

    def _take(self, guide: str, objective: str) -> None:
        if not self.is_whole(guide, objective):
            if self.asked.budget is None:
                self._fit(guide, objective)
            else:
                self._fit_within(guide, objective, self.asked.budget)
        self.tidy(guide, objective)

    def is_whole(self, guide: str, objective: str) -> bool:
        """Are all seeds of a pair fitted and scored?"""
        return all(name in self.found.fits for name in self.names(guide, objective))

    def tidy(self, guide: str, objective: str) -> None:
        """Removes the checkpoints of a pair that is whole."""
        if self.folder is not None:
            for name in (f"{guide}-{objective}", *self.names(guide, objective)):
                self.folder.drop_training(name)

    def order(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Puts the runs in the order of the pairs, in whatever order they ended."""
        place = {name: i for i, name in enumerate(n for pair in pairs for n in self.names(*pair))}
        found = self.found
        found.rows.sort(key=lambda row: place[row.name])
        found.fits = {name: found.fits[name] for name in place if name in found.fits}

    def close(self) -> None:
        """Writes the results, the pictures and the report."""
        if self.log is not None:
            self.log.close()
        if self.folder is not None:
            self._write()
            self.folder.draw(self.found.fits, self.found.rows, self.found.curves)
            if self.found.rows:
                report_on(self.folder.path)

    def _fit(self, guide: str, objective: str) -> None:
        asked, ended = self.asked, partial(self._add, guide, objective)
        place = self._place(f"{guide}-{objective}", ended)
        request = replace(self.request, objective=asked.objectives[objective], seed=0)
        if solver_of(asked.guides[guide]) is not None:
            request = request.without_steps()
        fits = fit(
            self.found.task,
            asked.guides[guide],
            **vars(request),
            model_kwargs=asked.model_kwargs,
            device=asked.device,
            replicas=asked.seeds,
            progress=self.progress,
            on_progress=self._watcher(guide, objective),
            checkpoint=place,
            resume=None if place is None else place.folder,
        )
        for result in fits:
            ended(result)
        if any(result.stopped == "interrupted" for result in fits):
            raise KeyboardInterrupt

    def _fit_within(self, guide: str, objective: str, budget: int) -> None:
        for seed, name in enumerate(self.names(guide, objective)):
            if name in self.found.fits:
                continue
            result, curve = fit_within(
                self.found.task,
                self.asked.guides[guide],
                replace(self.request, objective=self.asked.objectives[objective], seed=seed),
                budget,
                self.latents,
                names=(guide, objective),
                model_kwargs=self.asked.model_kwargs,
                device=self.asked.device,
                place=self._place(name, None),
                on_progress=self._watcher(guide, objective),
            )
            self._add(guide, objective, result, curve)
            if curve is None:
                raise KeyboardInterrupt

    def _watcher(self, guide: str, objective: str) -> Watcher | None:
        """Passes on how far a fit is, under the name of its run."""

        def told(progress: Progress) -> None:
            named = replace(progress, run=run_name(guide, objective, progress.seed))
            for watcher in self.watchers:
                watcher(named)

        return told if self.watchers else None

    def _place(self, name: str, ended: Callable[[Fit], None] | None) -> Checkpoint | None:
        if self.folder is None:
            return None
        return Checkpoint(self.folder.training(name), self.seconds, ended)

    def _add(self, guide: str, objective: str, result: Fit, curve: Curve | None = None) -> None:
        """Scores a fit and writes it, once, or notes how far it came."""
        name = run_name(guide, objective, result.settings.seed)
        if name in self.found.fits:
            return
        if result.stopped == "interrupted":
            taken, steps = len(result.losses), result.settings.steps
            self.found.unfinished[name] = f"interrupted at step {taken} of {steps}"
            return
        self.found.unfinished[name] = "trained, not scored"
        seed, draws = result.settings.seed, self.asked.draws
        metrics = evaluate(result, metrics=QUICKEST, draws=draws, seed=seed)
        if self.log is not None:
            self.log.end(result, metrics, run=name)
        self.store(guide, objective, result, metrics, curve)

    def store(
        self,
        guide: str,
        objective: str,
        result: Fit,
        metrics: Metrics,
        curve: Curve | None = None,
    ) -> None:
        """Writes a run that was fitted and scored, here or in another process."""
        name = run_name(guide, objective, result.settings.seed)
        if self.folder is not None:
            self.folder.write_run(name, result, metrics)
        self.found.fits[name], self.found.scored[name] = result, metrics
        self.found.curves += [] if curve is None else [curve]
        self.found.rows.append(row_of(result, metrics, guide, objective))
        del self.found.unfinished[name]
        self._write()

    def _take_up(self, row: Row) -> None:
        assert self.folder is not None
        self.found.fits[row.name] = load_fit(
            self.folder.run(row.name),
            self.found.task,
            guide=self.asked.guides[row.guide],
            device=self.asked.device,
        )
        self.found.rows.append(row)
        self.found.unfinished.pop(row.name, None)

    def _write(self) -> None:
        if self.folder is not None:
            found = self.found
            self.folder.write_results(found.task.data, found.rows, found.curves, **found.said)
