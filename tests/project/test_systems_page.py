"""docs/systems.md: every file, name, test and benchmark in it exists."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.pages import systems
from zoo.models import MODELS

ROOT = Path(__file__).parents[2]
SYSTEMS = systems.systems()


def test_the_page_is_what_the_command_writes():
    assert systems.PAGE.read_text() == systems.page(), "run python -m benchmarks.pages.systems"


def test_every_numbered_system_is_there():
    numbers = {system.id for system in SYSTEMS}
    for letter, most in {"A": 2, "B": 7, "C": 12, "D": 3, "E": 3}.items():
        assert {f"{letter}{n}" for n in range(1, most + 1)} <= numbers


def test_every_model_is_in_a_system():
    assert {name for system in SYSTEMS for name in system.models} == set(MODELS)


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: f"{system.id} {system.name}")
def test_what_shows_it_exists(system):
    for proof in system.shown_by:
        path, _, name = proof.partition("::")
        if name:
            assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE), proof
        else:
            assert (ROOT / path).is_file() or find_spec(path) is not None, proof
    models, guides = (
        map(systems.model_place, system.models),
        map(systems.guide_place, system.guides),
    )
    for place in (*models, *guides):
        assert (ROOT / place.path).is_file()
