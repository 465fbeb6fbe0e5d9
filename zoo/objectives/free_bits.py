"""Free bits: the ELBO, in which each group's KL term counts as at least `floor` nats.

    E_n E_q log p(x_n | z)  -  sum_g max( floor, E_n KL( q(z_g | x_n) || p(z_g) ) ),

so that a KL term below the floor gains nothing by falling further, and the guide of such a group
learns from the likelihood alone. E_n is over rows; a minibatch's mean stands for that of all rows.
The groups are the sites, or with `per_dimension` every dimension of each. The value is at most the
ELBO. A pair of distributions without a closed-form KL is sampled. The guide is to draw the latents
in the model's order: in another one log q - log p of a latent is no KL divergence on average.

Cost: one evaluation of log p(x | z) a particle.
Source: Kingma, Salimans, Jozefowicz, Chen, Sutskever & Welling 2016, "Improving variational
inference with inverse autoregressive flow", appendix C.8.
Topic: ELBO.
"""

from dataclasses import dataclass

import torch
from pyro.distributions.util import scale_and_mask
from pyro.poutine.runtime import Message
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, kl_divergence

from zoo.checks.arguments import flag, keep_number, keep_whole
from zoo.latents import Latents
from zoo.objectives.mean_field import compared, discrete_kl, drawn
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.target import Target
from zoo.traces import Pair, Traces, add_up, sample_sites, sum_plates


@dataclass(frozen=True)
class FreeBits(Objective):
    """The ELBO from `particles` draws with each group's KL term held at `floor` nats or above.

    Attributes:
        particles: draws of the likelihood term.
        floor: nats for each group, a row's mean; of the whole group where rows share a latent.
        per_dimension: is each dimension of a site a group of its own?

    Raises:
        ValueError: for fewer than one particle, or a floor that is not above 0.

    Example:
        A model without data: KL(q || p) is 1.572 nats at first, but with a floor of 5 nats it
        costs 5.

        >>> import guides, pyro, zoo
        >>> import pyro.distributions as dist
        >>> from zoo.objectives import FreeBits
        >>> def model():
        ...     pyro.sample("z", dist.Normal(0.0, 1.0))
        >>> fits = [
        ...     zoo.fit(model, guides.MeanField, objective=FreeBits(floor=floor), steps=1)
        ...     for floor in (0.1, 5.0)
        ... ]
        >>> [round(fit.losses.item(), 3) for fit in fits]
        [1.572, 5.0]
    """

    particles: int = 1
    floor: float = 0.1
    per_dimension: bool = False

    def __post_init__(self) -> None:
        keep_whole(self, "particles")
        keep_number(self, "floor", above=0.0, way="Without a floor use mean_field.")
        flag("per_dimension", self.per_dimension)

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(reparameterised=True, factorised=True, ordered=True)

    @property
    def target(self) -> Target:
        """No bound that log p and log q of a state determine: it takes the KL terms apart."""
        return Target(None, None)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative objective, nats, shape ()."""
        runs = pair.draw(self.particles, args, kwargs)
        observed = [s for run in runs for s in sample_sites(run.model) if s["is_observed"]]
        fit = add_up(site["log_prob"].sum() for site in observed) / self.particles
        return add_up(self._cost(name, runs, pair.latents) for name in drawn(runs[0])) - fit

    def _cost(self, name: str, runs: list[Traces], latents: Latents) -> Tensor:
        """What the groups of a site cost, over all rows."""
        divergence = kl_of_dimensions if self.per_dimension else kl_of_site
        sites = [(run.guide.nodes[name], run.model.nodes[name]) for run in runs]
        groups = torch.stack([rows_of(divergence(q, p), p, latents) for q, p in sites])
        rows = groups.shape[-1]
        held = groups.mean((0, 2, 3)).clamp(min=self.floor)
        return scale_and_mask(rows * held, sites[0][1]["scale"]).sum()


def rows_of(kl: Tensor, site: Message, latents: Latents) -> Tensor:
    """KL terms with their groups first, (groups, *batch), as (groups, particles, rows)."""
    kept = latents[str(site["name"])].local
    masked = scale_and_mask(kl, 1.0, site["mask"])
    return torch.stack([sum_plates(group, site, latents, keep_rows=kept) for group in masked])


def kl_of_site(guide_site: Message, model_site: Message) -> Tensor:
    """KL(q || p) of a site, one group: (1, *batch), nats; log q - log p without a closed form."""
    try:
        return discrete_kl(guide_site, model_site).unsqueeze(0)
    except NotImplementedError:
        ratio = guide_site["unscaled_log_prob"] - model_site["unscaled_log_prob"]
        return ratio.unsqueeze(0)


def kl_of_dimensions(guide_site: Message, model_site: Message) -> Tensor:
    """KL(q || p) of each dimension of a site: (dimensions, *batch), nats.

    Raises:
        ValueError: q or p does not factorise over the dimensions.
    """
    name, fn, value = str(model_site["name"]), guide_site["fn"], guide_site["value"]
    assert isinstance(fn, Distribution)
    assert isinstance(value, Tensor)
    q, p = (elements(name, fn) for fn in compared(guide_site, model_site))
    try:
        terms = kl_divergence(q, p)
    except NotImplementedError:
        terms = q.log_prob(value) - p.log_prob(value)
    terms = terms.expand(fn.batch_shape + fn.event_shape)
    return terms.reshape(*fn.batch_shape, -1).movedim(-1, 0)


def elements(name: str, fn: Distribution) -> Distribution:
    """The distribution of single elements: batch shape (*batch, *event), no event."""
    while isinstance(fn, Independent):
        fn = fn.base_dist
    if fn.event_shape:
        raise ValueError(
            f"Expected the dimensions of '{name}' to be independent; {type(fn).__name__} draws "
            "them together. Use per_dimension=False, or a guide and a prior that factorise."
        )
    return fn
