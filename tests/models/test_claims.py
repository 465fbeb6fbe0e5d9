"""Whatever a model of the table says that it knows exactly, it knows.

The evidence by Bayes' rule at draws of the exact posterior, or by summing all states of latents
that are discrete; moments by the same sum. Where nothing is latent it is the model's
own density. What can be had by neither is tested in the file that is named, by quadrature or
another closed form.
"""

from itertools import product
from pathlib import Path

import pytest
import torch
from cases import MODEL_CASES
from joint import close, log_joint, log_total
from pyro import poutine
from torch.distributions import Independent

from zoo.decoders import AutoregressiveRow
from zoo.isolation import isolated
from zoo.models import MODELS
from zoo.models.exact_sums import states
from zoo.protocols import HasEvidence, HasMoments, HasPosterior

ROWS, DRAWS = 3, 4
CLAIMS = (HasEvidence, HasMoments, HasPosterior)
ELSEWHERE = {
    "eight_schools": "test_models_eight_schools",
    "eight_schools_noncentred": "test_models_eight_schools",
    "varying_intercepts": "test_models_varying_intercepts",
    **dict.fromkeys(("autoregression", "change_point"), "test_models_series"),
    "neals_funnel": "test_models_exact_guides",
    "banana": "test_models_exact_guides",
    **dict.fromkeys(("facing_moons", "forty_gaussians", "many_well"), "test_models_targets"),
    **dict.fromkeys(("lattice_phi4", "double_well_particles"), "test_models_targets"),
    "rbm": "test_models_energies",
    **dict.fromkeys(("dbm", "dbn"), "test_models_deep_energies"),
}


def made(name):
    model, args = MODEL_CASES[name].make(rows=ROWS)
    with isolated(seed=3), torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model, args


def claims(name):
    model, _ = made(name)
    return [claim for claim in CLAIMS if isinstance(model, claim)]


def with_claim(claim):
    return [name for name in MODELS if claim in claims(name) and name not in ELSEWHERE]


def are_discrete(name):
    return {site.kind for site in MODEL_CASES[name].sites.values()} == {"discrete"}


def states_of(fn):
    """Every value of one row of a discrete site, (states, *event)."""
    base = fn
    while isinstance(base, Independent):
        base = base.base_dist
    if isinstance(base, AutoregressiveRow):
        return states(base.event_shape.numel())
    support = base.enumerate_support(expand=False)
    support = support.reshape(len(support), *base.event_shape)
    count = fn.event_shape.numel() // base.event_shape.numel()
    rows = [torch.stack(parts) for parts in product(support, repeat=count)]
    return torch.stack(rows).reshape(len(rows), *fn.event_shape)


def summed(name, model, args):
    """The evidence of each row, and mean and sd of each site, from all joint states."""
    with isolated(seed=0):
        nodes = poutine.trace(model).get_trace(*args).nodes
    names = list(MODEL_CASES[name].sites)
    joint = list(product(*(states_of(nodes[site]["fn"]) for site in names)))
    values = {site: torch.stack([state[i] for state in joint]) for i, site in enumerate(names)}
    scores = torch.stack(
        [
            log_joint(
                model, {n: v[s].expand(ROWS, *v.shape[1:]) for n, v in values.items()}, *args
            )
            for s in range(len(joint))
        ]
    )
    weights = scores.softmax(0)
    moments = {}
    for site, value in values.items():
        mean = torch.einsum("sr,s...->r...", weights, value)
        square = torch.einsum("sr,s...->r...", weights, value**2)
        moments[site] = mean, (square - mean**2).clamp(min=0).sqrt()
    return scores.logsumexp(0), moments


@pytest.mark.parametrize("name", with_claim(HasEvidence))
def test_the_evidence_is_the_evidence(name):
    model, args = made(name)
    with torch.no_grad():
        claimed = model.log_evidence(*args)
        if not MODEL_CASES[name].sites:
            close(claimed, log_joint(model.eval(), {}, *args))
        elif isinstance(model, HasPosterior) and not are_discrete(name):
            local = {site.scope for site in MODEL_CASES[name].sites.values()} == {"local"}
            joint = log_joint if local else log_total
            torch.manual_seed(0)
            for _ in range(DRAWS):
                q = model.posterior(*args)
                z = {site: fn.sample() for site, fn in q.items()}
                log_q = sum(fn.log_prob(z[site]) for site, fn in q.items())
                close(joint(model, z, *args) - log_q, claimed)
        else:
            assert are_discrete(name), "no way to check it: name the file that does in ELSEWHERE"
            close(claimed, summed(name, model, args)[0])


@pytest.mark.parametrize("name", with_claim(HasMoments))
def test_the_moments_are_those_of_the_posterior(name):
    model, args = made(name)
    assert are_discrete(name), "no way to check it: name the file that does in ELSEWHERE"
    with torch.no_grad():
        exact = summed(name, model, args)[1]
        for site, (mean, sd) in model.posterior_moments(*args).items():
            close(mean, exact[site][0])
            torch.testing.assert_close(sd, exact[site][1], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", [n for n in with_claim(HasPosterior) if are_discrete(n)])
def test_a_discrete_posterior_has_the_summed_moments(name):
    model, args = made(name)
    with torch.no_grad():
        exact = summed(name, model, args)[1]
        for site, fn in model.posterior(*args).items():
            close(fn.mean, exact[site][0])


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_tested_elsewhere_is(name):
    model, _ = made(name)
    text = (Path(__file__).parent / f"{ELSEWHERE[name]}.py").read_text()
    assert claims(name)
    assert type(model).__name__ in text
    assert "log_evidence" in text
    assert "posterior_moments" in text
