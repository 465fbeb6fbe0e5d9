"""A class is graded: by the commands, in parallel, again only where something changed."""

import csv
import io
import json
from datetime import datetime

import pytest
from command_line import homework

import zoo.homework.course as course_module
from zoo.homework.answer_key import find_key
from zoo.homework.bundle import write_bundle
from zoo.homework.course import hand_ins_in, written_answers
from zoo.homework.roster import Deadline, Entry, read_roster, read_written
from zoo.homework.sandbox.contain import missing
from zoo.homework.sheets import find_sheet, sheet_names
from zoo.homework.similarity import similar_pairs

SHEET = find_sheet("ppca")
SOLUTION = find_key(SHEET).solution
FULL = sum(part.points for part in SHEET.programmed)
pytestmark = pytest.mark.usefixtures("one_warm_process", "usual_dtype")


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
    return homework("grade", students, "--secret", "s", "--out", out, *more)


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


def test_written_answers_are_taken_out():
    text = (
        "# %%\nx = 1\n\n# %% [markdown]\n# ## Part f: in words\n#\n# 1. Because.\n\n# %%\ny = 2\n"
    )
    assert written_answers(SHEET, text) == "## Part f: in words\n\n1. Because.\n"


def test_copies_with_other_names_are_the_most_similar():
    copy = SOLUTION.replace("covariance", "c").replace("mean", "m").replace("# ", "# my ")
    other = find_key(SHEET).right()["loops"]
    starter = SHEET.text("starter.py")
    pairs = similar_pairs({"ann": SOLUTION, "bob": copy, "eve": other, "new": starter}, starter)
    assert pairs[0] == (1.0, "ann", "bob")
    assert all(share < 0.5 for share, *_ in pairs[1:])


def test_similarity_reads_the_folder_of_grades(students, tmp_path):
    graded(students, tmp_path / "grades")
    assert "ann" in homework("similarity", tmp_path / "grades")


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
