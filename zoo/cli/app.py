"""The command line: parse, call, print.

Nothing here imports torch before a command is known to make sense, as that takes seconds: names
are checked against `zoo.cli.names`, and each command imports what it runs.
"""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

import zoo
from zoo.catalogue.answers import meant
from zoo.catalogue.known import known
from zoo.checks.arguments import device_written
from zoo.cli.commands import INTERRUPTED, Command, Group, version_shown
from zoo.cli.demos import picture_command
from zoo.cli.gradients import gradients_command
from zoo.cli.homework.app import homework_app
from zoo.cli.list import list_command
from zoo.cli.metrics import metrics_asked, show_metrics
from zoo.cli.names import check_goes_together
from zoo.cli.options import (
    AsJson,
    Device,
    Draws,
    FitOptions,
    Model,
    OutOptions,
    Particles,
    Seed,
    TaskOptions,
    Wanted,
    names_of,
    with_groups,
)
from zoo.cli.out import cleared, log_in, out_folder, say_what_follows, write_beside
from zoo.cli.pretrained import opened
from zoo.cli.reference import reference_command
from zoo.cli.refusals import explained, is_of_use
from zoo.cli.report import report_command
from zoo.cli.show import show_command
from zoo.cli.sweep import sweep_command

if TYPE_CHECKING:
    from zoo.evaluation.evaluate import Metrics

app = typer.Typer(
    cls=Group,
    help="A model zoo for latent-variable models on Pyro.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("list", cls=Command)(list_command)
app.command("show", cls=Command)(show_command)
app.command("info", cls=Command, hidden=True)(show_command)
app.command("gradients", cls=Command)(gradients_command)
app.command("picture", cls=Command)(picture_command)
app.command("reference", cls=Command)(reference_command)
app.command("report", cls=Command)(report_command)
app.command("sweep", cls=Command)(sweep_command)
app.add_typer(homework_app, name="homework")
console = Console(width=None if sys.stdout.isatty() else 150)

MAIN_GUIDES = {
    "bernoulli_vae": "amortised_normal,amortised_full_rank,amortised_iaf",
}
MAIN_OBJECTIVES, HELD_OBJECTIVE = "trace,iwae", "trace"


@app.callback()
def before_any_command(
    context: typer.Context,
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=version_shown, is_eager=True, help="Print it."),
    ] = False,
) -> None:
    """Refuses what several processes would do at once, and write to one folder.

    Raises:
        ValueError: under torchrun, for a command other than `zoo fit`.
    """
    count = os.environ.get("WORLD_SIZE", "1")
    if "RANK" in os.environ and count != "1" and context.invoked_subcommand != "fit":
        raise ValueError(
            f"torchrun started {count} processes, and `zoo {context.invoked_subcommand}` takes "
            "one: start it without torchrun. `zoo fit` takes several."
        )


@app.command("version", cls=Command, hidden=True)
def version_command() -> None:
    """Prints the version."""
    typer.echo(f"zoo {zoo.__version__}")


@app.command("help", cls=Command, hidden=True)
def help_command(context: typer.Context) -> None:
    """Prints what `zoo --help` prints."""
    assert context.parent is not None
    typer.echo(context.parent.get_help())


@app.command("fit", cls=Command)
@with_groups
def fit_command(
    model: Model,
    *,
    guide: Annotated[str | None, typer.Option(help="Default: the model's own.")] = None,
    objective: Annotated[str | None, typer.Option(help="Default: the model's own.")] = None,
    task_options: TaskOptions,
    fit_options: FitOptions,
    particles: Particles = None,
    seed: Seed = 0,
    metrics: Wanted = None,
    draws: Draws = None,
    out_options: OutOptions,
    as_json: AsJson = False,
) -> None:
    """Trains one pair of guide and objective, scores it, and saves it to --out."""
    given, pair = model, meant(model, objective, known())
    model, objective = pair or (model, objective)
    task_options.check(model, [guide or None], [objective or None])
    if task_options == TaskOptions():
        check_goes_together(model, guide or None, objective or None)
    asked, settings = metrics_asked(metrics), fit_options.settings()
    from guides import guide_named
    from zoo.evaluation.evaluate import check_scoring
    from zoo.objectives import with_particles
    from zoo.results.shown import training_words
    from zoo.training.parallel.joining import is_first_rank

    first = is_first_rank()  # under torchrun the others train, and leave the rest to it
    folder, resume = out_folder(out_options) if first else None, out_options.resume
    task = task_options.load(model)
    assert task.recipe is not None
    check_scoring(asked, draws)
    names = guide or task.usual_guide, objective or task.recipe.objective
    family = guide_named(names[0])
    if pair is not None and first and not as_json:
        console.print(f"{given} is an objective: fitting {model} x {names[0]} by {names[1]}.")
    if folder is not None:
        begins = cleared(folder, resume=resume, force=out_options.force)
        if begins and resume and not as_json:
            console.print(f"There is no fit in {folder} yet; training starts at the beginning.")
    seconds = out_options.checkpoint_seconds
    log = log_in(folder, out_options.log)
    result = zoo.fit(
        task,
        family,
        objective=names[1] if particles is None else with_particles(names[1], particles),
        seed=seed,
        progress=not as_json,
        on_progress=log,
        checkpoint=None if folder is None else zoo.Checkpoint(folder, seconds),
        resume=folder if resume else None,
        **settings,
    )
    if not first:
        return
    say_what_follows(folder)
    found = zoo.evaluate(result, metrics=asked, draws=draws, seed=seed)
    if folder is not None:
        write_beside(result, found, folder, names)
    if log is not None:
        log.end(result, found)
    _show_metrics(found, f"{model}, {names[0]}, {names[1]}", as_json=as_json)
    if not as_json:
        console.print(f"{training_words(result)}; {result.stopped}.")
        if result.stopped == "interrupted" and folder is not None:
            console.print(f"Go on from {folder} with the same command and --resume.")


