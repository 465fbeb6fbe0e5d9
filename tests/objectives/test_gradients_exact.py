"""Every estimator's mean gradient against the exact gradient, by enumeration or closed form.

A row stands `COPIES` times in the data, so one backward pass averages as many independent
draws; `BATCHES` such passes give the mean and its standard error, coordinate by coordinate.
"""

from functools import partial
from pathlib import Path

import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, IDENTITY, built, clock, flat, relative_error, scatter, standard_error
from torch.distributions import kl_divergence
from torch.nn.functional import logsigmoid

from guides import AmortisedDiscrete, AmortisedNormal, Relaxed
from zoo.models.bernoulli_latent import BernoulliLatent
from zoo.models.exact_sums import states
from zoo.models.ppca import ProbabilisticPCA
from zoo.objectives import (
    IWAE,
    OBJECTIVES,
    DecayingAverage,
    DisARM,
    Enumerate,
    LeaveOneOut,
    MeanFieldKL,
    Neural,
    Renyi,
    StickingTheLanding,
    Trace,
    TraceGraph,
)
from zoo.optim.schedules import Constant

K, PIXELS, HIDDEN = 8, 3, 8
COPIES, BATCHES = 400, 60
ROWS = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])


def causes():
    return BernoulliLatent(PIXELS, (HIDDEN,), K)


def parameters(program):
    """Of the model and the guide; an objective's own are not part of the bound."""
    return [*program.model.parameters(), *program.guide.parameters()]


def log_densities(program, x):
    """log p(x, z) and log q(z | x) of every state: (rows, 2^K) each, by their definitions."""
    model, z = program.model, states(K).to(x)
    (logits,) = program.guide.encoder((x,))
    prior = dist.Bernoulli(logits=model.prior_logits).log_prob(z).sum(-1)
    means = model.decoder(z)
    likelihood = (x[:, None] * logsigmoid(means) + (1 - x[:, None]) * logsigmoid(-means)).sum(-1)
    log_q = (logsigmoid(logits) @ z.mT) + logsigmoid(-logits) @ (1 - z).mT
    return prior + likelihood, log_q


def exact_elbo(program, x):
    log_p, log_q = log_densities(program, x)
    return (log_q.exp() * (log_p - log_q)).sum()


def exact_renyi_of_two(alpha, program, x):
    """E log-mean of two weights to the power 1 - alpha, over all pairs of states."""
    log_p, log_q = log_densities(program, x)
    log_w = (1 - alpha) * (log_p - log_q)
    pairs = torch.logaddexp(log_w[:, :, None], log_w[:, None, :]) - torch.tensor(2.0).log()
    chance = (log_q[:, :, None] + log_q[:, None, :]).exp()
    return (chance * pairs).sum() / (1 - alpha)


def exact_gradient(program, bound, x):
    grads = torch.autograd.grad(-bound(program, x), parameters(program))
    return flat(grads)


def batch_gradients(program, x, batches=BATCHES, copies=COPIES):
    """Shape (batches, all parameters): each an average over `copies` draws."""
    program.state.eval()
    wide, found = x.repeat(copies, 1), []
    for _ in range(batches):
        program.zero_grad(set_to_none=True)
        program.backward(clock(x.device), None, wide)
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters(program)]
        found.append(flat(grads) / copies)
    return torch.stack(found)


def minibatch_gradients(program, x, draws, size=4):
    """The gradient of each of `draws` random minibatches of x, shape (draws, all parameters)."""
    found = []
    for _ in range(draws):
        rows = torch.randperm(len(x))[:size]
        program.zero_grad(set_to_none=True)
        program.backward(clock(), rows, x[rows])
        found.append(flat(p.grad for p in parameters(program)))
    return torch.stack(found)


def largest_z(found, exact):
    """The largest distance from the exact value over all coordinates, in standard errors."""
    return float(((found.mean(0) - exact).abs() / standard_error(found).clamp(min=1e-12)).max())


NVIL = TraceGraph(baselines=(DecayingAverage(), Neural((4,))))

