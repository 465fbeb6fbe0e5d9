"""What a model may offer to a guide: a network to share, a path to walk, widths to mirror.

As with what is known exactly (:mod:`zoo.truth`), a model or a part of it states so by having the
method; nothing is inherited and nothing is registered.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class Recognises(Protocol):
    """A module with a recognition network of its own, such as the VampPrior's."""

    def recognise(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and scale of q(z | x): rows (..., D) -> (..., M) each."""
        ...


def recogniser_of(model: object) -> Recognises | None:
    """The model itself or the first of its parts that recognises; None if there is none."""
    parts = model.modules() if isinstance(model, nn.Module) else ()
    return next((part for part in parts if isinstance(part, Recognises)), None)


@runtime_checkable
class Descends(Protocol):
    """A hierarchical model whose groups of latents hang on one path from the top to the data."""

    groups: tuple[int, ...]  # sizes, the top group's first
    width: int  # of the path

    @property
    def names(self) -> tuple[str, ...]:
        """The groups' sites from the top."""
        ...

    def enter(self, z: Tensor) -> Tensor:
        """The path below the top group: (..., M_L) -> (..., width)."""
        ...

    def group(self, level: int, path: Tensor) -> tuple[Tensor, Tensor]:
        """Prior mean and scale of the group `level` steps below the second: (..., M_l) each."""
        ...

    def descend(self, level: int, path: Tensor, z: Tensor) -> Tensor:
        """The path below that group: (..., width)."""
        ...


@runtime_checkable
class Mirrored(Protocol):
    """A model whose layers do not stand in a row, and which says what an encoder is to mirror."""

    @property
    def encoder_hidden(self) -> tuple[int, ...]:
        """Widths of an encoder's hidden layers, from data to latents."""
        ...
