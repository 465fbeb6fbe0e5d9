"""The examples of CONTRIBUTING.md are followed on a copy, and the tests that it names pass."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
STEP = re.compile(
    r"^(?:New file `(?P<new>[^`]+)`|In `(?P<old>[^`]+)`, below `(?P<anchor>[^`]+)`)"
    r"(?:\s\([^)]*\))?:\n\n"  # a remark in brackets
    r"```python\n(?P<code>.*?)```",
    re.MULTILINE | re.DOTALL,
)
TESTS = re.compile(r"^Its tests: `python (-m pytest [^`]+)`", re.MULTILINE)
FILES = 3
TITLES = ("A model", "A guide", "An objective")
ADDED = ("normal_mean", "mean_field_one_scale", "jackknife")
NAMES = re.search(r"`python (-m zoo\.cli\.names)`", TEXT)[1]


def section(title):
    return TEXT.split(f"## {title}\n")[1].split("\n## ")[0]


def follow(text, folder):
    """Does what a section says; returns the files that it touches."""
    touched = set()
    for step in STEP.finditer(text):
        name = step["new"] or step["old"]
        path = folder / name
        touched.add(name)
        if step["new"]:
            assert not path.exists()
            path.write_text(step["code"])
            continue
        lines = path.read_text().splitlines(keepends=True)
        place = next(i for i, line in enumerate(lines) if step["anchor"] in line)
        path.write_text("".join([*lines[: place + 1], step["code"], *lines[place + 1 :]]))
    return touched


def python(folder, *words):
    """A run of Python in the folder, with the packages that are there."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copied(tmp_path):
    for name in ("zoo", "guides", "tests", "benchmarks"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    return tmp_path


@pytest.mark.parametrize("title", TITLES)
def test_an_addition_is_three_files(title, copied):
    touched = follow(section(title), copied)
    tables = {"guides/__init__.py"} if title == "A guide" else set()
    assert len(touched) == FILES - len(tables)
    assert len(TESTS.findall(section(title))) == 1


@pytest.mark.thorough
def test_the_command_line_lists_what_was_added(copied):
    for title in TITLES:
        follow(section(title), copied)
    assert python(copied, *NAMES.split()).returncode == 0
    listed = python(copied, "-m", "zoo", "list").stdout
    for name in ADDED:
        assert name in listed


@pytest.mark.thorough
@pytest.mark.parametrize("title", TITLES)
def test_the_example_passes_the_tests_that_are_named(title, copied):
    follow(section(title), copied)
    (command,) = TESTS.findall(section(title))
    done = python(copied, *shlex.split(command), "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 10
