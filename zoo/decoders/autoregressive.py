"""A row's distribution as a product over its elements: p(x | z) = prod_i p(x_i | x_<i, z).

A network gives the parameters of all factors from x and z in one pass. Those of factor i must not
depend on x_i, x_i+1, ...; the network ensures it, by masks or by sums over earlier elements. A
likelihood turns the parameters into distributions.

The order of the elements is that of the columns of x, or another one that is given.

Shapes: x (..., D), numbers of the factors (..., D, numbers).
Source: van den Oord, Kalchbrenner & Kavukcuoglu 2016, "Pixel recurrent neural networks".
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol, runtime_checkable

import torch
from pyro.distributions import TorchDistribution
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from zoo.decoders.drawing import one_by_one

Conditional = Callable[[Tensor], Tensor]
Factors = Callable[[Tensor], TorchDistributionMixin]


@runtime_checkable
class Autoregressive(Protocol):
    """A decoder under which the numbers of a row depend on each other."""

    def distribution(self, z: Tensor, likelihood: nn.Module) -> TorchDistributionMixin:
        """Distribution of a row, event shape (D,), batch shape that of z (..., M)."""
        ...


class AutoregressiveRow(TorchDistribution):
    """A row's distribution: a density takes one pass of the network, a draw D passes.

    Args:
        conditional: x -> the numbers of p(x_i | x_<i): (..., D) -> (..., D, numbers); it
            broadcasts over whatever leading dimensions x has.
        likelihood: (..., D, numbers) -> a distribution of x with event (D,) whose elements are
            independent.
        zeros: zeros of shape (D, numbers), with the dtype and device of the numbers.
        batch_shape: of the rows that z is given for.
        order: the columns of x in the order in which they are drawn, shape (D,); None for that
            in which they stand. The conditional must keep to it.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    has_rsample = False

    def __init__(
        self,
        conditional: Conditional,
        likelihood: Factors,
        zeros: Tensor,
        batch_shape: Sequence[int] = (),
        order: Tensor | None = None,
    ) -> None:
        self.conditional, self.likelihood, self.zeros = conditional, likelihood, zeros
        self.order = order
        super().__init__(
            torch.Size(batch_shape), torch.Size(zeros.shape[:-1]), validate_args=False
        )

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        """Of the likelihood's distributions."""
        return self.likelihood(self.zeros).support

    @property
    def passes(self) -> int:
        """A draw runs the network once for each element."""
        return len(self.zeros)

    def expand(self, batch_shape: Sequence[int], _instance: None = None) -> "AutoregressiveRow":
        """The same factors for more rows; the network broadcasts z."""
        return AutoregressiveRow(
            self.conditional, self.likelihood, self.zeros, batch_shape, self.order
        )

    def factors(self, x: Tensor) -> Distribution:
        """The D factors p(x_i | x_<i, z), each given what x has before it; event (D,).

        Args:
            x: shape (..., D), broadcast against the rows.
        """
        lead = torch.broadcast_shapes(self.batch_shape, x.shape[:-1])
        return self.likelihood(self.conditional(x.expand(*lead, *self.event_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """Sum of the factors' log-probabilities, nats, shape (...)."""
        return self.factors(value).log_prob(value)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:
        """Draws x_1, then x_2 given x_1, and so on: (*sample_shape, *batch, D).

        On a terminal a bar is shown where this takes more than a second.
        """
        shape = self._extended_shape(torch.Size(sample_shape))
        columns = torch.arange(shape[-1], device=self.zeros.device)
        x = self.zeros.new_zeros(shape)
        for i in one_by_one(columns if self.order is None else self.order):
            x = torch.where(columns == i, self.factors(x).sample(), x)
        return x
