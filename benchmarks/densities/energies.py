"""How probable do energies make held-out digits, and how well is their log Z known?

    python -m benchmarks.densities.energies                # rows that are there are kept
    python -m benchmarks.densities.energies --only DBN --again
    python -m benchmarks.densities.energies --fits runs/energies    # goes on after a kill
    python -m benchmarks.pages.energies                    # docs/energies.md
    python -m benchmarks.pages.pictures energies           # its picture

Static MNIST, binarized_mnist.npz in the folder that ZOO_DATA names. The last two rows are
longer fits of machines of the published size, the others fits of some minutes. log p(x) is of the
first 1000 test rows: exact up to log Z for an RBM, importance-sampled under the guide else.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

import guides
import zoo
from benchmarks import records
from benchmarks.densities.__main__ import samples
from zoo.data import Data, draw_bits
from zoo.energies import annealed_log_z
from zoo.isolation import isolated
from zoo.models.energies.dbm import DBM
from zoo.models.energies.dbn import DBN, stacked
from zoo.models.energies.rbm import HALF, RBM
from zoo.objectives import ContrastiveDivergence, Objective, PersistentContrastiveDivergence
from zoo.optim.schedules import Cosine, Schedule
from zoo.results.result import Fit
from zoo.sampling.energy import log_z_of

RESULT = records.RESULTS / "energies.json"
TEST_ROWS, DRAWS, FILTERS = 1000, 100, 10
LEARNING_RATE = 0.2  # of plain gradient steps on the mean over rows
FINE_RATE = 0.004  # of what starts at a trained machine
PCD, CD1 = PersistentContrastiveDivergence(), ContrastiveDivergence()
PCD5, PCD10 = (PersistentContrastiveDivergence(sweeps=sweeps) for sweeps in (5, 10))
LONG, RISE = 25_000, 200


@dataclass(frozen=True)
class Row:
    """A model, how it is trained, and what was published of such a model.

    Attributes:
        name: in the table.
        fit: steps and the folder to keep fits in, or None -> a fit on static MNIST.
        steps: of training.
        published: -log p(x), or its bound, nats a row; None where nothing comparable was.
        long: is it trained for long, with a machine of the published size?
    """

    name: str
    fit: Callable[[int, Path | None], Fit]
    steps: int
    published: float | None = None
    long: bool = False


def mnist(model: str, build: Callable[[Data], nn.Module] | None = None) -> zoo.Task:
    """The model on static MNIST with the first test rows."""
    task = zoo.load(model, data="binarized_mnist")
    (test,) = task.data.test
    task = replace(task, data=replace(task.data, test=(test[:TEST_ROWS],)))
    return task if build is None else replace(task, build=partial(build, task.data))


def trained(
    task: zoo.Task,
    guide: Callable,
    objective: Objective,
    steps: int,
    schedule: Schedule,
    folder: Path | None = None,
    rate: float = LEARNING_RATE,
) -> Fit:
    """A fit by plain gradient steps whose rate falls to 0; with a folder it is kept there."""
    (train,) = task.split("train")
    return zoo.fit(
        task,
        guide,
        objective=objective,
        steps=steps,
        optimizer="sgd",
        lr=rate / len(train),  # the loss is that of all rows
        lr_schedule=schedule,
        batch_size=100,
        compile=False,
        progress=True,
        checkpoint=folder,
        resume=folder,
    )


def risen_then_falling(steps: int, step: Tensor) -> Tensor:
    """From 0 to 1 while chains leave where they start, then to 0, each along a line."""
    rise = min(RISE, max(1, steps // 10))
    return torch.minimum(step / rise, (steps - step) / max(1, steps - rise)).clamp(0, 1)


def rbm(hidden: int, objective: Objective, *, centred: bool = False) -> Callable[..., Fit]:
    """An RBM with so many hidden units."""

    def built(data: Data) -> RBM:
        return RBM(data.features, hidden, data.train[0].mean(0), centred=centred)

    def fit(steps: int, fits: Path | None) -> Fit:
        schedule = partial(risen_then_falling, steps) if centred else Cosine(steps)
        task, folder = mnist("rbm", built), within(fits, "rbm")
        return trained(task, guides.Empty, objective, steps, schedule, folder)

    return fit


def dbm(layers: tuple[int, int]) -> Callable[..., Fit]:
    """A deep Boltzmann machine, both layers at once."""

    def built(data: Data) -> DBM:
        return DBM(data.features, layers, data.train[0].mean(0))

    def fit(steps: int, fits: Path | None) -> Fit:
        task, folder = mnist("dbm", built), within(fits, "dbm")
        return trained(task, guides.CoordinateAscent, PCD, steps, Cosine(steps), folder)

    return fit


def dbn(lower: Callable[..., Fit], steps_below: int) -> Callable[..., Fit]:
    """A deep belief network on an RBM trained before: the steps are those of the upper one.

    The upper machine starts as the lower one turned over, with which the network is the lower RBM
    and its guide exact. The guide stays what the lower RBM infers of its hidden units.
    """

    def fit(steps: int, fits: Path | None) -> Fit:
        first = lower(steps_below, fits)
        data = hidden_data(first)
        above = replace(first.task, data=data, build=partial(turned_over, first.model, data))
        folder, schedule = within(fits, "dbn"), partial(risen_then_falling, steps)
        second = trained(above, guides.Empty, PCD10, steps, schedule, folder, FINE_RATE)
        stack = mnist("dbn", lambda _: stacked(first.model, second.model))
        made = zoo.fit(stack, guides.AmortisedLayers, objective="pcd", steps=1, lr=1e-12)
        with torch.no_grad():
            network = made.program.guide.networks[0][0]
            network.weight.copy_(first.model.machine.weight.mT)
            network.bias.copy_(first.model.machine.right_bias)
        made.seconds = first.seconds + second.seconds
        return made

    return fit


def within(fits: Path | None, name: str) -> Path | None:
    """The folder of a fit; None where none are kept."""
    return None if fits is None else fits / name


@torch.no_grad()
def turned_over(first: RBM, data: Data) -> RBM:
    """A centred RBM of the first one's hidden units whose hidden units are the pixels."""
    machine, means = first.machine.swapped, data.train[0].mean(0)
    upper = RBM(*machine.weight.shape, means, centred=True)
    upper.weight.copy_(machine.weight)
    upper.bias.copy_(machine.left_bias + HALF * machine.weight.sum(1))
    upper.hidden_bias.copy_(machine.right_bias + means @ machine.weight)
    return upper


