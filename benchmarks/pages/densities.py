"""docs/densities.md, from the results of `benchmarks.densities`: explicit densities beside VAEs.

python -m benchmarks.densities
python -m benchmarks.pages.densities
python -m benchmarks.pages.pictures densities
"""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from benchmarks import markdown, records
from benchmarks.densities.rows import DIGITS, MNIST, Row
from zoo.figure_style import in_style, save_figure

RESULT, PAGE = records.RESULTS / "densities.json", records.DOCS / "densities.md"
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
OF_MNIST = """## Published densities, short

Statically binarized MNIST, all {test:,} test rows, one seed, ± the standard error over rows. The
fits take minutes on a CPU, far less than the published ones: the numbers are no reproduction, and
only the order of the rows is to be compared. Published numbers: NADE and MADE as in Germain et al.
(2015), PixelCNN as in van den Oord et al. (2016); the PixelCNN here is far smaller than theirs.
Rows that are not there yet: `python -m benchmarks.densities mnist` adds them.
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


def mnist_table(rows: Sequence[dict]) -> str:
    """A line for each model on static MNIST."""
    heads = ["model", "parameters", "steps", "-log p(x), nats a row", "published", "seconds"]
    lines = [
        [
            one["name"],
            f"{one['parameters']:,}",
            f"{one['steps']:,}",
            f"{-one['log_evidence'][0]:.2f} ± {one['error over rows']:.2f}",
            f"{one['published']:.2f}",
            f"{one['seconds']:.0f}",
        ]
        for row in MNIST
        for one in of(rows, "mnist", row)
    ]
    return markdown.table(heads, lines)


def page(record: dict) -> str:
    """The whole page."""
    rows, row = record["rows"], DIGITS[0]
    small = [one for one in rows if one["table"] == "digits"]
    seeds = len({one["seed"] for one in small})
    of_digits = OF_DIGITS.format(
        test=small[0]["test rows"], steps=small[0]["steps"], lr=row.lr, seeds=seeds
    )
    parts = [INTRODUCTION, of_digits, digits_table(rows)]
    large = [one for one in rows if one["table"] == "mnist"]
    parts += ["", OF_MNIST.format(test=large[0]["test rows"]), mnist_table(rows), ""]
    made = f"Made {max(one['date'] for one in rows)}, torch {record['versions']['torch']}, by "
    commands = ", ".join(f"`{one}`" for one in dict.fromkeys(one["command"] for one in rows))
    return "\n".join([*parts, f"{made}{commands}."]) + "\n"


def bits(row: dict) -> np.ndarray:
    """The draws of a row side by side, height x (draws * width)."""
    height, width = row["image"]
    drawn = [f"{int(text, 16):b}".zfill(height * width) for text in row["samples"]]
    pictures = [np.array(list(text), dtype=float).reshape(height, width) for text in drawn]
    edge = np.full((height, max(1, width // 8)), 0.5)
    return np.concatenate([part for one in pictures for part in (one, edge)], axis=1)


@in_style
def picture(record: dict, path: Path) -> None:
    """Draws from each model, a line for each, the first seed."""
    groups = (("digits", DIGITS), ("mnist", MNIST))
    found = [of(record["rows"], table, row)[:1] for table, rows in groups for row in rows]
    shown = [one for each in found for one in each]
    figure, axes = plt.subplots(len(shown), 1, figsize=(7.4, 0.62 * len(shown)))
    for axis, row in zip(axes, shown, strict=True):
        axis.imshow(bits(row), cmap="gray_r", interpolation="nearest")
        axis.set_axis_off()
        side = f"{row['name']}\n{row['log_evidence'][0]:.1f}"
        axis.text(-0.02, 0.5, side, transform=axis.transAxes, ha="right", va="center")
    figure.subplots_adjust(left=0.2, right=0.99, top=0.99, bottom=0.01)
    save_figure(figure, path)


def main() -> None:
    PAGE.write_text(page(records.read(RESULT)))


if __name__ == "__main__":
    main()
