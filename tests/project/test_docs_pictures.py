"""Every committed picture has its command, and those that the results hold can be drawn again."""

import re
import shlex
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from benchmarks.pages.pictures import LARGEST, PICTURES
from benchmarks.records import DOCS
from zoo.demos import PICTURES as DEMOS

DRAWN = [name for name, picture in PICTURES.items() if picture.draw is not None]
PAGES = [*DOCS.glob("*.md"), DOCS.parent / "README.md"]


def test_every_picture_is_in_the_table():
    assert {path.stem for path in DOCS.glob("*.png")} == set(PICTURES)
    assert {path.stem for path in DOCS.glob("*.svg")} <= set(PICTURES)


@pytest.mark.parametrize("name", PICTURES)
def test_its_command_exists(name):
    first, *words = shlex.split(PICTURES[name].command)
    if first == "zoo":
        assert words[0] in ("compare", "picture")
        assert words[0] == "compare" or words[1] in DEMOS
    else:
        assert (first, words[0]) == ("python", "-m")
        assert find_spec(words[1])


def test_large_vector_files_are_not_kept():
    for path in DOCS.glob("*.svg"):
        assert path.stat().st_size <= LARGEST, path.name


def test_every_picture_is_shown_on_some_page():
    shown = {name for page in PAGES for name in re.findall(r"([a-z_]+)\.png\)", page.read_text())}
    assert shown == set(PICTURES)


def grey(path):
    with Image.open(path) as image:
        return image.convert("L")


@pytest.mark.thin(5)
@pytest.mark.parametrize("name", DRAWN)
def test_the_committed_picture_is_that_of_the_results(name, tmp_path):
    """The fonts of another machine may differ by a pixel; what is drawn may not."""
    PICTURES[name].draw(tmp_path / f"{name}.png")
    assert (tmp_path / f"{name}.svg").exists()
    new, old = (grey(folder / f"{name}.png") for folder in (tmp_path, DOCS))
    assert abs(np.array(new.size) - np.array(old.size)).max() <= 2
    small = [np.asarray(one.resize((60, 40)), dtype=float) for one in (new, old)]
    assert np.abs(small[0] - small[1]).mean() < 2
    assert small[0].std() > 2
