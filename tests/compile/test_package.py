"""Compiled code kept on disk: found again by what it is made of, and by nothing less."""

import gc
import os
import weakref
from pathlib import Path

import pytest
import torch
from torch._dynamo import eval_frame
from torch._higher_order_ops.while_loop import while_loop
from torch._inductor.runtime.cache_dir_utils import cache_dir

import zoo.compile.code_cache
from zoo.compile.code_cache import (
    CacheWarning,
    CompileError,
    Packaged,
    fingerprint,
    is_whole,
)
from zoo.compile.step_loop import quiet
from zoo.compile.tracer_memory import LOOPS
from zoo.isolation import isolated

X = torch.tensor([1.0, 2.0, 3.0])


def power_of(base):
    """A loop with a constant tensor in it: count -> x * base ** count."""

    def run(count, state):
        (x, fixed) = state

        def body(i, value):
            return i + 1, value * base

        _, value = while_loop(lambda i, _: i < count, body, (torch.zeros_like(count), x + fixed))
        return value, (x, value.sum())

    return run


def name_of(function):
    """A name that tells functions apart as the zoo's own do: by code and constants."""
    return repr([cell.cell_contents for cell in function.__closure__])


def like(count, state):
    return state[0], (state[0], count)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """An empty cache, and a list of what is compiled into it."""
    monkeypatch.setattr("zoo.compile.code_cache.cache_dir", lambda: str(tmp_path))
    built, build = [], zoo.compile.code_cache._build
    monkeypatch.setattr(
        "zoo.compile.code_cache._build", lambda *a: (built.append(a[1]), build(*a))
    )
    return built


def call(function, x=X, count=3, options=None, fixed=0.5):
    code = Packaged(lambda: function, lambda: name_of(function), like, options or {})
    with isolated(seed=0), quiet(), torch.no_grad():
        value, (_, total) = code(torch.tensor(count), (x, fixed))
        again, _ = code(torch.tensor(count + 1), (x, fixed))
    return value, total, again


def test_the_code_computes_what_the_function_does(disk):
    value, total, again = call(power_of(2.0))
    assert torch.equal(value, (X + 0.5) * 8)
    assert torch.equal(total, value.sum())
    assert torch.equal(again, (X + 0.5) * 16)
    assert len(disk) == 1
    assert disk[0].exists()


@pytest.mark.thorough
def test_a_second_process_would_find_it(disk, monkeypatch):
    """Another object, the same program: nothing is exported, and the code is the first one's."""
    call(power_of(2.0))
    monkeypatch.setattr("torch.export.export", None)
    assert torch.equal(call(power_of(2.0))[0], (X + 0.5) * 8)
    assert len(disk) == 1


@pytest.mark.thorough
def test_a_damaged_package_is_compiled_again(disk):
    call(power_of(2.0))
    (path,) = disk
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        path.write_bytes(damaged)
        assert not is_whole(path)
    assert torch.equal(call(power_of(2.0))[0], (X + 0.5) * 8)
    assert len(disk) == 2
    assert is_whole(path)


@pytest.mark.thorough
def test_a_folder_that_cannot_be_written_is_named(disk, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "mine"))
    (tmp_path / "zoo").write_text("a file where the folder should be")
    with pytest.warns(CacheWarning, match=r"kept in .*zoo \(.*File exists.*temporary folder"):
        assert torch.equal(call(power_of(2.0))[0], (X + 0.5) * 8)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "mine")
    assert not disk[0].exists()


@pytest.mark.thorough
def test_nothing_keeps_what_was_compiled(disk):
    """Neither the function nor what it refers to outlives the last reference to the code."""
    names, backends = set(vars(LOOPS)), set(eval_frame.cached_backends)
    function = power_of(2.0)
    gone = weakref.ref(function)
    call(function)
    del function
    gc.collect()
    assert gone() is None
    assert set(vars(LOOPS)) == names
    assert set(eval_frame.cached_backends) == backends


def key(function, x=X, fixed=0.5, options=None):
    return fingerprint(name_of(function), (torch.tensor(3), (x, fixed)), options or {})


def test_whatever_changes_the_code_changes_the_key():
    keys = [
        key(power_of(2.0)),
        key(power_of(3.0)),
        key(power_of(torch.tensor(2.0))),
        key(power_of(torch.tensor(3.0))),
        key(power_of(2.0), fixed=0.25),
        key(power_of(2.0), X[:2]),
        key(power_of(2.0), X.float()),
        key(power_of(2.0), torch.stack([X, X], 1)[:, 0]),
        key(power_of(2.0), options={"cpp.threads": 1}),
    ]
    with torch._inductor.config.patch(fallback_random=True):
        keys.append(key(power_of(2.0)))
    assert len(set(keys)) == len(keys)
    assert key(power_of(2.0)) == keys[0]


def test_a_failure_leaves_nothing_behind_and_says_what_failed(disk, monkeypatch):
    def broken(*args, **kwargs):
        Path(kwargs["package_path"]).write_bytes(b"half")
        raise OSError("no compiler here")

    monkeypatch.setattr("zoo.compile.code_cache.aoti_compile_and_package", broken)
    with pytest.raises(CompileError, match="OSError: no compiler here"):
        call(power_of(2.0))
    (place,) = disk
    assert list(place.parent.iterdir()) == []


def test_packages_lie_in_the_compilers_own_cache():
    assert zoo.compile.code_cache.cache_dir is cache_dir
