"""Files of data: where they are sought, what fetches them, and what is said of damaged ones.

A mode that a set lacks is refused before any file is sought.
"""

import gzip
import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from data_cases import CASES, PICTURES, change, fake_pixels, same, splits_of, write_idx

from zoo.data import DataNotFound, fashion_mnist, load_data, mnist
from zoo.data.idx import PICTURE_FILES, check_digest, read_images


@pytest.fixture
def nowhere(monkeypatch, tmp_path) -> Path:
    """An empty ZOO_DATA, and no other place that holds files."""
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "zoo_data"))
    cache, debian = tmp_path / "cache", tmp_path / "debian"
    change(monkeypatch, fashion_mnist, installed=(debian,), downloads=cache)
    change(monkeypatch, mnist, downloads=cache)
    return tmp_path


LACKED = [(name, m) for name in CASES for m in (*PICTURES, "otsu") if m not in CASES[name].modes]


@pytest.mark.parametrize(("name", "mode"), LACKED)
def test_a_mode_that_the_set_lacks_is_refused(name, mode, nowhere):
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
    for file in PICTURE_FILES:
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
    change(monkeypatch, fashion_mnist, mean=float(fake_pixels(30).mean()) / 255, digests={})
    for file in PICTURE_FILES:
        write_idx(nowhere / "zoo_data" / folder / f"{file}{ending}", fake_pixels(30))
    data = fashion_mnist.load(valid_rows=10)
    assert [len(batch[0]) for batch in splits_of(data)] == [20, 10, 30]


@pytest.mark.parametrize(("module", "folder"), [(fashion_mnist, "FashionMNIST"), (mnist, "MNIST")])
def test_download_fetches_missing_files_once(module, folder, nowhere, monkeypatch):
    calls = []

    def fetch(root):
        calls.append(folder)
        for file in PICTURE_FILES:
            write_idx(root / folder / "raw" / file, fake_pixels(30))

    mean = float(fake_pixels(30).mean()) / 255
    change(monkeypatch, module, mean=mean, digests={}, fetch=fetch)
    first = module.load(download=True, valid_rows=5)
    assert same(first, module.load(download=False, valid_rows=5))
    assert calls == [folder]


def test_failed_download_names_the_cause_and_the_ways(nowhere, monkeypatch):
    def fetch(root):
        raise RuntimeError("no route to host")

    change(monkeypatch, fashion_mnist, fetch=fetch)
    with pytest.raises(DataNotFound, match=r"(?s)failed: no route to host.*dataset-fashion-mnist"):
        load_data("fashion_mnist", download=True)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("damage", ["truncated", "header", "empty", "garbled"])
def test_damaged_idx_file_is_named(ending, damage, tmp_path):
    path = tmp_path / f"{PICTURE_FILES[0]}{ending}"
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
    for file in PICTURE_FILES:
        write_idx(tmp_path / file, fake_pixels(30))
    with pytest.raises(ValueError, match=r"0\.2860 of Fashion-MNIST; .* another data set"):
        fashion_mnist.load.read_pictures(tmp_path, 10)


@pytest.mark.parametrize("valid_rows", [-1, 30])
def test_valid_rows_out_of_range_are_refused(valid_rows, tmp_path):
    for file in PICTURE_FILES:
        write_idx(tmp_path / file, fake_pixels(30))
    with pytest.raises(ValueError, match=f"from 0 to 29; got {valid_rows}"):
        mnist.load.read_pictures(tmp_path, valid_rows)


@pytest.mark.parametrize("module", [fashion_mnist, mnist])
def test_files_that_were_not_published_are_refused(module, nowhere, monkeypatch):
    """Of the right form and mean, but with other pixels; after a download too."""
    folder = "FashionMNIST" if module is fashion_mnist else "MNIST"

    def fetch(root):
        for file in PICTURE_FILES:
            write_idx(root / folder / "raw" / file, fake_pixels(30))

    change(monkeypatch, module, mean=float(fake_pixels(30).mean()) / 255, fetch=fetch)
    for download in (True, False):
        with pytest.raises(ValueError, match=r"(?s)what was published, SHA-256 .*intact copy"):
            module.load(download=download, valid_rows=5)


def test_one_pixel_of_difference_is_found(tmp_path):
    path, pixels = tmp_path / PICTURE_FILES[0], fake_pixels(30).reshape(-1, 28, 28)
    write_idx(path, pixels)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    check_digest(path, read_images(path), digest)
    pixels[17, 3, 3] += 1
    write_idx(path, pixels)
    with pytest.raises(ValueError, match=f"SHA-256 {digest}; got"):
        check_digest(path, read_images(path), digest)


def test_a_file_without_rows_is_refused(tmp_path):
    write_idx(tmp_path / PICTURE_FILES[0], fake_pixels(0))
    with pytest.raises(ValueError, match=r"at least one row .* shape \(0, 28, 28\)"):
        read_images(tmp_path / PICTURE_FILES[0])


@pytest.mark.parametrize("rows", [1, 2**31 - 1])
def test_no_more_is_unpacked_than_the_header_promises(rows, tmp_path):
    """A packed file of 32 KB that holds 32 MB, whatever its header says."""
    path = tmp_path / f"{PICTURE_FILES[0]}.gz"
    header = bytes((0, 0, 8, 3)) + np.array([rows, 28, 28], ">i4").tobytes()
    path.write_bytes(gzip.compress(header + bytes(2**25)))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="intact copy"):
            read_images(path)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_other_bits_than_the_published_ones_are_refused(nowhere):
    path = nowhere / "zoo_data" / "binarized_mnist.npz"
    path.parent.mkdir()
    rows = {"train": 50_000, "valid": 10_000, "test": 10_000}
    np.savez(path, **{name: np.zeros((count, 98), np.uint8) for name, count in rows.items()})
    with pytest.raises(ValueError, match="Expected the published bits of train"):
        load_data("binarized_mnist")


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
