"""The models: a folder for each topic, a file for each model; here all tables become one."""

from zoo.models.densities import DENSITIES
from zoo.models.discrete import DISCRETE
from zoo.models.energies import ENERGIES
from zoo.models.flows import FLOWS
from zoo.models.hierarchical import HIERARCHICAL
from zoo.models.linear import LINEAR
from zoo.models.recipe import Recipe
from zoo.models.regression import REGRESSION
from zoo.models.targets import TARGETS
from zoo.models.time_series import TIME_SERIES
from zoo.models.vaes import VAES

MODELS: dict[str, Recipe] = {
    **LINEAR,
    **HIERARCHICAL,
    **REGRESSION,
    **VAES,
    **FLOWS,
    **DISCRETE,
    **DENSITIES,
    **ENERGIES,
    **TIME_SERIES,
    **TARGETS,
}

__all__ = ["MODELS", "Recipe"]
