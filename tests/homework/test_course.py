"""A class is graded: by the commands, in parallel, again only where something changed."""

import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from datetime import datetime

import nbformat
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

import zoo.homework.course as course_module
from zoo.cli.app import app
from zoo.homework.answer_key import find_key
from zoo.homework.bundle import data_for, notebook_of, write_bundle
from zoo.homework.course import hand_ins_in, written_answers
from zoo.homework.roster import Deadline, Entry, read_roster, read_written
from zoo.homework.sandbox.contain import missing
from zoo.homework.sheets import find_sheet, sheet_names
from zoo.homework.similarity import similar_pairs

SHEET = find_sheet("ppca")
SOLUTION = find_key(SHEET).solution
FULL = sum(part.points for part in SHEET.programmed)


def zoo(*words, fails=False):
    """What a command prints."""
    ran = CliRunner().invoke(app, ["homework", *map(str, words)])
    if fails:
        assert isinstance(ran.exception, ValueError), ran.output
        return str(ran.exception)
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran.output


@pytest.fixture(autouse=True)
def usual_dtype():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(before)


@pytest.fixture(scope="module", autouse=True)
def one_warm_process():
    """Commands one after another share it; each would start its own."""
    close = course_module.close_workers
    course_module.close_workers = lambda: None
    yield
    course_module.close_workers = close
    close()


@pytest.fixture
def students(tmp_path):
    """A folder of a class: one who solved it, one who began, one who attacks, one with a link."""
    folder = tmp_path / "class"
    for name in ("ann", "bob", "eve", "lin"):
        write_bundle(SHEET, name, str(folder / name))
        (folder / name / "homework.ipynb").unlink()
    (folder / "ann" / "homework.py").write_text(SOLUTION)
    half = SHEET.text("starter.py").replace(
        'raise NotImplementedError("part a: marginal")',
        "return 0 * mu, w @ w.T + sigma**2 * torch.eye(len(w))",
    )
    (folder / "bob" / "homework.py").write_text(half)
    (folder / "eve" / "homework.py").write_text("import os\nos._exit(0)\n")
    (folder / "lin" / "homework.py").unlink()
    (folder / "lin" / "homework.py").symlink_to(folder / "ann" / "homework.py")
    return folder


def graded(students, out, *more):
    if missing():
        pytest.skip("this machine contains no code")
    return zoo("grade", students, "--secret", "s", "--out", out, *more)


def results_of(out, student):
    return json.loads((out / student / "results.json").read_text())


def test_a_class_is_graded(students, tmp_path):
    out = tmp_path / "grades"
    said = graded(students, out)
    scores = {name: results_of(out, name)["score"] for name in ("ann", "bob", "eve", "lin")}
    assert scores == {"ann": FULL, "bob": 3, "eve": 0, "lin": 0}
    assert "Error rates" in said or "error rates" in said
    bob = results_of(out, "bob")["tests"]
    assert (bob[0]["score"], bob[0]["max_score"], bob[0]["status"]) == (3, 4, "failed")
    assert SHEET.part("a").tests[0].feedback in bob[0]["output"]
    assert "not begun" in bob[1]["output"]
    assert "killed" in results_of(out, "eve")["tests"][0]["output"]
    assert "link" in results_of(out, "lin")["output"]
    rows = list(csv.DictReader(io.StringIO((out / "grades.csv").read_text())))
    assert [row["student"] for row in rows] == ["ann", "bob", "eve", "lin"]
    assert [row["a"] for row in rows] == ["4", "3", "0", "0"]
    failing = json.loads((out / "failing.json").read_text())
    assert failing["a: marginal mean"] == 1
    assert failing["a: marginal covariance"] == 0
    assert (failing["a: killed"], failing["a: unreadable"], failing["b: not begun"]) == (1, 1, 1)
    assert "Your answer" in (out / "ann" / "written.md").read_text()


def test_only_what_changed_is_graded_again(students, tmp_path, monkeypatch):
    out, seen = tmp_path / "grades", []
    grade = course_module.grade_hand_in

    def noted(*words):
        seen.append(words[3].student)
        return grade(*words)

    monkeypatch.setattr(course_module, "grade_hand_in", noted)
    graded(students / "ann", out)
    graded(students, out)
    assert sorted(seen) == ["ann", "bob", "eve"]
    path = students / "bob" / "homework.py"
    path.write_text(path.read_text() + "\n# once more\n")
    graded(students, out)
    assert sorted(seen) == ["ann", "bob", "bob", "eve"]
    assert results_of(out, "ann")["score"] == FULL


@pytest.mark.slow
def test_a_class_is_graded_in_parallel(students, tmp_path):
    out = tmp_path / "grades"
    graded(students, out, "--jobs", 2)
    assert results_of(out, "ann")["score"] == FULL
    assert results_of(out, "bob")["score"] == 3


