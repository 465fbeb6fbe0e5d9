"""The contract of a guide: a variational family over the latents that a description names."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import pyro
from pyro.poutine.subsample_messenger import SubsampleMessenger
from torch import Tensor, nn

from guides.parts.plates import Plates
from zoo.latents import Family, Latents, Plate
from zoo.sites.supports import in_words


class Guide(nn.Module, Family, ABC):
    """A variational family q(z), as a Pyro guide whose parameters follow from the description.

    A subclass says what it covers by the class variables of :class:`zoo.latents.Family`, builds
    its parameters from `latents` alone, and samples each latent once, inside its plates.

    Args:
        latents: the latents to cover, from :func:`zoo.describe`.

    Raises:
        ValueError: if the family does not cover one of the latents.
    """

    def __init__(self, latents: Latents) -> None:
        super().__init__()
        for site in latents.sites:
            if not self.handles(site):
                raise ValueError(
                    f"{type(self).__name__} covers {_declared(self)} latents; '{site.name}' is "
                    f"{site.scope} and {site.kind.value}, with values that are "
                    f"{in_words(site.support, site.event_shape)}. "
                    "Leave it out with latents.select(...), or use another family."
                )
        self.latents = latents

    def raise_objection(self) -> None:
        """Refuses latents that the family covers and yet does not go on.

        Raises:
            ValueError: with what :meth:`objection` says.
        """
        sentence = self.objection(self.latents)
        if sentence:
            raise ValueError(sentence)

    @abstractmethod
    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples every covered latent; takes what the model takes, returns name -> value."""

    def advance(self, step: Tensor) -> None:
        """Moves the family's own schedules, if it has any, to `step` (shape ())."""

    def view(self, model: Callable) -> Callable:
        """The model as this family trains against it: by default the model itself."""
        return model

    opened: Plates | None = None  # by a guide that this one is a part of

    def plates(self, args: tuple) -> Plates:
        """Opens the plates of all latents; the plate over rows takes the rows it is given."""
        if self.opened is not None:
            return self.opened
        plates = {plate.name: plate for site in self.latents.sites for plate in site.plates}
        return {name: self._open(plate, args) for name, plate in plates.items()}

    def _open(self, plate: Plate, args: tuple) -> SubsampleMessenger:
        if plate.given:
            return pyro.plate(plate.name, self.latents.rows_given(args), dim=plate.dim)
        return pyro.plate(plate.name, plate.size, subsample_size=plate.subsample, dim=plate.dim)


def _declared(guide: Guide) -> str:
    return " ".join(sorted(guide.scopes) + sorted(kind.value for kind in guide.kinds))
