"""The commands of `zoo homework`: list, new and check for students, the others for instructors."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from zoo.checks.arguments import one_of
from zoo.cli.commands import Command
from zoo.cli.homework.grade import grade_command
from zoo.homework.answer_key import VARIABLE, find_key
from zoo.homework.bundle import sheet_of, write_bundle
from zoo.homework.seeds import PUBLIC_SALT
from zoo.homework.sheets import find_sheet, sheet_names

OTHER_WORDS = {
    "start": "new",
    "begin": "new",
    "get": "new",
    "test": "check",
    "run": "check",
    "submit": "check",
    "solutions": "solution",
    "answers": "solution",
    "plagiarism": "similarity",
    "grades": "grade",
    "marks": "grade",
    "ls": "list",
    "sheets": "list",
}
PLACES = ("gradescope", "otter", "nbgrader")
SheetName = Annotated[str, typer.Argument(metavar="SHEET", help="See `zoo homework list`.")]
console = Console(width=None if sys.stdout.isatty() else 120)


class HomeworkGroup(typer.core.TyperGroup):
    """The commands of homework, and what to type for a word that is none of them."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names.

        Raises:
            ValueError: for a sheet, and for another word for a command.
        """
        word, rest = args[0], " ".join(args[1:])
        if word not in self.commands and word in OTHER_WORDS:
            right = f"zoo homework {OTHER_WORDS[word]} {rest}".strip()
            raise ValueError(f"No command 'homework {word}'. Try: {right}")
        if word not in self.commands and word in sheet_names():
            raise ValueError(
                f"No command 'homework {word}': {word} is a homework sheet. Try: "
                f"zoo homework new {word} --student ID --out hw"
            )
        return super().resolve_command(ctx, args)


homework_app = typer.Typer(
    cls=HomeworkGroup,
    help="Homework sheets on latent-variable models: for students, and to grade a class.",
    no_args_is_help=True,
)
homework_app.command("grade", cls=Command)(grade_command)


@homework_app.command("list", cls=Command)
def list_command(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, not a table.")] = False
) -> None:
    """Lists the sheets, with their points and the time that they take."""
    sheets = [find_sheet(name) for name in sheet_names()]
    if as_json:
        records = [
            {
                "name": sheet.name,
                "title": sheet.title,
                "topics": list(sheet.topics),
                "points": sheet.points,
                "minutes": sheet.minutes,
                "parts": [part.title for part in sheet.parts],
            }
            for sheet in sheets
        ]
        typer.echo(json.dumps({"sheets": records}, indent=2))
        return
    from zoo.cli.homework.shown import table_of_sheets

    console.print(table_of_sheets(sheets))
    console.print("Begin one with: zoo homework new SHEET --student ID --out hw", markup=False)


@homework_app.command("new", cls=Command)
def new_command(
    sheet: SheetName,
    *,
    student: Annotated[str, typer.Option("--student", help="Your ID in the course.")],
    out: Annotated[str, typer.Option("--out", help="A folder that is new or empty.")],
    salt: Annotated[
        str, typer.Option("--salt", help="Your course's, if it has one; own numbers follow.")
    ] = PUBLIC_SALT,
) -> None:
    """Writes what you begin with: statement, file, notebook, your own data."""
    found = find_sheet(sheet)
    names = write_bundle(found, student, out, salt=salt)
    console.print(f"{found.title}: {found.points:g} points, about {found.minutes} minutes.")
    console.print(f"Written to {out}: {', '.join(names)}.", markup=False)
    console.print(
        f"Read {out}/statement.md, fill in {out}/homework.py or {out}/homework.ipynb, and test it "
        f"with: zoo homework check {out}",
        markup=False,
    )


@homework_app.command("check", cls=Command)
def check_command(
    folder: Annotated[Path, typer.Argument(help="The folder that `zoo homework new` wrote.")],
    *,
    sheet: Annotated[
        str | None, typer.Option("--sheet", help="Default: what the folder says.")
    ] = None,
) -> None:
    """Runs the public checks on your file or notebook: they name what fails, not the answer."""
    if not folder.exists():
        raise ValueError(
            f"There is no {folder}. Begin with: zoo homework new SHEET --student ID --out {folder}"
        )
    name = sheet or sheet_of(folder)
    if name is None:
        raise ValueError(
            f"{folder} does not say which sheet it is of: student.json is not there. Pass --sheet."
        )
    from zoo.cli.homework.shown import show_checked
    from zoo.homework.public_tier import check_folder

    passed = [show_checked(console, one) for one in check_folder(folder, find_sheet(name))]
    console.print(f"{sum(passed)} of {len(passed)} parts pass the public checks.")
    console.print("[dim]The hidden tests are stricter, and grade the points.[/dim]")
    if not all(passed):
        raise typer.Exit(1)


@homework_app.command("solution", cls=Command)
def solution_command(sheet: SheetName) -> None:
    """Prints the solution; only where ZOO_INSTRUCTOR names the instructor's folder."""
    if VARIABLE not in os.environ:
        raise ValueError(
            f"Solutions are the instructor's. Set {VARIABLE} to the folder that holds them: "
            "instructor/ of a checkout of the zoo."
        )
    typer.echo(find_key(find_sheet(sheet)).solution)


