"""The options that commands share, and how their texts are read."""

from typing import Annotated

import typer

from zoo.checks.arguments import one_of, refusal, whole
from zoo.decoders import DECODERS
from zoo.likelihoods import LIKELIHOODS
from zoo.optim.schedules import Linear
from zoo.priors import PRIORS

Data = Annotated[str | None, typer.Option("--data", help="Data set; default: the model's usual.")]
Binarize = Annotated[str | None, typer.Option(help="none, threshold, static or dynamic.")]
Steps = Annotated[int | None, typer.Option(help="Number of steps; default: the model's own.")]
Rate = Annotated[float | None, typer.Option("--lr", help="Learning rate of Adam.")]
Batch = Annotated[int | None, typer.Option(help="Rows in a step; 0 for all of them.")]
Seed = Annotated[int, typer.Option(help="Fixes initial values, row order and noise.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Compile = Annotated[str, typer.Option(help="auto, on or off: the compiled path.")]
Draws = Annotated[
    int | None,
    typer.Option(help="Draws from the guide for each row, for scoring; default: 1000, or fewer."),
]
Wanted = Annotated[
    str | None, typer.Option("--metrics", help="Names or groups, comma-separated, or all.")
]
Out = Annotated[
    str | None, typer.Option(help="Folder to write to, while training too; tried before it.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from what --out holds, or begin if it is empty.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace what the zoo wrote to --out.")]
Seconds = Annotated[
    float, typer.Option("--checkpoint-seconds", min=0, help="Time between two checkpoints.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Download = Annotated[bool, typer.Option("--download", help="Fetch missing data files.")]
Prior = Annotated[str | None, typer.Option(help=f"Of a VAE: {', '.join(PRIORS)}.")]
Likelihood = Annotated[
    str | None, typer.Option(help=f"Of vae and hvae: {', '.join(LIKELIHOODS)}.")
]
Decoder = Annotated[
    str | None, typer.Option(help=f"Of vae, dequantised_vae, flow_vae: {', '.join(DECODERS)}.")
]
WarmUp = Annotated[
    int | None,
    typer.Option("--kl-warm-up", help="Steps in which the KL term's weight rises from 0 to 1."),
]
Dimensions = Annotated[int | None, typer.Option("--latent", help="Latent dimensions of a VAE.")]
Groups = Annotated[
    str | None, typer.Option(help="Sizes of layers of latents, the top first: 8,16.")
]


def names_of(text: str) -> list[str]:
    """Names separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def sizes_of(text: str | None) -> tuple[int, ...] | None:
    """--groups: numbers separated by commas."""
    if text is None:
        return None
    names = names_of(text)
    if not names or not all(name.isdecimal() and len(name) < 10 for name in names):
        raise refusal("--groups", "whole numbers with commas", text, "Pass e.g. --groups 8,16.")
    return tuple(int(name) for name in names)


def warm_up_of(steps: int | None) -> Linear | None:
    """--kl-warm-up: not given or 0 is none."""
    if steps is not None:
        whole("--kl-warm-up", steps, least=0, way="Pass e.g. --kl-warm-up 1000, or 0 for none.")
    return Linear(0.0, 1.0, steps) if steps else None


def batch_of(size: int | None) -> int | str | None:
    """--batch-size: not given is the model's own, 0 is all rows."""
    return "auto" if size is None else (size or None)


def compile_of(text: str) -> bool | str:
    """--compile: auto, on or off."""
    choices: dict[str, bool | str] = {"auto": "auto", "on": True, "off": False}
    return choices[one_of("--compile", text, choices)]
