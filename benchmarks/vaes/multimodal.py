"""A multimodal VAE: labels and pictures, upper and lower halves, each made from the other.

    python -m benchmarks.vaes.multimodal    # results/multimodal.json, docs/multimodal.png
    python -m benchmarks.vaes.multimodal --data fashion    # multimodal_fashion.json and .png

A multimodal VAE with a product of experts is trained on pictures with labels, and on upper with
lower halves; every row is shown with both views, or with one. Then each view is made from the
other. All metrics are of test rows; errors of accuracies are over rows, those of log-likelihoods
Monte Carlo errors of the importance sampling.
"""

import argparse
import time
from dataclasses import asdict
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import Tensor
from torchvision.utils import make_grid

import zoo
from benchmarks import records
from guides import ProductOfExperts
from zoo.device import to_device
from zoo.evaluation.multimodal import (
    X,
    Y,
    conditional,
    draw_given_label,
    label_accuracy,
    label_probabilities,
    model_of,
    only,
    picture_accuracy,
    picture_scores,
)
from zoo.figure_style import in_style, save_figure
from zoo.isolation import isolated
from zoo.metrics.bounds import log_evidence
from zoo.metrics.metric import Metric
from zoo.metrics.weight_diagnostics import k_hat
from zoo.optim.schedules import Linear
from zoo.results.result import Fit
from zoo.sampling.draws import draw
from zoo.sampling.importance_weights import weight_chunks

STEPS, LATENT, SHOWN, DRAWS, ROWS = 3000, 5, 6, 4, 360
ACCURACY = "label accuracy from q(z | x)"


