"""The ELBO of a mixture, with draws from every component: the stratified ELBO.

    ELBO = sum_k w_k E_{q_k} [ log p(x, z) - log q(z) ],   q = sum_k w_k q_k.

It is the ELBO of `trace` exactly. But no component is drawn by chance, so that the estimate varies
less, and each weight's gradient sees how good its component is, however far the others are.

Cost: one evaluation of log p(x, z) for each particle of each component.
Source: Morningstar et al. 2021, "Automatic differentiation variational inference with mixtures",
section 3.
Topic: ELBO.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.distributions import MixtureOfNormals
from zoo.handlers.component import FromComponent
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.trace import negative_elbo
from zoo.traces import Pair, Traces, add_up, sample_sites


@dataclass(frozen=True)
class Stratified(Objective):
    """The ELBO of a mixture from `particles` draws of each component.

    Example:
        It trains the guide that is a mixture:

        >>> import guides, zoo
        >>> from zoo.objectives import Stratified
        >>> task = zoo.load("eight_schools")
        >>> fit = zoo.fit(task, guides.Mixture, objective=Stratified(2), steps=10)
        >>> fit.losses.shape
        torch.Size([10])
    """

    particles: int = 1

    def __post_init__(self) -> None:
        keep_whole(self, "particles")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(reparameterised=True, mixes=True)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        runs = self._runs(pair, 0, args, kwargs)
        weights, losses = weights_of(runs[0]), [_total(runs)]
        for number in range(1, len(weights)):
            losses.append(_total(self._runs(pair, number, args, kwargs)))
        terms = (weight * loss for weight, loss in zip(weights, losses, strict=True))
        return add_up(terms) / self.particles

    def _runs(self, pair: Pair, number: int, args: tuple, kwargs: dict) -> list[Traces]:
        with FromComponent(number):
            return pair.draw(self.particles, args, kwargs)


def _total(runs: list[Traces]) -> Tensor:
    return add_up(negative_elbo(traces) for traces in runs)


def weights_of(traces: Traces) -> Tensor:
    """Weights of the mixture that the guide draws, shape (K,).

    Raises:
        ValueError: if it draws none, or several.
    """
    sites: list[Any] = sample_sites(traces.guide)
    found = [site["fn"] for site in sites if isinstance(site["fn"], MixtureOfNormals)]
    if len(found) != 1:
        raise ValueError(
            "Expected a guide that draws one zoo.distributions.MixtureOfNormals; got "
            f"{len(found)} of them. Use guides.Mixture, or the objective trace."
        )
    log_weights = found[0].log_weights
    return log_weights.reshape(-1, log_weights.shape[-1])[0].exp()
