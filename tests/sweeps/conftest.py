"""A sweep that nothing disturbed, for all tests of sweeps."""

import pytest
from swept import swept


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A sweep that nothing disturbed, and its folder."""
    out = tmp_path_factory.mktemp("whole") / "out"
    return swept(out=out), out
