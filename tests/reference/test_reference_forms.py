"""A posterior sampled in another form: the same density, and draws of the model's own sites."""

from types import SimpleNamespace

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import MODEL_CASES
from pyro import poutine
from pyro.infer.reparam import LocScaleReparam
from torch import nn

import guides
import zoo
from zoo.isolation import in_double, isolated
from zoo.models import MODELS
from zoo.program.guideless import without_guide
from zoo.protocols import HasOtherForm
from zoo.reference import UnreliableReferenceError, sample_reference
from zoo.reference.checks import check, summarise
from zoo.reference.logs import with_logs
from zoo.reference.other_form import differences
from zoo.reference.posterior import Posterior
from zoo.reference.sample import DRAWS_STORED, NUMBERS_STORED, _init, most_stored
from zoo.sampling.joint_density import JointDensity

IDENTITY = 1e-8
ERRORS = 5
POINTS = 5
Y = torch.tensor([0.3, -1.2, 2.0, 0.8])
SHORT = {"chains": 12, "draws": 400, "warmup": 100, "compile": False}


def forms():
    """The models of the table that have another form."""
    made = {name: MODEL_CASES[name].make()[0] for name in MODELS}
    return [name for name, model in made.items() if isinstance(model, HasOtherForm)]


def spread(model, args, reparam):
    """How far the densities of model and form are apart after their constant is taken off."""
    with isolated(seed=2), in_double():
        rows = tuple(arg.double() for arg in args)
        posterior = Posterior(model, rows, reparam, 2)
        own = JointDensity(without_guide(model, rows), rows)
        v = 2 * torch.randn(POINTS, posterior.density.size)
        found = differences(own, posterior.density, posterior._values, v)
    return float(found.max() - found.min()), float(found.abs().max()), posterior


@pytest.mark.parametrize("name", forms())
def test_the_other_form_of_a_model_is_the_same_posterior(name):
    task = zoo.load(name)
    apart, size, posterior = spread(task.build(), task.split("train"), {})
    assert posterior.form == "in_other_form"
    assert apart < IDENTITY * (1 + size)


def test_there_are_models_of_another_form():
    assert "stochastic_volatility" in forms()


def test_a_noncentred_form_is_the_same_posterior():
    task = zoo.load("eight_schools")
    apart, size, _ = spread(task.build(), task.split("train"), {"theta": LocScaleReparam(0.0)})
    assert apart < IDENTITY * (1 + size)


class Means(nn.Module):
    """A mean with a spread that is known, written by a standard normal; `stretch` 1 is right."""

    def __init__(self, *, stretch=1.0, extra=False, named="mean"):
        super().__init__()
        self.stretch, self.extra, self.named = stretch, extra, named

    def forward(self, y):
        scale = pyro.sample("scale", dist.LogNormal(y.new_zeros(()), 0.5))
        mean = pyro.sample("mean", dist.Normal(y.new_zeros(()), scale))
        pyro.sample("y", dist.Normal(mean[..., None], 1.0).to_event(1), obs=y)

    def in_other_form(self, y):
        log_scale = pyro.sample("log_scale", dist.Normal(y.new_zeros(()), 0.5))
        scale = pyro.deterministic("scale", log_scale.exp())
        eta = pyro.sample("eta", dist.Normal(y.new_zeros(()), 1.0))
        if self.extra:
            pyro.sample("more", dist.Normal(y.new_zeros(()), 1.0))
        mean = pyro.deterministic(
            self.named, self.stretch * scale * eta + eta**3 * (1 - self.stretch)
        )
        pyro.sample("y", dist.Normal(mean[..., None], 1.0).to_event(1), obs=y)


def moments_by_quadrature():
    """Means of log scale and mean under `Means`, on a grid that is even in log scale."""
    log_scale = torch.linspace(-2.5, 2.5, 2001)
    scale, n = log_scale.exp(), len(Y)
    weight = dist.Normal(0.0, 0.5).log_prob(log_scale)
    weight = (weight + dist.Normal(0.0, (scale**2 + 1 / n).sqrt()).log_prob(Y.mean())).softmax(0)
    return {"scale": weight @ log_scale, "mean": weight @ (Y.sum() / (n + scale**-2))}


@pytest.mark.thorough
def test_draws_of_the_other_form_are_of_the_models_own_sites():
    found = sample_reference(Means(), Y, logs=["scale"], **SHORT)
    assert found.settings["form"] == "in_other_form"
    assert found.logs == ("scale",)
    assert (found.draws["scale"] > 0).all()
    for name, truth in moments_by_quadrature().items():
        assert (found.mean[name] - truth).abs() < ERRORS * found.mcse_mean[name], name


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"stretch": 0.5}, "in_other_form to have the density of forward, up to a constant; got"),
        ({"extra": True}, "as many numbers as forward, 2; got 3"),
        ({"named": "average"}, r"latents \['scale', 'mean'\]; it has no \['mean'\]"),
    ],
)
def test_another_posterior_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        sample_reference(Means(**options), Y, **SHORT)


def schools(sigma, y):
    """The funnel that a stranger brings."""
    tau = pyro.sample("tau", dist.HalfNormal(y.new_full((), 1.0)))
    with pyro.plate("schools", len(y)):
        theta = pyro.sample("theta", dist.Normal(y.new_zeros(()), tau))
        pyro.sample("y", dist.Normal(theta, sigma), obs=y)


