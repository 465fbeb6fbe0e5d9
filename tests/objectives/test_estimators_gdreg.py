"""Doubly reparameterised gradients of layers of latents, and of the parameters of their priors."""

import math
from itertools import product

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import (
    ERRORS,
    IDENTITY,
    MODEL_CASES,
    built,
    clock,
    flat,
    guide_of,
    relative_error,
    standard_error,
    step_of,
    unvectorised,
)
from estimates import captured_as_plain, same_mean, unbiased
from exact_bounds import REALS, one_factor
from network_of_causes import batch_gradients
from steps import a_program
from torch import nn

from guides import AmortisedNormal
from zoo.compile.noise import ExplicitNoise, replay
from zoo.gradients.sampler import gradient_draws
from zoo.objectives import IWAE, DoublyReparameterised, GeneralisedDoublyReparameterised
from zoo.optim.schedules import Constant
from zoo.pairing.mismatch import PairingError

K, NODES = 2, 10
X = torch.tensor([[0.8], [-0.5]])
PRIOR = ("top", "mean", "weight", "log_scale")  # of z2, and of z1 given z2
OWN = {"is_auxiliary": True}


class TwoLayers(nn.Module):
    """z2 ~ N(top, 1), z1 ~ N(mean + weight z2, scale^2), x ~ N(z1, noise^2): all scalars."""

    def __init__(self, noise=1.5):
        super().__init__()
        self.top, self.mean = (nn.Parameter(torch.tensor(v)) for v in (0.2, -0.1))
        self.weight, self.log_scale = (nn.Parameter(torch.tensor(v)) for v in (0.7, -0.2))
        self.noise = nn.Parameter(torch.tensor(float(noise)))

    def forward(self, x):
        with pyro.plate("data", len(x)):
            z2 = pyro.sample("z2", dist.Normal(self.top, 1.0))
            z1 = pyro.sample("z1", dist.Normal(self.mean + self.weight * z2, self.log_scale.exp()))
            pyro.sample("x", dist.Normal(z1, self.noise), obs=x[:, 0])


class Upwards(nn.Module):
    """q(z1 | x) = N(a + b x, s^2), q(z2 | z1) = N(c + d z1, t^2)."""

    def __init__(self):
        super().__init__()
        self.numbers = nn.Parameter(torch.tensor([0.1, 0.4, 0.9, 0.0, 0.4, 0.9]))

    def forward(self, x):
        a, b, s, c, d, t = self.numbers
        with pyro.plate("data", len(x)):
            z1 = pyro.sample("z1", dist.Normal(a + b * x[:, 0], s))
            pyro.sample("z2", dist.Normal(c + d * z1, t))


def exact_bound(program, x):
    """The bound of two weights of each row, by quadrature over the noise of all four draws."""
    t, w = (torch.from_numpy(v) for v in np.polynomial.hermite_e.hermegauss(NODES))
    pairs = torch.tensor(list(product(range(NODES), repeat=2)))
    chance = (w[pairs] / w.sum()).prod(-1)
    a, b, s, c, d, r = program.guide.numbers
    z1 = a + b * x + s * t[pairs[:, 0]]
    z2 = c + d * z1 + r * t[pairs[:, 1]]
    model, normal = program.model, torch.distributions.Normal
    log_w = normal(model.top, 1.0).log_prob(z2) + normal(z1, model.noise).log_prob(x)
    given = normal(model.mean + model.weight * z2, model.log_scale.exp()).log_prob(z1)
    log_q = normal(a + b * x, s).log_prob(z1) + normal(c + d * z1, r).log_prob(z2)
    log_w = log_w + given - log_q
    both = torch.logaddexp(log_w[:, :, None], log_w[:, None, :]) - math.log(2)
    return (chance[:, None] * chance * both).sum()


def parameters(program):
    return [*program.model.parameters(), *program.guide.parameters()]


BOTH = (DoublyReparameterised(K), GeneralisedDoublyReparameterised(K))


