"""The sheets that there are, read from their folders without torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import unknown

FOLDER = Path(__file__).parent
RECORD = "parts.json"
KINDS = ("exact", "statistical", "train", "written")
TOLERANCE = {"float64": 1e-6, "float32": 2e-3}


@dataclass(frozen=True)
class Test:
    """What earns some of a part's points.

    Attributes:
        concept: what it tests, a word or two.
        points: earned if it passes everywhere.
        feedback: one sentence for students who fail it.
        output: the result that it is about; None for all.
    """

    concept: str
    points: float
    feedback: str
    output: str | None = None


@dataclass(frozen=True)
class Part:
    """One part of a sheet: a function that the student writes, or an answer in words.

    Attributes:
        name: a letter.
        title: a line.
        kind: a name of `KINDS`.
        points: of all its tests.
        function: name of the student's function; "" for an answer in words.
        seconds: time limit of the part.
        arguments: name -> shape in words, e.g. "(N, D)".
        returns: name of each result -> its shape.
        oracle: where the truth comes from.
        tests: what earns points.
        tolerance: dtype -> largest error of the default judge.
    """

    name: str
    title: str
    kind: str
    points: float
    function: str = ""
    seconds: float = 20.0
    arguments: Mapping[str, str] = field(default_factory=dict)
    returns: Mapping[str, str] = field(default_factory=dict)
    oracle: str = ""
    tests: tuple[Test, ...] = ()
    tolerance: Mapping[str, float] = field(default_factory=lambda: dict(TOLERANCE))


@dataclass(frozen=True)
class Sheet:
    """A sheet: statement, starter, public checks, and its parts.

    Attributes:
        name: of its folder.
        folder: where its files are.
        title: a line.
        topics: words.
        minutes: that it takes a student.
        parts: in their order.
    """

    name: str
    folder: Path
    title: str
    topics: tuple[str, ...]
    minutes: int
    parts: tuple[Part, ...]

    @property
    def points(self) -> float:
        """Of all parts."""
        return sum(part.points for part in self.parts)

    @property
    def programmed(self) -> tuple[Part, ...]:
        """The parts that are functions."""
        return tuple(part for part in self.parts if part.kind != "written")

    def part(self, name: str) -> Part:
        """The part of that name.

        Raises:
            ValueError: if there is none.
        """
        parts = {part.name: part for part in self.parts}
        if name not in parts:
            raise unknown("part", name, parts)
        return parts[name]

    def text(self, file: str) -> str:
        """A file of the sheet; "" where it has none of that name."""
        path = self.folder / file
        return path.read_text(encoding="utf-8") if path.exists() else ""


def read_sheet(folder: Path) -> Sheet:
    """The sheet in a folder.

    Raises:
        ValueError: for a parts.json that is not as it has to be.
    """
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    try:
        parts = tuple(map(_part, record["parts"]))
        topics = tuple(record["topics"])
        return Sheet(folder.name, folder, record["title"], topics, record["minutes"], parts)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{folder / RECORD} is not as a sheet's has to be: {error}.") from error


def _part(record: dict[str, Any]) -> Part:
    tests = tuple(Test(**one) for one in record["tests"])
    return Part(**{**record, "tests": tests})


def sheet_names() -> list[str]:
    """The names of all sheets."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{RECORD}"))


def find_sheet(name: str) -> Sheet:
    """The sheet of that name, or the only one whose name contains it.

    Raises:
        ValueError: for an unknown name, with a near one.
    """
    names = sheet_names()
    asked = name.lower().replace("-", "_")
    near = [each for each in names if asked in each]
    if asked not in names and len(near) == 1:
        asked = near[0]
    if asked not in names:
        raise unknown("homework sheet", asked, names)
    return read_sheet(FOLDER / asked)
