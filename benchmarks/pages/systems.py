"""docs/systems.md: every system of the lectures, where it is, what it must show and what shows it.

python -m benchmarks.pages.systems
"""

import inspect
import os
import tomllib
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks import markdown, records
from guides import guide_named
from zoo.task import load

PAGE, ROOT = records.DOCS / "systems.md", records.HERE.parent
TABLE = Path(__file__).with_suffix(".toml")
INTRODUCTION = """# Systems of the lectures

Every system of the course material that the zoo follows, with its model and guides, a command to
begin with, what it must show, what was measured, and the test or benchmark that shows it. Written
by `python -m benchmarks.pages.systems`; a test holds that every file and every test in it exists.

What was measured is read from `benchmarks/results/`: the mean over seeds with its standard error,
or that of one fit with the error of its draws. "-" stands where tests alone show it. Budgets are
short; the pages behind the links say which, and what was published.

Lectures: **L3b** Berkeley CS294-158, lecture 3b. **DGM** Tomczak, Deep generative modeling: latent
variable models. **EV** UW CSE 599I, Expressive VAEs. **DLV** METU CENG 796, Discrete latent
variable models and hybrid models. **688** UMass COMPSCI 688, lecture 20.

Tests are run by `python -m pytest FILE -k NAME` (`-m ""` adds those of the longer runs);
benchmarks by `python -m NAME`, and their results are in `benchmarks/results/`.
"""
HEADS = ("system", "lecture", "model, guides", "command", "must show", "measured", "shown by")


@dataclass(frozen=True)
class System:
    """One system.

    Attributes:
        part: of the list of systems.
        id: a letter and a number; "" for one that the lectures do not have.
        name: in the lectures' words.
        lecture: short names of the lectures.
        models: names of models.
        guides: names of guides.
        command: to begin with.
        must_show: what a reader may ask of it.
        shown_by: tests as FILE::NAME, benchmarks as modules, pages as docs/FILE.
        measured: figures of the committed results; see :class:`Figure` for the fields of each.
    """

    part: str
    id: str
    name: str
    lecture: str
    models: list[str]
    guides: list[str]
    command: str
    must_show: str
    shown_by: list[str]
    measured: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Figure:
    """A number of the committed results.

    Attributes:
        label: what it is, with its unit.
        file: in benchmarks/results/.
        rows: the list in that file.
        where: fields that a row must have.
        value: path to the number in a row, with dots; it may be a pair of value and error.
    """

    label: str
    file: str
    where: dict[str, Any]
    value: str
    rows: str = "rows"

    def __str__(self) -> str:
        """The label, the mean over the rows that match, and its standard error.

        Raises:
            ValueError: if no row matches.
        """
        rows = records.read(records.RESULTS / self.file)[self.rows]
        asked = self.where.items()
        found = [_pair(row, self.value) for row in rows if asked <= _plain(row).items()]
        if not found:
            raise ValueError(f"Expected rows with {self.where} in {self.file}; got none.")
        values = [value for value, _ in found]
        if len(values) > 1:
            return f"{self.label} {_shown(mean(values), stdev(values) / len(values) ** 0.5)}"
        return f"{self.label} {_shown(*found[0])}"


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not isinstance(value, dict | list)}


def _pair(row: dict[str, Any], path: str) -> tuple[float, float]:
    """A number and its standard error; 0 where the row has none."""
    found: Any = row
    for name in path.split("."):
        found = found[name]
    if isinstance(found, dict):
        return found["value"], found["se"]
    return tuple(found) if isinstance(found, list) else (found, 0.0)  # type: ignore[return-value]


def _shown(value: float, se: float) -> str:
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 100 else 1
    return f"{value:.{digits}f}" + (f" ± {se:.{digits}f}" if se else "")


def systems() -> list[System]:
    """All systems, in the order of the table."""
    return [System(**record) for record in tomllib.loads(TABLE.read_text())["system"]]


@dataclass(frozen=True)
class Place:
    """A name with the file that defines it, from the root of the repository."""

    name: str
    path: str

    def __str__(self) -> str:
        return f"[`{self.name}`](../{self.path})"


def model_place(name: str) -> Place:
    """A model of the table, and the file of its class."""
    return Place(name, _file_of(type(load(name).build())))


def guide_place(name: str) -> Place:
    """A guide by name, and the file of its class."""
    return Place(name, _file_of(guide_named(name)))


def _file_of(found: object) -> str:
    found = found.func if isinstance(found, partial) else found
    path = inspect.getsourcefile(found)  # type: ignore[arg-type]
    assert path is not None
    return str(Path(path).resolve().relative_to(ROOT))


def shown(proof: str) -> str:
    """A test as FILE::NAME with a link to its file; a benchmark as its module; a page as it is."""
    path, _, name = proof.partition("::")
    if name:
        return f"[`{name}`](../{path})"
    if proof.startswith("docs/"):
        page = os.path.relpath(proof, "docs")
        return f"[{Path(proof).stem}]({page})"
    return f"`{proof}`"


def cells(system: System) -> list[str]:
    """A line of the table."""
    members = [*map(model_place, system.models), *map(guide_place, system.guides)]
    return [
        f"**{system.id}** {system.name}".removeprefix("**** "),
        system.lecture,
        ", ".join(map(str, members)),
        f"`{system.command}`",
        system.must_show,
        "; ".join(str(Figure(**figure)) for figure in system.measured) or "-",
        "; ".join(map(shown, system.shown_by)),
    ]


def page() -> str:
    """The text of the page."""
    parts, found = [INTRODUCTION], systems()
    for part in dict.fromkeys(system.part for system in found):
        own = [cells(system) for system in found if system.part == part]
        parts += [f"## {part}", markdown.table(HEADS, own)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"Written to {PAGE}.")
