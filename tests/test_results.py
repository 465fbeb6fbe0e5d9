"""The committed results bear out what the gallery says of them."""

import importlib
import json
import math
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
RESULTS = BENCHMARKS / "results"


@pytest.fixture(autouse=True)
def path(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def read(name):
    return json.loads((RESULTS / name).read_text())


def by_seed(rows, head, name, figure):
    """Seed -> value and standard error."""
    return {row["seed"]: row[figure] for row in rows if row[head] == name}


def above(better, worse):
    """Is it above on every seed, by more than the errors of both?"""
    assert better.keys() == worse.keys() != set()
    return all(
        better[seed][0] - worse[seed][0] > 2 * math.hypot(better[seed][1], worse[seed][1])
        for seed in better
    )


def test_the_page_is_that_of_the_results():
    gallery = importlib.import_module("gallery")
    assert (gallery.DOCS / "gallery.md").read_text() == gallery.page()
    assert "No results yet" not in gallery.page()


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("priors", "CHOICES"),
        ("bounds", "OBJECTIVES"),
        ("likelihoods", "CHOICES"),
        ("ladder", "RUNGS"),
        ("published", "SETTINGS"),
        ("gaps", "TRAINED"),
    ],
)
def test_no_row_is_missing(name, table):
    section, (head, *_) = importlib.import_module("vaes").SECTIONS[name]
    asked = getattr(section, table)
    names = set(asked) if isinstance(asked, dict) else {one.name for one in asked}
    assert {row[head] for row in read(f"vaes/{name}.json")["rows"]} >= names


def test_every_prior_gains_over_a_standard_normal():
    rows = read("vaes/priors.json")["rows"]
    standard = by_seed(rows, "prior", "standard", "log_evidence")
    for prior in {row["prior"] for row in rows} - {"standard"}:
        assert above(by_seed(rows, "prior", prior, "log_evidence"), standard), prior


def test_chosen_noise_beats_uniform_noise():
    rows = read("vaes/likelihoods.json")["rows"]
    for model in ("Gaussian", "RealNVP parts"):
        noises = [
            by_seed(rows, "likelihood", f"{model}, {noise}", "elbo")
            for noise in ("noise by a flow", "uniform noise")
        ]
        assert above(*noises), model


def test_more_groups_of_latents_gain():
    rows = read("vaes/structures.json")["rows"]
    one, two = (
        by_seed(rows, "structure", name, "log_evidence")
        for name in ("one group", "two groups, top-down")
    )
    assert above(two, one)
    runs = read("hierarchical.json")["runs"]  # Fashion-MNIST
    figures = {
        levels: {r["seed"]: r["figures"]["log_evidence"] for r in runs if r["levels"] == levels}
        for levels in (1, 2)
    }
    assert above(figures[2], figures[1])


def test_a_wider_receptive_field_leaves_less_in_z_and_remedies_more():
    rows = read("collapse.json")["rows"]

    def kl(field, remedy="none"):
        return {
            row["seed"]: (row["figures"]["kl"]["value"], row["figures"]["kl"]["se"])
            for row in rows
            if (row["receptive_field"], row["remedy"]) == (field, remedy)
        }

    widest = max(row["receptive_field"] for row in rows)
    assert above(kl(0), kl(widest))
    for remedy in {row["remedy"] for row in rows} - {"none"}:
        assert above(kl(widest, remedy), kl(widest)), remedy


def test_bounds_stay_below_log_p():
    for name in ("ladder", "priors", "bounds", "likelihoods", "structures"):
        for row in read(f"vaes/{name}.json")["rows"]:
            (bound, first), (log_p, second) = row["elbo"], row["log_evidence"]
            assert bound < log_p + 5 * math.hypot(first, second)
