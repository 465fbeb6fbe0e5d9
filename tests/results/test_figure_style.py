"""The style of pictures: two files of each, and colours that the colour-blind can tell apart."""

from itertools import combinations
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from guides import GUIDES
from zoo.figure_style import (
    ALL,
    KNOWN,
    MARKERS,
    PALETTE,
    STYLE,
    in_style,
    legend_above,
    look_of,
    looks,
    save_figure,
    shown_once,
)
from zoo.objectives import OBJECTIVES


@pytest.fixture(autouse=True)
def _no_open_figures():
    """Figures that an earlier test left open are not this one's."""
    plt.close("all")


# Linear RGB as it is seen: Machado, Oliveira & Fernandes 2009, severity 1.
SEEN = {
    "usual": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
JUST_SEEN = 2.3  # of the distance in CIE L*a*b*, for patches side by side


def linear(colour):
    """A hexadecimal colour as linear RGB."""
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE L*a*b* of linear RGB, under D65."""
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(matrix) @ np.clip(rgb, 0, 1) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def nearest(colours, seen):
    """The smallest distance between two colours."""
    places = [lab(np.array(SEEN[seen]) @ linear(colour)) for colour in colours]
    return min(float(np.linalg.norm(a - b)) for a, b in combinations(places, 2))


@pytest.mark.parametrize("seen", SEEN)
def test_colours_are_told_apart(seen):
    assert nearest(PALETTE, seen) > 5 * JUST_SEEN


def test_the_measure_finds_colours_that_are_not_told_apart():
    """A red and a green of matplotlib's own cycle, as a deuteranope sees them."""
    pair = ("#d62728", "#7f6000")
    assert nearest(pair, "usual") > 5 * JUST_SEEN > nearest(pair, "deuteranopia")


@pytest.mark.parametrize("names", [GUIDES, OBJECTIVES], ids=["guides", "objectives"])
def test_no_two_members_of_a_table_look_alike(names):
    found = looks(names)
    assert list(found) == list(names)
    assert len(set(found.values())) == len(names)
    missing = [name for name in names if name not in KNOWN]
    assert not missing, "add them to the tables of zoo/figure_style.py"


def test_a_look_does_not_depend_on_what_stands_beside_it():
    alone = look_of("amortised_iaf")
    assert looks(["per_datum", "amortised_iaf", "my guide"])["amortised_iaf"] == alone
    assert look_of("rloo 5") == look_of("rloo")
    assert look_of("my guide") == looks(["my guide"])["my guide"]


def test_what_is_often_compared_differs_in_colour():
    for names in (
        ("amortised_normal", "amortised_full_rank", "amortised_iaf", "amortised_planar"),
        ("mean_field", "full_rank", "iaf"),
        ("rloo", "disarm", "arms", "relax", "rodeo", "double_cv", "nvil"),
        ("elbo", "iwae_10", "iwae_100", "log_evidence"),
        ("zoo compiled", "NumPyro", "Pyro's SVI.step"),
        ("one of mine", "another", "a third", "a fourth", "a fifth", "a sixth"),
    ):
        assert len({look.colour for look in looks(names).values()}) == len(names), names


def test_a_picture_holds_as_many_things_as_there_are_looks():
    assert len(ALL) == len(set(ALL)) == len(PALETTE) * len(MARKERS)
    assert len(set(looks(map(str, range(len(ALL)))).values())) == len(ALL)
    with pytest.raises(ValueError, match=f"at most {len(ALL)} things in one picture; got"):
        looks(map(str, range(len(ALL) + 1)))


@in_style
def drawn():
    picture, axis = plt.subplots(figsize=(3, 2), layout="constrained")
    axis.plot([0, 1], [0, 1], label="a line")
    legend_above(picture, [axis])
    return picture


def test_a_figure_is_saved_as_png_and_as_svg(tmp_path):
    first, second = save_figure(drawn(), tmp_path / "a.png")
    with Image.open(first) as image:
        assert image.size == (480, 320)
    root = ElementTree.parse(second).getroot()
    assert root.tag.endswith("svg")
    assert root.findall(".//{*}path")
    again, vector = save_figure(drawn(), tmp_path / "b.png")
    assert first.read_bytes() == again.read_bytes()
    assert second.read_text() == vector.read_text()
    assert not plt.get_fignums()


def test_the_legend_covers_no_axis():
    picture = drawn()
    picture.canvas.draw()
    (legend,), (axis,) = picture.legends, picture.axes
    assert not legend.get_window_extent().overlaps(axis.get_window_extent())
    plt.close(picture)


def test_users_settings_stay_as_they_were():
    before = {name: plt.rcParams[name] for name in STYLE}
    plt.close(drawn())
    assert {name: plt.rcParams[name] for name in STYLE} == before


def test_a_notebook_shows_a_picture_once(monkeypatch):
    """What a cell returns is shown as its result; an open figure of pyplot would be shown too."""
    picture = drawn()
    assert shown_once(picture) is picture
    assert plt.get_fignums()
    monkeypatch.setattr(plt, "get_backend", lambda: "module://matplotlib_inline.backend_inline")
    shown_once(picture)
    assert not plt.get_fignums()
