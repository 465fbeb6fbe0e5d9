"""Every guide of the table: gradients, shapes, state, encoders, and what is refused."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import (
    MODEL_CASES,
    built,
    clock,
    guide_of,
    scatter,
    step_of,
)
from cases_pairs import GUIDE_CASES
from pyro import poutine
from torch import nn

from guides import (
    GUIDES,
    IAF,
    AmortisedDiscrete,
    AmortisedFullRank,
    AmortisedIAF,
    AmortisedNormal,
    MeanField,
    PerDatum,
    Relaxed,
    guide_named,
)
from zoo.latents import Kind, describe
from zoo.objectives import OBJECTIVES, Trace

PARAMETERLESS = {
    "empty",
    "shared",
    "coordinate_ascent",
}  # nothing to train, or all of it the model's
SAMPLING = [name for name in GUIDES if name != "empty"]


@pytest.mark.parametrize("name", GUIDES)
def test_every_parameter_gets_a_gradient(name, device):
    model, objective = GUIDE_CASES[name]
    made, args = MODEL_CASES[model].make(device)
    with built(made, guide_of(name), OBJECTIVES[objective], args, device=device) as program:
        _, grads = step_of(program, args)
        names = {n for n, _ in program.guide.named_parameters(prefix="guide")}
        assert bool(names) == (name not in PARAMETERLESS)
        for parameter in names:
            assert grads[parameter].isfinite().all(), parameter
            assert grads[parameter].abs().max() > 0, parameter


def guide_relaxes_permutations(guide):
    """Then its draws are matrices in training."""
    return guide.relaxes and Kind.PERMUTATION in guide.kinds


@pytest.mark.parametrize("particles", [1, 4])
@pytest.mark.parametrize("name", SAMPLING)
def test_shapes_of_draws(name, particles, device):
    model, objective = GUIDE_CASES[name]
    case = MODEL_CASES[model]
    made, args = case.make(device)
    with built(made, guide_of(name), OBJECTIVES[objective], args, device=device) as program:
        (traces,) = program.pair.draw(particles, args, {})
        for latent, site in case.sites.items():
            value, q = traces.guide.nodes[latent]["value"], traces.guide.nodes[latent]["fn"]
            lead = () if particles == 1 else (4, *[1] * (1 - len(site.batch)))
            extra = site.event if guide_relaxes_permutations(program.guide) else ()
            assert tuple(value.shape) == (*lead, *site.batch, *site.event, *extra)
            assert tuple(q.batch_shape) == (*lead, *site.batch)
            assert q.support.check(value).all() or latent == "z"
            assert traces.model.nodes[latent]["value"] is value
        if particles > 1:
            assert torch.equal(value[0], value[1]) != program.guide.has_density


@pytest.mark.parametrize("name", SAMPLING)
def test_the_state_comes_back(name):
    model, objective = GUIDE_CASES[name]
    made, args = MODEL_CASES[model].make()
    with built(made, guide_of(name), OBJECTIVES[objective], args) as program:
        losses = [step_of(program, args)[0]]
        whose = program.model if name in PARAMETERLESS else program.guide
        state = {key: value.clone() for key, value in whose.state_dict().items()}
        scatter(whose, seed=7)
        losses.append(step_of(program, args)[0])
        whose.load_state_dict(state)
        losses.append(step_of(program, args)[0])
    assert torch.equal(losses[0], losses[2])
    assert not torch.equal(losses[0], losses[1])


AMORTISED = {
    "amortised_normal": "ppca",
    "amortised_fixed_scale": "ppca",
    "amortised_full_rank": "ppca",
    "amortised_iaf": "ppca",
    "amortised_discrete": "bernoulli_latent",
    "relaxed": "bernoulli_latent",
    "straight_through": "bernoulli_latent",
}


@pytest.mark.parametrize("name", AMORTISED)
def test_an_encoder_of_the_users_own(name):
    made, (x,) = MODEL_CASES[AMORTISED[name]].make()
    body = nn.Sequential(nn.Linear(x.shape[1], 4), nn.Tanh())
    family = partial(guide_of(name), body=body)
    with built(made, family, OBJECTIVES["trace"], (x,)) as program:
        _, grads = step_of(program, (x,))
        used = program.guide.encoder.body
        assert isinstance(used[1], nn.Tanh)
        assert used[0].weight.shape == (4, x.shape[1])
        assert grads["guide.encoder.body.0.weight"].abs().max() > 0
    assert body[0].weight.grad is None


@pytest.mark.parametrize("name", ["amortised_normal", "amortised_discrete"])
def test_the_encoder_mirrors_the_model(name):
    made, (x,) = MODEL_CASES[GUIDE_CASES[name][0]].make()
    guide = guide_of(name)(describe(made, x))
    widths = [part.out_features for part in guide.encoder.body if isinstance(part, nn.Linear)]
    assert tuple(widths) == MODEL_CASES[GUIDE_CASES[name][0]].hidden


def test_fixed_scale_is_fixed():
    made, (x,) = MODEL_CASES["ppca"].make()
    with built(made, partial(AmortisedNormal, fixed_scale=0.3), Trace(), (x,)) as program:
        q = poutine.trace(program.guide).get_trace(x).nodes["z"]["fn"]
        assert torch.equal(q.base_dist.scale, torch.full_like(q.base_dist.scale, 0.3))
        assert program.guide.encoder.heads[0].out_features == 2


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda rows, shared: AmortisedNormal(rows, fixed_scale=0.0),
            "fixed_scale above 0; got 0",
        ),
        (lambda rows, shared: AmortisedNormal(rows, fixed_scale=-1.0), "above 0; got -1.0"),
        (lambda rows, shared: MeanField(rows), "MeanField covers global continuous latents; 'z'"),
        (lambda rows, shared: PerDatum(shared), "PerDatum covers local continuous latents; 'mu'"),
        (lambda rows, shared: IAF(shared.select("mu")), "at least 2 unconstrained values for IAF"),
        (lambda rows, shared: AmortisedDiscrete(rows), "'z' is local and continuous"),
        (lambda rows, shared: Relaxed(rows), "'z' is local and continuous"),
    ],
)
def test_what_is_refused(make, sentence):
    made, args = MODEL_CASES["ppca"].make()
    schools, schools_args = MODEL_CASES["eight_schools"].make()
    with pytest.raises(ValueError, match=sentence):
        make(describe(made, *args), describe(schools, *schools_args))


@pytest.mark.parametrize("family", [AmortisedFullRank, AmortisedIAF])
def test_families_of_vectors(family):
    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    with pytest.raises(ValueError, match="takes latents that are vectors; 'z' has.*to_event"):
        family(describe(model, torch.randn(3)))


def test_amortised_guides_need_rows():
    def model(x):
        with pyro.plate("people", len(x), subsample_size=2) as rows:
            z = pyro.sample("z", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z.sum(-1), 1.0), obs=x[rows])

    with pytest.raises(ValueError, match="no argument holds the rows.*use PerDatum"):
        AmortisedNormal(describe(model, torch.randn(4)))


def test_names():
    assert guide_named("iaf") is IAF
    with pytest.raises(ValueError, match="No guide named 'mean_feild'. Did you mean 'mean_field'"):
        guide_named("mean_feild")


def test_other_plates_than_rows():
    """Local latents in two plates get numbers of their own for every cell."""

    def model(x):
        rows = pyro.plate("data", len(x), dim=-2)
        columns = pyro.plate("columns", x.shape[1], dim=-1)
        with rows, columns:
            z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    x = torch.randn(5, 3)
    for family in (AmortisedNormal, PerDatum):
        with built(model, family, Trace(3), (x,)) as program:
            loss, _ = step_of(program, (x,))
            q = poutine.trace(program.guide).get_trace(x).nodes["z"]["fn"]
            assert loss.isfinite()
            assert q.batch_shape == (5, 3)
            assert len(q.loc.unique()) == (
                15 if family is AmortisedNormal else len(q.loc.unique())
            )
            assert program(clock(), None, x).isfinite()
