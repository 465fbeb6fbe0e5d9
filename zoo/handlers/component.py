"""Draws of a mixture from one of its components."""

from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message

from zoo.distributions import MixtureOfNormals


class FromComponent(Messenger):
    """Draws each mixture of normals from a component of that number; densities stay the mixture's.

    Args:
        number: of the component, from 0.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def _pyro_sample(self, msg: Message) -> None:
        fn = msg["fn"]
        if isinstance(fn, MixtureOfNormals) and msg["value"] is None:
            msg["value"] = fn.of_component(self.number, fn.shape())
