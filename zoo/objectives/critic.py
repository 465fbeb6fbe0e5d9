"""A critic: a network that tells real rows from made ones, and the losses of the two sides.

One step has one loss for all parameters. So that each side follows its own, the maker's loss is
computed by :func:`held`, a critic whose parameters are constants, and the critic's loss from rows
that are constants. What is added up then has for each parameter the gradient of its own side.

Source: Goodfellow et al. 2014, "Generative adversarial nets".
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn.functional import softplus

from zoo.checks.arguments import keep_number, keep_whole, keep_wholes
from zoo.nn import mlp
from zoo.objectives.frozen import frozen
from zoo.optim.turns import Turn


class Critic(nn.Module):
    """A multilayer perceptron from a row to a number: rows (rows, features) -> (rows,).

    Its layers bend smoothly (SiLU), so that the gradient in a row has a gradient of its own.

    Args:
        features: of a row.
        hidden: widths of the hidden layers.
    """

    def __init__(self, features: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.network = mlp((features, *hidden, 1), nn.SiLU)

    def forward(self, rows: Tensor) -> Tensor:
        """The number of each row; for :func:`told_apart` the logit of its being real."""
        return self.network(rows).squeeze(-1)

    def features(self, rows: Tensor) -> Tensor:
        """The last hidden layer: (rows, features) -> (rows, hidden[-1])."""
        return self.network[:-1](rows)


def keep_critic(record: object) -> None:
    """Checks the fields of an objective that say how its critic is built and trained.

    Raises:
        ValueError: for widths or steps that are no whole numbers above 0, or a rate that is not
            above 0.
    """
    keep_wholes(record, "hidden", way="Pass e.g. hidden=(128, 128).")
    keep_whole(record, "critic_steps")
    keep_number(record, "critic_rate", above=0.0)


def held(critic: Critic) -> Callable[[Tensor], Tensor]:
    """The critic with its parameters constant for autograd: gradients reach the rows alone."""
    return cast(Callable[[Tensor], Tensor], frozen(critic))


def taken_for_real(logits: Tensor) -> Tensor:
    """The maker's loss - log D, averaged over made rows, nats, shape ()."""
    return softplus(-logits).mean()


def taken_for_made(logits: Tensor) -> Tensor:
    """The loss - log(1 - D), averaged over rows, nats, shape ()."""
    return softplus(logits).mean()


def told_apart(critic: Critic, real: Tensor, made: Tensor) -> Tensor:
    """The critic's loss - log D(real) - log(1 - D(made)), nats a row, shape ().

    Args:
        critic: gives logits; D = sigmoid(logit) is the chance that a row is real.
        real: rows, (rows, features); constant here.
        made: rows, (rows, features); constant here.
    """
    return taken_for_real(critic(real.detach())) + taken_for_made(critic(made.detach()))


def critic_first(steps: int, rate: float) -> Mapping[str, Turn]:
    """The turns of a critic that takes so many steps for each of the model and the guide.

    Args:
        steps: of the critic.
        rate: the critic's learning rate, as a multiple of the fit's.
    """
    return {"model": Turn(steps), "guide": Turn(steps), "objective": Turn(1, rate)}
