"""Every data set in the table: shapes, splits, seeds, binarization, and its errors."""

import gzip
import math
import os
import pickle
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from torch.fx.experimental.proxy_tensor import make_fx

from zoo.data import (
    DATA,
    Data,
    DataNotFound,
    Observe,
    draw_bits,
    fashion_mnist,
    keep,
    load_data,
    mnist,
)
from zoo.data.binarize import binarize_splits
from zoo.data.idx import FILES, find_file, read_images
from zoo.data.modalities import draw_and_hide, draw_both_and_hide, hide
from zoo.data.official import find_folder, read_official
from zoo.data.places import data_folders
from zoo.data.split import split_rows

IDENTITY = 1e-8


@dataclass(frozen=True)
class Case:
    """What one data set must be; its splits are (rows, features) of the first tensor."""

    splits: tuple[tuple[int, ...], tuple[int, ...] | None, tuple[int, ...]]
    labels: tuple[str, ...]
    image: tuple[int, int] | None
    binarize: str
    modes: tuple[str, ...]
    seeded: bool
    source: Callable[[], np.ndarray] | None = None
    levels: int = 1
    observe: tuple[Observe, Observe] = (draw_bits, keep)  # where dynamic, and where not


def fashion_folder() -> Path | None:
    return find_folder((*data_folders("fashion-mnist", "FashionMNIST/raw"), fashion_mnist.DEBIAN))


def fashion_pixels() -> np.ndarray:
    paths = [find_file(fashion_folder(), file) for file in FILES]
    raw = [p.read_bytes() if p.suffix != ".gz" else gzip.decompress(p.read_bytes()) for p in paths]
    return np.concatenate([np.frombuffer(r, np.uint8, offset=16) for r in raw]).reshape(-1, 784)


def packed_bits() -> np.ndarray:
    archive = np.load(Path(os.environ["ZOO_DATA"]) / "binarized_mnist.npz")
    packed = np.concatenate([archive["train"], archive["valid"], archive["test"]])
    return np.unpackbits(packed, axis=1)


def fake_pixels(rows: int, *, first: int = 0) -> np.ndarray:
    """Pictures with MNIST's mean intensity, each with its own number in its first pixels."""
    pixels = np.zeros((rows, 784), np.uint8)
    pixels[:, 100 : 100 + round(784 * 0.1307)] = 255
    number = first + np.arange(rows)
    pixels[:, 0], pixels[:, 1], pixels[:, 2] = number % 32, number // 32 % 64, number // 2048
    return pixels


def write_idx(path: Path, pixels: np.ndarray) -> None:
    header = bytes((0, 0, 8, 3)) + np.array([len(pixels), 28, 28], ">i4").tobytes()
    raw = header + pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(raw, 1) if path.suffix == ".gz" else raw)


PICTURES = ("none", "threshold", "static", "dynamic")
MNIST_SPLITS = ((50_000, 784), (10_000, 784), (10_000, 784))


def simulated(features: int, train: int = 400) -> Case:
    """Rows drawn from a model; another seed is another data set."""
    splits = (train, features), (50, features), (100, features)
    return Case(splits, ("x",), None, "none", ("none",), seeded=True)


HALF_SPLITS = ((50_000, 392), (10_000, 392), (10_000, 392))


def two_views(splits, image: tuple[int, int], dynamic: Observe) -> Case:
    """Pictures with a second view of each."""
    labels, modes = ("x", "y", "seen"), PICTURES
    return Case(splits, labels, image, "dynamic", modes, seeded=True, observe=(dynamic, hide))


