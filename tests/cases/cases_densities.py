"""What the tests say of the explicit densities in the table of models."""

from model_case import ROWS, ModelCase, Site, pixels, reals

from zoo.likelihoods import BernoulliLikelihood, GaussianMixtureLikelihood
from zoo.models.densities.darn import DARN
from zoo.models.densities.eonade import EoNADE
from zoo.models.densities.gated_pixelcnn import GatedPixelCNN
from zoo.models.densities.made import MADE
from zoo.models.densities.nade import NADE
from zoo.models.densities.pixelcnn import PixelCNN

BITS, DEFAULT = BernoulliLikelihood(), (64, 64)


def density(build, hidden=DEFAULT, data=pixels, features=6) -> ModelCase:
    """A model without latents that observes its rows."""
    return ModelCase(build, data, {}, ("x",), "data", features, hidden)


DENSITY_CASES: dict[str, ModelCase] = {
    "nade": density(lambda: NADE(6, BITS, hidden=4)),
    "rnade": density(
        lambda: NADE(5, GaussianMixtureLikelihood(2), hidden=4), data=reals, features=5
    ),
    "eonade": density(lambda: EoNADE(6, BITS, (4, 3), orders=3)),
    "made": density(lambda: MADE(6, BITS, (8, 7), masks=3), hidden=(7, 8)),
    "fvsbn": density(lambda: MADE(6, BITS, ())),
    "pixelcnn": density(lambda: PixelCNN((2, 3), BITS, channels=2, blocks=2, kernel=3)),
    "gated_pixelcnn": density(lambda: GatedPixelCNN((2, 3), BITS, channels=2, layers=3)),
    "darn": ModelCase(
        lambda: DARN(6, 3),
        pixels,
        {"z": Site("discrete", "local", (3,), (ROWS,), ("data",), 0)},
        ("x",),
        "data",
        6,
        DEFAULT,
    ),
}
