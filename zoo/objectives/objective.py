"""The contract of an objective: what it needs of a guide, and a loss with its estimator."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from zoo.latents import Kind, Latents
from zoo.latents.forms import Form
from zoo.objectives.target import Elbo, Target, both
from zoo.optim.turns import Turn
from zoo.traces import Pair


@dataclass(frozen=True)
class Needs:
    """What an objective asks of a guide; pairing decides by these alone.

    Attributes:
        reparameterised: are draws to be differentiable functions of the guide's parameters?
        factorised: is each latent to have a distribution of its own, for closed-form terms?
        ordered: is the guide to draw the latents in the model's order?
        sums_out: kinds of latents that the objective sums out itself, if they are finite.
        row_weights: does it weigh rows, so that shared latents rule out minibatches?
        score_function: is it about draws that are not reparameterised, and nothing else?
        scores: does it take log q of draws that are constants for autograd?
        takes: forms of latents that it is for; empty for all.
        some_finite: is at least one latent to be finite?
        independent: are all elements of the latents to be independent, given the data?
        simulates_data: does it show the guide data that the model made up?
        nonlinear: is it more than a mean of log-weights, such as the logarithm of a mean? Then a
            log-density that is estimated from a part of the terms biases it.
        density: does it take log q once more, of draws that the guide has made already?
        given: does it take log q, or its gradient, of latents as given, not of a vector that they
            were made of?
        log_q: does it take log q, as every bound does? Else draws of the guide are all it needs.
        marked: does it sum out only what the model marks, as config_enumerate does?
        energy: is it for a model whose log p is known up to a constant log Z of its parameters?
        classifies: does it train a classifier of the guide on labels?
        mixes: does it draw from each component of a guide that is a mixture?
    """

    reparameterised: bool = False
    factorised: bool = False
    ordered: bool = False
    sums_out: frozenset[Kind] = frozenset()
    row_weights: bool = False
    score_function: bool = False
    scores: bool = False
    takes: frozenset[Form] = frozenset()
    some_finite: bool = False
    independent: bool = False
    simulates_data: bool = False
    nonlinear: bool = False
    density: bool = False
    given: bool = False
    marked: bool = False
    energy: bool = False
    log_q: bool = True
    classifies: bool = False
    mixes: bool = False


def of_single_elements(takes: frozenset[Form]) -> Needs:
    """The needs of an estimator that changes one element of the guide's draw at a time.

    Args:
        takes: forms of latents that it is for.
    """
    return Needs(row_weights=True, scores=True, takes=takes, independent=True)


class Objective(ABC):
    """A variational objective with its gradient estimator; subclasses are frozen dataclasses."""

    @property
    def needs(self) -> Needs:
        """What it asks of a guide; nothing by default."""
        return Needs()

    @property
    def target(self) -> Target:
        """The bound that its gradient is for; the ELBO by default."""
        return both(Elbo())

    @property
    def value_is_bound(self) -> bool:
        """Is the negative loss, on average, a lower bound of log p(x)?

        Where it is not, its course does not show whether a bound has stopped rising.
        """
        return True

    @property
    def keeps_chains(self) -> bool:
        """Does it keep states of Markov chains from step to step, whose mean is no state?"""
        return False

    @property
    def turns(self) -> Mapping[str, Turn]:
        """When the parts "model", "guide" and "objective" move; all at every step by default.

        Parts that take turns descend losses of their own, so that no single loss falls.
        """
        return {}

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

    def objection(self, latents: Latents) -> str | None:
        """Why it does not go on a model with these latents, in a sentence; None if it does."""
        return None

    def evaluations(self, latents: Latents) -> int:
        """Evaluations of f = log p(x, z) - log q(z) in one gradient: by default `particles`.

        A gradient of f in z that an estimator takes for itself counts as one more.
        """
        return int(getattr(self, "particles", 1))

    def state(self, latents: Latents) -> nn.Module:
        """Parameters and buffers of the objective's own, e.g. baselines; empty by default."""
        return nn.Module()

    def backward(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Adds the gradient estimate to every parameter's ``grad``; returns the loss, shape ()."""
        loss = self.loss(pair, state, args, kwargs)
        if loss.requires_grad:  # else, as under Pyro's SVI, the step has no gradient
            loss.backward()
        return loss.detach()
