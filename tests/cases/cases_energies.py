"""What the tests say of the models with an energy in the table of models."""

from model_case import ROWS, ModelCase, Site, pixels

from zoo.models.energies.dbm import DBM
from zoo.models.energies.dbn import DBN
from zoo.models.energies.rbm import RBM


def bits(size: int) -> Site:
    return Site("discrete", "local", (size,), (ROWS,), ("data",), 0)


ENERGY_CASES: dict[str, ModelCase] = {
    "rbm": ModelCase(lambda: RBM(6, 4), pixels, {}, ("x",), "data", 6, (64, 64)),
    "dbm": ModelCase(
        lambda: DBM(6, (2, 3)), pixels, {"h2": bits(2), "h1": bits(3)}, ("x",), "data", 6, (64, 64)
    ),
    "dbn": ModelCase(lambda: DBN(6, (4, 3)), pixels, {"h1": bits(3)}, ("x",), "data", 6, (64, 64)),
}
