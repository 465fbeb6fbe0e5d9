"""The command line: parse, call, print."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import zoo
from guides import guide_named
from zoo.arviz_compat import write_netcdf
from zoo.cli.comparison import comparison_record, show_comparison
from zoo.cli.demos import picture_command
from zoo.cli.gradients import gradients_command
from zoo.cli.list import explained, list_command, pairs_of
from zoo.cli.metrics import metrics_asked, show_metrics
from zoo.cli.options import (
    AsJson,
    Device,
    Draws,
    FitOptions,
    Model,
    OutOptions,
    Seed,
    TaskOptions,
    Wanted,
    names_of,
    with_groups,
)
from zoo.cli.out import cleared, out_folder
from zoo.cli.reference import reference_command
from zoo.comparison.arviz_export import arviz_groups
from zoo.comparison.compare import compare
from zoo.comparison.report import image_picture, loss_picture
from zoo.compile.capture import CaptureError
from zoo.compile.compile_error import CompileError
from zoo.evaluation.evaluate import Metrics, check_scoring, evaluate, metrics_record
from zoo.files import write_whole
from zoo.training.divergence import DivergenceError
from zoo.training.parallel.joining import is_first_rank

app = typer.Typer(
    help="A model zoo for latent-variable models on Pyro.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("list")(list_command)
app.command("gradients")(gradients_command)
app.command("picture")(picture_command)
app.command("reference")(reference_command)
console = Console(width=None if sys.stdout.isatty() else 150)

INTERRUPTED = 130  # the exit status of a process that Ctrl-C ended
USE = (ValueError, CaptureError, CompileError, DivergenceError, OSError)

MAIN_GUIDES = {
    "bernoulli_vae": "amortised_normal,amortised_full_rank,amortised_iaf",
}
MAIN_OBJECTIVES = "trace,iwae"


@app.command("fit")
@with_groups
def fit_command(
    model: Model,
    *,
    guide: Annotated[str | None, typer.Option(help="Default: the model's own.")] = None,
    objective: Annotated[str | None, typer.Option(help="Default: the model's own.")] = None,
    task_options: TaskOptions,
    fit_options: FitOptions,
    seed: Seed = 0,
    metrics: Wanted = None,
    draws: Draws = None,
    out_options: OutOptions,
    as_json: AsJson = False,
) -> None:
    """Trains one pair of guide and objective, scores it, and saves it to --out."""
    first = is_first_rank()  # under torchrun the others train, and leave the rest to it
    folder, resume = out_folder(out_options) if first else None, out_options.resume
    task, settings = task_options.load(model), fit_options.settings()
    assert task.recipe is not None
    asked = metrics_asked(metrics)
    check_scoring(asked, draws)
    names = guide or task.usual_guide, objective or task.recipe.objective
    family = guide_named(names[0])
    if folder is not None:
        begins = cleared(folder, resume=resume, force=out_options.force)
        if begins and resume and not as_json:
            console.print(f"There is no fit in {folder} yet; training starts at the beginning.")
    seconds = out_options.checkpoint_seconds
    result = zoo.fit(
        task,
        family,
        objective=names[1],
        seed=seed,
        progress=not as_json,
        checkpoint=None if folder is None else zoo.Checkpoint(folder, seconds),
        resume=folder if resume else None,
        **settings,
    )
    if not first:
        return
    found = evaluate(result, metrics=asked, draws=draws, seed=seed)
    if folder is not None:
        _write_beside(result, found, folder, "-".join(names))
    _show_metrics(found, f"{model}, {names[0]}, {names[1]}", as_json=as_json)
    if not as_json:
        kind, how = ("steps", result.backend)
        if result.settings.dadvi:
            kind, how = "steps of L-BFGS", "DADVI"
        steps = f"{len(result.losses)} {kind} in {result.seconds:.1f} s"
        console.print(f"{steps} ({how}); {result.stopped}.")
        if result.stopped == "interrupted" and folder is not None:
            console.print(f"Go on from {folder} with the same command and --resume.")


def _write_beside(result: zoo.Fit, found: Metrics, folder: Path, name: str) -> None:
    """Metrics, pictures and an ArviZ file beside a saved fit."""
    record = json.dumps(metrics_record(found), indent=2, allow_nan=False)
    write_whole(folder / "metrics.json", record)
    loss_picture({name: result}, folder / "losses.png")
    image_picture(result, folder / "images.png")
    write_netcdf(arviz_groups(result), folder / "arviz.nc")


@app.command("evaluate")
def evaluate_command(
    run: Annotated[Path, typer.Argument(help="Folder that `zoo fit --out` wrote.")],
    split: Annotated[str | None, typer.Option(help="train, valid or test.")] = None,
    metrics: Wanted = None,
    draws: Draws = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    device: Device = "auto",
    *,
    as_json: AsJson = False,
) -> None:
    """Scores a saved fit again, e.g. with more draws or on another split."""
    result, asked = zoo.load_fit(run, device=device), metrics_asked(metrics)
    found = evaluate(result, metrics=asked, split=split, draws=draws, seed=seed)
    _show_metrics(found, str(run), as_json=as_json)


@app.command("compare")
@with_groups
def compare_command(
    model: Model = "bernoulli_vae",
    *,
    guides: Annotated[str | None, typer.Option(help="Comma-separated names.")] = None,
    objectives: Annotated[str, typer.Option(help="Comma-separated names.")] = MAIN_OBJECTIVES,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = 2,
    task_options: TaskOptions,
    fit_options: FitOptions,
    budget: Annotated[
        int | None, typer.Option(help="Evaluations of f for each run, in the place of --steps.")
    ] = None,
    draws: Draws = None,
    out_options: OutOptions,
    as_json: AsJson = False,
) -> None:
    """Guides x objectives x seeds on one model: one table, and everything in --out."""
    folder, task = out_folder(out_options), task_options.load(model)
    found = compare(
        task,
        names_of(guides or MAIN_GUIDES.get(model) or ",".join(pairs_of(task))),
        names_of(objectives),
        seeds=seeds,
        draws=draws,
        progress=not as_json,
        budget=budget,
        out=folder,
        resume=out_options.resume,
        force=out_options.force,
        seconds=out_options.checkpoint_seconds,
        **fit_options.settings(),
    )
    if as_json:
        _print_json(comparison_record(found))
    else:
        show_comparison(console, found, seeds)
    if not as_json and folder is not None:
        console.print(f"Written to {folder}: results.json, pictures, and a folder for each run.")
        if found.interrupted:
            console.print("Go on with the same command and --resume.")
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)


def _show_metrics(metrics: Metrics, title: str, *, as_json: bool) -> None:
    if as_json:
        _print_json(metrics_record(metrics))
    else:
        show_metrics(console, metrics, title)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))


def main() -> None:
    """Entry point of the console script: errors of use in one line on stderr, no traceback."""
    try:
        app()
    except USE as error:
        typer.echo(f"Error: {' '.join(explained(error).split())}", err=True)
        sys.exit(2)
