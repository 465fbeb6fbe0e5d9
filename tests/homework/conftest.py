"""What tests of homework run in: the usual dtype, and processes that are started once."""

import pytest
import torch
from attacks import PART, RIGHT, graded

import zoo.homework.course as course_module
from zoo.homework.sandbox.contain import missing
from zoo.homework.sandbox.watch import _descendants
from zoo.homework.sandbox.workers import Workers


@pytest.fixture
def usual_dtype():
    """Students' files run where nobody has set another default."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(before)


@pytest.fixture(scope="module")
def one_warm_process():
    """Commands one after another share it; each would start its own."""
    close = course_module.close_workers
    course_module.close_workers = lambda: None
    yield
    course_module.close_workers = close
    close()


@pytest.fixture(scope="module")
def workers():
    reasons = missing()
    if reasons:
        pytest.skip(f"this machine contains no code: {reasons}")
    with Workers("") as found:
        yield found


@pytest.fixture
def others_are_graded(workers):
    """After every attack, nothing is left running, and the next student gets all points."""
    yield
    assert _descendants(workers.warm.pid) == [workers.warm.pid]
    found = graded(workers, RIGHT)
    assert (found.outcome, found.points) == ("ok", PART.points), found.detail
