"""The jigsaw's measures of what is right, and what the gallery says of its results."""

import pytest
import torch

from benchmarks.estimators import jigsaw
from benchmarks.estimators.jigsaw import right, solved
from benchmarks.records import RESULTS, read
from zoo.models.discrete.jigsaw import Jigsaw
from zoo.permutations import every_permutation

RECORD = read(RESULTS / "jigsaw.json")


def of(guide):
    """Seed -> row."""
    return {row["seed"]: row for row in RECORD["rows"] if row["guide"] == guide}


def test_equal_tiles_may_change_places():
    x = torch.tensor([[[0.0], [0.0], [1.0]]])
    orders = torch.tensor([[0, 1, 2]])
    tiles, pictures = right(x, torch.tensor([[1, 0, 2]]), orders)
    assert (tiles.tolist(), pictures.tolist()) == ([1.0], [1.0])
    tiles, pictures = right(x, torch.tensor([[2, 1, 0]]), orders)
    assert (tiles.tolist(), pictures.tolist()) == ([pytest.approx(1 / 3)], [0.0])


def test_no_order_has_more_tiles_right_than_the_best_of_the_posterior():
    """By enumeration: the expected share of right tiles, equal ones for each other."""
    bits = torch.bernoulli(torch.full((26, 3, 2), 0.4))
    x, every = bits[20:], every_permutation(3)
    p = Jigsaw(bits[:20], 3).posterior(x)["pi"]
    best = solved(p, x)
    for row, chances in enumerate(p.logits.exp()):
        gains = [
            sum(
                c * right(x[row : row + 1], a[None], b[None])[0]
                for b, c in zip(every, chances, strict=True)
            )
            for a in (*every, best[row])
        ]
        assert gains[-1].item() == pytest.approx(max(gains).item(), rel=1e-8)


def test_every_fit_is_there():
    names = {jigsaw.NONE, jigsaw.EXACT, *jigsaw.FITS}
    assert {row["guide"] for row in RECORD["rows"]} == names
    assert all(of(name).keys() == set(range(jigsaw.SEEDS)) for name in names)
    assert len(RECORD["pictures"]) == len(jigsaw.FITS) + 3


def test_the_posterior_is_too_sure_of_its_pictures():
    for row in of(jigsaw.EXACT).values():
        assert row["expected"] > row["pictures"]["value"] + row["pictures"]["se"]


def test_on_every_seed_guides_lie_between_chance_and_the_posterior():
    """In KL and in what they put right; a guide may be lucky by two errors."""
    for seed, best in of(jigsaw.EXACT).items():
        assert abs(best["kl"]["value"]) < 1e-4
        for name in jigsaw.FITS:
            row = of(name)[seed]
            assert 0 < row["kl"]["value"] < of(jigsaw.NONE)[seed]["kl"]["value"]
            for what in ("tiles", "pictures"):
                low, high = of(jigsaw.NONE)[seed][what], best[what]
                assert low["value"] < row[what]["value"] < high["value"] + 2 * high["se"]


def test_scores_of_tiles_in_places_come_nearest_and_one_score_a_place_is_far_off():
    for seed, race in of("amortised_plackett_luce").items():
        near = [of(name)[seed] for name in ("amortised_matching", "gumbel_sinkhorn")]
        rest = [of(name)[seed] for name in jigsaw.FITS if of(name)[seed] not in (race, *near)]
        farthest = max(row["kl"]["value"] for row in near)
        assert farthest < min(row["kl"]["value"] for row in rest)
        assert race["kl"]["value"] > max(row["kl"]["value"] for row in rest)
        assert min(row["pictures"]["value"] for row in near) > 2 * race["pictures"]["value"]
