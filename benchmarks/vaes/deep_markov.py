"""What a guide of a chain has to read: the future, the past, and the state before.

    python -m benchmarks.vaes.deep_markov                     # results/, docs/deep_markov.png
    python -m benchmarks.vaes.deep_markov --data digits_rows  # rows of other data are kept

A deep Markov model with linear parts makes sequences and is held at its own parameters, so that
log p(x) is known by the Kalman filter, and the exact posterior is a chain that reads the future.
Three guides are fitted to it: the recurrent one, the same read from the past, and the same without
its link from state to state. The gap of a guide is log p(x) - ELBO, of fresh rows.

On chords the gated model itself is trained with the same guides, on piano rolls of known log p(x);
on digits_rows, pictures of digits as sequences of eight rows of pixels, on data whose log p(x)
nobody knows, so that the ELBO and the bound by DRAWS importance draws are shown.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from statistics import mean, stdev

import matplotlib.pyplot as plt
import torch
from torch import Tensor

import zoo
from benchmarks import markdown, records
from guides import AmortisedRecurrent, Guide
from zoo.checks.arguments import look_up
from zoo.data import chords, load_data
from zoo.figure_style import in_style, save_figure
from zoo.isolation import isolated
from zoo.models.time_series.deep_markov import DeepMarkov
from zoo.models.time_series.emissions import LinearEmission
from zoo.models.time_series.transitions import LinearTransition
from zoo.results.result import Fit
from zoo.sampling.importance_weights import weight_chunks
from zoo.traces import log_mean_exp

SEEDS, STEPS, LR, DRAWS = 3, 400, 1e-2, 50
LENGTH, FEATURES, LATENT, ROWS, TEST = 6, 2, 2, 1000, 500
TURN, KEPT, MOVED, NOISE = 0.6, 0.95, 0.4, 1.0
GUIDES: dict[str, Callable[..., Guide]] = {
    "future and state before": AmortisedRecurrent,
    "past and state before": partial(AmortisedRecurrent, reads="past"),
    "future alone": partial(AmortisedRecurrent, chained=False),
}
LINEAR, CHORDS, DIGITS = "linear", "chords", "digits_rows"


def linear_model() -> DeepMarkov:
    """A point that turns around 0 and is seen with noise, its parameters held."""
    model = DeepMarkov(
        LENGTH, FEATURES, LATENT, 32, LinearTransition(LATENT), LinearEmission(LATENT, FEATURES)
    )
    turn = torch.tensor(TURN)
    turned = torch.stack([turn.cos(), -turn.sin(), turn.sin(), turn.cos()]).reshape(2, 2)
    with torch.no_grad():
        model.transition.linear.weight.copy_(KEPT * turned)
        model.emission.linear.weight.copy_(torch.eye(FEATURES))
        for part, scale in ((model.transition, MOVED), (model.emission, NOISE)):
            part.linear.bias.zero_()
            part.log_scale.fill_(torch.tensor(scale).log())
    return model.requires_grad_(requires_grad=False)


@torch.no_grad()
def sequences(model: DeepMarkov, rows: int) -> tuple[Tensor, Tensor]:
    """Rows of the model, of half to full length: x (rows, T, D) and seen (rows, T)."""
    z = [torch.randn(rows, LATENT)]
    for _ in range(LENGTH - 1):
        loc, scale = model.transition(z[-1])
        z.append(loc + scale * torch.randn_like(loc))
    lengths = torch.randint(LENGTH // 2, LENGTH + 1, (rows, 1))
    seen = (torch.arange(LENGTH) < lengths).to(z[0])
    return model.emission(torch.stack(z, 1)).sample() * seen[:, :, None], seen


@torch.no_grad()
def kalman(model: DeepMarkov, x: Tensor, seen: Tensor) -> Tensor:
    """Log p(x) of a linear model without offsets, by the Kalman filter: (rows,), nats."""
    a, c = model.transition.linear.weight, model.emission.linear.weight
    moved = (2 * model.transition.log_scale).exp().diag()
    noise = (2 * model.emission.log_scale).exp().diag()
    mean_, cov, total = x.new_zeros(len(x), LATENT), torch.eye(LATENT), x.new_zeros(len(x))
    for t in range(LENGTH):
        if t:
            mean_, cov = mean_ @ a.mT, a @ cov @ a.mT + moved
        spread = c @ cov @ c.mT + noise
        normal = torch.distributions.MultivariateNormal(mean_ @ c.mT, spread)
        total = total + normal.log_prob(x[:, t]) * seen[:, t]
        gain = cov @ c.mT @ spread.inverse()
        mean_, cov = mean_ + (x[:, t] - mean_ @ c.mT) @ gain.mT, cov - gain @ c @ cov
    return total


def measure_linear(guide: str, steps: int, seed: int) -> dict:
    """The gap of a guide that is fitted to the model that made the rows, nats a row."""
    with isolated(seed=seed):
        model = linear_model()
        train, test = sequences(model, ROWS), sequences(model, TEST)
    fit = zoo.fit(
        model, GUIDES[guide], *train, objective="mean_field", steps=steps, lr=LR, seed=seed,
        batch_size=200,
    )  # fmt: skip
    elbo, exact = float(weights(fit, test, seed).mean()), float(kalman(model, *test).mean())
    return {"exact": exact, "elbo": elbo, "gap": exact - elbo}


def measure_chords(guide: str, steps: int, seed: int) -> dict:
    """The ELBO of a model that is trained together with the guide, beside the truth's log p(x)."""
    task = zoo.load("deep_markov")
    fit = zoo.fit(task, GUIDES[guide], objective="mean_field", steps=steps, lr=LR, seed=seed)
    test = load_data("chords").test
    elbo, exact = float(weights(fit, test, seed).mean()), float(chords.log_evidence(*test).mean())
    return {"exact": exact, "elbo": elbo, "gap": exact - elbo}


