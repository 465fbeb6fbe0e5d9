"""The scan in a plain step: a Python loop, its gradients, and what it refuses."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch.func import grad, vmap

import zoo

X = torch.linspace(-1.0, 1.0, 5)


def filtered(pull, x):
    """An exponential filter and its path."""

    def step(level, e):
        level = torch.tanh(pull * level + e)
        return level, level.square()

    return zoo.scan(step, torch.zeros_like(x[0]), x)


def by_hand(pull, x):
    level, path = torch.zeros_like(x[0]), []
    for e in x:
        level = torch.tanh(pull * level + e)
        path.append(level.square())
    return level, torch.stack(path)


def gradients_of(value, *of):
    return torch.autograd.grad(value.sum(), of, retain_graph=True)


def test_values_and_gradients_are_those_of_the_loop():
    for x in (X, torch.stack([X, 2 * X], -1)):
        pull, x = torch.tensor(0.7, requires_grad=True), x.clone().requires_grad_()
        for found, expected in zip(filtered(pull, x), by_hand(pull, x), strict=True):
            assert torch.equal(found, expected)
            grads = [gradients_of(v, pull, x) for v in (found, expected)]
            assert all(map(torch.equal, *grads))


def test_it_nests_and_takes_structures():
    def step(carry, x):
        last, ys = zoo.scan(lambda c, e: (c + e, c), carry["sum"], x["row"])
        return {"sum": last, "count": carry["count"] + 1}, (ys, None)

    rows = torch.arange(6.0).reshape(3, 2)
    begin = {"sum": torch.zeros(()), "count": torch.tensor(0)}
    last, (before, nothing) = zoo.scan(step, begin, {"row": rows})
    assert last == {"sum": torch.tensor(15.0), "count": torch.tensor(3)}
    assert torch.equal(before.reshape(-1), rows.reshape(-1).cumsum(0) - rows.reshape(-1))
    assert nothing is None


def test_transforms_of_torch_go_through_it():
    found, expected = (
        grad(grad(lambda p, run=run: run(p, X)[1].sum()))(torch.tensor(0.3))
        for run in (filtered, by_hand)
    )
    assert torch.equal(found, expected)
    assert found != 0
    pulls = torch.tensor([0.1, 0.9])
    side_by_side = vmap(lambda p: filtered(p, X)[0])(pulls)
    torch.testing.assert_close(side_by_side, torch.stack([filtered(p, X)[0] for p in pulls]))


ZERO = torch.zeros(())
WRONG = {
    "lengths": (lambda c, x: (c, None), ZERO, (X, X[:3]), r"one length T .* \(5,\), \(3,\)"),
    "no_time": (lambda c, x: (c, None), ZERO, torch.tensor(1.0), r"one length T .* shapes \(\)"),
    "empty": (lambda c, x: (c, None), ZERO, X[:0], r"one length T >= 1"),
    "no_xs": (lambda c, x: (c, None), ZERO, None, r"xs to be of tensors; got NoneType"),
    "no_init": (lambda c, x: (c, x), (), X, r"init to have a tensor; got none"),
    "number": (lambda c, x: (c, x), 0.0, X, r"init to be of tensors; got float"),
    "list": (lambda c, x: (c, None), ZERO, [1.0], r"xs to be of tensors; got float"),
    "shape": (
        lambda c, x: (c + X, None),
        ZERO,
        X,
        r"stay float64 of shape \(\); got float64 of shape \(5,\)",
    ),
    "dtype": (
        lambda c, x: (c.float(), None),
        ZERO,
        X,
        r"stay float64 .*; got float32 .* Pass init as float32, or return float64",
    ),
    "f": (1, ZERO, X, r"f to be a function of a carry and an x; got 1"),
    "structure": (lambda c, x: ((c, c), None), ZERO, X, r"with 1 tensors; got .*, float64"),
    "one": (lambda c, x: c, ZERO, X, r"return two things, .*; got float64"),
    "y": (lambda c, x: (c, 1.0), ZERO, X, r"y to be of tensors; got float"),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_input_is_refused_with_both_values(name):
    *arguments, said = WRONG[name]
    with pytest.raises(ValueError, match=f"Expected .*{said}"):
        zoo.scan(*arguments)


def sampled(level, x):
    return pyro.sample("level", dist.Normal(level, 1.0)), None


def observed(level, x):
    return pyro.sample("level", dist.Normal(level, 1.0), obs=x), None


def named(level, x):
    return pyro.deterministic("level", level + x), None


def plated(level, x):
    with pyro.plate("level", 2):
        return level + x, None


@pytest.mark.parametrize(
    ("step", "way"),
    [
        (sampled, "Sample all times as one site"),
        (observed, "Sample all times as one site"),
        (named, r"call pyro\.deterministic after"),
        (plated, "Open the plate around"),
    ],
)
def test_a_site_inside_is_refused(step, way):
    with pytest.raises(ValueError, match=f"Site 'level' is in the function of a scan, .* {way}"):
        zoo.scan(step, torch.zeros(()), X)


def test_a_carry_that_is_changed_in_place_is_refused():
    def step(carry, x):
        carry += x
        return carry, carry

    with pytest.raises(ValueError, match="changes it in place"):
        zoo.scan(step, torch.zeros(()), torch.ones(4))
