"""Classes from few labels: a semi-supervised VAE beside a classifier trained on the labels alone.

    python -m benchmarks.vaes.semi_supervised            # results/, docs/semi_supervised.png
    python -m benchmarks.vaes.semi_supervised fashion    # the same, _fashion

The digits with 50, 100 and 300 labels of 1,257 rows, or 5,000 rows of Fashion-MNIST with 100, 600
and 3,000, there with ten times the paper's weight alpha of labels too. Bits of pixels are drawn
anew in each step. The classifier of the semi-supervised VAE,
and the same network trained by the same optimizer on -log q(label | x) of the labelled rows alone;
its training stops at the step where the error of the valid rows is smallest, which favours it, as
the autoencoder sees no label of the valid rows. Errors are of the 360 (10,000) test rows.
"""

import argparse
import time
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import mean, stdev

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torchvision.utils import make_grid

import zoo
from benchmarks import markdown, records
from guides import SemiSupervised
from zoo.data import Data, draw_bits, load_data
from zoo.figure_style import in_style, save_figure
from zoo.isolation import isolated
from zoo.nn import mlp
from zoo.objectives import Classified
from zoo.results.result import Fit

LR, HIDDEN = 3e-3, 200
MOST_ROWS = 300  # of a step with labels alone
PAPER = 0.1  # alpha = 0.1 N / N_labelled
ALONE, BOTH, MORE = "labels alone", "semi-supervised", "semi-supervised, alpha x 10"
ALPHA = {BOTH: PAPER, MORE: 10 * PAPER}  # times N / N_labelled
METHODS = (ALONE, *ALPHA)


@dataclass(frozen=True)
class Pictures:
    """Pictures with classes, and what is measured on them.

    Attributes:
        name: of the data set with few labels, before their number.
        labels: how many rows have a label.
        seeds: how many splits, or draws of bits, and of labels and weights.
        steps: of training.
        most: rows of train at most; rows without a label are left out until there are so many.
        held: valid rows by which the classifier alone is stopped.
        methods: what is trained.
    """

    name: str
    labels: tuple[int, ...]
    seeds: int
    steps: int
    most: int
    held: int
    methods: tuple[str, ...] = METHODS

    @property
    def suffix(self) -> str:
        """What the files of the results have in their names: nothing for the digits."""
        return "" if self.name == "digits" else f"_{self.name}"

    def few(self, labels: int, seed: int) -> Data:
        """The rows with so many labels."""
        data = load_data(self.data(labels), seed=seed)
        first = data.train[2][:, 0].argsort(descending=True, stable=True)[: self.most]
        picked = first.sort().values
        return replace(data, train=tuple(part[picked] for part in data.train))

    def data(self, labels: int) -> str:
        """Name of the data set with so many labels."""
        return f"{self.name}_{labels}_labels"

    def whole(self, seed: int) -> Data:
        """The same rows with all their labels."""
        return load_data(f"{self.name}_labels", seed=seed)


SOURCES = {
    "digits": Pictures("digits", (50, 100, 300), 5, 2000, 1257, 180, (ALONE, BOTH)),
    "fashion": Pictures("fashion", (100, 600, 3000), 2, 1000, 5000, 2000),
}


def error(classify: nn.Module, x: Tensor, classes: Tensor) -> float:
    """Share of the rows that are put into another class than their own, percent."""
    with torch.no_grad():
        return 100 * float((classify(x).argmax(-1) != classes).double().mean())


def labels_alone(data: Data, whole: Data, held: int, steps: int, seed: int) -> float:
    """Test error of the classifier's network, at the step with the best error of valid rows."""
    x, label, _ = (arg[data.train[2][:, 0] > 0] for arg in data.train)
    (valid, right), (test, wanted) = (
        (part[0], part[1].argmax(-1)) for part in (whole.valid, whole.test)
    )
    valid, right = valid[:held], right[:held]
    with isolated(seed=seed):
        network = mlp((data.features, HIDDEN, label.shape[-1]))
        optimizer, found = torch.optim.Adam(network.parameters(), LR), [(float("inf"), 0.0)]
        for step in range(steps):
            picked = slice(None) if len(x) <= MOST_ROWS else torch.randperm(len(x))[:MOST_ROWS]
            (bits,) = draw_bits((x[picked],))
            loss = nn.functional.cross_entropy(network(bits), label[picked])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 20 == 19:
                off = error(network, valid, right)
                if off <= min(found)[0]:
                    found.append((off, error(network, test, wanted)))
    return min(found)[1]


def semi_supervised(data: Data, labels: int, share: float, steps: int, seed: int) -> Fit:
    """A fit of the autoencoder to all rows; the share is that of alpha in N / labels."""
    task = replace(zoo.load("semi_supervised_vae", data=data.name, seed=data.seed), data=data)
    objective = Classified(alpha=share * len(data.train[0]) / labels)
    return zoo.fit(task, SemiSupervised, objective=objective, steps=steps, lr=LR, seed=seed)


