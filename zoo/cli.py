"""The command line: parse, call, print."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

import zoo
from guides import GUIDES, guide_named
from zoo.cli_gradients import gradients_command
from zoo.compare import Comparison, compare, row_of, write
from zoo.data import DATA
from zoo.decoders import DECODERS
from zoo.divergence import DivergenceError
from zoo.evaluate import Figures, as_numbers, evaluate
from zoo.likelihoods import LIKELIHOODS
from zoo.listing import Block, blocks, objective_groups
from zoo.models import MODELS
from zoo.objectives import OBJECTIVES
from zoo.pairing import mismatch
from zoo.prepare import describe_task
from zoo.priors import PRIORS
from zoo.report import image_picture, loss_picture, table
from zoo.summary import summarise
from zoo.task import Task, load

app = typer.Typer(
    help="A model zoo for latent-variable models on Pyro.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("gradients")(gradients_command)
console = Console(width=None if sys.stdout.isatty() else 150)

MAIN_GUIDES = {
    "bernoulli_vae": "amortised_normal,amortised_full_rank,amortised_iaf",
}
MAIN_OBJECTIVES = "trace,iwae"

Data = Annotated[str | None, typer.Option("--data", help="Data set; default: the model's usual.")]
Binarize = Annotated[str | None, typer.Option(help="none, threshold, static or dynamic.")]
Steps = Annotated[int | None, typer.Option(help="Number of steps; default: the model's own.")]
Rate = Annotated[float | None, typer.Option("--lr", help="Learning rate of Adam.")]
Batch = Annotated[int | None, typer.Option(help="Rows in a step; 0 for all of them.")]
Seed = Annotated[int, typer.Option(help="Fixes initial values, row order and noise.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Compile = Annotated[str, typer.Option(help="auto, on or off: the compiled path.")]
Draws = Annotated[int, typer.Option(help="Draws from the guide for each row, for scoring.")]
Out = Annotated[Path | None, typer.Option(help="Folder to write results to.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Download = Annotated[bool, typer.Option("--download", help="Fetch missing data files.")]
Prior = Annotated[str | None, typer.Option(help=f"Of a VAE: {', '.join(PRIORS)}.")]
Likelihood = Annotated[str | None, typer.Option(help=f"Of vae: {', '.join(LIKELIHOODS)}.")]
Decoder = Annotated[str | None, typer.Option(help=f"Of vae: {', '.join(DECODERS)}.")]
Dimensions = Annotated[int | None, typer.Option("--latent", help="Latent dimensions of a VAE.")]


@app.command("list")
def list_command(*, as_json: AsJson = False) -> None:
    """Lists models, guides, objectives and data, and which of them pair."""
    if as_json:
        tables: dict[str, Iterable[str]] = {
            "models": MODELS,
            "guides": GUIDES,
            "objectives": OBJECTIVES,
            "data": DATA,
        }
        _print_json({k: [{"name": name} for name in names] for k, names in tables.items()})
        return
    pairs = {model: _pairs(model) for model in MODELS}
    groups = objective_groups(list(OBJECTIVES), pairs)
    _show_objectives(groups)
    _show_pairs(blocks(pairs, groups))
    console.print(f"data: {', '.join(DATA)}")


def _show_objectives(groups: list[tuple[str, ...]]) -> None:
    view = Table(title="Objectives; those of a group go with the same guides")
    view.add_column("group", justify="right")
    view.add_column("objectives")
    for i, names in enumerate(groups, start=1):
        view.add_row(str(i), ", ".join(names))
    console.print(view)


def _show_pairs(found: list[Block]) -> None:
    view = Table(title="Which guides go on which models, under which groups of objectives")
    for heading in ("models (data)", "guides", "groups"):
        view.add_column(heading)
    for block in found:
        models = [f"{name} ({MODELS[name].data})" for name in block.models]
        for model, guide in zip_longest(models, block.guides, fillvalue=""):
            view.add_row(model, guide, " ".join(map(str, block.guides.get(guide, ()))))
        view.add_section()
    console.print(view)


def _pairs(model: str) -> dict[str, list[str]]:
    """Guide -> objectives that go with it on the model."""
    latents = describe_task(load(model))
    pairs = {
        guide: [name for name, o in OBJECTIVES.items() if mismatch(latents, family, o) is None]
        for guide, family in GUIDES.items()
    }
    return {guide: objectives for guide, objectives in pairs.items() if objectives}


@app.command("fit")
def fit_command(
    model: Annotated[str, typer.Argument(help="Name of a model; see `zoo list`.")],
    guide: Annotated[str | None, typer.Option(help="Default: the model's own.")] = None,
    objective: Annotated[str | None, typer.Option(help="Default: the model's own.")] = None,
    data: Data = None,
    binarize: Binarize = None,
    prior: Prior = None,
    likelihood: Likelihood = None,
    decoder: Decoder = None,
    latent: Dimensions = None,
    steps: Steps = None,
    lr: Rate = None,
    batch_size: Batch = None,
    seed: Seed = 0,
    device: Device = "auto",
    compile: Compile = "auto",
    draws: Draws = 1000,
    out: Out = None,
    *,
    download: Download = False,
    as_json: AsJson = False,
) -> None:
    """Trains one pair of guide and objective, scores it, and saves it to --out."""
    task = load(
        model,
        data,
        binarize=binarize,
        download=download,
        prior=prior,
        likelihood=likelihood,
        decoder=decoder,
        latent=latent,
    )
    assert task.recipe is not None
    names = guide or task.recipe.guide, objective or task.recipe.objective
    result = zoo.fit(
        task,
        guide_named(names[0]),
        objective=names[1],
        steps=steps,
        lr=lr,
        batch_size=_batch(batch_size),
        seed=seed,
        device=device,
        compile=_compile(compile),
        progress=not as_json,
    )
    figures = evaluate(result, draws=draws, seed=seed)
    if out is not None:
        zoo.save(result, out)
        (out / "figures.json").write_text(json.dumps(_figures_record(figures), indent=2))
        loss_picture({"-".join(names): result}, out / "losses.png")
        image_picture(result, out / "images.png")
    _show_figures(figures, f"{model}, {names[0]}, {names[1]}", as_json=as_json)
    if not as_json:
        row = row_of(result, figures, *names)
        console.print(f"{row.steps} steps in {row.seconds:.1f} s ({row.path}); {row.stopped}.")


@app.command("evaluate")
def evaluate_command(
    run: Annotated[Path, typer.Argument(help="Folder that `zoo fit --out` wrote.")],
    split: Annotated[str | None, typer.Option(help="train, valid or test.")] = None,
    draws: Draws = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    device: Device = "auto",
    *,
    as_json: AsJson = False,
) -> None:
    """Scores a saved fit again, e.g. with more draws or on another split."""
    figures = evaluate(zoo.load_fit(run, device=device), split=split, draws=draws, seed=seed)
    _show_figures(figures, str(run), as_json=as_json)


@app.command("compare")
def compare_command(
    model: Annotated[
        str, typer.Argument(help="Name of a model; see `zoo list`.")
    ] = "bernoulli_vae",
    guides: Annotated[str | None, typer.Option(help="Comma-separated names.")] = None,
    objectives: Annotated[str, typer.Option(help="Comma-separated names.")] = MAIN_OBJECTIVES,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = 2,
    data: Data = None,
    binarize: Binarize = None,
    prior: Prior = None,
    likelihood: Likelihood = None,
    decoder: Decoder = None,
    latent: Dimensions = None,
    steps: Steps = None,
    lr: Rate = None,
    batch_size: Batch = None,
    device: Device = "auto",
    compile: Compile = "auto",
    draws: Draws = 1000,
    budget: Annotated[
        int | None, typer.Option(help="Evaluations of f for each run, in the place of --steps.")
    ] = None,
    out: Out = None,
    *,
    download: Download = False,
    as_json: AsJson = False,
) -> None:
    """Guides x objectives x seeds on one model: one table, and everything in --out."""
    task = load(
        model,
        data,
        binarize=binarize,
        download=download,
        prior=prior,
        likelihood=likelihood,
        decoder=decoder,
        latent=latent,
    )
    found = compare(
        task,
        _names(guides or MAIN_GUIDES.get(model) or ",".join(_pairs(model))),
        _names(objectives),
        seeds=seeds,
        steps=steps,
        lr=lr,
        batch_size=_batch(batch_size),
        draws=draws,
        device=device,
        compile=_compile(compile),
        progress=not as_json,
        budget=budget,
    )
    if out is not None:
        write(found, out)
    _show_comparison(found, seeds, as_json=as_json)
    if not as_json and out is not None:
        console.print(f"Written to {out}: results.json, an ArviZ file for each run, pictures.")


def _show_comparison(found: Comparison, seeds: int, *, as_json: bool) -> None:
    if as_json:
        _print_json({"rows": [asdict(row) for row in found.rows], "mismatches": found.mismatches})
        return
    task: Task = found.task
    title = f"{task.name} on {task.data.name} ({task.data.binarize}), {seeds} seeds"
    if found.rows:
        console.print(table(summarise(found.rows), found.exact, title))
    for pair, sentence in found.mismatches.items():
        console.print(f"[yellow]{pair}[/yellow]: {sentence}")


def _show_figures(figures: Figures, title: str, *, as_json: bool) -> None:
    if as_json:
        _print_json(_figures_record(figures))
        return
    view = Table(
        title=f"{title}: {figures.split}, {figures.rows} rows, {figures.draws} draws each"
    )
    for heading in ("figure", "value", "standard error", "unit"):
        view.add_column(heading, justify="left" if heading in ("figure", "unit") else "right")
    for name, figure in figures.items():
        view.add_row(name, f"{figure.value:.4f}", f"{figure.se:.4f}", figure.unit)
    console.print(view)
    for name, reason in figures.skipped.items():
        console.print(f"[dim]{name}: {reason}[/dim]")
    console.print(figures.verdict)


def _figures_record(figures: Figures) -> dict[str, object]:
    return {
        "split": figures.split,
        "rows": figures.rows,
        "draws": figures.draws,
        "verdict": figures.verdict,
        "figures": as_numbers(figures),
        "skipped": figures.skipped,
    }


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _batch(size: int | None) -> int | str | None:
    """--batch-size: not given is the model's own, 0 is all rows."""
    return "auto" if size is None else (size or None)


def _compile(text: str) -> bool | str:
    choices: dict[str, bool | str] = {"auto": "auto", "on": True, "off": False}
    if text not in choices:
        raise ValueError(f"Expected --compile auto, on or off; got '{text}'.")
    return choices[text]


def main() -> None:
    """Entry point of the console script: errors of use in one line, no traceback."""
    try:
        app()
    except (ValueError, DivergenceError) as error:
        console.print(f"[red]Error:[/red] {error}", soft_wrap=True)
        sys.exit(2)
