"""docs/harness.md, from the results of `interval_coverage` and, if there, of `known_evidence`.

python -m benchmarks.pages.known_evidence
"""

import math

from benchmarks import markdown, records
from benchmarks.evaluation.interval_coverage import CONTINUOUS, together

HARNESS = records.RESULTS / "harness.json"
METRICS = ("elbo", "iwae_10", "iwae_100", "log_evidence")
SPLITS = {
    "by_rows_k_hat": "the row's own k-hat (median over seeds)",
    "by_own_k_hat": "k-hat of the same draws",
}
LIMIT = 0.67  # of k-hat, at 1000 draws
PUBLISHED = {"eight_schools": 1.0, "eight_schools_noncentred": 0.64}  # k-hat, without an error


def pairs_table(record: dict) -> str:
    """Each pair's gap, k-hat and ESS, its largest errors, and how often its intervals hold."""
    first, *others = METRICS
    heads = ("pair", "exact", "gap", "k-hat", "ESS", "bound above exact, most se")
    heads += ("log_evidence off, most se", f"covered: {first}", *others)
    rows = []
    for row in record["pairs"]:
        above = max(row["highest_above_exact"][name] for name in METRICS[:3])
        cells = [row["pair"], f"{row['exact']:.3f}", f"{row['gap']:.3f}", f"{row['k_hat']:.2f}"]
        cells += [f"{row['ess']:.0f}", f"{above:+.1f}", f"{row['worst_log_evidence']:+.1f}"]
        cells += [f"{row['coverage'][name]['covered']:.2f}" for name in METRICS]
        rows.append(cells)
    return markdown.table(heads, rows)


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
    """Coverage, bias and standard error in bins of one k-hat."""
    rows = []
    for name, part in pooled[split].items():
        cells = [name, f"{part['covered']:.3f} ± {part['error']:.3f}", str(part["intervals"])]
        rows.append([*cells, f"{part['bias']:+.4f}", f"{part['mean_se']:.4f}"])
    heads = (SPLITS[split], "covered", "intervals", "bias, nats", "mean se, nats")
    return markdown.table(heads, rows)


def kinds_table(record: dict) -> str:
    """Coverage by the row's own k-hat, continuous and discrete latents apart."""
    sides = {
        "continuous": [p for p in record["pairs"] if model_of(p) in CONTINUOUS],
        "discrete": [p for p in record["pairs"] if model_of(p) not in CONTINUOUS],
    }
    bins = list(record["pooled"]["by_rows_k_hat"])
    rows = []
    for side, pairs in sides.items():
        found = [[p["by_rows_k_hat"][b] for p in pairs if b in p["by_rows_k_hat"]] for b in bins]
        rows.append([side, *map(shown, found)])
    return markdown.table(("latents", *bins), rows)


def model_of(row: dict) -> str:
    return row["pair"].split("/")[0]


def shown(parts: list[dict]) -> str:
    one = together(parts)
    return f"{one['covered']:.3f} ± {one['error']:.3f}"


def annealed_table(rows: list[dict]) -> str:
    """Annealed importance sampling beside the exact evidence of each model."""
    lines = []
    for row in rows:
        cells = [row["model"], *(f"{row[name]:.3f}" for name in ("exact", "value", "se"))]
        cells += [f"{row['worst']:+.1f}", f"{row['covered']:.2f} of {row['intervals']}"]
        lines.append([*cells, row["note"]])
    heads = ("model", "exact", "ais", "mean se", "most se off", "covered", "settings")
    return markdown.table(heads, lines)


def schools_table(rows: list[dict]) -> str:
    """k-hat of the mean-field guide, its scatter, and the published one."""
    heads = ("task", "draws", "k-hat", "sd of one", "lowest to highest", "fits x seeds")
    heads += ("published", "away, sd of one", "verdict")
    lines = []
    for row in rows:
        values, one, told = row["values"], row["sd_over_evaluations"], PUBLISHED[row["task"]]
        over = one / len(values[0]) ** 0.5
        away = (row["k_hat"] - told) / math.hypot(one, over)
        cells = [row["task"], f"{row['draws']:,}", f"{row['k_hat']:.2f} ± {over:.2f}"]
        cells += [f"{one:.2f}", f"{row['lowest']:.2f} to {row['highest']:.2f}"]
        cells += [f"{len(values)} x {len(values[0])}", f"{told:.2f}", f"{away:+.1f}"]
        lines.append([*cells, "agrees" if abs(away) < 2 else "differs"])
    return markdown.table(heads, lines)


def known_section(rows: list[dict]) -> str:
    """Estimators beside evidence that is known, their errors, their cost and their memory."""
    parts = ["## Evidence known from long simulation", known_table(rows)]
    parts += [VERDICTS, scores_table(rows), SANDWICH, sandwich_table(rows)]
    parts += [COST.format(**row) for row in rows if "ratio" in row]
    peaks = [row for row in rows if "peaks" in row]
    if peaks:
        parts += [MEMORY, peaks_table(peaks)]
    return "\n\n".join(parts)


