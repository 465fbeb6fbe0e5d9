"""docs/systems.md: every system of the lectures, where it is, what it must show and what shows it.

python -m benchmarks.pages.systems
"""

import inspect
import os
import tomllib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import markdown, records
from guides import guide_named
from zoo.task import load

PAGE, ROOT = records.DOCS / "systems.md", records.HERE.parent
TABLE = Path(__file__).with_suffix(".toml")
INTRODUCTION = """# Systems of the lectures

Every system of the course material that the zoo follows, with its model and guides, a command to
begin with, what it must show, and the test or benchmark that shows it. Written by
`python -m benchmarks.pages.systems`; a test holds that every file and every test in it exists.

Lectures: **L3b** Berkeley CS294-158, lecture 3b. **DGM** Tomczak, Deep generative modeling: latent
variable models. **EV** UW CSE 599I, Expressive VAEs. **DLV** METU CENG 796, Discrete latent
variable models and hybrid models. **688** UMass COMPSCI 688, lecture 20.

Tests are run by `python -m pytest FILE -k NAME` (`-m ""` adds those of the longer runs);
benchmarks by `python -m NAME`, and their results are in `benchmarks/results/`.
"""
HEADS = ("system", "lecture", "model, guides", "command", "must show", "shown by")


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
