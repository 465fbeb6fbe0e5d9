"""Stages of a falling learning rate, and the rule that ends them, in units that a user knows.

At a constant rate the iterates come to move about an optimum, and their mean is near it. A stage
ends where they do so; its mean is kept, and the next stage begins there, at half the rate. The fit
has converged once the guide of one stage is that of the stage before: no latent's mean moved by
more than `tolerance` of the guide's sds, no sd changed by more than that share, and the ELBO moved
by less than 0.02 nats, two standard errors included. Both guides are compared on common noise,
with more draws while the error is too large to tell.

Departs from the paper: the rate is halved without a prediction of what the next stage would gain,
and the move is measured in guide sds instead of a symmetrised divergence.

Source: Welandawe et al. 2022, "Robust, automated, and accurate black-box variational inference".
"""

import math

import torch
from torch import Tensor, nn
from torch.distributions import biject_to

from zoo.handlers.parameters import in_eval_mode
from zoo.isolation import isolated
from zoo.latents import Kind, Latent
from zoo.normals.shortfall import RISE, Shortfall
from zoo.program import Program
from zoo.results.result import Settings
from zoo.sampling.draws import draw_summed, draw_weighted
from zoo.sampling.importance_weights import some_rows
from zoo.sampling.weighable import require_weights

FALL = 0.5  # of the rate, from one stage to the next
LONGEST = 5  # a stage takes at most the steps divided by this
FIRST_DRAWS, MORE, MOST_DRAWS = 1024, 4, 65_536
MOST_ONE_BY_ONE = 4096  # of a model that does not broadcast over draws
AT_ONCE = 1024  # draws in one run of model and guide


class Stages:
    """Where a fit is in its stages.

    Args:
        program: the program that is trained.
        args: the model's arguments.
        settings: of the fit.

    Attributes:
        rate: learning rate of the stage.
        begun: the step at which it began.
        before: the averaged parameters of the stage before; None in the first.
        evaluations: points at which log p(x, z) was computed for comparisons.
    """

    def __init__(self, program: Program, args: tuple, settings: Settings) -> None:
        self.program, self.args, self.settings = program, args, settings
        self.rate, self.begun = settings.update.lr, 0
        self.before: Tensor | None = None
        self.evaluations = 0

    def overdue(self, step: int) -> bool:
        """Has the stage taken its share of the steps?"""
        return step - self.begun >= self.settings.steps / LONGEST

    def state(self) -> dict:
        """What :meth:`go_on` takes."""
        return {"rate": self.rate, "begun": self.begun, "before": self.before}

    def go_on(self, state: dict) -> None:
        """Puts back what :meth:`state` gave."""
        self.rate, self.begun, self.before = state["rate"], state["begun"], state["before"]

    def next(self, step: int, average: Tensor) -> None:
        """The next stage begins at a step, from the average of this one."""
        self.rate, self.begun, self.before = FALL * self.rate, step, average

    def take_evaluations(self) -> int:
        """The evaluations since this was asked last."""
        taken, self.evaluations = self.evaluations, 0
        return taken

    def compare(self, parameters: list[nn.Parameter], average: Tensor) -> Shortfall | None:
        """How far this stage's guide is from that of the stage before; None in the first.

        Args:
            parameters: those that are trained.
            average: their averages of this stage, side by side in one vector.
        """
        if self.before is None or self.before.shape != average.shape:
            return None
        count = FIRST_DRAWS
        most = MOST_DRAWS if self.program.latents.vectorises else MOST_ONE_BY_ONE
        while True:
            _set(parameters, self.before)
            earlier = self._draw(count)
            _set(parameters, average)
            now = self._draw(count)
            found = _between(earlier, now)
            hidden = abs(found.rise) < RISE and not found.reached(self.settings.tolerance)
            if not hidden or count >= most:
                return found
            count *= MORE

    @torch.no_grad()
    def _draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Unconstrained latents of the guide, (count, numbers), and log-weights, (count,)."""
        program, own = self.program, draw_summed if self.program.pair.left else draw_weighted
        sizes = [AT_ONCE] * (count // AT_ONCE)
        with isolated(seed=self.settings.seed), in_eval_mode([program]):
            found = [own(program, self.args, size) for size in sizes]
        self.evaluations += count
        sites = [s for s in program.latents.sites if s.kind is Kind.CONTINUOUS]
        parts = [
            torch.cat([_numbers(part.latents[site.name], site) for site in sites], -1)
            for part in found
        ]
        log_w = torch.cat([part.log_w.double().sum(1) for part in found])
        return torch.cat(parts).double(), log_w


def can_be_staged(program: Program, args: tuple, parameters: list[nn.Parameter]) -> bool:
    """Can the stages of a fit be compared: a guide of shared latents, and a model that is held?

    Args:
        program: model, guide and objective.
        args: the model's arguments.
        parameters: those that are trained.
    """
    latents = program.latents
    own = program.of_model()
    if latents.rowwise or not latents.sites or any(id(p) in own for p in parameters):
        return False
    try:
        require_weights(program, *some_rows(program, args))
    except ValueError:
        return False
    names = latents.names if program.guided is None else program.guided
    return any(latents[name].kind is Kind.CONTINUOUS for name in names)


def _numbers(value: Tensor, site: Latent) -> Tensor:
    """Draws of a latent without its constraint, (draws, numbers)."""
    return biject_to(site.support).inv(value).flatten(1) if value.dim() > 1 else value[:, None]


def _between(earlier: tuple[Tensor, Tensor], now: tuple[Tensor, Tensor]) -> Shortfall:
    """The change from one guide to another, from draws on common noise."""
    (u_0, log_w_0), (u_1, log_w_1) = earlier, now
    sd_0, sd_1 = u_0.std(0), u_1.std(0)
    sd = sd_1.clamp(min=torch.finfo(sd_1.dtype).tiny)
    moved = (u_1.mean(0) - u_0.mean(0)).abs() / sd
    stretched = (sd_0 / sd - 1).abs()
    change = log_w_1 - log_w_0
    count = len(change)
    return Shortfall(
        rise=float(change.mean()),
        rise_se=float(change.std() / math.sqrt(count)),
        move=float(torch.maximum(moved, stretched).max()),
        move_se=0.0,  # the noise is common to both
        elbo=float(log_w_1.mean()),
        elbo_se=float(log_w_1.std() / math.sqrt(count)),
    )


def _set(parameters: list[nn.Parameter], vector: Tensor) -> None:
    """Sets parameters to what stands side by side in a vector."""
    with torch.no_grad():
        nn.utils.vector_to_parameters(vector, parameters)
