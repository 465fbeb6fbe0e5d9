"""Jigsaws of digits: how near guides come to the exact posterior, and what they put right.

    python -m benchmarks.estimators.jigsaw

writes benchmarks/results/jigsaw.json and docs/jigsaw.png.

The density of pictures is fixed, so that all guides of one seed have the same posterior, which a
sum over all orders gives for four tiles. All encoders have the same hidden layers: one network for
every tile, which sees it beside the mean of what was made of all. A picture is right if all its
pixels are: equal tiles may change places. From a distribution the order with the most probability
is taken for whole pictures, and for single tiles the order that has the most of them right on
average. Taken from the exact posterior, both are the best that can be done if the density of
pictures is true.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from pyro import poutine
from torch import Tensor, nn
from torch.distributions import kl_divergence
from torchvision.utils import make_grid

import guides
import zoo
from benchmarks import markdown, records
from zoo.data.digits_jigsaw import CUTS, joined, put
from zoo.figure_style import BLACK, VERMILLION, in_style, looks, save_figure
from zoo.isolation import isolated
from zoo.metrics.means import mean_error
from zoo.permutations import UniformPermutation, every_permutation
from zoo.permutations.distribution import OverPermutations
from zoo.permutations.each import matched

FITS = {
    "amortised_plackett_luce": "rloo",
    "amortised_matching": "rloo",
    "amortised_mallows": "rloo",
    "gumbel_sinkhorn": "mean_field",
    "sinkhorn_straight_through": "mean_field",
}
NONE, EXACT = "uniform", "exact posterior"
DATA = "digits_jigsaw"
STEPS, LR, SEEDS, SHOWN = 400, 3e-3, 3, 12
WIDTH = 64


class Tiles(nn.Module):
    """Hidden layers that are the same for every tile: (rows, n pixels) -> (rows, n WIDTH)."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = pixels
        self.alone = nn.Sequential(nn.Linear(pixels, WIDTH), nn.ReLU())
        self.among = nn.Sequential(nn.Linear(2 * WIDTH, WIDTH), nn.ReLU())

    def forward(self, rows: Tensor) -> Tensor:
        """What is made of each tile, end to end."""
        own = self.alone(rows.unflatten(-1, (-1, self.pixels)))
        others = own.mean(-2, keepdim=True).expand(own.shape)
        return self.among(torch.cat([own, others], -1)).flatten(-2)


def mode(q: OverPermutations) -> Tensor:
    """The order with the most probability in each row, (rows, n)."""
    return every_permutation(q.items)[q.table().argmax(0)]


def solved(q: OverPermutations, x: Tensor) -> Tensor:
    """The order with the most tiles right on average over q, equal tiles for each other.

    Args:
        q: of batch shape (rows,).
        x: tiles as they lie, (rows, n, pixels).

    Returns:
        The place of each tile, shape (rows, n).
    """
    same = (x.unsqueeze(1) == x.unsqueeze(2)).all(-1).to(x)
    return every_permutation(q.items)[matched(q.marginals() @ same).argmax(-1)]


def right(x: Tensor, guess: Tensor, orders: Tensor) -> tuple[Tensor, Tensor]:
    """Share of each row's tiles that are right, and 1 where all are; (rows,) each."""
    tiles = (put(x, guess) == put(x, orders)).all(-1)
    return tiles.double().mean(-1), tiles.all(-1).double()


def scored(q: OverPermutations, p: OverPermutations, x: Tensor, orders: Tensor) -> dict:
    """KL(q || p) in nats/row, and the shares that are put right, each with its error over rows."""
    found = {
        "kl": kl_divergence(q, p),
        "tiles": right(x, solved(q, x), orders)[0],
        "pictures": right(x, mode(q), orders)[1],
    }
    return {name: {"value": float(v.mean()), "se": mean_error(v)} for name, v in found.items()}


def expected(p: OverPermutations, x: Tensor) -> float:
    """The share of pictures that the posterior itself expects its mode to put right."""
    every = every_permutation(p.items)
    best = put(x, mode(p))
    alike = torch.stack(
        [(put(x, one.expand(len(x), -1)) == best).all(-1).all(-1) for one in every]
    )
    return float((p.table().exp() * alike).sum(0).mean())


def fit_of(name: str, seed: int) -> zoo.Fit:
    """A guide trained on the shuffled pictures of a seed."""
    task = zoo.load("jigsaw", data=DATA, seed=seed)
    with isolated(seed=seed):
        family = partial(guides.guide_named(name), body=Tiles(task.data.features))
    kind = {"objective": FITS[name], "steps": STEPS, "lr": LR, "seed": seed}
    return zoo.fit(task, family, progress=False, compile=False, **kind)