def weights(fit: Fit, test: tuple, seed: int) -> Tensor:
    """Log-weights of rows, by draws of the guide: (draws, rows)."""
    with isolated(seed=seed), torch.no_grad():
        args = tuple(arg.to(fit.device) for arg in test)
        return torch.cat(list(weight_chunks(fit.program, args, DRAWS)), -1)


def measure_digits(guide: str, steps: int, seed: int) -> dict:
    """The ELBO of a model that is trained with the guide, and the bound of DRAWS draws."""
    task = zoo.load("deep_markov", data=DIGITS)
    fit = zoo.fit(task, GUIDES[guide], objective="mean_field", steps=steps, lr=LR, seed=seed)
    log_w = weights(fit, task.split("test"), seed)
    return {"elbo": float(log_w.mean()), "bound": float(log_mean_exp(log_w, 0).mean())}


MEASURES = {LINEAR: measure_linear, CHORDS: measure_chords, DIGITS: measure_digits}


def rows(data: list[str], seeds: int, steps: int) -> Iterator[dict]:
    """All rows, one after the other."""
    for source, seed, guide in product(data, range(seeds), GUIDES):
        begin = time.perf_counter()
        row = {"data": source, "guide": guide, "seed": seed}
        row |= MEASURES[source](guide, steps, seed)
        yield row | {"seconds": time.perf_counter() - begin}


def summary(found: list[dict], name: str, data: str, guide: str) -> str:
    """Mean over seeds, and its standard error."""
    values = [row[name] for row in found if (row["data"], row["guide"]) == (data, guide)]
    error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{mean(values):.3f} ± {error:.3f}"


def table(record: dict) -> str:
    """Gaps by data and guide, and bounds where the truth is not known: Markdown tables."""
    found = record["rows"]
    known = [row for row in found if "gap" in row]
    other = [row for row in found if "gap" not in row]
    parts = [_table(known, {"gap": "log p(x) - ELBO"})] if known else []
    heads = {"elbo": "ELBO", "bound": f"bound by {DRAWS} draws"}
    parts += [_table(other, heads)] if other else []
    seeds = len({row["seed"] for row in found})
    return "\n\n".join([*parts, f"Nats a row, mean and error over {seeds} seeds."])


def _table(found: list[dict], heads: dict[str, str]) -> str:
    """A line for each data set and guide; the heads say which measures."""
    lines = [
        [data, guide, *(summary(found, name, data, guide) for name in heads)]
        for data, guide in dict.fromkeys((row["data"], row["guide"]) for row in found)
    ]
    return markdown.table(["data", "the guide reads", *heads.values()], lines)


@in_style
def picture(record: dict, path: Path) -> None:
    """The gap of each guide and seed; and what the guides make of one sequence."""
    data = list(dict.fromkeys(row["data"] for row in record["rows"] if "gap" in row))
    figure, axes = plt.subplots(
        1, len(data), figsize=(3.2 + 3 * len(data), 2.4), layout="constrained", squeeze=False
    )
    for axis, source in zip(axes[0], data, strict=True):
        here = [row for row in record["rows"] if row["data"] == source]
        for place, guide in enumerate(GUIDES):
            gaps = [row["gap"] for row in here if row["guide"] == guide]
            axis.plot(gaps, [place] * len(gaps), "o", alpha=0.7)
        axis.set(xlabel=f"{source}: log p(x) - ELBO, nats a row", yticks=range(len(GUIDES)))
        axis.set_yticklabels(list(GUIDES) if axis is axes[0, 0] else [])
        axis.set_xlim(left=0)
        axis.margins(y=0.3)
        axis.invert_yaxis()
    save_figure(figure, path)


def main() -> None:
    """Measures all rows, prints and writes them, and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=",".join(MEASURES), help="comma-separated")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=records.RESULTS / "deep_markov.json")
    parser.add_argument("--picture", type=Path, default=records.DOCS / "deep_markov.png")
    asked = parser.parse_args()
    data = asked.data.split(",")
    for name in data:
        look_up("data set", name, MEASURES)
    kept = records.read(asked.out)["rows"] if asked.out.exists() else []
    found = [row for row in kept if row["data"] not in data]
    made = records.made_now(load_data("chords"))
    settings = {"steps": asked.steps, "lr": LR, "draws": DRAWS}
    for row in rows(data, asked.seeds, asked.steps):
        print(row, flush=True)
        found.append(row | {key: made[key] for key in records.MADE})
        records.write(asked.out, made | {"settings": settings, "rows": found})
    print(table({"rows": found}))
    picture({"rows": found}, asked.picture)


if __name__ == "__main__":
    main()
