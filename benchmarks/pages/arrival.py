"""docs/arrival.md, from the results of `benchmarks.arrival`: how far from the best do fits end?

python -m benchmarks.arrival
python -m benchmarks.pages.arrival
"""

import math
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from benchmarks import markdown, records
from benchmarks.arrival.fixed_draws import PAPER_DRAWS, POLISHING_DRAWS
from benchmarks.arrival.methods import METHODS, NORMAL_FAMILIES, NUMPYRO_RATE, RATES, STEPS
from benchmarks.arrival.posteriors import POSTERIORS
from benchmarks.arrival.records import Results
from benchmarks.arrival.scorer import DRAWS

Row = dict[str, Any]
CLOSE, FAR = 0.05, 0.2  # nats short of the best known: there, and not there
EXACT = 0.02  # nats short of an exact evidence
WORDS = {"mean_field": "mean field", "full_rank": "full rank", "iaf": "IAF"}


def best_known(rows: Sequence[Row], kept: dict[str, Row]) -> dict[tuple[str, str], float]:
    """(posterior, family) -> the highest ELBO of any method, seed, or polishing run, nats."""
    found = {tuple(place.split("/")): one["elbo"] for place, one in kept.items()}
    for row in rows:
        place = row["posterior"], row["family"]
        if row["elbo"] is not None and row["family"] in NORMAL_FAMILIES:
            found[place] = max(found.get(place, -math.inf), row["elbo"])
    return found


def short(row: Row, best: dict[tuple[str, str], float]) -> float:
    """Nats short of the best known; infinite for a fit that diverged or failed."""
    if row["elbo"] is None:
        return math.inf
    return best[row["posterior"], row["family"]] - row["elbo"]


def said_converged(row: Row) -> bool:
    """Did the method say that it had arrived?"""
    return row["said"].get("stopped") == "converged"


def of(rows: Sequence[Row], **wanted: object) -> list[Row]:
    """The rows whose fields are as wanted."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def over_seeds(
    rows: Sequence[Row], value: Callable[[Row], float | None], combine: Callable
) -> float:
    """A number of each row, combined over rows; infinite where one is missing."""
    each = [value(row) for row in rows]
    return combine([math.inf if x is None else x for x in each])


def close_on(rows: Sequence[Row], best: dict[tuple[str, str], float], combine: Callable) -> int:
    """On how many posteriors the seeds' median (or worst) is within 0.05 nats of the best."""
    names = {row["posterior"] for row in rows}
    shorts = [
        over_seeds(of(rows, posterior=name), lambda row: short(row, best), combine)
        for name in names
    ]
    return sum(value < CLOSE for value in shorts)


def summary(rows: Sequence[Row], best: dict[tuple[str, str], float]) -> str:
    """A line for each method and family: how often it arrived, what it said, and the cost."""
    heads = (
        "method",
        "family",
        "seeds",
        f"within {CLOSE} nats, median seed",
        f"within {CLOSE} nats, every seed",
        f"said converged, but > {FAR} nats short",
        "failed",
        "gradients, median",
        "seconds, median",
    )
    lines = []
    for method in METHODS:
        for family in NORMAL_FAMILIES:
            mine = of(rows, method=method, family=family)
            if not mine:
                continue
            total = len({row["posterior"] for row in mine})
            wrong = sum(said_converged(row) and short(row, best) > FAR for row in mine)
            failed = sum(row["elbo"] is None for row in mine)
            gradients = over_seeds(mine, lambda row: row["evaluations"], median)
            seconds = over_seeds(mine, lambda row: row["seconds"], median)
            lines.append(
                [
                    method,
                    WORDS[family],
                    str(len({row["seed"] for row in mine})),
                    f"{close_on(mine, best, median)} of {total}",
                    f"{close_on(mine, best, max)} of {total}",
                    f"{wrong} of {len(mine)} fits",
                    str(failed),
                    "-" if math.isinf(gradients) else f"{gradients:,.0f}",
                    number(seconds),
                ]
            )
    return markdown.table(heads, lines)


