"""`zoo picture`: the pictures that teach, their figures against quadrature, and how it says no."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from test_cli import call, refused

from guides import AmortisedNormal, PerDatum
from zoo.cli_picture import PICTURES
from zoo.local import Search
from zoo.pictures.amortisation import amortisation, as_record, draw_amortisation
from zoo.pictures.draw_four_points import draw_four_points
from zoo.pictures.four_points import (
    CELLS,
    REACH,
    Rival,
    evidence,
    four_points,
    log_joint,
    over_seeds,
)

ERRORS, AUTODIFF = 5, 1e-4


@pytest.fixture(scope="module")
def found():
    """Two seeds of one family, trained briefly on the plain path."""
    rival = Rival(AmortisedNormal, PerDatum)
    return four_points({"diagonal": rival}, seeds=2, steps=300, draws=2000, compile=False)


def is_a_picture(path):
    return np.asarray(Image.open(path).convert("L")).std() > 0


def test_no_bound_passes_the_exact_evidence(found):
    (shown,) = found.values()
    for elbo, exact, gap in zip(shown.elbo, shown.log_evidence, shown.gap, strict=True):
        assert gap.value == pytest.approx(exact.value - elbo.value)
        assert gap.value > -ERRORS * math.hypot(elbo.se, exact.se)
        assert elbo.se > 0
    parts = sum(figure.value for figure in shown.split.values())
    error = math.hypot(*(figure.se for figure in shown.split.values()), shown.gap[0].se)
    assert abs(parts - shown.gap[0].value) < ERRORS * error


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
    assert log_joint(fit).shape == (4, CELLS + 1, CELLS + 1)
    assert REACH > 5


def test_the_picture_of_four_points(found, tmp_path):
    assert is_a_picture(draw_four_points(found, tmp_path / "points.png"))
    assert over_seeds(next(iter(found.values())).gap).se > 0


def test_four_points_takes_several_seeds():
    with pytest.raises(ValueError, match="at least 2 seeds, for error bars; got 1"):
        four_points({}, seeds=1)


def test_the_ladder_of_amortisation(tmp_path):
    guides = {"amortised_normal": AmortisedNormal}
    search = Search(block=20, stalls=1, limit=100)
    ladder = amortisation(
        guides, "amortised_normal", PerDatum, rows=8, steps=60, draws=200, search=search
    )
    assert list(ladder.bounds) == ["amortised_normal", "per_datum"]
    for name in ladder.bounds:
        gap = ladder.gap(name)
        assert gap.value > -ERRORS * gap.se
    record = json.loads(json.dumps(as_record(ladder)))
    assert len(record["rows"]["log_evidence"]) == 8
    assert is_a_picture(draw_amortisation(ladder, tmp_path / "ladder.png"))


def test_names(capsys, monkeypatch):
    printed = call("picture")
    assert all(name in printed for name in PICTURES)
    line = refused(capsys, monkeypatch, "picture", "four_pints")
    assert "No picture named 'four_pints'. Did you mean 'four_points'?" in line


@pytest.mark.slow
def test_a_flow_shares_the_prior_out(tmp_path):
    """By the command line: the flow's gap is below the diagonal normal's, with error bars."""
    call("picture", "four_points", "--out", str(tmp_path), "--seeds", "3", "--steps", "3000")
    record = json.loads((tmp_path / "four_points.json").read_text())
    diagonal, flow = (record["figures"][name]["gap"] for name in ("diagonal normal", "IAF"))
    assert flow["value"] < diagonal["value"]
    assert record["gain"]["value"] > 0
    assert is_a_picture(tmp_path / "four_points.png")