def known_table(rows: list[dict]) -> str:
    """Estimates of evidence that is known from long simulation."""
    lines = []
    for row in [row for row in rows if "known" in row]:
        cells = [row["row"], f"{row['known']} ± {row['known_se']}"]
        cells += [f"{row['value']:.3f} ± {row['se']:.3f}", f"{row['away']:+.1f}", row["verdict"]]
        lines.append([*cells, f"{row['seconds']:.0f}", row["note"]])
    heads = ("data/estimator", "known", "found", "away, se", "verdict", "seconds", "settings")
    return markdown.table(heads, lines)


def scores_table(rows: list[dict]) -> str:
    """How often the intervals of short runs hold the exact evidence, and their scores."""
    lines = []
    for row in [row for row in rows if "covered" in row]:
        cells = [row["row"].split("/")[1], f"{row['covered']:.2f}", f"{row['mean_score']:+.2f}"]
        cells += [f"{row['sd_score']:.2f}", f"{row['mean_se']:.3f}", str(row["seeds"])]
        lines.append(cells)
    heads = ("estimator", "covered", "mean score", "sd of scores", "mean se, nats", "seeds")
    return markdown.table(heads, lines)


def sandwich_table(rows: list[dict]) -> str:
    """How often the lower and the upper bound are on their sides of the exact evidence."""
    lines = []
    for row in [row for row in rows if "lower_held" in row]:
        for end in ("lower", "upper"):
            cells = [f"bdmc_{end}", f"{row[f'{end}_held']:.2f}", f"{row['mean_off'][end]:+.4f}"]
            cells += [f"{row['mean_se'][end]:.4f}", f"{row['mean_score'][end]:+.2f}"]
            lines.append([*cells, f"{row['sd_score'][end]:.2f}", str(row["seeds"])])
    heads = ("bound", "held", "mean off, nats", "mean se, nats", "mean score")
    return markdown.table((*heads, "sd of scores", "seeds"), lines)


def peaks_table(rows: list[dict]) -> str:
    """Memory over particles and rows."""
    peaks = [(size, f"{peak:.0f}") for row in rows for size, peak in row["peaks"].items()]
    return markdown.table(("K x rows", "MiB"), peaks)


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


SCHOOLS = """`{command}`, {date}.
The same fits and seeds in all rows. One evaluation's k-hat scatters by its draws (*sd of one*),
and hardly by the fit. The published numbers have no error with them, so the verdict takes each for
one evaluation. A single k-hat cannot tell 0.9 from 1.0, nor 0.6 from 0.7."""

PER_ROW = "Each row and seed is an interval of its own for that row's log_evidence."

FEW_TEMPERATURES = """\
Few temperatures, to see the failure. Where the effective sample size (ESS) is near 1 of 16 chains,
annealing was too short: the estimate is low, as any importance sampler's is, and its error says
nothing. Raise the temperatures until ESS is a good part of the chains."""

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


def page(record: dict) -> str:
    parts = [introduction(record), summary(record), pairs_table(record)]
    long = f"A bound's own target is a run with {record['long_draws']} draws"
    parts += [f"{long}; log_evidence's the exact number."]
    parts += ["## Where coverage is lost", PER_ROW]
    parts += [bins_table(record["pooled"], split) for split in SPLITS]
    parts += [kinds_table(record), LESSONS, "## Annealed importance sampling"]
    parts += [annealed_table(record["annealed"]), FEW_TEMPERATURES]
    parts += ["## k-hat of the mean-field guide on eight schools"]
    parts += [schools_table(record["eight_schools"])]
    parts += [SCHOOLS.format(**record["later"].get("schools", record))]
    if HARNESS.exists():
        parts += [known_section(records.read(HARNESS)["rows"])]
    return "\n\n".join(parts) + "\n"


def introduction(record: dict) -> str:
    """What was measured, and how."""
    return f"""# Is the harness right?

Made by
`python -m benchmarks.evaluation.interval_coverage --out benchmarks/results/coverage.json` and
`python -m benchmarks.pages.known_evidence` ({record["date"]}, torch {record["versions"]["torch"]},
{record["device"]}, {record["threads"]} thread): {len(record["pairs"])} pairs of a model of known
evidence and a guide, trained for {record["steps"]} steps, then scored {record["seeds"]} times with
{record["draws"]} draws. Nats, a row where rows are independent."""


def main() -> None:
    record = records.read(records.RESULTS / "coverage.json")
    (records.DOCS / "harness.md").write_text(page(record))


if __name__ == "__main__":
    main()
