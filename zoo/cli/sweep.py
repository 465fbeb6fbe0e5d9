"""`zoo sweep`: settings tried out on the command line."""

import json
import sys
from collections.abc import Callable
from dataclasses import Field, field, fields, make_dataclass
from typing import Annotated, Any, get_args

import typer
from rich.console import Console

from zoo.checks.arguments import refusal
from zoo.cli.commands import INTERRUPTED, in_digits
from zoo.cli.options import (
    AsJson,
    Draws,
    FitOptions,
    Model,
    Particles,
    TaskOptions,
    names_of,
    with_groups,
)

NAMED = {"kl_warm_up": "kl_weight"}  # option -> the setting of `zoo.fit` that it stands for
READ: dict[type, Callable[[str], Any]] = {int: lambda text: int(in_digits(text)), float: float}


def _numeric(kind: Any) -> type | None:
    """The type of number that an option is; None for another option."""
    return next((one for one in (int, float) if one in get_args(get_args(kind)[0])), None)


def _listed(kind: Any) -> Any:
    """The annotation of an option that takes several numbers with commas."""
    (info,) = kind.__metadata__
    text = f"{info.help.rstrip('.')}. One number or several."
    return Annotated[str | None, typer.Option(*info.param_decls, help=text)]


def _swept(one: Field) -> tuple[str, Any, Field]:
    if _numeric(one.type) is None:
        return one.name, one.type, field(default=one.default)
    nothing: Any = None
    return one.name, _listed(one.type), field(default=nothing)


NUMBERS = {one.name: kind for one in fields(FitOptions) if (kind := _numeric(one.type))}
SweptOptions = make_dataclass("SweptOptions", map(_swept, fields(FitOptions)), frozen=True)


@with_groups
def sweep_command(
    model: Model = "bernoulli_vae",
    *,
    guides: Annotated[
        str | None,
        typer.Option(help="Comma-separated names, or all that fit; default: the model's own."),
    ] = None,
    objectives: Annotated[
        str | None,
        typer.Option(help="Comma-separated names, or all that fit; default: the model's own."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds of each setting.")] = 5,
    metric: Annotated[
        str, typer.Option(help="The score on validation rows: elbo, or iwae_K for any K.")
    ] = "elbo",
    task_options: TaskOptions,
    fit_options: SweptOptions,  # type: ignore[valid-type]
    particles: _listed(Particles) = None,  # type: ignore[valid-type]
    jobs: Annotated[
        int, typer.Option("--jobs", help="Runs at a time, one thread each; -1: one for each core.")
    ] = 1,
    backend: Annotated[
        str, typer.Option(help="loky (processes), threading, or a cluster: dask, ray.")
    ] = "loky",
    draws: Draws = None,
    out: Annotated[
        str | None, typer.Option(help="Folder; the same command goes on from its whole runs.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="What happens anyway: go on from --out.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Remove the sweep in --out first.")
    ] = False,
    log: Annotated[
        str | None, typer.Option("--log", help="tensorboard: each run's folder has a log.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tries out settings; the best on validation rows is reported on test rows.

    Options that say "one number or several" take a list: --lr 1e-3,3e-3 --batch-size 32,128 makes
    four settings. Every setting is tried with every guide, objective and seed.
    """
    asked, aims = names_of(guides or ""), names_of(objectives or "")
    task_options.check(model, [] if asked == ["all"] else asked, [] if aims == ["all"] else aims)
    settings, counts = settings_in(fit_options), numbers_in("particles", particles, int)
    if resume and (force or out is None):
        raise ValueError("--resume goes on from --out, without --force. Leave it out.")
    from zoo.cli.pairs import names_that_fit
    from zoo.sweeps.sweep import sweep

    task = task_options.load(model)
    assert task.recipe is not None
    families, aims = names_that_fit(
        task, asked or [task.usual_guide], aims or [task.recipe.objective]
    )
    found = sweep(
        task,
        families,
        objectives=aims,
        seeds=seeds,
        particles=counts,
        metric=metric,
        jobs=jobs,
        backend=backend,
        draws=draws,
        progress=not as_json,
        log=log,
        out=out,
        force=force,
        **settings,
    )
    console = Console(width=None if sys.stdout.isatty() else 150)
    if as_json:
        typer.echo(json.dumps(found.record(), indent=2))
    else:
        found.show(console)
        if out is not None:
            console.print(f"Written to {out}; sweep.json has the table.", markup=False)
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)


def settings_in(options: Any) -> dict[str, Any]:
    """The settings by the names that :func:`zoo.fit` knows; several numbers make a list.

    Raises:
        ValueError: naming the option.
    """
    given = vars(options)
    lists = {
        name: numbers
        for name, kind in NUMBERS.items()
        if (numbers := numbers_in(name, given[name], kind)) is not None
    }
    single = {name: numbers[0] for name, numbers in lists.items()}
    settings = FitOptions(**(given | single)).settings()
    for name, numbers in lists.items():
        setting = NAMED.get(name, name)
        if len(numbers) > 1:
            each = [FitOptions(**(given | single | {name: one})) for one in numbers]
            settings[setting] = [one.settings()[setting] for one in each]
    return settings


def numbers_in(name: str, text: str | None, kind: type) -> list | None:
    """Numbers with commas, such as 1e-3,3e-3; None where the option is not given.

    Raises:
        ValueError: for anything else.
    """
    if text is None:
        return None
    try:
        numbers = [READ[kind](part) for part in names_of(text)]
    except ValueError:
        numbers = []
    if not numbers:
        option, example = f"--{name.replace('_', '-')}", "100,200" if kind is int else "1e-3,3e-3"
        wanted = "a whole number, or several with commas" if kind is int else "numbers with commas"
        raise refusal(option, wanted, text, f"Pass e.g. {option} {example}.")
    return numbers
