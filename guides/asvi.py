"""Automatic structured variational inference: the model's own prior, pulled towards the data.

    q(z_i | z_{<i}) = T( N(u_i; l_i * mean_i + (1 - l_i) a_i,  h_i * sd_i + (1 - h_i) b_i) ),

where mean_i and sd_i are those of the prior of u_i given the draws of its parents, as the model
itself computes them: q keeps the model's dependences, whatever they are. With l = h = 1 it is the
prior; with l = h = 0 the mean-field normal.

A prior that is normal, or log-normal, has its own mean_i and sd_i. Others stand in by the normal
with the mean and sd of u_i = log z_i (Gamma, inverse Gamma, exponential, half-normal,
half-Cauchy), or of u_i = logit z_i (uniform, Beta).

Parameters: 4 for each unconstrained value: l and h in (0, 1), a, and b > 0.
Source: Ambrogioni et al. 2021, "Automatic structured variational inference", which keeps the
prior's own family.
Topic: Latents that all rows share.
"""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.distributions as families
from pyro import poutine
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from pyro.poutine.util import site_is_subsample
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.normal import SMALL_SCALE, normal
from guides.parts.plates import positive
from zoo.latents import Kind, Latents, Model
from zoo.sites.priors import without_wrappers

EULER = 0.5772156649015329
Moments = tuple[Tensor, Tensor]


def _gamma(concentration: Tensor, log_rate: Tensor) -> Moments:
    mean = torch.digamma(concentration) - log_rate
    return mean, torch.polygamma(1, concentration).sqrt()


def _inverse_gamma(prior: Any) -> Moments:
    mean, sd = _gamma(prior.concentration, prior.rate.log())
    return -mean, sd


def _beta(prior: Any) -> Moments:
    a, b = prior.concentration1, prior.concentration0
    spread = torch.polygamma(1, a) + torch.polygamma(1, b)
    return torch.digamma(a) - torch.digamma(b), spread.sqrt()


def _constant(loc: Tensor, sd: float) -> Moments:
    return loc, torch.full_like(loc, sd)


# mean and sd of the unconstrained value under a prior, by its class
RULES: dict[type, Callable[[Any], Moments]] = {
    families.Normal: lambda p: (p.loc, p.scale),
    families.LogNormal: lambda p: (p.loc, p.scale),
    families.HalfNormal: lambda p: _constant(
        p.scale.log() - (EULER + math.log(2)) / 2, math.pi / math.sqrt(8)
    ),
    families.HalfCauchy: lambda p: _constant(p.scale.log(), math.pi / 2),
    families.Gamma: lambda p: _gamma(p.concentration, p.rate.log()),
    families.InverseGamma: _inverse_gamma,
    families.Exponential: lambda p: _constant(-p.rate.log() - EULER, math.pi / math.sqrt(6)),
    families.Uniform: lambda p: _constant(torch.zeros_like(p.low), math.pi / math.sqrt(3)),
    families.Beta: _beta,
}


def rule_of(prior: type | None) -> Callable[[Any], Moments] | None:
    """The rule for a prior of that class; None where there is none."""
    parents = prior.__mro__ if prior is not None else ()
    return next((RULES[parent] for parent in parents if parent in RULES), None)


class ASVI(Guide):
    """Each global latent between its prior given its parents' draws and a normal of its own.

    Args:
        latents: the latents to cover, all that the model has.
        model: whose priors it follows.

    Raises:
        ValueError: for a prior that has no rule.

    Example:
        Eight schools has 10 unconstrained values. An effect's mean follows mu, and its sd tau:

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("eight_schools"), guides.ASVI, steps=10)
        >>> sum(parameter.numel() for parameter in fit.guide.parameters())
        40
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"global"})
    independent: ClassVar[bool] = False
    takes_model: ClassVar[bool] = True
    runs_model: ClassVar[bool] = True

    def __init__(self, latents: Latents, model: Model) -> None:
        super().__init__(latents)
        self.raise_objection()
        self.model = (model,)  # in a tuple: its parameters stay the model's
        shapes = [site.batch_shape + site.unconstrained_shape for site in latents.sites]
        self.mean_share = nn.ParameterList(torch.zeros(shape) for shape in shapes)
        self.sd_share = nn.ParameterList(torch.zeros(shape) for shape in shapes)
        self.loc = nn.ParameterList(torch.zeros(shape) for shape in shapes)
        self.unconstrained_scale = nn.ParameterList(
            torch.full(shape, SMALL_SCALE) for shape in shapes
        )

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """A prior without a rule, or a plate of which the model draws a part."""
        if latents.drawn_plates:
            return (
                f"{cls.__name__} runs the model for the priors of its latents; the model draws a "
                f"part of plate '{latents.drawn_plates[0]}' by itself, anew in each run. Pass the "
                "rows as an argument, or give the plate all its elements."
            )
        for site in latents.sites:
            if rule_of(site.prior) is None:
                known = ", ".join(sorted(kind.__name__ for kind in RULES))
                found = site.prior.__name__ if site.prior is not None else "nothing known"
                return (
                    f"{cls.__name__} follows priors of these families: {known}; that of "
                    f"'{site.name}' is {found}. Use structured, which takes any."
                )
        return None

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples every latent where the model does."""
        follow = _Follow(self)
        with poutine.block(hide_fn=follow.hides), follow:
            self.model[0](*args, **kwargs)
        return follow.values

    def given(self, number: int, prior: Any) -> Any:
        """Q of a latent, given its prior in this run.

        Args:
            number: of the latent, in the order of the description.
            prior: a distribution with a rule, perhaps inside wrappers.
        """
        site, inner = self.latents.sites[number], without_wrappers(prior)
        rule = rule_of(type(inner))
        assert rule is not None
        mean, sd = rule(inner)
        share, spread = self.mean_share[number].sigmoid(), self.sd_share[number].sigmoid()
        loc = share * mean + (1 - share) * self.loc[number]
        scale = spread * sd + (1 - spread) * positive(self.unconstrained_scale[number])
        return normal(loc, scale, site)


class _Follow(Messenger):
    """Puts a guide's q in the place of each latent's prior, as the model runs."""

    def __init__(self, guide: ASVI) -> None:
        super().__init__()
        self.guide, self.values = guide, dict[str, Tensor]()
        self.numbers = {site.name: i for i, site in enumerate(guide.latents.sites)}

    def hides(self, site: Message) -> bool:
        """Is it a sample site that is no latent, such as an observed one?"""
        drawn = site["type"] == "sample" and not site_is_subsample(site)  # type: ignore[arg-type]
        return drawn and site["name"] not in self.numbers

    def _pyro_sample(self, msg: Message) -> None:
        number = self.numbers.get(str(msg["name"]))
        if number is not None:
            msg["fn"] = self.guide.given(number, msg["fn"])
        elif self.hides(msg) and not msg["is_observed"]:
            raise ValueError(
                f"ASVI runs the model, and draws all of its latents; '{msg['name']}' is not among "
                f"{self.guide.latents.listed}. Use structured, which takes any of them."
            )

    def _pyro_post_sample(self, msg: Message) -> None:
        if msg["name"] in self.numbers:
            self.values[str(msg["name"])] = msg["value"]  # type: ignore[assignment]