@pytest.mark.parametrize(
    ("reparam", "text"),
    [
        ("theta", "Expected reparam to be a dict of sites and forms; got 'theta'"),
        ({"theta": 3}, r"Expected the form of 'theta' to be one of pyro\.infer\.reparam; got 3"),
        ({"tau": LocScaleReparam(0.0)}, "cannot be run with 'tau' by LocScaleReparam"),
    ],
)
def test_forms_that_do_not_suit_are_named(reparam, text):
    with pytest.raises(ValueError, match=text):
        sample_reference(schools, torch.ones(len(Y)), Y, reparam=reparam, **SHORT)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"noncentred": "theta"}, r"noncentred to be a list of sites; got 'theta'"),
        ({"logs": 3}, r"logs to be a list of sites; got 3"),
        ({"init": [1.0, 2.0]}, r"init to be a dict of sites and values; got \[1\.0, 2\.0\]"),
        ({"init": {"tau": None, "theta": 0.0}}, r"init\['tau'\] to be numbers; got None"),
    ],
)
def test_arguments_of_another_kind_are_named(options, text):
    with pytest.raises(ValueError, match=text):
        sample_reference(schools, torch.ones(len(Y)), Y, **options, **SHORT)


def test_a_recipe_says_where_chains_begin_in_the_models_own_form_alone():
    recipe, form = zoo.load("lotka_volterra").recipe, {"sigma": LocScaleReparam(0.0)}
    assert set(_init(None, recipe, {})) == {"theta", "z_init", "sigma"}
    assert _init(None, recipe, form) is None
    assert _init({"theta": 1.0}, recipe, form) == {"theta": 1.0}
    assert _init(None, None, {}) is None


def test_both_ways_of_reparameterising_a_model_of_ones_own():
    config = {"theta": LocScaleReparam(0.0)}
    with isolated(seed=1), in_double():
        args = torch.ones(len(Y)).double(), Y.double()
        own = Posterior(schools, args, config, 2)
        other = Posterior(poutine.reparam(schools, config), args, {}, 2)
        u = torch.randn(POINTS, own.density.size)
        expected, found = other.values(u), own.values(u)
        densities = [one.plain(u)[0] for one in (own, other)]
    assert set(found) == {"tau", "theta"}
    assert set(expected) == {"tau", "theta_decentered"}
    theta = expected["tau"][:, None] * expected["theta_decentered"]
    assert torch.allclose(found["theta"], theta, rtol=IDENTITY)
    assert torch.allclose(*densities, rtol=IDENTITY)


def test_a_site_that_is_no_latent_is_refused():
    with pytest.raises(ValueError, match="No latent named 'eta'"):
        zoo.reference(schools, torch.ones_like(Y), Y, reparam={"eta": LocScaleReparam(0.0)})


def test_logarithms_of_heavy_tails_pass():
    scale = {"scale": dist.HalfCauchy(torch.ones(())).sample((4000,))}
    with pytest.raises(UnreliableReferenceError, match="logarithm of a positive one"):
        check(summarise(scale, 4), 0)
    check(summarise(with_logs(scale, ["scale"]), 4), 0)


def scaled(y):
    """Noise whose scale is not known."""
    scale = pyro.sample("scale", dist.HalfCauchy(y.new_ones(())))
    pyro.sample("y", dist.Normal(0.0, scale[..., None]).to_event(1), obs=y)


@pytest.mark.thorough
def test_a_guide_is_compared_by_logarithms(monkeypatch):
    result = zoo.fit(scaled, guides.MeanField, Y, steps=2)
    with isolated(seed=1), torch.no_grad():
        draws = torch.stack([result.guide(Y)["scale"] for _ in range(2000)])
    logs, none = draws.log(), torch.zeros(())
    known = SimpleNamespace(
        draws={"scale": draws},
        moments=lambda: {"scale": (logs.mean(), logs.std())},
        errors=lambda: {"scale": (logs.std() / len(logs) ** 0.5, none)},
        logs=("scale",),
    )
    monkeypatch.setattr("zoo.evaluation.groups.posterior.reference", lambda task: known)
    metrics = zoo.evaluate(result, metrics=["posterior_mean_error", "mmd"], draws=2000)
    error = metrics["posterior_mean_error"]
    assert error.value < ERRORS * error.se
    assert "of the logarithm of scale" in error.note
    assert "of the logarithm of scale" in metrics["mmd"].note


@pytest.mark.parametrize(
    ("name", "text"), [("loc", "No latent named 'loc'"), ("x", "positive values of 'x'")]
)
def test_what_has_no_logarithm_is_refused(name, text):
    def model():
        pyro.sample("x", dist.Normal(torch.zeros(3), 1.0).to_event(1))

    with pytest.raises(ValueError, match=text):
        zoo.reference(model, logs=[name], **SHORT)


def test_how_many_draws_are_stored():
    assert most_stored(3) == DRAWS_STORED
    assert most_stored(200) == NUMBERS_STORED // 200
    assert most_stored(10 * NUMBERS_STORED) == 1


@pytest.mark.parametrize(
    ("accept", "text"),
    [
        (0.9, "accept=0.99 (--accept)"),
        (0.99, "accept=0.999 (--accept)"),
        (0.999, "part. Sample the"),
    ],
)
def test_divergences_name_what_to_try_next(accept, text):
    found = summarise({"z": torch.randn(4000, 2)}, 4)
    with pytest.raises(
        UnreliableReferenceError, match="no divergent transitions; got 3"
    ) as caught:
        check(found, 3, accept)
    assert text in str(caught.value)
    assert "reparam=" in str(caught.value)
    assert "--noncentred" in str(caught.value)
