"""Numbers to hold an evaluation against, from Pyro's own traces: none of this asks the zoo."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from foreign.case import Built, Known
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceEnum_ELBO
from torch import Tensor

BOUND_DRAWS = 150


@dataclass(frozen=True)
class PyroBound:
    """The ELBO that Pyro's own loss finds, sampled."""

    elbo: Callable = Trace_ELBO

    def __call__(self, built: Built) -> Known:
        """Minus the mean loss of independent draws."""
        elbo = self.elbo()
        with torch.no_grad():
            losses = [
                elbo.loss(built.model, built.guide, *built.args, **built.kwargs)
                for _ in range(BOUND_DRAWS)
            ]
        bounds = -torch.tensor(losses).double()
        return Known(float(bounds.mean()), float(bounds.std() / BOUND_DRAWS**0.5))


sampled_bound = PyroBound()
enumerated_bound = PyroBound(TraceEnum_ELBO)


class Grid:
    """Log evidence by the midpoint rule over scalar latents that all of the data share.

    Args:
        **axes: site -> (lowest value, highest value, number of points).
    """

    def __init__(self, **axes: tuple[float, float, int]) -> None:
        self.axes = axes

    def __call__(self, built: Built) -> Known:
        """Log of the sum of p(x, z) over the grid, times the volume of a cell."""
        points = [middles(*axis) for axis in self.axes.values()]
        cell = math.prod((high - low) / count for low, high, count in self.axes.values())
        joint = [
            log_joint(built, dict(zip(self.axes, place, strict=True)))
            for place in itertools.product(*points)
        ]
        return Known(float(torch.stack(joint).logsumexp(0)) + math.log(cell))


@dataclass(frozen=True)
class RowGrid:
    """The same where each row has one scalar latent of its own; `shape` is that of the site."""

    site: str
    axis: tuple[float, float, int]
    shape: tuple[int, ...]

    def __call__(self, built: Built) -> Known:
        """The sum over rows of the log of each row's own integral."""
        low, high, count = self.axis
        rows = torch.stack(
            [
                log_joint_of_rows(built, {self.site: place.expand(self.shape)}, self.shape[0])
                for place in middles(*self.axis)
            ]
        )
        cell = math.log((high - low) / count)
        return Known(float((rows.logsumexp(0) + cell).sum()))


@dataclass(frozen=True)
class Sum:
    """Log evidence where the latents are discrete: p(x, z) added up over `states` of the site."""

    site: str
    states: Callable[[], list[Tensor]]

    def __call__(self, built: Built) -> Known:
        """Log of the sum of p(x, z)."""
        joint = [log_joint(built, {self.site: state}) for state in self.states()]
        return Known(float(torch.stack(joint).logsumexp(0)))


@dataclass(frozen=True)
class Exact:
    """A closed form, a function of what was built."""

    value: Callable[[Built], Tensor]

    def __call__(self, built: Built) -> Known:
        """Its value."""
        with torch.no_grad():
            return Known(float(self.value(built)))


def middles(low: float, high: float, count: int) -> Tensor:
    """The middles of `count` cells."""
    return low + (torch.arange(count).double() + 0.5) * (high - low) / count


def scored(built: Built, values: dict[str, Tensor]) -> list[dict]:
    """The sample sites of the model at those values of its latents."""
    model = poutine.condition(built.model, data=values)
    with torch.no_grad():
        trace = poutine.trace(model).get_trace(*built.args, **built.kwargs)
        trace = poutine.util.prune_subsample_sites(trace)
        trace.compute_log_prob()
    sites = [site for site in trace.nodes.values() if site["type"] == "sample"]
    free = [site["name"] for site in sites if not site["is_observed"]]
    assert not free, f"left to chance: {free}"
    return sites


def log_joint(built: Built, values: dict[str, Tensor]) -> Tensor:
    """Log p(x, z), shape ()."""
    return torch.stack([site["log_prob_sum"] for site in _summed(scored(built, values))]).sum()


def _summed(sites: list[dict]) -> list[dict]:
    return [site | {"log_prob_sum": site["log_prob"].sum()} for site in sites]


def log_joint_of_rows(built: Built, values: dict[str, Tensor], rows: int) -> Tensor:
    """Log p(x_n, z_n), shape (rows,); the rows' plate is the rightmost."""
    terms = [site["log_prob"] for site in scored(built, values)]
    return torch.stack([term.expand(rows) for term in terms]).sum(0)
