"""The verdict against known posteriors: the committed table, and a few fits anew."""

import pyro
import pytest
import torch
from pyro import poutine

from benchmarks import records
from benchmarks.evaluation import verdict_problems, verdicts
from benchmarks.pages.verdicts import in_short, page

RECORD = records.read(records.RESULTS / "verdicts.json")
ROWS = RECORD["rows"]


def test_the_page_is_that_of_the_results():
    assert (records.DOCS / "verdict.md").read_text() == page(RECORD)


def test_there_are_300_fits_of_every_family_guide_and_fault():
    benchmark = verdicts
    assert len({row["seed"] for row in ROWS}) == len(ROWS) == 300
    assert min(RECORD["seeds"]) >= benchmark.UNSEEN
    assert {row["family"] for row in ROWS} == set(benchmark.FAMILIES)
    assert {row["guide"] for row in ROWS} == set(benchmark.GUIDES)
    assert {row["fault"]["kind"] for row in ROWS} == set(benchmark.KINDS)
    wrong = sum(map(benchmark.is_wrong, ROWS))
    assert 0.25 * len(ROWS) < wrong < 0.75 * len(ROWS)


def test_the_answers_are_those_of_todays_rules():
    again = [verdicts.judged_again(row) for row in ROWS]
    assert [row["verdict"] for row in again] == [row["verdict"] for row in ROWS]


def test_fits_that_are_judged_again_keep_their_date(tmp_path):
    out = tmp_path / "verdicts.json"
    records.write(out, RECORD | {"date": "2001-01-01"})
    assert verdicts.judge_again(out) == ROWS
    assert records.read(out) == RECORD | {"date": "2001-01-01"}
    other = [ROWS[0] | {"verdict": {}}, *ROWS[1:]]
    records.write(out, RECORD | {"date": "2001-01-01", "rows": other})
    first, *rest = verdicts.judge_again(out)
    found = records.read(out)
    assert (found["date"], found["rows"]) == ("2001-01-01", [first, *rest])
    assert (first["verdict"], rest) == (ROWS[0]["verdict"], ROWS[1:])
    assert "1 answers are of " + first["judged_again"] in page(found)
    assert "no limit and no rule" not in in_short(found)


def test_few_wrong_fits_get_a_yes_and_few_right_ones_do_not():
    """At most 2 % of wrong fits a yes, and at most 20 % of right ones anything else."""
    counts = verdicts.confusion(ROWS)
    wrong, right = counts["wrong"], counts["right"]
    assert wrong["yes"] <= 0.02 * sum(wrong.values())
    assert right["no"] + right["cannot tell"] <= 0.2 * sum(right.values())


SEEDS = (3, 2, 22)  # a coin as it should be, a scale that is off, two hills of which one is missed


@pytest.mark.thin(3)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_fit_anew_is_judged_rightly(seed):
    benchmark = verdicts
    row = benchmark.one(seed)
    expected = "no" if benchmark.is_wrong(row) else "yes"
    assert row["verdict"]["draws"]["answer"] == expected


FAMILIES = (
    "normal_mean",
    "regression",
    "coin",
    "rate",
    "shares",
    "logistic",
    "location_scale",
    "schools",
    "funnel",
    "square",
    "clusters",
    "banana",
    "islands",
)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_truth_agrees_with_a_long_importance_sample(family):
    """Prior draws weighted by the likelihood: what closed forms and quadratures rest on."""
    problem = verdict_problems.FAMILIES[family](torch.Generator().manual_seed(3))
    count = 200_000

    def wide(*args):
        with pyro.plate("particles", count, dim=-2):
            return problem.model(*args)

    with torch.no_grad():
        trace = poutine.trace(wide).get_trace(*problem.args)
        trace.compute_log_prob()
    data = [site["log_prob"] for site in trace.nodes.values() if site.get("is_observed")]
    log_w = sum(part.reshape(count, -1).sum(1) for part in data)
    w = log_w.softmax(0)[:, None]
    for name, (mean, sd) in problem.truth.items():
        z = trace.nodes[name]["value"].reshape(count, -1)
        found = (w * z).sum(0)
        error = (w.square() * (z - found).square()).sum(0).sqrt()
        assert ((found - mean).abs() < 5 * error + 1e-3 * sd).all()
        square = (z - found).square()
        variance = (w * square).sum(0)
        error = (w.square() * (square - variance).square()).sum(0).sqrt()
        assert ((variance - sd.square()).abs() < 5 * error + 1e-2 * sd.square()).all()
