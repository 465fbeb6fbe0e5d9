"""Attacks on the grader: a student's function that does the harm, and what it is given for it."""

import textwrap
from dataclasses import replace

from zoo.homework.answer_key import find_key
from zoo.homework.hand_in import HandIn
from zoo.homework.judge import Judge
from zoo.homework.sandbox.limits import MB, limits_of
from zoo.homework.sheets import find_sheet

SHEET = find_sheet("ppca")
PART = SHEET.part("a")
LIMITS = replace(limits_of(2), waiting=60.0, memory=700 * MB)
SECRET = "the secret of the course"
RIGHT = "return mu, w @ w.T + sigma**2 * torch.eye(len(w))"


def graded(workers, body, top="", limits=LIMITS):
    """The part of a student whose function has that body."""
    lines = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    source = (
        f"import os, sys, torch\n{textwrap.dedent(top)}\ndef marginal(w, mu, sigma):\n{lines}\n"
    )
    run = workers.runner(HandIn("student", "homework.py", source), limits)
    return Judge(SHEET, find_key(SHEET), SECRET, "student").judge(PART, run)


def fails(found, outcome, *words):
    assert (found.outcome, found.points) == (outcome, 0), found.detail
    assert [word for word in words if word not in found.detail] == [], found.detail
