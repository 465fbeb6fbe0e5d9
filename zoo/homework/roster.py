"""Late days, accommodations, and points that a person gave, from tables of the course."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from zoo.checks.arguments import refusal

COLUMNS = ("student", "submitted", "extra_days", "late_days")
DAY = timedelta(days=1)


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
