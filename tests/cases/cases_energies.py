"""What the tests say of the models with an energy in the table of models."""

from model_case import ModelCase, pixels

from zoo.models.energies.rbm import RBM

ENERGY_CASES: dict[str, ModelCase] = {
    "rbm": ModelCase(lambda: RBM(6, 4), pixels, {}, ("x",), "data", 6, (64, 64)),
}