def measure(
    source: Pictures, labels: int, method: str, steps: int, seed: int
) -> tuple[dict, Fit | None]:
    """A row of the table: another seed is another split, other labels and other weights."""
    data, whole = source.few(labels, seed), source.whole(seed)
    row, begin = {"labels": labels, "method": method, "seed": seed}, time.perf_counter()
    if method == ALONE:
        row |= {"error": labels_alone(data, whole, source.held, steps, seed)}
        return row | {"seconds": time.perf_counter() - begin}, None
    fit = semi_supervised(data, labels, ALPHA[method], steps, seed)
    x, classes = (part.to(fit.device) for part in whole.test[:2])
    row |= {"error": error(fit.guide.classifier, x, classes.argmax(-1))}
    row |= {"bound": float(-fit.losses[-100:].mean()) / len(data.train[0])}
    return row | {"seconds": time.perf_counter() - begin}, fit


def summary(found: list[dict]) -> dict[tuple[int, str], tuple[float, float, int]]:
    """Mean error over seeds, its standard error and the number of seeds."""
    each: dict[tuple[int, str], list[float]] = {}
    for row in found:
        each.setdefault((row["labels"], row["method"]), []).append(row["error"])
    return {
        key: (mean(v), stdev(v) / len(v) ** 0.5 if len(v) > 1 else float("nan"), len(v))
        for key, v in each.items()
    }


def table(record: dict) -> str:
    """Errors by labels and method, a Markdown table."""
    found = summary(record["rows"])
    methods, seeds = list(dict.fromkeys(m for _, m in found)), next(iter(found.values()))[2]
    lines = [
        [str(count), *(shown(*found[count, m]) for m in methods)]
        for count in dict.fromkeys(labels for labels, _ in found)
    ]
    over = f"mean and error over {seeds} seeds" if seeds > 1 else "one seed"
    said = f"Test error in percent, {over}."
    return f"{markdown.table(['labels', *methods], lines)}\n\n{said}"


def shown(value: float, error: float, seeds: int) -> str:
    """A mean with its error, which one seed does not have."""
    return f"{value:.1f} ± {error:.1f}" if seeds > 1 else f"{value:.1f}"


def result_of(source: Pictures) -> Path:
    """The file of results of these pictures."""
    return records.RESULTS / f"semi_supervised{source.suffix}.json"


@in_style
def picture(record: dict, fit: Fit, path: Path) -> None:
    """Error against labels, and digits of one code in all classes."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9, 3.8), layout="constrained", width_ratios=(1, 1.2)
    )
    found = summary(record["rows"])
    counts = list(dict.fromkeys(labels for labels, _ in found))
    methods = list(dict.fromkeys(method for _, method in found))
    for method, marker in zip(methods, "so^", strict=False):
        means, errors = zip(*(found[count, method][:2] for count in counts), strict=True)
        left.errorbar(counts, means, errors, marker=marker, label=method)
    left.set(xscale="log", xlabel="rows with a label", ylabel="test error, %", xticks=counts)
    left.set_xticklabels([str(count) for count in counts])
    left.minorticks_off()
    left.set_ylim(bottom=0)
    left.legend()
    laid = make_grid(same_style(fit)[:, None].float().cpu(), nrow=10, padding=1, pad_value=0.5)
    right.imshow(laid[0].numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    right.set(xticks=[], yticks=[], xlabel="mean of p(x | y, z): a row is one z, a column a class")
    right.spines[:].set_visible(False)
    save_figure(figure, path)


@torch.no_grad()
def same_style(fit: Fit, styles: int = 6) -> Tensor:
    """Pictures of each class by codes of the prior: (styles * classes, height, width)."""
    model, image = fit.model, fit.task.data.image
    z = torch.randn(styles, 1, model.latent, device=fit.device)
    return model.of_x(torch.eye(model.classes, device=fit.device), z).mean.reshape(-1, *image)


def main() -> None:
    """Measures the rows that are missing, prints and writes them, and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", choices=tuple(SOURCES), default="digits")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--again", action="store_true", help="measure rows that are there, too")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    source = SOURCES[asked.data]
    out, steps = asked.out or result_of(source), asked.steps or source.steps
    settings = {"steps": steps, "lr": LR, "hidden": HIDDEN, "alpha": f"{PAPER} N / labels"}
    found = records.read(out)["rows"] if out.exists() and not asked.again else []
    seeds, fit = range(asked.seeds or source.seeds), None
    for seed, labels, method in product(seeds, source.labels, source.methods):
        if any((r["labels"], r["method"], r["seed"]) == (labels, method, seed) for r in found):
            continue
        row, made = measure(source, labels, method, steps, seed)
        print(row, flush=True)
        found.append(row)
        if made is not None:
            fit = made
            record = records.made_now(fit.task.data) | {"settings": settings, "rows": found}
            records.write(out, record)
    print(table(records.read(out)))
    if fit is not None:
        path = asked.picture or records.DOCS / f"semi_supervised{source.suffix}.png"
        with isolated(seed=0):
            picture(records.read(out), fit, path)


if __name__ == "__main__":
    main()
