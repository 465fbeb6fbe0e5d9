"""docs/densities.md, from the results of `benchmarks.densities`: explicit densities beside VAEs.

python -m benchmarks.densities
python -m benchmarks.pages.densities
python -m benchmarks.pages.pictures densities densities_grey
"""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from benchmarks import markdown, records
from benchmarks.densities import grey
from benchmarks.densities.rows import DIGITS, GREY, MNIST, Row
from zoo.figure_style import in_style, save_figure

RESULT, PAGE = records.RESULTS / "densities.json", records.DOCS / "densities.md"
FAR = 1e5  # nats a row
WIDTH = 22  # characters of a name beside a picture
BESIDE = "VAE"  # the row that all others of the table of digits are compared to
INTRODUCTION = """# Explicit densities beside autoencoders

NADE, MADE and PixelCNN give log p(x) itself, in one pass and without a guide; an autoencoder gives
a bound, or an importance-sampled estimate that is low on average. Written by
`python -m benchmarks.pages.densities` from `benchmarks/results/densities.json`.

```sh
zoo fit made --data binarized_mnist    # exact log p(x) of the test rows, in nats a row
zoo fit pixelcnn --out runs/pixelcnn   # draws as a picture; each takes a pass for each pixel
zoo show eonade                        # its equation, its orders, what departs from the paper
zoo fit vae --decoder pixel            # the same masked convolutions, given z
zoo fit nsf --data digits_dequantised  # a flow: the exact density of grey levels with noise
```

![Draws from each model](densities.png)

## One data set, one budget
"""
OF_DIGITS = """Digits of 8 x 8 pixels, train bits drawn anew in each step, {test} test rows,
{steps:,} steps of Adam at {lr:g} on 100 rows, {seeds} seeds: the mean over seeds ± half their
range. The error over rows says how far other test rows would move a value; the models share their
test rows, so that the last but one column compares them row by row, first seed, with its standard
error. No setting was searched for: a model may do better with other ones.
"""
OF_GREY = """## Grey levels, where flows come in

Flows give no probability to bits. This table is of the digits' own 17 grey levels, for the same
{test} test rows. Every value is log P(k), the log probability of a row's levels. A flow is trained
on levels with noise, y = (k + u) / 17, and P(k) is the mass of its density in the bin of k. So the
mean of log p(y) - 64 log 17 over the noise is a bound on log P(k) from below, as an ELBO is, and
stands beside what a model of levels gives exactly. The column "is" says what was done: exact;
noise drawn, for a flow; latents drawn, for an autoencoder. In the last two cases the bound and the
estimate by {draws} draws for each row are both low on average, so that a part of what such a row
lacks beside an exact one is the estimate's. Bits are -log2 P(k) / 64.

{steps:,} steps of Adam at {lr:g} on 100 rows; validation rows choose the state that is kept, since
1,257 train rows are few. FlowGAN is the same RealNVP with a critic of its draws, 5 steps of the
critic for each of the flow, {gan:,} steps by RMSprop without momentum, and the last state; "critic
alone" has no likelihood in its objective. {seeds}; ± of a difference is the error over test rows,
first seed. No setting was searched for, except the rate of FlowGAN. Parameters are those of model,
guide and critic. Rows that are not there yet: `python -m benchmarks.densities grey` adds them.

{table}

![Draws of grey levels from each model](densities_grey.png)

*Ten draws of each, one line a model, with its bits a pixel. Draws of a flow outside of [0, 1] are
put into the nearest level.*
"""
OF_MNIST = """## Published densities, short

Statically binarized MNIST, all {test:,} test rows, one seed, ± the standard error over rows. The
fits take minutes on a CPU, far less than the published ones: the numbers are no reproduction, and
only the order of the rows is to be compared. "Train rows" are the first 5,000 of them: where they
do much better than test rows, it is not steps that are missing but what keeps a fit from learning
its rows by heart; nothing does here but validation rows, which choose the state of MADE.

Published numbers: NADE and MADE (one mask, larger layers than here) as in Germain et al. (2015);
PixelCNN as in van den Oord et al. (2016), where it is far
larger. Rows that are not there yet: `python -m benchmarks.densities mnist` adds them.
"""


