"""Whether a model broadcasts over particles is asked at parameters that are special in no way."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import nn

import zoo
from guides import FullRank
from zoo.isolation import isolated
from zoo.objectives import IWAE, Trace

pytestmark = pytest.mark.filterwarnings("ignore:Particles run one after another")
Y = torch.randn(4, generator=torch.Generator().manual_seed(0)) * 0.3 + 3
X = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))


def of_the_mean(y):
    """The mean of all that it draws, over particles too, with an effect that starts at 0."""
    effect = pyro.param("effect", torch.zeros(()))
    with pyro.plate("J", 4):
        z = pyro.sample("z", dist.Normal(1.0, 1.0))
        pyro.sample("y", dist.Normal(z + effect * z.mean(), 1.0), obs=y)


def evidence(effect):
    """Exact: y = A z + noise with A = I + effect / 4."""
    design = torch.eye(4) + effect / 4
    return dist.MultivariateNormal(design.sum(1), design @ design.T + torch.eye(4)).log_prob(Y)


@pytest.mark.thorough
def test_an_effect_that_starts_at_zero_is_seen():
    fit = zoo.fit(of_the_mean, FullRank, Y, objective=Trace(3), steps=300, lr=0.02, compile=False)
    assert "two particles at once do not score as each does alone" in fit.latents.narrow
    with fit.program.store:
        exact = evidence(pyro.param("effect").detach())
    found = zoo.evaluate(fit, metrics=["log_evidence"], draws=1000)["log_evidence"]
    assert abs(found.value - exact) < 5 * found.se + 1e-3


class Normalised(nn.Module):
    """Batch normalisation as wide as there are rows: at the start it is the identity."""

    def __init__(self, width):
        super().__init__()
        self.decoder = nn.Sequential(
            nn.Linear(2, width), nn.BatchNorm1d(width), nn.Linear(width, 3)
        )
        self.encoder = nn.Linear(3, 4)

    def model(self, x):
        pyro.module("decoder", self.decoder)
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), 2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(self.decoder(z), 1.0).to_event(1), obs=x)

    def guide(self, x):
        pyro.module("encoder", self.encoder)
        with pyro.plate("data", len(x)):
            loc, scale = self.encoder(x).chunk(2, -1)
            pyro.sample("z", dist.Normal(loc, scale.exp()).to_event(1))


def test_normalisation_as_wide_as_the_rows_is_not_taken_for_one_of_them():
    both = Normalised(8)
    fit = zoo.fit(both.model, both.guide, X, objective=IWAE(particles=5), steps=30, compile=False)
    assert fit.latents.narrow
    found = zoo.evaluate(fit, metrics=["elbo"], draws=400)["elbo"]
    with torch.no_grad(), isolated(seed=0):
        pair = fit.pair
        draws = []
        for _ in range(300):
            q = pyro.poutine.trace(pair.guide).get_trace(X)
            p = pyro.poutine.trace(pyro.poutine.replay(pair.model, trace=q)).get_trace(X)
            draws.append((p.log_prob_sum() - q.log_prob_sum()) / len(X))
    alone = torch.stack(draws)
    assert abs(found.value - alone.mean()) < 5 * (found.se**2 + alone.var() / 300) ** 0.5


def test_minibatches_as_large_as_a_layer_is_wide_are_scored():
    both = Normalised(4)
    fit = zoo.fit(both.model, both.guide, X, steps=5, batch_size=4, compile=False)
    assert "elbo" in zoo.evaluate(fit, metrics=["elbo"], draws=20)


def test_moved_parameters_that_make_no_sense_are_no_reason():
    """A matrix that has to stay positive definite."""

    class Correlated(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("covariance", torch.tensor([[1.0, 0.999], [0.999, 1.0]]))

        def forward(self, x):
            z = pyro.sample("z", dist.MultivariateNormal(torch.zeros(2), self.covariance))
            with pyro.plate("data", len(x)):
                pyro.sample("x", dist.Normal(z.sum(-1), 1.0), obs=x)

    fit = zoo.fit(Correlated(), FullRank, torch.ones(3), steps=2, compile=False)
    assert not fit.latents.narrow
