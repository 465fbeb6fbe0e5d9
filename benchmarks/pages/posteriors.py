"""docs/posteriors.md and its pictures, from the committed results.

python -m benchmarks.posteriors
python -m benchmarks.pages.posteriors
"""

from statistics import median
from typing import Any

from benchmarks import markdown, records
from benchmarks.intervals import upper_bound
from benchmarks.pages.pictures import keep_small
from benchmarks.posteriors.__main__ import RESULT
from benchmarks.posteriors.fits import SAMPLES, Row, is_judged, is_wrong, says_well
from benchmarks.posteriors.pictures import cells_of, grid, names_in, planes
from benchmarks.posteriors.targets import TARGETS, WITHOUT_TRUTH
from zoo.metrics.moment_shift import MEAN_OFF, SD_OFF

HEADS = (
    "guide",
    "mean, worst (RMS)",
    "sd, worst (RMS)",
    "gap, nats",
    "k-hat",
    "W2",
    "seconds",
    "gradients",
    "draws trusted?",
)
HOW = f"""## How to read it

Every guide is fitted to every posterior with the defaults of `zoo.fit`: the number of steps, the
rate and the start that a user gets who changes nothing. Models are held fixed. Then

- *mean* is the error of the guide's means, in posterior standard deviations, and *sd* the relative
  error of its standard deviations: the largest over all coordinates, and their root mean square in
  brackets, by {SAMPLES:,} draws of the guide. The truth is a closed form, a quadrature, exact
  draws, or a long run of NUTS that passed its checks.
- *gap* is how far the ELBO is below the log evidence, where that is known: KL(q || p).
- *k-hat* is the shape of the tail of the importance weights; weights above 0.7 mislead.
- *W2* is the sliced Wasserstein-2 distance to draws of the posterior, in posterior sds. 500 draws
  that are exact have one of about 0.1, more in many dimensions.
- *seconds* are those of the fit, compiling included, on two cores that others used too; they say
  which is dear, and no more. *Gradients* are evaluations of log p(x, z).
- *draws trusted?* is what the verdict said, which is told nothing of the truth; where seeds
  differ, each has its answer.

Tables show medians over the seeds of a pair. A fit is **well** where no mean is off by more than
{MEAN_OFF} posterior sds and no sd by more than {SD_OFF:.0%}, in any coordinate; of curved ones few
are. Refused fits are not judged.
"""


MENDED = "many_well"  # the posterior that the verdict's rule for many modes was written on
BEFORE = ("381785e", "f372f66", "94da9cd", "7e22091", "991263d", "70273c0", "f83c0ab")  # that rule


def afterwards(rows: list[Row]) -> str:
    """How the verdict does on fits that its last rule was not written on."""
    new = [row for row in rows if is_judged(row) and row["target"] != MENDED]
    new = [row for row in new if not row["commit"].startswith(BEFORE)]
    trusted = [row for row in new if says_well(row)]
    off, wrong = sum(map(is_wrong, new)), sum(map(is_wrong, trusted))
    return f"""The first run of this table trusted three normals that sat in one of the corners of
`{MENDED}`. The rule that names so many modes was written after that, and these fits were made
anew. Of the {len(new)} fits of other posteriors that were made after the rule, {off} are not
well; the verdict trusts {len(trusted)}, of which {wrong} are not well. Each row of the results
names its commit.

{_stricter(rows)}"""


def _stricter(rows: list[Row]) -> str:
    """What the rule on smoothed weights, made after these fits, has changed."""
    before = [row for row in rows if row.get("trusted_before")]
    wrong = [f"{row['guide']} on {row['target']}" for row in before if is_wrong(row)]
    return f"""Smoothed weights now vouch for draws only where the weights are trusted too. Another
model, groups indexed within rows, had been trusted with means off by 0.25 sds. That rule was
applied to the stored answers of the fits before it: {len(before)} that were trusted are "cannot
tell" here, of which {len(wrong)} ({", ".join(wrong)}) are not well."""


