"""The options that commands share, in groups, and how their texts are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, get_annotations, signature
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.catalogue.known import known
from zoo.checks.arguments import device_written, one_of, refusal, whole
from zoo.cli.names import check, check_data

if TYPE_CHECKING:
    from zoo.optim.schedules import Linear
    from zoo.task import Task

Model = Annotated[str, typer.Argument(help="Name of a model; see `zoo list`.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Seed = Annotated[int, typer.Option(help="Fixes initial values, row order and noise.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Draws = Annotated[
    int | None,
    typer.Option(help="Draws from the guide for each row, for scoring; default: 1000, or fewer."),
]
Wanted = Annotated[
    str | None, typer.Option("--metrics", help="Names or groups, comma-separated, or all.")
]

Particles = Annotated[
    int | None, typer.Option("--particles", help="Of the objective; default: its own number.")
]


def _names(kind: str) -> str:
    return ", ".join(known()[kind])


@dataclass(frozen=True)
class TaskOptions:
    """Which data, and what the model is put together from."""

    data: Annotated[
        str | None, typer.Option("--data", help="Data set; default: the model's usual.")
    ] = None
    binarize: Annotated[str | None, typer.Option(help="none, threshold, static or dynamic.")] = (
        None
    )
    prior: Annotated[str | None, typer.Option(help=f"Of a VAE: {_names('prior')}.")] = None
    likelihood: Annotated[str | None, typer.Option(help=f"Of VAEs: {_names('likelihood')}.")] = (
        None
    )
    decoder: Annotated[str | None, typer.Option(help=f"Of VAEs: {_names('decoder')}.")] = None
    latent: Annotated[int | None, typer.Option("--latent", help="Latent dimensions of a VAE.")] = (
        None
    )
    groups: Annotated[
        str | None, typer.Option(help="Sizes of layers of latents, the top first: 8,16.")
    ] = None
    download: Annotated[bool, typer.Option("--download", help="Fetch missing data files.")] = False

    def check(
        self,
        model: str,
        guides: Sequence[str | None] = (),
        objectives: Sequence[str | None] = (),
    ) -> None:
        """Refuses a name that does not exist, before torch is imported; None is the usual one.

        Raises:
            ValueError: as :func:`zoo.load`, for the names and the numbers in `groups`.
        """
        check("model", model)
        check("prior", self.prior)
        check("likelihood", self.likelihood)
        check("decoder", self.decoder)
        check_data(self.data)
        sizes_of(self.groups)
        check("guide", *guides)
        check("objective", *objectives)

    def load(self, model: str) -> "Task":
        """The task of that model.

        Raises:
            ValueError: as :func:`zoo.load`.
        """
        from zoo.task import load

        return load(model, **vars(self) | {"groups": sizes_of(self.groups)})


@dataclass(frozen=True)
class FitOptions:
    """How a fit is trained."""

    steps: Annotated[
        int | None, typer.Option(help="Number of steps; default: the model's own.")
    ] = None
    lr: Annotated[float | None, typer.Option("--lr", help="Learning rate.")] = None
    optimizer: Annotated[
        str | None,
        typer.Option(help="Such as adam or ivon; default: what suits the guide."),
    ] = None
    batch_size: Annotated[int | None, typer.Option(help="Rows in a step; 0 for all of them.")] = (
        None
    )
    kl_warm_up: Annotated[
        int | None,
        typer.Option(
            "--kl-warm-up", help="Steps in which the KL term's weight rises from 0 to 1."
        ),
    ] = None
    compile: Annotated[str, typer.Option(help="auto, on or off: the compiled path.")] = "auto"
    until: Annotated[
        str | None, typer.Option(help="steps, converged or auto: when training ends.")
    ] = None
    tolerance: Annotated[
        float | None, typer.Option(help="How far a mean may still move at the end, in its sds.")
    ] = None
    average: Annotated[
        str, typer.Option(help="auto, on or off: end at the mean of the last iterates.")
    ] = "auto"
    device: Device = "auto"

    def settings(self) -> dict[str, Any]:
        """The same by the names that :func:`zoo.fit` knows.

        Raises:
            ValueError: naming the option.
        """
        where_given = {
            "optimizer": self.optimizer,
            "until": self.until,
            "tolerance": self.tolerance,
        }
        return {
            "steps": self.steps,
            "lr": self.lr,
            "batch_size": "auto" if self.batch_size is None else (self.batch_size or None),
            "kl_weight": warm_up_of(self.kl_warm_up),
            "compile": switch_of("--compile", self.compile),
            "average": switch_of("--average", self.average),
            "device": device_written(self.device),
            **{name: value for name, value in where_given.items() if value is not None},
        }


@dataclass(frozen=True)
class OutOptions:
    """Where a command writes, and what it does about what is there."""

    out: Annotated[
        str | None, typer.Option(help="Folder to write to, while training too; tried before it.")
    ] = None
    checkpoint_seconds: Annotated[
        float, typer.Option("--checkpoint-seconds", min=0, help="Time between two checkpoints.")
    ] = 60.0
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from what --out holds, or begin if it is empty."),
    ] = False
    force: Annotated[
        bool, typer.Option("--force", help="Replace what the zoo wrote to --out.")
    ] = False
    log: Annotated[
        str | None, typer.Option("--log", help="tensorboard: write a log to --out as well.")
    ] = None


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """The command with each argument that is a group of options spread into its fields.

    Typer makes one option of each parameter and knows no groups; with this, an option that
    several commands share is written once.
    """
    hints = get_annotations(command, eval_str=True)
    groups = {name: kind for name, kind in hints.items() if is_dataclass(kind)}

    @wraps(command)
    def call(**given: Any) -> None:
        for name, group in groups.items():
            own = {field.name: given.pop(field.name) for field in fields(group)}
            given[name] = group(**own)  # type: ignore[operator]
        command(**given)

    spread = list[Parameter]()
    for one in signature(command).parameters.values():
        kind = hints[one.name]
        group = fields(kind) if is_dataclass(kind) else ()
        spread += [
            Parameter(f.name, Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type)
            for f in group
        ] or [one.replace(kind=Parameter.KEYWORD_ONLY, annotation=kind)]
    call.__signature__ = Signature(spread)  # type: ignore[attr-defined]
    call.__annotations__ = {one.name: one.annotation for one in spread}
    return call


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


def warm_up_of(steps: int | None) -> "Linear | None":
    """--kl-warm-up: not given or 0 is none."""
    if steps is not None:
        whole("--kl-warm-up", steps, least=0, way="Pass e.g. --kl-warm-up 1000, or 0 for none.")
    if not steps:
        return None
    from zoo.optim.schedules import Linear

    return Linear(0.0, 1.0, steps)


def switch_of(option: str, text: str) -> bool | str:
    """The value of an option that is auto, on or off."""
    choices: dict[str, bool | str] = {"auto": "auto", "on": True, "off": False}
    return choices[one_of(option, text, choices)]
