"""docs/verdict.md, from the committed results.

python -m benchmarks.evaluation.verdicts --out benchmarks/results/verdicts.json
python -m benchmarks.pages.verdicts
"""

from benchmarks import records
from benchmarks.evaluation.verdicts import SAMPLES, by, confusion, is_wrong, table
from benchmarks.intervals import CONFIDENCE, upper_bound
from zoo.metrics.moment_shift import MEAN_OFF, SD_OFF

TO_KNOW = f"""## What to know

- It says yes or no to means and sds. A guide with these right and another shape, or with the right
  marginals and another dependence, may get a yes; two-sample tests and SBC ask for more, and are
  counted where they were computed.
- What the guide never visits, its own weights cannot see. Particles that start from the prior are
  run by default where there are at most 30 numbers to move and little data; elsewhere a yes says
  "as far as the guide's own draws can see", and `metrics=["smc"]` or `["ais"]` look further.
- Right fits near the limits of {MEAN_OFF} sds and {SD_OFF:.0%} are where most "cannot tell" comes
  from; more draws narrow them.
"""


def page(record: dict) -> str:
    rows = record["rows"]
    parts = [
        introduction(record),
        table(rows),
        trusted(rows),
        said(rows),
        "By family of models, by guide and by fault:",
    ]
    parts += [by(rows, key) for key in ("family", "guide", "fault")]
    return "\n\n".join([*parts, TO_KNOW])


def introduction(record: dict) -> str:
    """What was asked, of how many fits, and how it was measured."""
    rows, seeds = record["rows"], record["seeds"]
    wrong = sum(map(is_wrong, rows))
    return f"""# Is the verdict right?

`zoo.evaluate(fit).verdict` answers three questions with yes, no, or cannot tell: is the bound what
it should be, may the importance weights be trusted, and may the guide's own draws be trusted? Its
limits, with their sources, are in the files `verdict_*.py` of `zoo/evaluation/`. A metric that is
missing is never taken for a good one.

Here the third answer is set against the truth: {len(rows)} random fits of small models whose
posterior means and sds are known in closed form or by quadrature, with random guides, some spoilt
on purpose. A fit is **wrong** where a mean is off by more than {MEAN_OFF} posterior sds or an sd
by more than {SD_OFF:.0%}, in any coordinate ({wrong} fits), by {SAMPLES:,} draws of the guide;
else it is **right**. The verdict is made of the weights, of the moments under smoothed weights, of
tempered SMC from the prior and of the losses; it is told nothing of the truth. Made by
`python -m benchmarks.evaluation.verdicts --out benchmarks/results/verdicts.json` and
`python -m benchmarks.pages.verdicts` ({record["date"]}, torch {record["versions"]["torch"]}, seeds
{min(seeds)} to {max(seeds)}; {_unseen(rows)}). ± is the binomial standard error after half a fit
is added to each side, so that it is not 0 where the count is."""


def _unseen(rows: list[dict]) -> str:
    """Are the fits a test of the rules that judge them?"""
    days = [row["judged_again"] for row in rows if "judged_again" in row]
    if not days:
        return "no limit and no rule was chosen on them"
    return f"{len(days)} answers are of {max(days)}, after a rule was changed"


def trusted(rows: list[dict]) -> str:
    """How many of the fits that got a yes were wrong, and what the truth may be."""
    counts = confusion(rows)
    wrong = counts["wrong"]["yes"]
    given = wrong + counts["right"]["yes"]
    return (
        f"Yes was said {given} times, and {wrong} of these fits {_was(wrong)} wrong: of such fits "
        f"a share below {upper_bound(wrong, given):.1%}, with {CONFIDENCE:.0%} confidence."
    )


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def in_short(record: dict) -> str:
    """README's paragraph."""
    counts = confusion(record["rows"])
    right, wrong = counts["right"], counts["wrong"]
    total, withheld = sum(right.values()), sum(right.values()) - right["yes"]
    given = right["yes"] + wrong["yes"]
    return (
        f"How often the third answer is right, over {len(record['rows'])} random fits of small "
        f"models ({_unseen(record['rows'])}): yes was said {given} "
        f"times, and {wrong['yes']} of these fits {_was(wrong['yes'])} wrong (of "
        f"{sum(wrong.values())} wrong ones, where a mean is off by more than {MEAN_OFF} posterior "
        f"sds or an sd by more than {SD_OFF:.0%}). It was withheld from {withheld} of {total} "
        "right ones. [docs/verdict.md](docs/verdict.md) has the table. Where more than 30 numbers "
        "are latent the verdict sees less, and says so."
    )


def said(rows: list[dict]) -> str:
    """The mistakes, one by one."""
    lines = []
    for row in rows:
        answer = row["verdict"]["draws"]["answer"]
        if (answer, is_wrong(row)) in (("yes", True), ("no", False)):
            lines.append(
                f"- {answer} to seed {row['seed']} ({row['family']}, {row['guide']}, fault "
                f"{row['fault']['kind']}), mean off by {row['mean_error']:.2f} sd, sd by "
                f"{row['sd_error']:.0%}: {row['verdict']['draws']['reason']}"
            )
    if not lines:
        return "No answer was a mistake."
    counts = confusion(rows)
    yes, no = counts["wrong"]["yes"], counts["right"]["no"]
    head = f"Mistakes: yes to {yes} wrong fits, no to {no} right ones."
    return "\n".join([head, "", *lines])


def main() -> None:
    record = records.read(records.RESULTS / "verdicts.json")
    (records.DOCS / "verdict.md").write_text(page(record))


if __name__ == "__main__":
    main()
