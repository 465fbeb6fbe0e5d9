"""`zoo homework grade`: a class graded on the command line."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from zoo.files import usable_folder
from zoo.homework.answer_key import find_key
from zoo.homework.bundle import sheet_of, student_of
from zoo.homework.sheets import Sheet, find_sheet

if TYPE_CHECKING:
    from zoo.homework.course import Course

SECRET = "ZOO_HOMEWORK_SECRET"
console = Console(width=None if sys.stdout.isatty() else 120)


def grade_command(
    places: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Students' folders, or one of all.")
    ],
    *,
    out: Annotated[str, typer.Option("--out", help="Folder of the grades.")],
    secret: Annotated[
        str | None, typer.Option("--secret", help=f"Of the course; default: ${SECRET}.")
    ] = None,
    sheet: Annotated[
        str | None, typer.Option("--sheet", help="Default: what the hand-ins say.")
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", help="Students at a time; -1: one for each core.")
    ] = 1,
    due: Annotated[str | None, typer.Option("--due", help="Deadline: 2026-11-30T23:59.")] = None,
    penalty: Annotated[
        float | None,
        typer.Option(
            "--penalty", min=0, max=1, help="Share of the points a late day costs; default 0.1."
        ),
    ] = None,
    roster: Annotated[
        Path | None,
        typer.Option("--roster", help="CSV: student,submitted,extra_days,late_days."),
    ] = None,
    written: Annotated[
        Path | None, typer.Option("--written", help="CSV of read parts: student,part,points.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Grade again what has not changed.")
    ] = False,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Run students' code without a sandbox.")
    ] = False,
) -> None:
    """Grades hand-ins on the hidden tests; what has not changed since is not graded again.

    --due, --penalty, --roster and --written stay as they were where they are not given again.
    """
    secret = secret or os.environ.get(SECRET, "")
    if not secret:
        raise ValueError(
            f"The hidden tests follow from the course's secret. Pass --secret or set {SECRET}; "
            "any text will do, the same for the whole course."
        )
    from zoo.homework.course import Course, check_written, graded_before, hand_ins_in
    from zoo.homework.roster import (
        read_roster,
        read_written,
        settings_for,
        time_of,
        write_settings,
    )

    hand_ins = hand_ins_in(places)
    found = _sheet(sheet, hand_ins)
    folder = usable_folder(out, "--out")
    settings = settings_for(
        folder,
        due=time_of("--due", due) if due else None,
        penalty=penalty,
        roster=read_roster(roster) if roster else None,
        written=read_written(written) if written else None,
    )
    deadline, points = settings.deadline, settings.written
    course = Course(
        found,
        find_key(found),
        secret,
        folder,
        contained=not unsafe,
        deadline=deadline,
        written=points,
    )
    graded_before(course)  # refuses the grades of another sheet before anything is run
    check_written(found, points)
    if not unsafe:
        from zoo.homework.sandbox.workers import refuse_uncontained

        refuse_uncontained()
    write_settings(folder, settings)
    _show(course, _graded(course, hand_ins, jobs, force=force))
    if settings.kept:
        console.print(f"As before, from {folder}: {', '.join(settings.kept)}.", markup=False)
    for said in _strangers(hand_ins):
        console.print(said, markup=False)
    unknown = sorted({*course.written, *deadline.roster} - {*hand_ins})
    if unknown:
        said = f"No hand-in of: {', '.join(unknown)}, whom --roster or --written names."
        console.print(said, markup=False)


def _sheet(name: str | None, hand_ins: dict[str, Path]) -> Sheet:
    """The sheet asked for, or the one that all hand-ins name."""
    if name is not None:
        return find_sheet(name)
    named = dict[str, list[str]]()
    for student, path in hand_ins.items():
        if (found := sheet_of(path)) is not None:
            named.setdefault(found, []).append(student)
    if len(named) != 1:
        each = [f"{sheet} ({_some(students)})" for sheet, students in sorted(named.items())]
        said = f"name the sheets {', '.join(each)}" if named else "name no sheet"
        raise ValueError(f"The hand-ins {said}. Pass --sheet.")
    return find_sheet(*named)


def _some(students: list[str]) -> str:
    """At most three of them."""
    more = f" and {len(students) - 3} more" if len(students) > 3 else ""
    return ", ".join(students[:3]) + more


def _strangers(hand_ins: dict[str, Path]) -> list[str]:
    """A sentence for each hand-in that was begun under another ID than its folder's name."""
    named = {student: student_of(path) for student, path in hand_ins.items()}
    return [
        f"{student}: student.json is of '{name}'. Data and questions of the hand-in follow from "
        "that ID, hidden tests from the folder's name."
        for student, name in named.items()
        if name not in (None, student)
    ]


def _graded(
    course: "Course", hand_ins: dict[str, Path], jobs: int, *, force: bool
) -> list[dict[str, Any]]:
    from zoo.homework.course import close_workers, grade_class, write_tables

    running = grade_class(course, hand_ins, jobs=jobs, force=force)
    hidden = not sys.stdout.isatty()
    try:
        records = list(track(running, "Grading", total=len(hand_ins), disable=hidden))
    finally:
        close_workers()
    write_tables(course, records)
    return records


def _show(course: "Course", records: list[dict[str, Any]]) -> None:
    from zoo.cli.homework.shown import bars_of_concepts, table_of_grades
    from zoo.homework.class_table import failing_concepts
    from zoo.homework.rates import sentence_on_rates

    console.print(table_of_grades(records))
    console.print(bars_of_concepts(failing_concepts(course.sheet, records), len(records)))
    console.print(sentence_on_rates(course.sheet.name), markup=False)
    if not course.contained:
        console.print("Students' code ran without a sandbox, as --unsafe asked.")
    console.print(
        f"Written to {course.out}: STUDENT/results.json, grades.csv, failing.json.", markup=False
    )
    failed = [record for record in records if "error" in record]
    for record in failed:
        said = f"{record['student']} was not graded: {record['error']}"
        console.print(said, markup=False)
    if failed:
        raise typer.Exit(1)
