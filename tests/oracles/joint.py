"""The joint density of a model at values of one's own."""

from pyro import poutine
from torch.testing import assert_close

IDENTITY = 1e-8


def close(actual, expected):
    """Equal up to rounding."""
    assert_close(actual, expected, rtol=IDENTITY, atol=IDENTITY)


def log_joint(model, values, *args):
    """log p(data, z), nats, of the shape in which the sites broadcast: (..., rows) or (...)."""
    trace = poutine.trace(poutine.condition(model, data=values)).get_trace(*args)
    trace.compute_log_prob()
    return sum(node["log_prob"] for node in trace.nodes.values() if node["type"] == "sample")


def log_total(model, values, *args):
    """log p(data, z) of all sites together, nats, shape ()."""
    trace = poutine.trace(poutine.condition(model, data=values)).get_trace(*args)
    return trace.log_prob_sum()
