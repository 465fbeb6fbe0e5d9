"""What a fit goes on from, and the check that it is the same fit."""

from collections.abc import Callable, Sequence
from pathlib import Path

from zoo.checks.arguments import instance, place, refusal
from zoo.files import refuse_occupied, usable_folder
from zoo.results.earlier import Earlier, earlier_of
from zoo.results.request import asked, refuse_other
from zoo.results.result import Fit, Settings
from zoo.task import Task
from zoo.training.checkpoint import has_fit, read
from zoo.training.checkpointer import Checkpoint, Checkpointer
from zoo.training.parallel.ranks import ALONE, Ranks

Found = tuple[dict, Earlier]
Resume = Fit | Sequence[Fit] | str | Path


def checkpointer_for(
    task: Task,
    guide: Callable,
    several: list[Settings],
    kwargs: dict[str, object] | None,
    *,
    checkpoint: str | Path | Checkpoint | None,
    resume: Resume | None,
    replicated: bool,
    ranks: Ranks = ALONE,
) -> Checkpointer:
    """Tries the folder to write to, reads the one to go on from, and compares what is asked.

    Args:
        task: what is to be fitted.
        guide: with what.
        several: settings of each replica, or of the one fit.
        kwargs: keyword arguments of the model.
        checkpoint: where to write.
        resume: where to go on from; a folder that is also `checkpoint` may still be empty.
        replicated: are replicas asked for?
        ranks: the processes that train the fit together. Rank 0 does all this, and tells the
            others what it found, so that they need not see its folders.

    Raises:
        ValueError: for a folder that cannot be written to, holds something else, or holds a fit
            that was made with other settings, data, model or guide.
    """
    kept = _checkpoint(checkpoint)

    def look() -> tuple[list[Earlier | None], list[dict | None], list[bool]]:
        return _look(task, guide, several, kwargs, kept, resume, replicated=replicated)

    earlier, records, done = ranks.decided(look)
    (listens,) = ranks.any(kept is not None and ranks.first)
    place = kept if ranks.first else None
    return Checkpointer(
        place, earlier, records, done, several=replicated, ranks=ranks, listens=listens
    )


def _look(
    task: Task,
    guide: Callable,
    several: list[Settings],
    kwargs: dict[str, object] | None,
    kept: Checkpoint | None,
    resume: Resume | None,
    *,
    replicated: bool,
) -> tuple[list[Earlier | None], list[dict | None], list[bool]]:
    """Of each fit: where it was, the record that the folder has of it, and is it at its end?"""
    folder = None if kept is None else usable_folder(kept.folder, "checkpoint")
    path = place("resume", resume) if isinstance(resume, str | Path) else None
    same = folder is not None and path is not None and folder.resolve() == path.resolve()
    if folder is not None and not (same and has_fit(folder)):
        way_out = f"Pass resume='{folder}' to go on from a fit there, or name another folder."
        refuse_occupied(folder, "checkpoint", way_out)
    if resume is None or (path is not None and same and not has_fit(path)):
        found: list[Found | None] = [None] * len(several)
    elif path is None:
        found = list(_from_fits(resume, replicated=replicated))  # type: ignore[arg-type]
    else:
        found = _from_folder(path, replicated=replicated)
    _check_count(found, len(several))
    done = []
    for number, (one, settings) in enumerate(zip(found, several, strict=True)):
        where = f"Replica {number} of the earlier fit" if replicated else "The earlier fit"
        if one is not None:
            refuse_other(one[0], asked(task, guide, settings, kwargs or {}), where)
        done.append(_is_done(one, settings, from_folder=path is not None, replica=replicated))
    return (
        [None if one is None else one[1] for one in found],
        [one[0] if one is not None and same else None for one in found],
        done,
    )


def _checkpoint(given: object) -> Checkpoint | None:
    if given is None or isinstance(given, Checkpoint):
        return given
    return Checkpoint(place("checkpoint", given))


def _from_fits(resume: Fit | Sequence[Fit], *, replicated: bool) -> list[Found]:
    way = "Pass what zoo.fit or zoo.load_fit gave, or the folder it was saved to."
    if not isinstance(resume, Fit | Sequence) or isinstance(resume, bytes):
        raise refusal("resume", "a fit, a list of fits or a folder", resume, way)
    fits = [resume] if isinstance(resume, Fit) else list(resume)
    for fit in fits:
        instance("each of resume", fit, Fit, way)
    if replicated == isinstance(resume, Fit):
        raise ValueError(
            "replicas go on from a list of fits, and one fit from one; got "
            f"{'one fit' if replicated else f'a list of {len(fits)}'}. Pass replicas=n with "
            "a list, or neither; or go on with each replica by itself, under its own seed."
        )
    return [(_asked_of(fit), earlier_of(fit)) for fit in fits]


def _asked_of(fit: Fit) -> dict:
    return asked(fit.task, fit.guide_spec, fit.settings, fit.program.kwargs)


def _from_folder(folder: Path, *, replicated: bool) -> list[Found | None]:
    found, several = read(folder)
    if several != replicated:
        held = f"{len(found)} replicas" if several else "one fit"
        way = f"Pass replicas={len(found)}." if several else "Leave replicas out."
        wanted = "one fit" if several else "replicas"
        raise ValueError(f"{folder} holds {held}; the call asks for {wanted}. {way}")
    return found


def _check_count(found: Sequence[object], count: int) -> None:
    if len(found) != count:
        raise ValueError(
            f"The earlier fit has {len(found)} replicas; got replicas={count}. "
            f"Pass replicas={len(found)}, or start another fit without resume."
        )


def _is_done(found: Found | None, settings: Settings, *, from_folder: bool, replica: bool) -> bool:
    """Is nothing left to do?

    Raises:
        ValueError: if all steps asked for were taken, and a folder's fit was to take others.
    """
    if found is None:
        return False
    earlier = found[1]
    ended = earlier.whole or (replica and earlier.stopped == "diverged")
    if from_folder and earlier.steps == settings.steps:
        return ended  # if not, it may have died after its last step and before it was ended
    if replica and earlier.stopped == "diverged":
        return False
    if len(earlier.losses) >= settings.steps:
        raise ValueError(
            f"Expected steps beyond the {len(earlier.losses)} already taken; got "
            f"{settings.steps}. steps counts from the start of the first fit."
        )
    return False
