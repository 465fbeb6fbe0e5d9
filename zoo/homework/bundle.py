"""What a student begins with: the starter as file and notebook, statement, own numbers."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import zoo
from zoo.checks.arguments import refusal
from zoo.files import refuse_occupied, usable_folder
from zoo.homework.cells import run_file
from zoo.homework.seeds import PUBLIC_SALT, seed_of
from zoo.homework.sheets import Sheet

if TYPE_CHECKING:
    import torch

STUDENT = re.compile(r"[\w.@+-]{1,64}")
RECORD, DATA, STATEMENT = "student.json", "data.safetensors", "statement.md"


def checked_student(student: str) -> str:
    """The ID, if it can be the name of a folder.

    Raises:
        ValueError: for any other.
    """
    if not STUDENT.fullmatch(student) or student.startswith("."):
        wanted = "1 to 64 letters, digits and . _ - @ +"
        raise refusal("--student", wanted, student, "Pass e.g. --student ann.")
    return student


def write_bundle(sheet: Sheet, student: str, out: str, *, salt: str = PUBLIC_SALT) -> list[str]:
    """Writes a student's bundle into an empty folder, and returns the names of its files.

    Args:
        sheet: which.
        student: the ID.
        out: the folder.
        salt: that the student's own data and questions follow from, with the ID.

    Raises:
        ValueError: for an ID that cannot be a folder's name, or a folder that holds something.
    """
    folder = usable_folder(out, "--out")
    refuse_occupied(folder, "--out", "Name another folder.")
    starter = sheet.text("starter.py")
    record = {"sheet": sheet.name, "student": checked_student(student), "zoo": zoo.__version__}
    texts = {
        "homework.py": starter,
        "homework.ipynb": notebook_of(starter),
        STATEMENT: sheet.text(STATEMENT) + questions_for(sheet, student, salt),
        RECORD: json.dumps(record, indent=2) + "\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [*texts, *_write_data(sheet, student, salt, folder)]


def notebook_of(starter: str) -> str:
    """The notebook that is made from a starter in cells, as the text of a .ipynb file."""
    import jupytext

    notebook = jupytext.reads(starter, fmt="py:percent")
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # the same file whenever it is made
    return jupytext.writes(notebook, fmt="ipynb")


def questions_for(sheet: Sheet, student: str, salt: str = PUBLIC_SALT) -> str:
    """The student's own questions, to be appended to the statement; "" where there are none."""
    personal = _personal(sheet)
    if "questions" not in personal:
        return ""
    asked = personal["questions"](_generator(sheet, student, salt, "questions"))
    lines = [f"\n## {part}. For {student}\n\n{text}\n" for part, text in asked.items()]
    return "".join(lines)


def data_for(sheet: Sheet, student: str, salt: str = PUBLIC_SALT) -> "dict[str, torch.Tensor]":
    """The student's own data; empty where the sheet has none."""
    personal = _personal(sheet)
    if "data" not in personal:
        return {}
    return personal["data"](_generator(sheet, student, salt, "data"))


def _personal(sheet: Sheet) -> dict:
    path = sheet.folder / "personal.py"
    return run_file(path) if path.exists() else {}


def _generator(sheet: Sheet, student: str, salt: str, what: str) -> "torch.Generator":
    import torch

    return torch.Generator().manual_seed(seed_of(salt, sheet.name, student, what))


def _write_data(sheet: Sheet, student: str, salt: str, folder: Path) -> list[str]:
    data = data_for(sheet, student, salt)
    if not data:
        return []
    from safetensors.torch import save_file

    save_file(data, folder / DATA)
    return [DATA]


def sheet_of(folder: Path) -> str | None:
    """The sheet that a bundle says it is of; None where it says nothing that can be read."""
    return _said(folder, "sheet")


def student_of(folder: Path) -> str | None:
    """The student whom a bundle was written for; None where it says nothing that can be read."""
    return _said(folder, "student")


def _said(folder: Path, what: str) -> str | None:
    try:
        path = folder / RECORD
        if path.is_symlink() or path.stat().st_size > 10_000:
            return None
        found = json.loads(path.read_text(encoding="utf-8"))[what]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else None