NOISY = {
    "trace": (Trace(), exact_elbo),
    "trace_graph": (TraceGraph(), exact_elbo),
    "nvil": (NVIL, exact_elbo),
    "iwae": (IWAE(particles=2), partial(exact_renyi_of_two, 0.0)),
    "renyi": (Renyi(particles=2, alpha=0.5), partial(exact_renyi_of_two, 0.5)),
    "renyi, alpha < 0": (Renyi(particles=2, alpha=-1.0), partial(exact_renyi_of_two, -1.0)),
    "trace, 3 particles": (Trace(particles=3), exact_elbo),
    "trace_graph, 3 particles": (TraceGraph(particles=3), exact_elbo),
    "nvil, 3 particles": (TraceGraph(3, NVIL.baselines), exact_elbo),
    "iwae, 1 particle": (IWAE(particles=1), exact_elbo),
    "rloo": (LeaveOneOut(), exact_elbo),
    "rloo, 4 particles": (LeaveOneOut(4), exact_elbo),
    "disarm": (DisARM(), exact_elbo),
}
EXACT = {"enumerate": (Enumerate(), exact_elbo)}
CLOSED = {"mean_field", "stl"}  # continuous latents only: compared below
ELSEWHERE = {  # objective -> the tests that hold it against exact gradients
    "test_estimators_samples": ("vr_max", "miwae", "ciwae", "piwae", "tvo"),
    "test_estimators_paths": ("dreg", "tail_adaptive"),
    "test_estimators_measure_valued": ("measure_valued",),
    "test_estimators_score": ("reinforce", "reinforce_average", "vimco", "vimco_geometric"),
    "test_estimators_sums": ("local_sum", "layer_sum"),
    "test_estimators_rebar": ("muprop", "rebar", "relax"),
    "test_estimators_binary": ("arm", "u2g", "arms", "double_cv", "rodeo"),
    "test_estimators_free_bits": ("free_bits",),
    "test_estimators_wake_sleep": ("wake_sleep", "rws", "forward_kl"),
}


def test_every_objective_has_a_case():
    here = {*NOISY, *EXACT, *CLOSED} & set(OBJECTIVES)
    there = [name for names in ELSEWHERE.values() for name in names]
    assert sorted([*here, *there]) == sorted(OBJECTIVES)
    assert all(type(NOISY[n][0]) is type(OBJECTIVES[n]) for n in NOISY if n in OBJECTIVES)


@pytest.mark.parametrize("module", ELSEWHERE)
def test_a_case_elsewhere_names_its_class(module):
    source = (Path(__file__).parent / f"{module}.py").read_text()
    for name in ELSEWHERE[module]:
        assert f"{type(OBJECTIVES[name]).__name__}(" in source, name


@pytest.mark.parametrize("name", NOISY)
def test_the_mean_gradient_is_exact(name, device):
    objective, bound = NOISY[name]
    x = ROWS.to(device)
    with built(causes(), AmortisedDiscrete, objective, (x,), device=device) as program:
        if name.startswith("nvil"):
            warm_up(program, x)
        exact = exact_gradient(program, bound, x)
        found = batch_gradients(program, x)
        assert largest_z(found, exact) < ERRORS
        assert standard_error(found).norm() < 0.2 * exact.norm()


def warm_up(program, x):
    """Gives the baselines values that matter."""
    for _ in range(5):
        program.zero_grad(set_to_none=True)
        program.backward(clock(x.device), None, x)
    assert all(part.average != 0 for part in program.state.modules() if hasattr(part, "average"))


@pytest.mark.parametrize("name", EXACT)
def test_a_sum_has_no_noise(name, device):
    objective, bound = EXACT[name]
    x = ROWS.to(device)
    with built(causes(), AmortisedDiscrete, objective, (x,), device=device) as program:
        exact = exact_gradient(program, bound, x)
        found = batch_gradients(program, x, batches=2, copies=1)
        loss = program(clock(device), None, x)
        assert loss.item() == pytest.approx(-bound(program, x).item(), rel=IDENTITY)
        assert relative_error(found[0], exact) < IDENTITY
        assert torch.equal(found[0], found[1])


def test_the_baselines_lower_the_variance():
    x, spread = ROWS, {}
    for name in ("trace_graph", "nvil"):
        with built(causes(), AmortisedDiscrete, NOISY[name][0], (x,)) as program:
            program.state.train()
            warm_up(program, x.repeat(COPIES, 1))
            spread[name] = batch_gradients(program, x).var(0).sum()
    assert spread["nvil"] < spread["trace_graph"]