def page(record: dict[str, Any]) -> str:
    rows = record["rows"]
    parts = [
        introduction(record),
        "![Largest errors of each guide on each posterior](posteriors.png)",
        "Colours are errors; ✓: the verdict trusts the draws of every seed, ·: of some, ✗: of one "
        "that is off. White: not fitted, or the guide does not go on that posterior.",
        HOW,
        confusion(rows),
        "## Two latents, seen",
        "![Densities and draws in the plane](posteriors_planes.png)",
        "Grey: the density, down to 6 nats below its highest point, within 2.8 sds of its mean. "
        "Blue: 200 draws of a guide; a panel without draws was not fitted, or its guide refused.",
        "## Posterior by posterior",
        *(section(record, name) for name in names_in(rows)[0]),
        "## Without a truth",
        "No reference passed its checks, so that no fit can be judged:",
        "\n".join(f"- `{name}`: {why}." for name, why in WITHOUT_TRUTH.items()),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def introduction(record: dict[str, Any]) -> str:
    """What was asked, of how many fits, and how it was made."""
    rows = record["rows"]
    targets, guides = names_in(rows)
    seeds = len({row["seed"] for row in rows})
    pairs = sum(map(len, record["suitable"].values()))
    fitted = len({(row["target"], row["guide"]) for row in rows})
    left = f" Of {pairs} pairs of a posterior and a guide that goes on it, {fitted} were fitted."
    return f"""# Guides against truth

Which guide gets which posterior right, at what cost, and does the verdict notice when it does not?
{len(rows)} fits of {len(guides)} guides to {len(targets)} posteriors whose means and standard
deviations are known, {"one seed each" if seeds == 1 else f"on up to {seeds} seeds"}.{left}

```
python -m benchmarks.posteriors          # goes on where its file ends
python -m benchmarks.pages.posteriors    # this page
zoo compare eight_schools --hold --guides all
```

The last line makes one such table for a model of your choice. {record["date"]}, torch
{record["versions"]["torch"]}."""


def confusion(rows: list[Row]) -> str:
    """What the verdict said of the draws against the truth, and every mistake by name."""
    judged = [row for row in rows if is_judged(row)]
    lines = []
    for name, keep in (("well", False), ("not well", True)):
        found = [row for row in judged if is_wrong(row) is keep]
        answers = [row["verdict"]["draws"] for row in found]
        counts = [answers.count(answer) for answer in ("yes", "cannot tell", "no")]
        lines.append([name, str(len(found)), *map(str, counts)])
    missed = [row for row in judged if is_wrong(row) and says_well(row)]
    trusted = [row for row in judged if says_well(row)]
    parts = [
        "## Does the verdict notice?",
        markdown.table(("the fit is", "fits", "trusted", "cannot tell", "not trusted"), lines),
        f"Trusted and not well: {len(missed)} of all {len(judged)} fits, {len(missed)} of the "
        f"{len(trusted)} that are trusted. Were the fits independent, these shares would be below "
        f"{upper_bound(len(missed), len(judged)):.1%} and "
        f"{upper_bound(len(missed), len(trusted)):.1%}, "
        f"with 95 % confidence{':' if missed else '.'}",
    ]
    if missed:
        parts.append("\n".join(map(_case, missed)))
    parts.append(afterwards(rows))
    return "\n\n".join(parts)


def _case(row: Row) -> str:
    return (
        f"- {row['target']}, {row['guide']}, seed {row['seed']}: mean off by "
        f"{row['mean_worst']:.2f} sd, sd by {row['sd_worst']:.0%}; said: {row['reason']}"
    )


def section(record: dict[str, Any], name: str) -> str:
    """One posterior: what it is, and a line for each guide."""
    rows = [row for row in record["rows"] if row["target"] == name]
    (target,) = (one for one in TARGETS if one.name == name)
    cells, truth = cells_of(rows), record["truth"][name]
    known = {"exact": "Exact moments.", "NUTS": "Reference draws by NUTS."}.get(truth, "")
    lines = [_line(guide, cells[name, guide]) for _, guide in cells]
    refused = {row["guide"]: row["refused"] for row in rows if "refused" in row}
    parts = [f"### {name}", f"{target.what[0].upper()}{target.what[1:]}. {known}".strip()]
    parts.append(markdown.table(HEADS, lines))
    parts += [f"`{guide}` refuses: {why}" for guide, why in refused.items()]
    return "\n\n".join(parts)


def _line(guide: str, rows: list[Row]) -> list[str]:
    def of(name: str) -> float:
        return median(row[name] for row in rows)

    answers = [row["verdict"]["draws"] for row in rows]
    said = answers[0] if len(set(answers)) == 1 else ", ".join(answers)
    return [
        guide,
        *(f"{of(f'{n}_worst'):.2g} ({of(f'{n}_rms'):.2g})" for n in ("mean", "sd")),
        *(_metric(rows, name) for name in ("gap", "k_hat", "sliced_wasserstein_2")),
        f"{of('seconds'):.1f}",
        f"{of('gradients'):,.0f}",
        said,
    ]


def _metric(rows: list[Row], name: str) -> str:
    found = [row["metrics"][name] for row in rows if name in row["metrics"]]
    if not found:
        return "-"
    value, se = sorted(found)[len(found) // 2]
    return f"{value:.2f} ± {se:.2f}"


def main() -> None:
    record = records.read(records.RESULTS / RESULT)
    (records.DOCS / "posteriors.md").write_text(page(record))
    grid(record, records.DOCS / "posteriors.png")
    planes(record, records.DOCS / "posteriors_planes.png")
    keep_small(records.DOCS)


if __name__ == "__main__":
    main()