@pytest.mark.parametrize("objective", BOTH, ids=str)
@pytest.mark.parametrize("change", [lambda program: program, unvectorised], ids=["wide", "loop"])
def test_layers_that_depend_on_each_other_have_the_exact_gradient(objective, change):
    """Also by DReG: it takes all layers for one function of the noise."""
    with built(TwoLayers(), Upwards(), objective, (X,)) as program:
        exact = flat(torch.autograd.grad(-exact_bound(program, X), parameters(program)))
        found = batch_gradients(change(program), X)
    assert unbiased(found, exact)


@pytest.mark.thin(2)
@pytest.mark.parametrize("guide", ["bottom_up", "top_down"])
def test_on_a_hierarchical_autoencoder_it_agrees_with_the_plain_gradient(guide):
    model, args = MODEL_CASES["hvae"].make()
    draws = []
    for objective in (IWAE(3), GeneralisedDoublyReparameterised(3)):
        with a_program(model, guide_of(guide), args, objective) as (program, rows, _):
            draws.append(gradient_draws(program, rows, 2000, seed=1).gradients)
    assert same_mean(*draws)
    assert (draws[0].mean(0).abs() > ERRORS * standard_error(draws[0])).any()


def steps_of(objectives, model, guide, x, noise):
    """Loss and gradients of each objective on the same draws."""
    found = []
    for objective in objectives:
        with (
            built(model(), guide(), objective, (x,)) as program,
            ExplicitNoise(replay(list(noise))),
        ):
            found.append(step_of(program, (x,)))
    return found


def test_of_dreg_it_changes_the_gradient_of_the_prior_alone():
    noise = torch.randn(3, 2), torch.randn(3, 2)
    objectives = (DoublyReparameterised(3), GeneralisedDoublyReparameterised(3))
    (loss, plain), (value, found) = steps_of(objectives, TwoLayers, Upwards, X, noise)
    assert value.item() == pytest.approx(loss.item(), rel=IDENTITY)
    for name, grad in plain.items():
        same = relative_error(found[name], grad) < IDENTITY
        assert same == (name.removeprefix("model.") not in PRIOR), name


class OneLayer(nn.Module):
    """z ~ N(theta_0, theta_1^2), x ~ N(z, noise^2)."""

    def __init__(self, noise=0.8):
        super().__init__()
        self.theta, self.noise = nn.Parameter(torch.tensor([0.3, 1.2])), noise

    def forward(self, x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(self.theta[0], self.theta[1]))
            pyro.sample("x", dist.Normal(z, self.noise), obs=x[:, 0])

    def posterior(self, x):
        """Mean and sd of z, at theta as it stands."""
        loc, scale = self.theta.detach()
        precision = scale**-2 + self.noise**-2
        return (loc * scale**-2 + x[:, 0] * self.noise**-2) / precision, precision**-0.5


class Normals(nn.Module):
    """q(z | x) = N(m, s^2), one pair of numbers for each row."""

    def __init__(self, m, s):
        super().__init__()
        self.m, self.s = nn.Parameter(m), nn.Parameter(s)

    def forward(self, x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(self.m, self.s))


def test_the_formula_by_hand():
    """One layer: v_k d log p(x | z_k) / dz - v_k^2 d log w_k / dz, times dT/dtheta."""
    count, normal, noise = 4, torch.distributions.Normal, torch.randn(4, 2)
    guide = Normals(torch.tensor([0.5, -0.4]), torch.tensor([0.9, 0.7]))
    objective = GeneralisedDoublyReparameterised(count)
    with built(OneLayer(), guide, objective, (X,)) as program:
        with ExplicitNoise(replay([noise])):
            step_of(program, (X,))
        (loc, scale), m, s = (p.detach() for p in program.parameters())
        found = program.model.theta.grad
    z = m + s * noise
    log_w = (
        normal(loc, scale).log_prob(z)
        + normal(z, 0.8).log_prob(X[:, 0])
        - normal(m, s).log_prob(z)
    )
    v, pull = log_w.softmax(0), (X[:, 0] - z) / 0.8**2
    slope = pull - (z - loc) / scale**2 + (z - m) / s**2
    force = v * pull - v**2 * slope
    by_hand = -torch.stack((force.sum(), (force * (z - loc) / scale).sum()))
    assert relative_error(found, by_hand) < IDENTITY


