"""`zoo picture`: the pictures that teach, their metrics against quadrature, and how it says no."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from command_line import call, refused
from PIL import Image

from guides import AmortisedNormal, PerDatum
from zoo.cli.pictures import MAKERS
from zoo.demos import PICTURES
from zoo.demos.amortisation import amortisation, as_record, columns_of, draw_amortisation
from zoo.demos.four_points import (
    GRID_CELLS,
    GRID_END,
    GuidePair,
    evidence,
    four_points,
    gain,
    log_joint,
    over_seeds,
)
from zoo.demos.four_points_picture import draw_four_points
from zoo.evaluation.local_optimisation import Search

ERRORS, AUTODIFF = 5, 1e-4


@pytest.fixture(scope="module")
def found():
    """Two seeds of one family, trained briefly on the plain path."""
    guide_pair = GuidePair(AmortisedNormal, PerDatum)
    return four_points(
        {"diagonal": guide_pair},
        seeds=2,
        steps=300,
        draws=2000,
        search=Search(lr=0.01, block=50, stalls=1, limit=200),
        compile=False,
    )


def is_a_picture(path):
    return np.asarray(Image.open(path).convert("L")).std() > 0


@pytest.mark.thorough
def test_no_bound_passes_the_exact_evidence(found):
    (shown,) = found.values()
    for elbo, exact, gap in zip(shown.elbo, shown.log_evidence, shown.gap, strict=True):
        assert gap.value == pytest.approx(exact.value - elbo.value)
        assert gap.value > -ERRORS * math.hypot(elbo.se, exact.se)
        assert elbo.se > 0


def test_the_parts_of_every_gap_add_up_to_it(found):
    (shown,) = found.values()
    assert len(shown.splits) == len(shown.gap) == 2
    for part, gap in zip(shown.splits, shown.gap, strict=True):
        assert part.approximation.value + part.amortisation.value == pytest.approx(gap.value)
        assert part.approximation.value > -ERRORS * part.approximation.se
        assert part.amortisation.value > -ERRORS * part.amortisation.se


def test_a_gain_is_paired(found):
    """Each seed against itself is nothing, though the seeds differ."""
    (shown,) = found.values()
    assert (gain(shown, shown).value, gain(shown, shown).se) == (0.0, 0.0)
    assert over_seeds(shown.elbo).se > 0
    higher = replace(shown, elbo=[replace(e, value=e.value + 1) for e in shown.elbo])
    assert gain(shown, higher).value == pytest.approx(1)
    assert shown.best is shown.fits[max((0, 1), key=lambda i: shown.elbo[i].value)]


def test_the_quadrature_is_exact(found):
    """Half as many points change little, and importance sampling from the prior agrees."""
    fit = next(iter(found.values())).fits[0]
    exact = evidence(fit)
    assert exact.se < AUTODIFF
    (x,) = fit.task.data.train
    with torch.no_grad():
        z = torch.randn(50_000, 1, 2, generator=torch.Generator().manual_seed(1))
        logits = fit.model.decode(z.to(x))
        p = torch.distributions.Bernoulli(logits=logits).log_prob(x).sum(-1).exp()
    error = float((p.var(0) / p.mean(0) ** 2 / len(p)).sum().sqrt()) / len(x)
    assert abs(float(p.mean(0).log().mean()) - exact.value) < ERRORS * error
    assert log_joint(fit).shape == (4, GRID_CELLS + 1, GRID_CELLS + 1)
    assert GRID_END > 5


def test_the_picture_of_four_points(found, tmp_path):
    assert is_a_picture(draw_four_points(found, tmp_path / "points.png"))
    assert over_seeds(next(iter(found.values())).gap).se > 0


def test_four_points_takes_several_seeds():
    with pytest.raises(ValueError, match="seeds to be a whole number of at least 2; got 1"):
        four_points({}, seeds=1)


def test_the_ladder_of_amortisation(tmp_path):
    guides = {"amortised_normal": AmortisedNormal}
    search = Search(block=20, limit=60)
    ladder = amortisation(
        guides, "amortised_normal", PerDatum, rows=8, steps=60, draws=200, search=search
    )
    assert list(ladder.bounds) == ["amortised_normal", "per_datum"]
    for name in ladder.bounds:
        gap = ladder.gap(name)
        assert gap.value > -ERRORS * gap.se
        assert gap.se > ladder.elbo(name).se  # log p(x) has an error too
    record = json.loads(json.dumps(as_record(ladder)))
    for column in record["rows"].values():
        assert (len(column["value"]), len(column["se"]), column["unit"]) == (8, 8, "nats")
    assert (record["search"]["steps"], record["search"]["settled"]) == (60, False)
    assert "not settled" in record["search"]["says"]
    assert is_a_picture(draw_amortisation(*columns_of(record), tmp_path / "ladder.png"))


def test_names(capsys, monkeypatch):
    printed = call("picture")
    assert all(name in printed for name in PICTURES)
    assert list(MAKERS) == list(PICTURES)
    line = refused(capsys, monkeypatch, "picture", "four_pints")
    assert "No picture named 'four_pints'. Did you mean 'four_points'?" in line


@pytest.mark.slow
def test_a_flow_shares_the_prior_out(tmp_path):
    """By the command line: its bound is above the diagonal normal's by more than 3 errors."""
    call("picture", "four_points", "--out", str(tmp_path))
    record = json.loads((tmp_path / "four_points.json").read_text())
    assert record["gain"]["value"] > 3 * record["gain"]["se"] > 0
    diagonal, flow = (record["metrics"][name] for name in ("diagonal normal", "IAF"))
    for part in ("gap", "approximation gap"):
        assert flow[part]["value"] < diagonal[part]["value"]
    seeds = record["seeds"]["IAF"]
    mean = sum(seed["ELBO"]["value"] for seed in seeds) / len(seeds)
    assert mean == pytest.approx(flow["ELBO"]["value"])
    assert {"command", "commit", "versions", "date", "steps"} < set(record)
    assert is_a_picture(tmp_path / "four_points.png")
