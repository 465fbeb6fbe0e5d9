"""The instructor's files of a sheet: solution, hidden tests, mutants and unusual right solutions.

They are not in the wheel. They are looked for in the folder that the environment variable
ZOO_INSTRUCTOR names, and else in `instructor/` of a checkout.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo.homework.cells import functions_in, run_file
from zoo.homework.sheets import Sheet

VARIABLE = "ZOO_INSTRUCTOR"
CHECKOUT = Path(__file__).parents[2] / "instructor"


@dataclass(frozen=True)
class Mutant:
    """A wrong solution: the right one with an edit.

    Attributes:
        name: of the mistake.
        part: that it is in.
        concept: of the test that has to find it.
        why: the mistake in words.
        source: the text of the whole wrong solution.
    """

    name: str
    part: str
    concept: str
    why: str
    source: str


@dataclass(frozen=True)
class AnswerKey:
    """The folder of the instructor's files of one sheet."""

    folder: Path

    @property
    def solution(self) -> str:
        """The text of solution.py."""
        return (self.folder / "solution.py").read_text(encoding="utf-8")

    @cached_property
    def hidden(self) -> dict[str, Any]:
        """What hidden.py defines."""
        return run_file(self.folder / "hidden.py")

    def defines(self, name: str, part: str) -> Callable[..., Any] | None:
        """`inputs`, `truth` or `judge` of a part; None where hidden.py has none."""
        return self.hidden.get(f"{name}_{part}")

    def mutants(self) -> list[Mutant]:
        """All mutants.

        Raises:
            ValueError: if the old text of an edit does not occur once in the solution.
        """
        records = json.loads((self.folder / "mutants.json").read_text(encoding="utf-8"))
        return [_mutant(self.solution, record) for record in records]

    def right(self) -> dict[str, str]:
        """The texts of the unusual right solutions, by the names of their files."""
        paths = sorted((self.folder / "right").glob("*.py"))
        return {path.stem: path.read_text(encoding="utf-8") for path in paths}


def _mutant(solution: str, record: dict[str, Any]) -> Mutant:
    source = solution
    for edit in record["edits"]:
        count = source.count(edit["old"])
        if count != 1:
            raise ValueError(
                f"Expected the text that mutant '{record['name']}' replaces to occur once in "
                f"solution.py; it occurs {count} times: {edit['old']!r}. Quote more of it."
            )
        source = source.replace(edit["old"], edit["new"])
    names = ("name", "part", "concept", "why")
    return Mutant(**{name: record[name] for name in names}, source=source)


def with_functions(solution: str, other: str) -> tuple[str, set[str]]:
    """The solution followed by another file, and the names of the functions that the file has."""
    return f"{solution}\n\n# %%\n{other}", functions_in(other)


def find_key(sheet: Sheet) -> AnswerKey:
    """The instructor's files of a sheet.

    Raises:
        ValueError: if they are not there.
    """
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else CHECKOUT
    if not (folder / sheet.name / "hidden.py").exists():
        raise ValueError(
            f"The instructor's files of '{sheet.name}' are not in {folder}. Set {VARIABLE} to the "
            "folder that holds them: they are in instructor/ of a checkout of the zoo, and not in "
            "the installed package."
        )
    return AnswerKey(folder / sheet.name)
