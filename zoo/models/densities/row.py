"""What the explicit densities share: observed rows, the likelihood of their factors, ensembles."""

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import pyro
import torch
from pyro.distributions.torch_distribution import TorchDistribution, TorchDistributionMixin
from torch import Tensor, nn
from torch.distributions.constraints import Constraint

from zoo.data import Data
from zoo.decoders import AutoregressiveRow
from zoo.distributions import NO_SHAPE
from zoo.likelihoods import LIKELIHOODS
from zoo.models.parts import Parts, check_likelihood
from zoo.models.shapes import require_shape


def observe(x: Tensor, row: TorchDistributionMixin) -> Tensor:
    """Observes the site x, each row of it from one distribution.

    Args:
        x: data, shape (rows, D).
        row: of a row, event shape (D,).

    Returns:
        The observed rows, shape (rows, D).

    Raises:
        ValueError: x has another width than D.
    """
    require_shape("x", x, (len(x), *row.event_shape))
    with pyro.plate("data", len(x)):
        return pyro.sample("x", row, obs=x)


def likelihood_of(data: Data, parts: Parts) -> nn.Module:
    """The likelihood of the factors, by name.

    Raises:
        ValueError: it is not for these data, or takes noise that only a VAE with noise draws.
    """
    assert parts.likelihood is not None
    check_likelihood(parts.likelihood, data)
    if LIKELIHOODS[parts.likelihood].dequantises:
        raise ValueError(
            f"Likelihood '{parts.likelihood}' is a density of levels with noise, which this model "
            "does not draw. Use categorical or logistic_mixture, which give levels a probability."
        )
    return LIKELIHOODS[parts.likelihood].build(data.levels)


class Ensemble(TorchDistribution):
    """The mixture of several densities of a row, all of the same weight.

        log p(x) = log( 1/K sum_k p_k(x) ),   a draw: k uniform, then x ~ p_k.

    Args:
        members: the K densities, event shape (D,) and no batch each.
        estimate: what takes the place of log p(x), nats, (..., D) -> (...): an estimate of one
            term, to train by; None for log p(x) itself.
        batch_shape: of the mixture.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    has_rsample = False

    def __init__(
        self,
        members: Sequence[AutoregressiveRow],
        estimate: Callable[[Tensor], Tensor] | None = None,
        batch_shape: torch.Size = NO_SHAPE,
    ) -> None:
        self.members, self.estimate = members, estimate
        super().__init__(batch_shape, members[0].event_shape, validate_args=False)

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        """That of the members."""
        return self.members[0].support

    @property
    def passes(self) -> int:
        """Those of the member that is drawn from."""
        return self.members[0].passes

    def expand(self, batch_shape: Sequence[int], _instance: None = None) -> "Ensemble":
        """The same for more rows."""
        return Ensemble(self.members, self.estimate, torch.Size(batch_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Log p(x), or the estimate, nats: (..., D) -> (...)."""
        value = value.expand(torch.broadcast_shapes(value.shape, self.shape()))
        if self.estimate is not None:
            return self.estimate(value)
        each = torch.stack([member.log_prob(value) for member in self.members])
        return each.logsumexp(0) - math.log(len(each))

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = NO_SHAPE) -> Tensor:
        """Draws a member for each row, then the row: (*sample_shape, *batch, D)."""
        shape = self.shape(torch.Size(sample_shape))
        x = self.members[0].zeros.new_empty(shape[:-1].numel(), shape[-1])
        chosen = torch.randint(len(self.members), (len(x),), device=x.device)
        for k, member in enumerate(self.members):
            x[chosen == k] = member.sample((int((chosen == k).sum()),))
        return x.reshape(shape)
