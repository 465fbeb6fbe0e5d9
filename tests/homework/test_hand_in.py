"""What a student hands in is read without following links, and only up to a size."""

import json
import os

import jupytext
import pytest

from zoo.homework.hand_in import Unreadable, read_hand_in
from zoo.homework.sheets import find_sheet

STARTER = find_sheet("ppca").text("starter.py")
SOLVED = STARTER.replace('raise NotImplementedError("part a: marginal")', "return mu, w")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ann").mkdir()
    return tmp_path / "ann"


def notebook_of(text):
    return jupytext.writes(jupytext.reads(text, fmt="py:percent"), fmt="ipynb")


def test_the_file_or_the_notebook_that_was_changed_is_graded(folder):
    (folder / "homework.py").write_text(STARTER)
    (folder / "homework.ipynb").write_text(notebook_of(SOLVED))
    found = read_hand_in(folder, STARTER)
    assert (found.student, found.file, found.remarks) == ("ann", "homework.ipynb", ())
    assert "return mu, w" in found.source
    (folder / "homework.py").write_text(SOLVED + "\nx = 1\n")
    found = read_hand_in(folder, STARTER)
    assert found.file == "homework.py"
    assert "homework.ipynb was changed too" in found.remarks[0]


def test_magic_commands_of_a_notebook_are_comments(folder):
    text = STARTER + "\n# %%\n# %matplotlib inline\n\n# %%\n# !pip install torch\n"
    assert '"%matplotlib inline' in notebook_of(text)
    (folder / "homework.ipynb").write_text(notebook_of(text))
    compile(read_hand_in(folder, STARTER).source, "homework.py", "exec")


def test_a_link_is_refused(folder):
    (folder / "homework.py").symlink_to("/etc/passwd")
    with pytest.raises(Unreadable, match="link"):
        read_hand_in(folder, STARTER)


def test_a_link_beside_it_is_left_out(folder):
    (folder / "homework.py").write_text(SOLVED)
    (folder / "data").symlink_to("/etc/passwd")
    (folder / "own").write_text("own")
    assert read_hand_in(folder, STARTER).files == {"own": b"own"}


def test_a_folder_that_is_a_link_is_refused(folder, tmp_path):
    (folder / "homework.py").write_text(SOLVED)
    (tmp_path / "bob").symlink_to(folder)
    with pytest.raises(Unreadable, match="link"):
        read_hand_in(tmp_path / "bob", STARTER)


def test_a_notebook_of_two_gigabytes_is_refused(folder):
    with (folder / "homework.ipynb").open("wb") as file:
        file.truncate(2 * 2**30)
    with pytest.raises(Unreadable, match="2,048 MB"):
        read_hand_in(folder, STARTER)


def test_a_pipe_is_refused(folder):
    os.mkfifo(folder / "homework.py")
    with pytest.raises(Unreadable, match="ordinary"):
        read_hand_in(folder, STARTER)


@pytest.mark.parametrize(
    "text", ["no json", "[]", "{}", "[" * 100_000, json.dumps({"cells": 3, "nbformat": 4})]
)
def test_a_damaged_notebook_is_refused(folder, text):
    (folder / "homework.ipynb").write_text(text)
    with pytest.raises(Unreadable, match="notebook"):
        read_hand_in(folder, STARTER)


def test_what_is_no_text_is_refused(folder):
    (folder / "homework.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Unreadable, match="UTF-8"):
        read_hand_in(folder, STARTER)


def test_an_empty_folder_is_refused(folder):
    with pytest.raises(Unreadable, match="no homework.py"):
        read_hand_in(folder, STARTER)
