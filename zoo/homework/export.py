"""A sheet as other graders take it: Gradescope's autograder, an Otter or an nbgrader assignment.

Gradescope runs the zoo's own grader with its hidden tests. Otter and nbgrader run tests in the
student's notebook, where nothing can be hidden, and get the public checks.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import zoo
from zoo.homework.answer_key import AnswerKey
from zoo.homework.bundle import notebook_of
from zoo.homework.sheets import Part, Sheet

SETUP = """#!/usr/bin/env bash
set -e
apt-get update && apt-get install -y python3 python3-pip python3-venv
python3 -m venv /autograder/venv
/autograder/venv/bin/pip install torch --index-url https://download.pytorch.org/whl/cpu
/autograder/venv/bin/pip install 'pyro-zoo=={version}'
"""
RUN = """#!/usr/bin/env bash
# Each submission has a container of its own. The sandbox within it is given up only where the
# container does not allow one. The secret leaves the disk before students' code is run.
export ZOO_INSTRUCTOR=/autograder/source/instructor
export ZOO_HOMEWORK_SECRET=$(cat /autograder/source/secret.txt)
rm -f /autograder/source/secret.txt
zoo=/autograder/venv/bin/zoo
id=$(/autograder/venv/bin/python /autograder/source/student.py)
mkdir -p /autograder/hand_ins
cp -r /autograder/submission "/autograder/hand_ins/$id"
$zoo homework doctor > /dev/null && unsafe= || unsafe=--unsafe
$zoo homework grade "/autograder/hand_ins/$id" --sheet {sheet} --out /autograder/grades $unsafe
cp "/autograder/grades/$id/results.json" /autograder/results/results.json
"""
WHO = """import json

with open("/autograder/submission_metadata.json") as file:
    users = json.load(file)["users"]
print("-".join(str(user["id"]) for user in users))
"""


def gradescope_zip(sheet: Sheet, key: AnswerKey, secret: str) -> bytes:
    """The autograder to upload to Gradescope: setup.sh, run_autograder, hidden tests, secret.

    Args:
        sheet: which.
        key: the instructor's files, of which the hidden tests are put in.
        secret: of the course.
    """
    texts = {
        "setup.sh": SETUP.format(version=zoo.__version__),
        "run_autograder": RUN.format(sheet=sheet.name),
        "student.py": WHO,
        "secret.txt": secret,
        f"instructor/{sheet.name}/hidden.py": (key.folder / "hidden.py").read_text("utf-8"),
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o755 << 16
            archive.writestr(info, text)
    return content.getvalue()


def otter_files(sheet: Sheet) -> dict[str, str]:
    """An Otter assignment: a notebook that calls the tests, and a file of tests for each part.

    Source: Otter-Grader's documentation, "Test files", the OK format.
    """
    notebook = json.loads(notebook_of(sheet.text("starter.py")))
    first = _code("import otter\n\ngrader = otter.Notebook()", "otter")
    cells = [first, *notebook["cells"]]
    for part in sheet.programmed:
        cells = _after(cells, part, _code(f'grader.check("{part.name}")', f"check-{part.name}"))
    files = {"homework.ipynb": json.dumps(notebook | {"cells": cells}, indent=1)}
    return files | {f"tests/{part.name}.py": _otter_test(sheet, part) for part in sheet.programmed}


def _otter_test(sheet: Sheet, part: Part) -> str:
    code = (
        ">>> from zoo.homework.public_tier import assert_passes\n"
        f'>>> assert_passes("{sheet.name}", "{part.name}", {part.function})'
    )
    case = {"code": code, "hidden": False, "locked": False}
    suite = {"cases": [case], "scored": True, "setup": "", "teardown": "", "type": "doctest"}
    test = {"name": part.name, "points": part.points, "suites": [suite]}
    return f"OK_FORMAT = True\n\ntest = {test!r}\n"


def nbgrader_notebook(sheet: Sheet) -> str:
    """An nbgrader assignment: the notebook with a locked cell of public checks after each part.

    Source: nbgrader's documentation, "Metadata of cells", schema 3.
    """
    notebook = json.loads(notebook_of(sheet.text("starter.py")))
    cells = notebook["cells"]
    for part in sheet.programmed:
        hole = next(cell for cell in cells if _defines(cell, part))
        hole["metadata"]["nbgrader"] = _nbgrader(f"part-{part.name}", solution=True)
        lines = (
            "from zoo.homework.public_tier import assert_passes\n\n"
            f'assert_passes("{sheet.name}", "{part.name}", {part.function})'
        )
        test = _code(lines, f"test-{part.name}")
        test["metadata"]["nbgrader"] = _nbgrader(test["id"], points=part.points)
        cells = _after(cells, part, test)
    return json.dumps(notebook | {"cells": cells}, indent=1)


def _nbgrader(name: str, *, solution: bool = False, points: float | None = None) -> dict[str, Any]:
    graded = {} if points is None else {"points": points}
    return {
        "cell_type": "code",
        "grade": points is not None,
        "grade_id": name,
        "locked": points is not None,
        "schema_version": 3,
        "solution": solution,
        "task": False,
        **graded,
    }


def _code(text: str, name: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": {},
        "outputs": [],
        "source": text.splitlines(keepends=True),
    }


def _defines(cell: dict[str, Any], part: Part) -> bool:
    return cell["cell_type"] == "code" and f"def {part.function}(" in "".join(cell["source"])


def _after(cells: list[dict[str, Any]], part: Part, new: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells with another one after the part's hole."""
    place = next(i for i, cell in enumerate(cells) if _defines(cell, part))
    return [*cells[: place + 1], new, *cells[place + 1 :]]


def write_export(
    to: str, sheet: Sheet, out: Path, key: AnswerKey | None, secret: str
) -> list[str]:
    """Writes a sheet for another grader, and returns the names of the files.

    Args:
        to: gradescope, otter or nbgrader.
        sheet: which.
        out: an empty folder.
        key: the instructor's files, for Gradescope.
        secret: of the course, for Gradescope.
    """
    files: dict[str, str | bytes] = {}
    if to == "gradescope":
        assert key is not None
        files["autograder.zip"] = gradescope_zip(sheet, key, secret)
    elif to == "otter":
        files |= otter_files(sheet)
    else:
        files["homework.ipynb"] = nbgrader_notebook(sheet)
    for name, content in files.items():
        path = out / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(files)