def train(data: str, steps: int, seed: int) -> tuple[Fit, tuple]:
    """A fit with KL warm-up, without which the label is found late; and its test rows."""
    task = zoo.load("multimodal_vae", data=data, latent=LATENT)
    warm_up = Linear(0.0, 1.0, steps // 3)
    fit = zoo.fit(task, ProductOfExperts, steps=steps, seed=seed, kl_weight=warm_up)
    return fit, tuple(to_device(arg[:ROWS], fit.device) for arg in task.split("test"))


def label_metrics(fit: Fit, args: tuple) -> dict[str, Metric]:
    """What pictures say of labels, and labels of pictures."""
    scores, own = picture_scores(fit, args), args[1] > 0
    gain = scores[own] - scores[~own].reshape(len(scores), -1).mean(-1)
    error = float(gain.std()) / len(gain) ** 0.5
    return {
        ACCURACY: label_accuracy(fit, args),
        "label accuracy from q(z | y), by the picture's likelihood": picture_accuracy(fit, args),
        "log p(x, y)": both(fit, args),
        "log p(y | x)": conditional(fit, args, given=X)[0],
        "log p(x | y)": conditional(fit, args, given=Y)[0],
        "log-likelihood given the right label less that given wrong ones": Metric(
            float(gain.mean()), error, "nats/row", "higher", "error over rows"
        ),
    }


def both(fit: Fit, args: tuple) -> Metric:
    """Log-likelihood of rows that show both views, by q(z | x, y); its error is Monte Carlo."""
    log_w = torch.cat(list(weight_chunks(fit.program, args, 1000)), -1)
    values, errors = log_evidence(log_w)
    k = float(k_hat(log_w)[0].median())
    se = float(errors.square().sum().sqrt()) / len(values)
    return Metric(float(values.mean()), se, "nats/row", "higher", f"median k-hat {k:.2f}")


def half_metrics(fit: Fit, args: tuple) -> dict[str, Metric]:
    """What one half says of the other."""
    return {
        "log p(upper, lower)": both(fit, args),
        "log p(lower | upper)": conditional(fit, args, given=X)[0],
        "log p(upper | lower)": conditional(fit, args, given=Y)[0],
    }


@in_style
def picture(labels: Fit, args: tuple, halves: Fit, parts: tuple, path: Path) -> None:
    """Pictures from labels, labels from pictures, and each half from the other."""
    picture, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    shape = labels.task.data.image
    z = draw_given_label(labels, args, SHOWN)
    grid(axes[0, 0], model_of(labels).mean(z).reshape(-1, *shape), columns=10)
    axes[0, 0].set_title("pictures from labels 0 to 9: mean of p(x | z), z ~ q(z | y)")
    confusion(axes[0, 1], label_probabilities(labels, args), args[1])
    axes[0, 1].set_title("labels from pictures, % of a label's test rows")
    for axis, given, name in (
        (axes[1, 0], X, "lower half from upper"),
        (axes[1, 1], Y, "upper half from lower"),
    ):
        grid(axis, completed(halves, parts, given), columns=2 + DRAWS)
        axis.set_title(f"{name}: truth, given, {DRAWS} draws of q(z | given)")
    save_figure(picture, path, dpi=110)


def completed(fit: Fit, args: tuple, given: int) -> Tensor:
    """Truth, the half that is given, and pictures with the other half made from it."""
    args = tuple(arg[:SHOWN] for arg in args)
    height, width = fit.task.data.image
    z, model = draw(fit.program, only(args, given), DRAWS).latents["z"], model_of(fit)
    both = [part.expand(DRAWS, *part.shape) for part in args[:2]]
    both[1 - given] = (model.of_y(z) if given == X else model.of_x(z)).mean
    blank = list(args[:2])
    blank[1 - given] = torch.full_like(blank[1 - given], 0.5)
    shown = [torch.cat(args[:2], -1), torch.cat(blank, -1), *torch.cat(both, -1)]
    return torch.stack(shown, 1).reshape(-1, 2 * height, width)


def grid(axis: Axes, images: Tensor, columns: int) -> None:
    """Pictures in rows of so many columns."""
    laid = make_grid(images[:, None].float().cpu(), nrow=columns, padding=1, pad_value=0.5)
    axis.imshow(laid[0].numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def confusion(axis: Axes, chance: Tensor, y: Tensor) -> None:
    """Shares of the classes that pictures of each class are taken for."""
    guessed = torch.eye(y.shape[-1]).to(y)[chance.argmax(-1)]
    shares = (y.mT @ guessed / y.sum(0)[:, None].clamp(min=1)).cpu()
    axis.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(shares.tolist()):
        for j, share in enumerate(row):
            if share >= 0.005:
                colour = "white" if share > 0.5 else "black"
                axis.text(j, i, f"{100 * share:.0f}", ha="center", va="center", color=colour)
    classes = range(len(shares))
    axis.set(xticks=classes, yticks=classes, xlabel="label by q(z | x)", ylabel="label")


def main() -> None:
    """Trains both models, prints and writes the metrics, draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits", help="digits or fashion")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="the metrics, a JSON file")
    parser.add_argument("--picture", type=Path, help="a PNG file")
    asked = parser.parse_args()
    name = "multimodal" if asked.data == "digits" else f"multimodal_{asked.data}"
    out = asked.out or records.RESULTS / f"{name}.json"
    begin = time.perf_counter()
    labels, args = train(f"{asked.data}_labels", asked.steps, asked.seed)
    halves, parts = train(f"{asked.data}_halves", asked.steps, asked.seed)
    with isolated(seed=asked.seed), torch.no_grad():
        found = {"labels": label_metrics(labels, args), "halves": half_metrics(halves, parts)}
        picture(labels, args, halves, parts, asked.picture or records.DOCS / f"{name}.png")
    for name, metrics in found.items():
        for what, one in metrics.items():
            print(f"{name}: {what}: {one.value:.3f} ± {one.se:.3f} {one.unit} ({one.note})")
    record = records.made_now(labels.task.data) | {
        "device": str(labels.device),
        "settings": {
            "steps": asked.steps,
            "latent": LATENT,
            "seed": asked.seed,
            "rows": len(args[0]),
        },
        "seconds": time.perf_counter() - begin,
        "metrics": {
            name: {what: asdict(one) for what, one in metrics.items()}
            for name, metrics in found.items()
        },
    }
    records.write(out, record)


if __name__ == "__main__":
    main()
