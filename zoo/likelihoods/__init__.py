"""Likelihoods of a row of D numbers, and the table of those that any VAE may take.

Each is a module that takes `numbers` outputs of a decoder for each dimension. Called on outputs
(..., D, numbers) it gives the distribution of a row, event shape (D,); `mean` gives its mean.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from zoo.likelihoods.bernoulli import BernoulliLikelihood
from zoo.likelihoods.categorical import CategoricalLikelihood
from zoo.likelihoods.dequantised import DequantisedLikelihood
from zoo.likelihoods.gaussian import GaussianLikelihood
from zoo.likelihoods.gaussian_mixture import GaussianMixtureLikelihood
from zoo.likelihoods.logistic_mixture import LogisticMixtureLikelihood


@dataclass(frozen=True)
class LikelihoodChoice:
    """A likelihood by name, and the data that it is for.

    Attributes:
        build: grey levels of the data -> the likelihood; 0 where they are no levels.
        takes: "bits", "levels" or "numbers": pixels of 0 and 1, grey levels evenly spaced over
            [0, 1], or any real numbers.
        dequantises: is it a density of levels that are dequantised, y = (k + u) / L?
    """

    build: Callable[[int], nn.Module]
    takes: Literal["bits", "levels", "numbers"]
    dequantises: bool = False


LIKELIHOODS: dict[str, LikelihoodChoice] = {
    "bernoulli": LikelihoodChoice(lambda levels: BernoulliLikelihood(), "bits"),
    "gaussian": LikelihoodChoice(lambda levels: GaussianLikelihood(), "numbers"),
    "gaussian_learned": LikelihoodChoice(
        lambda levels: GaussianLikelihood(learned=True), "numbers"
    ),
    "gaussian_mixture": LikelihoodChoice(lambda levels: GaussianMixtureLikelihood(), "numbers"),
    "categorical": LikelihoodChoice(CategoricalLikelihood, "levels"),
    "logistic_mixture": LikelihoodChoice(LogisticMixtureLikelihood, "levels"),
    "dequantised": LikelihoodChoice(
        lambda levels: DequantisedLikelihood(), "levels", dequantises=True
    ),
}

__all__ = [
    "LIKELIHOODS",
    "BernoulliLikelihood",
    "CategoricalLikelihood",
    "DequantisedLikelihood",
    "GaussianLikelihood",
    "GaussianMixtureLikelihood",
    "LogisticMixtureLikelihood",
]
