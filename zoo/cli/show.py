"""`zoo show NAME`: what a model, guide, objective, metric, data set or part is."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from zoo.catalogue.answers import alias_of, any_name, class_named, written
from zoo.catalogue.known import known
from zoo.cli.catalogue.show import entries, introduced, to_try
from zoo.cli.list import WIDTH
from zoo.cli.pretrained import show_card
from zoo.pretrained_fits.cards import PREFIX


def show_command(
    name: Annotated[
        str,
        typer.Argument(
            help="Of a model, guide, objective, metric, data set or part; pretrained:NAME."
        ),
    ],
) -> None:
    """Shows what a name is: its equation, sizes, defaults, what goes with it, what to try."""
    console = Console(width=WIDTH, highlight=False)
    if name.startswith(PREFIX):
        show_card(name, console)
        return
    kinds, own = any_name(name, known()), written(name)
    for kind in kinds:
        _show(kind, own, console)
    of_class = None if kinds else class_named(name, known())
    if of_class is not None:
        _show(*of_class, console)
    alias = alias_of(name)
    if alias is not None:
        called = f", called '{alias.name}' here" if alias.name else ""
        console.print(f"{name} is {alias.says}{called}. Try:")
        _commands([alias.command], console)
        if alias.kind:
            _show(alias.kind, alias.name, console)


def _show(kind: str, name: str, console: Console) -> None:
    console.print(f"\n[bold]{introduced(kind, name, known())}[/bold]")
    text = known()["cards"].get(kind, {}).get(name, {}).get("text")
    if text:
        console.print()
        console.print(text, markup=False)
    view = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    view.add_column("heading", style="cyan", width=16)
    view.add_column("what stands there")
    before = ""
    for heading, words in entries(kind, name, known()):
        view.add_row("" if heading == before else heading, words)
        before = heading
    console.print()
    console.print(view)
    console.print("\nTry:")
    _commands(to_try(kind, name, known()), console)


def _commands(commands: list[str], console: Console) -> None:
    for command in commands:
        console.print(f"  [green]{command}[/green]", soft_wrap=True)
