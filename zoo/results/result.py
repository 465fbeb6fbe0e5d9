"""The settings of a fit, and the fit itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.latents import Family, Latents, Model
from zoo.latents.family import solver_of
from zoo.normals.difficulties import Difficulty
from zoo.normals.shortfall import Shortfall
from zoo.objectives import Objective
from zoo.optim.schedules import Schedule
from zoo.optim.update import Update
from zoo.program import Program
from zoo.results import using
from zoo.results.convergence import Convergence
from zoo.results.loss_plot import plot_loss
from zoo.results.same_code import Densities
from zoo.results.shown import as_html, as_text, lines_of, title_of
from zoo.results.trained import trained
from zoo.results.using import LogProb
from zoo.sampling.summaries import Codes, Sites
from zoo.task import Task
from zoo.traces import Pair, as_guide


@dataclass(frozen=True)
class Settings:
    """The settings of a fit; task, guide and settings together determine its result.

    Attributes are arguments of :func:`zoo.fit`, with what is usual for the task put in. With
    `dadvi` no optimizer takes steps: the best normal is found directly, see
    :mod:`zoo.normals.dadvi`; `steps` is then the most that L-BFGS takes.
    """

    objective: Objective
    steps: int
    update: Update
    batch_size: int | None
    seed: int
    kl_weight: Schedule | None = None
    freeze_model: bool = False
    patience: int | None = None
    valid_every: int = 500
    compile: bool | str = "auto"
    until: str = "steps"
    tolerance: float = 0.05
    average: bool | str = "auto"
    dadvi: bool = False


@dataclass(repr=False)
class Fit:
    """A trained pair of model and guide, and how it was trained.

    Attributes:
        task: the model and the data that it was trained on.
        settings: how it was trained.
        program: model, guide and objective, at the best state if there was a validation bound.
        guide_spec: the guide as it was passed to `fit`.
        losses: loss of every step in nats for the full data, shape (steps taken,); for DADVI,
            after each step of L-BFGS, the negative ELBO on the draws of that round; for a guide
            with a method of its own, the negative ELBO of each approximation on the way.
        valid: pairs (step, validation loss in nats).
        best: the tensors of the program at the lowest validation loss, or at the mean of the
            iterates where that is kept; None if the fit ends at its last step.
        last: state after the last step, from which the fit can be resumed.
        seconds: time taken by the steps.
        convergence: with until="converged", what the last check found: a :class:`Shortfall` in
            nats and guide sds, or a :class:`Convergence` for guides of local latents.
        notes: what was noticed on the way, such as how the start was found.
        difficulties: what makes the posterior hard for a normal, where the fit began at one; see
            :mod:`zoo.normals.difficulties`.
        other_evaluations: points at which log p(x, z) was computed besides those of the steps: by
            the search for a start, by DADVI, and by the checks for convergence.
        stopped: "finished", "converged", "early", "interrupted" or "diverged"; "unfinished" in a
            checkpoint of a fit that is still training.
        backend: the training loop that ran: "plain" or "compiled"; or the guide's own method that
            took its place, such as "laplace".
        backend_reason: why that loop was chosen.
        densities: log-densities of model and guide before training, by which their code is
            recognised later; see :mod:`zoo.results.same_code`.
        build_seconds: time taken to capture and compile, part of `seconds`.
    """

    task: Task
    settings: Settings
    program: Program
    guide_spec: Callable
    losses: Tensor
    valid: list[tuple[int, float]] = field(default_factory=list)
    best: dict[str, Tensor] | None = None
    last: dict = field(default_factory=dict, repr=False)
    seconds: float = 0.0
    convergence: Convergence | Shortfall | None = None
    notes: list[str] = field(default_factory=list)
    difficulties: list[Difficulty] = field(default_factory=list)
    other_evaluations: int = 0
    stopped: str = "finished"
    backend: str = "plain"
    backend_reason: str = ""
    densities: dict[str, Densities] = field(default_factory=dict, repr=False)
    build_seconds: float = 0.0

    def __repr__(self) -> str:
        return as_text(title_of(self), lines_of(self))

    def _repr_html_(self) -> str:
        return as_html(title_of(self), lines_of(self))

    @property
    def solver(self) -> str | None:
        """The guide's own method that found it, as "laplace"; None where steps or DADVI did."""
        return solver_of(self.guide_spec)

    @property
    def direct(self) -> bool:
        """Was the guide found without steps of an optimizer: by DADVI, or by its own method?"""
        return self.settings.dadvi or self.solver is not None

    @property
    def evaluations(self) -> int:
        """Points at which log p(x, z) was computed, most of them with its gradient."""
        steps = 0 if self.direct else len(self.losses)
        return self.other_evaluations + steps * self.settings.objective.evaluations(self.latents)

    @property
    def model(self) -> Model:
        """The trained model; the one that was passed to `fit` is not changed.

        A model with ``pyro.param`` statements is wrapped, so that they take their trained values
        and not those of Pyro's global store.
        """
        names = self.program.store.names
        return trained(self.program.model, self.program.store, names)

    @property
    def guide(self) -> Callable:
        """The trained guide; one with ``pyro.param`` statements is wrapped as :attr:`model` is."""
        own = [n for n in self.program.store.names if n not in self.program.model_statements]
        return trained(self.program.guide, self.program.store, own)

    @property
    def latents(self) -> Latents:
        """The description of the model's latents."""
        return self.program.latents

    @property
    def pair(self) -> Pair:
        """Model and guide together, for evaluation."""
        program, guide = self.program, as_guide(self.program.guide)
        return Pair(program.model, guide, program.latents, program.guided, program.marked)

    @property
    def amortised(self) -> bool:
        """Can the guide be used on new rows without further training?"""
        guide = self.program.guide
        return not isinstance(guide, Family) or guide.amortised

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""
        return next(self.program.parameters()).device

    def sample(self, n: int = 1, *, seed: int = 0) -> Sites:
        """Draws from the model with its trained parameters, latents and data together.

        Args:
            n: number of draws.
            seed: of the draws; the same seed gives the same draws.

        Returns:
            Site -> draws. Where rows are independent a draw is a new row, (n, ...); else it is
            a whole data set, (n, rows, ...). Of a model with an energy there are no exact draws:
            they are states of n Gibbs chains after 1000 sweeps from fair coins.

        Raises:
            ValueError: for a prior that cannot be sampled.
        """
        return using.sample(self, n, seed)

    def encode(self, *rows: object, draws: int | None = None, seed: int = 0) -> Codes:
        """Posterior means and standard deviations of the latents of rows, under the guide.

        Args:
            *rows: what the model takes, as tensors or arrays; nothing for the training rows.
            draws: draws for each row, 1000 by default, where the guide's moments are not known.
            seed: of the draws.

        Returns:
            `mean` and `sd`, each site -> (rows, ...).

        Raises:
            ValueError: where no row has latents of its own, or the guide has none for these.
        """
        return using.codes(self, rows, draws, seed)

    def reconstruct(self, *rows: object, draws: int | None = None, seed: int = 0) -> Sites:
        """The data to expect given the latents of rows: E[x | z] averaged over the guide's draws.

        Args:
            *rows: what the model takes; nothing for the training rows.
            draws: draws for each row, 50 by default.
            seed: of the draws.

        Returns:
            Observed site -> (rows, ...).

        Raises:
            ValueError: where nothing is observed, or the guide has no latents for these rows.
        """
        return using.reconstruct(self, rows, draws, seed)

    def log_prob(self, *rows: object, draws: int | None = None, seed: int = 0) -> LogProb:
        """Importance-weighted estimates of log p(x) in nats, with their standard errors.

        Args:
            *rows: what the model takes; nothing for the training data.
            draws: importance weights for each row, 1000 by default.
            seed: of the draws.

        Returns:
            `value`, `error` and `k_hat`, one number for each row; a single one where all rows
            share a latent.

        Raises:
            ValueError: where importance weights are not defined, or rows have no log p(x) alone.
        """
        return using.log_prob(self, rows, draws, seed)

    def transform(self, *rows: object, draws: int | None = None, seed: int = 0) -> np.ndarray:
        """Codes of rows as one array, (rows, numbers), as scikit-learn's `transform` gives them.

        It is the posterior mean of :meth:`encode`, the latents side by side.

        Args:
            *rows: what the model takes; nothing for the training rows.
            draws: as for :meth:`encode`.
            seed: of the draws.

        Raises:
            ValueError: as :meth:`encode`.
        """
        return using.transform(self, rows, draws, seed)

    def score(self, *rows: object, draws: int | None = None, seed: int = 0) -> float:
        """Mean log p(x) of rows in nats, as `score` of scikit-learn's density models.

        It is the mean of :meth:`log_prob`, an importance-weighted estimate that lies below log
        p(x) in expectation; ask that for its error and for k-hat, which says if it can be trusted.

        Args:
            *rows: what the model takes; nothing for the training data.
            draws: as for :meth:`log_prob`.
            seed: of the draws.

        Raises:
            ValueError: as :meth:`log_prob`.
        """
        return using.score(self, rows, draws, seed)

    def posterior(self, n: int = 1000, *rows: object, seed: int = 0) -> Sites:
        """Draws of the latents from the guide: site -> (n, ...).

        Args:
            n: number of draws.
            *rows: what the model takes; nothing for the training rows.
            seed: of the draws.

        Raises:
            ValueError: for a guide that draws nothing, or has no latents for these rows.
        """
        return using.posterior(self, n, rows, seed)

    def plot_loss(self, axes: Any = None) -> Any:
        """Draws the loss over the steps with matplotlib.

        Args:
            axes: matplotlib's axes to draw on; None for new ones.

        Returns:
            The axes.

        Raises:
            ValueError: for a fit that has taken no step.
        """
        return plot_loss(self, axes)
