"""Trains, scores and writes the fits that are shipped with the zoo.

    python -m benchmarks.pretrained.make              all that are missing or changed
    python -m benchmarks.pretrained.make vae hmm      these

Each fit is trained by its command of `zoo fit` into runs/pretrained/NAME, and after a kill the
same command goes on from there. What is shipped are the tensors without the state of the
optimizer; the card is scored on these, read again from the file as a user would. A fit that has a
card by the same command is left alone; --again scores it again.

It is no part of the package, which only reads what this writes: it needs the repository.
"""

import argparse
import json
import shlex
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

import zoo
from benchmarks import records
from benchmarks.pretrained.recipes import LICENCES, RECIPES, Recipe
from zoo.evaluation.evaluate import metrics_record
from zoo.files import write_whole
from zoo.handlers.parameters import named_tensors
from zoo.pretrained_fits.cards import FOLDER, FORMAT, cards
from zoo.pretrained_fits.pretrained import LOSSES, PROGRAM, restored
from zoo.pretrained_fits.stand_in import data_of
from zoo.results.earlier import numbers_of
from zoo.results.request import asked

RUNS = Path("runs") / "pretrained"
LEFT_OUT = ("optimizer_groups", "model", "parts", "data", "model_kwargs")  # of a saved fit
ONLY_TO_GO_ON = ("stride", "stage", "tail")  # what the next step would depend on


def make(name: str, recipe: Recipe) -> dict[str, Any]:
    """Trains a fit or goes on with it, scores it, and writes its two files; returns the card."""
    command = f"{recipe.command} --device cpu --out {RUNS / name}"
    trained(command, RUNS / name)
    fit = zoo.load_fit(RUNS / name, device="cpu")
    tensors = stored(fit)
    content = safetensors.torch.save(tensors)
    card = {"format": FORMAT, "name": name, "says": recipe.says, "command": command}
    card |= about(fit, command) | {
        "licence": {"weights": "Apache-2.0", "data": LICENCES[fit.task.data.name]},
        "weights": {
            "file": f"{name}.safetensors",
            "bytes": len(content),
            "numbers": sum(t.numel() for n, t in tensors.items() if n != LOSSES),
            "sha256": sha256(content).hexdigest(),
        },
    }
    again = restored(card, safetensors.torch.load(content), "cpu")
    card["scores"] = scores(zoo.evaluate(again, metrics=recipe.metrics, draws=recipe.draws))
    made = records.made_now(fit.task.data)
    card["made"] = {key: made[key] for key in ("date", "commit", "versions", "threads")}
    write(card, content)
    return card


def trained(command: str, folder: Path) -> None:
    """Runs `zoo fit` with this Python, or goes on with it, unless it has come to its end."""
    done = folder / "trained.txt"
    if done.exists() and done.read_text() == command:
        return
    quick = ["--metrics", "elbo"]  # the card's metrics are computed from what is shipped
    words = [*shlex.split(command)[1:], "--resume", *quick]
    subprocess.run([sys.executable, "-m", "zoo", *words], check=True)
    write_whole(done, command)


def stored(fit: zoo.Fit) -> dict[str, Tensor]:
    """The tensors that are shipped: parameters and buffers at the fit's best state, and losses."""
    tensors = {f"{PROGRAM}{name}": value for name, value in named_tensors(fit.program).items()}
    tensors[LOSSES] = fit.losses
    return {name: value.cpu().contiguous() for name, value in tensors.items()}


def about(fit: zoo.Fit, command: str) -> dict[str, Any]:
    """What was fitted to what, and how it ended."""
    request = asked(fit.task, fit.guide_spec, fit.settings, {})
    record = request | numbers_of(fit) | dict.fromkeys(ONLY_TO_GO_ON)
    words = shlex.split(command)
    assert fit.task.recipe is not None
    usual = {"--guide": fit.task.usual_guide, "--objective": fit.task.recipe.objective}
    named = {
        option: words[words.index(option) + 1] if option in words else name
        for option, name in usual.items()
    }
    return {
        "model": fit.task.name,
        "parts": request["parts"],
        "guide": named["--guide"],
        "objective": named["--objective"],
        "data": data_of(fit.task.data),
        "fit": {name: part for name, part in record.items() if name not in LEFT_OUT},
    }


def scores(found: zoo.Metrics) -> dict[str, Any]:
    """The metrics and the verdict; why others were left out is for `zoo.evaluate` to say."""
    return {name: part for name, part in metrics_record(found).items() if name != "skipped"}


def write(card: dict[str, Any], content: bytes) -> None:
    """Writes tensors and card, the card last: without it the fit is not there."""
    FOLDER.mkdir(exist_ok=True)
    write_whole(FOLDER / card["weights"]["file"], content)
    text = json.dumps(card, indent=1, allow_nan=False, ensure_ascii=False)
    write_whole(FOLDER / f"{card['name']}.json", f"{text}\n")


def is_made(name: str, recipe: Recipe) -> bool:
    """Is there a card by this command?"""
    card = cards().get(name)
    return card is not None and card["command"].startswith(f"{recipe.command} --device")


def main() -> None:
    """Makes what is asked for, one after the other, and prints a line each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(RECIPES)}")
    parser.add_argument("--again", action="store_true", help="also what has a card already")
    options = parser.parse_args()
    unknown = set(options.names) - set(RECIPES)
    if unknown:
        parser.error(f"no recipe for {', '.join(sorted(unknown))}")
    for name in options.names or RECIPES:
        if options.again or not is_made(name, RECIPES[name]):
            card = make(name, RECIPES[name])
            print(f"{name}: {card['weights']['bytes']:,} bytes; {card['scores']['verdict']}")


if __name__ == "__main__":
    main()
