"""InfoVAE: its discrepancy has the closed form of normals, and it keeps what its paper says."""

import math

import pytest
import torch
from small_tasks import ppca_task

import guides
import zoo
from zoo.objectives import InfoVAE, MeanFieldKL
from zoo.pairing.mismatch import PairingError

IDENTITY = 1e-8


def closed_form(mean, sd, size):
    """MMD^2 of N(mean, sd^2 I) and N(0, I) under the kernel exp(-|x - y|^2 / (2 size)).

    The kernel's mean over two independent normals is that of their difference.
    """

    def mean_kernel(shift, variance):
        width = size + variance
        return (size / width) ** (size / 2) * math.exp(-size * shift**2 / (2 * width))

    within = mean_kernel(0.0, 2 * sd**2) + mean_kernel(0.0, 2.0)
    return within - 2 * mean_kernel(mean, 1 + sd**2)


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (0.5, 1.0), (0.0, 0.3), (-1.0, 2.0)])
def test_the_discrepancy_is_unbiased(mean, sd):
    size, repeats = 3, 400
    found = torch.stack(
        [
            InfoVAE().discrepancy(mean + sd * torch.randn(20, size), torch.randn(20, size))
            for _ in range(repeats)
        ]
    )
    error = found.std() / math.sqrt(repeats)
    assert abs(found.mean() - closed_form(mean, sd, size)) < 5 * error


def test_kernels_are_one_for_equal_points_and_fall():
    apart = torch.linspace(0, 30, 50)
    for name in ("gaussian", "inverse_multiquadratic"):
        values = zoo.objectives.info_vae.KERNELS[name](apart, 4)
        assert values[0] == pytest.approx(1.0, rel=IDENTITY)
        assert (values.diff() < 0).all()


@pytest.mark.parametrize("batch_size", [None, 20])
def test_without_alpha_it_is_the_elbo(batch_size):
    fits = [
        zoo.fit(
            ppca_task(), guides.AmortisedNormal, objective=objective, steps=2,
            batch_size=batch_size,
        )
        for objective in (InfoVAE(alpha=0.0, weight=1.0), MeanFieldKL())
    ]  # fmt: skip
    assert torch.allclose(fits[0].losses[:1], fits[1].losses[:1], rtol=IDENTITY)


def test_the_discrepancy_is_counted_once_a_row_whatever_the_minibatch():
    """Without a likelihood that differs, minibatches of any size have the same mean loss."""
    task, means = ppca_task(), {}
    for batch_size in (10, 30):
        rows = [
            zoo.fit(
                task, guides.AmortisedNormal, objective=InfoVAE(weight=1e5), steps=60, lr=1e-9,
                batch_size=batch_size, average=False,
            ).losses
        ]  # fmt: skip
        losses = torch.cat(rows)
        means[batch_size] = losses.mean(), losses.std() / math.sqrt(len(losses))
    (one, se_1), (other, se_2) = means.values()
    assert abs(one - other) < 5 * math.hypot(se_1, se_2)


def test_its_gradient_is_that_of_its_value():
    """By differences of the loss under the same noise, in float64."""
    task = ppca_task()
    (x,) = task.split("train")
    fit = zoo.fit(task, guides.AmortisedNormal, objective=InfoVAE(), steps=1)
    program, parameter = fit.program, next(fit.guide.parameters())

    def loss():
        torch.manual_seed(3)
        return program(torch.zeros(()), None, x)

    parameter.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(), parameter)
    step, direction = 1e-5, torch.randn_like(parameter)
    with torch.no_grad():
        parameter += step * direction
        above = loss()
        parameter -= 2 * step * direction
        below = loss()
    slope = float((above - below) / (2 * step))
    assert slope == pytest.approx(float((gradient * direction).sum()), rel=1e-4)


@pytest.mark.thorough
def test_the_aggregated_posterior_matches_the_prior_where_an_autoencoders_does_not():
    task, found = zoo.load("vae", data="digits"), {}
    for name, objective in {
        "autoencoder": InfoVAE(alpha=1.0, weight=0.0),
        "info_vae": InfoVAE(),
        "wae": InfoVAE(kernel="inverse_multiquadratic"),
    }.items():
        fit = zoo.fit(task, guides.AmortisedNormal, objective=objective, steps=1000)
        found[name] = zoo.evaluate(fit, metrics=["latents"])
    plain = found.pop("autoencoder")
    assert plain["prior_mmd_p/z"].value < 0.01
    for metrics in found.values():
        assert metrics["prior_mmd/z"].value < plain["prior_mmd/z"].value / 20
        assert metrics["mutual_information"].value > 0.9 * math.log(100)


@pytest.mark.parametrize(
    ("model", "guide"),
    [
        ("eight_schools", guides.MeanField),
        ("hvae", guides.TopDown),
        ("bernoulli_latent", guides.Relaxed),
    ],
)
def test_other_latents_are_refused(model, guide):
    with pytest.raises(PairingError, match="one continuous latent of each row"):
        zoo.fit(zoo.load(model), guide, objective="info_vae", steps=1)


@pytest.mark.parametrize("wrong", [{"alpha": 0.2, "weight": 0.5}, {"kernel": "laplace"}], ids=str)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=r"at least 1|No kernel"):
        InfoVAE(**wrong)


def test_a_single_row_has_nothing_to_be_compared_with():
    with pytest.raises(ValueError, match="batch_size=2 or more"):
        zoo.fit(ppca_task(), guides.AmortisedNormal, objective="wae", steps=1, batch_size=1)


def test_it_is_a_bound_without_alpha_only():
    assert InfoVAE(alpha=0.0).value_is_bound
    assert not InfoVAE().value_is_bound