CASES = {
    "binarized_mnist": Case(
        MNIST_SPLITS, ("x",), (28, 28), "static", ("static",), seeded=False, source=packed_bits
    ),
    "breast_cancer": Case(
        ((455, 31), (57, 31), (57, 31)), ("x", "y"), None, "none", ("none",), seeded=True
    ),
    "digits": Case(
        ((1257, 64), (180, 64), (360, 64)),
        ("x",),
        (8, 8),
        "dynamic",
        PICTURES,
        seeded=True,
        source=lambda: load_digits().data.astype(np.uint8),
        levels=16,
    ),
    "digits_labels": two_views(((1257, 64), (180, 64), (360, 64)), (8, 8), draw_and_hide),
    "digits_halves": two_views(((1257, 32), (180, 32), (360, 32)), (4, 8), draw_both_and_hide),
    "fashion_labels": two_views(MNIST_SPLITS, (28, 28), draw_and_hide),
    "fashion_halves": two_views(HALF_SPLITS, (14, 28), draw_both_and_hide),
    "eight_schools": Case(
        ((8,), None, (8,)), ("sigma", "y"), None, "none", ("none",), seeded=False
    ),
    "factor_analysis": simulated(8),
    "linear_regression": Case(
        ((60, 4), (20, 4), (20, 4)), ("x", "y"), None, "none", ("none",), seeded=True
    ),
    "gaussian_mixture": simulated(2),
    "hmm": simulated(6),
    "local_level": simulated(12, train=200),
    "gp_regression": Case(((30,), None, (30,)), ("x", "y"), None, "none", ("none",), seeded=True),
    "neals_funnel": Case(((10,), None, (10,)), ("scale",), None, "none", ("none",), seeded=False),
    "banana": Case(((2,), None, (2,)), ("scale",), None, "none", ("none",), seeded=False),
    "fashion_mnist": Case(
        MNIST_SPLITS,
        ("x",),
        (28, 28),
        "dynamic",
        PICTURES,
        seeded=True,
        source=fashion_pixels,
        levels=255,
    ),
    "mnist": Case(
        MNIST_SPLITS,
        ("x",),
        (28, 28),
        "dynamic",
        PICTURES,
        seeded=True,
        source=lambda: np.concatenate([fake_pixels(60_000), fake_pixels(10_000, first=60_000)]),
        levels=255,
    ),
}
PAIRS = [(name, mode) for name in CASES for mode in CASES[name].modes]


@pytest.fixture(scope="session")
def fake_mnist(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("zoo_data")
    write_idx(root / "mnist" / FILES[0], fake_pixels(60_000))
    write_idx(root / "mnist" / f"{FILES[1]}.gz", fake_pixels(10_000, first=60_000))
    return root


@pytest.fixture
def load(monkeypatch, fake_mnist) -> Callable[..., Data]:
    """load_data with files present: made-up ones for MNIST; real ones, or a skip, elsewhere."""

    def load_or_skip(name, **options):
        if name == "mnist":
            monkeypatch.setenv("ZOO_DATA", str(fake_mnist))
        if name == "binarized_mnist" and not os.environ.get("ZOO_DATA"):
            pytest.skip("ZOO_DATA is not set: no binarized MNIST to read")
        if name.startswith("fashion") and not fashion_folder():
            pytest.skip("Fashion-MNIST is neither in ZOO_DATA nor installed")
        return load_data(name, **options)

    return load_or_skip


@pytest.fixture
def nowhere(monkeypatch, tmp_path) -> Path:
    """An empty ZOO_DATA, and no other place that holds files."""
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "zoo_data"))
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(fashion_mnist, "DOWNLOADS", tmp_path / "cache")
    monkeypatch.setattr(mnist, "DOWNLOADS", tmp_path / "cache")
    return tmp_path


def splits_of(data):
    return data.train, data.valid, data.test


def same(a, b):
    pairs = zip(splits_of(a), splits_of(b), strict=True)
    return all(
        torch.equal(x, y) for one, two in pairs for x, y in zip(one, two, strict=True)
    ) and (a.name, a.hash) == (b.name, b.hash)


def count_rows(array):
    return Counter(row.tobytes() for row in np.ascontiguousarray(array))


def standard_error(p):
    """Standard error of the mean of independent Bernoulli draws with probabilities p."""
    return math.sqrt((p * (1 - p)).sum().item()) / p.numel()


@pytest.mark.parametrize("name", DATA)
def test_every_member_has_a_case(name):
    assert name in CASES


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
            assert (low, high) == (0, 1)
            bits = data.binarize != "none" and (data.binarize, split) != ("dynamic", "train")
            assert ((batch[0] == 0) | (batch[0] == 1)).all() == bits


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


@pytest.mark.parametrize(("name", "mode"), PAIRS)
def test_values_are_in_range_and_follow_the_seed(name, mode, load):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    data = load(name, seed=5, binarize=mode)
    check_range(data)
    assert same(data, load(name, seed=5, binarize=mode))
    official = CASES[name].splits in (MNIST_SPLITS, HALF_SPLITS)
    drawn = mode in ("static", "dynamic") or not official
    other = load(name, seed=6, binarize=mode).hash
    assert (data.hash != other) == (CASES[name].seeded and drawn)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()


def test_hash_tells_modes_and_sets_apart():
    hashes = [load_data("digits", binarize=mode).hash for mode in PICTURES]
    assert len({*hashes, load_data("breast_cancer").hash, load_data("eight_schools").hash}) == 6


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


def test_data_moves_and_pickles():
    data = load_data("digits")
    assert same(data, data.to("cpu"))
    assert same(data, pickle.loads(pickle.dumps(data)))
    assert data.to("meta").train[0].device.type == "meta"


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


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("mode", [*PICTURES, "otsu"])
def test_a_mode_that_the_set_lacks_is_refused(name, mode, nowhere):
    if mode in CASES[name].modes:
        return
    with pytest.raises(ValueError, match=f"binarize of {name} to be one of .* got '{mode}'"):
        load_data(name, binarize=mode)


