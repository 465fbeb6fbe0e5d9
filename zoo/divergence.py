"""What to say when training leaves the finite numbers: at which step, and by which site."""

import torch
from pyro import poutine

from zoo.program import Program
from zoo.traces import run
from zoo.trainer import Trainer


class DivergenceError(RuntimeError):
    """Training met a non-finite loss.

    Attributes:
        step: the first step whose loss is not finite.
        sites: names of the sample sites whose log-probability is not finite there.
        fit: the fit at its last finite state.
    """

    fit: object = None

    def __init__(self, step: int, sites: tuple[str, ...]) -> None:
        self.step, self.sites = step, sites
        where = " and ".join(f"'{site}'" for site in sites) or "no single site"
        super().__init__(
            f"The loss is not finite at step {step}: non-finite log-probability at {where}. "
            "The fit keeps the last finite state. Try a smaller lr, clip_norm, or another start."
        )


def blame(trainer: Trainer, snapshot: dict, losses: torch.Tensor) -> DivergenceError:
    """Replays a block up to its first bad step and leaves the trainer at the last finite state."""
    trainer.restore(snapshot)
    bad = int((~losses.isfinite()).nonzero()[0])
    before = snapshot
    for _ in range(bad):
        trainer.advance(1)
        if all(value.isfinite().all() for value in trainer.parameters):
            before = trainer.snapshot()
    sites = _non_finite_sites(trainer)
    trainer.restore(before)
    return DivergenceError(snapshot["step"] + bad, sites)


def _non_finite_sites(trainer: Trainer) -> tuple[str, ...]:
    program: Program = trainer.program
    order = trainer.rows.order
    rows = None if order is None else order.block(trainer.step, 1)[0].to(trainer.device)
    with poutine.block(), torch.no_grad(), program.handlers(rows):
        traces = run(program.pair.model, program.guide, trainer.rows.take(rows), program.kwargs)
    nodes = [*traces.guide.nodes.values(), *traces.model.nodes.values()]
    sites = [node for node in nodes if node["type"] == "sample"]
    bad = [str(site["name"]) for site in sites if not site["log_prob"].isfinite().all()]
    return tuple(dict.fromkeys(bad))
