"""The temperature of a relaxed categorical: bias falls and variance rises as it goes to 0."""

from dataclasses import replace

import pytest
from cases import ERRORS

import zoo
from guides import AmortisedDiscrete, Relaxed
from zoo.models.discrete.categorical_vae import CategoricalVAE
from zoo.objectives import MeanFieldKL

WARM, COLD = 1.0, 0.2


def rows_at(temperatures):
    """Gumbel-softmax against the exact gradient, a sum over 9 states; a short fit before."""
    task = replace(zoo.load("categorical_vae"), build=lambda: CategoricalVAE(64, 2, 3, (8,)))
    found = zoo.measure_gradients(
        task,
        AmortisedDiscrete,
        [zoo.Estimator("relaxed", MeanFieldKL(), Relaxed)],
        at="trained",
        training="rloo",
        steps=30,
        lr=0.05,
        rows=4,
        draws=4096,
        tune=1,
        temperatures=temperatures,
        device="cpu",
    )
    return found.rows


@pytest.mark.slow
def test_bias_falls_and_variance_rises_as_it_cools():
    cold, warm = rows_at((COLD, WARM))
    assert (cold.temperature, warm.temperature) == (COLD, WARM)
    assert cold.reference.startswith("sum over")
    biases = warm.bias["relative"] - cold.bias["relative"]
    errors = (warm.bias["relative_se"] ** 2 + cold.bias["relative_se"] ** 2) ** 0.5
    assert biases > ERRORS * errors
    spread = [row.variance["encoder"] for row in (cold, warm)]
    error = (spread[0].se ** 2 + spread[1].se ** 2) ** 0.5
    assert spread[0].value - spread[1].value > ERRORS * error
