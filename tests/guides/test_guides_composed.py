"""Composed guides: who covers what, what is refused, and conditioning against a closed form."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import AUTODIFF, IDENTITY
from pyro import poutine

import guides
import zoo
from guides import (
    AmortisedDiscrete,
    AmortisedNormal,
    ConditionedNormal,
    FullRank,
    MeanField,
    compose,
    guide_named,
)
from zoo.latents import describe
from zoo.pairing import mismatch as pairing
from zoo.results.encoding import decode_guide, encode_guide


def effects(x):
    mean = pyro.sample("mean", dist.Normal(x.new_zeros(()), 3.0))
    with pyro.plate("data", len(x)):
        effect = pyro.sample("effect", dist.Normal(mean, 1.0))
        pyro.sample("x", dist.Normal(effect, 1.0), obs=x)


def grouped(x):
    """A shared mean, and a label of each row."""
    mean = pyro.sample("mean", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Categorical(x.new_ones(2) / 2))
        pyro.sample("x", dist.Normal(mean[..., 0] + k, 1.0), obs=x)


def grid(x):
    """A latent of each row and column, and one of each column."""
    columns = pyro.plate("columns", x.shape[1], dim=-1)
    with columns:
        level = pyro.sample("level", dist.Normal(x.new_zeros(()), 1.0))
    with columns, pyro.plate("data", len(x), dim=-2):
        effect = pyro.sample("effect", dist.Normal(level, 1.0))
        pyro.sample("x", dist.Normal(effect, 1.0), obs=x)


def test_a_latent_goes_to_the_first_family_that_covers_it():
    guide = compose(MeanField, FullRank, AmortisedNormal)
    assert "leaves no latents to FullRank" in guide.objection(describe(effects, torch.zeros(4)))
    built = compose(FullRank, AmortisedNormal)(describe(effects, torch.zeros(4)))
    assert [member.latents.names for member in built.members] == [("mean",), ("effect",)]


def test_composed_density_is_the_product():
    x = torch.randn(5)
    built = compose(FullRank, AmortisedNormal)(describe(effects, x))
    trace = poutine.trace(built).get_trace(x)
    found = trace.log_prob_sum()
    expected = torch.zeros(())
    for member in built.members:
        values = {name: trace.nodes[name]["value"] for name in member.latents.names}
        extra = {"joint": trace.nodes["joint"]["value"]} if "mean" in values else {}
        held = poutine.condition(poutine.uncondition(member), values | extra)
        expected = expected + poutine.trace(held).get_trace(x).log_prob_sum()
    assert found.item() == pytest.approx(expected.item(), rel=IDENTITY)


@pytest.mark.parametrize("model", [effects, grid])
def test_conditioned_rows_follow_their_own_particle(model):
    """Under vectorised particles each is drawn as if it were alone."""
    x = torch.randn(5) if model is effects else torch.randn(5, 3)
    family = compose(MeanField, ConditionedNormal)
    built = family(describe(model, x))
    for parameter in built.parameters():
        parameter.data = torch.randn_like(parameter)
    shared = "mean" if model is effects else "level"
    drawn = torch.randn(4, *([1] if model is effects else [1, 3]))
    member = built.members[1]
    with pyro.plate("particles", 4, dim=-x.dim() - 1):
        trace = poutine.trace(member.given).get_trace({shared: drawn}, x)
    together = trace.nodes["effect"]["fn"]
    for k in range(4):
        one = drawn[k, 0] if model is effects else drawn[k, 0]
        alone = poutine.trace(member.given).get_trace({shared: one}, x).nodes["effect"]["fn"]
        assert torch.allclose(together.mean[k], alone.mean, rtol=IDENTITY, atol=IDENTITY)


def test_conditioning_recovers_what_independence_cannot():
    """Given the mean, an effect is normal about (x + mean) / 2: the guide holds the posterior."""
    x = torch.randn(6)
    x.add_(1.0)
    covariance = torch.full((6, 6), 9.0) + 2 * torch.eye(6)
    evidence = dist.MultivariateNormal(torch.zeros(6), covariance).log_prob(x)
    built = compose(FullRank, ConditionedNormal)(describe(effects, x))
    free, member = built.members
    body = member.encoder.body
    assert body[0].in_features == 2
    precision = 1 / 9 + 6 / 2
    free.start_at((x.sum() / 2 / precision)[None], torch.tensor([[precision**-0.5]]))
    member.encoder.body = torch.nn.Identity()
    head = torch.nn.Linear(2, 2)
    head.weight.data = torch.tensor([[0.5, 0.5], [0.0, 0.0]])
    head.bias.data = torch.tensor([0.0, float(torch.tensor(0.5**0.5).expm1().log())])
    member.encoder.heads[0] = head
    guide = poutine.trace(built).get_trace(x)
    model = poutine.trace(poutine.replay(effects, guide)).get_trace(x)
    log_weight = model.log_prob_sum() - guide.log_prob_sum()
    assert log_weight.item() == pytest.approx(evidence.item(), rel=AUTODIFF)


def test_names_with_a_plus_are_composed():
    assert guide_named("full_rank+amortised_normal") is guides.GUIDES["full_rank+amortised_normal"]
    found = guide_named("mean_field+per_datum")
    assert found.parts == (MeanField, guides.PerDatum)
    with pytest.raises(ValueError, match="No guide named 'ful_rank'. Did you mean 'full_rank'"):
        guide_named("ful_rank+amortised_normal")


@pytest.mark.parametrize(
    ("families", "words"),
    [
        ((FullRank,), "at least two families"),
        ((FullRank, guides.SharedEncoder), "networks of its own"),
        ((FullRank, guides.Empty), "networks of its own"),
        ((FullRank, "amortised_normal"), "a guide class of the zoo"),
    ],
)
def test_what_cannot_be_composed_is_refused(families, words):
    with pytest.raises(ValueError, match=words):
        compose(*families)


def test_one_family_alone_is_answered_by_the_way_to_compose():
    latents = describe(effects, torch.zeros(4))
    for family in (FullRank, AmortisedNormal):
        assert "by guides.compose" in pairing.mismatch(latents, family, zoo.objectives.Trace())


def test_conditioning_on_rows_is_refused():
    latents = describe(effects, torch.zeros(4))
    with pytest.raises(ValueError, match="'effect' is local and continuous"):
        ConditionedNormal(latents.select("effect"), before=latents.select("effect"))


def test_a_composed_fit_is_saved_and_loaded(tmp_path):
    task = zoo.load("varying_intercepts")
    family = compose(FullRank, partial(AmortisedNormal, fixed_scale=0.5))
    fit = zoo.fit(task, family, steps=5)
    zoo.save(fit, tmp_path / "fit")
    again = zoo.load_fit(tmp_path / "fit")
    x = task.data.train[0]
    own, other = ({k: v.sum() for k, v in one.guide.state_dict().items()} for one in (fit, again))
    assert own == other
    assert again.guide(x)["effect"].shape == (40,)


def test_encoded_and_decoded_it_has_the_same_parts():
    family = compose(FullRank, ConditionedNormal)
    found = decode_guide(encode_guide(family))
    assert [part.func for part in found.parts] == [FullRank, ConditionedNormal]
    assert "own" in encode_guide(compose(FullRank, partial(AmortisedNormal, body=torch.nn.ReLU())))


def labelled(x):
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Bernoulli(0.3))
        z = pyro.sample("z", dist.Normal(2 * k, 0.7))
        pyro.sample("x", dist.Normal(z, 0.7), obs=x)


@pytest.mark.parametrize("batch", [None, 4])
def test_two_parts_share_the_plate_of_the_rows(batch):
    family = compose(AmortisedNormal, guides.AmortisedDiscrete)
    x = torch.randn(12)
    fit = zoo.fit(labelled, family, x, objective="rloo", steps=3, batch_size=batch)
    assert {name: value.shape for name, value in fit.guide(x).items()} == {
        "k": (12,),
        "z": (12,),
    }


def test_a_part_that_draws_what_is_summed_out_is_named():
    """The message once named the shared latent, whose draws are reparameterised."""
    family, x = compose(FullRank, AmortisedDiscrete), torch.zeros(3)
    with pytest.raises(zoo.PairingError, match="'k'.*Leave AmortisedDiscrete out"):
        zoo.fit(grouped, family, x, objective="enumerate", steps=1, compile=False)


def test_what_is_given_comes_first():
    family = compose(ConditionedNormal, FullRank)
    with pytest.raises(zoo.PairingError, match="Name it after the guide of the shared latents"):
        zoo.fit(effects, family, torch.randn(4), steps=1)
