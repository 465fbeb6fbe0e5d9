"""Linear Gaussian models against dense normals, scikit-learn, and Bayes' rule."""

import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import AUTODIFF, relative_error
from joint import close, log_joint, log_total
from sklearn import decomposition
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

import zoo
from zoo.data import load_data
from zoo.models.linear.factor_analysis import FactorAnalysis
from zoo.models.linear.ppca import ProbabilisticPCA
from zoo.models.regression.gp_regression import NUGGET, GPRegression
from zoo.models.regression.linear_regression import LinearRegression
from zoo.models.time_series.local_level import LocalLevel
from zoo.protocols import HasEvidence, HasMoments, HasPosterior

TARGET = 0.05  # nats/row from scikit-learn's likelihood, what factor analysis must show


def factors(features=6, latent=2, rows=30):
    model = FactorAnalysis(features, latent)
    with torch.no_grad():
        model.weight.copy_(torch.randn(features, latent))
        model.mu.copy_(torch.randn(features))
        model.log_scale.copy_(0.5 * torch.randn(features))
    return model, torch.randn(rows, features) * 2


def regression(features=4, rows=25):
    model = LinearRegression(features, noise=0.7, prior_scale=1.4)
    return model, torch.randn(rows, features), torch.randn(rows)


def walks(length=7, rows=9):
    model = LocalLevel(length, start=1.3)
    with torch.no_grad():
        model.log_step.fill_(-0.6)
        model.log_noise.fill_(0.2)
    return model, 2 * torch.randn(rows, length)


def process(points=8):
    x = torch.arange(points) / 2 + 0.2 * torch.rand(points)
    return GPRegression(1.3, 0.8, 0.4), x, torch.randn(points)


@pytest.mark.parametrize("make", [factors, regression, walks, process])
def test_claims(make):
    model, *_ = make()
    assert isinstance(model, HasEvidence)
    assert isinstance(model, HasPosterior)
    assert not isinstance(model, HasMoments)


@pytest.mark.parametrize("latent", [1, 2, 5])
def test_factor_analysis_equals_the_full_gaussian(latent):
    model, x = factors(latent=latent)
    covariance = model.weight @ model.weight.mT + torch.diag((2 * model.log_scale).exp())
    close(model.log_evidence(x), dist.MultivariateNormal(model.mu, covariance).log_prob(x))


@pytest.mark.parametrize("latent", [1, 2, 5])
def test_bayes_identity_of_factor_analysis(latent):
    model, x = factors(latent=latent)
    z = 2 * torch.randn(7, len(x), latent)
    evidence = log_joint(model, {"z": z}, x) - model.posterior(x)["z"].log_prob(z)
    close(evidence, model.log_evidence(x).expand(7, -1))


def test_factor_analysis_with_one_noise_is_probabilistic_pca():
    model, x = factors()
    pca = ProbabilisticPCA(6, 2)
    with torch.no_grad():
        model.log_scale.fill_(-0.3)
        pca.log_scale.fill_(-0.3)
        pca.weight.copy_(model.weight)
        pca.mu.copy_(model.mu)
    close(model.log_evidence(x), pca.log_evidence(x))
    close(model.posterior(x)["z"].mean, pca.posterior(x)["z"].mean)


def test_factor_analysis_has_scikit_learns_likelihood():
    """With scikit-learn's parameters, and where EM goes by itself."""
    (x,) = load_data("factor_analysis").train
    theirs = decomposition.FactorAnalysis(2, tol=1e-10, max_iter=5000, svd_method="lapack")
    theirs.fit(x.numpy())
    model = FactorAnalysis(x.shape[1], 2)
    history = model.fit_em(x, 400) / len(x)
    assert (history.diff() >= -1e-8).all()
    assert abs(history[-1].item() - theirs.score(x.numpy())) < TARGET
    with torch.no_grad():
        model.weight.copy_(torch.as_tensor(theirs.components_.T.copy()))
        model.mu.copy_(torch.as_tensor(theirs.mean_))
        model.log_scale.copy_(torch.as_tensor(theirs.noise_variance_).log() / 2)
    close(model.log_evidence(x).detach(), torch.as_tensor(theirs.score_samples(x.numpy())))
    again = model.fit_em(x, 1) / len(x)
    assert 0 <= again.item() - theirs.score(x.numpy()) < TARGET


def test_two_thousand_measurements():
    model, x = factors(features=2000, latent=5, rows=20)
    scale = (2 * model.log_scale).exp()
    low_rank = dist.LowRankMultivariateNormal(model.mu, model.weight, scale)
    close(model.log_evidence(x), low_rank.log_prob(x))
    before = model.log_evidence(x).sum()
    assert model.fit_em(x, 2)[0] > before


@pytest.mark.parametrize(("features", "rows"), [(1, 5), (4, 25), (6, 3)])
def test_regression_equals_the_dense_gaussian(features, rows):
    model, x, y = regression(features, rows)
    covariance = 1.4**2 * x @ x.mT + 0.7**2 * torch.eye(rows)
    close(model.log_evidence(x, y), dist.MultivariateNormal(0 * y, covariance).log_prob(y))


