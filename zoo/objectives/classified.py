"""The bound of a semi-supervised model, and what trains its classifier on the labels.

    ELBO  +  alpha sum_{n labelled} log q(label_n | x_n),

the ELBO with the class of the unlabelled rows summed out, as in `enumerate`. Without the second
term a label teaches the model but not the classifier q(y | x), which no labelled row draws from.
A log-probability is never positive, so that the value is still a lower bound, of log p(x) for the
rows without labels and of log p(x, label) for those with them.

The paper's weight is alpha = 0.1 N / N_labelled for each labelled row.

Cost: one evaluation of log p(x, y, z) a class.
Source: Kingma, Rezende, Mohamed & Welling 2014, "Semi-supervised learning with deep generative
models", equation 9.
Topic: Exact sums.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_number, keep_whole
from zoo.latents import Latents
from zoo.objectives.enumerate import Enumerate, runs
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.target import Elbo, Target, both
from zoo.traces import Pair, Traces, add_up, row_scale, sample_sites


@dataclass(frozen=True)
class Classified(Objective):
    """The bound with the class summed out, plus alpha log q(label | x).

    Attributes:
        alpha: how often the classifier's log-probability of a label counts; 0 leaves it out.
        particles: draws of the latents that are not summed out.

    Raises:
        ValueError: if alpha is negative; the value would be no bound.

    Example:
        With alpha = 0 it is `enumerate`:

        >>> import guides, torch, zoo
        >>> from zoo.objectives import Classified
        >>> task = zoo.load("semi_supervised_vae")
        >>> fits = [
        ...     zoo.fit(task, guides.SemiSupervised, objective=objective, steps=1)
        ...     for objective in (Classified(alpha=0.0), "enumerate")
        ... ]
        >>> torch.allclose(fits[0].losses, fits[1].losses)
        True
    """

    alpha: float = 2.0
    particles: int = 1

    def __post_init__(self) -> None:
        keep_number(self, "alpha")
        keep_whole(self, "particles")
        if self.alpha < 0:
            raise ValueError(f"Expected alpha of at least 0; got {self.alpha}. Pass e.g. 1.0.")

    @property
    def summed(self) -> Enumerate:
        """The bound itself."""
        return Enumerate(self.particles)

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        needs = self.summed.needs
        return Needs(
            reparameterised=True,
            sums_out=needs.sums_out,
            row_weights=True,
            nonlinear=True,
            classifies=True,
        )

    @property
    def target(self) -> Target:
        """The ELBO; with a classifier's term, no bound of log p alone."""
        return both(Elbo()) if self.alpha == 0 else Target(None, None)

    def objection(self, latents: Latents) -> str | None:
        """It has a limit to the number of joint states."""
        return self.summed.objection(latents)

    def evaluations(self, latents: Latents) -> int:
        """One a class, for each draw of the rest."""
        return self.summed.evaluations(latents)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative bound and classifier's term, nats, shape ()."""
        found = runs(pair, self.particles, args, kwargs)
        term = add_up(log_q_label(traces, pair.latents) for _, traces in found)
        return -(add_up(bound for bound, _ in found) + self.alpha * term) / self.particles


def log_q_label(traces: Traces, latents: Latents) -> Tensor:
    """Log q(label | x) of the rows that have a label, for the full data: shape (), nats."""
    terms = []
    for site in sample_sites(traces.guide):
        said = dict(site["infer"] or {}).get("log_q_label")
        if isinstance(said, Tensor):
            terms.append(row_scale(site, latents.row_plate) * said.sum())
    return add_up(terms)
