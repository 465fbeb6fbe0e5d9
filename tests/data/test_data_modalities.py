"""Pictures with a second view: the same rows as their source, and what a minibatch hides."""

import gzip

import numpy as np
import pytest
import torch
from cases import ERRORS
from torch.fx.experimental.proxy_tensor import make_fx

from zoo.data import digits, load_data, mnist
from zoo.data.idx import LABEL_FILES, read_labels
from zoo.data.modalities import draw_and_hide, draw_both_and_hide, hide
from zoo.data.split import split_rows

ROWS = 30_000


def batch(values=0.5):
    return torch.full((ROWS, 3), values), torch.full((ROWS, 2), values), torch.ones(ROWS, 2)


@pytest.mark.parametrize("binarize", ["none", "static", "dynamic"])
def test_labels_belong_to_their_pictures(binarize):
    plain = load_data("digits", seed=3, binarize=binarize)
    found = load_data("digits_labels", seed=3, binarize=binarize)
    classes = split_rows(digits.read()[1:], digits.SIZES, 3)
    for split, (labels,) in zip(("train", "valid", "test"), classes, strict=True):
        x, y, seen = getattr(found, split)
        assert torch.equal(x, getattr(plain, split)[0])
        assert torch.equal(y.argmax(-1), labels)
        assert torch.equal(y.sum(-1), torch.ones(len(y)))
        assert torch.equal(seen, torch.ones(len(y), 2))
    assert found.hash != plain.hash


def test_halves_make_the_whole():
    plain, found = load_data("digits"), load_data("digits_halves")
    for split in ("train", "valid", "test"):
        upper, lower, _ = getattr(found, split)
        assert torch.equal(torch.cat([upper, lower], -1), getattr(plain, split)[0])


def test_each_pattern_has_a_third_of_the_rows():
    """So the loss of a minibatch is a third of the sum over the three patterns, without bias."""
    x, y, seen = hide(batch(1.0))
    patterns = [(seen == torch.tensor(p)).all(-1).double() for p in ([1, 1], [1, 0], [0, 1])]
    assert sum(patterns).eq(1).all()
    error = (1 / 3 * 2 / 3 / ROWS) ** 0.5
    for pattern in patterns:
        assert (pattern.mean() - 1 / 3).abs() < ERRORS * error
    assert torch.equal(x, seen[:, :1].expand(-1, 3))
    assert torch.equal(y, seen[:, 1:].expand(-1, 2))


def test_what_is_hidden_stays_hidden():
    x, y, _ = batch(1.0)
    for alone in torch.eye(2):
        assert (hide((x, y, alone.expand(ROWS, 2)))[2] <= alone).all()


def test_only_pixels_are_drawn():
    """With labels, y is 1 where seen; with halves, both views are bits of the right frequency."""
    x, y, seen = batch(0.5)
    drawn, label, shown = draw_and_hide((x, torch.ones_like(y), seen))
    assert torch.equal(label, shown[:, 1:].expand(-1, 2))
    upper, lower, both = draw_both_and_hide((x, y, seen))
    for bits, where in ((drawn, shown[:, 0]), (upper, both[:, 0]), (lower, both[:, 1])):
        assert ((bits == 0) | (bits == 1)).all()
        assert not bits[where == 0].any()
        left = bits[where == 1]
        assert (left.mean() - 0.5).abs() < ERRORS * 0.5 / left.numel() ** 0.5


@pytest.mark.parametrize("observe", [hide, draw_and_hide, draw_both_and_hide])
def test_it_can_be_traced(observe):
    rows = batch()
    program = make_fx(observe)(rows)
    torch.manual_seed(1)
    expected = observe(rows)
    torch.manual_seed(1)
    for one, two in zip(program(rows), expected, strict=True):
        assert torch.equal(one, two)


def write_labels(path, classes):
    path.write_bytes(
        gzip.compress(
            bytes((0, 0, 8, 1)) + np.array([len(classes)], ">i4").tobytes() + bytes(classes)
        )
    )


def test_labels_are_read_and_split(tmp_path):
    write_labels(tmp_path / f"{LABEL_FILES[0]}.gz", [3, 1, 4, 1, 5])
    write_labels(tmp_path / f"{LABEL_FILES[1]}.gz", [9, 2])
    found = [[part.tolist() for part in split] for split in mnist.load.read_classes(tmp_path, 2)]
    assert found == [[[3, 1, 4]], [[1, 5]], [[9, 2]]]
    assert mnist.load.read_classes(tmp_path, 0)[1] == ()


def test_only_labels_are_said_to_be_labels():
    """The model reads from it how y is distributed."""
    assert load_data("digits_labels").labelled
    assert not load_data("digits_halves").labelled


def test_damaged_labels_are_refused(tmp_path):
    short = tmp_path / "short"
    short.write_bytes(bytes((0, 0, 8, 1, 0, 0, 0, 9, 1)))
    with pytest.raises(ValueError, match=r"17 bytes for labels of shape \(9,\); got 9"):
        read_labels(short)
    short.write_bytes(bytes((0, 0, 8, 3)))
    with pytest.raises(ValueError, match="header of labels, 00000801"):
        read_labels(short)
