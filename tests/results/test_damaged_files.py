"""A damaged fit is refused, whatever is damaged; no file is ever half there."""

import json
import shutil

import pytest
import torch
from small_tasks import ppca_task

import zoo
from guides import AmortisedNormal
from zoo.arviz_compat import Named, Variable, read_netcdf, write_netcdf
from zoo.files import usable_folder, write_whole
from zoo.results.record import FIT, _loose, written

TASK = ppca_task()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A fit with everything in it, and its folder."""
    result = zoo.fit(TASK, AmortisedNormal, steps=4, patience=9, valid_every=2)
    return zoo.save(result, tmp_path_factory.mktemp("saved") / "run")


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of it to damage."""
    return shutil.copytree(saved, tmp_path / "run")


def files(folder):
    return sorted(folder.iterdir())


def refused(folder):
    with pytest.raises(ValueError, match="is damaged or was changed by hand|No fit in|format"):
        zoo.load_fit(folder, TASK)
    return True


@pytest.mark.parametrize("which", [0, 1])
def test_every_flipped_bit_is_refused(which, folder):
    """Of bits all over each file; a flip in the format number is another format."""
    path = files(folder)[which]
    content = path.read_bytes()
    places = torch.linspace(0, len(content) - 1, 150).long().tolist()
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        assert refused(folder)
    path.write_bytes(content)
    zoo.load_fit(folder, TASK)


@pytest.mark.parametrize("which", [0, 1])
def test_every_cut_is_refused(which, folder):
    path = files(folder)[which]
    content = path.read_bytes()
    for size in torch.linspace(0, len(content) - 1, 30).long().tolist():
        path.write_bytes(content[:size])
        assert refused(folder)
    path.write_bytes(content + b" ")
    assert refused(folder)
    path.unlink()
    assert refused(folder)


def test_the_tensors_of_another_fit_are_refused(folder, tmp_path):
    other = zoo.save(zoo.fit(TASK, AmortisedNormal, steps=3), tmp_path / "other")
    shutil.copy(*(next(f.glob("state-*")) for f in (other, folder)))
    assert refused(folder)


def test_a_key_that_is_missing_unknown_or_of_another_type_is_named(folder):
    """Also where the checksum is right, as in a file of another version."""
    path = folder / "fit.json"
    fit = json.loads(path.read_text())["fit"]
    assert fit.keys() == FIT.keys()
    for name in FIT:
        rest = {key: value for key, value in fit.items() if key != name}
        path.write_text(written({"fit": rest}))
        with pytest.raises(ValueError, match=f"lacks key '{name}'"):
            zoo.load_fit(folder, TASK)
        path.write_text(written({"fit": fit | {name: True}}))
        with pytest.raises(ValueError, match=f"Expected .*{name}.*got True"):
            zoo.load_fit(folder, TASK)
    path.write_text(written({"fit": fit | {"more": 1}}))
    with pytest.raises(ValueError, match="has the unknown key 'more'"):
        zoo.load_fit(folder, TASK)
    state = {key: value for key, value in fit["state"].items() if key != "sha256"}
    path.write_text(written({"fit": fit | {"state": state}}))
    with pytest.raises(ValueError, match="lacks key 'state.sha256'"):
        zoo.load_fit(folder, TASK)
    path.write_text(written({"fit": fit | {"state": fit["state"] | {"file": "../../etc"}}}))
    with pytest.raises(ValueError, match="is no name of a state"):
        zoo.load_fit(folder, TASK)


def test_numbers_that_json_lacks_come_back():
    text = written({"fit": {"a": [float("inf"), float("nan"), -float("inf"), 1.5]}})
    strict = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    back = _loose(strict["fit"]["a"])
    assert back[0] == -back[2] == float("inf")
    assert back[1] != back[1]
    assert back[3] == 1.5


def test_a_failing_write_leaves_the_file_before(tmp_path, monkeypatch):
    path = write_whole(tmp_path / "file", "before")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zoo.files.os.fsync", full)
    groups = Named({"posterior": {"z": Variable(("chain", "draw"), torch.zeros(1, 5).numpy())}})
    for write in (lambda: write_whole(path, "after"), lambda: write_netcdf(groups, path)):
        with pytest.raises(OSError, match="No space left"):
            write()
        assert path.read_text() == "before"
        assert list(tmp_path.iterdir()) == [path]


def test_an_arviz_file_is_written_whole_and_read(tmp_path):
    z = torch.randn(1, 7, 3).numpy()
    groups = {
        "posterior": {"z": Variable(("chain", "draw", "z_index"), z)},
        "observed_data": {"x": Variable(("row",), z[0, 0])},
    }
    path = write_netcdf(Named(groups), tmp_path / "a.nc")
    data = read_netcdf(path)
    assert (data["posterior"]["z"].values == z).all()
    assert (data["observed_data"]["x"].values == z[0, 0]).all()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("path", ["", " "])
def test_a_folder_without_a_name_is_refused(path):
    with pytest.raises(ValueError, match="Expected --out to name a folder"):
        usable_folder(path, "--out")
