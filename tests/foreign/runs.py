"""The same pair trained by Pyro's own SVI and by the zoo, from the same values and noise."""

from contextlib import contextmanager
from functools import cache

import pyro
import torch
from pyro import poutine
from pyro.infer import SVI, Trace_ELBO

import zoo

STEPS, LR, SEED = 3, 1e-3, 7
GRADIENT = 1e-6
HARDLY = 1e-30  # a learning rate under which nothing moves


@contextmanager
def room(case):
    """Where Pyro itself may run: an empty parameter store, a random state of its own."""
    before = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]), pyro.get_param_store().scope():
        torch.set_default_dtype(case.default)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


def make(case):
    """The pair, with the same initial values at each call."""
    torch.manual_seed(1)
    return case.build()


def asked(case, built, **settings):
    """`zoo.fit` on what was built."""
    objective = "trace" if case.elbo is Trace_ELBO else case.elbo()
    usual = {"objective": objective, "steps": STEPS, "optimizer": "sgd", "lr": LR, "seed": SEED}
    usual |= {"compile": False, "device": "cpu", "model_kwargs": built.kwargs or None}
    return zoo.fit(built.model, built.guide, *built.args, **{**usual, **case.settings, **settings})


def fitted(case, **settings):
    """The fit of a fresh pair."""
    return asked(case, make(case), **settings)


@cache
def plain_fits(case):
    """Fits of one step, of two, and so on: what Pyro's own steps are held against."""
    with room(case):
        return tuple(fitted(case, steps=steps) for steps in range(1, STEPS + 1))


@contextmanager
def evaluating(built):
    """Inside, the user's nets are in eval mode."""
    parts = [part for module in built.modules for part in module.modules()]
    modes = [part.training for part in parts]
    for part in parts:
        part.training = False
    yield
    for part, mode in zip(parts, modes, strict=True):
        part.training = mode


def pyros_steps(case):
    """Pyro's own losses, and all of its parameters before and after each step."""
    built, elbo, store = make(case).for_pyro(), case.elbo(), pyro.get_param_store()
    svi = SVI(built.model, built.guide, pyro.optim.SGD({"lr": LR}), elbo)
    with evaluating(built), torch.no_grad():
        first_call(built)
    torch.manual_seed(SEED)
    losses, values = [], [snapshot(store)]
    for _ in range(STEPS):
        losses.append(svi.step(*built.args, **built.kwargs))
        values.append(snapshot(store))
    return torch.tensor(losses).double(), values, buffers(built.modules)


def first_call(built):
    """Pyro's guides, and some of the users' own classes, make their parts when first called."""
    drawn = poutine.trace(built.guide).get_trace(*built.args, **built.kwargs)
    poutine.replay(built.model, trace=drawn)(*built.args, **built.kwargs)


def snapshot(owner):
    return {name: value.detach().clone() for name, value in owner.named_parameters()}


def buffers(parts):
    return [value.clone() for part in parts for value in part.buffers()]


def movements(values):
    """The parameters that moved, running averages aside.

    Returns:
        Name -> for each step its number, the value after it and the largest gradient.
    """
    moves = {}
    values = [{k: v for k, v in found.items() if "__baseline" not in k} for found in values]
    for step in range(1, len(values)):
        for name, value in values[step].items():
            before = values[step - 1].get(name, value)
            gradient = float((value - before).abs().max()) / LR if value.numel() else 0.0
            moves.setdefault(name, []).append((step, value, gradient))
    return {name: found for name, found in moves.items() if any(size for _, _, size in found)}


def follows(values, name, moves):
    """Does the zoo's parameter `name` take Pyro's values, from the first that moved on?"""
    start = next(i for i, (_, _, size) in enumerate(moves) if size)
    return all(
        name in values[step]
        and values[step][name].shape == value.shape
        and bool(((values[step][name] - value).abs() <= LR * GRADIENT * max(1.0, size)).all())
        for step, value, size in moves[start:]
    )
