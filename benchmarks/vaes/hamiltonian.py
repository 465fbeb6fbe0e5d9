"""What do Hamiltonian moves gain? One decoder of a deep latent Gaussian model, T = 0 to 4 moves.

    python -m benchmarks.vaes.hamiltonian --out benchmarks/results/hamiltonian.json

The model is trained once on digits with the encoder's normal, and held fixed. Guides with T moves
are then trained at one number of steps, several seeds each, and scored on the same test rows: the
ELBO, and log p(x) by importance weights. Differences from T = 0 are taken row by row, and their
error is that over seeds and rows together. All T estimate the same log p(x), as the model is one.
"""

import argparse
import json
import math
from functools import partial
from pathlib import Path
from statistics import mean, stdev

import matplotlib.pyplot as plt
import torch

import guides
import zoo
from benchmarks import markdown, records
from zoo.comparison.held import under
from zoo.figure_style import MARKERS, PALETTE, in_style, legend_above, save_figure
from zoo.isolation import isolated
from zoo.sampling.importance_weights import weight_chunks

MOVES, LEAPFROGS = (0, 1, 2, 4), 1
SETTINGS = {"groups": [4, 8], "model_steps": 2000, "steps": 800, "lr": 3e-3, "draws": 300}
METRICS = ("elbo", "log_evidence", "k_hat", "ess")
SPREAD = 0.12  # of the seeds along the axis of T


def held_model():
    """The fit whose model is held fixed."""
    task = zoo.load("dlgm", groups=tuple(SETTINGS["groups"]))
    return zoo.fit(
        task, guides.AmortisedNormal, steps=SETTINGS["model_steps"], seed=0, progress=True
    )


def run(held, moves, seed):
    """Trains and scores one guide; returns its record, with the bound of each test row."""
    fit = zoo.fit(
        under(held),
        partial(guides.AmortisedHamiltonian, moves=moves, leapfrogs=LEAPFROGS),
        steps=SETTINGS["steps"],
        lr=SETTINGS["lr"],
        freeze_model=True,
        seed=seed,
        progress=True,
    )
    found = zoo.evaluate(fit, draws=SETTINGS["draws"], metrics=list(METRICS), seed=seed)
    return {
        "moves": moves,
        "seed": seed,
        "metrics": {name: [metric.value, metric.se] for name, metric in found.items()},
        "rows": bounds_of_rows(fit, seed),
        "seconds": fit.seconds,
        "backend": fit.backend,
    }


@torch.no_grad()
def bounds_of_rows(fit, seed):
    """The ELBO of every test row, nats."""
    args = fit.task.scoring_args("test")
    with isolated(seed=seed):
        log_w = torch.cat(list(weight_chunks(fit.program, args, SETTINGS["draws"])), dim=1)
    return [round(value, 4) for value in log_w.mean(0).tolist()]


def gain(runs, moves):
    """Mean over rows and seeds of the bound with T moves less that without, and its error.

    Seed by seed and row by row; the error adds the variance over seeds to that over rows.
    """
    plain = {one["seed"]: one["rows"] for one in runs if one["moves"] == 0}
    pairs = [(one["rows"], plain[one["seed"]]) for one in runs if one["moves"] == moves]
    each = [[a - b for a, b in zip(*pair, strict=True)] for pair in pairs]
    of_seeds = [mean(rows) for rows in each]
    of_rows = [mean(column) for column in zip(*each, strict=True)]
    over_seeds = stdev(of_seeds) ** 2 / len(of_seeds) if len(of_seeds) > 1 else math.nan
    return mean(of_seeds), math.sqrt(over_seeds + stdev(of_rows) ** 2 / len(of_rows))


def table(record):
    """A line for each number of moves: means over seeds."""
    lines = []
    for moves in sorted({one["moves"] for one in record["runs"]}):
        own = [one for one in record["runs"] if one["moves"] == moves]
        cells = [shown([one["metrics"][name] for one in own]) for name in METRICS[:2]]
        more = "-" if moves == 0 else "{:.3f} ± {:.3f}".format(*gain(record["runs"], moves))
        k_hat, ess = (f"{mean(o['metrics'][n][0] for o in own):.2f}" for n in METRICS[2:])
        seconds = f"{mean(one['seconds'] for one in own):.0f}"
        lines.append([str(moves), *cells, more, k_hat, ess, seconds])
    head = ("T", "ELBO", "log p(x)", "gain over T = 0, by row", "k-hat", "ESS", "seconds a fit")
    return markdown.table(head, lines)


def shown(metrics):
    """The mean over seeds, and its error: that over seeds and that of the draws."""
    values, errors = zip(*metrics, strict=True)
    over_seeds = stdev(values) ** 2 / len(values) if len(values) > 1 else 0.0
    error = math.sqrt(over_seeds + mean(e**2 for e in errors) / len(errors))
    return f"{mean(values):.3f} ± {error:.3f}"


@in_style
def picture(record, path):
    """The ELBO and log p(x) of every seed against T; two standard errors of the draws."""
    shape, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    runs = record["runs"]
    seeds = sorted({one["seed"] for one in runs})
    for metric, name, colour in (
        ("log_evidence", "log p(x), importance weights", PALETTE[1]),
        ("elbo", "ELBO", PALETTE[0]),
    ):
        for seed in seeds:
            own = [one for one in runs if one["seed"] == seed]
            values, errors = zip(*(one["metrics"][metric] for one in own), strict=True)
            shift = SPREAD * (seed - (len(seeds) - 1) / 2)
            axis.errorbar(
                [one["moves"] + shift for one in own],
                values,
                [2 * error for error in errors],
                color=colour,
                fmt=MARKERS[seed],
                label=f"{name}, seed {seed}",
            )
    axis.set(xlabel="Hamiltonian moves T", ylabel="nats/row", xticks=list(MOVES))
    axis.grid(axis="y")
    legend_above(shape, [axis])
    save_figure(shape, path)


def main() -> None:
    """Runs all, prints a line each, writes the record and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=records.RESULTS / "hamiltonian.json")
    parser.add_argument("--picture", type=Path, default=records.DOCS / "hamiltonian.png")
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    held, runs = held_model(), []
    about = records.made_now(held.task.data)
    for seed in range(asked.seeds):
        for moves in MOVES:
            runs.append(run(held, moves, seed))
            print(json.dumps({k: v for k, v in runs[-1].items() if k != "rows"}), flush=True)
            settings = SETTINGS | {"leapfrogs": LEAPFROGS}
            records.write(asked.out, {"provenance": about, "settings": settings, "runs": runs})
    record = records.read(asked.out)
    picture(record, asked.picture)
    print(table(record))


if __name__ == "__main__":
    main()
