"""Hamiltonian guides in fits: what is refused, metrics without the marginal, and saved fits."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import MODEL_CASES, built
from pyro import poutine
from pyro.infer import ReweightedWakeSleep

import guides
import zoo
from guides import AmortisedHamiltonian, Hamiltonian
from zoo.latents import describe
from zoo.models.linear.ppca import ProbabilisticPCA
from zoo.objectives import OBJECTIVES, Trace
from zoo.pairing.mismatch import PairingError
from zoo.sampling.guide_density import FromGuide
from zoo.sampling.joint_density import JointDensity


@pytest.mark.parametrize("objective", ["stl", "dreg", "tail_adaptive", "tvo", "rloo", "rws"])
def test_objectives_that_score_given_draws_are_refused(objective):
    made, args = MODEL_CASES["ppca"].make()
    with pytest.raises(PairingError, match="takes log q of given draws; AmortisedHamiltonian dr"):
        built(made, AmortisedHamiltonian, OBJECTIVES[objective], args).__enter__()


def test_the_same_for_pyros_own():
    made, args = MODEL_CASES["ppca"].make()
    with pytest.raises(PairingError, match="takes log q of given draws; .* Use trace or iwae"):
        zoo.fit(made, AmortisedHamiltonian, *args, objective=ReweightedWakeSleep(), steps=1)


def shared(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


def mixed(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
        k = pyro.sample("k", dist.Bernoulli(x.new_full((), 0.5)))
        pyro.sample("x", dist.Normal(z.sum(-1) + k, 1.0), obs=x)


def drawn(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
        with pyro.plate("columns", 4, dim=-2, subsample_size=2) as some:
            pyro.sample("y", dist.Normal(z, 1.0), obs=x.expand(4, -1)[some])


@pytest.mark.parametrize(
    ("model", "family", "objective", "settings", "sentence"),
    [
        (shared, Hamiltonian, Trace(), {"rows": 20}, "moved by a minibatch, they fit those rows"),
        (mixed, AmortisedHamiltonian, OBJECTIVES["enumerate"], {}, "does not cover 'k', which is"),
        (drawn, AmortisedHamiltonian, Trace(), {}, "draws a part of plate 'columns' by itself"),
    ],
    ids=["minibatch", "discrete", "subsampled plate"],
)
def test_what_has_no_gradient_to_follow_is_refused(model, family, objective, settings, sentence):
    with pytest.raises(PairingError, match=sentence):
        built(model, family, objective, (torch.randn(6),), **settings).__enter__()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"moves": -1}, "Expected moves to be a whole number of at least 0; got -1"),
        ({"leapfrogs": 0}, "Expected leapfrogs to be a whole number above 0; got 0"),
    ],
)
def test_numbers_of_moves(settings, sentence):
    model, args = MODEL_CASES["ppca"].make()
    with pytest.raises(ValueError, match=sentence):
        AmortisedHamiltonian(describe(model, *args), model, **settings)


@pytest.fixture(scope="module")
def fitted():
    x = torch.randn(30, 5)
    return zoo.fit(ProbabilisticPCA(5, 2), guides.AmortisedHamiltonian, x, steps=5, compile=False)


def test_metrics_that_would_need_the_marginal_say_so(fitted):
    found = zoo.evaluate(fitted, draws=100, metrics=["latents", "kl_exact", "gap", "posterior"])
    assert "log q of the latents alone is not known" in found.skipped["kl_exact"]
    assert "mutual_information" not in found
    assert "auxiliary numbers are counted" in found["kl"].note
    assert found["gap"].value > 0
    assert found["posterior_mean_error"].value > 0


def test_annealing_from_its_density_is_refused():
    fit = zoo.fit(zoo.load("neals_funnel"), guides.Hamiltonian, steps=2, compile=False)
    x = zoo.fit(shared, guides.Hamiltonian, torch.randn(6), steps=2, compile=False)
    for one in (fit, x):
        with pytest.raises(ValueError, match="not one vector of the .* density is not known"):
            FromGuide(JointDensity(one.program, one.task.scoring_args("train")))


def test_a_fit_comes_back(fitted, tmp_path):
    zoo.save(fitted, tmp_path / "run")
    again = zoo.load_fit(tmp_path / "run", ProbabilisticPCA(5, 2), *fitted.task.data.train)
    (x,) = fitted.task.data.train
    drawn = []
    for fit in (fitted, again):
        pyro.set_rng_seed(3)
        drawn.append(fit.guide(x)["z"])
    assert torch.equal(*drawn)


def test_sites_are_marked_as_the_guides_own(fitted):
    (x,) = fitted.task.data.train
    trace = poutine.trace(fitted.guide).get_trace(x)
    marked = [n for n in trace.stochastic_nodes if trace.nodes[n]["infer"].get("is_auxiliary")]
    assert marked == ["z_start", "z_momentum_1", "z_momentum_2"]
