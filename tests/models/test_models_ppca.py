"""Probabilistic PCA against its D x D definition, against EM, and against scikit-learn."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from joint import close
from pyro import poutine
from sklearn.decomposition import PCA

from zoo.models.linear.ppca import ProbabilisticPCA, em_step

IDENTITY = 1e-8


def make(features=6, latent=2, rows=40, seed=0):
    """A model with unremarkable parameters, and data from another model."""
    torch.manual_seed(seed)
    model = ProbabilisticPCA(features, latent)
    with torch.no_grad():
        model.weight.copy_(torch.randn(features, latent))
        model.mu.copy_(torch.randn(features))
        model.log_scale.fill_(-0.4)
    source = torch.randn(latent, features) * torch.linspace(3.0, 2.0, latent)[:, None]
    x = torch.randn(rows, latent) @ source + 0.5 * torch.randn(rows, features) + 1.5
    return model, x


def log_joint(model, x, z):
    trace = poutine.trace(poutine.condition(model, data={"z": z})).get_trace(x)
    trace.compute_log_prob()
    return trace.nodes["z"]["log_prob"] + trace.nodes["x"]["log_prob"]


def marginal(model):
    covariance = model.weight @ model.weight.mT
    covariance = covariance + (2 * model.log_scale).exp() * torch.eye(len(model.mu))
    return dist.MultivariateNormal(model.mu, covariance_matrix=covariance)


@pytest.mark.parametrize("latent", [1, 2, 5])
def test_evidence_equals_the_full_gaussian(latent):
    model, x = make(latent=latent)
    close(model.log_evidence(x), marginal(model).log_prob(x))


@pytest.mark.parametrize("latent", [1, 2, 5])
def test_bayes_identity(latent):
    model, x = make(latent=latent)
    z = 2 * torch.randn(7, len(x), latent)
    evidence = log_joint(model, x, z) - model.posterior(x)["z"].log_prob(z)
    close(evidence, model.log_evidence(x).expand(7, -1))


def test_posterior_covariance_is_not_the_misprinted_one():
    model, x = make()
    covariance = model.posterior(x)["z"].covariance_matrix[0]
    inner = model.weight.mT @ model.weight + (2 * model.log_scale).exp() * torch.eye(2)
    close(covariance, (2 * model.log_scale).exp() * inner.inverse())


def test_particles_broadcast():
    model, x = make()
    z = torch.randn(3, len(x), 2)
    loop = torch.stack([log_joint(model, x, one) for one in z])
    close(log_joint(model, x, z), loop)
    assert model.decode(z[:, None]).shape == (3, 1, len(x), 6)


def test_one_draw_for_all_rows_broadcasts():
    model, x = make()
    z = torch.randn(3, 1, 2)
    close(model.decode(z).expand(3, len(x), 6), model.decode(z.expand(3, len(x), 2)))


def test_rows_are_in_the_data_plate():
    model, x = make()
    trace = poutine.trace(model).get_trace(x)
    for site in ("z", "x"):
        (frame,) = trace.nodes[site]["cond_indep_stack"]
        assert (frame.name, frame.size, frame.dim) == ("data", len(x), -1)


def test_forward_draws_the_marginal():
    model, _ = make()
    rows = 20_000
    with pyro.validation_enabled():
        draws = poutine.uncondition(model)(torch.zeros(rows, 6)).detach()
    squares = (draws - model.mu.detach()).square()
    error = squares.std(0) / rows**0.5
    assert ((squares.mean(0) - marginal(model).variance.detach()).abs() < 5 * error).all()


def test_mean_field_gap_is_the_least_divergence():
    model, x = make()
    exact = model.posterior(x)["z"]
    variances = 1 / exact.precision_matrix.diagonal(dim1=-2, dim2=-1)

    def divergence(scale):
        guide = dist.MultivariateNormal(exact.loc, torch.diag_embed(scale * variances))
        return torch.distributions.kl_divergence(guide, exact)

    gap = model.mean_field_gap(x)
    assert gap.shape == (len(x),)
    close(gap, divergence(torch.ones(2)))
    for factors in ([1.1, 1.0], [1.0, 0.9], [0.9, 1.1]):
        assert (divergence(torch.tensor(factors)) > gap).all()


def test_mean_field_gap_vanishes_for_orthogonal_columns():
    model, x = make()
    with torch.no_grad():
        model.weight.copy_(torch.linalg.qr(model.weight).Q * torch.tensor([2.0, 0.5]))
    close(model.mean_field_gap(x), torch.zeros(len(x)))


def test_em_never_falls_and_reaches_the_closed_form():
    model, x = make()
    history = model.fit_em(x, 3000)
    assert history.shape == (3000,)
    assert (history.diff() >= -IDENTITY).all()
    assert history[1] > history[0]
    close(history[-1], model.log_evidence(x).sum().detach())
    model.fit_closed_form(x)
    close(history[-1], model.log_evidence(x).sum().detach())


@pytest.mark.parametrize(("features", "rows"), [(6, 40), (60, 20)])
def test_closed_form_is_a_fixed_point_of_em(features, rows):
    model, x = make(features=features, rows=rows)
    model.fit_closed_form(x)
    weight, scale = em_step(x - x.mean(0), model.weight, model.log_scale.exp())
    close(weight, model.weight)
    close(scale, model.log_scale.exp())


def test_closed_form_has_no_gradient():
    model, x = make()
    model.fit_closed_form(x)
    for gradient in torch.autograd.grad(model.log_evidence(x).mean(), list(model.parameters())):
        close(gradient, torch.zeros_like(gradient))


@pytest.mark.parametrize("size", [1e-3, 1e-2, 1e-1, 1.0])
def test_closed_form_beats_every_perturbation(size):
    model, x = make()
    model.fit_closed_form(x)
    best = model.log_evidence(x).sum().item()
    fitted = [parameter.detach().clone() for parameter in model.parameters()]
    with torch.no_grad():
        for _ in range(20):
            for parameter, value in zip(model.parameters(), fitted, strict=True):
                parameter.copy_(value + size * torch.randn_like(value))
            assert model.log_evidence(x).sum().item() < best


def test_closed_form_agrees_with_scikit_learn():
    model, x = make()
    model.fit_closed_form(x)
    pca = PCA(2).fit(x.cpu().numpy())
    ours = torch.linalg.qr(model.weight.detach()).Q
    theirs = torch.as_tensor(pca.components_)
    close(ours @ ours.mT, theirs.mT @ theirs)
    close(model.mu.detach(), torch.as_tensor(pca.mean_))
    biased = torch.tensor(pca.noise_variance_ * (len(x) - 1) / len(x))
    close((2 * model.log_scale).exp().detach(), biased)


def test_two_thousand_features():
    model, x = make(features=2000, latent=5, rows=30)
    low_rank = dist.LowRankMultivariateNormal(
        model.mu, model.weight, (2 * model.log_scale).exp().expand(2000)
    )
    close(model.log_evidence(x), low_rank.log_prob(x))
    before = model.log_evidence(x).sum()
    assert model.fit_em(x, 2)[0] > before
    model.fit_closed_form(x)
    assert model.log_evidence(x).isfinite().all()


def test_wrong_width_is_refused():
    model, x = make()
    with pytest.raises(ValueError, match=r"Expected x of shape \(40, 6\); got \(40, 1\)"):
        model(x[:, :1])


def test_too_large_a_latent_space_is_refused():
    with pytest.raises(ValueError, match="latent=4, features=4"):
        ProbabilisticPCA(4, latent=4)


def test_too_few_rows_are_refused():
    model, x = make()
    with pytest.raises(ValueError, match="more than 3 rows for latent=2; got 3"):
        model.fit_closed_form(x[:3])
