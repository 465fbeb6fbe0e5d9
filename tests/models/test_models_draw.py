"""DRAW: one step as a VAE, its formula, the window, and what the recurrent guide sees."""

from functools import partial

import pyro.distributions as dist
import pytest
import torch
from cases import IDENTITY, MODEL_CASES, built, relative_error, scatter, step_of
from joint import close
from model_case import pixels
from pyro import poutine
from steps import a_capture, equal_on_fresh_inputs
from torch import nn

import zoo
from guides import AmortisedNormal, Recurrent
from zoo.decoders.lstm import LSTM
from zoo.decoders.window import placed
from zoo.latents import describe
from zoo.likelihoods import BernoulliLikelihood
from zoo.models.vaes.draw import DRAW
from zoo.models.vaes.vae import VAE
from zoo.objectives import IWAE, Trace
from zoo.pairing.mismatch import PairingError
from zoo.priors import StandardNormal

ROWS = 7


def drawing(steps=3, window=None):
    image = (2, 3) if window else None
    groups = (2,) * steps
    model = DRAW(
        6, StandardNormal(2), BernoulliLikelihood(), groups, width=5, window=window, image=image
    )
    scatter(model, spread=0.5)
    return model


def test_a_cell_is_torchs_own():
    ours, theirs = LSTM(3, 4), nn.LSTMCell(3, 4)
    (enter, keep, show, new) = ours.gates.weight.chunk(4)
    order = torch.cat([enter, keep, new, show])
    bias = ours.gates.bias.chunk(4)
    with torch.no_grad():
        theirs.weight_ih.copy_(order[:, :3])
        theirs.weight_hh.copy_(order[:, 3:])
        theirs.bias_ih.copy_(torch.cat([bias[0], bias[1], bias[3], bias[2]]))
        theirs.bias_hh.zero_()
    read, hidden, cell = torch.randn(ROWS, 3), torch.randn(ROWS, 4), torch.randn(ROWS, 4)
    for found, expected in zip(
        ours(read, hidden, cell), theirs(read, (hidden, cell)), strict=True
    ):
        close(found, expected)


class OneStep(nn.Module):
    """The decoder z -> c_1 of a drawing with one step."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, z):
        return self.model.outputs(self.model.advance(self.model.start(), z))


class OneLook(nn.Module):
    """The hidden layer x -> e_1 of the recurrent guide of such a drawing."""

    def __init__(self, guide, model):
        super().__init__()
        self.guide, self.model = guide, (model,)

    def forward(self, x):
        model, guide = self.model[0], self.guide
        start = model.start()
        seen = torch.cat([x, x - model.expected(start), start.hidden.expand(len(x), -1)], -1)
        return guide.network(seen, guide.hidden, guide.cell)[0]


@pytest.mark.parametrize("objective", [Trace(3), IWAE(4)], ids=str)
def test_one_step_without_attention_is_a_vae(objective):
    """With the same networks, weights and noise: the same loss and gradients."""
    (x,), model = pixels(ROWS), drawing(1)
    with built(model, Recurrent, objective, (x,)) as program:
        loss, grads = step_of(program, (x,))
        model, guide = program.model, program.guide
    plain = VAE(OneStep(model), BernoulliLikelihood(), StandardNormal(2))
    found = renamed(plain, guide, model, objective, x)
    assert found.loss.item() == pytest.approx(loss.item(), rel=IDENTITY)
    for name, grad in grads.items():
        assert relative_error(found.grads[id(found.named[name])], grad) < IDENTITY, name


class renamed:  # noqa: N801
    """Loss and gradients of the VAE made of the same modules, by the modules' parameters."""

    def __init__(self, plain, guide, model, objective, x):
        latents = describe(plain, x)
        normal = AmortisedNormal(latents, body=OneLook(guide, model))
        normal.encoder.heads[0] = guide.head
        modules = {"model": model, "guide": guide}
        self.named = {
            f"{part}.{name}": value
            for part, module in modules.items()
            for name, value in module.named_parameters()
        }
        for value in self.named.values():
            value.grad = None
        torch.manual_seed(0)
        from zoo.isolation import seed_all
        from zoo.traces import Pair

        seed_all(0)
        plainly = Pair(plain, normal, latents)
        self.loss = objective.backward(plainly, nn.Module(), (x,), {})
        self.grads = {id(value): value.grad.clone() for value in self.named.values()}


