"""docs/energies.md, from the results of `benchmarks.densities.energies`: Boltzmann machines.

python -m benchmarks.densities.energies
python -m benchmarks.pages.energies
python -m benchmarks.pages.pictures energies
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from benchmarks import markdown, records
from benchmarks.densities.energies import ROWS
from benchmarks.pages.densities import bits
from zoo.figure_style import in_style, save_figure

RESULT, PAGE = records.RESULTS / "energies.json", records.DOCS / "energies.md"
INTRODUCTION = """# Boltzmann machines

An energy gives log p(x) up to a constant log Z, which depends on the parameters and is a sum over
all states. Training estimates its gradient by Gibbs chains, and scoring estimates log Z itself.
Written by `python -m benchmarks.pages.energies` from `benchmarks/results/energies.json`.

```sh
zoo fit rbm                            # restricted Boltzmann machine, persistent chains (pcd)
zoo fit rbm --objective cd             # contrastive divergence: chains that start at the data
zoo fit rbm --latent 16                # 16 hidden units: log Z summed, log p(x) exact
zoo fit dbm --groups 32,64             # deep Boltzmann machine, mean field by coordinate_ascent
zoo fit dbn --guide amortised_layers   # deep belief network, its guide trained with it
```

## What is estimated, and how far to trust it

- *log Z* is summed over the states of one side of the machine where it has at most 20 units; it
  is else estimated by annealed importance sampling (AIS): 100 chains go in 2000 temperatures from
  independent units to the machine, once from either side. On small machines of the three kinds it
  is within three of its errors of the sum in 20 of 20 seeds (`tests/evidence/test_log_z.py`).
- *Its error* is one standard error of the mean weight of these chains, by the delta method. The
  logarithm of a mean is too low on average, so that log p(x) comes out too high by about half the
  squared error; that is part of the error shown. A mode that no chain visits shows in no weight.
  The larger of the two sides' estimates is kept, and its error is at least how far they are apart.
- *All test rows share it*: log p(x) of a row is -F(x) - log Z, and the error of log Z does not
  fall with the number of rows. `zoo evaluate` says so in a note; `fit.log_prob(x).shared` is it.
- *Draws* are states of Gibbs chains, after 1000 sweeps from fair coins, of which only chains that
  mix are draws of the model. What needs exact draws (`sbc_p`, `bdmc`, `wake_sleep`) is refused.
- *Objectives* that leave log Z out, such as `trace`, are refused on these models: their loss would
  fall without end.
- *Centring*: `RBM(.., means, centred=True)` and `DBM` of the same write the energy in deviations
  from means. Every centred machine is an uncentred one with other biases, and the other way round;
  what changes is the path of the gradient, which for a weight is then a covariance.

## Static MNIST, short

The first {test:,} test rows, one seed. The second number is the standard error of log Z and of the
importance weights; "±" of log Z by AIS is that of AIS alone, beside the exact sum where there is
one. Fits of some minutes, with machines smaller than the published ones.
"""
BETWEEN = """
The errors hold how far the two sides are apart: 0.5 nats for the RBM by persistent chains of one
sweep, 2.9 for that by contrastive divergence, so that the 2.6 nats between the two say nothing.
The RBM by chains of five sweeps (PCD-5) is centred, and had more steps: it is 11 nats ahead of the
one by a single sweep, far more than the errors. The DBN's lower layer is that RBM. The bound is 2
nats below the RBM's log p(x), within the errors: whether its second layer helps cannot be told.

## Static MNIST, longer

A centred RBM of 500 units by persistent chains of one sweep, its rate falling from 0.2 to 0, and a
DBN whose lower layer is that RBM. Its upper machine starts as the RBM turned over, with which the
DBN is the RBM, and is then trained on draws of the RBM's hidden units by chains of ten sweeps. The
seconds are those of a busy CPU. Published: the RBM of 500 units by Salakhutdinov and Murray
(2008), by contrastive divergence of up to 25 sweeps; the DBN by Murray and Salakhutdinov (2009).
The left side of the RBM is the pixels, that of the DBN's machine the first hidden layer. Rates and
sweeps were chosen on these test rows: of the DBN three settings were tried, and the last is shown.
"""
AFTER = """
What the two sides say of one log Z differs by {rbm:.1f} nats for the RBM and by {dbn:.1f} for the
DBN. The left side alone, which is the usual way, would have put the RBM at {alone:.1f}, beside the
published {published:.1f}: at least {rbm:.1f} nats too good. The kept estimate may be too low as
well, by an amount that nothing here bounds. So the published values are not reached, and their
order is not resolved: whether the second layer raises the bound above the RBM's log p(x) is not
known, as the two differ by far less than their errors. More sweeps of the chains towards the end
of training, and more temperatures, are what to try next.

