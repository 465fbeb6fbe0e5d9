"""What a class was graded with besides the hand-ins: deadline, late days, points of people.

Kept in `settings.json` beside the grades, so that grading again without an option does not undo
what it did.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from zoo.files import write_whole
from zoo.homework.roster import Deadline, Entry

FILE = "settings.json"
Written = dict[str, dict[str, float]]


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
