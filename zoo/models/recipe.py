"""How a model of the tables is made for a data set, and what it is usually trained with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from zoo.data import Data
from zoo.models.parts import Parts


@dataclass(frozen=True)
class Recipe:
    """How a model is made for a data set, and sensible settings to train it with.

    Attributes:
        build: data -> model with fresh parameters; (data, parts) -> model, where it has parts.
        labels: names of the arguments that the model takes; its data must have the same.
        data: default data set.
        guide: name of the default guide.
        shared_guide: name of the default guide under a prior with a recognition network, which
            the guide then shares; None for `guide`.
        binarize: how its pixels are binarized; None for the data set's default.
        objective: name of the default objective.
        steps: default number of steps.
        lr: default learning rate of Adam.
        rate_falls: under the default steps, does the rate fall to 0 along half a cosine?
        batch_size: rows in a step; None for all of them.
        parts: what it is usually put together from; nothing for a model that has no parts.
        noncentred: sites that NUTS samples as loc + scale * eta, with eta standard normal, when
            it draws a reference posterior.
        logs: positive sites whose posterior has no mean or no sd, so that a reference has the
            moments of their logarithms.
        init: site -> value near which the chains of a reference begin; None for anywhere.
    """

    build: Callable[..., nn.Module]
    labels: tuple[str, ...]
    data: str
    guide: str
    shared_guide: str | None = None
    binarize: str | None = None
    objective: str = "trace"
    steps: int = 2000
    lr: float = 1e-3
    rate_falls: bool = False
    batch_size: int | None = 100
    parts: Parts = Parts()
    noncentred: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    init: Mapping[str, object] | None = None

    def make(self, data: Data, parts: Parts) -> nn.Module:
        """The model with fresh parameters, of the parts chosen."""
        return self.build(data, parts) if self.parts.given else self.build(data)

    def usual_guide(self, parts: Parts) -> str:
        """Name of the guide that suits the model when it is made of these parts."""
        return self.shared_guide if self.shared_guide and parts.recognises else self.guide
