"""The rows of the comparison of densities: models, data, steps, and what was published."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from torch import nn

import zoo
from zoo.likelihoods import BernoulliLikelihood
from zoo.models.densities.eonade import EoNADE
from zoo.models.densities.made import MADE


@dataclass(frozen=True)
class Row:
    """A model, its data, and how it is trained.

    Attributes:
        name: in the table.
        task: makes model and data.
        steps: of training.
        lr: learning rate of Adam.
        guide: by name; None for the model's usual one.
        published: -log p(x), nats a row; None where nothing comparable was.
    """

    name: str
    task: Callable[[], zoo.Task]
    steps: int
    lr: float = 2e-3
    guide: str | None = None
    published: float | None = None


def digits(model: str, **parts: object) -> Callable[[], zoo.Task]:
    """A model on digits whose train bits are drawn anew in each step."""
    return partial(zoo.load, model, data="digits", binarize="dynamic", **parts)


def mnist(model: str) -> Callable[[], zoo.Task]:
    """A model on static MNIST."""
    return partial(zoo.load, model, data="binarized_mnist")


def with_model(name: str, build: Callable[[int], nn.Module]) -> Callable[[], zoo.Task]:
    """The task of a model on digits, with one of other settings, made from D."""

    def load() -> zoo.Task:
        task = digits(name)()
        return replace(task, build=partial(build, task.data.features))

    return load


STEPS, BITS = 1000, BernoulliLikelihood()
DIGITS = (
    Row("FVSBN", digits("fvsbn"), STEPS),
    Row("NADE", digits("nade"), STEPS),
    Row("EoNADE, 8 orders", with_model("eonade", lambda d: EoNADE(d, BITS, orders=8)), STEPS),
    Row("MADE", digits("made"), STEPS),
    Row("MADE, 8 masks", with_model("made", lambda d: MADE(d, BITS, masks=8)), STEPS),
    Row("PixelCNN", digits("pixelcnn"), STEPS),
    Row("gated PixelCNN", digits("gated_pixelcnn"), STEPS),
    Row("DARN, 10 latents", digits("darn"), STEPS),
    Row("VAE", digits("vae"), STEPS),
    Row("IAF VAE", digits("vae"), STEPS, guide="amortised_iaf"),
    Row("PixelVAE", digits("vae", decoder="pixel"), STEPS),
)
MNIST = (
    Row("MADE, 500 units", mnist("made"), 5000, 1e-3, published=88.40),
    Row("NADE, 500 units", mnist("nade"), 500, 2e-3, published=88.33),
    Row("PixelCNN, 16 maps", mnist("pixelcnn"), 500, 2e-3, published=81.30),
)
