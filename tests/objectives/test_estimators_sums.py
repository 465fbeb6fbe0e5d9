"""Sums over one latent or one layer at a time: what is summed, what is drawn, what is refused."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import (
    IDENTITY,
    built,
    clock,
    conjugate_rows,
    flat,
    named,
    relative_error,
    unvectorised,
)
from estimates import unbiased
from finite_estimators import found_and_exact
from finite_models import Grid, Table, by_enumeration, categorical, layers, seeded
from network_of_causes import (
    ROWS,
    batch_gradients,
    causes,
    linear,
    parameters,
)

import zoo
from guides import AmortisedDiscrete, AmortisedLayers, AmortisedNormal
from zoo.latents import describe
from zoo.objectives import LeaveOneOut
from zoo.objectives.layer_sum import LayerSum
from zoo.objectives.local_sum import LocalSum
from zoo.objectives.reinforce import Reinforce
from zoo.objectives.vimco import VIMCO

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


@pytest.mark.thin(6)
@pytest.mark.parametrize("name", STRUCTURED)
def test_the_mean_gradient_is_exact_for_other_latents(name):
    model, guide, objective = STRUCTURED[name]
    assert unbiased(*found_and_exact(model, objective, guide))


@pytest.mark.parametrize(
    ("model", "objective"),
    [(Table, LocalSum()), (Table, LayerSum()), (causes, LayerSum()), (Grid, LayerSum())],
    ids=named,
)
def test_a_sum_over_all_there_is_has_no_noise_in_the_guide(model, objective):
    exact = by_enumeration(model, AmortisedDiscrete)
    with built(seeded(model), AmortisedDiscrete, objective, (ROWS,)) as program:
        first = sum(p.numel() for p in program.model.parameters())
        found = batch_gradients(program, ROWS, batches=2, copies=1)
    skip = first if isinstance(objective, LocalSum) else 0  # the model's: at the draw alone
    assert relative_error(found[0][skip:], exact[skip:]) < IDENTITY
    assert relative_error(found[1][skip:], exact[skip:]) < IDENTITY


def test_a_sum_over_one_layer_lowers_the_variance():
    found = {}
    for objective in (LeaveOneOut(2), LayerSum("z1", 2), LayerSum("z2", 2)):
        with built(seeded(layers), AmortisedLayers, objective, (ROWS,)) as program:
            found[objective] = batch_gradients(program, ROWS).var(0).sum()
    drawn, first, second = found.values()
    assert max(first, second) < drawn


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


def test_layer_sum_names_what_it_cannot_sum():
    x = torch.randn(2, 3)
    with pytest.raises(ValueError, match="one finite latent"):
        built(linear(), AmortisedNormal, LayerSum(), (x,)).__enter__()
    latents = describe(conjugate_rows, x[:, 0])
    assert "the values of 'z' are real numbers" in LayerSum("z").objection(latents)
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


def test_rows_that_share_a_latent_are_not_moved_one_by_one():
    def model(x):
        common = pyro.sample("common", dist.Bernoulli(0.5))
        with pyro.plate("data", len(x)):
            own = pyro.sample("own", dist.Bernoulli(0.3))
            pyro.sample("x", dist.Normal(common + own, 1.0), obs=x)

    def guide(x):
        pyro.sample("common", dist.Bernoulli(logits=pyro.param("a", torch.zeros(()))))
        with pyro.plate("data", len(x)):
            pyro.sample("own", dist.Bernoulli(logits=pyro.param("b", torch.zeros(len(x)))))

    with pytest.raises(ValueError, match="'own' belongs to a row and 'common' is shared by all"):
        zoo.fit(model, guide, torch.zeros(4), objective=LocalSum(), steps=1)