def test_late_days_and_points_of_people_count(students, tmp_path):
    out, roster, written = tmp_path / "grades", tmp_path / "roster.csv", tmp_path / "written.csv"
    roster.write_text("student,submitted,late_days\nann,2026-11-03T12:00,1\n")
    written.write_text("student,part,points\nann,f,2\n")
    graded(
        *(students / "ann", out, "--due", "2026-11-01T12:00", "--roster", roster),
        *("--written", written, "--penalty", 0.25),
    )
    found = results_of(out, "ann")
    assert found["score"] == pytest.approx(0.75 * (FULL + 2))
    assert "1 days late" in found["output"]


@pytest.mark.parametrize(
    ("submitted", "entry", "days"),
    [
        ("2026-11-01T12:00", Entry(), 0),
        ("2026-11-01T12:01", Entry(), 1),
        ("2026-11-02T12:01", Entry(), 2),
        ("2026-11-02T12:01", Entry(late_days=1), 1),
        ("2026-11-02T12:01", Entry(extra_days=2), 0),
        ("2026-11-04T12:00", Entry(extra_days=2), 1),
        ("2026-11-09T12:00", Entry(submitted=datetime(2026, 11, 1)), 0),
    ],
)
def test_days_late(submitted, entry, days):
    deadline = Deadline(datetime(2026, 11, 1, 12), 0.1, {"ann": entry})
    found = deadline.lateness("ann", datetime.fromisoformat(submitted))
    assert found == {"days": days, "factor": pytest.approx(1 - 0.1 * days)}


