"""Data with a hidden direction or node: what is hidden is that of the rows."""

import pytest
import torch

from zoo.data import load_data, planted_directions, planted_tree


@pytest.mark.parametrize("data", [planted_directions, planted_tree])
@pytest.mark.parametrize("seed", [0, 3])
def test_what_was_planted_is_that_of_the_rows(data, seed):
    found, rows = data.planted(seed), load_data(data.NAME, seed=seed)
    assert torch.equal(found.x, torch.cat([rows.train[0], rows.valid[0], rows.test[0]]))
    assert not torch.equal(found.x, data.planted(seed + 1).x)


def test_directions_lie_on_the_sphere_and_explain_the_rows():
    """Rows of near directions are near: only noise is left between them."""
    x, u = planted_directions.planted()
    torch.testing.assert_close(u.norm(dim=-1), torch.ones(len(u)), rtol=1e-8, atol=1e-8)
    distance, apart = torch.cdist(u, u), torch.cdist(x, x) / 60**0.5
    near = (distance > 0) & (distance < 0.05)
    far = distance > 1.5
    assert apart[near].mean() < 2 * planted_directions.NOISE
    assert apart[far].mean() > 4 * planted_directions.NOISE


def test_codes_differ_by_the_edges_between_nodes():
    parent = {i: (i - 1) // 2 for i in range(1, planted_tree.NODES)}

    def ancestors(i):
        return {i} | (ancestors(parent[i]) if i else set())

    found = planted_tree.distances()
    for i in range(0, planted_tree.NODES, 5):
        for j in range(planted_tree.NODES):
            assert found[i, j] == len(ancestors(i) ^ ancestors(j))


def test_bits_are_flipped_as_often_as_it_says():
    x, nodes = planted_tree.planted()
    flips = (x - planted_tree.codes()[nodes]).abs()
    se = (0.05 * 0.95 / flips.numel()) ** 0.5
    assert abs(flips.mean() - 0.05) < 5 * se
    assert set(nodes.tolist()) == set(range(planted_tree.NODES))
