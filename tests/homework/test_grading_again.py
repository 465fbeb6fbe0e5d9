"""A class is graded again: what earlier options did stays, and what is odd is said by name."""

import csv
import json
import time
from datetime import datetime

import pytest
import torch
from typer.testing import CliRunner

import zoo.homework.course as course_module
from zoo.cli.app import app
from zoo.homework.answer_key import find_key
from zoo.homework.bundle import write_bundle
from zoo.homework.calls import Call, run_in_process
from zoo.homework.grade import NOT_FINITE, part_record
from zoo.homework.judge import Judge
from zoo.homework.public_tier import TooLong, at_most
from zoo.homework.roster import Entry, settings_for, write_settings
from zoo.homework.sheets import find_sheet

SHEET = find_sheet("ppca")
KEY = find_key(SHEET)
FULL = sum(part.points for part in SHEET.programmed)


def zoo(*words):
    """What a command prints; an error of the command is raised."""
    ran = CliRunner().invoke(app, ["homework", *map(str, words)])
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran.output


@pytest.fixture(autouse=True)
def as_a_command():
    """The dtype that commands find, and no warm process after a test."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(before)
    course_module.close_workers()


@pytest.fixture
def hand_in(tmp_path):
    """A hand-in that is begun but for one part."""
    folder = tmp_path / "class" / "ann"
    write_bundle(SHEET, "ann", str(folder))
    (folder / "homework.ipynb").unlink()
    return folder


def row_of(out, student):
    with (out / "grades.csv").open() as file:
        return next(row for row in csv.DictReader(file) if row["student"] == student)


def test_options_that_are_not_given_again_stay(hand_in, tmp_path):
    (hand_in / "homework.py").write_text(KEY.solution)
    out, roster, written = tmp_path / "grades", tmp_path / "roster.csv", tmp_path / "written.csv"
    roster.write_text("student,submitted\nann,2026-11-03T12:00\n")
    written.write_text("student,part,points\nann,f,2\n")
    words = ("grade", hand_in, "--out", out, "--secret", "s")
    zoo(*words, "--due", "2026-11-01T12:00", "--roster", roster, "--written", written)
    first = row_of(out, "ann")
    said = " ".join(zoo(*words).split())
    assert row_of(out, "ann") == first
    assert "--due, --penalty, --roster, --written" in said
    assert float(first["score"]) == pytest.approx(0.8 * (FULL + 2))
    assert (first["f"], first["days late"], first["late factor"]) == ("2.0", "2", "0.8")
    assert float(first["most"]) == SHEET.points
    zoo(*words, "--penalty", 0)
    assert float(row_of(out, "ann")["score"]) == FULL + 2


def test_settings_are_read_back(tmp_path):
    entry = Entry(datetime(2026, 11, 1), 2.0, 1.0)
    given = {
        "due": datetime(2026, 11, 3, 12),
        "penalty": 0.0,
        "roster": {"ann": entry},
        "written": {"ann": {"f": 1.5}},
    }
    first = settings_for(tmp_path, **given)
    write_settings(tmp_path, first)
    again = settings_for(tmp_path, **dict.fromkeys(given))
    assert (again.deadline, again.written) == (first.deadline, first.written)
    assert again.kept == ("--due", "--roster", "--written")


def test_hand_ins_of_other_sheets_and_of_other_students_are_named(hand_in, tmp_path):
    other = hand_in.parent / "bob"
    write_bundle(find_sheet("vae"), "bob", str(other))
    words = ("grade", hand_in.parent, "--out", tmp_path / "grades", "--secret", "s")
    with pytest.raises(ValueError, match=r"ppca \(ann\), vae \(bob\)"):
        zoo(*words)
    record = json.loads((other / "student.json").read_text())
    (other / "student.json").write_text(json.dumps(record | {"sheet": "ppca", "student": "ann"}))
    (other / "homework.py").write_text("")
    (other / "homework.ipynb").unlink()
    assert "bob: student.json is of 'ann'" in zoo(*words)


@pytest.mark.parametrize(
    ("body", "outcome", "words"),
    [
        ('raise NotImplementedError("later")', "not begun", "not begun"),
        ("return torch.zeros(10**9, 10**6)", "out of memory", "memory"),
        ("return mu / 0 * 0, w @ w.T + sigma**2 * torch.eye(len(w))", "wrong", NOT_FINITE),
        ("return 1 / 0", "raised", "ZeroDivisionError"),
    ],
)
def test_outcomes_are_named(body, outcome, words):
    source = f"import torch\n\ndef marginal(w, mu, sigma):\n    {body}\n"
    judge = Judge(SHEET, KEY, "s", "ann")
    record = part_record(judge.judge(SHEET.part("a"), run_in_process(source, "")))
    assert record["outcome"] == outcome
    assert words in " ".join(record["feedback"])
    assert bool(record["failing"]) == (outcome == "wrong")


def test_other_errors_of_torch_are_no_lack_of_memory():
    source = "import torch\n\ndef marginal(w, mu, sigma):\n    return w @ mu\n"
    call = Call({"w": torch.ones(3, 2), "mu": torch.ones(3), "sigma": 1.0}, torch.float32, 0)
    assert run_in_process(source, "")(SHEET.part("a"), [call]).outcome == "raised"


def test_checks_that_do_not_end_are_stopped(hand_in, monkeypatch):
    monkeypatch.setattr("zoo.homework.public_tier.TIMES", 0.01)
    begun = SHEET.text("starter.py").replace(
        'raise NotImplementedError("part a: marginal")', "while True:\n        pass"
    )
    (hand_in / "homework.py").write_text(begun)
    assert "Is there a loop that does not end?" in zoo("check", hand_in)
    monkeypatch.setattr("zoo.homework.public_tier.SECONDS_TO_LOAD", 0.2)
    (hand_in / "homework.py").write_text("while True:\n    pass\n")
    with pytest.raises(ValueError, match=r"homework\.py itself, not a part: Stopped after 0\.2"):
        zoo("check", hand_in)


def test_the_limit_leaves_nothing_behind():
    with at_most(60.0):
        pass
    with pytest.raises(TooLong), at_most(0.05):
        time.sleep(60)
