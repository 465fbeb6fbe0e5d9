"""The rows of the speed benchmark: a model, its data, a guide, an objective, a batch, a rate."""

from collections.abc import Callable
from dataclasses import replace

import pyro
import torch

import guides
import zoo
from zoo.data import Data, keep
from zoo.data.data import fingerprint
from zoo.decoders import PixelDecoder
from zoo.likelihoods import BernoulliLikelihood
from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.models.discrete.categorical_vae import CategoricalVAE
from zoo.models.regression.logistic_regression import LogisticRegression
from zoo.models.time_series.hmm import HiddenMarkov
from zoo.models.vaes.bernoulli_vae import BernoulliVAE
from zoo.models.vaes.hvae import HierarchicalVAE
from zoo.models.vaes.vae import VAE
from zoo.objectives import Enumerate, Trace, TraceGraph
from zoo.priors import StandardNormal
from zoo.task import Task

ROWS = (
    "eight_schools/mean_field/1",
    "eight_schools/mean_field/16",
    "eight_schools/full_rank/1",
    "eight_schools/full_rank/16",
    "eight_schools/iaf/1",
    "eight_schools/iaf/16",
    "logistic_regression/full_rank/1",
    "logistic_10000/full_rank/1",
    "hmm/empty/1",
    "hmm_forward/empty/1",
    "bernoulli_latent/amortised_discrete/1",
    "bernoulli_vae/amortised_normal/1",
    "bernoulli_vae/amortised_iaf/1",
    "categorical_vae/relaxed/1",
    "hvae/top_down/1",
    "pixel_vae/amortised_normal/1",
)


PICTURES: dict[str, Callable] = {  # autoencoders of 784 pixels
    "bernoulli_vae": lambda: BernoulliVAE(784, (400,), 20),
    "categorical_vae": lambda: CategoricalVAE(784, 20, 10, (400,)),
    "hvae": lambda: HierarchicalVAE(784, StandardNormal(8), BernoulliLikelihood(), (8, 16)),
    "pixel_vae": lambda: VAE(
        PixelDecoder(20, 784, 1, (28, 28)), BernoulliLikelihood(), StandardNormal(20)
    ),
}


class Forward(HiddenMarkov):
    """The hidden Markov model without latents: the forward algorithm is its density."""

    def forward(self, x: torch.Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.factor("x", self.log_evidence(x))


def rowwise_task(name: str, build: Callable, columns: tuple, labels: tuple[str, ...]) -> Task:
    """A task on made-up rows: speed does not depend on what they show."""
    data = Data(
        name=name,
        train=columns,
        valid=(),
        test=(),
        rowwise=True,
        image=None,
        observe=keep,
        labels=labels,
        binarize="static",
        seed=0,
        hash=fingerprint(name, "static", (columns, (), ())),
    )
    return Task(name, build, data)


def binary_task(name: str, build: Callable, rows: int, features: int) -> Task:
    """Binary rows."""
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(rows, features, generator=generator) < 0.13).float()
    return rowwise_task(name, build, (x,), ("x",))


def labels_task(rows: int, features: int) -> Task:
    """Logistic regression on standard normal predictors."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, features, generator=generator)
    y = (torch.rand(rows, generator=generator) < torch.sigmoid(x[:, 0])).float()
    build = lambda: LogisticRegression(features)  # noqa: E731
    return rowwise_task("logistic_10000", build, (x, y), ("x", "y"))


def task_of(row: str) -> tuple[Task, object, object, int | None, float]:
    """Task, guide, objective, batch size and learning rate of a row."""
    model, guide, particles = row.split("/")
    family, trace = guides.GUIDES[guide], Trace(int(particles))
    if model in ("eight_schools", "logistic_regression"):
        return zoo.load(model), family, trace, None, 0.01
    if model == "logistic_10000":
        return labels_task(10_000, 20), family, trace, 100, 0.01
    if model == "hmm":  # its states are summed out, all 3^6 paths at once
        return zoo.load(model), family, Enumerate(), 100, 0.01
    if model == "hmm_forward":
        task = replace(zoo.load("hmm"), build=lambda: Forward(6, states=3))
        return task, family, trace, 100, 0.01
    if model == "bernoulli_latent":
        task = binary_task(model, lambda: BernoulliLatent(64, (64,), 8), 1000, 64)
        return task, family, TraceGraph(int(particles)), 20, 1e-3
    return binary_task(model, PICTURES[model], 10_000, 784), family, trace, 128, 1e-3
