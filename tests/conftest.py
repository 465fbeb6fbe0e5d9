"""What every test runs under: float64, one thread, a seed, and no leaks into the process."""

import os
from collections import Counter
from pathlib import Path

import pyro
import pytest
import torch
from torch.distributions import Distribution

from zoo.isolation import seed_all

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def pytest_addoption(parser):
    parser.addoption(
        "--device", default="cpu", choices=("cpu", "cuda"), help="where the tests train"
    )


def pytest_configure(config):
    if config.getoption("--device") == "cuda" and not torch.cuda.is_available():
        raise pytest.UsageError("--device cuda asked for; torch finds no CUDA.")


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what its -m does not name
def pytest_collection_modifyitems(items):
    thin_out(items)
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="needs a CUDA device; torch finds none")
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(skip)


def thin_out(items):
    """Of the cases of a test marked thin(every), every so many are in the default run.

    The others are in the thorough run; of thin(every, longer) every so many of them, and the rest
    is exhaustive.
    """
    seen = Counter()
    for item in items:
        thin = item.get_closest_marker("thin")
        if thin is None or any(item.get_closest_marker(name) for name in ("slow", "exhaustive")):
            continue
        test = item.nodeid.split("[")[0]
        every, *longer = thin.args
        if seen[test] % every:
            rest = longer and seen[test] % longer[0]
            item.add_marker(pytest.mark.exhaustive if rest else pytest.mark.thorough)
        seen[test] += 1


@pytest.fixture(scope="session")
def device(request):
    """Where the tests put models and data: "cpu", or "cuda" with --device cuda."""
    return request.config.getoption("--device")


@pytest.fixture(scope="session")
def data_folder():
    """The folder that ZOO_DATA names."""
    folder = os.environ.get("ZOO_DATA")
    if not folder:
        pytest.skip("ZOO_DATA names no folder of data sets")
    return Path(folder)


def global_state():
    """Everything that a test could leave behind for the next one."""
    return {
        "parameter store": sorted(pyro.get_param_store().keys()),
        "default dtype": torch.get_default_dtype(),
        "torch validation": Distribution._validate_args,
        "gradients enabled": torch.is_grad_enabled(),
        **{f"pyro setting {name}": value for name, value in pyro.settings.get().items()},
    }


def tidy(before):
    """Puts things back, so that one leak fails one test."""
    pyro.clear_param_store()
    torch.set_default_dtype(before["default dtype"])
    torch.set_grad_enabled(before["gradients enabled"])
    prefix = "pyro setting "
    settings = {name: value for name, value in before.items() if name.startswith(prefix)}
    pyro.settings.set(**{name.removeprefix(prefix): value for name, value in settings.items()})
    Distribution.set_default_validate_args(before["torch validation"])


def leaks(before, after):
    return {name: (value, after[name]) for name, value in before.items() if after[name] != value}


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state, whatever ran before it."""
    seed_all(0)


@pytest.fixture(autouse=True)
def no_leaks():
    """Fails a test that leaves the process other than it found it."""
    before = global_state()
    yield
    found = leaks(before, global_state())
    tidy(before)
    if found:
        pytest.fail(f"The test leaked global state, (before, after): {found}")
