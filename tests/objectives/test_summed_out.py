"""Latents that a guide leaves out are summed out when a fit is scored, whoever wrote the guide."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import TraceEnum_ELBO, config_enumerate
from pyro.infer.autoguide import AutoNormal
from torch.distributions import constraints

import zoo
from guides import Empty, MeanField
from zoo.isolation import isolated
from zoo.pairing.mismatch import PairingError
from zoo.sampling.importance_weights import weight_chunks

IDENTITY = 1e-8
X = torch.tensor([0.0, 1.0, 10.0, 11.0, 12.0])
SHARES = torch.tensor([0.3, 0.7])
STILL = {"steps": 1, "lr": 1e-30, "compile": False}
ENUM = TraceEnum_ELBO(max_plate_nesting=1)


def clouds(x):
    m = pyro.sample("m", dist.Normal(5.0, 5.0))
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Categorical(SHARES))
        pyro.sample("x", dist.Normal(m + torch.tensor([-5.0, 5.0])[k], 1.0), obs=x)


def by_hand(x):
    spread = pyro.param("spread", torch.tensor(0.45), constraint=constraints.positive)
    pyro.sample("m", dist.Normal(pyro.param("at", torch.tensor(5.9)), spread))


def exact_evidence():
    """By quadrature over m."""
    m = torch.linspace(-30, 40, 20001)
    sides = dist.Normal(m[:, None, None] + torch.tensor([-5.0, 5.0]), 1.0).log_prob(X[:, None])
    joint = dist.Normal(5.0, 5.0).log_prob(m) + (sides + SHARES.log()).logsumexp(-1).sum(-1)
    return (joint.logsumexp(0) + (m[1] - m[0]).log()).item()


@pytest.mark.thin(6)
@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("guide", ["hand", "auto", "zoo"])
def test_the_evidence_is_that_of_the_sum(guide, marked):
    model = config_enumerate(clouds) if marked else clouds
    with isolated(seed=0):
        guides = {
            "hand": by_hand,
            "auto": AutoNormal(poutine.block(model, expose=["m"]), init_scale=0.45),
            "zoo": MeanField,
        }
        objective = ENUM if marked else "enumerate"
        steps = {"steps": 300, "lr": 0.03} if guide != "hand" else {"steps": 1, "lr": 1e-30}
        fit = zoo.fit(model, guides[guide], X, objective=objective, compile=False, **steps)
    found = zoo.evaluate(fit, draws=300)
    truth = exact_evidence()
    assert abs(found["log_evidence"].value - truth) < 5 * found["log_evidence"].se + 0.01
    assert found["elbo"].value < truth + 5 * found["elbo"].se
    assert found.skipped["elpd_loo"]
    assert "no draws of ['k']" in found.skipped["predictive_p"]


def chain(x):
    """A hidden Markov chain whose persistence is latent and whose start is shared by no plate."""
    stay = pyro.sample("stay", dist.Beta(4.0, 2.0))
    state = torch.tensor(0)
    for t in pyro.markov(range(len(x))):
        p = torch.where(state == 0, 1 - stay, stay)
        state = pyro.sample(f"z{t}", dist.Bernoulli(p)).long()
        pyro.sample(f"x{t}", dist.Normal(2.0 * state, 1.0), obs=x[t])


def chain_log_joint(stay, x):
    """Log p(x, stay) by the forward algorithm."""
    turn = torch.stack([torch.stack([stay, 1 - stay]), torch.stack([1 - stay, stay])]).log()
    sees = dist.Normal(torch.tensor([0.0, 2.0]), 1.0).log_prob(x[:, None])
    forward = turn[0] + sees[0]
    for seen in sees[1:]:
        forward = (forward[:, None] + turn).logsumexp(0) + seen
    return forward.logsumexp(0) + dist.Beta(4.0, 2.0).log_prob(stay)


def of_stay(x):
    a = pyro.param("a", torch.tensor([3.0, 2.0]), constraint=constraints.positive)
    pyro.sample("stay", dist.Beta(a[0], a[1]))


def test_a_markov_chain_is_summed_along():
    x = torch.tensor([0.1, 2.2, 1.7, 0.3, -0.4, 2.0, 1.9, 2.4, 0.2, 0.1])
    model = config_enumerate(chain)
    fit = zoo.fit(model, of_stay, x, objective=TraceEnum_ELBO(max_plate_nesting=0), **STILL)
    program = fit.program.eval()
    with isolated(seed=3):
        (log_w,) = weight_chunks(program, (x,), 3)
    with isolated(seed=3), program.handlers(None), torch.no_grad():
        for found in log_w[:, 0]:
            trace = poutine.trace(program.guide).get_trace(x)
            stay = trace.nodes["stay"]["value"]
            truth = chain_log_joint(stay, x) - trace.log_prob_sum()
            assert found.item() == pytest.approx(truth.item(), rel=IDENTITY)


def two_levels(x):
    """A label that all rows share, and one of each row: no joint states of a row exist."""
    m = pyro.sample("m", dist.Normal(0.0, 1.0))
    far = pyro.sample("far", dist.Bernoulli(0.4))
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Bernoulli(0.3))
        pyro.sample("x", dist.Normal(m + 2 * far + k, 1.0), obs=x)


def of_m(x):
    pyro.sample("m", dist.Normal(pyro.param("at", torch.tensor(0.5)), 1.0))


def test_labels_of_rows_and_of_all_rows_are_summed_out():
    fit = zoo.fit(
        config_enumerate(two_levels),
        of_m,
        X / 5,
        objective=TraceEnum_ELBO(max_plate_nesting=1),
        **STILL,
    )
    program = fit.program.eval()
    with isolated(seed=3):
        (log_w,) = weight_chunks(program, (X / 5,), 2)
    with isolated(seed=3), program.handlers(None), torch.no_grad():
        for found in log_w[:, 0]:
            trace = poutine.trace(program.guide).get_trace(X / 5)
            m = trace.nodes["m"]["value"]
            shared = torch.tensor([0.0, 1.0])[:, None, None]
            k = torch.tensor([0.0, 1.0])
            rows = dist.Normal(m + 2 * shared + k, 1.0).log_prob((X / 5)[:, None])
            rows = (rows + dist.Bernoulli(0.3).log_prob(k)).logsumexp(-1).sum(-1)
            labels = dist.Bernoulli(0.4).log_prob(shared[:, 0, 0])
            truth = (rows + labels).logsumexp(0) + dist.Normal(0.0, 1.0).log_prob(m)
            assert found.item() == pytest.approx(
                (truth - trace.log_prob_sum()).item(), rel=IDENTITY
            )


@config_enumerate
def chain_in_rows(x):
    """Each row has a chain of its own and a continuous latent."""
    with pyro.plate("data", len(x)):
        m = pyro.sample("m", dist.Normal(torch.zeros(()), 1.0))
        state = torch.tensor(0)
        for t in pyro.markov(range(x.shape[1])):
            state = pyro.sample(f"z{t}", dist.Bernoulli(0.2 + 0.6 * (state == 1))).long()
            pyro.sample(f"x{t}", dist.Normal(m + 2.0 * state, 1.0), obs=x[:, t])


def of_rows(x):
    with pyro.plate("data", len(x)):
        pyro.sample("m", dist.Normal(pyro.param("slope", torch.tensor(0.5)) * x.mean(1), 1.0))


def test_rows_with_chains_keep_weights_of_their_own():
    x = torch.randn(4, 3) + 1
    fit = zoo.fit(chain_in_rows, of_rows, x, objective=ENUM, **STILL)
    program = fit.program.eval()
    with isolated(seed=3):
        (log_w,) = weight_chunks(program, (x,), 2)
    assert log_w.shape == (2, 4)
    paths = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
    before = torch.cat([torch.zeros(8, 1), paths[:, :-1]], 1)
    prior = dist.Bernoulli(0.2 + 0.6 * before).log_prob(paths).sum(1)
    with isolated(seed=3), program.handlers(None), torch.no_grad():
        for found in log_w:
            node = poutine.trace(program.guide).get_trace(x).nodes["m"]
            m, log_q = node["value"], node["fn"].log_prob(node["value"])
            seen = dist.Normal(m[:, None, None] + 2 * paths, 1.0).log_prob(x[:, None]).sum(-1)
            truth = (seen + prior).logsumexp(1) + dist.Normal(0.0, 1.0).log_prob(m) - log_q
            torch.testing.assert_close(found, truth, rtol=IDENTITY, atol=IDENTITY)


def test_no_guide_at_all_is_the_exact_evidence():
    @config_enumerate
    def model(x):
        far = pyro.sample("far", dist.Bernoulli(0.4))
        scale = pyro.param("scale", torch.ones(()), constraint=constraints.positive)
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(far, scale), obs=x)

    found = zoo.evaluate(zoo.fit(model, Empty, X / 5, objective=ENUM, **STILL), metrics="weights")
    likelihoods = dist.Normal(torch.tensor([0.0, 1.0]), 1.0).log_prob(X[:, None] / 5).sum(0)
    truth = (likelihoods + torch.tensor([0.6, 0.4]).log()).logsumexp(0).item()
    assert found["elbo"].value == pytest.approx(truth)
    assert found["log_evidence"].value == pytest.approx(truth)


def test_latents_that_are_not_marked_are_not_left_to_trace_enum():
    with pytest.raises(PairingError, match="'k' is not marked, and would be drawn from the prior"):
        zoo.fit(clouds, by_hand, X, objective=ENUM, **STILL)
