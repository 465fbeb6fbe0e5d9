"""Variances of estimators on toys with a closed form.

A toy's model draws z from the guide's own distribution, held constant, and adds a cost as a
factor. So log p - log q equals the cost, and the gradient of an objective is that of -E_q cost.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from benchmarks import markdown
from zoo.data import keep
from zoo.data.batches import Batches
from zoo.gradients.moments import moments
from zoo.gradients.sampler import sampler
from zoo.isolation import in_double, isolated
from zoo.objectives import (
    ARM,
    ARMS,
    ConstantBaseline,
    DisARM,
    LeaveOneOut,
    MeanFieldKL,
    Objective,
    Reinforce,
    StickingTheLanding,
    TraceGraph,
)
from zoo.program import build

BITS, TARGET = 200, 0.499
MEAN_COST = (TARGET**2 + (1 - TARGET) ** 2) / 2  # E 1/D ||b - t||^2 at probability 1/2
AGREES, ERRORS = 0.03, 3


class Guide(nn.Module):
    """q(z): one parameter a coordinate."""

    def __init__(self, family: Callable, values: Tensor) -> None:
        super().__init__()
        self.family, self.values = family, nn.Parameter(values)

    def forward(self) -> None:
        pyro.sample("z", self.family(self.values).to_event(1))


class Model(nn.Module):
    """p(z) = q(z), held constant, times exp(cost(z))."""

    def __init__(self, cost: Callable[[Tensor], Tensor], guide: Guide) -> None:
        super().__init__()
        self.cost, self.family = cost, guide.family
        self.register_buffer("values", guide.values.detach().clone())

    def forward(self) -> None:
        pyro.factor("cost", self.cost(pyro.sample("z", self.family(self.values).to_event(1))))


@dataclass(frozen=True)
class Toy:
    """A cost under a distribution."""

    family: Callable
    values: tuple[float, ...]
    cost: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Case:
    """A toy with an estimator, and the variance of a coordinate of its gradient."""

    toy: str
    estimator: str
    objective: Objective
    expected: float
    draws: int


def bernoulli(logits: Tensor) -> dist.Bernoulli:
    return dist.Bernoulli(logits=logits)


def unit_normal(loc: Tensor) -> dist.Normal:
    return dist.Normal(loc, 1.0)


def distance(target: float) -> Callable[[Tensor], Tensor]:
    """b -> 1/D ||b - target||^2."""
    return lambda b: ((b - target) ** 2).mean(-1)


def square(x: Tensor) -> Tensor:
    return (x**2).sum(-1)


SQUARE = Toy(unit_normal, (2.0,), square)
TOYS = {
    "x², x ~ N(2, 1)": SQUARE,
    "one bit, t = 0.45": Toy(bernoulli, (0.0,), distance(0.45)),
    "one bit, t = 0.499": Toy(bernoulli, (0.0,), distance(0.499)),
    "200 bits, t = 0.499": Toy(bernoulli, (0.0,) * BITS, distance(TARGET)),
}


def on_a_bit(target: float, reinforce: float) -> tuple[Case, ...]:
    toy, arm = f"one bit, t = {target}", (1 - 2 * target) ** 2 / 48
    return (
        Case(toy, "reinforce", Reinforce(), reinforce, 40_000),
        Case(toy, "trace_graph", TraceGraph(), reinforce, 40_000),
        Case(toy, "arm", ARM(), arm, 40_000),
        Case(toy, "disarm", DisARM(), 0.0, 1000),
        Case(toy, "arms 2", ARMS(2), 0.0, 1000),
    )


def on_a_square(particles: int, draws: int) -> tuple[Case, ...]:
    toy = "x², x ~ N(2, 1)"
    with_baseline = tuple(
        Case(
            toy,
            f"reinforce, b = {b}, N = {particles}",
            Reinforce(particles, (ConstantBaseline(float(b)),) if b else ()),
            (87 - 14 * b + b**2) / particles,
            draws,
        )
        for b in (0, 5, 7)
    )
    return (
        *with_baseline,
        Case(toy, f"mean_field, N = {particles}", MeanFieldKL(particles), 4 / particles, 40_000),
        Case(toy, f"stl, N = {particles}", StickingTheLanding(particles), 4 / particles, 40_000),
    )


MANY = "200 bits, t = 0.499"
CASES = (
    *on_a_square(1, 800_000),
    *on_a_square(10, 100_000),
    *on_a_bit(0.45, 0.015939),
    *on_a_bit(0.499, 0.015625),
    Case(MANY, "rloo 2", LeaveOneOut(2), 1.25e-9, 30_000),
    Case(MANY, "disarm", DisARM(), 1.244e-9, 30_000),
    Case(
        MANY,
        "reinforce 2, exact mean",
        Reinforce(2, (ConstantBaseline(MEAN_COST),)),
        6.22e-10,
        30_000,
    ),
)


def measure(toy: Toy, objective: Objective, draws: int, *, work: int = 1) -> dict[str, float]:
    """Mean over coordinates of the gradient's variance, its standard error, and the mean gradient.

    Args:
        toy: cost and distribution.
        objective: the estimator.
        draws: number of gradients, rounded up to whole blocks.
        work: numbers that one gradient takes.
    """
    with isolated(seed=0), in_double():
        guide = Guide(toy.family, torch.tensor(toy.values))
        program = build(Model(toy.cost, guide), guide, objective, ())
        moving = [p for name, p in program.named_parameters() if name.startswith("guide")]
        draw, _ = sampler(program, Batches((), keep, None), moving, work=work)
        found = moments(draw, draws, {"all": torch.arange(len(toy.values))})
    parts = found.spread["all"] / len(toy.values)
    return {
        "variance": float(parts.mean()),
        "se": float(parts.std()) / math.sqrt(len(parts)),
        "mean": -float(found.mean.mean()),
        "draws": found.draws,
    }


def verdict(value: float, se: float, expected: float) -> str:
    """Agrees: within 3 %, or within three standard errors where those are more."""
    allowed = max(AGREES * expected, ERRORS * se, 1e-20)
    return "agrees" if abs(value - expected) <= allowed else "differs"


def run() -> Iterator[dict]:
    rows = []
    for case in CASES:
        found = measure(TOYS[case.toy], case.objective, case.draws)
        said = verdict(found["variance"], found["se"], case.expected)
        rows.append(
            {"toy": case.toy, "estimator": case.estimator, "expected": case.expected}
            | found
            | {"verdict": said}
        )
    yield {"tolerance": AGREES, "seed": 0, "rows": rows}


def table(record: dict) -> str:
    heads = ["toy", "estimator", "closed form", "measured", "draws", "verdict"]
    rows = []
    for row in record["rows"]:
        measured = f"{row['variance']:.4g} ± {row['se']:.1g}"
        cells = [row["toy"], row["estimator"], f"{row['expected']:.4g}", measured]
        cells += [f"{row['draws']:,}", row["verdict"]]
        rows.append(cells)
    return markdown.table(heads, rows)
