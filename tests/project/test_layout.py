"""The layout: which files stand alone, how full folders are, and that every package has a level.

That imports run down only is checked by import-linter, from the levels in setup.cfg.
"""

import ast
import re
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALONE = {  # the files directly in zoo/
    *("__init__", "__main__", "arviz_compat", "copies", "device", "distributions", "errors"),
    *("figure_style", "files", "isolation", "nn", "protocols", "provenance", "task"),
    *("torch_private", "traces"),
}
MANY = {"objectives", "data", "guides"}  # one member a file, without a limit
MOST = 20  # files in any other folder


def packages():
    return sorted(path.parent for path in (ROOT / "zoo").rglob("__init__.py"))


def levels():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    text = config["importlinter:contract:levels"]["layers"]
    return [[name.strip() for name in line.split("|")] for line in text.strip().splitlines()]


def test_few_files_stand_alone():
    assert {path.stem for path in (ROOT / "zoo").glob("*.py")} <= ALONE


@pytest.mark.parametrize("folder", packages(), ids=lambda path: path.name)
def test_no_folder_is_crowded(folder):
    files = list(folder.glob("*.py"))
    assert folder.name in MANY or len(files) <= MOST


def test_every_room_is_on_one_level():
    named = [name for level in levels() for name in level]
    rooms = {f"zoo.{path.stem}" for path in (ROOT / "zoo").glob("*.py")} - {"zoo.__init__"}
    rooms |= {f"zoo.{path.name}" for path in packages() if path.parent == ROOT / "zoo"}
    assert sorted(named) == sorted(rooms | {"guides"})


@pytest.mark.parametrize("folder", packages(), ids=lambda path: path.name)
def test_every_room_says_what_it_is_for(folder):
    """Its first line is what a newcomer reads in the tree."""
    first = (folder / "__init__.py").read_text().splitlines()[0]
    assert first.startswith('"""')
    assert len(first) > 30


def test_what_torch_keeps_to_itself_is_named_in_one_file():
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "zoo").rglob("*.py")
        if re.search(r"torch\._[a-z]|torch\.\w+\._[a-z]|proxy_tensor", path.read_text())
    }
    assert found == {"zoo/torch_private.py"}


def test_the_list_of_benchmarks_says_what_each_script_says():
    """Its first line, which is what the script asks."""
    text = (ROOT / "benchmarks" / "README.md").read_text()
    for path in (ROOT / "benchmarks").glob("*/*.py"):
        first = ast.get_docstring(ast.parse(path.read_text())).splitlines()[0]
        wanted = first if path.stem == "__init__" else f"| `{path.stem}` | {first} |"
        assert wanted in text, path
