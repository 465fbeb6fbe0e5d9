"""docs/harness.md, from the results of `interval_coverage` and, if there, of `known_evidence`.

python -m benchmarks.pages.known_evidence
"""

import json
import math
from pathlib import Path

from benchmarks.evaluation.interval_coverage import CONTINUOUS, together

HERE = Path(__file__).parents[1]
RESULTS = HERE / "results"
METRICS = ("elbo", "iwae_10", "iwae_100", "log_evidence")
SPLITS = {
    "by_rows_k_hat": "the row's own k-hat (median over seeds)",
    "by_own_k_hat": "k-hat of the same draws",
}
LIMIT = 0.67
PUBLISHED = {"eight_schools": 1.0, "eight_schools_noncentred": 0.64}  # one number each


def pairs_table(record: dict) -> str:
    lines = [
        "| pair | exact | gap | k-hat | ESS | bound above exact, most se | "
        "log_evidence off, most se | covered: " + " | ".join(METRICS) + " |",
        "|---" * (7 + len(METRICS)) + "|",
    ]
    for row in record["pairs"]:
        above = max(row["highest_above_exact"][name] for name in METRICS[:3])
        covered = " | ".join(f"{row['coverage'][name]['covered']:.2f}" for name in METRICS)
        lines.append(
            f"| {row['pair']} | {row['exact']:.3f} | {row['gap']:.3f} | {row['k_hat']:.2f} | "
            f"{row['ess']:.0f} | {above:+.1f} | {row['worst_log_evidence']:+.1f} | {covered} |"
        )
    return "\n".join(lines)


def summary(record: dict) -> str:
    """The claims, counted."""
    rows, seeds = record["pairs"], record["seeds"]
    passed = sum(max(row["highest_above_exact"][n] for n in METRICS[:3]) < 5 for row in rows)
    low = [row for row in rows if row["k_hat"] < LIMIT]
    within = sum(abs(row["worst_log_evidence"]) < 5 for row in low)
    three = sorted((row for row in low if abs(row["worst_log_evidence"]) > 3), key=worst_of)
    largest = ", ".join(f"{row['pair']} {row['worst_log_evidence']:+.1f}" for row in three)
    expected = len(low) * (1 - math.erf(3 / math.sqrt(2)) ** seeds)
    beyond = [
        f"{row['pair']} (k-hat {row['k_hat']:.2f}, {row['worst_log_evidence']:+.1f} se)"
        for row in rows
        if abs(row["worst_log_evidence"]) >= 5
    ]
    pooled = record["pooled"]
    trusted = shown([row["coverage"]["log_evidence"] for row in low])
    covered = ", ".join(
        f"{name} {pooled[name]['covered']:.3f} ± {pooled[name]['error']:.3f}" for name in METRICS
    )
    return f"""- No lower bound passes the exact evidence by 5 standard errors: {passed} of
  {len(rows)} pairs, {seeds} seeds each, three bounds each.
- The importance-sampled evidence is within 5 standard errors in every seed for {within} of the
  {len(low)} pairs whose k-hat is below {LIMIT}.
  That rule is wide. The largest scores beyond 3, in standard errors: {largest}.
  Normal errors would leave {expected:.1f} of {len(low)} pairs beyond 3; here are {len(three)}. The
  guides of one model share their seeds, so these are not separate cases; still, the
  errors have a heavier tail on the low side than a normal has.
  Beyond 5 in some seed: {", ".join(beyond) or "none"}.
- Coverage of value ± 1.96 se over all pairs (its error is binomial): {covered};
  log_evidence on the pairs whose k-hat is below {LIMIT}: {trusted}."""


def worst_of(row: dict) -> float:
    return row["worst_log_evidence"]


def bins_table(pooled: dict, split: str) -> str:
    lines = [
        f"| {SPLITS[split]} | covered | intervals | bias, nats | mean se, nats |",
        "|---" * 5 + "|",
    ]
    for name, part in pooled[split].items():
        lines.append(
            f"| {name} | {part['covered']:.3f} ± {part['error']:.3f} | {part['intervals']} | "
            f"{part['bias']:+.4f} | {part['mean_se']:.4f} |"
        )
    return "\n".join(lines)