def of(rows: Sequence[dict], table: str, row: Row) -> list[dict]:
    """The results of a row, by seed."""
    found = [one for one in rows if (one["table"], one["name"]) == (table, row.name)]
    return sorted(found, key=lambda one: one["seed"])


def digits_table(rows: Sequence[dict]) -> str:
    """A line for each model on digits."""
    heads = ["model", "parameters", "log p(x), nats a row", "error over rows", "is"]
    heads += [f"above {BESIDE}, nats a row", "seconds a fit"]
    base = of(rows, "digits", next(row for row in DIGITS if row.name == BESIDE))[0]["by row"]
    lines = []
    for each in filter(None, (of(rows, "digits", row) for row in DIGITS)):
        first, values = each[0], [one["log_evidence"][0] for one in each]
        spread = max((max(values) - min(values)) / 2, first["log_evidence"][1])
        above = torch.tensor(first["by row"]).double() - torch.tensor(base).double()
        error = float(above.std()) / math.sqrt(len(above))
        lines.append(
            [
                first["name"],
                f"{first['parameters']:,}",
                f"{sum(values) / len(values):.2f} ± {spread:.2f}",
                f"{first['error over rows']:.2f}",
                "exact" if first["exact"] else "estimated",
                "" if first["name"] == BESIDE else f"{float(above.mean()):+.2f} ± {error:.2f}",
                f"{sum(one['seconds'] for one in each) / len(each):.0f}",
            ]
        )
    return markdown.table(heads, lines)


def grey_table(rows: Sequence[dict]) -> str:
    """A line for each model of grey levels."""
    heads = ["model", "parameters", "is", "bound", "log P(k)", "error over rows", "bits a pixel"]
    heads += [f"above {BESIDE}, nats a row", "CPU seconds a fit"]
    base = of(rows, "grey", next(row for row in GREY if row.name == BESIDE))[0]["by row"]
    lines = []
    for each in filter(None, (of(rows, "grey", row) for row in GREY)):
        first, value = each[0], mean_of(each, "log_evidence")
        above = torch.tensor(first["by row"]).double() - torch.tensor(base).double()
        error = float(above.std()) / math.sqrt(len(above))
        lines.append(
            [
                first["name"],
                f"{first['parameters']:,}",
                first["kind"],
                shown(mean_of(each, "bound")),
                f"{shown(value)}{spread_of(each)}",
                shown(first["error over rows"]),
                shown(-value / math.prod(first["image"]) / math.log(2)),
                ""
                if first["name"] == BESIDE
                else f"{shown(float(above.mean()))} ± {shown(error)}",
                seconds_of(each),
            ]
        )
    return markdown.table(heads, lines)


def mean_of(each: Sequence[dict], name: str) -> float:
    """The mean of a value over seeds."""
    return sum(one[name][0] for one in each) / len(each)


def spread_of(each: Sequence[dict]) -> str:
    """Half the range over seeds; "" for one seed."""
    values = [one["log_evidence"][0] for one in each]
    return f" ± {shown((max(values) - min(values)) / 2)}" if len(each) > 1 else ""


def seconds_of(each: Sequence[dict]) -> str:
    """The mean of the CPU's seconds over fits that were not interrupted."""
    known = [one["cpu seconds"] for one in each if one["cpu seconds"] is not None]
    return f"{sum(known) / len(known):.0f}" if known else "-"


def shown(value: float) -> str:
    """Two digits after the point; powers of ten for what is far beyond the others."""
    return f"{value:.2f}" if abs(value) < FAR else f"{value:.0e}"


def mnist_table(rows: Sequence[dict]) -> str:
    """A line for each model on static MNIST."""
    heads = ["model", "parameters", "steps", "-log p(x), nats a row", "train rows"]
    heads += ["published", "seconds"]
    lines = [
        [
            one["name"],
            f"{one['parameters']:,}",
            f"{one['steps']:,}",
            f"{-one['log_evidence'][0]:.2f} ± {one['error over rows']:.2f}",
            f"{-one['train']:.2f}",
            f"{one['published']:.2f}",
            f"{one['seconds']:.0f}",
        ]
        for row in MNIST
        for one in of(rows, "mnist", row)
    ]
    return markdown.table(heads, lines)


