"""Bayesian regression: all rows share the latents, coefficients or a whole function."""

from zoo.models.recipe import Recipe
from zoo.models.regression.bnn import BayesianNetwork
from zoo.models.regression.gp_regression import GPRegression
from zoo.models.regression.linear_regression import LinearRegression
from zoo.models.regression.log_gaussian_cox import LogGaussianCox
from zoo.models.regression.logistic_regression import LogisticRegression
from zoo.models.regression.sparse_logistic import SparseLogistic

REGRESSION: dict[str, Recipe] = {
    "logistic_regression": Recipe(
        build=lambda data: LogisticRegression(data.features),
        labels=("x", "y"),
        data="breast_cancer",
        guide="full_rank",
        steps=5000,
        lr=1e-2,
        batch_size=None,
    ),
    "sparse_logistic": Recipe(
        build=lambda data: SparseLogistic(data.features),
        labels=("x", "y"),
        data="breast_cancer",
        guide="mean_field",
        steps=5000,
        lr=1e-2,
        batch_size=None,
        logs=("tau", "slab", "lambda"),
    ),
    "linear_regression": Recipe(
        build=lambda data: LinearRegression(data.features),
        labels=("x", "y"),
        data="linear_regression",
        guide="full_rank",
        lr=1e-2,
        batch_size=None,
    ),
    "bnn": Recipe(
        build=lambda data: BayesianNetwork(data.features),
        labels=("x", "y"),
        data="cubic",
        guide="mean_field",
        steps=5000,
        lr=1e-2,
        batch_size=None,
        rate_falls=True,
    ),
    "log_gaussian_cox": Recipe(
        build=lambda data: LogGaussianCox(),
        labels=("x", "y"),
        data="log_gaussian_cox",
        guide="full_rank",
        steps=5000,
        lr=1e-2,
        batch_size=None,
    ),
    "gp_regression": Recipe(
        build=lambda data: GPRegression(),
        labels=("x", "y"),
        data="gp_regression",
        guide="full_rank",
        steps=5000,
        lr=1e-2,
        batch_size=None,
    ),
}
