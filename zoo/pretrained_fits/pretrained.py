"""`zoo.pretrained`: a fit that comes with the zoo, ready to be used."""

from dataclasses import replace
from hashlib import sha256
from typing import overload

import safetensors.torch
import torch
from torch import Tensor

from zoo.checks.arguments import flag
from zoo.device import pick_device
from zoo.isolation import isolated
from zoo.pretrained_fits.cards import FOLDER, FORMAT, Card, card_named, cards
from zoo.pretrained_fits.shelf import Shelf
from zoo.pretrained_fits.stand_in import is_of_card, task_of_card
from zoo.results.earlier import earlier_from
from zoo.results.encoding import decode, decode_guide
from zoo.results.result import Fit
from zoo.training.run import as_it_was, prepare
from zoo.training.trainer import Trainer

PROGRAM, LOSSES = "program/", "losses"  # names in the file of tensors


@overload
def pretrained(name: None = None, *, download: bool = False, device: str = "auto") -> Shelf: ...


@overload
def pretrained(name: str, *, download: bool = False, device: str = "auto") -> Fit: ...


def pretrained(
    name: str | None = None, *, download: bool = False, device: str = "auto"
) -> Fit | Shelf:
    """A pretrained fit by its name, or without a name a list of all of them with their scores.

    The fit is as one that :func:`zoo.fit` returned: it can be sampled, encodes and reconstructs
    rows, and is scored by :func:`zoo.evaluate`. Where the files of its data are missing it works
    all the same on rows that are passed; what asks for the data set says where it is looked for.
    The optimizer's state is not kept, so that a fit that resumes it begins with a fresh one.

    Args:
        name: such as "pixelvae"; other names of the same thing are known, such as "sbn".
        download: fetch the files of the data if they are missing.
        device: "auto", "cpu" or "cuda".

    Returns:
        The fit; without a name, the cards of all fits by name, which print as a table.

    Raises:
        ValueError: for a name that is not known, and for damaged files.

    Example:
        >>> import zoo
        >>> fit = zoo.pretrained("eight_schools")
        >>> fit.posterior(1000)["mu"].shape
        torch.Size([1000])
    """
    download, device = flag("download", download), pick_device(device)
    if name is None:
        return Shelf(cards())
    card = card_named(name)
    return restored(card, _tensors(card), device, download=download)


def _tensors(card: Card) -> dict[str, Tensor]:
    """The tensors of a fit, held against the checksum on its card.

    Raises:
        ValueError: for a card of another format, and for a file that is missing or damaged.
    """
    if card["format"] != FORMAT:
        raise ValueError(
            f"Expected a card of format {FORMAT}; that of '{card['name']}' has {card['format']}. "
            "Install the zoo again."
        )
    path = FOLDER / card["weights"]["file"]
    content = path.read_bytes() if path.exists() else b""
    if sha256(content).hexdigest() != card["weights"]["sha256"]:
        what = "damaged" if content else "missing"
        raise ValueError(f"{path} is {what}: its checksum is not that on its card. Install again.")
    return safetensors.torch.load(content)


def restored(
    card: Card, tensors: dict[str, Tensor], device: str, *, download: bool = False
) -> Fit:
    """The fit of a card and its tensors.

    Args:
        card: says what was fitted.
        tensors: those of the program, and the losses.
        device: "cpu" or "cuda".
        download: fetch the files of the data if they are missing.

    Raises:
        ValueError: for tensors of another model, or a model whose code has changed.
    """
    record, settings = dict(card["fit"]), decode(card["fit"]["settings"])
    task, data = task_of_card(card, download=download)
    same = data.missing is None and is_of_card(data, card)
    if not same:  # on other rows, or on stand-ins, the model's densities are others too
        record["densities"] = {}
    with isolated(seed=settings.seed):
        run = prepare(task, decode_guide(record["guide"]), settings, device, None)
        assert isinstance(run.trainer, Trainer)
        state = {f"last/{name}": tensor for name, tensor in tensors.items()}
        state |= {LOSSES: tensors[LOSSES], "last/random": torch.get_rng_state()}
        record |= {"optimizer_groups": run.trainer.optimizer.state_dict()["param_groups"]}
        fit = as_it_was(run, earlier_from(record, state))
    fit.task, fit.densities = replace(task, data=data), card["fit"]["densities"]
    return fit