def of_grey(rows: Sequence[dict]) -> str:
    """The section on grey levels."""
    mine = [one for one in rows if one["table"] == "grey"]
    count = max(one["seed"] for one in mine) + 1
    return OF_GREY.format(
        test=mine[0]["test rows"],
        draws=grey.DRAWS,
        steps=GREY[0].steps,
        lr=GREY[0].lr,
        gan=next(row.steps for row in GREY if row.objective == "flow_gan"),
        seeds="One seed" if count == 1 else f"Up to {count} seeds, their mean ± half their range",
        table=grey_table(rows),
    )


def page(record: dict) -> str:
    """The whole page."""
    rows, row = record["rows"], DIGITS[0]
    small = [one for one in rows if one["table"] == "digits"]
    seeds = len({one["seed"] for one in small})
    of_digits = OF_DIGITS.format(
        test=small[0]["test rows"], steps=small[0]["steps"], lr=row.lr, seeds=seeds
    )
    parts = [INTRODUCTION, of_digits, digits_table(rows), "", of_grey(rows)]
    large = [one for one in rows if one["table"] == "mnist"]
    parts += [OF_MNIST.format(test=large[0]["test rows"]), mnist_table(rows), ""]
    made = f"Made {max(one['date'] for one in rows)}, torch {record['versions']['torch']}, by "
    tables = dict.fromkeys(one["table"] for one in rows)
    commands = ", ".join(f"`python -m benchmarks.densities {table}`" for table in tables)
    return "\n".join([*parts, f"{made}{commands}."]) + "\n"


def bits(row: dict) -> np.ndarray:
    """The draws of a row side by side, height x (draws * width), from 0 to 1."""
    height, width = row["image"]
    if row["table"] == "grey":
        highest = grey.LEVELS - 1
        pixels = [[grey.DIGITS.index(one) / highest for one in text] for text in row["samples"]]
    else:
        drawn = [f"{int(text, 16):b}".zfill(height * width) for text in row["samples"]]
        pixels = [[float(bit) for bit in text] for text in drawn]
    pictures = [np.array(one).reshape(height, width) for one in pixels]
    edge = np.full((height, max(1, width // 8)), 0.5)
    return np.concatenate([part for one in pictures for part in (one, edge)], axis=1)


def picture(record: dict, path: Path) -> None:
    """Draws of bits from each model, a line for each, the first seed."""
    groups = (("digits", DIGITS), ("mnist", MNIST))
    found = [of(record["rows"], table, row)[:1] for table, rows in groups for row in rows]
    draws_of([(one, f"{one['log_evidence'][0]:.1f}") for each in found for one in each], path)


def grey_picture(record: dict, path: Path) -> None:
    """Draws of grey levels from each model, a line for each, the first seed."""
    found = [one for row in GREY for one in of(record["rows"], "grey", row)[:1]]
    scale = [-1 / math.prod(one["image"]) / math.log(2) for one in found]
    sides = [
        f"{shown(each * one['log_evidence'][0])} bits"
        for each, one in zip(scale, found, strict=True)
    ]
    draws_of(list(zip(found, sides, strict=True)), path)


@in_style
def draws_of(rows: Sequence[tuple[dict, str]], path: Path) -> None:
    """The draws of each row, with its name and a figure at the side."""
    figure, axes = plt.subplots(len(rows), 1, figsize=(7.4, 0.62 * len(rows)))
    for axis, (row, side) in zip(axes, rows, strict=True):
        axis.imshow(bits(row), cmap="gray_r", interpolation="nearest", vmin=0, vmax=1)
        axis.set_axis_off()
        name = textwrap.fill(row["name"], WIDTH)
        axis.text(-0.02, 0.5, f"{name}\n{side}", transform=axis.transAxes, ha="right", va="center")
    figure.subplots_adjust(left=0.26, right=0.99, top=0.99, bottom=0.01)
    save_figure(figure, path)


def main() -> None:
    PAGE.write_text(page(records.read(RESULT)))


if __name__ == "__main__":
    main()
