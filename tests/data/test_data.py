"""Every data set in the table: shapes, splits, seeds and known values; what `Data` refuses."""

import os
import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import IDENTITY
from data_cases import (
    CASES,
    HALF_SPLITS,
    MNIST_SPLITS,
    PICTURES,
    change,
    fake_pixels,
    fashion_folder,
    same,
    splits_of,
    write_idx,
)
from sklearn.datasets import load_breast_cancer

from zoo.data import DATA, Data, keep, load_data, mnist
from zoo.data.idx import PICTURE_FILES
from zoo.data.split import split_rows

PAIRS = [(name, mode) for name in CASES for mode in CASES[name].modes]


@pytest.fixture(scope="session")
def fake_mnist(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("zoo_data")
    write_idx(root / "mnist" / PICTURE_FILES[0], fake_pixels(60_000))
    write_idx(root / "mnist" / f"{PICTURE_FILES[1]}.gz", fake_pixels(10_000, first=60_000))
    return root


@pytest.fixture
def load(monkeypatch, fake_mnist) -> Callable[..., Data]:
    """load_data with files present: made-up ones for MNIST; real ones, or a skip, elsewhere."""

    def load_or_skip(name, **options):
        if name == "mnist":
            monkeypatch.setenv("ZOO_DATA", str(fake_mnist))
            change(monkeypatch, mnist, digests={})
        if name == "binarized_mnist" and not os.environ.get("ZOO_DATA"):
            pytest.skip("ZOO_DATA is not set: no binarized MNIST to read")
        if name.startswith("fashion") and not fashion_folder():
            pytest.skip("Fashion-MNIST is neither in ZOO_DATA nor installed")
        return load_data(name, **options)

    return load_or_skip


def count_rows(array):
    return Counter(row.tobytes() for row in np.ascontiguousarray(array))


@pytest.mark.parametrize("name", DATA)
def test_every_member_has_a_case(name):
    assert name in CASES


@pytest.mark.thin(2)
@pytest.mark.parametrize("name", CASES)
def test_default_matches_its_case(name, load):
    case, data = CASES[name], load(name)
    shapes = tuple(tuple(batch[0].shape) if batch else None for batch in splits_of(data))
    assert shapes == case.splits
    assert (data.name, data.labels, data.image) == (name, case.labels, case.image)
    assert data.binarize == case.binarize
    assert (data.rows, data.features) == (case.splits[0][0], case.splits[0][-1])
    assert data.rowwise == (case.splits[1] is not None)
    assert data.observe is case.observe[data.binarize != "dynamic"]
    assert all(t.dtype == torch.get_default_dtype() for b in splits_of(data) for t in b)
    assert all(len(t) == len(b[0]) for b in splits_of(data) for t in b)
    assert len(data.hash) == 16
    assert int(data.hash, 16) >= 0


def check_range(data):
    """Tensors are finite; pictures are bits where they are drawn, and intensities elsewhere."""
    for split, batch in zip(("train", "valid", "test"), splits_of(data), strict=True):
        assert all(tensor.isfinite().all() for tensor in batch)
        if data.image and batch:
            low, high = batch[0].aminmax()
            assert (low, high) == (0, 1) if data.levels else 0 <= low < 0.1 < 0.9 < high <= 1
            bits = data.binarize != "none" and (data.binarize, split) != ("dynamic", "train")
            assert ((batch[0] == 0) | (batch[0] == 1)).all() == bits


@pytest.mark.thin(2)
@pytest.mark.parametrize("name", [n for n in CASES if CASES[n].source])
def test_splits_are_disjoint_and_complete(name, load):
    case = CASES[name]
    data = load(name, binarize="none" if "none" in case.modes else None)
    x = torch.cat([batch[0] for batch in splits_of(data)])
    levels = (x * case.levels).round_().to(torch.uint8).numpy()
    assert count_rows(levels) == count_rows(case.source())


def test_breast_cancer_is_standardized_by_train():
    data, source = load_data("breast_cancer", seed=3), load_breast_cancer()
    order = split_rows((torch.arange(569),), (455, 57, 57), 3)
    raw = torch.from_numpy(source.data)
    train = raw[order[0][0]]
    for (index,), (x, y) in zip(order, splits_of(data), strict=True):
        z = (raw[index] - train.mean(0)) / train.std(0, correction=0)
        assert torch.equal(x[:, 0], torch.ones_like(x[:, 0]))
        torch.testing.assert_close(x[:, 1:], z.to(x.dtype), rtol=IDENTITY, atol=IDENTITY)
        assert torch.equal(y, torch.from_numpy(source.target)[index].to(y.dtype))


def test_eight_schools_are_rubins():
    sigma, y = load_data("eight_schools").train
    assert y.tolist() == [28, 8, -3, 7, -1, 1, 18, 12]
    assert sigma.tolist() == [15, 10, 16, 11, 9, 11, 10, 18]


def test_binarized_mnist_has_the_known_means(load):
    data = load("binarized_mnist")
    means = [batch[0].mean(dtype=torch.float64).item() for batch in splits_of(data)]
    assert [round(mean, 5) for mean in means] == [0.13056, 0.13113, 0.13251]


def test_official_split_takes_valid_from_the_end_of_train(load):
    x = torch.from_numpy(fake_pixels(60_000))
    data = load("mnist", binarize="none")
    assert torch.equal((data.train[0] * 255).round().to(torch.uint8), x[:50_000])
    assert torch.equal((data.valid[0] * 255).round().to(torch.uint8), x[50_000:])
    assert mnist.load(binarize="none", valid_rows=0).valid == ()
    assert mnist.load(binarize="none", valid_rows=100).rows == 59_900


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "mode"), PAIRS)
def test_values_are_in_range_and_follow_the_seed(name, mode, load):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    data = load(name, seed=5, binarize=mode)
    check_range(data)
    assert same(data, load(name, seed=5, binarize=mode))
    official = CASES[name].splits in (MNIST_SPLITS, HALF_SPLITS)
    few = "labelled" in CASES[name].labels  # which rows have a label is drawn, too
    drawn = mode in ("static", "dynamic") or few or not official
    other = load(name, seed=6, binarize=mode).hash
    assert (data.hash != other) == (CASES[name].seeded and drawn)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()


