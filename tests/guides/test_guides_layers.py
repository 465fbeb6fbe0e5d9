"""The layered recognition network: what reads what, its density, and what it is refused on."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, IDENTITY, MODEL_CASES, built, relative_error, scatter, step_of
from network_of_causes import batch_gradients, largest_z, parameters
from pyro import poutine
from torch import nn

import zoo
from guides import AmortisedDiscrete, AmortisedLayers, guide_named
from zoo.latents import describe
from zoo.latents.enumeration import joint_states
from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.models.discrete.sigmoid_belief import SigmoidBeliefNet
from zoo.objectives import DisARM, Enumerate, LeaveOneOut, TraceGraph, as_objective
from zoo.pairing.mismatch import mismatch
from zoo.traces import Assign, run, weigh

ROWS = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])


def machine():
    return SigmoidBeliefNet(3, (2, 3), learned_prior=True)


def classes(x):
    """Two one-hot layers, the lower one of two variables."""
    with pyro.plate("data", len(x)):
        top = pyro.sample("top", dist.OneHotCategorical(x.new_ones(4)))
        logits = (top @ torch.arange(24.0).reshape(4, 6).to(x)).reshape(*top.shape[:-1], 2, 3)
        low = pyro.sample("low", dist.OneHotCategorical(logits=logits).to_event(1))
        mean = low.flatten(-2)[..., :3]
        pyro.sample("x", dist.Normal(mean, 1.0).to_event(1), obs=x)


@pytest.mark.parametrize("hidden", [(), (7, 5)])
def test_widths_of_the_networks(hidden):
    guide = AmortisedLayers(describe(machine(), ROWS), hidden)
    found = [[p.out_features for p in net if isinstance(p, nn.Linear)] for net in guide.networks]
    assert found == [[*hidden, 3], [*hidden, 2]]
    assert [net[0].in_features for net in guide.networks] == [3, 3]
    kinds = {type(part) for net in guide.networks for part in net}
    assert kinds == ({nn.Linear} | ({guide.latents.activation} if hidden else set()))


def test_layers_are_drawn_from_the_data_up():
    guide = AmortisedLayers(describe(machine(), ROWS))
    trace = poutine.trace(guide).get_trace(ROWS)
    names = [name for name, site in trace.nodes.items() if site["type"] == "sample"]
    assert [name for name in names if name != "data"] == ["z1", "z2"]


@pytest.mark.parametrize("particles", [1, 4])
def test_its_density_is_the_product_of_its_layers(particles):
    with built(machine(), AmortisedLayers, TraceGraph(), (ROWS,)) as program:
        scatter(program.guide, spread=1.0)
        guide, (first, second) = program.guide, program.guide.networks
        (traces,) = program.pair.draw(particles, (ROWS,), {})
        z1, z2 = (traces.guide.nodes[name]["value"] for name in ("z1", "z2"))
        expected = dist.Bernoulli(logits=first(ROWS)).log_prob(z1).sum(-1)
        expected = expected + dist.Bernoulli(logits=second(z1)).log_prob(z2).sum(-1)
        weights = weigh([traces], program.latents, rowwise=True)
    assert guide.layers == tuple(reversed(program.latents.sites))
    assert weights.log_q.shape == (particles, 2)
    assert (
        relative_error(weights.log_q.detach(), expected.detach().reshape(particles, 2)) < IDENTITY
    )


def test_its_probabilities_sum_to_one():
    for model, x in ((machine(), ROWS), (classes, ROWS)):
        with built(model, AmortisedLayers, TraceGraph(), (x,)) as program:
            scatter(program.guide, spread=1.0)
            states = joint_states(program.latents.sites, program.latents)
            with Assign(states):
                traces = run(program.model, program.guide, (x,), {})
            log_q = weigh([traces], program.latents, rowwise=True).log_q
        assert len(log_q) in (2**5, 4 * 9)
        assert relative_error(log_q.detach().logsumexp(0).exp(), torch.ones(2)) < IDENTITY


def test_one_layer_is_amortised_discrete():
    """With the same weights: the same draws, loss and gradients."""
    torch.manual_seed(1)
    model, found = BernoulliLatent(3, (4,), 5), []
    with built(model, AmortisedLayers, TraceGraph(3), (ROWS,)) as program:
        (layer,) = program.guide.networks[0]
        found.append(step_of(program, (ROWS,)))
    with built(model, AmortisedDiscrete, TraceGraph(3), (ROWS,)) as program:
        program.guide.encoder.body = nn.Identity()
        program.guide.encoder.heads = nn.ModuleList([layer])
        found.append(step_of(program, (ROWS,)))
    (one, ours), (two, theirs) = found
    assert one.item() == pytest.approx(two.item(), rel=IDENTITY)
    for part in ("weight", "bias"):
        theirs_too = theirs[f"guide.encoder.heads.0.{part}"]
        assert relative_error(ours[f"guide.networks.0.0.{part}"], theirs_too) < IDENTITY


@pytest.mark.parametrize("objective", [TraceGraph(), LeaveOneOut(3)], ids=str)
def test_estimators_have_the_mean_of_the_sum_over_all_states(objective):
    model = machine()
    with built(model, AmortisedLayers, Enumerate(), (ROWS,)) as program:
        scatter(program, spread=0.5)
        _, grads = step_of(program, (ROWS,))
        names = {id(p): name for name, p in program.named_parameters()}
        exact = torch.cat([grads[names[id(p)]].reshape(-1) for p in parameters(program)])
    with built(model, AmortisedLayers, objective, (ROWS,)) as program:
        scatter(program, spread=0.5)
        found = batch_gradients(program, ROWS, batches=40, copies=100)
    assert largest_z(found, exact) < ERRORS
    assert (exact != 0).all()


def test_one_hot_layers_and_minibatches():
    with built(classes, AmortisedLayers, LeaveOneOut(3), (ROWS,), rows=10) as program:
        loss, grads = step_of(program, (ROWS,), rows=torch.tensor([4, 7]))
        assert loss.isfinite()
        assert all(grad.abs().max() > 0 for grad in grads.values())
        assert [net[0].in_features for net in program.guide.networks] == [3, 6]
        (traces,) = program.pair.draw(5, (ROWS,), {})
        assert traces.guide.nodes["low"]["value"].shape == (5, 2, 2, 3)
        assert traces.guide.nodes["top"]["value"].shape == (5, 2, 4)


@pytest.mark.thorough
def test_it_recovers_a_posterior_in_its_family():
    """Of one unit above one: q(z1 | x) q(z2 | z1) holds the exact posterior, since z2 sees z1."""
    model = SigmoidBeliefNet(1, (1, 1), learned_prior=True)
    scatter(model, spread=2.0)
    x = torch.tensor([[0.0], [1.0]])
    fitted = zoo.fit(
        model,
        AmortisedLayers,
        x,
        objective="enumerate",
        steps=800,
        lr=0.05,
        freeze_model=True,
        device="cpu",
        compile=False,
    )
    exact = model.log_evidence(x).sum().item()
    assert -fitted.losses[-1].item() == pytest.approx(exact, rel=1e-4)
    assert -fitted.losses[-1].item() <= exact + IDENTITY


def test_declarations():
    latents = describe(machine(), ROWS)
    assert guide_named("amortised_layers") is AmortisedLayers
    assert not AmortisedLayers.independent
    assert "depend on each other" in mismatch(latents, AmortisedLayers, DisARM())
    assert mismatch(latents, AmortisedLayers, as_objective("rloo")) is None


def test_what_is_refused():
    def integers(x):
        with pyro.plate("data", len(x)):
            k = pyro.sample("k", dist.Categorical(x.new_ones(3)))
            pyro.sample("x", dist.Normal(k.to(x.dtype), 1.0), obs=x)

    def columns(x):
        with pyro.plate("data", len(x), dim=-2), pyro.plate("columns", x.shape[1], dim=-1):
            z = pyro.sample("z", dist.Bernoulli(x.new_full((), 0.5)))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    def no_rows(x):
        with pyro.plate("people", len(x), subsample_size=2) as rows:
            z = pyro.sample("z", dist.Bernoulli(x.new_full((), 0.5)))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x[rows])

    ppca, args = MODEL_CASES["ppca"].make()
    for latents, words in (
        (describe(ppca, *args), "'z' is local and continuous"),
        (describe(integers, torch.randn(4)), "'k' is local and discrete"),
        (describe(columns, torch.randn(4, 2)), "'z' has plates .*Make the others dimensions"),
        (describe(no_rows, torch.randn(4)), "no argument holds the rows"),
    ):
        with pytest.raises(ValueError, match=words):
            AmortisedLayers(latents)