@pytest.mark.parametrize("rows", [3, 25])
def test_bayes_identity_of_regression(rows):
    model, x, y = regression(rows=rows)
    beta = 2 * torch.randn(7, 4)
    joint = torch.stack([log_total(model, {"beta": one}, x, y) for one in beta])
    evidence = joint - model.posterior(x, y)["beta"].log_prob(beta)
    close(evidence, model.log_evidence(x, y).expand(7))


def test_regression_through_the_harness_is_exact():
    """Under a guide that is the posterior every single draw has the evidence for its bound."""
    model, x, y = regression()
    exact = model.posterior(x, y)["beta"]

    def guide(x, y):
        loc = pyro.param("loc", exact.mean)
        pyro.sample("beta", dist.MultivariateNormal(loc, exact.covariance_matrix))

    for seed in range(3):
        (loss,) = zoo.fit(model, guide, x, y, steps=1, seed=seed).losses
        close(-loss.item(), model.log_evidence(x, y).item())


@pytest.mark.parametrize("length", [1, 2, 7])
def test_the_kalman_filter_equals_the_joint_gaussian(length):
    model, x = walks(length)
    time = torch.arange(length)
    walk = 1.3**2 + math.exp(-1.2) * torch.minimum(time[:, None], time)
    covariance = walk + math.exp(0.4) * torch.eye(length)
    close(model.log_evidence(x), dist.MultivariateNormal(0 * x[0], covariance).log_prob(x))
    close((model.walk() @ model.walk().mT).detach(), walk)


@pytest.mark.parametrize("length", [1, 7])
def test_bayes_identity_of_the_local_level(length):
    model, x = walks(length)
    level = 2 * torch.randn(5, len(x), length)
    joint = log_joint(model, {"level": level}, x)
    evidence = joint - model.posterior(x)["level"].log_prob(level)
    close(evidence, model.log_evidence(x).expand(5, -1))


def test_the_last_level_is_the_filters():
    """The posterior of the last level is what a scalar Kalman filter has after the last time."""
    model, x = walks()
    mean, variance = torch.zeros(len(x)), torch.tensor(1.3**2)
    for seen in x.unbind(-1):
        gain = variance / (variance + math.exp(0.4))
        mean, last = mean + gain * (seen - mean), (1 - gain) * variance
        variance = last + math.exp(-1.2)
    exact = model.posterior(x)["level"]
    close(exact.mean[:, -1].detach(), mean)
    close(exact.variance[:, -1].detach(), last.expand(len(x)))


@pytest.mark.parametrize("points", [1, 2, 8])
def test_the_process_has_scikit_learns_evidence(points):
    model, x, y = process(points)
    noise = 0.4**2 + 1.3**2 * NUGGET
    kernel = ConstantKernel(1.3**2, "fixed") * Matern(0.8, "fixed", nu=1.5)
    kernel = kernel + WhiteKernel(noise, "fixed")
    theirs = GaussianProcessRegressor(kernel, optimizer=None, alpha=0.0)
    theirs.fit(x[:, None].numpy(), y.numpy())
    close(
        model.log_evidence(x, y).detach(), torch.as_tensor(theirs.log_marginal_likelihood_value_)
    )


def test_the_process_has_the_evidence_of_quadrature():
    model, x, y = process(2)
    points, weights = (torch.as_tensor(a) for a in np.polynomial.hermite_e.hermegauss(120))
    root = torch.linalg.cholesky(model.kernel(x))
    f = torch.cartesian_prod(points, points) @ root.mT
    log_weight = torch.cartesian_prod(weights, weights).log().sum(-1) - math.log(2 * math.pi)
    likelihood = dist.Normal(f, 0.4).log_prob(y).sum(-1)
    close(model.log_evidence(x, y), (log_weight + likelihood).logsumexp(0))


@pytest.mark.parametrize("points", [1, 8])
def test_bayes_identity_of_the_process(points):
    model, x, y = process(points)
    exact = model.posterior(x, y)["f"]
    f = exact.mean + exact.variance.sqrt() * torch.randn(7, points)
    evidence = log_joint(model, {"f": f}, x, y) - exact.log_prob(f)
    close(evidence, model.log_evidence(x, y).expand(7))


@torch.no_grad()
def test_the_posterior_of_the_process_in_single_precision():
    x, y = (tensor.float() for tensor in load_data("gp_regression").train)
    model = GPRegression().float()
    single = model.posterior(x, y)["f"]
    double = model.double().posterior(x.double(), y.double())["f"]
    assert relative_error(single.mean.double(), double.mean) < AUTODIFF
    assert relative_error(single.variance.double(), double.variance) < AUTODIFF


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FactorAnalysis(4, 4), "latent=4, features=4"),
        (lambda: LinearRegression(0), "features >= 1; got 0"),
        (lambda: LinearRegression(2, noise=0.0), "above 0; got 0.0 and 1.0"),
        (lambda: LocalLevel(0), "length=0, start=1.0"),
        (lambda: GPRegression(noise=-1.0), "got 1.0, 1.0 and -1.0"),
    ],
)
def test_senseless_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_data_of_another_width_are_refused():
    for model, args in (
        (factors()[0], (torch.zeros(3, 5),)),
        (regression()[0], (torch.zeros(3, 4), torch.zeros(2))),
        (walks()[0], (torch.zeros(3, 6),)),
        (process()[0], (torch.zeros(3), torch.zeros(2))),
    ):
        with pytest.raises(ValueError, match=r"Expected [xy] of shape"):
            model(*args)
