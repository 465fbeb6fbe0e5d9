"""What the conformance tests must be told of a model and a guide that users wrote."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from pyro.infer import Trace_ELBO
from torch import nn


class Known(NamedTuple):
    """A number in nats for all of the data, and its standard error where it was sampled."""

    value: float
    se: float = 0.0


@dataclass(frozen=True)
class Refused:
    """Something that is refused for a reason; `reason` is a pattern that its sentence matches."""

    reason: str


@dataclass(frozen=True)
class Noted:
    """A metric that may be given if its note matches, or be skipped for that reason."""

    reason: str


@dataclass(frozen=True)
class Built:
    """What the user has in hand before the call.

    Attributes:
        modules: the nets that the pair reaches, wherever they are kept; none may be touched.
        pyros_guide: what Pyro takes for the guide, where it is a class; else None.
    """

    model: Callable
    guide: Callable
    args: tuple = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    modules: tuple[nn.Module, ...] = ()
    pyros_guide: Callable | None = None

    def for_pyro(self) -> "Built":
        """The same with a guide that Pyro takes."""
        return self if self.pyros_guide is None else replace(self, guide=self.pyros_guide)


Oracle = Callable[[Built], Known]
Score = Oracle | Refused | Noted


@dataclass(frozen=True, eq=False)
class Case:
    """A model and a guide, and what must be true of them.

    Each of the last five fields answers for one test; a case that leaves one out fails it.

    Attributes:
        name: what is peculiar about the pair.
        build: makes both afresh; initial values follow from the random state alone.
        elbo: Pyro's loss, which both sides train with.
        settings: what else `zoo.fit` is told.
        own_loss: is it of the user's own, so that it has to be passed again when a fit is loaded?
        default: torch's default dtype while the pair is made and used.
        in_place: are nets of `modules` trained where they are, because a closure, a list
            or the like leads to them and cannot be copied? `zoo.fit` documents that.
        trained: True, or why the front door refuses the pair. Nothing else is asked of it then.
        captured: True, or the one honest reason why the step cannot be captured.
        elbo_score: the exact bound, or why evaluation gives none.
        evidence: the exact log evidence, or why evaluation gives none.
        saved: True, or why the fit cannot be saved.
    """

    name: str
    build: Callable[[], Built]
    elbo: Callable[[], Any] = Trace_ELBO
    settings: dict[str, Any] = field(default_factory=dict)
    own_loss: bool = False
    default: torch.dtype = torch.float64
    in_place: bool = False
    trained: bool | Refused = True
    captured: bool | Refused | None = None
    elbo_score: Score | None = None
    evidence: Score | None = None
    saved: bool | Refused | None = None

    @property
    def undeclared(self) -> list[str]:
        """Names of the fields that the case says nothing of."""
        if isinstance(self.trained, Refused):
            return []
        names = ("captured", "elbo_score", "evidence", "saved")
        return [name for name in names if getattr(self, name) is None]
