"""The pool of small buffers: other memory, the same values, and nothing left behind."""

import pytest
import torch

from zoo.compile.memory_pool import pooled


def test_a_freed_buffer_is_taken_again():
    with pooled():
        first = torch.empty(10)
        place = first.data_ptr()
        del first
        assert torch.empty(16).data_ptr() == place  # as many lines of 64 bytes
        assert torch.empty(17).data_ptr() != place
        assert torch.empty(10, 1000, dtype=torch.float64).data_ptr() != place


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 8192, 8193, 10**6])
def test_values_survive_the_pool(count):
    """Around every edge: nothing, one line, the largest pooled buffer, and beyond."""
    expected = torch.arange(count, dtype=torch.float64)
    with pooled():
        found = torch.arange(count, dtype=torch.float64)
        copy = found.clone()
        assert found.data_ptr() % 64 == 0
        found += 1
    assert torch.equal(copy, expected)
    assert torch.equal(found - 1, expected)


def test_buffers_in_use_do_not_overlap():
    with pooled():
        kept = [torch.full((size % 50,), float(size)) for size in range(2000)]
        dropped = kept[::3]
        del dropped, kept[::3]
        more = [torch.full((size % 50,), -1.0) for size in range(1000)]
    assert all((value == value[:1]).all() for value in kept)
    assert all((value == -1).all() for value in more)


def test_outside_nothing_is_pooled():
    with pooled():
        inside = torch.empty(10)
    place = inside.data_ptr()
    del inside  # goes back to the pool
    assert torch.empty(10).data_ptr() != place
    with pooled():
        assert torch.empty(10).data_ptr() == place


def test_pools_inside_each_other_and_errors_end_where_they_began():
    with pooled():
        place = torch.empty(10).data_ptr()
    with pytest.raises(RuntimeError, match="planted"), pooled(), pooled():
        raise RuntimeError("planted")
    assert torch.empty(10).data_ptr() != place
