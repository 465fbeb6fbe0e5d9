"""Which loop a fit runs on, and what happens where the compiled one cannot be had."""

import os
import subprocess
import sys
import warnings
from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from steps import interpreted
from torch._inductor.exc import InvalidCxxCompiler

import zoo
from guides import MeanField
from zoo.training.backend import AUTO_STEPS


def shifted(x):
    """A small model that can be captured."""
    mean = pyro.sample("mean", dist.Normal(0.0, 3.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


X = torch.linspace(0.0, 2.0, 8)


@pytest.fixture
def uncompiled(monkeypatch):
    """What does not depend on the code generator goes without it."""
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)


def untraceable(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    scale = 1.0 if mean.item() > 0 else 2.0
    pyro.sample("x", dist.Normal(mean, scale).expand(x.shape).to_event(1), obs=x)


def test_auto_compiles_where_it_pays(uncompiled):
    short = zoo.fit(shifted, MeanField, X, steps=20)
    assert short.backend == "plain"
    assert short.backend_reason.startswith("20 steps take less time than compiling; auto compiles")
    assert short.backend_reason.endswith(f"from {AUTO_STEPS}")
    off = zoo.fit(shifted, MeanField, X, steps=2, compile=False)
    assert (off.backend, off.backend_reason) == ("plain", "compile=False")


@pytest.fixture
def eager_to_compile(monkeypatch):
    """Auto compiles from ten steps on."""
    monkeypatch.setattr("zoo.training.backend.AUTO_STEPS", 10)


@pytest.mark.thorough
def test_auto_from_its_number_of_steps_on(uncompiled, eager_to_compile):
    assert [zoo.fit(shifted, MeanField, X, steps=n).backend for n in (9, 10)] == [
        "plain",
        "compiled",
    ]
    assert zoo.fit(shifted, MeanField, X, steps=10).backend_reason == "10 steps pay for compiling"
    several = [zoo.fit(shifted, MeanField, X, steps=5, replicas=r)[0].backend for r in (1, 2)]
    assert several == ["plain", "compiled"]


def test_a_resumed_fit_stays_on_its_path(uncompiled):
    fit = partial(zoo.fit, shifted, MeanField, X)
    first = fit(steps=5, compile=True)
    assert fit(steps=9, resume=first).backend == "compiled"
    assert fit(steps=9, resume=fit(steps=5)).backend == "plain"
    assert fit(steps=9, resume=first, compile=False).backend == "plain"


def test_auto_falls_back_with_one_warning(eager_to_compile):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = zoo.fit(untraceable, MeanField, X, steps=12)
    told = [str(one.message) for one in caught if "compiled path is off" in str(one.message)]
    assert len(told) == 1
    assert "goes on with the plain step: The step cannot be traced" in told[0]
    assert (found.backend, found.stopped, len(found.losses)) == ("plain", "finished", 12)
    assert "cannot be traced" in found.backend_reason
    plain = zoo.fit(untraceable, MeanField, X, steps=12, compile=False)
    assert torch.equal(found.losses, plain.losses)


def test_asked_for_it_raises():
    with pytest.raises(zoo.CaptureError, match="cannot be traced"):
        zoo.fit(untraceable, MeanField, X, steps=5, compile=True)


def missing(*_):
    raise InvalidCxxCompiler


@pytest.mark.parametrize("replicas", [None, 2])
def test_without_a_compiler_what_was_asked_for_raises(replicas, monkeypatch):
    monkeypatch.setattr("zoo.compile.code_cache.Packaged._load", missing)
    words = r"compile=True, but the compiler failed: InvalidCxxCompiler.* or False for the plain"
    with pytest.raises(zoo.CompileError, match=words):
        zoo.fit(shifted, MeanField, X, steps=12, compile=True, replicas=replicas)


@pytest.mark.thin(2)
@pytest.mark.parametrize("replicas", [None, 2])
def test_without_a_compiler_auto_goes_on_plain(replicas, monkeypatch, eager_to_compile):
    monkeypatch.setattr("zoo.compile.code_cache.Packaged._load", missing)
    with pytest.warns(UserWarning, match="the compiler failed: InvalidCxxCompiler"):
        found = zoo.fit(shifted, MeanField, X, steps=12, compile="auto", replicas=replicas)
    plain = zoo.fit(shifted, MeanField, X, steps=12, compile=False)
    one = found if replicas is None else found[0]
    assert (one.backend, one.stopped) == ("plain", "finished")
    assert torch.equal(one.losses, plain.losses)


WITHOUT_COMPILER = """
import pyro, torch, zoo
import pyro.distributions as dist
from guides import MeanField

def model(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    pyro.sample("x", dist.Normal(mean, 1.0), obs=x)

try:
    print(zoo.fit(model, MeanField, torch.ones(()), steps=4, compile=True).backend)
except zoo.CompileError as error:
    print("the compiler failed" in str(error), "Install a C++ compiler" in str(error))
"""


@pytest.mark.slow
def test_a_process_without_a_compiler(tmp_path):
    """It says so; code that another process has left in the cache runs all the same."""

    def printed(**settings):
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_COMPILER],
            env=os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path)} | settings,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    assert printed(PATH=str(tmp_path)) == ["True", "True"]
    assert printed() == ["compiled"]
    assert printed(PATH=str(tmp_path)) == ["compiled"]
