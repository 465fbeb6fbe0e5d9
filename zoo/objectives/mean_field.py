"""The ELBO with its KL term in closed form where there is one: Pyro's TraceMeanField_ELBO.

    ELBO = E_q [ log p(x | z) ] - KL( q(z) || p(z) ).

A pair of distributions without a closed-form KL is sampled, as in `trace`.

Cost: one evaluation of log p(x | z) a particle.
Source: Kingma & Welling 2014, "Auto-Encoding Variational Bayes", appendix B.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pyro.distributions.util import scale_and_mask
from pyro.poutine.runtime import Message
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from zoo.objectives.objective import Needs, Objective
from zoo.traces import Pair, Traces, add_up, sample_sites


@dataclass(frozen=True)
class MeanFieldKL(Objective):
    """The ELBO from `particles` draws with analytic KL terms."""

    particles: int = 1

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
    guide_sites = dict(traces.guide.nodes)
    terms: list[Tensor] = []
    for site in sample_sites(traces.model):
        if site["is_observed"]:
            terms.append(-site["log_prob"].sum())
        else:
            terms.append(kl_term(guide_sites.pop(str(site["name"])), site, kl))
    auxiliary = [site for site in guide_sites.values() if site["type"] == "sample"]
    return add_up(terms + [site["log_prob"].sum() for site in auxiliary])


def kl_term(guide_site: Message, model_site: Message, kl: Divergence) -> Tensor:
    """KL(q || p) of one latent, summed over its plates: closed form, else one-sample."""
    try:
        value = kl(guide_site, model_site)
    except NotImplementedError:
        return guide_site["log_prob"].sum() - model_site["log_prob"].sum()
    return scale_and_mask(value, guide_site["scale"], guide_site["mask"]).sum()
