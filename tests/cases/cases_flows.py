"""What the tests say of the flows in the table of models."""

from collections.abc import Callable

from model_case import ModelCase, reals
from torch import nn

from zoo.models.flows.autoregressive import AutoregressiveFlow
from zoo.models.flows.naf import NeuralAutoregressiveDensity
from zoo.models.flows.nsf import NeuralSplineFlow
from zoo.models.flows.realnvp import RealNVP

SMALL = {"depth": 3, "hidden": (8, 7)}
MASKED = (7, 8, 5, 7, 8, 5, 7, 8)  # widths of all networks, from the last to the first


def flow(build: Callable[[], nn.Module], encoder_hidden: tuple[int, ...]) -> ModelCase:
    """A density without latents that observes its rows."""
    return ModelCase(build, reals, {}, ("x",), "data", 5, encoder_hidden)


FLOW_CASES: dict[str, ModelCase] = {
    "realnvp": flow(lambda: RealNVP(5, **SMALL), (7, 8, 2, 7, 8, 2, 7, 8)),
    "maf": flow(lambda: AutoregressiveFlow(5, **SMALL, reads_noise=False), MASKED),
    "iaf_density": flow(lambda: AutoregressiveFlow(5, **SMALL, reads_noise=True), MASKED),
    "naf": flow(lambda: NeuralAutoregressiveDensity(5, **SMALL, units=4), MASKED),
    "nsf": flow(lambda: NeuralSplineFlow(5, **SMALL, bins=4), MASKED),
}