def exact_fit(program, x):
    """E_q log p(x | z), the bound without its KL term."""
    log_p, log_q = log_densities(program, x)
    prior = dist.Bernoulli(logits=program.model.prior_logits).log_prob(states(K).to(x)).sum(-1)
    return (log_q.exp() * (log_p - prior)).sum()


def bias(straight_through, temperature, bound, weight):
    """Length of the gradient's bias along its own direction, and the standard error.

    The direction comes from one half of the draws and the length from the other, so that noise
    does not count as bias.
    """
    guide = partial(Relaxed, temperature=temperature, straight_through=straight_through)
    weight = Constant(weight)
    with built(causes(), guide, Trace(), (ROWS,), kl_weight=weight) as program:
        scatter(program.model, spread=1.0)
        exact = exact_gradient(program, bound, ROWS)
        error = batch_gradients(program, ROWS, batches=2 * BATCHES, copies=3 * COPIES) - exact
    first, second = error[:BATCHES], error[BATCHES:]
    direction = first.mean(0) / first.mean(0).norm()
    along = second @ direction
    return along.mean(), standard_error(along)


@pytest.mark.parametrize("straight_through", [False, True])
def test_the_relaxed_gradient_is_biased(straight_through):
    length, error = bias(straight_through, 1.0, exact_elbo, 1.0)
    assert length > ERRORS * error


@pytest.mark.parametrize("straight_through", [False, True])
def test_the_bias_through_the_likelihood_falls_with_the_temperature(straight_through):
    """The KL term's does not: see the guide's own tests."""
    warm, warm_error = bias(straight_through, 1.0, exact_fit, 0.0)
    cold, cold_error = bias(straight_through, 0.2, exact_fit, 0.0)
    assert warm > ERRORS * warm_error
    assert warm - cold > ERRORS * (warm_error**2 + cold_error**2).sqrt()


def linear():
    return ProbabilisticPCA(PIXELS, 2)


def closed_form_elbo(program, x):
    """log p(x) - KL(q || posterior), both in closed form."""
    (output,) = program.guide.encoder((x,))
    loc, scale = program.guide._moments(output)
    q = dist.MultivariateNormal(loc, scale_tril=torch.diag_embed(scale))
    posterior = program.model.posterior(x)["z"]
    return (program.model.log_evidence(x) - kl_divergence(q, posterior)).sum()


@pytest.mark.parametrize(
    "objective",
    [Trace(), TraceGraph(), MeanFieldKL(), Trace(3), MeanFieldKL(3), IWAE(1), Renyi(1, 0.5)]
    + [StickingTheLanding(), StickingTheLanding(3), LeaveOneOut(3)],
    ids=str,
)
def test_reparameterised_gradients_against_closed_form(objective, device):
    x = torch.tensor([[1.0, -0.5, 2.0], [0.3, 0.1, -1.0]], device=device)
    with built(linear(), AmortisedNormal, objective, (x,), device=device) as program:
        exact = exact_gradient(program, closed_form_elbo, x)
        found = batch_gradients(program, x)
        assert largest_z(found, exact) < ERRORS
        assert standard_error(found).norm() < 0.2 * exact.norm()


def test_a_minibatch_gradient_is_unbiased_for_all_rows():
    """Score-function gradients carry N / batch once, not twice."""
    x = ROWS.repeat(5, 1)
    for objective in (Trace(), TraceGraph(), Renyi(2, 0.5)):
        bound = NOISY["renyi"][1] if isinstance(objective, Renyi) else exact_elbo
        with built(causes(), AmortisedDiscrete, objective, (ROWS,), rows=len(x)) as program:
            exact = exact_gradient(program, bound, x)
            assert largest_z(minibatch_gradients(program, x, 400), exact) < ERRORS


@pytest.mark.parametrize("objective", [Trace(8), MeanFieldKL(8)], ids=str)
def test_a_minibatch_counts_the_kl_term_for_all_rows(objective):
    x = torch.tensor([[1.0, -0.5, 2.0], [0.3, 0.1, -1.0], [0.0, 2.0, 0.4], [1.0, 1.0, -1.0]])
    with built(linear(), AmortisedNormal, objective, (x[:2],), rows=len(x)) as program:
        exact = exact_gradient(program, closed_form_elbo, x)
        assert largest_z(minibatch_gradients(program, x, 300, size=2), exact) < ERRORS
