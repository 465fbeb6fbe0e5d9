"""What a decaying-average baseline saves: the coin of Pyro's SVI tutorial, part III.

Beta(10, 10) prior, six heads and four tails, a Beta guide that starts at (15, 15) and is taken for
not reparameterisable. Adam at 0.0005 with betas (0.93, 0.999) on the logarithms, until both
parameters are within 0.8 of the exact (16, 14), as in the tutorial.
"""

import math
import statistics
from collections.abc import Callable, Iterator

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.testing.fakes import NonreparameterizedBeta
from pyro.infer import SVI, TraceGraph_ELBO
from torch import Tensor, nn
from torch.distributions import constraints

from benchmarks import markdown
from zoo.isolation import isolated
from zoo.objectives import DecayingAverage, Objective, Reinforce
from zoo.program import build

START, TRUTH, TOLERANCE = (15.0, 15.0), (16.0, 14.0), 0.8
ADAM = {"lr": 5e-4, "betas": (0.93, 0.999)}
LONGEST, SEEDS = 10_000, 11
HEADS, TAILS = 6, 4
OBJECTIVES = {
    "reinforce": Reinforce(),
    "reinforce_average": Reinforce(baselines=(DecayingAverage(0.9),)),
}
RATIO, PUBLISHED = 1.5, {"without": 4908, "with": 1932}


def model(heads: Tensor) -> None:
    fairness = pyro.sample("fairness", dist.Beta(10.0, 10.0))
    with pyro.plate("flips", len(heads)):
        pyro.sample("heads", dist.Bernoulli(fairness), obs=heads)


class BetaGuide(nn.Module):
    """q(fairness) = Beta(a, b), by the logarithms of a and b."""

    def __init__(self) -> None:
        super().__init__()
        self.logs = nn.Parameter(torch.tensor(START).log())

    def forward(self, heads: Tensor) -> None:
        pyro.sample("fairness", NonreparameterizedBeta(*self.logs.exp()))


def steps_until_close(step: Callable[[], object], now: Callable[[], Tensor]) -> int:
    """Steps until both parameters are within the tolerance; LONGEST if they never are."""
    truth = torch.tensor(TRUTH)
    for count in range(1, LONGEST + 1):
        step()
        if bool(((now() - truth).abs() < TOLERANCE).all()):
            return count
    return LONGEST


def zoo_steps(objective: Objective, seed: int) -> int:
    with isolated(seed=seed):
        heads = coin()
        program = build(model, BetaGuide(), objective, (heads,))
        adam, clock = torch.optim.Adam(program.guide.parameters(), **ADAM), torch.zeros(())

        def step() -> None:
            adam.zero_grad()
            program.backward(clock, None, heads)
            adam.step()

        return steps_until_close(step, lambda: program.guide.logs.detach().exp())


def pyro_steps(*, averaged: bool, seed: int) -> int:
    """The same by Pyro's own SVI and TraceGraph_ELBO."""
    baseline = {"use_decaying_avg_baseline": averaged, "baseline_beta": 0.9}

    def guide(heads: Tensor) -> None:
        a = pyro.param("a", torch.tensor(START[0]), constraint=constraints.positive)
        b = pyro.param("b", torch.tensor(START[1]), constraint=constraints.positive)
        pyro.sample("fairness", NonreparameterizedBeta(a, b), infer={"baseline": baseline})

    with isolated(seed=seed):
        pyro.clear_param_store()
        heads = coin()
        svi = SVI(model, guide, pyro.optim.Adam(ADAM), loss=TraceGraph_ELBO())
        return steps_until_close(
            lambda: svi.step(heads),
            lambda: torch.stack([pyro.param("a"), pyro.param("b")]).detach(),
        )


def coin() -> Tensor:
    return torch.tensor([1.0] * HEADS + [0.0] * TAILS)


def run() -> Iterator[dict]:
    """A record that grows by one seed at a time."""
    rows, settings = [], {"longest": LONGEST, "tolerance": TOLERANCE, "published": PUBLISHED}
    for seed in range(SEEDS):
        for name, objective in OBJECTIVES.items():
            rows.append({"by": "zoo", "objective": name, "seed": seed})
            rows[-1]["steps"] = zoo_steps(objective, seed)
        for averaged in (False, True):
            name = "reinforce_average" if averaged else "reinforce"
            rows.append({"by": "Pyro's TraceGraph_ELBO", "objective": name, "seed": seed})
            rows[-1]["steps"] = pyro_steps(averaged=averaged, seed=seed)
        print(seed, [row["steps"] for row in rows[-4:]], flush=True)
        yield {"settings": settings, "rows": rows}


def table(record: dict) -> str:
    """Steps without and with the baseline, ours, Pyro's and the tutorial's."""
    heads = ["by", "seeds", "mean steps without", "with", "ratio", "median without", "with"]
    heads += ["ratio > 1.5"]
    rows = [_line(by, record["rows"]) for by in dict.fromkeys(r["by"] for r in record["rows"])]
    told = record["settings"]["published"]
    without, averaged = told["without"], told["with"]
    cells = [str(without), str(averaged), f"{without / averaged:.2f}", "-", "-", "-"]
    return markdown.table(heads, [*rows, ["the tutorial", "1", *cells]])


def _line(by: str, rows: list[dict]) -> list[str]:
    """The cells of one library's runs."""
    without, averaged = (
        [row["steps"] for row in rows if row["by"] == by and row["objective"] == name]
        for name in OBJECTIVES
    )
    value, error = ratio_of_means(without, averaged)
    cells = [by, str(len(without)), _said(without), _said(averaged)]
    cells += [f"{value:.2f} ± {error:.2f}"]
    cells += [f"{statistics.median(one):g}" for one in (without, averaged)]
    return [*cells, verdict(value, error)]


def verdict(value: float, error: float) -> str:
    """Is the ratio above what is claimed, by two standard errors?"""
    if abs(value - RATIO) < 2 * error:
        return "cannot tell"
    return "agrees" if value > RATIO else "differs"


def _said(steps: list[int]) -> str:
    return "{:.0f} ± {:.0f}".format(*_mean(steps))


def ratio_of_means(without: list[int], averaged: list[int]) -> tuple[float, float]:
    """Mean steps without the baseline over those with it, and its standard error."""
    (a, a_error), (b, b_error) = _mean(without), _mean(averaged)
    return a / b, a / b * math.hypot(a_error / a, b_error / b)


def _mean(steps: list[int]) -> tuple[float, float]:
    values = torch.tensor(steps, dtype=torch.float64)
    error = float(values.std()) / math.sqrt(len(steps)) if len(steps) > 1 else 0.0
    return float(values.mean()), error