def shortfalls(rows: Sequence[Row], best: dict[tuple[str, str], float], family: str) -> str:
    """Nats short of the best known normal: the median over seeds and, in brackets, the worst."""

    def cell(mine: Sequence[Row]) -> str:
        middle, worst = (
            over_seeds(mine, lambda row: short(row, best), combine) for combine in (median, max)
        )
        return f"{number(middle)} ({number(worst)})"

    return by_posterior(of(rows, family=family), cell)


def errors(rows: Sequence[Row], family: str) -> str:
    """Largest error of a mean in posterior sds, and of an sd in percent: medians over seeds."""

    def cell(mine: Sequence[Row]) -> str:
        mean, sd = (
            over_seeds(mine, lambda row, name=name: row[name], median)
            for name in ("mean_error", "sd_error")
        )
        return f"{number(mean)}, {number(100 * sd)} %"

    return by_posterior(of(rows, family=family), cell)


def by_posterior(rows: Sequence[Row], cell: Callable[[Sequence[Row]], str]) -> str:
    """A table with a line for each posterior and a column for each method."""
    methods = [name for name in METHODS if of(rows, method=name)]
    lines = []
    for name in POSTERIORS:
        mine = of(rows, posterior=name)
        if mine:
            cells = (of(mine, method=method) for method in methods)
            lines.append([name, *(cell(some) if some else "-" for some in cells)])
    return markdown.table(("posterior", *methods), lines)


def flows(rows: Sequence[Row], best: dict[tuple[str, str], float]) -> str:
    """The zoo's default with a flow: its ELBO less that of the best full-rank normal."""
    heads = ("posterior", "ELBO less full rank's, median", "worst", "said converged")
    lines = []
    for name in POSTERIORS:
        mine = of(rows, posterior=name, family="iaf")
        if mine and (name, "full_rank") in best:
            level = best[name, "full_rank"]
            gains = [-math.inf if row["elbo"] is None else row["elbo"] - level for row in mine]
            count = sum(map(said_converged, mine))
            lines.append(
                [name, number(median(gains)), number(min(gains)), f"{count} of {len(mine)}"]
            )
    return markdown.table(heads, lines)


def exact(rows: Sequence[Row]) -> str:
    """The models of the zoo with an exact evidence."""
    heads = ("model", "guide", "nats short, median", "worst", "error", "unit", "said")
    lines = []
    for name in dict.fromkeys(row["model"] for row in rows):
        mine = of(rows, model=name)
        shorts = [row["short"] for row in mine]
        se = max(row["short_se"] for row in mine)
        unit = "a row" if mine[0]["per_row"] else "all data"
        said = ", ".join(sorted({row["stopped"] for row in mine}))
        found = number(median(shorts)), number(max(shorts)), number(se)
        lines.append([name, mine[0]["guide"], *found, unit, said])
    return markdown.table(heads, lines)


def figures(rows: Sequence[Row], best: dict[tuple[str, str], float]) -> str:
    """One line of figures for README, of the methods that have run on all posteriors."""
    parts, every = [], {row["posterior"] for row in rows}
    for family in NORMAL_FAMILIES:
        counts = {}
        for method in METHODS:
            mine = of(rows, method=method, family=family)
            if {row["posterior"] for row in mine} == every:
                counts[method] = close_on(mine, best, max), len(every)
        listed = ", ".join(f"{method} {n} of {total}" for method, (n, total) in counts.items())
        parts.append(f"{WORDS[family]}: {listed}")
    return (
        f"Posteriors on which every seed came within {CLOSE} nats of the highest ELBO that any "
        f"method found for that family: {'; '.join(parts)}."
    )


def number(value: float) -> str:
    """A number with few digits; what is infinite is a failure."""
    if math.isinf(value):
        return "failed"
    size = abs(value)
    if size >= 1e4:
        return f"{value:.0e}"
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.3f}"


