"""Linear Gaussian models: each row has Gaussian latents; evidence and posterior are exact."""

from zoo.models.linear.factor_analysis import FactorAnalysis
from zoo.models.linear.ppca import ProbabilisticPCA
from zoo.models.recipe import Recipe

LINEAR: dict[str, Recipe] = {
    "ppca": Recipe(
        build=lambda data: ProbabilisticPCA(data.features, latent=2),
        labels=("x",),
        data="digits",
        binarize="none",
        guide="amortised_full_rank",
        objective="mean_field",
        lr=3e-3,
        rate_falls=True,
    ),
    "factor_analysis": Recipe(
        build=lambda data: FactorAnalysis(data.features, latent=2),
        labels=("x",),
        data="factor_analysis",
        guide="amortised_full_rank",
        objective="mean_field",
        lr=1e-2,
        rate_falls=True,
    ),
}