@pytest.mark.parametrize("noise", [0.5, 2.0])
def test_at_the_posterior_its_noise_is_that_of_the_score_over_the_noise_squared(noise):
    """Draw by draw: below the score's where the data say little, above it where they say much."""
    model, gradients = OneLayer(noise), []
    model.theta.data = torch.tensor([0.3, 1.0])
    mean, sd = model.posterior(X)
    for objective in (DoublyReparameterised(3), GeneralisedDoublyReparameterised(3)):
        guide = Normals(mean, sd.expand(2))
        with a_program(model, guide, (X,), objective) as (program, rows, _):
            with torch.no_grad():
                program.model.load_state_dict(model.state_dict())
                program.guide.load_state_dict(guide.state_dict())
            found = gradient_draws(program, rows, 50)
        assert found.layout.names[0] == "model.theta"
        gradients.append(found.gradients[:, 0])
    score, path = (g - g.mean() for g in gradients)
    assert relative_error(-path * noise**2, score) < IDENTITY


def test_its_variance_in_the_prior_is_lower_where_the_data_say_little():
    """For every parameter of the prior, near the posterior, which is near the prior."""
    model, spread = TwoLayers(noise=4.0), []
    for objective in (IWAE(5), DoublyReparameterised(5), GeneralisedDoublyReparameterised(5)):
        with a_program(model, Upwards(), (X,), objective) as (program, rows, _):
            with torch.no_grad():
                program.guide.numbers.copy_(torch.tensor([0.0, 0.02, 1.0, 0.2, 0.5, 0.8]))
            found = gradient_draws(program, rows, 4000)
        places = [found.layout.names.index(f"model.{name}") for name in PRIOR]
        squares = (found.gradients - found.gradients.mean(0)).square()[:, places]
        spread.append((squares.mean(0), standard_error(squares)))
    *others, (low, low_error) = spread
    for high, error in others:
        assert (high - low > ERRORS * (low_error**2 + error**2).sqrt()).all()


@pytest.mark.thin(2)
@pytest.mark.parametrize("weight", [0.4, 0.0])
@pytest.mark.parametrize("other", BOTH, ids=str)
def test_a_weighted_kl_term_has_the_plain_gradient_too(other, weight):
    draws, settings = [], {"kl_weight": Constant(weight)}
    for objective in (IWAE(2), other):
        with a_program(TwoLayers(), Upwards(), (X,), objective, **settings) as (program, rows, _):
            draws.append(gradient_draws(program, rows, 8000).gradients)
    assert same_mean(*draws)


@pytest.mark.thin(2)
@pytest.mark.parametrize(
    ("model", "guide", "x"),
    [(TwoLayers, Upwards(), X), (one_factor, AmortisedNormal, REALS)],
    ids=["layers", "one"],
)
def test_captured_equals_plain(model, guide, x):
    assert captured_as_plain(model(), guide, (x,), GeneralisedDoublyReparameterised(3))


def test_the_value_is_to_be_had_without_gradients():
    with built(TwoLayers(), Upwards(), GeneralisedDoublyReparameterised(3), (X,)) as program:
        torch.manual_seed(1)
        loss = program(clock(), None, X)
        torch.manual_seed(1)
        with torch.no_grad():
            value = program(clock(), None, X)
    assert loss.requires_grad
    assert not value.requires_grad
    assert value.item() == loss.item()


def test_what_it_does_not_take_is_refused():
    objective = GeneralisedDoublyReparameterised()
    assert objective.evaluations(None) == 10
    for name, guide, text in (
        ("change_point", "mean_field", "that of 'early' is Gamma. Use dreg"),
        ("eight_schools", "full_rank", "FullRank draws a vector that they are parts of"),
    ):
        model, args = MODEL_CASES[name].make()
        with pytest.raises(PairingError, match=text):
            built(model, guide_of(guide), objective, args).__enter__()


def test_a_guide_of_ones_own_that_draws_a_vector_is_refused():
    def guide(x):
        both = pyro.sample("both", dist.Normal(torch.zeros(2), 1.0).to_event(1), infer=OWN)
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Delta(pyro.param("a", torch.ones(2)) * both))

    with (
        built(OneLayer(), guide, GeneralisedDoublyReparameterised(), (X,)) as program,
        pytest.raises(ValueError, match="the guide draws 'both' besides 'z'"),
    ):
        program(clock(), None, X)
