"""Guides composed of several families, each on latents of its own.

    q(z) = q_1(z_1) q_2(z_2 | z_1) ...,   z_1, z_2, ... the latents that each family covers.

Each latent goes to the first family that covers it, e.g. the latents that all rows share to a
full-rank normal and those of each row to an encoder. :class:`guides.ConditionedNormal` is given
what earlier families drew; all others are independent of each other.

Parameters: those of the families.
Source: Hoffman, Blei, Wang & Paisley 2013, "Stochastic variational inference", section 2, for
global and local latents; Agrawal & Domke 2021, "Amortized variational inference for simple
hierarchical models", for local ones given the global.

As `full_rank+amortised_normal`: A full-rank normal for shared latents, an encoder for each row's.
As `mean_field+amortised_normal`: A diagonal normal for shared latents, an encoder for each row's.
As `full_rank+conditioned_normal`: A full-rank normal for shared latents, each row's given those.
Topic: Latents that all rows share.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

from guides.conditioned_normal import ConditionedNormal
from guides.guide import Guide
from zoo.checks.arguments import refusal
from zoo.latents import Family, Latent, Latents


class Composed(Guide):
    """What :func:`compose` makes subclasses of."""

    parts: ClassVar[tuple[Callable, ...]] = ()

    @classmethod
    def handles(cls, latent: Latent) -> bool:
        """Does one of the families?"""
        return any(_checked(part).handles(latent) for part in cls.parts)

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """A family that is left without latents, and what each has against its own."""
        for part, own in cls.assigned(latents):
            family = _checked(part)
            if not own.sites:
                return (
                    f"{cls.__name__} leaves no latents to {family.__name__}: of "
                    f"{latents.listed} it covers none that an earlier family does not cover. "
                    "Leave it out."
                )
            if (found := family.objection(own)) is not None:
                return found
            if issubclass(family, ConditionedNormal) and part is cls.parts[0]:
                return (
                    f"{cls.__name__} draws nothing before ConditionedNormal, which is given what "
                    "was drawn before it. Name it after the guide of the shared latents."
                )
        return None

    @classmethod
    def assigned(cls, latents: Latents) -> list[tuple[Callable, Latents]]:
        """Each family with its latents: those that it covers and no earlier one does."""
        left, found = list(latents.sites), []
        for part in cls.parts:
            own = [site.name for site in left if _checked(part).handles(site)]
            left = [site for site in left if site.name not in own]
            found.append((part, latents.select(*own)))
        return found

    def __init__(self, latents: Latents) -> None:
        super().__init__(latents)
        self.raise_objection()
        self.members, before = nn.ModuleList(), list[str]()
        for part, own in self.assigned(latents):
            takes = issubclass(_checked(part), ConditionedNormal) and before
            built = part(own, before=latents.select(*before)) if takes else part(own)
            self.members.append(built)
            before += own.names

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of one family after the other."""
        values, plates = dict[str, Tensor](), self.plates(args)
        for member in self.members:
            member.opened = plates  # type: ignore[assignment]
            try:
                if isinstance(member, ConditionedNormal):
                    values |= member.given(values, *args)
                else:
                    values |= member(*args, **kwargs)
            finally:
                member.opened = None  # type: ignore[assignment]
        return values

    def advance(self, step: Tensor) -> None:
        """Moves the schedules of all families."""
        for member in self.members:
            member.advance(step)  # type: ignore[operator]

    def view(self, model: Callable) -> Callable:
        """The model as all families together train against it."""
        for member in self.members:
            model = member.view(model)  # type: ignore[operator]
        return model


def compose(*families: Callable) -> type[Composed]:
    """A guide class with one family for some latents and others for the rest.

    Args:
        *families: guide classes or partials of them; a latent goes to the first that covers it,
            and they draw in this order.

    Raises:
        ValueError: for fewer than two families, for what is no guide of the zoo, and for a guide
            that shares networks with its model, as ``shared`` does, or takes no steps.

    Example:
        A model with a shared mean and an effect of each row; the first guide is for the mean, the
        second, an encoder, for the effects:

        >>> import guides, pyro, pyro.distributions as dist, torch, zoo
        >>> def effects(x):
        ...     mean = pyro.sample("mean", dist.Normal(0.0, 10.0))
        ...     with pyro.plate("data", len(x)):
        ...         effect = pyro.sample("effect", dist.Normal(mean, 1.0))
        ...         pyro.sample("x", dist.Normal(effect, 1.0), obs=x)
        >>> family = guides.compose(guides.FullRank, guides.AmortisedNormal)
        >>> fit = zoo.fit(effects, family, torch.randn(20), steps=10)
        >>> {name: tuple(value.shape) for name, value in fit.guide(torch.randn(20)).items()}
        {'mean': (), 'effect': (20,)}
    """
    if len(families) < 2:
        raise refusal(
            *("compose", "at least two families", len(families)),
            "Pass e.g. compose(guides.FullRank, guides.AmortisedNormal).",
        )
    kinds = [_checked(family) for family in families]
    apart = not any(issubclass(kind, ConditionedNormal) for kind in kinds)
    declared = {
        "__module__": __name__,
        "__doc__": Composed.__doc__,
        "parts": tuple(families),
        "kinds": frozenset().union(*(kind.kinds for kind in kinds)),
        "scopes": frozenset().union(*(kind.scopes for kind in kinds)),
        "reparameterised": all(kind.reparameterised for kind in kinds),
        "factorised": apart and all(kind.factorised for kind in kinds),
        "independent": apart and all(kind.independent for kind in kinds),
        "amortised": all(kind.amortised for kind in kinds),
        "relaxes": any(kind.relaxes for kind in kinds),
        "jointly": any(kind.jointly for kind in kinds),
    }
    return type("+".join(kind.__name__ for kind in kinds), (Composed,), declared)


def _checked(family: Callable) -> type[Family]:
    """The class of a family that can be composed."""
    kind = family.func if isinstance(family, partial) else family
    way = "Pass classes such as guides.FullRank, or partials of them."
    if not (isinstance(kind, type) and issubclass(kind, Guide)):
        raise refusal("a part of compose", "a guide class of the zoo", family, way)
    if kind.takes_model or not kind.kinds:
        why = "a family with latents and networks of its own"
        raise refusal("a part of compose", why, kind, way)
    if kind.solver is not None:
        why = "a family that is trained by steps together with the other parts"
        raise refusal("a part of compose", why, kind, way)
    return kind
