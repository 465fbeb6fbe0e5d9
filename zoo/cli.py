"""The command line: parse, call, print."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import zoo
from guides import guide_named
from zoo.arviz_bridge import write_netcdf
from zoo.arviz_groups import arviz_groups
from zoo.cli_figures import figures_asked, figures_record, show_figures
from zoo.cli_gradients import gradients_command
from zoo.cli_list import list_command, pairs_of
from zoo.cli_picture import picture_command
from zoo.cli_reference import reference_command
from zoo.compare import Comparison, compare, row_of, write
from zoo.decoders import DECODERS
from zoo.divergence import DivergenceError
from zoo.evaluate import Figures, evaluate
from zoo.likelihoods import LIKELIHOODS
from zoo.priors import PRIORS
from zoo.report import image_picture, loss_picture, table
from zoo.schedules import Linear
from zoo.summary import summarise
from zoo.task import Task, load

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
Draws = Annotated[
    int | None,
    typer.Option(help="Draws from the guide for each row, for scoring; default: 1000, or fewer."),
]
Wanted = Annotated[
    str | None, typer.Option("--figures", help="Names or groups, comma-separated, or all.")
]
Out = Annotated[Path | None, typer.Option(help="Folder to write results to.")]
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
    groups: Groups = None,
    steps: Steps = None,
    lr: Rate = None,
    batch_size: Batch = None,
    kl_warm_up: WarmUp = None,
    seed: Seed = 0,
    device: Device = "auto",
    compile: Compile = "auto",
    figures: Wanted = None,
    draws: Draws = None,
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
        groups=_sizes(groups),
    )
    assert task.recipe is not None
    names = guide or task.usual_guide, objective or task.recipe.objective
    result = zoo.fit(
        task,
        guide_named(names[0]),
        objective=names[1],
        steps=steps,
        lr=lr,
        batch_size=_batch(batch_size),
        seed=seed,
        device=device,
        kl_weight=_warm_up(kl_warm_up),
        compile=_compile(compile),
        progress=not as_json,
    )
    if out is not None:
        zoo.save(result, out)
    found = evaluate(result, figures=figures_asked(figures), draws=draws, seed=seed)
    if out is not None:
        (out / "figures.json").write_text(json.dumps(figures_record(found), indent=2))
        loss_picture({"-".join(names): result}, out / "losses.png")
        image_picture(result, out / "images.png")
        write_netcdf(arviz_groups(result), out / "arviz.nc")
    _show_figures(found, f"{model}, {names[0]}, {names[1]}", as_json=as_json)
    if not as_json:
        row = row_of(result, found, *names)
        console.print(f"{row.steps} steps in {row.seconds:.1f} s ({row.path}); {row.stopped}.")


@app.command("evaluate")
def evaluate_command(
    run: Annotated[Path, typer.Argument(help="Folder that `zoo fit --out` wrote.")],
    split: Annotated[str | None, typer.Option(help="train, valid or test.")] = None,
    figures: Wanted = None,
    draws: Draws = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    device: Device = "auto",
    *,
    as_json: AsJson = False,
) -> None:
    """Scores a saved fit again, e.g. with more draws or on another split."""
    result, asked = zoo.load_fit(run, device=device), figures_asked(figures)
    found = evaluate(result, figures=asked, split=split, draws=draws, seed=seed)
    _show_figures(found, str(run), as_json=as_json)


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
    groups: Groups = None,
    steps: Steps = None,
    lr: Rate = None,
    batch_size: Batch = None,
    device: Device = "auto",
    compile: Compile = "auto",
    draws: Draws = None,
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
        groups=_sizes(groups),
    )
    found = compare(
        task,
        _names(guides or MAIN_GUIDES.get(model) or ",".join(pairs_of(task))),
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
        _print_json(figures_record(figures))
    else:
        show_figures(console, figures, title)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _sizes(text: str | None) -> tuple[int, ...] | None:
    """--groups: numbers separated by commas."""
    if text is None:
        return None
    names = _names(text)
    if not all(name.isdigit() for name in names):
        raise ValueError(f"Expected --groups to be whole numbers, such as 8,16; got '{text}'.")
    return tuple(int(name) for name in names)


def _warm_up(steps: int | None) -> Linear | None:
    """--kl-warm-up: not given or 0 is none."""
    if steps is not None and steps < 0:
        raise ValueError(f"Expected --kl-warm-up of at least 0 steps; got {steps}.")
    return Linear(0.0, 1.0, steps) if steps else None


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
