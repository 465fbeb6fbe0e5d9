"""Importance weights by machine code are the plain ones, drawn from the same random state."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from small_tasks import fitted_ppca_task

import zoo
from guides import AmortisedNormal, PerDatum
from zoo.compile import drawing
from zoo.evidence import StreamedBound
from zoo.isolation import isolated
from zoo.sampling import importance_weights
from zoo.sampling.importance_weights import log_mean_weights, weight_chunks


@pytest.fixture
def compiled(monkeypatch):
    """Compiles however few weights are asked for; the list tells for which code there was."""
    found = []

    def noted(*args):
        found.append(compile_draw(*args))
        return found[-1]

    compile_draw = drawing.compiled_draw
    monkeypatch.setattr(importance_weights, "COMPILED_FROM", 0)
    monkeypatch.setattr(importance_weights, "MOST_WEIGHTS_AT_ONCE", 64)
    monkeypatch.setattr(drawing, "compiled_draw", noted)
    return found


def drawn(chunks):
    with isolated(seed=3):
        return [chunk.clone() for chunk in chunks()]


@pytest.mark.parametrize("family", [AmortisedNormal, PerDatum])
def test_code_gives_the_plain_weights(family, compiled, monkeypatch):
    """Rows and draws are no multiples of what is weighed at once, so that both ways are mixed."""
    fit = zoo.fit(fitted_ppca_task(), family, steps=5)
    args = fit.task.data.train
    monkeypatch.setattr(importance_weights, "ROWS_AT_ONCE", 20)
    ways = [
        lambda: weight_chunks(fit.program, args, 3),
        lambda: log_mean_weights(fit.program, args, 10, 2),
    ]
    fast = [drawn(way) for way in ways]
    assert len(compiled) == 2
    assert all(code is not None for code in compiled)
    monkeypatch.setattr(importance_weights, "COMPILED_FROM", float("inf"))
    for found, way in zip(fast, ways, strict=True):
        for chunk, plain in zip(found, drawn(way), strict=True):
            torch.testing.assert_close(chunk, plain, rtol=1e-8, atol=1e-8)


def test_a_model_that_reads_values_is_weighed_plainly(compiled):
    def model(x):
        with pyro.plate("rows", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0 if float(x.abs().max()) < 1e9 else 2.0), obs=x)

    x = torch.randn(30)
    fit = zoo.fit(model, pyro.infer.autoguide.AutoNormal, x, steps=50)
    figure = zoo.evaluate(fit, metrics=[StreamedBound(50)])["iwae_50"]
    truth = dist.Normal(0.0, 2**0.5).log_prob(x).mean().item()
    assert set(compiled) <= {None}
    assert figure.value <= truth + 5 * figure.se
