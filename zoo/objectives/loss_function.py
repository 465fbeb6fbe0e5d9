"""A plain loss function, as Pyro's SVI takes one: ``loss(model, guide, *args, **kwargs)``.

Its value is what is minimised and its gradient is autograd's. Nothing is known of it, so that no
metric or verdict takes it for a bound, unless ``LossFunction(loss, is_bound=True)`` says so.
Source: Pyro's tutorial "Customizing SVI objectives".
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from zoo.objectives.objective import Objective
from zoo.objectives.target import Target
from zoo.traces import Pair


@dataclass(frozen=True)
class LossFunction(Objective):
    """Wraps a function of the model, the guide and their arguments.

    Attributes:
        function: returns a tensor of shape (), nats for the full data.
        is_bound: does it estimate a negative lower bound of log p(x), such as the negative ELBO?
    """

    function: Callable[..., Tensor]
    is_bound: bool = False

    @property
    def value_is_bound(self) -> bool:
        """What the user says of the function."""
        return self.is_bound

    @property
    def target(self) -> Target:
        """No bound that is known."""
        return Target(None, None)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """What the function returns, shape ().

        Raises:
            ValueError: if that is no tensor of one number, or has no gradient.
        """
        value = self.function(pair.model, pair.guide, *args, **kwargs)
        name = getattr(self.function, "__name__", type(self.function).__name__)
        if not isinstance(value, Tensor) or value.numel() != 1:
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(
                f"Expected the loss function {name} to return a tensor of shape (); got {got}. "
                "Sum over rows, and do not call .item()."
            )
        return value.reshape(())
