"""`zoo list`: models, guides, objectives, data and parts, and which of them go together."""

import json
import sys
from itertools import zip_longest
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from zoo.cli.names import known

TABLES = {  # key of the JSON that is printed -> what that table holds
    "models": "model",
    "guides": "guide",
    "objectives": "objective",
    "data": "data",
    "prior": "prior",
    "likelihood": "likelihood",
    "decoder": "decoder",
}


def list_command(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, not a table.")] = False
) -> None:
    """Lists models, guides, objectives and data, and which of them pair."""
    if as_json:
        named = {key: [{"name": name} for name in known()[kind]] for key, kind in TABLES.items()}
        typer.echo(json.dumps(named, indent=2))
        return
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(_objectives())
    console.print(_pairs())
    console.print(f"data: {', '.join(known()['data'])}")
    for one in known()["parts"]:
        console.print(f"{one['part']} of {', '.join(one['models'])}: {', '.join(one['names'])}")
    sharing = known()["shared guide"]
    models, priors = ", ".join(sharing["models"]), ", ".join(sharing["priors"])
    console.print(f"guide shared, the prior's encoder: usual for {models} with prior {priors}")


def _objectives() -> Table:
    view = Table(title="Objectives; those of a group go with the same guides")
    view.add_column("group", justify="right")
    view.add_column("objectives")
    for i, names in enumerate(known()["objective groups"], start=1):
        view.add_row(str(i), ", ".join(names))
    return view


def _pairs() -> Table:
    view = Table(title="Which guides go on which models, under which groups of objectives")
    for heading in ("models (data)", "guides", "groups"):
        view.add_column(heading)
    data_of = known()["model"]
    for block in known()["pairs"]:
        models, guides = [f"{name} ({data_of[name]})" for name in block["models"]], block["guides"]
        for model, guide in zip_longest(models, guides, fillvalue=""):
            view.add_row(model, guide, " ".join(map(str, guides.get(guide, ()))))
        view.add_section()
    return view