@torch.no_grad()
def hidden_data(first: Fit) -> Data:
    """Chances of the first machine's hidden units as data, with fresh bits in each step."""
    data = first.task.data
    chances = {
        name: tuple(first.model.hidden_means(x) for x in getattr(data, name))
        for name in ("train", "valid", "test")
    }
    return replace(data, **chances, image=None, observe=draw_bits, binarize="dynamic")


SHORT_RBM, SHORT = rbm(200, PCD5, centred=True), 5000
LONG_RBM = rbm(500, PCD, centred=True)
ROWS = (
    Row("RBM, 20 units, PCD", rbm(20, PCD), 3000),
    Row("RBM, 200 units, CD-1", rbm(200, CD1), 3000),
    Row("RBM, 200 units, PCD", rbm(200, PCD), 3000),
    Row("DBM, 200 and 100 units", dbm((100, 200)), 2000, 84.62),
    Row("RBM, 200 units, PCD-5", SHORT_RBM, SHORT),
    Row("DBN, 200 and 784 units, PCD-10", dbn(SHORT_RBM, SHORT), 2000, 84.55),
    Row("RBM, 500 units, PCD", LONG_RBM, LONG, 86.34, long=True),
    Row("DBN, 500 and 784 units", dbn(LONG_RBM, LONG), 1_000, 84.55, long=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    parser.add_argument("--share", type=float, default=1.0, help="of each row's steps")
    parser.add_argument("--again", action="store_true", help="measure rows that are there, too")
    parser.add_argument("--fits", type=Path, help="folder to keep fits in, and to go on from")
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    for row in ROWS:
        if asked.only in row.name and (asked.again or row.name not in names(asked.out)):
            keep(asked.out, row, asked.share, asked.fits)


def rows_of(path: Path) -> list[dict]:
    """The rows that the file holds."""
    return records.read(path)["rows"] if path.exists() else []


def names(path: Path) -> list[str]:
    """Their names."""
    return [one["name"] for one in rows_of(path)]


def keep(path: Path, row: Row, share: float, fits: Path | None = None) -> None:
    """Measures a row and writes the file with it."""
    steps = max(2, round(share * row.steps))
    fit = row.fit(steps, fits if row.long else None)
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
        "log Z": list(known[:3]),
        "log Z by AIS": list(annealed[:3]),
        "sides": list(known.sides),
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