@pytest.mark.parametrize("window", [None, 2])
def test_joint_equals_the_formula(window):
    model, (x,) = drawing(3, window), pixels(ROWS)
    z = [torch.randn(ROWS, 2) for _ in range(3)]
    expected = sum(dist.Normal(0.0, 1.0).log_prob(one).sum() for one in z)
    hidden, cell, canvas = (v.expand(ROWS, -1) for v in (model.hidden, model.cell, model.canvas))
    for one in z:
        hidden, cell = model.network(one, hidden, cell)
        stroke = model.write(hidden)
        if window:
            found = placed(model.place(hidden), (2, 3), 2)
            laid = stroke.reshape(ROWS, 2, 2)
            stroke = torch.einsum("nia,nij,njb->nab", found.rows, laid, found.columns)
            stroke = stroke.reshape(ROWS, 6) / found.strength
        canvas = canvas + stroke
    expected = expected + dist.Bernoulli(logits=canvas).log_prob(x).sum()
    given = poutine.condition(model, data=dict(zip(model.names, z, strict=True)))
    close(poutine.trace(given).get_trace(x).log_prob_sum(), expected)


def test_mean_is_that_of_the_observed_site():
    model, (x,) = drawing(3), pixels(ROWS)
    trace = poutine.trace(model).get_trace(x)
    z = [trace.nodes[name]["value"] for name in model.names]
    close(model.mean(*z), trace.nodes["x"]["fn"].mean)
    assert (model.mean(*z[:2]) - model.mean(*z)).abs().max() > 0


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_rows_of_the_filters_sum_to_one(scale):
    """Wherever the window is, off the picture too; gradients are finite."""
    numbers = (scale * torch.randn(50, 5)).requires_grad_()
    window = placed(numbers, (6, 8), 3)
    for filters, length in ((window.rows, 6), (window.columns, 8)):
        assert filters.shape == (50, 3, length)
        assert (filters.sum(-1) - 1).abs().max() < IDENTITY
    picture = torch.rand(50, 48)
    (
        window.read(picture).square().sum() + window.write(torch.rand(50, 9)).square().sum()
    ).backward()
    assert numbers.grad.isfinite().all()
    assert numbers.grad.abs().max() > 0


def test_a_centred_window_reads_the_picture_itself():
    """As many narrow filters as pixels, a stride of one pixel, strength 1."""
    narrow = -20.0
    window = placed(torch.tensor([0.0, 0.0, narrow, 0.0, 0.0]), (5, 5), 5)
    picture = torch.rand(25)
    found = window.read(picture)
    assert (found - picture).abs().max() < 1e-3
    close(window.write(found), window.write(window.read(picture)))


@pytest.mark.parametrize("window", [None, 2])
def test_every_parameter_gets_a_gradient(window):
    (x,) = pixels(ROWS)
    with built(drawing(3, window), Recurrent, Trace(2), (x,)) as program:
        _, grads = step_of(program, (x,))
        names = {name for name, _ in program.named_parameters()}
    assert set(grads) == names
    assert all(grad.isfinite().all() and grad.abs().max() > 0 for grad in grads.values())


@pytest.mark.parametrize("window", [None, pytest.param(2, marks=pytest.mark.exhaustive)])
def test_captured_step_equals_the_plain_one(window):
    with a_capture(drawing(2, window), Recurrent, pixels(ROWS), batch=3) as parts:
        equal_on_fresh_inputs(*parts)


def test_later_latents_see_what_was_drawn():
    (x,) = pixels(ROWS)
    with built(drawing(2), Recurrent, Trace(), (x,)) as program:
        one = poutine.trace(program.guide).get_trace(x)
        fixed = {"z_1": one.nodes["z_1"]["value"] + 1.0}
        other = poutine.trace(poutine.condition(program.guide, fixed)).get_trace(x)
        means = [t.nodes["z_2"]["fn"].base_dist.loc for t in (one, other)]
    assert (means[0] - means[1]).abs().max() > 1e-3


def test_other_models_are_refused():
    model, args = MODEL_CASES["bernoulli_vae"].make()
    with pytest.raises(PairingError, match="follows the canvas of a model .* or the model draw"):
        built(model, Recurrent, Trace(), args).__enter__()
    with pytest.raises(ValueError, match="follows the canvas of a model"):
        Recurrent(describe(model, *args), model)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"groups": (2, 3)}, "Expected latents of one size, as all steps share a network; got"),
        ({"groups": (2,), "window": 1, "image": (2, 3)}, "at least 2 x 2 filters; got window=1"),
        ({"groups": (2,), "window": 2}, "A window is moved over a picture; rows of 6 numbers"),
    ],
)
def test_what_cannot_be_drawn_is_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        DRAW(6, StandardNormal(2), BernoulliLikelihood(), **settings)


def test_the_guides_window():
    model = drawing(2, 2)
    with pytest.raises(ValueError, match="Expected window to be a whole number of at least 2"):
        partial(Recurrent, window=1)(describe(model, *pixels(ROWS)), model)


def test_by_name():
    model = zoo.load("draw_attention", groups=(3, 3)).build()
    assert (model.window, model.image, model.names) == (5, (8, 8), ("z_1", "z_2"))
    assert zoo.load("draw").build().window is None
    with pytest.raises(ValueError, match="A window is moved over a picture"):
        zoo.load("draw_attention", data="factor_analysis", likelihood="gaussian").build()
