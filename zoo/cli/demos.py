"""`zoo picture`: pictures that teach, with their metrics printed beside them."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from zoo.checks.arguments import look_up
from zoo.demos import PICTURES, SEEDS


def picture_command(
    name: Annotated[str | None, typer.Argument(help="Name of a picture; none lists them.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("pictures"),
    steps: Annotated[int | None, typer.Option(help="Steps of each fit; default: its own.")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds, where it takes several.")] = SEEDS,
) -> None:
    """Trains what a picture shows, prints its metrics, and writes NAME.png and NAME.json.

    The JSON has every metric with its standard error, of every seed or row, and how it was made.
    """
    console = Console(width=None if sys.stdout.isatty() else 120)
    if name is None:
        for each, says in PICTURES.items():
            console.print(f"[bold]{each}[/bold]: {says}")
        return
    look_up("picture", name, PICTURES)
    from zoo.cli.pictures import MAKERS

    out.mkdir(parents=True, exist_ok=True)
    MAKERS[name](out, steps, seeds, console)
    console.print(f"Written to {out}: {name}.png and {name}.json.")