def test_tables_with_other_columns_are_refused(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text("name,late\nann,1\n")
    with pytest.raises(ValueError, match=r"student, submitted.*got name, late"):
        read_roster(path)
    path.write_text("student,part,points\nann,a,many\n")
    with pytest.raises(ValueError, match="points of ann"):
        read_written(path)


def test_two_hand_ins_of_one_student_are_refused(students, tmp_path):
    write_bundle(SHEET, "ann", str(tmp_path / "other" / "ann"))
    with pytest.raises(ValueError, match="same name"):
        hand_ins_in([students, tmp_path / "other"])


def test_a_newcomer_begins_and_checks(tmp_path):
    folder = tmp_path / "hw"
    said = zoo("new", "ppca", "--student", "ann", "--out", folder)
    assert f"zoo homework check {folder}" in " ".join(said.split()).replace("- ", "-")
    assert "not begun" in zoo("check", folder)
    (folder / "homework.py").write_text(SOLUTION)
    assert "5 of 5 parts pass" in zoo("check", folder)
    wrong = SOLUTION.replace("+ sigma**2 * torch.eye(len(w)", "+ sigma * torch.eye(len(w)")
    (folder / "homework.py").write_text(wrong)
    said = zoo("check", folder)
    assert "marginal covariance" in said
    assert "4 of 5 parts pass" in said


def test_the_notebook_is_checked_too(tmp_path):
    folder = tmp_path / "hw"
    zoo("new", "ppca", "--student", "ann", "--out", folder)
    (folder / "homework.ipynb").write_text(notebook_of(SOLUTION))
    assert "5 of 5 parts pass" in zoo("check", folder)


def test_check_names_the_line_that_raised(tmp_path):
    folder = tmp_path / "hw"
    zoo("new", "ppca", "--student", "ann", "--out", folder)
    text = SOLUTION.replace("    return mu, covariance", "    return mu, covarianc")
    (folder / "homework.py").write_text(text)
    line = text[: text.index("return mu, covarianc")].count("\n") + 1
    said = " ".join(zoo("check", folder).split())
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


def test_written_answers_are_taken_out():
    text = (
        "# %%\nx = 1\n\n# %% [markdown]\n# ## Part f: in words\n#\n# 1. Because.\n\n# %%\ny = 2\n"
    )
    assert written_answers(SHEET, text) == "## Part f: in words\n\n1. Because.\n"


def test_sheets_are_listed():
    sheets = json.loads(zoo("list", "--json"))["sheets"]
    assert [sheet["name"] for sheet in sheets] == sheet_names()
    assert all({"title", "points", "minutes", "topics"} <= set(sheet) for sheet in sheets)
    assert "Probabilistic PCA" in zoo("list")


def test_wrong_names_get_the_right_command(tmp_path):
    assert "zoo homework new ppca --student ID" in zoo("ppca", fails=True)
    assert "Try: zoo homework check hw" in zoo("submit", "hw", fails=True)
    assert "Did you mean 'ppca'" in zoo(
        "new", "pcpa", "--student", "a", "--out", tmp_path / "x", fails=True
    )
    assert "zoo homework new SHEET" in zoo("check", tmp_path / "nothing", fails=True)
    assert "ZOO_HOMEWORK_SECRET" in zoo("grade", tmp_path, "--out", tmp_path / "g", fails=True)
    assert find_sheet("hmm").name == "mixture_hmm"


def test_the_solution_is_there_for_instructors_only(tmp_path, monkeypatch):
    monkeypatch.delenv("ZOO_INSTRUCTOR", raising=False)
    assert "Set ZOO_INSTRUCTOR" in zoo("solution", "ppca", fails=True)
    monkeypatch.setenv("ZOO_INSTRUCTOR", str(find_key(SHEET).folder.parent))
    assert zoo("solution", "ppca") == SOLUTION + "\n"
    monkeypatch.setenv("ZOO_INSTRUCTOR", str(tmp_path))
    assert "ZOO_INSTRUCTOR" in zoo("solution", "ppca", fails=True)


def test_the_sheet_is_exported_to_gradescope(tmp_path):
    zoo("export", "ppca", "--to", "gradescope", "--secret", "s", "--out", tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "out" / "autograder.zip") as archive:
        names = set(archive.namelist())
        assert {"setup.sh", "run_autograder", "instructor/ppca/hidden.py"} <= names
        assert "instructor/ppca/solution.py" not in names
        assert "--sheet ppca" in archive.read("run_autograder").decode()


@pytest.mark.parametrize("name", sheet_names())
def test_the_sheet_is_exported_to_nbgrader(name, tmp_path):
    zoo("export", name, "--to", "nbgrader", "--out", tmp_path / "out")
    notebook = nbformat.read(tmp_path / "out" / "homework.ipynb", as_version=4)
    nbformat.validate(notebook)
    marks = [cell.metadata.nbgrader for cell in notebook.cells if "nbgrader" in cell.metadata]
    parts = find_sheet(name).programmed
    assert [mark.points for mark in marks if mark.grade] == [part.points for part in parts]
    assert sum(mark.solution for mark in marks) == len(parts)


def test_the_sheet_is_exported_to_otter(tmp_path):
    zoo("export", "ppca", "--to", "otter", "--out", tmp_path / "out")
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


def test_copies_with_other_names_are_the_most_similar():
    copy = SOLUTION.replace("covariance", "c").replace("mean", "m").replace("# ", "# my ")
    other = find_key(SHEET).right()["loops"]
    starter = SHEET.text("starter.py")
    pairs = similar_pairs({"ann": SOLUTION, "bob": copy, "eve": other, "new": starter}, starter)
    assert pairs[0] == (1.0, "ann", "bob")
    assert all(share < 0.5 for share, *_ in pairs[1:])


def test_similarity_reads_the_folder_of_grades(students, tmp_path):
    graded(students, tmp_path / "grades")
    assert "ann" in zoo("similarity", tmp_path / "grades")


def test_the_doctor_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(
        "zoo.homework.sandbox.contain.missing", lambda: {"Landlock": "the kernel has none"}
    )
    assert "missing: Landlock" in zoo("doctor")


def test_an_error_of_the_grader_leaves_the_others(students, tmp_path, monkeypatch):
    grade = course_module.grade_hand_in

    def failing(*words):
        if words[3].student == "bob":
            raise RuntimeError("a bug")
        return grade(*words)

    monkeypatch.setattr(course_module, "grade_hand_in", failing)
    said = graded(students, tmp_path / "grades")
    assert "bob was not graded: RuntimeError: a bug" in said
    assert results_of(tmp_path / "grades", "ann")["score"] == FULL


def test_sheets_are_listed_without_torch():
    look = "import sys, zoo.cli.app as cli; cli.app(['homework', 'list'], standalone_mode=False)"
    look += "; print([name for name in ('torch', 'jupytext') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", sheet_names())
def test_answers_in_words_reach_the_reader(name):
    """They may stand in a cell of their own, after code that is given."""
    sheet = find_sheet(name)
    if not any(part.kind == "written" for part in sheet.parts):
        pytest.skip("no part in words")
    source = sheet.text("starter.py").rstrip() + "\n\n# %% [markdown]\n# It is the variance.\n"
    found = course_module.written_answers(sheet, source)
    assert "It is the variance." in found
    assert "torch." not in found


@pytest.mark.parametrize(
    ("part", "points", "words"),
    [("f", 99.0, "0 to 3"), ("f", -1.0, "0 to 3"), ("a", 1.0, "written parts"), ("zz", 1.0, "f")],
)
def test_points_that_no_written_part_has_are_refused(part, points, words):
    with pytest.raises(ValueError, match=words):
        course_module.check_written(find_sheet("ppca"), {"ada": {part: points}})


def test_grades_of_another_sheet_are_not_replaced(tmp_path):
    (tmp_path / "ada").mkdir()
    results = {"score": 1, "extra_data": {"record": {"student": "ada", "sheet": "vae"}}}
    (tmp_path / "ada" / "results.json").write_text(json.dumps(results))
    sheet = find_sheet("ppca")
    asked = course_module.Course(sheet, find_key(sheet), "s", tmp_path)
    with pytest.raises(ValueError, match="Name another folder"):
        course_module.graded_before(asked)