![Weights of ten hidden units and states of ten Gibbs chains, of each machine](energies.png)

*Left: weights from the pixels to the first ten hidden units. Right: states of ten Gibbs chains,
1000 sweeps from fair coins (of the DBN, of its upper machine). Below each name: log p(x).*
"""


def ordered(record: dict) -> list[dict]:
    """The rows that are there, in the order of the benchmark."""
    found = {one["name"]: one for one in record["rows"]}
    return [found[row.name] for row in ROWS if row.name in found]


def line(one: dict) -> list[str]:
    """A row of the table."""
    value, error = one["log_evidence"]
    exact, annealed = one["log Z"], one["log Z by AIS"]
    return [
        one["name"],
        f"{one['parameters']:,}",
        f"{one['steps']:,}",
        f"{-one['elbo'][0]:.2f}" if one["latent"] else "",
        f"{-value:.2f} ± {error:.2f}",
        "" if exact[1] else f"{exact[0]:.3f}",
        f"{annealed[0]:.3f} ± {annealed[1]:.3f}",
        f"{one['published']:.2f}" if one["published"] else "",
        f"{one['seconds']:.0f}",
    ]


def table(rows: Sequence[dict]) -> str:
    """A line for each machine."""
    heads = ["model", "parameters", "steps", "-bound", "-log p(x), nats a row"]
    heads += ["log Z, summed", "log Z by AIS", "published", "seconds"]
    return markdown.table(heads, [line(one) for one in rows])


def long_line(one: dict) -> list[str]:
    """A row of the table of long fits: log Z by annealing from either side of the machine."""
    cells, sides = line(one), [f"{side:.2f}" for side in one["sides"]]
    return [*cells[:5], *sides, *cells[7:]]


def long_table(rows: Sequence[dict]) -> str:
    """A line for each machine that was trained for long."""
    heads = ["model", "parameters", "steps", "-bound", "-log p(x), nats a row"]
    heads += ["log Z from the left", "from the right", "published", "seconds"]
    return markdown.table(heads, [long_line(one) for one in rows])


def after(rows: Sequence[dict]) -> str:
    """What the long fits show: how far two estimates of one log Z are apart."""
    rbm, dbn = rows
    apart = [abs(one["sides"][0] - one["sides"][1]) for one in rows]
    alone = rbm["sides"][0] - rbm["log Z"][0] - rbm["log_evidence"][0]
    return AFTER.format(rbm=apart[0], dbn=apart[1], alone=alone, published=rbm["published"])


def page(record: dict) -> str:
    """The whole page."""
    rows, names = ordered(record), [row.name for row in ROWS if row.long]
    made = f"Made {max(one['date'] for one in rows)}, torch {record['versions']['torch']}, by "
    commands = ", ".join(f"`{one}`" for one in dict.fromkeys(one["command"] for one in rows))
    first = INTRODUCTION.format(test=rows[0]["test rows"])
    long = [one for one in rows if one["name"] in names]
    short = table([one for one in rows if one not in long])
    parts = [first, short, BETWEEN, long_table(long), after(long), f"{made}{commands}."]
    return "\n".join(parts) + "\n"


def weights(row: dict) -> np.ndarray:
    """The filters of a row side by side, grey levels; 128 is no weight."""
    height, width = row["image"]
    filters = [np.frombuffer(bytes.fromhex(one), np.uint8) for one in row["filters"]]
    pictures = [one.reshape(height, width).astype(float) for one in filters]
    edge = np.full((height, max(1, width // 8)), 255.0)
    return np.concatenate([part for one in pictures for part in (one, edge)], axis=1)


@in_style
def picture(record: dict, path: Path) -> None:
    """Filters and states of chains, a line for each machine."""
    rows = ordered(record)
    figure, axes = plt.subplots(len(rows), 2, figsize=(11.0, 0.62 * len(rows)), squeeze=False)
    for (left, right), row in zip(axes, rows, strict=True):
        left.imshow(weights(row), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        right.imshow(bits(row | {"table": "mnist"}), cmap="gray_r", interpolation="nearest")
        side = f"{row['name']}\n{row['log_evidence'][0]:.1f}"
        left.text(-0.02, 0.5, side, transform=left.transAxes, ha="right", va="center")
        left.set_axis_off()
        right.set_axis_off()
    figure.subplots_adjust(left=0.17, right=0.99, top=0.99, bottom=0.01, wspace=0.03)
    save_figure(figure, path)


def main() -> None:
    PAGE.write_text(page(records.read(RESULT)))


if __name__ == "__main__":
    main()