def introduction(record: Row, rows: Sequence[Row], best: dict[tuple[str, str], float]) -> str:
    """What was asked and how it was measured."""
    rates = ", ".join(map(str, RATES))
    count = len({row["posterior"] for row in rows})
    return f"""# Does a fit end at the best normal?

`zoo.fit(model, guide, data)` with nothing else, on {count} posteriors with raw scales, beside what
users of other libraries run. {figures(rows, best)}

Each method gives a normal over the same unconstrained latents, and all are scored alike: by the
ELBO on {DRAWS:,} draws that all share, in float64. The **best known** normal of a family has the
highest ELBO over all methods, all seeds, and long runs of L-BFGS on {POLISHING_DRAWS:,} fixed
draws that go on from the best. **Short** is how many nats an ELBO is below it.

- `zoo`: the defaults.
- `adam`: Adam, {STEPS:,} steps at each of the rates {rates}; of the five fits the one of the
  highest scored ELBO, which no user could pick. Its cost is that of all five.
- `numpyro`: `SVI` with `AutoNormal` or `AutoMultivariateNormal`, Adam({NUMPYRO_RATE}), {STEPS:,}
  steps, one particle.
- `pymc`: `pm.fit` with its defaults, `"advi"` or `"fullrank_advi"`.
- `dadvi`: the method of Giordano, Ingram & Broderick 2024 with {PAPER_DRAWS} fixed draws, mean
  field only, in a short version of our own. It says that its optimiser arrived, on its own draws.

The models are in `benchmarks/arrival/`, written three times: in Pyro, NumPyro and PyMC. Seconds
are wall time on one thread of a machine with other work, with all compilation; gradients are
counted one for each point. Made by `python -m benchmarks.arrival` and
`python -m benchmarks.pages.arrival` ({record["date"]}, torch {record["versions"]["torch"]})."""


def page(record: Row, kept: Row) -> str:
    """The whole page."""
    rows = record["rows"]
    best = best_known(rows, kept.get("best", {}))
    parts = [introduction(record, rows, best), summary(rows, best)]
    for family in NORMAL_FAMILIES:
        word = WORDS[family].capitalize()
        parts += [
            f"## {word}: nats short\n\nThe median over seeds and, in brackets, the worst.",
            shortfalls(rows, best, family),
            f"## {word}: errors against the posterior\n\n"
            "The largest error of a mean, in posterior sds, and of an sd, over the unconstrained "
            "latents; medians over seeds. A family that does not hold the posterior has errors at "
            "its best, too.",
            errors(rows, family),
        ]
    if of(rows, family="iaf"):
        parts += ["## A flow\n\n`guides.IAF` with the zoo's defaults.", flows(rows, best)]
    if record.get("recipes"):
        parts += [
            "## Where the guide holds the posterior\n\nModels of the zoo with an exact evidence "
            f"and their usual guides. The best is 0; within {EXACT} nats is asked.",
            exact(record["recipes"]),
        ]
    return "\n\n".join(parts) + "\n"


def line(record: Row, kept: Row) -> str:
    """README's line: what was asked, the figures, and where the page is."""
    rows = record["rows"]
    found = figures(rows, best_known(rows, kept.get("best", {})))
    return (
        f"`zoo.fit(model, guide, data)` with nothing else, on {len(POSTERIORS)} posteriors of "
        "data that were not standardised, ends at the best normal of its family or says that it "
        f"did not. (The best normal need not be close to the posterior.) {found} "
        "[How it was measured](docs/arrival.md)."
    )


def main() -> None:
    results, readme = Results(), records.DOCS.parent / "README.md"
    record, kept = results.read("fits"), results.read("best")
    (records.DOCS / "arrival.md").write_text(page(record, kept))
    readme.write_text(markdown.fill(readme.read_text(), "arrival", line(record, kept)))


if __name__ == "__main__":
    main()