@pytest.mark.parametrize("name", ["fashion_mnist", "mnist", "binarized_mnist"])
def test_missing_files_are_listed_with_every_place(name, nowhere):
    with pytest.raises(DataNotFound) as caught:
        load_data(name)
    text = str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert str(nowhere / "zoo_data") in text
    assert "ZOO_DATA" in text
    if name == "binarized_mnist":
        assert "binarized_mnist.npz" in text
        return
    for file in FILES:
        assert file in text
    assert str(nowhere / "cache") in text
    assert "download=True (--download" in text
    if name == "fashion_mnist":
        assert str(nowhere / "debian") in text
        assert "dataset-fashion-mnist" in text


def test_missing_files_say_that_zoo_data_is_not_set(nowhere, monkeypatch):
    monkeypatch.delenv("ZOO_DATA")
    with pytest.raises(DataNotFound, match="ZOO_DATA, which is not set"):
        load_data("fashion_mnist")


@pytest.mark.parametrize("folder", ["fashion-mnist", "FashionMNIST/raw", "."])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_files_are_found_in_zoo_data(folder, ending, nowhere, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "MEAN", float(fake_pixels(30).mean()) / 255)
    for file in FILES:
        write_idx(nowhere / "zoo_data" / folder / f"{file}{ending}", fake_pixels(30))
    data = fashion_mnist.load(valid_rows=10)
    assert [len(batch[0]) for batch in splits_of(data)] == [20, 10, 30]


@pytest.mark.parametrize(("module", "folder"), [(fashion_mnist, "FashionMNIST"), (mnist, "MNIST")])
def test_download_fetches_missing_files_once(module, folder, nowhere, monkeypatch):
    calls = []

    def fetch():
        calls.append(folder)
        for file in FILES:
            write_idx(nowhere / "cache" / folder / "raw" / file, fake_pixels(30))

    monkeypatch.setattr(module, "MEAN", float(fake_pixels(30).mean()) / 255)
    monkeypatch.setattr(module, "_fetch", fetch)
    first = module.load(download=True, valid_rows=5)
    assert same(first, module.load(download=False, valid_rows=5))
    assert calls == [folder]


def test_failed_download_names_the_cause_and_the_ways(nowhere, monkeypatch):
    def fetch():
        raise RuntimeError("no route to host")

    monkeypatch.setattr(fashion_mnist, "_fetch", fetch)
    with pytest.raises(DataNotFound, match=r"(?s)failed: no route to host.*dataset-fashion-mnist"):
        load_data("fashion_mnist", download=True)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("damage", ["truncated", "header", "empty", "garbled"])
def test_damaged_idx_file_is_named(ending, damage, tmp_path):
    path = tmp_path / f"{FILES[0]}{ending}"
    write_idx(path, fake_pixels(30))
    raw = path.read_bytes()
    damaged = {
        "truncated": raw[:-20],
        "header": b"\x00" + raw[:15] if ending else b"\x00\x00\x0d" + raw[3:],
        "empty": b"",
        "garbled": raw[:10] + bytes(30) + raw[40:],
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(ValueError, match="intact copy") as caught:
        read_images(path)
    assert str(path) in str(caught.value)


def test_files_of_another_set_are_refused(tmp_path):
    for file in FILES:
        write_idx(tmp_path / file, fake_pixels(30))
    with pytest.raises(ValueError, match=r"0\.2860 of Fashion-MNIST; .* another data set"):
        read_official(tmp_path, "Fashion-MNIST", fashion_mnist.MEAN, 10)


@pytest.mark.parametrize("valid_rows", [-1, 30])
def test_valid_rows_out_of_range_are_refused(valid_rows, tmp_path):
    for file in FILES:
        write_idx(tmp_path / file, fake_pixels(30))
    with pytest.raises(ValueError, match=f"from 0 to 29; got {valid_rows}"):
        read_official(tmp_path, "MNIST", mnist.MEAN, valid_rows)


@pytest.mark.parametrize("damage", ["text", "short", "missing"])
def test_damaged_binarized_mnist_is_named(damage, nowhere):
    path = nowhere / "zoo_data" / "binarized_mnist.npz"
    path.parent.mkdir()
    if damage == "text":
        path.write_text("not an archive")
    elif damage == "short":
        np.savez(path, train=np.zeros((3, 98), np.uint8))
    else:
        np.savez(path, other=np.zeros(3))
    with pytest.raises(ValueError, match="train in ") as caught:
        load_data("binarized_mnist")
    assert str(path) in str(caught.value)


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
