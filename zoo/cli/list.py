"""`zoo list`: models, guides, objectives, metrics, data and parts by topic, and what pairs."""

import json
from collections.abc import Mapping
from itertools import zip_longest
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from zoo.catalogue.answers import written
from zoo.catalogue.known import known
from zoo.checks.arguments import look_up
from zoo.cli.pretrained import show_pretrained
from zoo.pretrained_fits.cards import cards

WIDTH = 100
TABLES = {  # key of the JSON that is printed -> what that table holds
    "models": "model",
    "guides": "guide",
    "objectives": "objective",
    "data": "data",
    "prior": "prior",
    "likelihood": "likelihood",
    "decoder": "decoder",
}
LISTS = {  # what can be listed -> the kind of its cards, with a line on what they are
    "models": ("model", "Models: what generates the data. `zoo fit MODEL`"),
    "guides": ("guide", "Guides: variational families. `zoo fit MODEL --guide GUIDE`"),
    "objectives": (
        "objective",
        "Objectives: bounds and their gradient estimators. `zoo fit MODEL --objective NAME`",
    ),
    "metrics": ("metric", "Metrics of a fit. `zoo fit MODEL --metrics NAME` or the group's name"),
    "data": ("data", "Data sets. `zoo fit MODEL --data NAME`"),
}
OTHERS = ("parts", "pairs", "pretrained", "all")


def list_command(
    what: Annotated[
        str | None,
        typer.Argument(
            help="models, guides, objectives, metrics, data, parts, pretrained, pairs or all."
        ),
    ] = None,
    *,
    models: Annotated[bool, typer.Option("--models", help="Models alone.")] = False,
    guides: Annotated[bool, typer.Option("--guides", help="Guides, with descriptions.")] = False,
    objectives: Annotated[
        bool, typer.Option("--objectives", help="Objectives, with descriptions.")
    ] = False,
    metrics: Annotated[bool, typer.Option("--metrics", help="Metrics, by group.")] = False,
    data: Annotated[bool, typer.Option("--data", help="Data sets.")] = False,
    parts: Annotated[bool, typer.Option("--parts", help="Parts of VAEs.")] = False,
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Fits that come with the zoo, with their scores.")
    ] = False,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Which guides go on which models, and how trained.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="All of these.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, not a table.")] = False,
) -> None:
    """Lists models, guides, objectives and data by topic; `zoo show NAME` says more of each."""
    if as_json:
        named = {key: [{"name": name} for name in known()[kind]] for key, kind in TABLES.items()}
        named["pretrained"] = [{"name": name} for name in cards()]
        typer.echo(json.dumps(named, indent=2))
        return
    asked = {
        **{"models": models, "guides": guides, "objectives": objectives, "metrics": metrics},
        **{"data": data, "parts": parts, "pretrained": pretrained},
        **{"pairs": pairs, "all": everything},
    }
    wanted = [name for name, yes in asked.items() if yes]
    if what is not None:
        look_up("list", written(what), dict.fromkeys((*LISTS, *OTHERS)))
        wanted.append(written(what))
    console = Console(width=WIDTH)
    if "all" in wanted:
        wanted = [*LISTS, "parts", "pretrained", "pairs"]
    for name in wanted or ("models",):
        _show(name, console)
    if not wanted:
        _show_names(console)


def _show(name: str, console: Console) -> None:
    if name == "pairs":
        console.print(_objective_groups())
        console.print(_pairs())
    elif name == "parts":
        _show_parts(console)
    elif name == "pretrained":
        show_pretrained(console)
    else:
        kind, title = LISTS[name]
        console.print(title)
        _describe(kind, console)


def _describe(kind: str, console: Console) -> None:
    """A line for each name: what it is, under headings of topics."""
    width = max(map(len, known()["cards"][kind]))
    for topic, names in by_topic(kind).items():
        says = known()["topics"].get(topic, "")
        if topic:
            console.print(f"\n[bold]{topic}[/bold]{says and ': '}[dim]{says}[/dim]")
        rows = {name: known()["cards"][kind][name]["says"] for name in names}
        console.print(_grid(rows, width))


def _grid(rows: Mapping[str, str], width: int) -> Table:
    """Names, and what is said of each beside it."""
    view = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    view.add_column("name", style="cyan", no_wrap=True, min_width=width)
    view.add_column("what it is")
    for name, says in rows.items():
        view.add_row(f"  {name}", says)
    return view


def by_topic(kind: str) -> dict[str, list[str]]:
    """Topic -> names, in the order of the table."""
    found: dict[str, list[str]] = {}
    for name, card in known()["cards"][kind].items():
        found.setdefault(card["topic"], []).append(name)
    return found


def _show_names(console: Console) -> None:
    """The names alone of what `zoo list` does not describe."""
    for plural in ("guides", "objectives"):
        console.print(f"\n[bold]{plural.capitalize()}[/bold], described by `zoo list --{plural}`:")
        topics = by_topic(LISTS[plural][0])
        rows = {topic: ", ".join(names) for topic, names in topics.items()}
        console.print(_grid(rows, max(map(len, topics))))
    console.print(f"\n[bold]Data[/bold] (`zoo list --data`): {', '.join(known()['data'])}")
    _show_parts(console)
    console.print(
        "\n`zoo show NAME` says what any of these is, what goes with it, and what to try; "
        "`zoo list --pairs` shows which guides go on which models, `zoo list --metrics` what is "
        "measured, `zoo list --pretrained` the fits that come with the zoo."
    )


def _show_parts(console: Console) -> None:
    for one in known()["parts"]:
        console.print(f"{one['part']} of {', '.join(one['models'])}: {', '.join(one['names'])}")
    sharing = known()["shared guide"]
    models, priors = ", ".join(sharing["models"]), ", ".join(sharing["priors"])
    console.print(f"guide shared, the prior's encoder: usual for {models} with prior {priors}")


def _objective_groups() -> Table:
    view = Table(title="Objectives; those of a group go with the same guides", width=WIDTH)
    view.add_column("group", justify="right")
    view.add_column("objectives")
    for i, names in enumerate(known()["objective groups"], start=1):
        view.add_row(str(i), ", ".join(names))
    return view


def _pairs() -> Table:
    view = Table(
        title="Which guides go on which models, under which groups of objectives", width=WIDTH
    )
    for heading in ("models (data)", "guides", "groups"):
        view.add_column(heading)
    data_of = known()["model"]
    for block in known()["pairs"]:
        models, guides = [f"{name} ({data_of[name]})" for name in block["models"]], block["guides"]
        for model, guide in zip_longest(models, guides, fillvalue=""):
            view.add_row(model, guide, " ".join(map(str, guides.get(guide, ()))))
        view.add_section()
    return view
