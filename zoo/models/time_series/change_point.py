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

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.exact_moments import mixture_moments
from zoo.models.shapes import require_shape

SHAPE, RATE = 2.0, 1.0


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
        before = changes(y)
        prior = dist.Gamma(y.new_full((), SHAPE), RATE)
        early, late = (pyro.sample(name, prior) for name in ("early", "late"))
        rates = torch.where(before, early[..., None, None], late[..., None, None])
        times = dist.Categorical(logits=y.new_zeros(len(before)))
        series = dist.Poisson(rates).to_event(1)
        return pyro.sample("y", dist.MixtureSameFamily(times, series), obs=y)

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