@torch.no_grad()
def measured(seed: int, fits: dict[str, zoo.Fit]) -> tuple[list[dict], dict]:
    """A row for each guide, for the exact posterior and for no guide; and pictures."""
    model = next(iter(fits.values())).model
    (x,) = zoo.load("jigsaw", data=DATA, seed=seed).split("test")
    orders = CUTS[DATA].planted(seed).orders[-len(x) :]
    p = model.posterior(x)["pi"]
    every = {NONE: UniformPermutation(p.items, x, p.batch_shape)}
    for name, fit in fits.items():
        with isolated(seed=0):
            every[name] = poutine.trace(fit.guide.eval()).get_trace(x).nodes["pi"]["fn"]
    every[EXACT] = p
    rows = [{"seed": seed, "guide": name} | scored(q, p, x, orders) for name, q in every.items()]
    rows[-1]["expected"] = expected(p, x)
    shown = {"shuffled": x} | {name: put(x, mode(q)) for name, q in every.items() if name != NONE}
    shown["truth"] = put(x, orders)
    pictures = {
        name: joined(one[:SHOWN], CUTS[DATA]).int().tolist() for name, one in shown.items()
    }
    return rows, pictures


def table(record: dict) -> str:
    """KL, and what is put right, by guide: means and ranges over seeds.

    Below it stands what the posterior expects of itself, to see if its density is true.
    """
    cells = []
    for name in dict.fromkeys(row["guide"] for row in record["rows"]):
        held = [row for row in record["rows"] if row["guide"] == name]
        line = [name, FITS.get(name, "-")]
        line.append(_spread([row["kl"]["value"] for row in held], 3, 1))
        line += [
            _spread([r[what]["value"] for r in held], 0, 100) for what in ("tiles", "pictures")
        ]
        cells.append(line)
    heads = ("guide", "objective", "KL, nats/row", "tiles right, %", "pictures right, %")
    own = _spread([r["expected"] for r in record["rows"] if r["guide"] == EXACT], 0, 100)
    seeds = len({row["seed"] for row in record["rows"]})
    said = (
        f"Means, and ranges over {seeds} seeds in brackets. By the exact posterior's own "
        f"probabilities, {own} % of its best guesses would be right."
    )
    return f"{markdown.table(heads, cells)}\n\n{said}"


def _spread(values: list[float], digits: int, unit: float) -> str:
    low, high = (f"{unit * one:.{digits}f}" for one in (min(values), max(values)))
    return f"{unit * sum(values) / len(values):.{digits}f} ({low} to {high})"


@in_style
def picture(record: dict, path: Path) -> None:
    """Test pictures as each guide solves them, and the share put right over the KL."""
    drawn, (left, right_) = plt.subplots(
        1, 2, figsize=(12, 4.6), layout="constrained", width_ratios=(1.25, 1)
    )
    _grid(left, record["pictures"])
    _dots(right_, record["rows"])
    save_figure(drawn, path)


def _grid(axis: Axes, pictures: dict[str, list]) -> None:
    """A line of pictures for each of what is shown; what is not right is framed."""
    bits = torch.tensor(list(pictures.values())).float()
    framed = torch.nn.functional.pad(bits, (1, 1, 1, 1), value=0.5)
    laid = make_grid(framed.flatten(0, 1)[:, None], nrow=bits.shape[1], padding=1, pad_value=0.5)
    axis.imshow(laid[0].numpy(), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    side = framed.shape[-1] + 1
    middles = [side * (i + 0.5) for i in range(len(pictures))]
    names = [name.removeprefix("amortised_").replace("_", " ") for name in pictures]
    axis.set_yticks(middles, names)
    axis.set(xticks=[])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    for i, line in enumerate(bits[1:-1], start=1):
        for j in (line != bits[-1]).flatten(1).any(1).nonzero().flatten().tolist():
            frame = plt.Rectangle((side * j + 0.5, side * i + 0.5), side - 1, side - 1, fill=False)
            axis.add_patch(frame)
            frame.set(edgecolor=VERMILLION, linewidth=1.2)


def _dots(axis: Axes, rows: list[dict]) -> None:
    """A point for each seed, and a line where the exact posterior is."""
    known = looks(list(FITS))
    for name in FITS:
        held = [row for row in rows if row["guide"] == name]
        points = [[row[what]["value"] for row in held] for what in ("kl", "pictures")]
        style = known[name].keywords | {"linestyle": "none"}
        axis.plot(*points, label=name, **style)
    best = [row["pictures"]["value"] for row in rows if row["guide"] == EXACT]
    axis.axhspan(min(best), max(best), color=BLACK, alpha=0.15, label=EXACT)
    axis.set(xscale="log", xlabel="KL(q || posterior), nats/row; a point a seed")
    axis.set_ylabel("share of test pictures put right")
    axis.legend(loc="lower left", fontsize=8)


def main() -> None:
    """Trains, scores, prints, draws, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, default=records.RESULTS / "jigsaw.json")
    parser.add_argument("--picture", type=Path, default=records.DOCS / "jigsaw.png")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    begin, rows, pictures = time.perf_counter(), [], {}
    for seed in range(asked.seeds):
        found, shown = measured(seed, {name: fit_of(name, seed) for name in FITS})
        rows, pictures = rows + found, pictures or shown
        print(table({"rows": found}), flush=True)
    record = records.made_now(zoo.load("jigsaw").data) | {
        "device": "cpu",
        "settings": {"steps": STEPS, "lr": LR, "seeds": asked.seeds},
        "seconds": time.perf_counter() - begin,
        "rows": rows,
        "pictures": pictures,
    }
    records.write(asked.out, record)
    picture(record, asked.picture)
    print(table(record))


if __name__ == "__main__":
    main()
