"""KL from the prior is at least the mutual information only where all rows have one prior."""

import pyro
import pyro.distributions as dist
import pytest
import torch

import guides
import zoo
from zoo.evaluation.mutual_information import OWN_PRIORS


def shifted(x, shift):
    """Each row's prior stands at its own shift, and x says next to nothing more."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(shift, 1.0))
        pyro.sample("x", dist.Normal(z, 30.0), obs=x)


class Exact(torch.nn.Module):
    """q(z | x, shift) is the posterior, moved by a parameter that starts at 0."""

    def __init__(self):
        super().__init__()
        self.moved = torch.nn.Parameter(torch.zeros(()))

    def forward(self, x, shift):
        precision = 1 + 30**-2
        with pyro.plate("data", len(x)):
            mean = (shift + x / 30**2) / precision + self.moved
            pyro.sample("z", dist.Normal(mean, precision**-0.5))


@pytest.mark.parametrize("spread", [0.0, 20.0])
def test_a_guide_of_rows_with_their_own_priors_is_not_accused(spread):
    x, shift = torch.randn(40), spread * torch.randn(40)
    fit = zoo.fit(shifted, Exact(), x, shift, steps=1, lr=1e-30)
    found = zoo.evaluate(fit, metrics=["elbo", "weights", "latents"], draws=200)
    assert (OWN_PRIORS in found["mutual_information"].note) == (spread > 0)
    if spread:
        assert found["mutual_information"].value > found["kl"].value + 1
    assert "KL from the prior lies" not in found.answers.questions["bound"]["reason"]


def test_a_shared_prior_is_still_checked():
    fit = zoo.fit(zoo.load("ppca"), guides.AmortisedFullRank, steps=5)
    assert OWN_PRIORS not in zoo.evaluate(fit, metrics=["latents"])["mutual_information"].note
