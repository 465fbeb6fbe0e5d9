"""Each model claims the truths it has, and no others."""

import pytest

from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.models.discrete.categorical_vae import CategoricalVAE
from zoo.models.hierarchical.eight_schools import EightSchools
from zoo.models.linear.ppca import ProbabilisticPCA
from zoo.models.regression.logistic_regression import LogisticRegression
from zoo.models.vaes.bernoulli_vae import BernoulliVAE
from zoo.models.vaes.gaussian_vae import GaussianVAE
from zoo.protocols import HasEvidence, HasMoments, HasPosterior


@pytest.mark.parametrize(
    ("make", "sizes", "truths"),
    [
        (ProbabilisticPCA, (4,), {HasEvidence, HasPosterior}),
        (EightSchools, (), {HasEvidence, HasMoments}),
        (LogisticRegression, (4,), set()),
        (BernoulliVAE, (4,), set()),
        (GaussianVAE, (4,), set()),
        (BernoulliLatent, (4,), {HasEvidence, HasMoments}),
        (CategoricalVAE, (4,), {HasEvidence}),
    ],
)
def test_claims(make, sizes, truths):
    model = make(*sizes)
    claims = {
        truth for truth in (HasEvidence, HasMoments, HasPosterior) if isinstance(model, truth)
    }
    assert claims == truths
