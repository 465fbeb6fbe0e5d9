"""The properties that a guide class declares, which the rules of pairing read."""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from zoo.latents.latents import Latents
from zoo.optim.natural import NormalParameters
from zoo.sites.latent import Latent
from zoo.sites.supports import Kind


def class_of(guide: Callable) -> type:
    """The class of a guide: of an instance, of a partial of a class, or the class itself."""
    family = guide.func if isinstance(guide, partial) else guide
    return family if isinstance(family, type) else type(family)


def solver_of(guide: Callable) -> str | None:
    """The method by which a guide's q is found without steps; None where it is trained."""
    family = class_of(guide)
    return family.solver if issubclass(family, Family) else None


def clip_norm_of(guide: Callable | None) -> float | None:
    """The largest norm of the gradient that a guide states; None for any."""
    family = None if guide is None else class_of(guide)
    return family.clip_norm if family is not None and issubclass(family, Family) else None


class Family:
    """What a guide declares of itself; pairing reads these and no names.

    Attributes:
        kinds: the kinds of latents that the family can be put on.
        scopes: "global", "local" or both.
        reparameterised: are draws differentiable functions of the parameters?
        factorised: does each latent have a distribution of its own?
        independent: are all elements of the latents independent, given the data?
        amortised: are local parameters computed from the data row, so that new rows need no fit?
        relaxes: are discrete latents replaced by continuous ones while training?
        row_families: families with parameters for each row that this one is an amortised form of.
        has_density: has each row's q a density? One that puts a row's latents at a point has none:
            no bound, no importance weight and no KL term exists, whatever log q Pyro gives it.
        normal: are its members normals over the unconstrained latents, all of them or all
            independent ones, that `start_at(mean, factor)` sets?
        takes_model: is it built as `guide(latents, model)`, to share networks of the model? It
            keeps the model in a tuple, so that each parameter stays the model's alone.
        auxiliary: does it draw numbers besides the latents, by a path through which they become
            the latents? Log q of a run is then that of all it draws, less the log density that a
            model of the way back gives the numbers besides the latents. Bounds and importance
            weights hold with it; log q of given latents is not known. Such a guide follows the
            model's joint density, whose latents it has to draw all.
        jointly: does it draw one vector, and set each latent to a part of it? Log q is then known
            of that vector; of given latents only through it.
        runs_model: does it run the model to draw, so that it has to draw all latents?
        mixes: does it draw the latents from one mixture of normals, so that an objective can
            draw from each of its components?
        parts: families that this one is composed of, each on latents of its own; None: it is not.
        classifies: has it a classifier of rows, some of which have a label?
        solver: name of the method in :data:`zoo.normals.solvers.SOLVERS` that finds its q without
            steps of an optimizer and without an objective; None: it is trained by steps.
        clip_norm: largest norm of the gradient in a step, unless a fit asks for another; None:
            any.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset()
    scopes: ClassVar[frozenset[str]] = frozenset()
    reparameterised: ClassVar[bool] = True
    factorised: ClassVar[bool] = True
    independent: ClassVar[bool] = True
    amortised: ClassVar[bool] = True
    relaxes: ClassVar[bool] = False
    row_families: ClassVar[tuple[type["Family"], ...]] = ()
    has_density: ClassVar[bool] = True
    normal: ClassVar[bool] = False
    solver: ClassVar[str | None] = None
    takes_model: ClassVar[bool] = False
    auxiliary: ClassVar[bool] = False
    parts: ClassVar[tuple[Callable, ...] | None] = None
    classifies: ClassVar[bool] = False
    mixes: ClassVar[bool] = False
    jointly: ClassVar[bool] = False
    runs_model: ClassVar[bool] = False
    clip_norm: ClassVar[float | None] = None

    @classmethod
    def handles(cls, latent: Latent) -> bool:
        """Can the family be put on this latent?"""
        return latent.kind in cls.kinds and latent.scope in cls.scopes

    @classmethod
    def differentiates(cls, latent: Latent) -> bool:
        """Are draws of this latent differentiable functions of the parameters?"""
        return cls.reparameterised

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """Why the family does not go on a model whose latents it covers; None if it does."""
        return None

    def means_and_scales(self) -> list[NormalParameters]:
        """The parameters that are means and scales of normals; by default it states none."""
        return []
