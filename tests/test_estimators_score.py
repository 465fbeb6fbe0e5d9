"""Score-function estimators: REINFORCE, its baselines, VIMCO, sums over one latent or layer."""

from functools import partial

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
    relative_error,
    standard_error,
    unvectorised,
)
from steps import a_capture, equal_on_fresh_inputs
from test_gradients_exact import (
    COPIES,
    ROWS,
    batch_gradients,
    causes,
    closed_form_elbo,
    exact_elbo,
    exact_gradient,
    exact_renyi_of_two,
    largest_z,
    linear,
    parameters,
)
from torch import nn
from toys import a_toy, bernoulli_toy, gaussian_toy, square_distance, toy_gradients

from guides import AmortisedDiscrete, AmortisedLayers, AmortisedNormal, MeanField
from zoo.isolation import isolated
from zoo.models.categorical_vae import CategoricalVAE
from zoo.models.sigmoid_belief import SigmoidBeliefNet
from zoo.objectives import Enumerate, LeaveOneOut, Renyi
from zoo.objectives.baselines import Constant, DecayingAverage, Neural
from zoo.objectives.layer_sum import LayerSum
from zoo.objectives.local_sum import LocalSum
from zoo.objectives.reinforce import Reinforce
from zoo.objectives.vimco import VIMCO, leave_one_out
from zoo.traces import log_mean_exp

iwae_of_two = partial(exact_renyi_of_two, 0.0)
NVIL = (DecayingAverage(), Neural((4,)))
CASES = {
    "reinforce": (Reinforce(), exact_elbo),
    "reinforce, constant": (Reinforce(2, (Constant(-2.0),)), exact_elbo),
    "reinforce, nvil": (Reinforce(1, NVIL), exact_elbo),
    "vimco": (VIMCO(2), iwae_of_two),
    "vimco, geometric": (VIMCO(2, geometric=True), iwae_of_two),
    "local_sum": (LocalSum(), exact_elbo),
}


def categorical():
    return CategoricalVAE(3, 2, 3, (8,))


def layers():
    return SigmoidBeliefNet(3, (2, 3), learned_prior=True)


class Table(nn.Module):
    """Integers 0 .. 4 that choose a row of a table."""

    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(torch.randn(5, 3))

    def forward(self, x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Categorical(x.new_ones(5)))
            pyro.sample("x", dist.Bernoulli(logits=self.logits[z]).to_event(1), obs=x)


