"""Classes from few labels: a semi-supervised VAE beside a classifier trained on the labels alone.

    python -m benchmarks.vaes.semi_supervised    # results/, docs/semi_supervised.png

The digits with 50, 100 and 300 labels of 1,257 rows, bits of pixels drawn anew in each step. The
classifier of the semi-supervised VAE, and the same network trained by the same optimizer on
-log q(label | x) of the labelled rows alone; its training stops at the step where the error of the
valid rows is smallest, which favours it, as the autoencoder sees no label of the valid rows.
Errors are of the 360 test rows.
"""

import argparse
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import mean, stdev

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torchvision.utils import make_grid

import zoo
from benchmarks import records
from guides import SemiSupervised
from zoo.data import Data, draw_bits, load_data
from zoo.figure_style import in_style, save_figure
from zoo.isolation import isolated
from zoo.nn import mlp
from zoo.objectives import Classified
from zoo.results.result import Fit

LABELS, SEEDS, STEPS, LR, HIDDEN = (50, 100, 300), 5, 2000, 3e-3, 200
PAPER = 0.1  # alpha = 0.1 N / N_labelled
ALONE, BOTH = "labels alone", "semi-supervised"
METHODS = (ALONE, BOTH)


def error(classify: nn.Module, x: Tensor, classes: Tensor) -> float:
    """Share of the rows that are put into another class than their own, percent."""
    with torch.no_grad():
        return 100 * float((classify(x).argmax(-1) != classes).double().mean())


def truth(data: Data) -> Data:
    """The same rows with all their labels."""
    return load_data("digits_labels", seed=data.seed)


def labels_alone(data: Data, steps: int, seed: int) -> float:
    """Test error of the classifier's network, at the step with the best valid error."""
    x, label, labelled = (arg[data.train[2][:, 0] > 0] for arg in data.train)
    whole = truth(data)
    (valid, right), (test, wanted) = (
        (part[0], part[1].argmax(-1)) for part in (whole.valid, whole.test)
    )
    with isolated(seed=seed):
        network = mlp((data.features, HIDDEN, label.shape[-1]))
        optimizer, found = torch.optim.Adam(network.parameters(), LR), []
        for step in range(steps):
            (bits,) = draw_bits((x,))
            loss = nn.functional.cross_entropy(network(bits), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 20 == 19:
                found.append((error(network, valid, right), error(network, test, wanted)))
    return min(found)[1]


def semi_supervised(data: Data, labels: int, steps: int, seed: int) -> Fit:
    """A fit of the autoencoder to all rows."""
    task = zoo.load("semi_supervised_vae", data=f"digits_{labels}_labels", seed=data.seed)
    objective = Classified(alpha=PAPER * len(data.train[0]) / labels)
    return zoo.fit(task, SemiSupervised, objective=objective, steps=steps, lr=LR, seed=seed)


def measure(labels: int, method: str, steps: int, seed: int) -> tuple[dict, Fit | None]:
    """A row of the table: another seed is another split, other labels and other weights."""
    data, begin = load_data(f"digits_{labels}_labels", seed=seed), time.perf_counter()
    row = {"labels": labels, "method": method, "seed": seed}
    if method == ALONE:
        row |= {"error": labels_alone(data, steps, seed)}
        return row | {"seconds": time.perf_counter() - begin}, None
    fit = semi_supervised(data, labels, steps, seed)
    whole = truth(data).test
    x = whole[0].to(fit.device)
    row |= {"error": error(fit.guide.classifier, x, whole[1].argmax(-1).to(fit.device))}
    row |= {"bound": float(-fit.losses[-100:].mean()) / len(data.train[0])}
    return row | {"seconds": time.perf_counter() - begin}, fit


def rows(labels: tuple[int, ...], seeds: int, steps: int) -> Iterator[tuple[dict, Fit | None]]:
    """All rows, one after the other."""
    for seed, count, method in product(range(seeds), labels, METHODS):
        yield measure(count, method, steps, seed)


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
    lines = [f"| labels | {' | '.join(METHODS)} |", f"|---{'|---' * len(METHODS)}|"]
    for count in dict.fromkeys(labels for labels, _ in found):
        cells = [f"{found[count, m][0]:.1f} ± {found[count, m][1]:.1f}" for m in METHODS]
        lines.append(f"| {count} | {' | '.join(cells)} |")
    seeds = next(iter(found.values()))[2]
    return "\n".join([*lines, "", f"Test error in percent, mean and error over {seeds} seeds."])


@in_style
def picture(record: dict, fit: Fit, path: Path) -> None:
    """Error against labels, and digits of one code in all classes."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9, 3.8), layout="constrained", width_ratios=(1, 1.2)
    )
    found = summary(record["rows"])
    counts = list(dict.fromkeys(labels for labels, _ in found))
    for method, marker in zip(METHODS, "so", strict=True):
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
    """Measures all rows, prints and writes them, and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int, nargs="+", default=LABELS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=records.RESULTS / "semi_supervised.json")
    parser.add_argument("--picture", type=Path, default=records.DOCS / "semi_supervised.png")
    asked = parser.parse_args()
    settings = {"steps": asked.steps, "lr": LR, "hidden": HIDDEN, "alpha": f"{PAPER} N / labels"}
    found: list[dict] = []
    for row, fit in rows(tuple(asked.labels), asked.seeds, asked.steps):
        print(row, flush=True)
        found.append(row)
        if fit is not None:
            record = records.made_now(fit.task.data) | {"settings": settings, "rows": found}
            records.write(asked.out, record)
    print(table(record))
    with isolated(seed=0):
        picture(record, fit, asked.picture)


if __name__ == "__main__":
    main()
