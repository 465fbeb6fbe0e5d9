"""The section of docs/flows.md on critics, from the results of `benchmarks.densities.flow_gan`.

python -m benchmarks.densities.flow_gan
python -m benchmarks.densities.flow_gan --page
"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch

from benchmarks import markdown, records
from benchmarks.densities.flow_gan import DATA, RESULT, SHOWN, TRAININGS
from zoo.data import load_data
from zoo.figure_style import in_style, save_figure

PAGE, PICTURE = records.DOCS / "flows.md", records.DOCS / "flow_gan.png"
HEADS = ("data", "training", "seeds", "log p(x), nats a row", "sliced W1", "MMD^2", "p of MMD^2")


def of(record: dict, data: str, training: str) -> list[dict]:
    """The rows of one training on one data set, by seed."""
    rows = [row for row in record["rows"] if (row["data"], row["training"]) == (data, training)]
    return sorted(rows, key=lambda row: row["seed"])


def mean_of(rows: list[dict], name: str, error: str, digits: int) -> str:
    """The mean over seeds ± half their range, or the error over test rows if that is more."""
    values = [row[name] for row in rows]
    spread = max((max(values) - min(values)) / 2, rows[0][error])
    return f"{sum(values) / len(values):,.{digits}f} ± {spread:,.{digits}f}"


def table(record: dict) -> str:
    """A line for each training on each data set."""
    lines = []
    for data in DATA:
        for training in TRAININGS:
            rows = of(record, data, training)
            if rows:
                low, high = (f(row["mmd p"] for row in rows) for f in (min, max))
                lines.append(
                    [
                        *(data, training, str(len(rows))),
                        mean_of(rows, "log p", "log p se", 2),
                        mean_of(rows, "sliced", "sliced se", 3),
                        mean_of(rows, "mmd", "mmd se", 4),
                        f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}",
                    ]
                )
    return markdown.table(HEADS, lines)


@in_style
def picture(record: dict, path: Path) -> None:
    """Ten draws of each training, first seed, below ten test rows."""
    (data,) = DATA
    (x,) = load_data(data).test
    lines = {"test rows": x[:SHOWN]}
    lines |= {name: torch.tensor(of(record, data, name)[0]["draws"]) for name in TRAININGS}
    size = (6, 0.62 * len(lines))
    figure, axes = plt.subplots(len(lines), 1, figsize=size, layout="constrained")
    for axis, (name, draws) in zip(axes, lines.items(), strict=True):
        axis.imshow(grid(draws.clamp(0, 1)).numpy(), cmap="gray", vmin=0, vmax=1)
        axis.set_ylabel(name, rotation=0, ha="right", va="center")
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    save_figure(figure, path)


def grid(rows: torch.Tensor) -> torch.Tensor:
    """Digits side by side, a grey column between them: (8, 9 N - 1)."""
    framed = torch.full((len(rows), 8, 9), 0.5)
    framed[..., :8] = rows.reshape(-1, 8, 8)
    return framed.permute(1, 0, 2).reshape(8, -1)[:, :-1]


def page(record: dict) -> str:
    """docs/flows.md with the table of this section made anew."""
    return markdown.fill(PAGE.read_text(), "critics", table(record))


def main() -> None:
    record = records.read(RESULT)
    PAGE.write_text(page(record))
    picture(record, PICTURE)


if __name__ == "__main__":
    main()
