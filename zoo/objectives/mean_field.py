"""The ELBO with its KL term in closed form where there is one: Pyro's TraceMeanField_ELBO.

    ELBO = E_q [ log p(x | z) ] - KL( q(z) || p(z) ).

A pair of distributions without a closed-form KL is sampled, as in `trace`. So is the term of a
latent that the guide draws before one which the model draws first: its prior may then depend on a
draw that depends on it in turn, and the closed form would be that of another quantity.

Cost: one evaluation of log p(x | z) a particle.
Source: Kingma & Welling 2014, "Auto-Encoding Variational Bayes", appendix B.
Topic: ELBO.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pyro.distributions.util import scale_and_mask
from pyro.poutine.runtime import Message
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from zoo.checks.arguments import keep_whole
from zoo.objectives.objective import Needs, Objective
from zoo.traces import Pair, Traces, add_up, sample_sites


@dataclass(frozen=True)
class MeanFieldKL(Objective):
    """The ELBO from `particles` draws with analytic KL terms.

    Example:
        A model without data: the loss is KL(q || p) itself, the same number for every draw.

        >>> import guides, pyro, zoo
        >>> import pyro.distributions as dist
        >>> from zoo.objectives import MeanFieldKL
        >>> def model():
        ...     pyro.sample("z", dist.Normal(0.0, 1.0))
        >>> settings = {"objective": MeanFieldKL(), "steps": 1}
        >>> fits = [zoo.fit(model, guides.MeanField, seed=seed, **settings) for seed in range(2)]
        >>> [round(fit.losses.item(), 3) for fit in fits]
        [1.572, 1.572]
    """

    particles: int = 1

    def __post_init__(self) -> None:
        keep_whole(self, "particles")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(reparameterised=True, factorised=True)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        runs = pair.draw(self.particles, args, kwargs)
        return add_up(negative_elbo(traces, kl=discrete_kl) for traces in runs) / self.particles


Divergence = Callable[[Message, Message], Tensor]


def own_kl(guide_site: Message, model_site: Message) -> Tensor:
    """KL(q || p) between the distributions that were sampled and scored."""
    return kl_divergence(guide_site["fn"], model_site["fn"])  # type: ignore[arg-type]


def discrete_kl(guide_site: Message, model_site: Message) -> Tensor:
    """KL(q || p), between the discrete distributions where a guide relaxes them.

    Source: Jang, Gu & Poole 2017, "Categorical reparameterization with Gumbel-softmax".
    """
    if not relaxes(guide_site, model_site):
        return own_kl(guide_site, model_site)
    q, p = compared(guide_site, model_site)
    return kl_divergence(q, p).expand(guide_site["fn"].batch_shape)  # type: ignore[attr-defined]


def relaxes(guide_site: Message, model_site: Message) -> bool:
    """Does the guide relax a discrete latent?"""
    discrete = (guide_site["infer"] or {}).get("discrete"), dict(model_site).get("discrete")
    return None not in discrete


def compared(guide_site: Message, model_site: Message) -> tuple[Distribution, Distribution]:
    """The q and p of a latent; the discrete ones where a guide relaxes them."""
    if relaxes(guide_site, model_site):
        return guide_site["infer"]["discrete"], dict(model_site)["discrete"]  # type: ignore
    return guide_site["fn"], model_site["fn"]  # type: ignore[return-value]


def negative_elbo(traces: Traces, kl: Divergence = own_kl) -> Tensor:
    """Minus E_q log p(x | z) plus the KL terms, over one run."""
    guide_sites, closed = dict(traces.guide.nodes), in_order(traces)
    terms: list[Tensor] = []
    for site in sample_sites(traces.model):
        if site["is_observed"]:
            terms.append(-site["log_prob"].sum())
        else:
            drawn = guide_sites.pop(str(site["name"]))
            terms.append(
                kl_term(drawn, site, kl) if site["name"] in closed else ratio(drawn, site)
            )
    auxiliary = [site for site in guide_sites.values() if site["type"] == "sample"]
    return add_up(terms + [site["log_prob"].sum() for site in auxiliary])


def kl_term(guide_site: Message, model_site: Message, kl: Divergence) -> Tensor:
    """KL(q || p) of one latent, summed over its plates: closed form, else one-sample."""
    try:
        value = kl(guide_site, model_site)
    except NotImplementedError:
        return ratio(guide_site, model_site)
    return scale_and_mask(value, guide_site["scale"], guide_site["mask"]).sum()


def ratio(guide_site: Message, model_site: Message) -> Tensor:
    """The log q - log p of one latent at its draw, summed over its plates: shape ()."""
    return guide_site["log_prob"].sum() - model_site["log_prob"].sum()


def in_order(traces: Traces) -> frozenset[str]:
    """Latents that the guide draws after all those which the model draws before them.

    Only for these is E_q [log q(z_i | ..) - log p(z_i | ..)] the mean of a KL divergence: given
    everything that either conditions on, z_i is distributed as q(z_i | ..).
    """
    place = {name: i for i, name in enumerate(traces.guide.nodes)}
    found, latest = set(), -1
    for name in drawn(traces):
        if place[name] > latest:
            found.add(name)
        latest = max(latest, place[name])
    return frozenset(found)


def drawn(traces: Traces) -> list[str]:
    """Names of the latents that both draw, in the model's order."""
    names = [str(s["name"]) for s in sample_sites(traces.model) if not s["is_observed"]]
    return [name for name in names if name in traces.guide.nodes]