@app.command("evaluate", cls=Command)
def evaluate_command(
    run: Annotated[
        Path, typer.Argument(help="Folder that `zoo fit --out` wrote, or pretrained:NAME.")
    ],
    split: Annotated[str | None, typer.Option(help="train, valid or test.")] = None,
    metrics: Wanted = None,
    draws: Draws = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    device: Device = "auto",
    *,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch missing data of a pretrained fit.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Scores a saved fit again, e.g. with more draws or on another split."""
    asked, device = metrics_asked(metrics), device_written(device)
    result = opened(run, device, download=download)
    found = zoo.evaluate(result, metrics=asked, split=split, draws=draws, seed=seed)
    _show_metrics(found, str(run), as_json=as_json)


@app.command("compare", cls=Command)
@with_groups
def compare_command(
    model: Model = "bernoulli_vae",
    *,
    guides: Annotated[
        str | None, typer.Option(help="Comma-separated names, or all that fit.")
    ] = None,
    objectives: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated names, or all that fit; default: "
            f"{MAIN_OBJECTIVES}, or {HELD_OBJECTIVE} with --hold."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = 2,
    hold: Annotated[
        bool, typer.Option("--hold", help="Train the model once, and compare guides under it.")
    ] = False,
    task_options: TaskOptions,
    fit_options: FitOptions,
    budget: Annotated[
        int | None, typer.Option(help="Evaluations of f for each run, in the place of --steps.")
    ] = None,
    draws: Draws = None,
    jobs: Annotated[
        int, typer.Option("--jobs", help="Pairs at a time, one thread each; -1: one a core.")
    ] = 1,
    out_options: OutOptions,
    as_json: AsJson = False,
) -> None:
    """Guides x objectives x seeds on one model: one table, and everything in --out."""
    folder = out_folder(out_options)
    usual_aims = HELD_OBJECTIVE if hold else MAIN_OBJECTIVES
    asked, aims = names_of(guides or ""), names_of(objectives or usual_aims)
    task_options.check(model, [] if asked == ["all"] else asked, [] if aims == ["all"] else aims)
    settings = fit_options.settings()
    from zoo.cli.comparison import comparison_record, show_comparison
    from zoo.cli.pairs import names_that_fit
    from zoo.comparison.compare import compare

    task = task_options.load(model)
    usual = MAIN_GUIDES.get(model, "all")
    families, aims = names_that_fit(task, asked or names_of(usual), aims)
    found = compare(
        task,
        families,
        objectives=aims,
        hold=hold,
        seeds=seeds,
        draws=draws,
        jobs=jobs,
        progress=not as_json,
        budget=budget,
        out=folder,
        resume=out_options.resume,
        force=out_options.force,
        log=out_options.log,
        seconds=out_options.checkpoint_seconds,
        **settings,
    )
    if as_json:
        _print_json(comparison_record(found))
    else:
        show_comparison(console, found)
    if not as_json and folder is not None:
        console.print(f"Written to {folder}; open {folder / 'report.html'} in a browser.")
        if found.interrupted:
            console.print("Go on with the same command and --resume.")
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)


def _show_metrics(metrics: "Metrics", title: str, *, as_json: bool) -> None:
    if as_json:
        from zoo.evaluation.evaluate import metrics_record

        _print_json(metrics_record(metrics))
    else:
        show_metrics(console, metrics, title)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))


def main() -> None:
    """Entry point of the console script: errors of use in one line on stderr, no traceback."""
    try:
        app()
    except Exception as error:
        if not is_of_use(error):
            raise
        typer.echo(f"Error: {' '.join(explained(error).split())}", err=True)
        sys.exit(2)
