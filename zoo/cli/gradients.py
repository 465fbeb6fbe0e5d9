"""`zoo gradients`: bias, variance and cost of estimators on the command line."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from zoo.checks.arguments import device_written, refusal
from zoo.cli.names import check
from zoo.cli.options import AsJson, Device, Model, TaskOptions, names_of, with_groups

if TYPE_CHECKING:
    from zoo.gradients.estimator import Estimator
    from zoo.gradients.results import Gradients

USUAL = (
    "reinforce,nvil,rloo,disarm,arms,double_cv,rodeo,muprop,rebar,relax,"
    "gumbel_softmax,straight_through,gumbel_rao"
)
RELAXED = {  # estimator -> guide; the objective is `mean_field`, or what follows a colon
    "gumbel_softmax": "relaxed",
    "straight_through": "straight_through",
    "gumbel_rao": "gumbel_rao",
}


@with_groups
def gradients_command(
    model: Model = "bernoulli_latent",
    *,
    task_options: TaskOptions,
    objectives: Annotated[
        str,
        typer.Option(
            help="Comma-separated names of objectives, or of relaxed estimators: "
            "gumbel_softmax, straight_through, gumbel_rao, with :trace for the relaxed KL."
        ),
    ] = USUAL,
    guide: Annotated[str | None, typer.Option(help="Default: the model's own.")] = None,
    at: Annotated[str, typer.Option(help="initial, middle, trained; or several.")] = "trained",
    draws: Annotated[int, typer.Option(help="Gradients of each estimator.")] = 4096,
    temperatures: Annotated[str, typer.Option(help="Of relaxed estimators.")] = "0.1,0.3,1",
    training: Annotated[str | None, typer.Option(help="Objective of the fit.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of the fit.")] = None,
    tune: Annotated[int, typer.Option(help="Steps of tuning what is the estimator's own.")] = 500,
    rows: Annotated[int | None, typer.Option(help="Training rows to take.")] = None,
    seed: Annotated[int, typer.Option(help="Of the fit, the rows and the noise.")] = 0,
    device: Device = "auto",
    out: Annotated[Path | None, typer.Option(help="Folder to write results to.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bias, variance and cost of gradient estimators, at the same parameters."""
    task_options.check(model, [guide or None], [training])
    check_estimators(names_of(objectives))
    scales = [_number(tau) for tau in names_of(temperatures)]
    device_written(device)
    from guides import guide_named
    from zoo.gradients.measure import measure_gradients
    from zoo.gradients.report import write_gradients

    task = task_options.load(model)
    assert task.recipe is not None
    console = Console(width=None if sys.stdout.isatty() else 180)
    estimators = [estimator_named(name) for name in names_of(objectives)]
    with Console(stderr=True).status("") as status:
        found = measure_gradients(
            task,
            guide_named(guide or task.recipe.guide),
            estimators,
            at=names_of(at),
            draws=draws,
            temperatures=scales,
            training=training,
            steps=steps,
            tune=tune,
            rows=rows,
            seed=seed,
            device=device,
            shown=status.update,
        )
    if out is not None:
        write_gradients(found, out)
    _show(found, console, as_json=as_json)
    if not as_json and out is not None:
        console.print(f"Written to {out}: gradients.json and pictures.")


def check_estimators(names: list[str]) -> None:
    """Refuses a name that is neither an objective nor a relaxed guide with one.

    Raises:
        ValueError: for the first unknown name.
    """
    for name in names:
        relaxed, _, objective = name.partition(":")
        check("objective", (objective or "mean_field") if relaxed in RELAXED else name)


def estimator_named(name: str) -> "Estimator":
    """An objective of the table, or a relaxed guide with the objective after a colon.

    Raises:
        ValueError: for an unknown name.
    """
    from guides import guide_named
    from zoo.gradients.estimator import Estimator, as_estimator
    from zoo.objectives import as_objective

    relaxed, _, objective = name.partition(":")
    if relaxed not in RELAXED:
        return as_estimator(name)
    return Estimator(name, as_objective(objective or "mean_field"), guide_named(RELAXED[relaxed]))


def _show(found: "Gradients", console: Console, *, as_json: bool) -> None:
    if as_json:
        rows = [asdict(row) for row in found.rows]
        typer.echo(json.dumps({"rows": rows, "mismatches": found.mismatches}, indent=2))
        return
    from zoo.gradients.report import gradient_table

    settings = found.settings
    title = (
        f"Gradients of {found.task.name} with {settings['guide']}: {settings['draws']} draws, "
        f"{settings['rows']} rows of {found.task.data.name}"
    )
    if found.rows:
        console.print(gradient_table(found, title))
    for name, sentence in found.mismatches.items():
        console.print(f"[yellow]{name}[/yellow]: {sentence}")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        way = "Pass e.g. --temperatures 0.1,0.3,1."
        raise refusal("--temperatures", "numbers with commas", text, way) from error
