"""A change point: counts whose rate changes once, at an unknown time that is summed out.

The time is discrete, and a sum over it inside the model leaves two rates, whose posterior can be
approximated by any guide for numbers above 0. Given the time, the rates have gamma posteriors: the
evidence and all moments are exact.

Generative process, for years t = 0..T-1:
    early ~ Gamma(2, 1),  late ~ Gamma(2, 1)      (shape and rate)
    s ~ Uniform{1..T-1}
    y_t ~ Poisson(early) for t < s, Poisson(late) from s on

Shapes: y (T,), early (), late (); s is summed out.
Source: Carlin, Gelfand & Smith (1992), Hierarchical Bayesian analysis of changepoint problems; the
disasters in British coal mines are from Jarrett (1979).
Departs from the paper: priors with fixed numbers, and s summed out.
"""

import math
from typing import Any, ClassVar

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution
from torch import Tensor, nn
from torch.distributions import constraints

from zoo.models.exact_moments import mixture_moments
from zoo.models.shapes import require_shape

SHAPE, RATE = 2.0, 1.0
NO_SHAPE = torch.Size()


class ChangePoint(nn.Module):
    """Poisson counts with two rates; it has no parameters to learn."""

    def forward(self, y: Tensor) -> Tensor:
        """Generates the counts: sites early and late, then y.

        Args:
            y: counts, shape (T,), T at least 2.

        Returns:
            The counts, shape (T,).

        Raises:
            ValueError: y is not (T,), or has less than 2 values.
        """
        changes(y)
        prior = dist.Gamma(y.new_full((), SHAPE), RATE)
        early, late = (pyro.sample(name, prior) for name in ("early", "late"))
        return pyro.sample("y", OneChange(early, late, len(y)), obs=y)

    def log_evidence(self, y: Tensor) -> Tensor:
        """Exact log p(y): a sum over the time, with both rates integrated out.

        Args:
            y: counts, shape (T,).

        Returns:
            Nats, shape ().
        """
        return self._given_time(y)[0].logsumexp(0).to(y.dtype)

    def posterior_moments(self, y: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Exact posterior mean and standard deviation of both rates.

        Args:
            y: counts, shape (T,).

        Returns:
            Site -> (mean, sd): early () and late ().
        """
        log_joint, *rates = self._given_time(y)
        weights = log_joint.softmax(0)
        return {
            name: mixture_moments(weights, q.mean, q.variance, y.dtype)
            for name, q in zip(("early", "late"), rates, strict=True)
        }

    def _given_time(self, y: Tensor) -> tuple[Tensor, dist.Gamma, dist.Gamma]:
        """Log p(s, y), (T - 1,), and the posteriors of both rates at each s, float64."""
        before, counts = changes(y), y.double()
        total = torch.where(before, counts, 0).sum(-1)
        years = before.sum(-1).double()
        early = dist.Gamma(SHAPE + total, RATE + years)
        late = dist.Gamma(SHAPE + counts.sum() - total, RATE + len(y) - years)
        log_joint = -torch.lgamma(counts + 1).sum() - years.new_tensor(len(before)).log()
        for q in (early, late):
            log_joint = log_joint + SHAPE * torch.log(years.new_tensor(RATE))
            log_joint = log_joint - torch.lgamma(years.new_tensor(SHAPE))
            log_joint = log_joint + torch.lgamma(q.concentration) - q.concentration * q.rate.log()
        return log_joint, early, late


class OneChange(TorchDistribution):
    """Poisson counts whose rate changes once; the time of the change is summed out.

    Args:
        early: rate before the change, shape (...).
        late: rate from the change on, shape (...).
        length: T, number of counts.
    """

    arg_constraints: ClassVar[dict] = {
        "early": constraints.nonnegative,
        "late": constraints.nonnegative,
    }
    support = constraints.independent(constraints.nonnegative_integer, 1)

    def __init__(
        self,
        early: Tensor,
        late: Tensor,
        length: int,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.early, self.late = torch.broadcast_tensors(early, late)
        shape = self.early.shape
        super().__init__(shape, torch.Size((length,)), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: object = None) -> "OneChange":
        """The same rates in a larger batch."""
        rates = self.early.expand(batch_shape), self.late.expand(batch_shape)
        return OneChange(*rates, self.event_shape[0], validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats, from running sums of both rates' log probabilities: (..., T) -> (...)."""
        before, after = (dist.Poisson(rate[..., None]).log_prob(value) for rate in self._rates)
        by_time = (before - after)[..., :-1].cumsum(-1) + after.sum(-1, keepdim=True)
        return by_time.logsumexp(-1) - math.log(self.event_shape[0] - 1)

    def sample(self, sample_shape: Any = NO_SHAPE) -> Tensor:
        """Draws a time of the change, then the counts."""
        length, shape = self.event_shape[0], torch.Size(sample_shape) + self.batch_shape
        change = torch.randint(1, length, shape, device=self.early.device)[..., None]
        times = torch.arange(length, device=self.early.device)
        early, late = (rate[..., None] for rate in self._rates)
        return torch.poisson(torch.where(times < change, early, late))

    @property
    def _rates(self) -> tuple[Tensor, Tensor]:
        return self.early, self.late


def changes(y: Tensor) -> Tensor:
    """Is time t before the change s? For s = 1..T-1, shape (T - 1, T).

    Raises:
        ValueError: y is not (T,), or has less than 2 values.
    """
    require_shape("y", y, (len(y),))
    if len(y) < 2:
        raise ValueError(f"Expected at least 2 counts; got {len(y)}. One has no change.")
    times = torch.arange(len(y), device=y.device)
    return times < times[1:, None]
