"""What several ranks cannot train together, said before anything is built."""

from zoo.results.result import Settings
from zoo.task import Task

WAY_OUT = "or start it without torchrun"


def check_ranks(count: int, task: Task, settings: Settings, replicas: int | None) -> None:
    """Refuses a fit that several ranks cannot share.

    Args:
        count: number of ranks.
        task: what is to be fitted.
        settings: how.
        replicas: as for :func:`zoo.fit`.

    Raises:
        ValueError: naming the setting, its value and a way out.
    """
    if count == 1:
        return
    ranks = f"under torchrun {count} ranks train one fit together"
    if replicas is not None:
        raise ValueError(
            f"replicas={replicas} are fits of their own, and {ranks}. Leave replicas out, "
            f"{WAY_OUT}."
        )
    if settings.dadvi or settings.until == "converged":
        what = "optimizer='dadvi'" if settings.dadvi else "until='converged'"
        raise ValueError(
            f"{what} looks at all rows at once and ends by itself, and {ranks} by minibatches. "
            f"Pass a number of steps and until='steps', {WAY_OUT}: such a fit is small."
        )
    if settings.compile is True:
        raise ValueError(
            f"compile=True takes many steps in one call, and {ranks}, which exchange gradients "
            f"in each step. Pass compile='auto' or False, {WAY_OUT}."
        )
    if settings.objective.keeps_chains:
        raise ValueError(
            f"{settings.objective} keeps the states of Markov chains from step to step, and "
            f"{ranks}, which would average them. Use an objective without chains, {WAY_OUT}."
        )
    if not task.data.rows:
        raise ValueError(
            f"{ranks.capitalize()}, each its share of the rows; there is no tensor with rows "
            "among the model's positional arguments. Pass them as arguments, "
            f"{WAY_OUT}."
        )
    _check_batch(count, settings.batch_size or task.data.rows, whole=settings.batch_size is None)


def _check_batch(count: int, batch: int, *, whole: bool) -> None:
    if whole and batch < count:
        raise ValueError(
            f"Expected at least one row for each of {count} ranks; there are {batch} rows. Start "
            f"at most {batch} ranks."
        )
    if not whole and batch % count:
        below, above = batch // count * count, -(-batch // count) * count
        near = f"{below} or {above}" if below else str(above)
        raise ValueError(
            f"Expected batch_size to be a multiple of the {count} ranks, which share the rows of "
            f"each step; got {batch}. Pass batch_size={near}, {WAY_OUT}."
        )


def cannot_share(count: int, why: ValueError) -> ValueError:
    """The error of a model whose rows cannot be taken apart, where all rows were asked for."""
    return ValueError(
        f"Under torchrun {count} ranks train one fit together, each on its share of the rows. "
        f"Those of this model cannot be shared out, as it refuses minibatches too: '{why}' Mend "
        f"that in the model, {WAY_OUT}."
    )
