"""The ELBO or the evidence, with discrete latents summed out exactly.

Where the guide covers the discrete latents, their expectation under it is summed out,

    ELBO = sum_z q(z) ( log p(x, z) - log q(z) ),      gradient without Monte Carlo noise;

where it leaves them out, they are summed out of the model,

    log sum_z p(x, z),                                 the exact evidence if z is all there is.

Continuous latents are drawn from the guide, once for all states. The states of the latents of one
row are enumerated jointly (2^K for K binary latents), all rows side by side.

Cost: one evaluation of log p(x, z) a state.
Source: exact enumeration; compare Pyro's TraceEnum_ELBO, which factorises long chains instead.
Topic: Exact sums.
"""

import math
from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.device import device_of
from zoo.latents import Latents
from zoo.latents.enumeration import elements, joint_states, too_many
from zoo.objectives.objective import Needs, Objective
from zoo.sites.supports import SUMMED
from zoo.traces import Assign, Pair, Traces, add_up, run, sample_sites, sum_plates, weigh


@dataclass(frozen=True)
class Enumerate(Objective):
    """Sums out every finite discrete latent; `particles` draws of the rest.

    Example:
        A switch whose two states weigh 1/2 and exp(3)/2: the loss is minus the log of their sum.

        >>> import guides, math, pyro, torch, zoo
        >>> import pyro.distributions as dist
        >>> from zoo.objectives import Enumerate
        >>> def model():
        ...     z = pyro.sample("z", dist.Bernoulli(0.5))
        ...     pyro.factor("gain", pyro.param("worth", torch.tensor(3.0)) * z)
        >>> fit = zoo.fit(model, guides.Empty, objective=Enumerate(), steps=1)
        >>> math.isclose(-fit.losses.item(), math.log(0.5 + 0.5 * math.exp(3)), rel_tol=1e-5)
        True
    """

    particles: int = 1

    def __post_init__(self) -> None:
        keep_whole(self, "particles")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(
            reparameterised=True,
            sums_out=SUMMED,
            row_weights=True,
            nonlinear=True,
        )

    def objection(self, latents: Latents) -> str | None:
        """It has a limit to the number of joint states."""
        return too_many([site for site in latents.sites if site.kind in SUMMED], latents)

    def evaluations(self, latents: Latents) -> int:
        """One a joint state of a row's discrete latents, for each draw of the rest."""
        summed = [site for site in latents.sites if site.kind in SUMMED]
        counts = (site.classes ** math.prod(elements(site, latents)) for site in summed)
        return self.particles * math.prod(counts)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative bound, nats, shape ()."""
        found = runs(pair, self.particles, args, kwargs)
        return -add_up(bound for bound, _ in found) / self.particles


def runs(pair: Pair, particles: int, args: tuple, kwargs: dict) -> list[tuple[Tensor, Traces]]:
    """The bound of each draw, nats, shape (), and its traces over all joint states."""
    summed = [site for site in pair.latents.sites if site.kind in SUMMED]
    states = joint_states(summed, pair.latents, device=device_of(args))
    rowwise = bool(summed) and all(site.local for site in summed)
    found = []
    for _ in range(particles):
        with Assign(states):
            traces = run(pair.model, pair.guide, args, kwargs)
        found.append((_bound(traces, pair.latents, set(states), rowwise=rowwise), traces))
    return found


def _bound(traces: Traces, latents: Latents, summed: set[str], *, rowwise: bool) -> Tensor:
    weights = weigh([traces], latents, rowwise=rowwise)
    guided = [site for site in sample_sites(traces.guide) if site["name"] in summed]
    if guided and len(guided) < len(summed):
        left = min(summed - {str(site["name"]) for site in guided})
        raise ValueError(
            f"The guide covers '{guided[0]['name']}' and leaves the discrete '{left}' to the sum. "
            "Cover all finite discrete latents in the guide, or none of them."
        )
    if guided:
        log_q = add_up(
            sum_plates(site["unscaled_log_prob"], site, latents, keep_rows=rowwise)
            for site in guided
        )
        bound = (log_q.exp() * weights.log_w).sum(0)
    else:
        bound = weights.log_w.logsumexp(0)
    return weights.scale * bound.sum() + weights.outside
