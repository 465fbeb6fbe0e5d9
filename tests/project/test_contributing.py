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
    r"^(?:New file `(?P<new>[^`]+)`|In `(?P<old>[^`]+)`, below `(?P<anchor>[^`]+)`):\n\n"
    r"```python\n(?P<code>.*?)```",
    re.MULTILINE | re.DOTALL,
)
TESTS = re.compile(r"^Its tests: `python (-m pytest [^`]+)`", re.MULTILINE)
FILES = 3
TITLES = ("A model", "A guide", "An objective")


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


@pytest.fixture
def copied(tmp_path):
    for name in ("zoo", "guides", "tests"):
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


@pytest.mark.slow
@pytest.mark.parametrize("title", TITLES)
def test_the_example_passes_the_tests_that_are_named(title, copied):
    follow(section(title), copied)
    (command,) = TESTS.findall(section(title))
    room = {**os.environ, "PYTHONPATH": str(copied)}
    done = subprocess.run(
        [sys.executable, *shlex.split(command), "-q", "-p", "no:cacheprovider"],
        cwd=copied,
        env=room,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 10
