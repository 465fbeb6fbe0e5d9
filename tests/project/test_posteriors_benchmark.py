"""Guides against truth: the committed fits, their page, and a few fits anew."""

import pytest
import torch

from benchmarks import records
from benchmarks.pages.posteriors import EARLIER, afterwards, page
from benchmarks.posteriors.__main__ import RESULT, key_of, ordered, run
from benchmarks.posteriors.fits import errors, guides_on, is_judged, is_wrong, row_of, says_well
from benchmarks.posteriors.targets import TARGETS, Truth, truth_of

RECORD = records.read(records.RESULTS / RESULT)
ROWS = RECORD["rows"]
QUICK = {"mean_field", "full_rank", "laplace", "pathfinder", "multi_pathfinder", "score_matched"}
BY_NAME = {target.name: target for target in TARGETS}


def test_the_page_is_that_of_the_results():
    assert (records.DOCS / "posteriors.md").read_text() == page(RECORD)


def test_every_posterior_was_fitted_by_guides_that_go_on_it():
    assert {row["target"] for row in ROWS} == set(BY_NAME)
    assert len({key_of(row) for row in ROWS}) == len(ROWS)
    for name in BY_NAME:
        fitted = {row["guide"] for row in ROWS if row["target"] == name}
        assert QUICK <= fitted <= set(RECORD["suitable"][name])


def test_twelve_guides_were_fitted_to_twenty_five_posteriors():
    guides = {name: {r["guide"] for r in ROWS if r["target"] == name} for name in BY_NAME}
    assert sum(len(found) >= 12 for found in guides.values()) >= 25


def test_what_goes_on_a_posterior_is_as_recorded():
    target = BY_NAME["banana"]
    assert set(RECORD["suitable"][target.name]) <= set(guides_on(target.load()))


def test_the_verdict_rarely_trusts_a_wrong_fit():
    judged = [row for row in ROWS if is_judged(row)]
    missed = [row for row in judged if is_wrong(row) and says_well(row)]
    assert len(missed) < 0.02 * len(judged)


def test_fits_under_the_present_rules_are_counted_apart():
    row = {"guide": "full_rank", "target": "banana", "mean_worst": 0.1, "sd_worst": 0.1}
    yes, no = ({"verdict": {"draws": answer}} for answer in ("yes", "no"))
    old, new = {"commit": EARLIER[0] + "f" * 33}, {"commit": "new"}
    rows = [row | old | yes, row | new | yes, row | new | no, row | new | no | {"sd_worst": 0.3}]
    said = " ".join(afterwards(rows).split())
    assert "3, of `full_rank`. 1 are not well. 1 are trusted, on 1 posteriors; 0 of these" in said
    assert "below 95.0%" in said


def test_errors_are_in_posterior_sds_and_relative():
    truth = Truth({"z": (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 10.0]))}, None, "exact")
    z = torch.tensor([[-1.0], [1.0]]).expand(2, 2) * torch.tensor([2.0, 5.0])
    found = errors({"z": (z + torch.tensor([1.0, 7.0])).double()}, truth)
    sd = z.std(0) / torch.tensor([1.0, 10.0]) - 1
    assert found["mean_worst"] == pytest.approx(0.5)
    assert found["mean_rms"] == pytest.approx(0.5 / 2**0.5)
    assert found["sd_worst"] == pytest.approx(float(sd.abs().max()))
    assert is_wrong(found)


def test_a_fit_anew_is_the_committed_one():
    target = BY_NAME["linear_regression"]
    row = row_of(target, truth_of(target.load()), "full_rank", 0)
    (old,) = (one for one in ROWS if key_of(one) == key_of(row))
    assert not is_wrong(row)
    assert row["verdict"]["draws"] == old["verdict"]["draws"] == "yes"


def test_a_run_goes_on_where_its_file_ends(tmp_path, monkeypatch):
    made = []

    def fake(target, truth, guide, seed):
        made.append((target.name, guide, seed))
        return {"target": target.name, "guide": guide, "seed": seed, "refused": "for the test"}

    monkeypatch.setattr("benchmarks.posteriors.__main__.row_of", fake)
    targets, out = [BY_NAME["banana"]], tmp_path / "rows.json"
    run(targets, ["mean_field"], 1, out)
    run(targets, ["mean_field", "full_rank"], 2, out)
    assert sorted(made) == sorted(set(made))
    assert len(made) == 4
    rows = records.read(out)["rows"]
    assert rows == ordered(rows)
    assert [key_of(row)[1:] for row in rows] == [
        ("full_rank", 0), ("full_rank", 1), ("mean_field", 0), ("mean_field", 1)
    ]  # fmt: skip