@homework_app.command("export", cls=Command)
def export_command(
    sheet: SheetName,
    *,
    to: Annotated[str, typer.Option("--to", help="gradescope, otter or nbgrader.")],
    out: Annotated[str, typer.Option("--out", help="A folder that is new or empty.")],
    secret: Annotated[
        str | None, typer.Option("--secret", help="Of the course, for Gradescope.")
    ] = None,
) -> None:
    """Writes the sheet for another grader."""
    from zoo.files import refuse_occupied, usable_folder
    from zoo.homework.export import write_export

    place, found = one_of("--to", to, dict.fromkeys(PLACES)), find_sheet(sheet)
    secret = secret or os.environ.get("ZOO_HOMEWORK_SECRET", "")
    if place == "gradescope" and not secret:
        raise ValueError("Gradescope's grader needs the course's secret. Pass --secret.")
    folder = usable_folder(out, "--out")
    refuse_occupied(folder, "--out", "Name another folder.")
    key = find_key(found) if place == "gradescope" else None
    names = write_export(place, found, folder, key, secret)
    console.print(f"Written to {out}: {', '.join(names)}.", markup=False)
    if place != "gradescope":
        console.print(
            "It has the public checks; the hidden tests are those of zoo homework grade."
        )


@homework_app.command("similarity", cls=Command)
def similarity_command(
    grades: Annotated[Path, typer.Argument(help="The folder that `zoo homework grade` wrote.")],
    *,
    most: Annotated[int, typer.Option("--most", min=1, help="Pairs to print.")] = 20,
) -> None:
    """Hand-ins that are alike in their tokens: to look at, not to accuse."""
    from zoo.cli.homework.shown import table_of_pairs
    from zoo.homework.similarity import similar_pairs

    texts = {path.parent.name: path.read_text() for path in grades.glob("*/homework.py")}
    if len(texts) < 2:
        raise ValueError(
            f"Expected a folder of at least 2 graded students; {grades} has {len(texts)}."
        )
    results = next(grades.glob("*/results.json")).read_text()
    name = json.loads(results)["extra_data"]["record"]["sheet"]
    pairs = similar_pairs(texts, find_sheet(name).text("starter.py"))
    console.print(table_of_pairs(pairs[:most]))
    console.print(
        "Short solutions of one task are alike by nature. A pair is a reason to read both files."
    )


@homework_app.command("doctor", cls=Command)
def doctor_command() -> None:
    """Says whether this machine can contain students' code, and what it cannot."""
    from zoo.homework.sandbox.contain import NAMESPACES, missing
    from zoo.homework.sandbox.landlock import version

    found = missing()
    for name, why in found.items():
        console.print(f"missing: {name}: {why}", markup=False)
    if found:
        console.print("zoo homework grade refuses here, unless you pass --unsafe.")
        raise typer.Exit(1)
    console.print(f"Namespaces of their own: {', '.join(NAMESPACES)}.")
    console.print(f"Landlock (version {version()}): files outside their folder, and programs.")
    console.print("Seccomp: sockets, debugging, new namespaces, memory that is not counted.")
    console.print("Limits: time, memory of all processes together, processes, disk, output.")
    console.print("Students' code is contained here. What no sandbox sees is in docs/homework.md.")
