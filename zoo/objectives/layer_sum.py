"""The ELBO with one discrete latent site summed out exactly, the others drawn.

With s the site's joint state of one row and r the draws of all other sites,

    ELBO = E_{q(r)} F(r),      F(r) = sum_s q(s | r) f(r, s),
    grad = ( F(r) - b ) grad log q(r)  +  sum_s grad q(s | r) f(r, s),

where q(r) = sum_s q(r, s) and q(s | r) = q(r, s) / q(r): the guide is asked for q(r, s) at every
state, so that the site may come at any place among its latents. b is the mean of F over the other
draws of r if there are several, else 0. Where the model has no other site nothing is drawn.

Cost: K evaluations of f for each joint state of the site.
Source: Rao-Blackwellisation, see Ranganath, Gerrish & Blei 2014, "Black box variational
inference"; the baseline: Kool, van Hoof & Welling 2019.
Topic: Exact sums.
"""

import math
from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_whole, refusal
from zoo.device import device_of
from zoo.latents import Latent, Latents
from zoo.latents.enumeration import elements, joint_states, too_many
from zoo.objectives.log_ratio import Values, at, guide_sites
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_draws import estimate, others
from zoo.sites.supports import in_words
from zoo.traces import Pair, Weights


@dataclass(frozen=True)
class LayerSum(Objective):
    """The ELBO with `site` summed out, from `particles` draws of the other sites.

    With no site named it is the last finite one that the model draws, next to the data.

    Raises:
        ValueError: for fewer than one particle.

    Example:
        A switch that is worth 3 nats, at p = 1/2. There is no other latent to draw, so that the
        gradient is exact.

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import LayerSum
        >>> def model():
        ...     z = pyro.sample("z", dist.Bernoulli(0.5))
        ...     pyro.factor("gain", 3.0 * z)
        >>> def guide():
        ...     logit = pyro.param("logit", torch.tensor(0.0))
        ...     pyro.sample("z", dist.Bernoulli(logits=logit))
        >>> def step(objective, seed):
        ...     fit = zoo.fit(
        ...         model, guide, objective=objective, steps=1, optimizer="sgd", lr=1.0, seed=seed
        ...     )
        ...     return round(fit.program.store.values[0].item(), 4)
        >>> sorted({step(LayerSum("z"), seed) for seed in range(4)})
        [0.75]
    """

    site: str | None = None
    particles: int = 1

    def __post_init__(self) -> None:
        way = "To draw nothing use enumerate, which sums out every site."
        keep_whole(self, "particles", way=way)
        if self.site is not None and not isinstance(self.site, str):
            raise refusal("site", "the name of a latent", self.site, "Pass e.g. site='z'.")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(row_weights=True, scores=True, some_finite=True)

    def objection(self, latents: Latents) -> str | None:
        """It sums over one finite site with few joint states, of one row or shared by all."""
        try:
            site = summed_site(self.site, latents)
        except ValueError as error:
            return str(error)
        return too_many([site], latents)

    def evaluations(self, latents: Latents) -> int:
        """As many as the site has joint states, for each draw."""
        site = summed_site(self.site, latents)
        return int(self.particles * site.classes ** math.prod(elements(site, latents)))

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        weights = self._at_every_state(pair, args, kwargs)
        shape = (self.particles, -1, weights.log_q.shape[-1])
        log_q = weights.log_q.reshape(shape)
        f, q_s = weights.log_w.detach().reshape(shape), log_q.softmax(1)
        value = (q_s.detach() * f).sum(1)  # F, (particles, rows)
        signal = value - others(value) if self.particles > 1 else value
        surrogate = signal * log_q.logsumexp(1) + (q_s * f).sum(1)
        surrogate = surrogate + (q_s.detach() * weights.log_p.reshape(shape)).sum(1)
        return estimate(weights, value.mean(0).sum(), surrogate.mean(0).sum())

    def _at_every_state(self, pair: Pair, args: tuple, kwargs: dict) -> Weights:
        """Weights of all states for the first draw, then for the second, and so on."""
        site = summed_site(self.site, pair.latents)
        states = joint_states([site], pair.latents, device=device_of(args))[site.name]
        values = []
        for _ in range(self.particles):
            drawn = _draw(pair, args, kwargs)
            if site.name not in drawn:
                raise ValueError(
                    f"LayerSum sums over '{site.name}' under the guide, which draws "
                    f"{sorted(drawn)}. Cover it in the guide, or use enumerate."
                )
            values += [drawn | {site.name: one} for one in states]
        return at(pair, values, args, kwargs)


def _draw(pair: Pair, args: tuple, kwargs: dict) -> Values:
    found: Values = {}
    for one in guide_sites(pair, args, kwargs):
        assert isinstance(one["value"], Tensor)
        found[str(one["name"])] = one["value"].detach()
    return found


def summed_site(name: str | None, latents: Latents) -> Latent:
    """The site to sum out.

    Args:
        name: of the site; None for the last finite one.
        latents: description of the model.

    Raises:
        ValueError: if there is no such site, it is not finite, or it belongs to a row while
            another latent is shared by all rows.
    """
    finite = [site for site in latents.sites if site.classes]
    if name is None and not finite:
        raise ValueError(
            f"LayerSum sums over one finite latent; the model has none among {latents.listed}. "
            "Use rloo, which takes any."
        )
    site = finite[-1] if name is None else latents[name]
    if not site.classes:
        raise ValueError(
            f"LayerSum sums over one finite latent; the values of '{site.name}' are "
            f"{in_words(site.support, site.event_shape)}. "
            f"Name one of {[one.name for one in finite]}, or use rloo, which takes any."
        )
    if site.local and not latents.rowwise:
        shared = next(one.name for one in latents.sites if not one.local)
        raise ValueError(
            f"LayerSum sums over the states of one row; '{site.name}' belongs to a row and "
            f"'{shared}' is shared by all rows. Use trace_graph."
        )
    return site
