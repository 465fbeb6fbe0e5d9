"""Bits from intensities: drawn once, drawn anew or by a threshold, whatever the precision."""

import math

import pytest
import torch
from data_cases import PICTURES, splits_of
from torch.fx.experimental.proxy_tensor import make_fx

from zoo.data import draw_bits, keep, load_data
from zoo.data.binarize import binarize_splits


def standard_error(p):
    """Standard error of the mean of independent Bernoulli draws with probabilities p."""
    return math.sqrt((p * (1 - p)).sum().item()) / p.numel()


@pytest.mark.parametrize("mode", PICTURES)
def test_bits_and_hash_do_not_depend_on_precision(mode):
    before, found = torch.get_default_dtype(), []
    try:
        for dtype in (torch.float32, torch.float64):
            torch.set_default_dtype(dtype)
            found.append(load_data("digits", binarize=mode))
    finally:
        torch.set_default_dtype(before)
    assert found[0].hash == found[1].hash
    assert torch.equal(found[0].test[0].double(), found[1].test[0])


def test_dynamic_bits_have_the_right_mean_and_are_fresh():
    torch.manual_seed(0)
    data = load_data("digits")
    first, second = data.observe(data.train), data.observe(data.train)
    p = data.train[0].double()
    assert ((first[0] == 0) | (first[0] == 1)).all()
    assert first[0].dtype == data.train[0].dtype
    assert not torch.equal(first[0], second[0])
    assert abs((first[0].double() - p).mean().item()) < 5 * standard_error(p)
    differ = 2 * p * (1 - p)
    rate = (first[0] != second[0]).double().mean() - differ.mean()
    assert abs(rate.item()) < 5 * standard_error(differ)


@pytest.mark.parametrize("split", [0, 1, 2])
def test_static_bits_have_the_right_mean_and_stay(split):
    data, p = load_data("digits", binarize="static"), load_data("digits", binarize="none")
    bits, p = splits_of(data)[split][0].double(), splits_of(p)[split][0].double()
    assert data.observe(data.train) is data.train
    assert abs((bits - p).mean().item()) < 5 * standard_error(p)


def test_static_and_dynamic_share_valid_and_test():
    static, dynamic = load_data("digits", binarize="static"), load_data("digits")
    assert torch.equal(static.valid[0], dynamic.valid[0])
    assert torch.equal(static.test[0], dynamic.test[0])


def test_threshold_is_strictly_above_one_half():
    x = torch.tensor([[0.0, 0.5, 0.51, 1.0]])
    (train, valid, test), observe = binarize_splits(((x,), (), (x,)), "threshold", 0)
    assert train[0].tolist() == test[0].tolist() == [[0, 0, 1, 1]]
    assert valid == ()
    assert observe is keep


def test_draw_bits_can_be_traced_and_keeps_the_other_tensors():
    x, y = torch.full((4, 3), 0.5), torch.arange(4)
    program = make_fx(draw_bits)((x, y))
    torch.manual_seed(1)
    expected = draw_bits((x, y))
    torch.manual_seed(1)
    assert torch.equal(program((x, y))[0], expected[0])
    assert expected[1] is y
