"""Are the p-values of "no bias" uniform where there is none? The same test on many short runs.

Estimators that share their noise have p-values that depend on each other, so that their table
cannot tell. Here each run has noise of its own.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from scipy import stats
from torch import Tensor

import guides
import zoo
from benchmarks import markdown
from benchmarks.estimators.networks import SETTINGS, latent
from zoo.gradients.bias import bias
from zoo.gradients.estimator import as_estimator
from zoo.gradients.experiment import Experiment, References
from zoo.gradients.moments import BLOCKS, moments
from zoo.gradients.sampler import Sampler
from zoo.gradients.trajectory import Trajectory, fixed_rows
from zoo.isolation import in_double, isolated
from zoo.objectives import as_objective

ESTIMATORS = ("rloo", "disarm", "measure_valued")
RUNS, DRAWS, SEED = 100, 640, 0


def run() -> Iterator[dict]:
    """A record that grows by one estimator at a time, at the parameters before training."""
    task = replace(zoo.load("bernoulli_latent"), build=latent)
    guide, rows = guides.AmortisedDiscrete, []
    with isolated(seed=SEED):
        args = fixed_rows(task, SETTINGS["rows"], SEED)
    trajectory = Trajectory(task, guide, as_objective("rloo"), None, None, SEED, "cpu")
    experiment = Experiment(
        task, guide, args, "initial", trajectory.parameters("initial"), DRAWS, 0, SEED
    )
    references = References(experiment, DRAWS)
    for name in ESTIMATORS:
        objective = as_estimator(name).objective
        known = references.of(objective.target)
        with isolated(seed=SEED), in_double():
            one = experiment.build(objective)
            torch.manual_seed(SEED)
            runs = (served(one.sampler(DRAWS)) for _ in range(RUNS))
            found = [bias(moments(run, DRAWS, one.groups), known) for run in runs]
        rows.append(
            {
                "estimator": name,
                "p": [each.p_value for each in found],
                "max_z_p": [each.max_z_p_value for each in found],
            }
        )
        yield {"runs": RUNS, "draws": DRAWS, "rows": rows, "task": task}


def served(gradients: Tensor) -> Sampler:
    """A sampler that returns, block by block, gradients that were drawn before."""
    blocks = iter(gradients.split(DRAWS // BLOCKS))
    return lambda _: next(blocks)


def table(record: dict) -> str:
    heads = ["estimator", "runs", "p below 0.05", "below 0.5", "smallest", "uniform? p of KS"]
    heads += ["largest z's corrected p below 0.05"]
    rows = []
    for row in record["rows"]:
        p = row["p"]
        cells = [row["estimator"], str(len(p)), str(sum(one < 0.05 for one in p))]
        cells += [str(sum(one < 0.5 for one in p)), f"{min(p):.2g}"]
        cells += [f"{stats.kstest(p, 'uniform').pvalue:.2g}"]
        cells += [str(sum(one < 0.05 for one in row["max_z_p"]))]
        rows.append(cells)
    return markdown.table(heads, rows)
