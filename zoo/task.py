"""A task: a model, its data, and what is usual for the two."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zoo.checks.arguments import look_up, seed_given
from zoo.checks.inputs import check_data, check_model
from zoo.checks.shown import shown
from zoo.data import Data, draw_bits, keep, load_data
from zoo.data.fingerprint import fingerprint_of
from zoo.data.stream import stream
from zoo.isolation import isolated
from zoo.latents import Model
from zoo.models import MODELS, Recipe
from zoo.models.parts import Parts, check_likelihood, usual_binarization


@dataclass(frozen=True)
class Task:
    """A model and the data it is trained and judged on.

    What is known exactly is asked of the model itself (see :mod:`zoo.protocols`).

    Attributes:
        name: name of the model.
        build: makes the model with fresh parameters, so that a seed fixes them too.
        data: the splits.
        recipe: settings that suit the model; None for a model of the user's own.
        parts: names of the parts that the model is put together from, if it has any.
    """

    name: str
    build: Callable[[], Model]
    data: Data
    recipe: Recipe | None = None
    parts: Parts = Parts()

    @property
    def usual_guide(self) -> str:
        """Name of the guide that suits the model and its parts.

        Raises:
            ValueError: for a model of the user's own.
        """
        if self.recipe is None:
            raise ValueError(f"'{self.name}' is no model of the zoo; name a guide for it.")
        return self.recipe.usual_guide(self.parts)

    def on(self, split: str) -> "Task":
        """The same task with another split in the place of the training rows.

        Raises:
            ValueError: if there are no such rows.
        """
        batch = self.scoring_args(split)
        return replace(self, data=replace(self.data.found(), train=batch, observe=keep))

    def split(self, name: str) -> tuple:
        """The arguments of the model for a split.

        Raises:
            ValueError: if the name is none of train, valid and test, or the split is empty.
            ValueError: if the files of a pretrained fit's data are missing.
        """
        data = self.data.found()
        splits = {"train": data.train, "valid": data.valid, "test": data.test}
        if not isinstance(name, str) or (not splits.get(name) and name != "train"):
            kept = [split for split, batch in splits.items() if batch]
            raise ValueError(f"No split {shown(name)} in data '{self.data.name}'; it has {kept}.")
        return splits[name]

    def scoring_args(self, name: str) -> tuple:
        """The arguments of the model for a split whose rows are to be scored, not trained on.

        Train rows of dynamic data are intensities in [0, 1], and training draws their bits afresh
        for each minibatch. Here they are drawn once, by the seed of the data; no view is hidden.

        Raises:
            ValueError: if the name is none of train, valid and test, or the split is empty.
        """
        batch = self.split(name)
        if name != "train" or self.data.binarize != "dynamic":
            return batch
        with isolated(seed=stream(self.data.seed, "train bits").initial_seed()):
            return tuple(_bits(x) for x in batch)


def _bits(x: Tensor) -> Tensor:
    """Bits of intensities, the same on all devices and in both precisions; bits are kept."""
    (bits,) = draw_bits((x.to("cpu", torch.float32),))
    return bits.to(x)


def load(
    model: str,
    data: str | None = None,
    *,
    seed: int = 0,
    binarize: str | None = None,
    download: bool = False,
    prior: str | None = None,
    likelihood: str | None = None,
    decoder: str | None = None,
    latent: int | None = None,
    groups: Sequence[int] | None = None,
) -> Task:
    """A task of the zoo by name: ``zoo.load("vae", data="fashion_mnist", prior="vamp")``.

    Args:
        model: a name of ``zoo.models.MODELS``.
        data: a name of ``zoo.data.DATA``; None for the model's usual data.
        seed: of the split and the binarization.
        binarize: "none", "threshold", "static" or "dynamic"; None for what is usual.
        download: fetch missing files.
        prior: a name of ``zoo.priors.PRIORS``; None for the model's usual one, and so the others.
        likelihood: a name of ``zoo.likelihoods.LIKELIHOODS``.
        decoder: a name of ``zoo.decoders.DECODERS``.
        latent: number of latent dimensions.
        groups: those of a hierarchy's groups, the top one first.

    Raises:
        ValueError: for an unknown name, a part that the model does not have, or data that the
            model or its likelihood does not take.
    """
    recipe = look_up("model", model, MODELS)
    usual = {name: other.parts for name, other in MODELS.items()}
    seed_given(seed)
    asked = Parts(prior, likelihood, decoder, latent, groups)  # type: ignore[arg-type]
    parts = asked.over(model, usual)
    if binarize is None:
        binarize = usual_binarization(parts) or recipe.binarize
    source = recipe.data if data is None else data
    rows = load_data(source, seed=seed, binarize=binarize, download=download)
    if rows.labels != recipe.labels:
        raise ValueError(
            f"{model} takes {recipe.labels}; data '{rows.name}' gives {rows.labels}. "
            f"Its usual data is '{recipe.data}'."
        )
    if parts.likelihood is not None:
        check_likelihood(parts.likelihood, rows)
    return Task(model, lambda: recipe.make(rows, parts), rows, recipe, parts)


def task_of(model: "Task | Model", args: tuple) -> Task:
    """A task as it is, or that of a user's own model with its arguments.

    Raises:
        ValueError: for anything else, for arguments beside a task, and for data that cannot be
            trained on.
    """
    if not isinstance(model, Task):
        return given(model, args)
    if args:
        raise ValueError(
            f"Task '{model.name}' has its data; got {len(args)} arguments besides: {shown(args)}. "
            "Leave them out, or pass the model itself with them."
        )
    return model


def given(model: Model, args: tuple) -> Task:
    """The task of a user's own model with its arguments, all of them for training.

    Raises:
        ValueError: for anything but a model, and for data that cannot be trained on.
    """
    check_model(model)
    check_data(args)
    name = getattr(model, "__name__", type(model).__name__)
    data = Data(
        name="given",
        train=args,
        valid=(),
        test=(),
        rowwise=False,
        image=None,
        observe=keep,
        labels=tuple(f"argument {i}" for i in range(len(args))),
        binarize="none",
        seed=0,
        hash=fingerprint_of(args),
    )
    return Task(name, lambda: model, data)
