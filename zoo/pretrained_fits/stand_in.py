"""The task of a pretrained fit, also where the files of its data are missing.

The model and the guide are then built on rows of zeros in the shapes of the data, and the fit gets
NaN in their place: what is computed from rows that are not there cannot look like a number.
"""

import warnings
from dataclasses import replace
from functools import cache, partial

import torch

from zoo.data import Data, DataNotFound, draw_bits, keep, load_data
from zoo.models import MODELS
from zoo.models.parts import Parts
from zoo.pretrained_fits.cards import Card
from zoo.results.encoding import decode
from zoo.task import Task, load


def task_of_card(card: Card, *, download: bool) -> tuple[Task, Data]:
    """The task to build the fit on, and the data that the fit is then to have.

    Args:
        card: of the fit.
        download: fetch missing files.

    Raises:
        DataNotFound: if files are to be fetched and cannot be.
    """
    about = card["data"]
    parts = {name: decode(part) for name, part in card["parts"].items()}
    try:
        task = load(
            card["model"],
            about["name"],
            seed=about["seed"],
            binarize=about["binarize"],
            download=download,
            **parts,
        )
    except DataNotFound:
        if download:
            raise
        return _standing_in(card, Parts(**parts))
    return task, task.data


def data_of(data: Data) -> dict[str, object]:
    """What a card says of its data: enough to build a model without the rows."""
    splits = {"train": data.train, "valid": data.valid, "test": data.test}
    return {
        "name": data.name,
        "seed": data.seed,
        "binarize": data.binarize,
        "hash": data.hash,
        "rowwise": data.rowwise,
        "image": data.image,
        "labels": data.labels,
        "levels": data.levels,
        "labelled": data.labelled,
        "shapes": {name: [list(x.shape) for x in batch] for name, batch in splits.items()},
    }


def _standing_in(card: Card, parts: Parts) -> tuple[Task, Data]:
    recipe = MODELS[card["model"]]
    zeros = _filled(card, 0.0)
    task = Task(card["model"], partial(recipe.make, zeros, parts), zeros, recipe, parts)
    return task, replace(_filled(card, torch.nan), missing=cache(partial(_found_later, card)))


def _found_later(card: Card) -> Data:
    about = card["data"]
    data = load_data(about["name"], seed=about["seed"], binarize=about["binarize"])
    is_of_card(data, card)
    return data


def is_of_card(data: Data, card: Card) -> bool:
    """Are the data those that the fit was trained and scored on? A warning says if not."""
    if data.hash == card["data"]["hash"]:
        return True
    warnings.warn(
        f"'{card['name']}' was trained and scored on data with hash {card['data']['hash']}; "
        f"{data.name} has {data.hash} here, so that its scores may be others than those on its "
        "card.",
        stacklevel=2,
    )
    return False


def _filled(card: Card, value: float) -> Data:
    """A data set of the card's shapes that holds one value, which takes no memory."""
    about = card["data"]
    train, valid, test = (
        tuple(torch.full((), value).expand(shape) for shape in about["shapes"][split])
        for split in ("train", "valid", "test")
    )
    return Data(
        name=about["name"],
        train=train,
        valid=valid,
        test=test,
        rowwise=about["rowwise"],
        image=about["image"] and tuple(about["image"]),
        observe=draw_bits if about["binarize"] == "dynamic" else keep,
        labels=tuple(about["labels"]),
        binarize=about["binarize"],
        seed=about["seed"],
        hash=about["hash"],
        levels=about["levels"],
        labelled=about["labelled"],
    )
