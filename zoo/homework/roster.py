"""Late days, accommodations, and points that a person gave, from tables of the course.

They are kept in `settings.json` beside the grades, so that grading again without an option does
not undo what it did.
"""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from zoo.checks.arguments import refusal
from zoo.files import write_whole

COLUMNS = ("student", "submitted", "extra_days", "late_days")
DAY = timedelta(days=1)
FILE = "settings.json"
Written = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Entry:
    """A row of the roster.

    Attributes:
        submitted: when the student handed in; None: the newest file's time.
        extra_days: an accommodation: the deadline is later by that.
        late_days: that may be used on this sheet without loss of points.
    """

    submitted: datetime | None = None
    extra_days: float = 0.0
    late_days: float = 0.0


@dataclass(frozen=True)
class Deadline:
    """When hand-ins are due, and what lateness costs.

    Attributes:
        due: None for no deadline.
        penalty: share of the points that each day costs.
        roster: student -> entry.
    """

    due: datetime | None = None
    penalty: float = 0.1
    roster: Mapping[str, Entry] = field(default_factory=dict)

    def lateness(self, student: str, newest: datetime) -> dict[str, Any]:
        """The "days" that count as late, begun ones as whole, and the "factor" of the points.

        Args:
            student: the ID.
            newest: time of the newest file handed in.
        """
        entry = self.roster.get(student, Entry())
        if self.due is None:
            return {"days": 0, "factor": 1.0}
        over = (entry.submitted or newest) - self.due - entry.extra_days * DAY
        days = max(0, math.ceil(over / DAY) - math.floor(entry.late_days)) if over > 0 * DAY else 0
        return {"days": days, "factor": max(0.0, 1 - self.penalty * days)}


def time_of(option: str, text: str) -> datetime:
    """A date, or a date and a time, as 2026-11-30 or 2026-11-30T23:59, local time.

    Raises:
        ValueError: for anything else.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        way = "Pass e.g. 2026-11-30T23:59."
        raise refusal(option, "a date and a time", text, way) from error
    return found.astimezone().replace(tzinfo=None) if found.tzinfo else found


def newest_of(folder: Path) -> datetime:
    """The time of the newest file of a hand-in; links are not followed."""
    paths = [folder, *(folder.iterdir() if folder.is_dir() and not folder.is_symlink() else ())]
    files = [path for path in paths if not path.is_dir()] or [folder]
    return datetime.fromtimestamp(max(path.lstat().st_mtime for path in files))


def read_roster(path: Path) -> dict[str, Entry]:
    """Student -> entry, from a CSV file with the columns in `COLUMNS`.

    Raises:
        ValueError: for a file without a column student, or a cell that is no number or date.
    """
    entries = {}
    for row in _rows(path, ("student",), COLUMNS):
        submitted = row.get("submitted") or ""
        entries[row["student"]] = Entry(
            time_of(f"submitted of {row['student']}", submitted) if submitted else None,
            _number(path, row, "extra_days"),
            _number(path, row, "late_days"),
        )
    return entries


def read_written(path: Path) -> dict[str, dict[str, float]]:
    """Student -> part -> points, from a CSV file with the columns student, part, points.

    Raises:
        ValueError: for a file without these columns, or points that are no number.
    """
    found: dict[str, dict[str, float]] = {}
    for row in _rows(path, ("student", "part", "points"), ("student", "part", "points")):
        found.setdefault(row["student"], {})[row["part"]] = _number(path, row, "points")
    return found


def _rows(path: Path, needed: tuple[str, ...], known: tuple[str, ...]) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or ())
        if not set(needed) <= set(columns) <= set(known):
            raise ValueError(
                f"Expected {path.name} to have the columns {', '.join(known)}; got "
                f"{', '.join(columns) or 'none'}. Only {', '.join(needed)} must be there."
            )
        return list(reader)


def _number(path: Path, row: Mapping[str, str], column: str) -> float:
    text = row.get(column) or "0"
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        name = f"{column} of {row['student']} in {path.name}"
        raise refusal(name, "a number", text, "Leave it empty for none.")
    return found


@dataclass(frozen=True)
class Settings:
    """Deadline and points of people, with the options that they were kept from.

    Attributes:
        deadline: when hand-ins are due, what lateness costs, and each student's entry.
        written: student -> part -> points that a person gave.
        kept: options that were not given this time, and are as they were before.
    """

    deadline: Deadline = field(default_factory=Deadline)
    written: Written = field(default_factory=dict)
    kept: tuple[str, ...] = ()


def settings_for(
    out: Path,
    *,
    due: datetime | None,
    penalty: float | None,
    roster: dict[str, Entry] | None,
    written: Written | None,
) -> Settings:
    """The options given, and for those that are None what the folder of the grades says.

    Args:
        out: folder of the grades.
        due: the deadline.
        penalty: share of the points that a late day costs.
        roster: student -> entry.
        written: student -> part -> points.
    """
    given = {"due": due, "penalty": penalty, "roster": roster, "written": written}
    before = _read(out / FILE)
    kept = [name for name, value in given.items() if value is None and before.get(name)]
    found = before | {name: value for name, value in given.items() if value is not None}
    points = found.pop("written", {})
    settings = Settings(replace(Deadline(), **found), points)
    return replace(settings, kept=tuple(f"--{name}" for name in kept))


def write_settings(out: Path, settings: Settings) -> None:
    """Writes them beside the grades."""
    record = asdict(settings.deadline) | {"written": settings.written}
    write_whole(out / FILE, json.dumps(record, indent=1, default=datetime.isoformat))


def _read(path: Path) -> dict[str, Any]:
    """The options of the last time; none where nothing was graded yet."""
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    due = found["due"] and datetime.fromisoformat(found["due"])
    entries = {student: _entry(one) for student, one in found["roster"].items()}
    return found | {"due": due, "roster": entries}


def _entry(record: dict[str, Any]) -> Entry:
    submitted = record["submitted"] and datetime.fromisoformat(record["submitted"])
    return Entry(**record | {"submitted": submitted})
