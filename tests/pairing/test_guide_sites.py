"""A hand-written guide samples the model's latents, in the model's plates, and nothing else."""

import pyro
import pyro.distributions as dist
import pytest
import torch

import zoo
from zoo.pairing.mismatch import PairingError

X = torch.tensor(1.0)
STILL = {"steps": 1, "lr": 1e-30, "compile": False}


def model(x):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def location():
    return pyro.param("at", torch.tensor(0.5))


def of_another_name(x):
    pyro.sample("z", dist.Normal(location(), 1.0))
    pyro.sample("extra", dist.Normal(0.0, 1.0))


def of_what_is_observed(x):
    pyro.sample("z", dist.Normal(location(), 1.0))
    pyro.sample("x", dist.Normal(0.0, 1.0))


def observing(x):
    pyro.sample("z", dist.Normal(location(), 1.0), obs=torch.tensor(0.5))


def observing_more(x):
    pyro.sample("z", dist.Normal(location(), 1.0))
    pyro.sample("seen", dist.Normal(location(), 1.0), obs=torch.tensor(0.5))


def four_copies(x):
    with pyro.plate("copies", 4):
        pyro.sample("z", dist.Normal(location(), 1.0))


def of_another_shape(x):
    pyro.sample("z", dist.Normal(location() + torch.zeros(4), 1.0))


@pytest.mark.parametrize(
    ("guide", "says"),
    [
        (of_another_name, "samples 'extra', which the model does not"),
        (of_what_is_observed, "samples 'x', which the model observes"),
        (observing, "observes 'z'"),
        (observing_more, "observes 'seen'"),
        (four_copies, r"samples 'z' in plates \['copies'\]; the model in \[\]"),
        (of_another_shape, r"batch shape \(4,\); the model with \(\)"),
    ],
)
def test_what_is_not_the_models_is_refused(guide, says):
    with pytest.raises(PairingError, match=says):
        zoo.fit(model, guide, X, **STILL)


def test_helpers_of_the_guides_own_are_allowed():
    def guide(x):
        shift = pyro.sample("shift", dist.Normal(location(), 1.0), infer={"is_auxiliary": True})
        pyro.deterministic("doubled", 2 * shift)
        pyro.sample("z", dist.Delta(2 * shift, log_density=-torch.tensor(2.0).log()))

    fit = zoo.fit(model, guide, X, **STILL)
    found = zoo.evaluate(fit, metrics=["log_evidence"], draws=4000)["log_evidence"]
    truth = dist.Normal(0.0, 2**0.5).log_prob(X).item()
    assert abs(found.value - truth) < 5 * found.se
