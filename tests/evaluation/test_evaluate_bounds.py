"""Bounds against the exact evidence, over models, guides and seeds."""

import pytest
import torch
from small_tasks import ppca_task

import zoo
from guides import IAF, AmortisedFullRank, FullRank, MeanField
from zoo.evaluation.evaluate import QUICKEST

IDENTITY = 1e-8
BOUNDS = ("elbo", "iwae_10", "iwae_100", "log_evidence")


@pytest.mark.thin(18)
@pytest.mark.parametrize("model", ["eight_schools", "eight_schools_noncentred"])
@pytest.mark.parametrize("guide", [MeanField, FullRank, IAF])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_bound_passes_the_exact_evidence(model, guide, seed):
    result = zoo.fit(zoo.load(model), guide, steps=150, seed=seed)
    found = zoo.evaluate(result, metrics=QUICKEST, seed=seed)
    for name in BOUNDS:
        assert found[name].value - 5 * found[name].se < found["exact_log_evidence"].value


@pytest.mark.slow
def test_training_reaches_the_closed_form():
    task = ppca_task(rows=300, features=8)
    (x,) = task.split("train")
    result = zoo.fit(task, AmortisedFullRank, steps=6000, lr=3e-3, batch_size=100)
    best, by_em = task.build(), task.build()
    best.fit_closed_form(x)
    by_em.fit_em(x, 2000)
    with torch.no_grad():
        trained, exact, em = (m.log_evidence(x).mean() for m in (result.model, best, by_em))
    torch.testing.assert_close(em, exact, rtol=IDENTITY, atol=IDENTITY)
    assert exact - 0.1 < trained <= exact + IDENTITY
