"""Records of results: how each was made, and the folder of JSON files that they are kept in."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import zoo
from zoo.data import Data
from zoo.provenance import provenance

HERE = Path(__file__).parent
RESULTS, DOCS = HERE / "results", HERE.parent / "docs"
MADE = ("command", "commit", "date")  # what a part has of its own, where parts are made apart


def made_now(data: Data | None = None) -> dict[str, Any]:
    """Command, commit, versions, threads, data and date of a record that is made now.

    Args:
        data: what was trained on; None stands for the data of eight schools, in benchmarks whose
            result belongs to no single data set.
    """
    known = zoo.load("eight_schools").data if data is None else data
    return provenance(known) | {"date": str(date.today())}


def read(path: Path) -> dict[str, Any]:
    """The record in a JSON file."""
    return json.loads(path.read_text())


def write(path: Path, record: dict[str, Any]) -> None:
    """Writes a record as JSON, into a folder that is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1))
