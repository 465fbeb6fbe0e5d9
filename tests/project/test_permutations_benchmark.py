"""The results on latent permutations bear out what the gallery says of them."""

import pytest

from benchmarks.estimators import permutations
from benchmarks.records import RESULTS, read

RECORD = read(RESULTS / "permutations.json")
ERRORS = 5
PLAIN = [row for row in RECORD["rows"] if row["temperature"] is None]
RELAXED = [row for row in RECORD["rows"] if row["temperature"] is not None]


def test_every_estimator_and_fit_is_there():
    names = {(row["guide"], row["objective"]) for row in PLAIN}
    guides = ("amortised_plackett_luce", "amortised_matching")
    assert names == {(guide, name) for guide in guides for name in permutations.SCORES}
    assert len(RELAXED) == len(permutations.RELAXED) * len(permutations.TEMPERATURES)
    seeds = {(row["guide"], row["seed"]) for row in RECORD["fits"]}
    assert seeds == {(g, s) for g in permutations.FITS for s in range(permutations.SEEDS)}


@pytest.mark.parametrize("row", PLAIN, ids=permutations.named)
def test_score_functions_are_without_bias(row):
    """By its norm: numbers that only rare orders move have no error to test them by."""
    assert row["bias"]["relative"] < ERRORS * row["bias"]["relative_se"]


@pytest.mark.parametrize(
    "row", RELAXED, ids=lambda row: f"{row['objective']}-{row['temperature']}"
)
def test_relaxations_are_biased(row):
    assert row["bias"]["relative"] > ERRORS * row["bias"]["relative_se"]


@pytest.mark.parametrize("guide", ["amortised_matching", "amortised_plackett_luce"])
def test_score_functions_recover_the_posterior(guide):
    found = [row["kl"] for row in RECORD["fits"] if row["guide"] == guide]
    assert max(found) < 0.1