def kinds_table(record: dict) -> str:
    """Coverage by the row's own k-hat, continuous and discrete latents apart."""
    sides = {
        "continuous": [p for p in record["pairs"] if model_of(p) in CONTINUOUS],
        "discrete": [p for p in record["pairs"] if model_of(p) not in CONTINUOUS],
    }
    bins = list(record["pooled"]["by_rows_k_hat"])
    lines = ["| latents | " + " | ".join(bins) + " |", "|---" * (1 + len(bins)) + "|"]
    for side, pairs in sides.items():
        cells = [
            shown([p["by_rows_k_hat"][b] for p in pairs if b in p["by_rows_k_hat"]]) for b in bins
        ]
        lines.append(f"| {side} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def model_of(row: dict) -> str:
    return row["pair"].split("/")[0]


def shown(parts: list[dict]) -> str:
    one = together(parts)
    return f"{one['covered']:.3f} ± {one['error']:.3f}"


def annealed_table(rows: list[dict]) -> str:
    lines = ["| model | exact | ais | mean se | most se off | covered | settings |"]
    lines += ["|---" * 7 + "|"]
    for row in rows:
        lines.append(
            f"| {row['model']} | {row['exact']:.3f} | {row['value']:.3f} | {row['se']:.3f} | "
            f"{row['worst']:+.1f} | {row['covered']:.2f} of {row['intervals']} | {row['note']} |"
        )
    return "\n".join(lines)


def schools_table(rows: list[dict]) -> str:
    heads = ("task", "draws", "k-hat", "sd of one", "lowest to highest", "fits x seeds")
    heads += ("published", "away, sd of one", "verdict")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        values, one, told = row["values"], row["sd_over_evaluations"], PUBLISHED[row["task"]]
        over = one / len(values[0]) ** 0.5
        away = (row["k_hat"] - told) / math.hypot(one, over)
        lines.append(
            f"| {row['task']} | {row['draws']:,} | {row['k_hat']:.2f} ± {over:.2f} | {one:.2f} | "
            f"{row['lowest']:.2f} to {row['highest']:.2f} | {len(values)} x {len(values[0])} | "
            f"{told:.2f} | {away:+.1f} | {'agrees' if abs(away) < 2 else 'differs'} |"
        )
    return "\n".join(lines)


def known_table() -> str:
    path = RESULTS / "harness.json"
    if not path.exists():
        return ""
    record = json.loads(path.read_text())
    by_kind = {
        kind: [row for row in record["rows"] if kind in row]
        for kind in ("known", "covered", "lower_held", "ratio", "peaks")
    }
    lines = ["", "## Evidence known from long simulation", ""]
    lines += [
        "| data/estimator | known | found | away, se | verdict | seconds | settings |",
        "|---" * 7 + "|",
    ]
    for row in by_kind["known"]:
        lines.append(
            f"| {row['row']} | {row['known']} ± {row['known_se']} | {row['value']:.3f} ± "
            f"{row['se']:.3f} | {row['away']:+.1f} | {row['verdict']} | {row['seconds']:.0f} | "
            f"{row['note']} |"
        )
    lines += ["", VERDICTS, ""]
    lines += ["| estimator | covered | mean score | sd of scores | mean se, nats | seeds |"]
    lines += ["|---" * 6 + "|"]
    for row in by_kind["covered"]:
        lines.append(
            f"| {row['row'].split('/')[1]} | {row['covered']:.2f} | {row['mean_score']:+.2f} | "
            f"{row['sd_score']:.2f} | {row['mean_se']:.3f} | {row['seeds']} |"
        )
    lines += ["", SANDWICH, ""]
    lines += [
        "| bound | held | mean off, nats | mean se, nats | mean score | sd of scores | seeds |"
    ]
    lines += ["|---" * 7 + "|"]
    for row in by_kind["lower_held"]:
        lines += [
            f"| bdmc_{end} | {row[f'{end}_held']:.2f} | {row['mean_off'][end]:+.4f} | "
            f"{row['mean_se'][end]:.4f} | {row['mean_score'][end]:+.2f} | "
            f"{row['sd_score'][end]:.2f} | {row['seeds']} |"
            for end in ("lower", "upper")
        ]
    for row in by_kind["ratio"]:
        lines += ["", COST.format(**row)]
    if by_kind["peaks"]:
        lines += ["", MEMORY, "", "| K x rows | MiB |", "|---|---|"]
    for row in by_kind["peaks"]:
        lines += [f"| {size} | {peak:.0f} |" for size, peak in row["peaks"].items()]
    return "\n".join(lines) + "\n"


VERDICTS = """`python -m benchmarks.evaluation.known_evidence --out
benchmarks/results/harness.json`. It differs from 3 standard errors on, and cannot tell where its
own is above 0.5 nats. Each row of the JSON has the command, commit and date that it was measured
with, where it is newer than those of the file. How often value ± 1.96 se of short runs holds the
exact evidence of probabilistic PCA, the mean of 30 rows; a score is (value - exact) / se:"""

SANDWICH = """Bidirectional Monte Carlo bounds the evidence of data that it simulates from the
model, which the model knows exactly too. Counted is how often, over seeds, lower - 1.96 se <=
exact and exact <= upper + 1.96 se, where exact is of the simulated data: with a right bound
and a right error, either fails in at most 2.5 % of seeds. A score is (bound - exact) / se."""

MEMORY = """Memory: by how much evaluating iwae_K of the Bernoulli VAE raises a process's peak,
above iwae_50 of 20 rows:"""

COST = """What it costs: `{row}` of a Bernoulli VAE on {rows} test rows of digits ({note}) took
{seconds:.1f} CPU seconds, a plain loop in PyTorch on the same networks {plain_seconds:.1f}:
{ratio:.2f} times (median of {repeats}, in turn). The values: {value:.3f} ± {se:.3f} and
{plain_value:.3f}."""


def page(record: dict) -> str:
    return f"""# Is the harness right?

Made by
`python -m benchmarks.evaluation.interval_coverage --out benchmarks/results/coverage.json` and
`python -m benchmarks.pages.known_evidence` ({record["date"]}, torch {record["versions"]["torch"]},
{record["device"]}, {record["threads"]} thread): {len(record["pairs"])} pairs of a model of known
evidence and a guide, trained for {record["steps"]} steps, then scored {record["seeds"]} times with
{record["draws"]} draws. Nats, a row where rows are independent.

{summary(record)}

{pairs_table(record)}

A bound's own target is a run with {record["long_draws"]} draws; log_evidence's the exact number.

## Where coverage is lost

Each row and seed is an interval of its own for that row's log_evidence.

{bins_table(record["pooled"], "by_rows_k_hat")}

{bins_table(record["pooled"], "by_own_k_hat")}

{kinds_table(record)}

{LESSONS}

## Annealed importance sampling

{annealed_table(record["annealed"])}

Few temperatures, to see the failure. Where the effective sample size (ESS) is near 1 of 16 chains,
annealing was too short: the estimate is low, as any importance sampler's is, and its error says
nothing. Raise the temperatures until ESS is a good part of the chains.

## k-hat of the mean-field guide on eight schools

{schools_table(record["eight_schools"])}

{SCHOOLS.format(**record["later"].get("schools", record))}
{known_table()}"""


SCHOOLS = """`{command}`, {date}.
The same fits and seeds in all rows. One evaluation's k-hat scatters by its draws (*sd of one*),
and hardly by the fit. The published numbers have no error with them, so the verdict takes each for
one evaluation. A single k-hat cannot tell 0.9 from 1.0, nor 0.6 from 0.7."""

LESSONS = """- Below the limit of 0.67 the estimate may be used. Its error takes the tail of the
  weights from a fitted Pareto distribution, and in a mean over rows it counts that each row's
  estimate is low by half its squared error. From k-hat 0.5 on the intervals of single rows hold
  the truth a little too seldom; above the limit the error says little.
- A k-hat from the same draws as the estimate is too optimistic: draws that miss the tail have a
  low k-hat and a low estimate, and draws that hit it have a high k-hat and an estimate that is
  about right. Take k-hat from other draws, or from more.
- With discrete latents a state that q gives less than about 1/draws is mostly not drawn at all:
  the weights look even (k-hat -1, error near 0), and the estimate lacks the state's
  share by more than its error says (gaussian_mixture/amortised_discrete above).
- The metrics of one pair share their draws, so their hits go together; 20 seeds give a pair's
  coverage to 0.05 only."""


def main() -> None:
    record = json.loads((RESULTS / "coverage.json").read_text())
    (HERE.parent / "docs" / "harness.md").write_text(page(record))


if __name__ == "__main__":
    main()
