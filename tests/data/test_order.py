"""The order of rows: a permutation an epoch, from seed and step alone."""

import pytest
import torch

from zoo.data.batches import Shuffle


@pytest.mark.parametrize(("rows", "batch"), [(12, 4), (13, 4), (5, 5), (7, 1)])
def test_every_epoch_is_a_permutation(rows, batch):
    order = Shuffle(rows, batch, seed=1)
    epoch = rows // batch
    blocks = order.block(0, 3 * epoch).reshape(3, -1)
    for taken in blocks.tolist():
        assert len(set(taken)) == epoch * batch
        assert set(taken) <= set(range(rows))
    assert len({tuple(taken) for taken in blocks.tolist()}) == 3
    assert set(order.block(0, 40 * epoch).flatten().tolist()) == set(range(rows))


def test_rows_follow_from_seed_and_step():
    order = Shuffle(12, 5, seed=1)
    whole = order.block(0, 9)
    assert torch.equal(whole[4:7], order.block(4, 3))
    assert torch.equal(whole, Shuffle(12, 5, seed=1).block(0, 9))
    assert not torch.equal(whole, Shuffle(12, 5, seed=2).block(0, 9))
