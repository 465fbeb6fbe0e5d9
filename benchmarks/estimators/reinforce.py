"""The lecture's demonstration: the gradient of E_{N(theta, 1)}[x^2] at theta = 2 from N draws.

REINFORCE has variance 87/N, with a constant baseline b (87 - 14 b + b^2)/N, and the
reparameterised gradient 4/N. The lecture prints one variance from 100 repeats for each N.
"""

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

from benchmarks import markdown
from benchmarks.estimators.toys import SQUARE, measure, verdict
from zoo.figure_style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    in_style,
    legend_above,
    save_figure,
)
from zoo.objectives import ConstantBaseline, MeanFieldKL, Objective, Reinforce

THETA = 2.0
DRAWS = {10: 40_000, 100: 20_000, 1000: 4000, 10_000: 2560, 100_000: 384}  # N -> gradients
TOP = {"reinforce": 87, "reinforce, b = 5": 42, "reinforce, b = 7": 38, "reparameterised": 4}
PRINTED = {  # the lecture's, N = 10 .. 1e5, from so many repeats; with the digits that it gives
    "reinforce": ("6.45", ".68", ".087", ".0100", ".00086"),
    "reparameterised": (".46", ".043", ".0033", ".00052", ".000047"),
}
REPEATS, BAND = 100, (0.025, 0.975)
SIMULATED = 4000


def objective_of(name: str, count: int) -> Objective:
    if name == "reparameterised":
        return MeanFieldKL(count)
    _, _, baseline = name.partition("b = ")
    return Reinforce(count, (ConstantBaseline(float(baseline)),) if baseline else ())


def band(name: str, count: int) -> list[float]:
    """Where 95 % of the variances of 100 repeats lie: simulated for few draws, else chi-square."""
    exact = TOP[name] / count
    if count > 100:
        return [exact * float(stats.chi2.ppf(q, REPEATS - 1)) / (REPEATS - 1) for q in BAND]
    noise = np.random.default_rng(0)
    found = []
    for _ in range(SIMULATED // 100):
        e = noise.standard_normal((100, REPEATS, count))
        x = THETA + e
        gradients = 2 * x if name == "reparameterised" else x**2 * e
        found.append(gradients.mean(-1).var(-1, ddof=1))
    return [float(q) for q in np.quantile(np.concatenate(found), BAND)]


def run() -> Iterator[dict]:
    rows = []
    for name, top in TOP.items():
        for place, (count, draws) in enumerate(DRAWS.items()):
            found = measure(SQUARE, objective_of(name, count), draws, work=4 * count)
            expected = top / count
            row = {"estimator": name, "N": count, "expected": expected} | found
            row["verdict"] = verdict(found["variance"], found["se"], expected)
            if name in PRINTED:
                low, high = band(name, count)
                printed = PRINTED[name][place]
                row |= {"printed": printed, "band": [low, high]}
                half = 0.5 * 10.0 ** -len(printed.split(".")[1])  # it is rounded
                row["inside"] = low <= float(printed) + half and float(printed) - half <= high
            rows.append(row)
    yield {"theta": THETA, "seed": 0, "rows": rows}


def table(record: dict) -> str:
    heads = ["estimator", "N", "closed form", "measured", "gradients", "verdict"]
    heads += ["lecture prints", "95 % band of 100 repeats", "inside"]
    rows = []
    for row in record["rows"]:
        cells = [row["estimator"], f"{row['N']:,}", f"{row['expected']:.3g}"]
        cells += [f"{row['variance']:.3g} ± {row['se']:.1g}", f"{row['draws']:,}", row["verdict"]]
        if "printed" in row:
            low, high = row["band"]
            cells += [row["printed"], f"{low:.3g} to {high:.3g}"]
            cells += ["yes" if row["inside"] else "no"]
        else:
            cells += ["-", "-", "-"]
        rows.append(cells)
    return markdown.table(heads, rows)


@in_style
def picture(record: dict, path: Path) -> None:
    """Variance over N, log-log: lines are closed forms, crosses the lecture's numbers."""
    drawn, axis = plt.subplots(figsize=(7, 5), layout="constrained")
    for name, colour in zip(TOP, (ORANGE, PURPLE, GREEN, BLUE), strict=True):
        rows = [row for row in record["rows"] if row["estimator"] == name]
        counts = np.array([row["N"] for row in rows])
        axis.plot(counts, TOP[name] / counts, color=colour, lw=1)
        errors = [2 * row["se"] for row in rows]
        measured = [row["variance"] for row in rows]
        label = f"{name}: measured; line {TOP[name]}/N"
        axis.errorbar(counts, measured, errors, fmt="o", color=colour, label=label)
        if name in PRINTED:
            axis.plot(counts, [float(one) for one in PRINTED[name]], "x", color=BLACK, ms=7)
            low, high = zip(*(row["band"] for row in rows), strict=True)
            axis.fill_between(counts, low, high, color=colour, alpha=0.18, lw=0)
    axis.plot([], [], "x", color=BLACK, ms=7, label="printed in the lecture")
    axis.fill_between([], [], [], color=GREY, alpha=0.3, lw=0, label=f"95 % of {REPEATS} repeats")
    axis.set(xscale="log", yscale="log", xlabel="draws N", ylabel="variance of the gradient")
    axis.set_title("Gradient of E[x²] in the mean of x ~ N(2, 1); bars: ± 2 standard errors")
    legend_above(drawn, [axis])
    save_figure(drawn, path)
