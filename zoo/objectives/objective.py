"""The contract of an objective: what it needs of a guide, and a loss with its estimator."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from zoo.latents import Kind, Latents
from zoo.traces import Pair


@dataclass(frozen=True)
class Needs:
    """What an objective asks of a guide; pairing decides by these alone.

    Attributes:
        reparameterised: are draws to be differentiable functions of the guide's parameters?
        factorised: is each latent to have a distribution of its own, for closed-form terms?
        sums_out: kinds of latents that the objective sums out itself, if they are finite.
        row_weights: does it weigh rows, so that shared latents rule out minibatches?
        score_function: is it about draws that are not reparameterised, and nothing else?
        scores: does it take log q of draws that are constants for autograd?
        binary: are all latents to be Bernoulli, independent of each other given the data?
        finite: the same, for Bernoulli or categorical latents.
    """

    reparameterised: bool = False
    factorised: bool = False
    sums_out: frozenset[Kind] = frozenset()
    row_weights: bool = False
    score_function: bool = False
    scores: bool = False
    binary: bool = False
    finite: bool = False


class Objective(ABC):
    """A variational objective with its gradient estimator; subclasses are frozen dataclasses."""

    @property
    def needs(self) -> Needs:
        """What it asks of a guide; nothing by default."""
        return Needs()

    @abstractmethod
    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Loss of one step.

        Args:
            pair: the model, the guide, and the latents.
            state: what :meth:`state` built, e.g. baselines.
            args: arguments of model and guide.
            kwargs: their keyword arguments.

        Returns:
            Shape (), nats for the full data: its value estimates the negative bound, its
            gradient is the estimator.
        """

    def evaluations(self, latents: Latents) -> int:
        """Evaluations of f = log p(x, z) - log q(z) in one gradient: by default `particles`."""
        return int(getattr(self, "particles", 1))

    def state(self, latents: Latents) -> nn.Module:
        """Parameters and buffers of the objective's own, e.g. baselines; empty by default."""
        return nn.Module()

    def backward(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Adds the gradient estimate to every parameter's ``grad``; returns the loss, shape ()."""
        loss = self.loss(pair, state, args, kwargs)
        loss.backward()
        return loss.detach()
