"""The commands of a sheet: begun, checked, listed, exported; the solution for instructors only."""

import json
import os
import subprocess
import sys
import zipfile

import nbformat
import pytest
import torch
from command_line import homework
from safetensors.torch import load_file

from zoo.homework.answer_key import find_key
from zoo.homework.bundle import data_for, notebook_of, write_bundle
from zoo.homework.sheets import find_sheet, sheet_names

SHEET = find_sheet("ppca")
SOLUTION = find_key(SHEET).solution
pytestmark = pytest.mark.usefixtures("one_warm_process", "usual_dtype")


def test_a_newcomer_begins_and_checks(tmp_path):
    folder = tmp_path / "hw"
    said = homework("new", "ppca", "--student", "ann", "--out", folder)
    assert f"zoo homework check {folder}" in " ".join(said.split()).replace("- ", "-")
    assert "not begun" in homework("check", folder)
    (folder / "homework.py").write_text(SOLUTION)
    assert "5 of 5 parts pass" in homework("check", folder)
    wrong = SOLUTION.replace("+ sigma**2 * torch.eye(len(w)", "+ sigma * torch.eye(len(w)")
    (folder / "homework.py").write_text(wrong)
    said = homework("check", folder)
    assert "marginal covariance" in said
    assert "4 of 5 parts pass" in said


def test_the_notebook_is_checked_too(tmp_path):
    folder = tmp_path / "hw"
    homework("new", "ppca", "--student", "ann", "--out", folder)
    (folder / "homework.ipynb").write_text(notebook_of(SOLUTION))
    assert "5 of 5 parts pass" in homework("check", folder)


def test_check_names_the_line_that_raised(tmp_path):
    folder = tmp_path / "hw"
    homework("new", "ppca", "--student", "ann", "--out", folder)
    text = SOLUTION.replace("    return mu, covariance", "    return mu, covarianc")
    (folder / "homework.py").write_text(text)
    line = text[: text.index("return mu, covarianc")].count("\n") + 1
    said = " ".join(homework("check", folder).split())
    assert f"NameError: name 'covarianc' is not defined (homework.py, line {line})" in said


@pytest.mark.parametrize("name", sheet_names())
def test_a_bundle_holds_no_answer_and_no_secret(name, tmp_path):
    sheet = find_sheet(name)
    write_bundle(sheet, "ann", str(tmp_path / "hw"))
    key, starter = find_key(sheet), set(sheet.text("starter.py").splitlines())
    telling = {line.strip() for line in key.solution.splitlines() if line not in starter}
    telling = {line for line in telling if len(line) > 30 and not line.startswith(("#", "import"))}
    for path in (tmp_path / "hw").iterdir():
        if path.suffix != ".safetensors":
            text = path.read_text()
            assert [line for line in telling if line in text] == []
    assert not {"hidden.py", "solution.py", "mutants.json"} & set(os.listdir(tmp_path / "hw"))


def test_data_and_questions_are_the_student_s_own(tmp_path):
    write_bundle(SHEET, "ann", str(tmp_path / "ann"))
    write_bundle(SHEET, "bob", str(tmp_path / "bob"))
    ann, bob = (load_file(tmp_path / who / "data.safetensors") for who in ("ann", "bob"))
    assert {name: value.shape for name, value in ann.items()} == {
        name: value.shape for name, value in bob.items()
    }
    assert not any(torch.equal(ann[name], bob[name]) for name in ann)
    assert all(torch.equal(ann[name], value) for name, value in data_for(SHEET, "ann").items())
    texts = [(tmp_path / who / "statement.md").read_text() for who in ("ann", "bob")]
    assert texts[0].replace("ann", "bob") != texts[1]


def test_sheets_are_listed():
    sheets = json.loads(homework("list", "--json"))["sheets"]
    assert [sheet["name"] for sheet in sheets] == sheet_names()
    assert all({"title", "points", "minutes", "topics"} <= set(sheet) for sheet in sheets)
    assert "Probabilistic PCA" in homework("list")


def test_wrong_names_get_the_right_command(tmp_path):
    assert "zoo homework new ppca --student ID" in homework("ppca", fails=True)
    assert "Try: zoo homework check hw" in homework("submit", "hw", fails=True)
    assert "Did you mean 'ppca'" in homework(
        "new", "pcpa", "--student", "a", "--out", tmp_path / "x", fails=True
    )
    assert "zoo homework new SHEET" in homework("check", tmp_path / "nothing", fails=True)
    assert "ZOO_HOMEWORK_SECRET" in homework(
        "grade", tmp_path, "--out", tmp_path / "g", fails=True
    )
    assert find_sheet("hmm").name == "mixture_hmm"


def test_the_solution_is_there_for_instructors_only(tmp_path, monkeypatch):
    monkeypatch.delenv("ZOO_INSTRUCTOR", raising=False)
    assert "Set ZOO_INSTRUCTOR" in homework("solution", "ppca", fails=True)
    monkeypatch.setenv("ZOO_INSTRUCTOR", str(find_key(SHEET).folder.parent))
    assert homework("solution", "ppca") == SOLUTION + "\n"
    monkeypatch.setenv("ZOO_INSTRUCTOR", str(tmp_path))
    assert "ZOO_INSTRUCTOR" in homework("solution", "ppca", fails=True)


def test_the_sheet_is_exported_to_gradescope(tmp_path):
    homework("export", "ppca", "--to", "gradescope", "--secret", "s", "--out", tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "out" / "autograder.zip") as archive:
        names = set(archive.namelist())
        assert {"setup.sh", "run_autograder", "instructor/ppca/hidden.py"} <= names
        assert "instructor/ppca/solution.py" not in names
        assert "--sheet ppca" in archive.read("run_autograder").decode()


@pytest.mark.parametrize("name", sheet_names())
def test_the_sheet_is_exported_to_nbgrader(name, tmp_path):
    homework("export", name, "--to", "nbgrader", "--out", tmp_path / "out")
    notebook = nbformat.read(tmp_path / "out" / "homework.ipynb", as_version=4)
    nbformat.validate(notebook)
    marks = [cell.metadata.nbgrader for cell in notebook.cells if "nbgrader" in cell.metadata]
    parts = find_sheet(name).programmed
    assert [mark.points for mark in marks if mark.grade] == [part.points for part in parts]
    assert sum(mark.solution for mark in marks) == len(parts)


def test_the_sheet_is_exported_to_otter(tmp_path):
    homework("export", "ppca", "--to", "otter", "--out", tmp_path / "out")
    nbformat.validate(nbformat.read(tmp_path / "out" / "homework.ipynb", as_version=4))
    names = {}
    exec((tmp_path / "out" / "tests" / "a.py").read_text(), names)
    (case,) = names["test"]["suites"][0]["cases"]
    lines = [line.removeprefix(">>> ") for line in case["code"].splitlines()]
    exec("\n".join(lines), {"marginal": right_marginal})
    with pytest.raises(AssertionError, match="marginal covariance"):
        exec("\n".join(lines), {"marginal": lambda w, mu, sigma: (mu, w @ w.T)})


def right_marginal(w, mu, sigma):
    return mu, w @ w.T + sigma**2 * torch.eye(len(w))


def test_the_doctor_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(
        "zoo.homework.sandbox.contain.missing", lambda: {"Landlock": "the kernel has none"}
    )
    assert "missing: Landlock" in homework("doctor")


def test_sheets_are_listed_without_torch():
    look = "import sys, zoo.cli.app as cli; cli.app(['homework', 'list'], standalone_mode=False)"
    look += "; print([name for name in ('torch', 'jupytext') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"
