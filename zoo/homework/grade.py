"""One hand-in graded: points and feedback for each part, in the form that Gradescope reads."""

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

import zoo
from zoo.homework.answer_key import AnswerKey
from zoo.homework.hand_in import HandIn
from zoo.homework.judge import Judge, Judged
from zoo.homework.sandbox.workers import Workers
from zoo.homework.seeds import seed_of
from zoo.homework.sheets import Sheet

Record = dict[str, Any]
NOT_FINITE = "Some of the numbers returned here are NaN or infinite."


def fingerprint_of(sheet: Sheet, key: AnswerKey, secret: str, hand_in: HandIn) -> str:
    """Changes when the hand-in, the sheet, its hidden tests, the secret or the zoo changes."""
    texts = [zoo.__version__, hand_in.student, hand_in.file, hand_in.source]
    texts += [sheet.text("parts.json"), sheet.text("driver.py")]
    texts += [(key.folder / "hidden.py").read_text(encoding="utf-8")]
    texts += [str(seed_of(secret, "fingerprint"))]
    found = hashlib.sha256(json.dumps(texts).encode())
    for name, content in sorted(hand_in.files.items()):
        found.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return found.hexdigest()


def grade_hand_in(
    sheet: Sheet, key: AnswerKey, secret: str, hand_in: HandIn, workers: Workers
) -> Record:
    """The record of a hand-in: its parts with points, outcome and feedback.

    Args:
        sheet: that it is of.
        key: the instructor's files.
        secret: of the course.
        hand_in: what was read.
        workers: run its functions.
    """
    begun = time.perf_counter()
    judge = Judge(sheet, key, secret, hand_in.student)
    run = workers.runner(hand_in)
    parts = [part_record(judge.judge(part, run)) for part in sheet.programmed]
    return {
        "student": hand_in.student,
        "sheet": sheet.name,
        "file": hand_in.file,
        "remarks": list(hand_in.remarks),
        "parts": parts,
        "seconds": round(time.perf_counter() - begun, 2),
        "fingerprint": fingerprint_of(sheet, key, secret, hand_in),
    }


def part_record(found: Judged) -> Record:
    """A part's points, outcome and what is said to the student."""
    failing = found.failing if found.findings else []
    feedback = [one.feedback for one in found.part.tests if one.concept in failing]
    feedback += [NOT_FINITE] if found.not_finite else []
    return {
        "part": found.part.name,
        "title": found.part.title,
        "points": found.points,
        "most": found.part.points,
        "outcome": found.outcome,
        "failing": failing,
        "feedback": [found.detail] if found.detail else feedback,
    }


def unread_record(sheet: Sheet, student: str, why: str) -> Record:
    """The record of a hand-in that could not be read: no points, and the reason."""
    parts = [
        {
            "part": part.name,
            "title": part.title,
            "points": 0,
            "most": part.points,
            "outcome": "unreadable",
            "failing": [],
            "feedback": [why],
        }
        for part in sheet.programmed
    ]
    return {
        "student": student,
        "sheet": sheet.name,
        "file": "",
        "remarks": [why],
        "parts": parts,
        "seconds": 0.0,
        "fingerprint": "",
    }


def gradescope_record(
    sheet: Sheet, record: Record, lateness: Mapping[str, Any], written: Mapping[str, float]
) -> Record:
    """What Gradescope reads as results.json.

    Args:
        sheet: that was graded.
        record: of the hand-in.
        lateness: "days" that count, and the "factor" of the points.
        written: part -> points that a person gave.

    Source: Gradescope's documentation of autograders, "Output format".
    """
    tests = [_test(part) for part in record["parts"]]
    for part in sheet.parts:
        if part.kind == "written" and part.name in written:
            tests.append(_read(part.name, part.title, written[part.name], part.points))
    unread = [part.name for part in sheet.parts if part.kind == "written"]
    unread = [name for name in unread if name not in written]
    remarks = list(record["remarks"])
    if unread:
        remarks.append(f"A person reads part {', '.join(unread)}; its points are not in here.")
    if lateness["days"]:
        remarks.append(f"{lateness['days']} days late: {lateness['factor']:.0%} of the points.")
    return {
        "score": round(lateness["factor"] * sum(test["score"] for test in tests), 4),
        "output": "\n".join(remarks),
        "execution_time": record["seconds"],
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {"record": record, "lateness": dict(lateness)},
    }


def _test(part: Record) -> Record:
    passed = part["points"] == part["most"]
    lines = part["feedback"] or ["All tests passed."]
    return {
        "name": f"{part['part']}. {part['title']}",
        "number": part["part"],
        "score": part["points"],
        "max_score": part["most"],
        "status": "passed" if passed else "failed",
        "output": "\n".join([f"Outcome: {part['outcome']}.", *lines]),
        "visibility": "visible",
    }


def _read(name: str, title: str, points: float, most: float) -> Record:
    return {
        "name": f"{name}. {title}",
        "number": name,
        "score": points,
        "max_score": most,
        "output": "Read by a person.",
        "visibility": "visible",
    }
