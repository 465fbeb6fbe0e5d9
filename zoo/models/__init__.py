"""The models: one file each. This table names them and says what each is usually trained with."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import nn

from zoo.data import Data
from zoo.models.banana import Banana
from zoo.models.bernoulli_latent import BernoulliLatent
from zoo.models.bernoulli_vae import BernoulliVAE
from zoo.models.categorical_vae import CategoricalVAE
from zoo.models.eight_schools import EightSchools
from zoo.models.factor_analysis import FactorAnalysis
from zoo.models.gaussian_mixture import GaussianMixture
from zoo.models.gaussian_vae import GaussianVAE
from zoo.models.gp_regression import GPRegression
from zoo.models.hmm import HiddenMarkov
from zoo.models.linear_regression import LinearRegression
from zoo.models.local_level import LocalLevel
from zoo.models.logistic_regression import LogisticRegression
from zoo.models.neals_funnel import NealsFunnel
from zoo.models.parts import (
    Parts,
    flow_vae_of,
    hierarchy_of,
    multimodal_of,
    prior_of,
    self_vae_of,
    vae_of,
)
from zoo.models.ppca import ProbabilisticPCA
from zoo.models.sigmoid_belief import SigmoidBeliefNet


@dataclass(frozen=True)
class Recipe:
    """How a model is made for a data set, and sensible settings to train it with.

    Attributes:
        build: data -> model with fresh parameters; (data, parts) -> model, where it has parts.
        labels: names of the arguments that the model takes; its data must have the same.
        data: default data set.
        binarize: how its pixels are binarized; None for the data set's default.
        guide: name of the default guide.
        objective: name of the default objective.
        steps: default number of steps.
        lr: default learning rate of Adam.
        batch_size: rows in a step; None for all of them.
        parts: what it is usually put together from; nothing for a model that is of one piece.
    """

    build: Callable[..., nn.Module]
    labels: tuple[str, ...]
    data: str
    guide: str
    binarize: str | None = None
    objective: str = "trace"
    steps: int = 2000
    lr: float = 1e-3
    batch_size: int | None = 100
    parts: Parts = Parts()

    def make(self, data: Data, parts: Parts) -> nn.Module:
        """The model with fresh parameters, of the parts chosen."""
        return self.build(data, parts) if self.parts.given else self.build(data)


MODELS: dict[str, Recipe] = {
    "ppca": Recipe(
        build=lambda data: ProbabilisticPCA(data.features, latent=2),
        labels=("x",),
        data="digits",
        binarize="none",
        guide="amortised_full_rank",
        objective="mean_field",
        lr=3e-3,
    ),
    "eight_schools": Recipe(
        build=lambda data: EightSchools(centred=True),
        labels=("sigma", "y"),
        data="eight_schools",
        guide="mean_field",
        steps=5000,
        lr=1e-2,
        batch_size=None,
    ),
    "eight_schools_noncentred": Recipe(
        build=lambda data: EightSchools(centred=False),
        labels=("sigma", "y"),
        data="eight_schools",
        guide="mean_field",
        steps=5000,
        lr=1e-2,
        batch_size=None,
    ),
    "logistic_regression": Recipe(
        build=lambda data: LogisticRegression(data.features),
        labels=("x", "y"),
        data="breast_cancer",
        guide="full_rank",
        steps=5000,
        lr=1e-2,
        batch_size=None,
    ),
    "bernoulli_vae": Recipe(
        build=lambda data, parts: BernoulliVAE(
            data.features, latent=parts.latent, prior=prior_of(data, parts)
        ),
        labels=("x",),
        data="digits",
        guide="amortised_normal",
        steps=1000,
        lr=2e-3,
        parts=Parts(prior="standard", latent=10),
    ),
    "gaussian_vae": Recipe(
        build=lambda data, parts: GaussianVAE(
            data.features, latent=parts.latent, learned_scale=True, prior=prior_of(data, parts)
        ),
        labels=("x",),
        data="digits",
        binarize="none",
        guide="amortised_normal",
        objective="mean_field",
        parts=Parts(prior="standard", latent=10),
    ),
    "vae": Recipe(
        build=vae_of,
        labels=("x",),
        data="digits",
        guide="amortised_normal",
        steps=1000,
        lr=2e-3,
        parts=Parts(prior="standard", likelihood="bernoulli", decoder="mlp", latent=10),
    ),
    "dequantised_vae": Recipe(
        build=lambda data, parts: vae_of(data, replace(parts, likelihood="dequantised")),
        labels=("x",),
        data="digits",
        binarize="none",
        guide="uniform_noise",
        parts=Parts(prior="standard", decoder="mlp", latent=10),
    ),
    "hvae": Recipe(
        build=hierarchy_of,
        labels=("x",),
        data="digits",
        guide="top_down",
        parts=Parts(prior="standard", likelihood="bernoulli", groups=(8, 16)),
    ),
    "flow_vae": Recipe(
        build=flow_vae_of,
        labels=("x",),
        data="digits",
        binarize="none",
        guide="amortised_iaf",
        parts=Parts(prior="realnvp", decoder="mlp", latent=10),
    ),
    "self_vae": Recipe(
        build=self_vae_of,
        labels=("x",),
        data="digits",
        guide="amortised_normal",
        parts=Parts(prior="standard", latent=10),
    ),
    "multimodal_vae": Recipe(
        build=multimodal_of,
        labels=("x", "y", "seen"),
        data="digits_labels",
        guide="product_of_experts",
        steps=3000,
        lr=3e-3,
        parts=Parts(prior="standard", latent=10),
    ),
    "bernoulli_latent": Recipe(
        build=lambda data: BernoulliLatent(data.features),
        labels=("x",),
        data="digits",
        guide="amortised_discrete",
        objective="nvil",
    ),
    "categorical_vae": Recipe(
        build=lambda data: CategoricalVAE(data.features),
        labels=("x",),
        data="digits",
        guide="relaxed",
    ),
    "sigmoid_belief": Recipe(
        build=lambda data, parts: SigmoidBeliefNet(data.features, layers=parts.groups),
        labels=("x",),
        data="digits",
        guide="amortised_layers",
        objective="trace_graph",
        parts=Parts(groups=(8, 8)),
    ),
    "factor_analysis": Recipe(
        build=lambda data: FactorAnalysis(data.features, latent=2),
        labels=("x",),
        data="factor_analysis",
        guide="amortised_full_rank",
        objective="mean_field",
        lr=1e-2,
    ),
    "linear_regression": Recipe(
        build=lambda data: LinearRegression(data.features),
        labels=("x", "y"),
        data="linear_regression",
        guide="full_rank",
        lr=1e-2,
        batch_size=None,
    ),
    "gaussian_mixture": Recipe(
        build=lambda data: GaussianMixture(data.features, components=3),
        labels=("x",),
        data="gaussian_mixture",
        guide="amortised_discrete",
        objective="enumerate",
        lr=1e-2,
    ),
    "hmm": Recipe(
        build=lambda data: HiddenMarkov(data.features, states=3),
        labels=("x",),
        data="hmm",
        guide="amortised_discrete",
        objective="rloo",
        lr=1e-2,
    ),
    "local_level": Recipe(
        build=lambda data: LocalLevel(data.features),
        labels=("x",),
        data="local_level",
        guide="amortised_full_rank",
        objective="mean_field",
        lr=1e-2,
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
    "neals_funnel": Recipe(
        build=lambda data: NealsFunnel(data.features - 1),
        labels=("scale",),
        data="neals_funnel",
        guide="iaf",
        lr=1e-2,
        batch_size=None,
    ),
    "banana": Recipe(
        build=lambda data: Banana(),
        labels=("scale",),
        data="banana",
        guide="iaf",
        lr=1e-2,
        batch_size=None,
    ),
}
