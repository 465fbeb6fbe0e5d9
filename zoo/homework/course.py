"""A class graded: hand-ins in parallel, what is whole is kept, tables of points and concepts."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from zoo.files import write_whole
from zoo.homework.answer_key import AnswerKey
from zoo.homework.class_table import class_table, failing_concepts
from zoo.homework.grade import (
    Record,
    fingerprint_of,
    grade_hand_in,
    gradescope_record,
    unread_record,
)
from zoo.homework.hand_in import LARGEST, Unreadable, read_hand_in
from zoo.homework.roster import Deadline, newest_of
from zoo.homework.sandbox.workers import Workers
from zoo.homework.sheets import Sheet

RESULTS = "results.json"
HEADING = re.compile(r"^# ## Part (\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Course:
    """What all hand-ins of a sheet are graded with.

    Attributes:
        sheet: which.
        key: the instructor's files.
        secret: of the course.
        out: folder of the grades.
        contained: run students' code in a sandbox?
        deadline: and what lateness costs.
        written: student -> part -> points that a person gave.
    """

    sheet: Sheet
    key: AnswerKey
    secret: str
    out: Path
    contained: bool = True
    deadline: Deadline = field(default_factory=Deadline)
    written: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def hand_ins_in(places: Iterable[Path]) -> dict[str, Path]:
    """Student -> hand-in, from folders of students, folders that hold these, and files.

    Raises:
        ValueError: where there is none, or two of one student.
    """
    found = dict[str, Path]()
    for place in places:
        if not place.exists():
            raise ValueError(f"There is no {place}. Pass the folder of a student, or of a class.")
        for path in _students(place):
            student = path.stem if path.suffix in LARGEST else path.name
            if student in found:
                raise ValueError(
                    f"{found[student]} and {path} have the same name, which is the student's ID. "
                    "Rename one of them."
                )
            found[student] = path
    if not found:
        raise ValueError("There is no hand-in: a hand-in is a folder with homework.py or .ipynb.")
    return found


def _students(place: Path) -> list[Path]:
    """The folder itself if it is one student's, else what is in it."""
    place = place.absolute() if place.name in ("", ".", "..") else place
    own = [place / f"homework{suffix}" for suffix in LARGEST]
    if not place.is_dir() or any(path.is_symlink() or path.exists() for path in own):
        return [place]
    inside = [path for path in sorted(place.iterdir()) if not path.name.startswith(".")]
    return [path for path in inside if path.is_dir() or path.suffix in LARGEST]


def grade_class(
    course: Course, hand_ins: Mapping[str, Path], *, jobs: int, force: bool
) -> Iterator[Record]:
    """Grades hand-ins and yields the record of each as it is written.

    Args:
        course: what they are graded with.
        hand_ins: student -> folder or file.
        jobs: processes at a time.
        force: grade those again whose grades are there?
    """
    kept, left = list[Record](), list[tuple[str, Path]]()
    for student, path in hand_ins.items():
        record = None if force else _earlier(course, student, path)
        if record is None:
            left.append((student, path))
        else:
            kept.append(record)
    for record in chain(kept, _graded(course, left, jobs)):
        _write(course, record, hand_ins[record["student"]])
        yield record


def _graded(course: Course, left: Sequence[tuple[str, Path]], jobs: int) -> Iterator[Record]:
    if jobs == 1 or len(left) < 2:
        yield from (grade_path(course, student, path) for student, path in left)
        return
    from joblib import Parallel, delayed

    run = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
    yield from run(delayed(grade_path)(course, student, path) for student, path in left)


_warm: dict[tuple[str, bool], Workers] = {}  # of this process, for one hand-in after another


def grade_path(course: Course, student: str, path: Path) -> Record:
    """The record of a hand-in; what cannot be read gets no points, with the reason.

    An error of the grader itself is kept under "error", so that the other students are graded.
    """
    try:
        return _record(course, student, path)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        record = unread_record(course.sheet, student, "The grader failed; ask your instructor.")
        return record | {"error": said}


def _record(course: Course, student: str, path: Path) -> Record:
    try:
        hand_in = read_hand_in(path, course.sheet.text("starter.py"))
    except Unreadable as error:
        return unread_record(course.sheet, student, str(error))
    wanted = course.sheet.text("driver.py"), course.contained
    if wanted not in _warm:
        close_workers()
        _warm[wanted] = Workers(wanted[0], contained=course.contained)
    record = grade_hand_in(course.sheet, course.key, course.secret, hand_in, _warm[wanted])
    return record | {"source": hand_in.source}