def test_hash_tells_modes_and_sets_apart():
    hashes = [load_data("digits", binarize=mode).hash for mode in PICTURES]
    assert len({*hashes, load_data("breast_cancer").hash, load_data("eight_schools").hash}) == 6


def test_data_pickles():
    data = load_data("digits")
    assert same(data, pickle.loads(pickle.dumps(data)))


def test_split_gives_every_row_to_one_split():
    rows = torch.arange(100)
    splits = split_rows((rows, rows * 2), (70, 0, 30), 0)
    assert splits[1] == ()
    assert torch.cat([splits[0][0], splits[2][0]]).sort().values.equal(rows)
    assert torch.equal(splits[0][1], splits[0][0] * 2)


def test_split_refuses_sizes_that_do_not_add_up():
    with pytest.raises(ValueError, match=r"100 rows; got \(70, 10, 10\), which add up to 90"):
        split_rows((torch.arange(100),), (70, 10, 10), 0)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("fashion-mnist", "Did you mean 'fashion_mnist'?"),
        ("digit", "Did you mean 'digits'?"),
        ("8schools", "Did you mean 'eight_schools'?"),
        ("qqq", "Choose one of these."),
    ],
)
def test_unknown_name_suggests_the_nearest(name, hint):
    with pytest.raises(ValueError, match=r"among .*eight_schools.*; got") as caught:
        load_data(name)
    assert str(caught.value).endswith(f"got {name!r}. {hint}")


def small(**changes):
    x = torch.zeros(4, 2)
    fields = {
        "name": "small",
        "train": (x,),
        "valid": (),
        "test": (x,),
        "rowwise": True,
        "image": None,
        "observe": keep,
        "labels": ("x",),
        "binarize": "none",
        "seed": 0,
        "hash": "0" * 16,
    }
    return Data(**{**fields, **changes})


def test_data_refuses_labels_and_rows_that_do_not_match():
    x, y = torch.zeros(4, 2), torch.zeros(3)
    assert small().rows == 4
    with pytest.raises(ValueError, match=r"train of small; got 1 tensors and labels \('x', 'y'\)"):
        small(labels=("x", "y"))
    with pytest.raises(ValueError, match="one label for each tensor in train"):
        small(train=())
    with pytest.raises(ValueError, match=r"same rows in valid of small.*rowwise=False"):
        small(train=(x, x), valid=(x, y), test=(), labels=("x", "y"))
    assert small(train=(x, y), test=(), labels=("x", "y"), rowwise=False).rows == 4
