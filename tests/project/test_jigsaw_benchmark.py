"""The jigsaw's measures of what is right, and what the gallery says of its results."""

import pytest
import torch

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