def close_workers() -> None:
    """Ends the warm process of this one."""
    while _warm:
        _warm.popitem()[1].close()


def _earlier(course: Course, student: str, path: Path) -> Record | None:
    """The record that is there, if nothing changed since."""
    results = course.out / student / RESULTS
    try:
        record = json.loads(results.read_text(encoding="utf-8"))["extra_data"]["record"]
        hand_in = read_hand_in(path, course.sheet.text("starter.py"))
    except (OSError, ValueError, KeyError):
        return None
    same = record["fingerprint"] == fingerprint_of(
        course.sheet, course.key, course.secret, hand_in
    )
    return record if same else None


def _write(course: Course, record: Record, path: Path) -> None:
    student = record["student"]
    folder = course.out / student
    folder.mkdir(parents=True, exist_ok=True)
    source = record.pop("source", None)
    if source is not None:
        write_whole(folder / "homework.py", source)
        write_whole(folder / "written.md", written_answers(course.sheet, source))
    lateness = course.deadline.lateness(student, newest_of(path))
    written = course.written.get(student, {})
    record |= {"lateness": lateness, "written": written}
    results = gradescope_record(course.sheet, record, lateness, written)
    record["score"] = results["score"]
    write_whole(folder / RESULTS, json.dumps(results, indent=1))


def written_answers(sheet: Sheet, source: str) -> str:
    """The cells in words of each written part, up to the next part, for a person to read."""
    names = {part.name for part in sheet.parts if part.kind == "written"}
    starts = list(HEADING.finditer(source))
    ends = [*(one.start() for one in starts), len(source)][1:]
    texts = [
        _in_words(source[one.start() : end])
        for one, end in zip(starts, ends, strict=True)
        if one[1] in names
    ]
    lines = [
        line.removeprefix("#").removeprefix(" ") for text in texts for line in text.splitlines()
    ]
    return "\n".join(lines) + "\n"


def _in_words(text: str) -> str:
    """The first cell of a text and those that are marked as Markdown, without code between."""
    first, *cells = text.split("\n# %%")
    marked = [cell.partition("\n")[2] for cell in cells if cell.startswith(" [markdown]")]
    return "\n".join([first, *marked])


def write_tables(course: Course, records: Sequence[Record]) -> None:
    """Writes grades.csv and failing.json: of these records, and of others that are there."""
    named = {record["student"] for record in records}
    records = [*records, *(one for one in graded_before(course) if one["student"] not in named)]
    write_whole(course.out / "grades.csv", class_table(course.sheet, records))
    failing = failing_concepts(course.sheet, records)
    write_whole(course.out / "failing.json", json.dumps(failing, indent=1))


def graded_before(course: Course) -> list[Record]:
    """The records that the folder of the grades holds, with their scores.

    Raises:
        ValueError: if one is of another sheet, whose grades would be replaced.
    """
    found = []
    for path in sorted(course.out.glob(f"*/{RESULTS}")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))["extra_data"]["record"]
        except (ValueError, KeyError, TypeError):
            continue
        if record["sheet"] != course.sheet.name:
            raise ValueError(
                f"{course.out} holds grades of the sheet '{record['sheet']}'; these hand-ins are "
                f"of '{course.sheet.name}'. Name another folder for each sheet by --out."
            )
        found.append(record)
    return found


def check_written(sheet: Sheet, written: Mapping[str, Mapping[str, float]]) -> None:
    """Refuses points for parts that nobody reads, and more points than a part has.

    Raises:
        ValueError: naming the student, the part and what is allowed.
    """
    most = {part.name: part.points for part in sheet.parts if part.kind == "written"}
    for student, points in written.items():
        for part, given in points.items():
            if part not in most:
                names = ", ".join(most) or "none"
                raise ValueError(
                    f"--written gives {student} points for part '{part}'; the written parts of "
                    f"'{sheet.name}' are {names}. Leave the row out."
                )
            if not 0 <= given <= most[part]:
                raise ValueError(
                    f"--written gives {student} {given:g} points for part '{part}', which has "
                    f"{most[part]}. Pass 0 to {most[part]}."
                )
