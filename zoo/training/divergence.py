"""What to say when training leaves the finite numbers: at which step, and by which site."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from pyro import poutine

from zoo.program import Program
from zoo.traces import run
from zoo.training.trainer import Trainer

if TYPE_CHECKING:
    from zoo.training.compiled_trainer import CompiledTrainer


class DivergenceError(RuntimeError):
    """Training met a loss or a gradient that is not finite.

    Attributes:
        step: the first step whose loss, or whose update of the parameters, is not finite.
        sites: names of the sample sites whose log-probability is not finite there.
        fit: the fit at its last finite state.
    """

    fit: object = None

    def __init__(self, step: int, sites: tuple[str, ...]) -> None:
        self.step, self.sites = step, sites
        where = " and ".join(f"'{site}'" for site in sites) or "no single site"
        what = "loss" if sites else "loss or its gradient"
        super().__init__(
            f"The {what} is not finite at step {step}: non-finite log-probability at {where}. "
            "The fit keeps the last finite state. Try a smaller lr, clip_norm, or another start."
        )


def replay_to_divergence(
    trainer: "Trainer | CompiledTrainer", snapshot: dict, losses: torch.Tensor
) -> DivergenceError:
    """Replays a block up to its first bad step and leaves the trainer at the last finite state."""
    trainer.restore(snapshot)
    before = snapshot
    for _ in losses:
        if not all_finite([trainer.advance(1), *trainer.parameters]):
            break
        before = trainer.snapshot()
    trainer.restore(before)
    found = trainer.ranks.gathered(_non_finite_sites(trainer))
    sites = tuple(dict.fromkeys(site for of_rank in found for site in of_rank))
    trainer.restore(before)
    return DivergenceError(before["step"], sites)


def all_finite(values: Iterable[torch.Tensor]) -> bool:
    """Is every number in every tensor finite?"""
    return all(bool(value.isfinite().all()) for value in values)


def _non_finite_sites(trainer: "Trainer | CompiledTrainer") -> tuple[str, ...]:
    program: Program = trainer.program
    block = trainer.rows_of(1)
    rows = None if block is None else block[0]
    args = trainer.rows.take(rows)
    try:
        with poutine.block(), torch.no_grad(), program.handlers(rows):
            traces = run(program.pair.model, program.pair.guide, args, program.kwargs)
    except torch.linalg.LinAlgError:  # a matrix, and no site
        return ()
    nodes = [*traces.guide.nodes.values(), *traces.model.nodes.values()]
    sites = [node for node in nodes if node["type"] == "sample"]
    bad = [str(site["name"]) for site in sites if not site["log_prob"].isfinite().all()]
    return tuple(dict.fromkeys(bad))
