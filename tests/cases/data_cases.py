"""What the tests say of every data set in the table, and made-up files for those that need one."""

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

from zoo.data import DATA, Observe, draw_bits, fashion_mnist, keep
from zoo.data.digits_dequantised import noise_anew
from zoo.data.digits_jigsaw import shuffled_anew
from zoo.data.idx import PICTURE_FILES, find_file
from zoo.data.modalities import draw_and_hide, draw_both_and_hide, hide
from zoo.data.places import DataNotFound


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
    try:
        return fashion_mnist.load.find()
    except DataNotFound:
        return None


def fashion_pixels() -> np.ndarray:
    paths = [find_file(fashion_folder(), file) for file in PICTURE_FILES]
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
HALF_SPLITS = ((50_000, 392), (10_000, 392), (10_000, 392))


def simulated(features: int, train: int = 400) -> Case:
    """Batches drawn from a model; another seed is another data set."""
    splits = (train, features), (50, features), (100, features)
    return Case(splits, ("x",), None, "none", ("none",), seeded=True)


def plane() -> Case:
    """Points of a known density in the plane."""
    splits = (10_000, 2), (1_000, 2), (4_000, 2)
    return Case(splits, ("x",), None, "none", ("none",), seeded=True)


def puzzle(tiles: int, pixels: int) -> Case:
    """Cut pictures."""
    splits = (600, tiles, pixels), (100, tiles, pixels), (300, tiles, pixels)
    modes, observe = ("threshold",), (shuffled_anew, shuffled_anew)
    return Case(splits, ("x",), None, "threshold", modes, seeded=True, observe=observe)


def table(train: int, held_out: int, columns: int) -> Case:
    """Measurements without labels."""
    splits = (train, columns), (held_out, columns), (held_out, columns)
    return Case(splits, ("x",), None, "none", ("none",), seeded=True)


def nine_of_ten(train: int, test: int, columns: int) -> Case:
    """Outcomes with their features, split by the seed into train and test."""
    splits = (train, columns), None, (test, columns)
    return Case(splits, ("x", "y"), None, "none", ("none",), seeded=True)


def whole(shape: tuple[int, int], *, seeded: bool) -> Case:
    """Labelled measurements that are not split."""
    return Case((shape, None, shape), ("x", "y"), None, "none", ("none",), seeded=seeded)


def two_views(splits, image: tuple[int, int], dynamic: Observe) -> Case:
    """Pictures with a second view of each."""
    labels, modes = ("x", "y", "seen"), PICTURES
    return Case(splits, labels, image, "dynamic", modes, seeded=True, observe=(dynamic, hide))


def few_labels() -> Case:
    """Digits of which a few rows have a label."""
    splits, labels = ((1257, 64), (180, 64), (360, 64)), ("x", "label", "labelled")
    return Case(splits, labels, (8, 8), "dynamic", PICTURES, seeded=True)


