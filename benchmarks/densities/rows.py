"""The rows of the comparison of densities: models, data, steps, and what was published."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import nn

import zoo
from zoo.likelihoods import BernoulliLikelihood
from zoo.models.densities.eonade import EoNADE
from zoo.models.densities.made import MADE
from zoo.optim.schedules import Cosine

NEVER = 1000  # validations without a better one: no fit here has as many, so that none ends early


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
        objective: by name.
        optimizer: by name.
        rate_falls: does the learning rate fall to 0, along half a cosine?
        valid_every: steps between validations, the best of which is kept; None for the last state.
    """

    name: str
    task: Callable[[], zoo.Task]
    steps: int
    lr: float = 2e-3
    guide: str | None = None
    published: float | None = None
    objective: str = "trace"
    optimizer: str = "auto"
    rate_falls: bool = False
    valid_every: int | None = None

    def settings(self, steps: int) -> dict[str, Any]:
        """Arguments of `zoo.fit` for so many steps."""
        found: dict[str, Any] = {
            "steps": steps,
            "lr": self.lr,
            "batch_size": 100,
            "objective": self.objective,
            "optimizer": self.optimizer,
        }
        if self.rate_falls:
            found["lr_schedule"] = Cosine(steps)
        if self.valid_every is not None:
            found |= {"patience": NEVER, "valid_every": self.valid_every}
        return found


def digits(model: str, **parts: object) -> Callable[[], zoo.Task]:
    """A model on digits whose train bits are drawn anew in each step."""
    return partial(zoo.load, model, data="digits", binarize="dynamic", **parts)


def mnist(model: str) -> Callable[[], zoo.Task]:
    """A model on static MNIST."""
    return partial(zoo.load, model, data="binarized_mnist")


def levels(model: str, **parts: object) -> Callable[[], zoo.Task]:
    """A model of the grey levels of digits."""
    return partial(zoo.load, model, data="digits", binarize="none", **parts)


def dequantised(model: str) -> Callable[[], zoo.Task]:
    """A density of digits with noise in the bins of their grey levels."""
    return partial(zoo.load, model, data="digits_dequantised")


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
GREY = (
    Row("RealNVP", dequantised("realnvp"), STEPS, valid_every=50),
    Row("MAF", dequantised("maf"), STEPS, valid_every=50),
    Row("neural spline flow", dequantised("nsf"), STEPS, valid_every=50),
    Row(
        "RealNVP by FlowGAN, hybrid",
        dequantised("realnvp"),
        2500,
        2e-4,
        objective="flow_gan",
        optimizer="rmsprop",
    ),
    Row(
        "RealNVP by FlowGAN, critic alone",
        dequantised("realnvp"),
        2500,
        2e-5,
        objective="flow_gan_adversarial",
        optimizer="rmsprop",
    ),
    Row("dequantised VAE, uniform noise", levels("dequantised_vae"), STEPS, valid_every=50),
    Row(
        "dequantised VAE, noise of the guide",
        levels("dequantised_vae"),
        STEPS,
        guide="amortised_normal",
        valid_every=50,
    ),
    Row("VAE", levels("vae", likelihood="categorical"), STEPS, valid_every=50),
    Row("MADE", levels("made", likelihood="categorical"), STEPS, valid_every=50),
    Row("PixelCNN", levels("pixelcnn", likelihood="categorical"), STEPS, valid_every=50),
)
MNIST = (
    Row(
        "MADE, 500 units",
        mnist("made"),
        60_000,
        1e-3,
        published=88.40,
        rate_falls=True,
        valid_every=2000,
    ),
    Row("NADE, 500 units", mnist("nade"), 500, 2e-3, published=88.33),
    Row("PixelCNN, 16 maps", mnist("pixelcnn"), 500, 2e-3, published=81.30),
)
