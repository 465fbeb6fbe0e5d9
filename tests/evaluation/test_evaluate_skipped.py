"""What an evaluation cannot know is skipped, with the reason."""

import pytest
import torch
from small_tasks import causes_task, small_data
from test_evaluate import BOUNDS, IDENTITY, evaluate

import zoo
from guides import AmortisedDiscrete, AmortisedNormal, Empty
from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.models.vaes.bernoulli_vae import BernoulliVAE
from zoo.task import Task

OF_ROWS = dict.fromkeys(
    ("posterior_mean_worst", "posterior_sd_worst"),
    "each row has latents of its own, and the largest error over all rows is mostly noise; "
    "posterior_mean_error is over all rows",
)


def test_no_guide_with_an_exact_sum_is_exact():
    found = evaluate(zoo.fit(causes_task(), Empty, objective="enumerate", steps=5))
    truth = found["exact_log_evidence"].value
    for name in BOUNDS:
        assert found[name].value == pytest.approx(truth, rel=IDENTITY)
    assert found["k_hat"].value < 0.5
    moments = ("posterior_mean_error", "posterior_sd_error", "psis_mean_shift", "psis_sd_shift")
    steps = {"bound_rise": "Expected at least 80 steps to compare; got 5."}
    left = dict.fromkeys(moments, "the guide draws nothing") | OF_ROWS
    assert found.skipped == left | steps


def vae_task():
    bits = torch.bernoulli(torch.full((40, 6), 0.5))
    data = small_data("bits", bits[:20], bits[20:30], bits[30:])
    return Task("vae", lambda: BernoulliVAE(6, (5,), 2), data)


def test_what_cannot_be_known_is_skipped_with_the_reason():
    found = evaluate(zoo.fit(vae_task(), AmortisedNormal, steps=3), draws=50)
    assert (
        found.skipped
        == {
            "iwae_100": "Expected at least 200 draws for two groups of K = 100; got 50. "
            "Raise draws or lower K.",
            "exact_log_evidence": "the model does not know its log evidence",
            "gap": "the model does not know its log evidence",
            "posterior_mean_error": "the model does not know its posterior",
            "posterior_sd_error": "the model does not know its posterior",
            "bound_rise": "Expected at least 80 steps to compare; got 3.",
        }
        | OF_ROWS
    )
    assert not set(found) & set(found.skipped)
    with pytest.raises(KeyError, match="gap was not computed: the model does not know"):
        found["gap"]
    assert "below the importance-sampled log p" in found.verdict


def test_too_many_states_to_sum_over_are_skipped_with_the_reason():
    model, x = BernoulliLatent(6, (8,), 21), torch.bernoulli(torch.full((4, 6), 0.4))
    fitted = zoo.fit(model, AmortisedDiscrete, x, steps=1, device="cpu")
    metrics = evaluate(fitted, draws=20)
    unknown = {"exact_log_evidence", "gap", "posterior_mean_error", "posterior_sd_error"}
    assert unknown <= set(metrics.skipped)
    for name in unknown:
        assert "at most 1048576 states to enumerate; got 2**21" in metrics.skipped[name]
    assert metrics["elbo"].value < 0
