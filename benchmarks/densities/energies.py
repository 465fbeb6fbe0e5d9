"""How probable do energies make held-out digits, and how well is their log Z known?

    python -m benchmarks.densities.energies                # rows that are there are kept
    python -m benchmarks.densities.energies --only DBN --again
    python -m benchmarks.pages.energies                    # docs/energies.md
    python -m benchmarks.pages.pictures energies           # its picture

Static MNIST, binarized_mnist.npz in the folder that ZOO_DATA names. The fits take minutes, far
less than the published ones, so that only the order of the rows can be compared. log p(x) is of
the first 1000 test rows: exact up to log Z for an RBM, importance-sampled under the guide else.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

import guides
import zoo
from benchmarks import records
from benchmarks.densities.__main__ import samples
from zoo.data import Data
from zoo.energies import annealed_log_z
from zoo.isolation import isolated
from zoo.models.energies.dbn import DBN, stacked
from zoo.models.energies.rbm import RBM
from zoo.objectives import ContrastiveDivergence, Objective, PersistentContrastiveDivergence
from zoo.optim.schedules import Cosine
from zoo.results.result import Fit
from zoo.sampling.energy import log_z_of

RESULT = records.RESULTS / "energies.json"
TEST_ROWS, DRAWS, FILTERS = 1000, 100, 10
LEARNING_RATE = 0.2  # of plain gradient steps on the mean over rows
PCD, CD1 = PersistentContrastiveDivergence(), ContrastiveDivergence()


@dataclass(frozen=True)
class Row:
    """A model, how it is trained, and what was published of such a model.

    Attributes:
        name: in the table.
        fit: steps -> a fit on static MNIST.
        steps: of training.
        published: -log p(x), or its bound, nats a row; None where nothing comparable was.
    """

    name: str
    fit: Callable[[int], Fit]
    steps: int
    published: float | None = None


def mnist(model: str, **parts: object) -> zoo.Task:
    """The model on static MNIST with the first test rows."""
    task = zoo.load(model, data="binarized_mnist", **parts)
    (test,) = task.data.test
    return replace(task, data=replace(task.data, test=(test[:TEST_ROWS],)))


def trained(task: zoo.Task, guide: Callable, objective: Objective, steps: int) -> Fit:
    """A fit by plain gradient steps whose rate falls to 0."""
    (train,) = task.split("train")
    return zoo.fit(
        task,
        guide,
        objective=objective,
        steps=steps,
        optimizer="sgd",
        lr=LEARNING_RATE / len(train),  # the loss is that of all rows
        lr_schedule=Cosine(steps),
        batch_size=100,
        progress=True,
    )


def rbm(hidden: int, objective: Objective) -> Callable[[int], Fit]:
    """An RBM with so many hidden units."""

    def fit(steps: int) -> Fit:
        return trained(mnist("rbm", latent=hidden), guides.Empty, objective, steps)

    return fit


def dbm(steps: int) -> Fit:
    """A deep Boltzmann machine, both layers at once."""
    task = mnist("dbm", groups=(100, 200))
    return trained(task, guides.CoordinateAscent, PCD, steps)


def dbn(steps: int) -> Fit:
    """A deep belief network, greedily: half of the steps for each of its two machines.

    The guide is what the first machine infers of its hidden units, held as it is.
    """
    task = mnist("rbm", latent=200)
    first = trained(task, guides.Empty, PCD, steps // 2)
    data = hidden_data(first)
    means = data.train[0].mean(0)
    above = replace(task, data=data, build=lambda: RBM(200, 200, means))
    second = trained(above, guides.Empty, PCD, steps - steps // 2)
    net = stacked(first.model, second.model)
    stack = replace(mnist("dbn", groups=(200, 200)), build=lambda: net)
    fit = zoo.fit(stack, guides.AmortisedLayers, objective="pcd", steps=1, lr=1e-12)
    with torch.no_grad():
        network = fit.program.guide.networks[0][0]
        network.weight.copy_(first.model.weight.mT)
        network.bias.copy_(first.model.hidden_bias)
    fit.seconds = first.seconds + second.seconds
    return fit


def hidden_data(first: Fit) -> Data:
    """One draw of the first machine's hidden units for each training row, as data."""
    data = first.task.data
    with isolated(seed=0), torch.no_grad():
        drawn = {name: _hidden(first, getattr(data, name)) for name in ("train", "valid", "test")}
    return replace(data, **drawn, image=None)


def _hidden(first: Fit, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(torch.bernoulli(first.model.hidden_means(x)) for x in batch)


ROWS = (
    Row("RBM, 20 units, PCD", rbm(20, PCD), 3000),
    Row("RBM, 200 units, CD-1", rbm(200, CD1), 3000),
    Row("RBM, 200 units, PCD", rbm(200, PCD), 3000),
    Row("DBM, 200 and 100 units", dbm, 2000, 84.62),
    Row("DBN, 200 and 200 units", dbn, 6000, 84.55),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    parser.add_argument("--share", type=float, default=1.0, help="of each row's steps")
    parser.add_argument("--again", action="store_true", help="measure rows that are there, too")
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    for row in ROWS:
        if asked.only in row.name and (asked.again or row.name not in names(asked.out)):
            keep(asked.out, row, asked.share)


def rows_of(path: Path) -> list[dict]:
    """The rows that the file holds."""
    return records.read(path)["rows"] if path.exists() else []


def names(path: Path) -> list[str]:
    """Their names."""
    return [one["name"] for one in rows_of(path)]


def keep(path: Path, row: Row, share: float) -> None:
    """Measures a row and writes the file with it."""
    steps = max(2, round(share * row.steps))
    fit = row.fit(steps)
    record = records.made_now(fit.task.data)
    found = {"name": row.name, "published": row.published, "steps": steps}
    found |= measured(fit) | {key: record[key] for key in records.MADE}
    print({k: v for k, v in found.items() if k not in ("samples", "filters")}, flush=True)
    others = [one for one in rows_of(path) if one["name"] != row.name]
    records.write(path, record | {"rows": [*others, found]})


def measured(fit: Fit) -> dict:
    """Scores of the test rows, log Z, draws and filters."""
    found = zoo.evaluate(fit, metrics=("elbo", "log_evidence"), draws=DRAWS)
    known = annealed = log_z_of(fit.program, fit.task.split("test"), None)
    if not known.error:
        with isolated(seed=0):
            annealed = annealed_log_z(fit.model.machine)
    return {
        "elbo": [found["elbo"].value, found["elbo"].se],
        "log_evidence": [found["log_evidence"].value, found["log_evidence"].se],
        "log Z": list(known),
        "log Z by AIS": list(annealed),
        "test rows": len(fit.task.split("test")[0]),
        "latent": bool(fit.latents.sites),
        "seconds": fit.seconds,
        "parameters": sum(p.numel() for p in fit.model.parameters()),
        "image": fit.task.data.image,
        "samples": samples(fit),
        "filters": filters(fit.model),
    }


def filters(model: nn.Module) -> list[str]:
    """The weights from the pixels to the first hidden units, grey levels as hexadecimal pairs.

    128 is 0, and the largest weight of a filter in size is 1 or 255.
    """
    first = model.decoder.weight if isinstance(model, DBN) else model.weight
    shown = first.detach()[:, :FILTERS].mT
    grey = 128 + 127 * shown / shown.abs().amax(1, keepdim=True)
    return [bytes(int(level) for level in row.round()).hex() for row in grey]


if __name__ == "__main__":
    main()
