"""The benchmark of curved spaces: its measures find the truth, and its page says what came out."""

import torch

from benchmarks import records
from benchmarks.records import DOCS
from benchmarks.vaes import manifolds
from zoo.data import planted_tree
from zoo.manifolds.sphere import angle, unit


def test_a_rotation_or_reflection_of_the_truth_is_no_error():
    truth = unit(torch.randn(50, 3))
    turn, _ = torch.linalg.qr(torch.randn(3, 3))
    assert manifolds.turned(3 * truth @ turn, truth) < 1e-5
    assert manifolds.turned(unit(torch.randn(50, 3)), truth) > 30


def test_the_rank_correlation_is_one_for_the_same_order_of_distances():
    z = unit(torch.randn(20, 3))
    found = angle(z[:, None], z)
    assert manifolds.correlation(torch.cdist(z, z), found) > 1 - 1e-9
    assert abs(manifolds.correlation(torch.rand(20, 20), found)) < 0.5


def test_distances_are_those_of_each_space():
    apart = planted_tree.distances()
    z = torch.randn(10, 2)
    assert torch.equal(manifolds.distances(z, manifolds.PLANE), torch.cdist(z, z))
    assert apart.shape == (planted_tree.NODES, planted_tree.NODES)
    lifted = manifolds.lorentz_normal.exp_origin(z)
    found = manifolds.distances(lifted, manifolds.HYPERBOLIC)[0]
    straight = manifolds.lorentz_normal.distance(lifted[0], lifted)
    torch.testing.assert_close(found, straight)
    assert manifolds.flat(lifted, manifolds.HYPERBOLIC).norm(dim=1).max() < 1


def test_the_committed_verdict_is_that_of_the_rows():
    """The gallery says on how many seeds; it follows from the committed record."""
    rows = records.read(records.RESULTS / "manifolds.json")["rows"]
    page = (DOCS / "gallery.md").read_text()
    for sentence in manifolds.verdict(rows):
        assert sentence in page
