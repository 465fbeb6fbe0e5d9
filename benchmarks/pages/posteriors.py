"""docs/posteriors.md and its pictures, from the committed results.

python -m benchmarks.posteriors
python -m benchmarks.pages.posteriors
"""

import math
from statistics import median
from typing import Any

from benchmarks import markdown, records
from benchmarks.intervals import CONFIDENCE, upper_bound
from benchmarks.pages.pictures import keep_small
from benchmarks.posteriors.__main__ import RESULT
from benchmarks.posteriors.fits import SAMPLES, Row, is_judged, is_wrong, says_well
from benchmarks.posteriors.pictures import cells_of, grid, names_in, planes
from benchmarks.posteriors.targets import TARGETS, WITHOUT_TRUTH
from zoo.evaluation.verdict_draws import BLIND as AS_FAR
from zoo.metrics.moment_shift import MEAN_OFF, SD_OFF

HEADS = (
    "guide",
    "seeds",
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

Each fit has the defaults of `zoo.fit`: the number of steps, the rate and the start that a user
gets who changes nothing. Models are held fixed. Then

- *mean* is the error of the guide's means, in posterior standard deviations, and *sd* the relative
  error of its standard deviations: the largest over all coordinates, and their root mean square in
  brackets, by {SAMPLES:,} draws of the guide. The truth is a closed form, a quadrature, exact
  draws, or a long run of NUTS that passed its checks.
- *gap* is how far the ELBO is below the log evidence, where that is known: KL(q || p).
- *k-hat* describes the tail of the importance weights; above 0.7, estimates from the weights
  mislead. The verdict may trust the draws all the same, where particles from the prior agree with
  them.
- *W2* is the sliced Wasserstein-2 distance to draws of the posterior, in posterior sds. 500 draws
  that are exact have one of about 0.1, more in many dimensions.
- *seconds* are those of the fit, compiling included, on two cores that others used too; they say
  which is dear, and no more. *Gradients* are evaluations of log p(x, z).
- *draws trusted?* is what the verdict said, which is told nothing of the truth; where seeds
  differ, each has its answer.

Tables show medians over the seeds of a pair; of two, that is their mean. ± is the Monte Carlo
error of one fit; it does not show how seeds differ. A fit is **well** where no mean is off by more
than {MEAN_OFF} posterior sds and no sd by more than {SD_OFF:.0%}, in any coordinate; of curved
posteriors few are.
"""
MANY_WELL = "many_well"  # the posterior that the verdict's rule for many modes was written on
# Commits before the verdict's present rules; each row names the one that it was fitted at.
EARLIER = (
    "0702bba", "116822f", "2b10b15", "3221bb5", "381785e", "49cb4c5", "617daf4", "70273c0",
    "7e22091", "94da9cd", "991263d", "ac15db5", "acf1905", "af6f004", "bb433fb", "c55a0db",
    "f372f66", "f83c0ab", "fd824f5",
)  # fmt: skip


def history(rows: list[Row]) -> str:
    """Which rules were written after which fits, so that the table is no test of them."""
    before = [row for row in rows if row.get("trusted_before")]
    wrong = [f"{row['guide']} on {row['target']}" for row in before if is_wrong(row)]
    judged = [row for row in rows if is_judged(row)]
    old = [row for row in judged if row["commit"].startswith(EARLIER)]
    then = before + [row for row in old if says_well(row)]
    return f"""Two rules of the verdict were written after most of these fits:

- A posterior with very many modes is called multimodal, and no guide is trusted there.
  The first run had trusted three normals in one corner of `{MANY_WELL}`, which was fitted again.
- Moments under smoothed importance weights support a "yes" only where the weights themselves are
  trusted. A model outside this table had been trusted with means off by 0.25 sds. Applied to the
  stored answers, this turned {len(before)} "yes" into "cannot tell"; {len(wrong)} of them was not
  well ({", ".join(wrong)}). Before, {sum(map(is_wrong, then))} of {len(then)} trusted fits was not
  well."""


def afterwards(rows: list[Row]) -> str:
    """How the verdict does on the fits that were made under its present rules."""
    new = [row for row in rows if is_judged(row) and not row["commit"].startswith(EARLIER)]
    trusted = [row for row in new if says_well(row)]
    places, guides = {row["target"] for row in trusted}, names_in(new)[1]
    off, wrong = sum(map(is_wrong, new)), sum(map(is_wrong, trusted))
    return f"""So the table is no independent test. The fits made since are one: {len(new)}, of
{", ".join(f"`{name}`" for name in guides)}. {off} are not well. {len(trusted)} are trusted, on
{len(places)} posteriors; {wrong} of these are not well. Were the {len(trusted)} independent, the
share of wrong ones among the trusted would be below {upper_bound(wrong, len(trusted)):.1%}, with
{CONFIDENCE:.0%} confidence."""


def page(record: dict[str, Any]) -> str:
    rows = record["rows"]
    parts = [
        introduction(record),
        "![Largest errors of each guide on each posterior](posteriors.png)",
        "Colours are errors; ✓: the verdict trusts the draws of every seed, ·: of some, ✗: of one "
        "that is off. White: not fitted, the guide does not go on that posterior or refused, or "
        "its draws are not finite.",
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
    rows, suitable = record["rows"], record["suitable"]
    targets, guides = names_in(rows)
    exact = [name for name in targets if record["truth"][name] != "NUTS"]
    seeds = len({row["seed"] for row in rows})
    fitted = {(row["target"], row["guide"]) for row in rows}
    absent = sorted({name for found in suitable.values() for name in found} - set(guides))
    pairs = {(target, name) for target, found in suitable.items() for name in found}
    missing = {(target, name) for target, name in pairs - fitted if name in guides}
    return f"""# Guides against truth

Which guide gets which posterior right, at what cost, and does the verdict notice when it does not?
{len(rows)} fits of {len(guides)} guides to {len(targets)} posteriors whose means and standard
deviations are known: {len(exact)} exactly, {len(targets) - len(exact)} by long runs of NUTS.
Guides that take seconds have up to {seeds} seeds, others one or two. What takes long is left out:
{", ".join(f"`{name}`" for name in absent)}, and {len(missing)} pairs of the guides that are here.

```
python -m benchmarks.posteriors          # goes on where its file ends
python -m benchmarks.pages.posteriors    # this page
zoo compare eight_schools --hold --guides all
```

The last line compares all guides on a model of your choice, by the gap and k-hat. The last fits
were made on {record["date"]} with torch {record["versions"]["torch"]}."""


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
    blind = sum(AS_FAR in row["reason"] for row in trusted)
    pairs = len({(row["target"], row["guide"]) for row in trusted})
    places = len({row["target"] for row in trusted})
    refused, endless = sum("refused" in row for row in rows), sum(map(_is_endless, judged))
    parts = [
        "## Does the verdict notice?",
        markdown.table(("the fit is", "fits", "trusted", "cannot tell", "not trusted"), lines),
        f"Trusted and not well: {len(missed)} of {len(judged)} fits{':' if missed else '.'}",
        "\n".join(map(_case, missed)),
        f"The {len(trusted)} trusted fits are no independent trials: they are seeds of {pairs} "
        f"pairs, on {places} posteriors. {len(trusted) - blind} of them were held against "
        f"particles that start from the prior; the other "
        f'{blind} are trusted "{AS_FAR}". {refused} refused fits are not judged; {endless} whose '
        "draws are not finite are not well.",
        history(rows),
        afterwards(rows),
    ]
    return "\n\n".join(filter(None, parts))


def _is_endless(row: Row) -> bool:
    return not math.isfinite(row["mean_worst"])


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
        str(len(rows)),
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
    value, se = map(median, zip(*found, strict=True))
    return f"{value:.2f} ± {se:.2f}"


def main() -> None:
    record = records.read(records.RESULTS / RESULT)
    (records.DOCS / "posteriors.md").write_text(page(record))
    grid(record, records.DOCS / "posteriors.png")
    planes(record, records.DOCS / "posteriors_planes.png")
    keep_small(records.DOCS)


if __name__ == "__main__":
    main()
