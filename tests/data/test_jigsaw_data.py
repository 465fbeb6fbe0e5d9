"""Cut digits: the tiles are those of the digits, and what was shuffled can be put right."""

import pytest
import torch

from zoo.data import DATA, load_data
from zoo.data.digits import read
from zoo.data.digits_jigsaw import COMPLETE, CUTS, complete, cut, joined, put, shuffled_anew
from zoo.isolation import isolated

pytestmark = pytest.mark.parametrize("name", CUTS)


def sorted_rows(x):
    return torch.tensor(sorted(x.flatten(1).tolist()))


def test_cut_and_joined_again(name):
    x = torch.rand(3, 64)
    tiles = cut(x, CUTS[name])
    assert tiles.shape[1] == CUTS[name].grid[0] * CUTS[name].grid[1]
    assert torch.equal(joined(tiles, CUTS[name]).flatten(1), x)


@pytest.mark.parametrize("seed", [0, 3])
def test_every_digit_is_complete_or_shuffled(name, seed):
    """Put right by their orders, and with the complete ones, they are the digits, each once."""
    one, data = CUTS[name], load_data(name, seed=seed)
    x, orders = one.planted(seed)
    assert torch.equal(x, torch.cat([data.train[0], data.valid[0], data.test[0]]))
    assert len(complete(data)) == COMPLETE
    found = joined(torch.cat([complete(data), put(x, orders)]), one)
    assert torch.equal(sorted_rows(found), sorted_rows((read()[0] > 0.5).to(found)))


def test_a_tile_is_in_each_place_as_often(name):
    orders = CUTS[name].planted().orders
    rows, items = orders.shape
    counts = torch.nn.functional.one_hot(orders, items).sum(0).double()
    error = (rows / items * (1 - 1 / items)) ** 0.5
    assert ((counts - rows / items).abs() < 5 * error).all()


def test_train_rows_are_shuffled_anew(name):
    (x,) = load_data(name).train
    with isolated(seed=0):
        (one,), (two,) = shuffled_anew((x,)), shuffled_anew((x,))
    assert not torch.equal(one, two)
    for shuffled in (one, two):
        for a, b in zip(shuffled[:20], x[:20], strict=True):
            assert torch.equal(sorted_rows(a), sorted_rows(b))


def test_another_data_set_keeps_no_complete_pictures(name):
    assert DATA[name] is CUTS[name]
    with pytest.raises(ValueError, match=f"{name}.*got 'lost_labels'"):
        complete(load_data("lost_labels"))