def unsplit(shape: tuple[int, ...], labels: tuple[str, ...] = ("y",)) -> Case:
    """Numbers that belong together, where test is train."""
    return Case((shape, None, shape), labels, None, "none", ("none",), seeded=True)


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
    **{f"digits_{count}_labels": few_labels() for count in (50, 100, 300)},
    **{
        f"fashion_{count}_labels": replace(few_labels(), splits=MNIST_SPLITS, image=(28, 28))
        for count in (100, 600, 1000, 3000)
    },
    "digits_halves": two_views(((1257, 32), (180, 32), (360, 32)), (4, 8), draw_both_and_hide),
    "fashion_labels": two_views(MNIST_SPLITS, (28, 28), draw_and_hide),
    "fashion_halves": two_views(HALF_SPLITS, (14, 28), draw_both_and_hide),
    "eight_schools": Case(
        ((8,), None, (8,)), ("sigma", "y"), None, "none", ("none",), seeded=False
    ),
    "autoregression": unsplit((60,)),
    "coal_mines": replace(unsplit((111,)), seeded=False),
    "garch": unsplit((60,)),
    "hudson_bay": replace(unsplit((21, 2)), seeded=False),
    "item_response": unsplit((30, 8)),
    "log_gaussian_cox": unsplit((25,), ("x", "y")),
    "stochastic_volatility": unsplit((60,)),
    "bars": Case(((1000, 25), (100, 25), (200, 25)), ("x",), None, "none", ("none",), seeded=True),
    "clinics": Case(((40, 4), (10, 4), (10, 4)), ("x",), None, "none", ("none",), seeded=True),
    "factor_analysis": simulated(8),
    "linear_regression": Case(
        ((60, 4), (20, 4), (20, 4)), ("x", "y"), None, "none", ("none",), seeded=True
    ),
    "gaussian_mixture": simulated(2),
    "hmm": simulated(6),
    "local_level": simulated(12, train=200),
    "lost_labels": simulated(5),
    "chords": Case(
        ((800, 10, 17), (100, 10, 17), (200, 10, 17)),
        ("x", "seen"),
        None,
        "none",
        ("none",),
        seeded=True,
    ),
    "digits_rows": Case(
        ((1257, 8, 8), (180, 8, 8), (360, 8, 8)),
        ("x", "seen"),
        None,
        "dynamic",
        PICTURES,
        seeded=True,
        source=lambda: load_digits().data.astype(np.uint8).reshape(-1, 8, 8),
        levels=16,
    ),
    "gp_regression": Case(((30,), None, (30,)), ("x", "y"), None, "none", ("none",), seeded=True),
    "neals_funnel": Case(((10,), None, (10,)), ("scale",), None, "none", ("none",), seeded=False),
    "neals_funnel_2": Case(((2,), None, (2,)), ("scale",), None, "none", ("none",), seeded=False),
    "banana": Case(((2,), None, (2,)), ("scale",), None, "none", ("none",), seeded=False),
    "facing_moons": Case(((3,), None, (3,)), ("shape",), None, "none", ("none",), seeded=False),
    "double_well_particles": Case(
        ((3,), None, (3,)), ("coefficients",), None, "none", ("none",), seeded=False
    ),
    "lattice_phi4": replace(unsplit((2,), ("coefficients",)), seeded=False),
    "many_well": Case(
        ((3,), None, (3,)), ("coefficients",), None, "none", ("none",), seeded=False
    ),
    "forty_gaussians": Case(
        ((40, 2), None, (40, 2)), ("means", "scales"), None, "none", ("none",), seeded=True
    ),
    **{name: plane() for name in ("two_moons", "rings", "pinwheel", "checkerboard")},
    "planted_directions": Case(
        ((1000, 30), (200, 30), (500, 30)), ("x",), None, "none", ("none",), seeded=True
    ),
    "planted_tree": Case(
        ((2000, 62), (400, 62), (1000, 62)), ("x",), None, "none", ("none",), seeded=True
    ),
    "digits_dequantised": Case(
        ((1257, 64), (180, 64), (360, 64)),
        ("x",),
        (8, 8),
        "none",
        ("none",),
        seeded=True,
        observe=(noise_anew, noise_anew),
    ),
    "digits_jigsaw": puzzle(4, 16),
    "digits_jigsaw_6": puzzle(6, 12),
    "digits_jigsaw_9": puzzle(9, 9),
    "breast_cancer_table": table(457, 56, 26),
    "wine_table": table(1281, 159, 11),
    "ionosphere_table": table(281, 35, 32),
    "seeds": Case(
        ((21,), None, (21,)), ("x1", "x2", "n", "r"), None, "none", ("none",), seeded=False
    ),
    "radon": Case(((735, 3), (92, 3), (92, 3)), ("x", "y"), None, "none", ("none",), seeded=True),
    "ratings": Case(
        ((600, 2), (60, 2), (140, 2)), ("x", "y"), None, "none", ("none",), seeded=True
    ),
    "cubic": Case(((100, 1), (20, 1), (100, 1)), ("x", "y"), None, "none", ("none",), seeded=True),
    "boston": nine_of_ten(456, 50, 13),
    "concrete": nine_of_ten(927, 103, 8),
    "wine_quality": nine_of_ten(1440, 159, 11),
    "yacht": nine_of_ten(278, 30, 6),
    "ionosphere": whole((351, 35), seeded=False),
    "sonar": whole((208, 61), seeded=False),
    "credit": whole((1000, 25), seeded=True),
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


def change(monkeypatch, module, **fields) -> None:
    """Changes fields of an official data set, wherever it is loaded."""
    changed = replace(module.load, **fields)
    monkeypatch.setattr(module, "load", changed)
    monkeypatch.setitem(DATA, changed.name, changed)


def splits_of(data):
    return data.train, data.valid, data.test


def same(a, b):
    pairs = zip(splits_of(a), splits_of(b), strict=True)
    return all(
        torch.equal(x, y) for one, two in pairs for x, y in zip(one, two, strict=True)
    ) and (a.name, a.hash) == (b.name, b.hash)