class Grid(nn.Module):
    """Causes in a plate of their own beside the rows', two of them in a vector."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(3, 2, 3))

    def forward(self, x):
        with pyro.plate("data", len(x), dim=-1):
            with pyro.plate("causes", 3, dim=-2):
                z = pyro.sample("z", dist.Bernoulli(x.new_full((2,), 0.4)).to_event(1))
            logits = torch.einsum("...nri,nio->...ro", z, self.weights).unsqueeze(-3)
            pyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=x)


def seeded(model):
    with isolated(seed=1):
        return model()


def by_enumeration(model, guide):
    """The exact gradient of the ELBO at the parameters that `built` gives."""
    with built(seeded(model), guide, Enumerate(), (ROWS,)) as program:
        return batch_gradients(program, ROWS, batches=1, copies=1)[0]


@pytest.mark.parametrize("name", CASES)
def test_the_mean_gradient_is_exact(name):
    objective, bound = CASES[name]
    with built(seeded(causes), AmortisedDiscrete, objective, (ROWS,)) as program:
        for _ in range(3):
            program.backward(clock(), None, ROWS)  # baselines that matter
        exact = exact_gradient(program, bound, ROWS)
        found = batch_gradients(program, ROWS)
        assert largest_z(found, exact) < ERRORS
        assert standard_error(found).norm() < 0.2 * exact.norm()


STRUCTURED = {
    "integers, reinforce": (Table, AmortisedDiscrete, Reinforce(2)),
    "categorical, reinforce": (categorical, AmortisedDiscrete, Reinforce()),
    "categorical, local_sum": (categorical, AmortisedDiscrete, LocalSum()),
    "layers, local_sum": (layers, AmortisedDiscrete, LocalSum()),
    "grid, local_sum": (Grid, AmortisedDiscrete, LocalSum()),
    "layers, z1 summed": (layers, AmortisedDiscrete, LayerSum()),
    "layers, z2 summed": (layers, AmortisedDiscrete, LayerSum("z2")),
    "dependent layers, z1 summed": (layers, AmortisedLayers, LayerSum("z1", particles=2)),
    "dependent layers, z2 summed": (layers, AmortisedLayers, LayerSum("z2", particles=2)),
}


@pytest.mark.parametrize("name", STRUCTURED)
def test_the_mean_gradient_is_exact_for_other_latents(name):
    model, guide, objective = STRUCTURED[name]
    exact = by_enumeration(model, guide)
    with built(seeded(model), guide, objective, (ROWS,)) as program:
        found = batch_gradients(program, ROWS)
    assert largest_z(found, exact) < ERRORS
    assert standard_error(found).norm() < 0.2 * exact.norm()


@pytest.mark.parametrize(
    ("model", "objective"),
    [(Table, LocalSum()), (Table, LayerSum()), (causes, LayerSum()), (Grid, LayerSum())],
    ids=str,
)
def test_a_sum_over_all_there_is_has_no_noise_in_the_guide(model, objective):
    exact = by_enumeration(model, AmortisedDiscrete)
    with built(seeded(model), AmortisedDiscrete, objective, (ROWS,)) as program:
        first = sum(p.numel() for p in program.model.parameters())
        found = batch_gradients(program, ROWS, batches=2, copies=1)
    skip = first if isinstance(objective, LocalSum) else 0  # the model's: at the draw alone
    assert relative_error(found[0][skip:], exact[skip:]) < IDENTITY
    assert relative_error(found[1][skip:], exact[skip:]) < IDENTITY


def test_reinforce_holds_differentiable_draws_constant():
    x = torch.tensor([[1.0, -0.5, 2.0], [0.3, 0.1, -1.0]])
    with built(linear(), AmortisedNormal, Reinforce(2), (x,)) as program:
        exact = exact_gradient(program, closed_form_elbo, x)
        assert largest_z(batch_gradients(program, x), exact) < ERRORS


@pytest.mark.parametrize("baseline", [Constant(1.0), DecayingAverage()], ids=str)
def test_reinforce_takes_shared_latents(baseline):
    loc, target = torch.tensor([0.5, -1.0]), 0.45
    toy = gaussian_toy(square_distance(target), loc)
    with a_toy(toy, Reinforce(1, (baseline,))) as program:
        found = toy_gradients(program, 4000)
    assert largest_z(found, loc - target) < ERRORS  # 2 (theta - target) / D, D = 2


def test_reinforce_runs_on_eight_schools():
    model, args = MODEL_CASES["eight_schools"].make()
    objective = Reinforce(4, (DecayingAverage(),))
    with built(model, MeanField, objective, args) as program:
        assert program.backward(clock(), None, *args).isfinite()
        assert all(p.grad.isfinite().all() for p in program.guide.parameters())


def test_reinforce_is_the_signal_times_the_score():
    """One coin: cost(b) minus the constant, times b - p."""
    logit, cost = torch.tensor([0.3]), square_distance(0.2)
    with a_toy(bernoulli_toy(cost, logit), Reinforce(1, (Constant(0.1),))) as program:
        found = toy_gradients(program, 200)
    p = logit.sigmoid()
    values = {round(float((cost(b) - 0.1) * (b - p)), 10) for b in torch.tensor([[0.0], [1.0]])}
    assert {round(value, 10) for value in found.flatten().tolist()} == values


def test_a_neural_baseline_needs_rows():
    toy = bernoulli_toy(square_distance(0.45), torch.zeros(1))
    with pytest.raises(ValueError, match="neural baseline"), a_toy(toy, Reinforce(1, (Neural(),))):
        pass


def spread(objective, bound=exact_elbo):
    with built(seeded(causes), AmortisedDiscrete, objective, (ROWS,)) as program:
        for _ in range(5):
            program.backward(clock(), None, ROWS.repeat(COPIES, 1))
        found = batch_gradients(program, ROWS)
        errors = (found - exact_gradient(program, bound, ROWS)).square().sum(-1) * COPIES
        return errors.mean(), standard_error(errors)


@pytest.mark.parametrize(
    ("better", "worse", "bound"),
    [
        (Reinforce(1, (Constant(-2.0),)), Reinforce(), exact_elbo),
        (Reinforce(1, NVIL), Reinforce(), exact_elbo),
        (VIMCO(2), Renyi(2, 0.0), iwae_of_two),
        (VIMCO(2, geometric=True), Renyi(2, 0.0), iwae_of_two),
        (LocalSum(), Reinforce(), exact_elbo),
    ],
    ids=str,
)
def test_the_variance_is_lower(better, worse, bound):
    (low, low_error), (high, high_error) = spread(better, bound), spread(worse, bound)
    assert high - low > ERRORS * (low_error**2 + high_error**2).sqrt()


def test_a_sum_over_one_layer_lowers_the_variance():
    found = {}
    for objective in (LeaveOneOut(2), LayerSum("z1", 2), LayerSum("z2", 2)):
        with built(seeded(layers), AmortisedLayers, objective, (ROWS,)) as program:
            found[objective] = batch_gradients(program, ROWS).var(0).sum()
    drawn, first, second = found.values()
    assert max(first, second) < drawn


@pytest.mark.parametrize("geometric", [False, True])
def test_the_left_out_weight_is_a_mean_of_the_others(geometric):
    log_w = torch.randn(4, 3)
    found = leave_one_out(log_w, geometric=geometric)
    for k in range(4):
        rest = torch.cat([log_w[:k], log_w[k + 1 :]])
        stand_in = rest.mean(0) if geometric else log_mean_exp(rest)
        expected = log_mean_exp(torch.cat([rest, stand_in[None]]))
        assert relative_error(found[k], expected) < IDENTITY


def test_the_two_stand_ins_agree_for_two_weights():
    log_w = torch.randn(2, 3)
    found = leave_one_out(log_w, geometric=True)
    assert relative_error(found, log_w.flip(0)) < IDENTITY
    assert relative_error(found, leave_one_out(log_w, geometric=False)) < IDENTITY


def test_vimco_survives_weights_far_apart():
    log_w = torch.tensor([[-2000.0], [0.0], [-900.0]])
    for geometric in (False, True):
        assert leave_one_out(log_w, geometric=geometric).isfinite().all()


@pytest.mark.parametrize("model", [categorical, layers, Grid])
@pytest.mark.parametrize("objective", [LocalSum(), LayerSum(particles=2)], ids=str)
def test_values_side_by_side_are_values_one_by_one(model, objective):
    found = []
    for change in (lambda program: program, unvectorised):
        with built(seeded(model), AmortisedDiscrete, objective, (ROWS,)) as program:
            change(program).backward(clock(), None, ROWS)
            found.append(flat(p.grad for p in parameters(program)))
    assert relative_error(found[1], found[0]) < IDENTITY


def test_evaluations_are_counted():
    with built(seeded(categorical), AmortisedDiscrete, LocalSum(), (ROWS,)) as program:
        assert LocalSum().evaluations(program.latents) == 1 + 2 * (3 - 1)
        assert LayerSum(particles=2).evaluations(program.latents) == 2 * 3**2
        assert Reinforce(3).evaluations(program.latents) == 3
        assert VIMCO(4).evaluations(program.latents) == 4
    with built(seeded(Grid), AmortisedDiscrete, LocalSum(), (ROWS,)) as program:
        assert LocalSum().evaluations(program.latents) == 1 + 6
        assert LayerSum().evaluations(program.latents) == 2**6


@pytest.mark.parametrize("model", [categorical, layers])
@pytest.mark.parametrize(
    "objective",
    [Reinforce(2, NVIL), VIMCO(3, geometric=True), LocalSum(), LayerSum(particles=2)],
    ids=str,
)
def test_a_captured_step_equals_the_plain_one(model, objective):
    x = ROWS.repeat(3, 1)
    with a_capture(seeded(model), AmortisedDiscrete, (x,), objective, batch=2) as found:
        assert equal_on_fresh_inputs(*found)


@pytest.mark.parametrize(
    "objective",
    [Reinforce(2, (DecayingAverage(),)), VIMCO(2), LocalSum(), LayerSum(), LeaveOneOut()],
    ids=str,
)
def test_a_minibatch_gradient_is_unbiased_for_all_rows(objective):
    x = ROWS.repeat(5, 1)
    bound = iwae_of_two if isinstance(objective, VIMCO) else exact_elbo
    with built(seeded(causes), AmortisedDiscrete, objective, (ROWS,), rows=len(x)) as program:
        exact, found = exact_gradient(program, bound, x), []
        for _ in range(300):
            rows = torch.randperm(len(x))[:4]
            program.zero_grad(set_to_none=True)
            program.backward(clock(), rows, x[rows])
            found.append(flat(p.grad for p in parameters(program)))
        assert largest_z(torch.stack(found), exact) < ERRORS


@pytest.mark.parametrize("make", [Reinforce, LayerSum])
def test_no_particles_are_refused(make):
    with pytest.raises(ValueError, match="at least 1; got 0"):
        make(particles=0)


def test_vimco_refuses_one_particle():
    with pytest.raises(ValueError, match="at least 2; got 1"):
        VIMCO(particles=1)


def test_layer_sum_names_what_it_cannot_sum():
    x = torch.randn(2, 3)
    with pytest.raises(ValueError, match="one finite latent"):
        built(linear(), AmortisedNormal, LayerSum(), (x,)).__enter__()
    with pytest.raises(ValueError, match="'z' has support"):
        built(linear(), AmortisedNormal, LayerSum("z"), (x,)).__enter__()
    with pytest.raises(ValueError, match="No latent named 'z3'"):
        built(layers(), AmortisedLayers, LayerSum("z3"), (ROWS,)).__enter__()


def test_layer_sum_refuses_rows_under_a_shared_latent():
    def shared(x):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Bernoulli(0.5))
            pyro.sample("x", dist.Normal(mu + z, 1.0), obs=x[:, 0])

    def guide(x):
        pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Bernoulli(0.5))

    with pytest.raises(ValueError, match="'mu' is shared"):
        built(shared, guide, LayerSum(), (ROWS,)).__enter__()
