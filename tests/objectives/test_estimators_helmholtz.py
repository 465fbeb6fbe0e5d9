"""Wake-sleep of a Helmholtz machine of three layers, against the lecture's algorithm by hand."""

import pytest
import torch
from cases import IDENTITY, built, clock, relative_error

from guides import AmortisedLayers
from zoo.models.discrete.sigmoid_belief import SigmoidBeliefNet
from zoo.objectives import WakeSleep

ROWS, PIXELS, LAYERS = 5, 6, (2, 3, 4)


def machine():
    """The net z3 -> z2 -> z1 -> x with a learned prior, and some rows."""
    x = torch.bernoulli(torch.full((ROWS, PIXELS), 0.4))
    return SigmoidBeliefNet(PIXELS, LAYERS, learned_prior=True), x


def layer(network):
    """Weight and bias of a network that is one affine layer."""
    (affine,) = network
    return affine.weight.detach(), affine.bias.detach()


def pass_through(start, networks):
    """The values of all layers, each drawn given the one before."""
    values = [start]
    for network in networks:
        weight, bias = layer(network)
        values.append(torch.bernoulli(torch.sigmoid(values[-1] @ weight.mT + bias)))
    return values


def delta(network, given, target):
    """The delta rule: (target - prediction) times what it was predicted from, over all rows."""
    weight, bias = layer(network)
    error = target - torch.sigmoid(given @ weight.mT + bias)
    return error.mT @ given, error.sum(0)


def wake(model, guide, x):
    """x from the data, z from q: gradients of log p(x, z) in theta and the prior."""
    upward = pass_through(x, guide.networks)
    top_down = upward[::-1]
    prior = (top_down[0] - torch.sigmoid(model.prior_logits.detach())).sum(0)
    return prior, [
        delta(network, above, below)
        for network, above, below in zip(model.networks, top_down[:-1], top_down[1:], strict=True)
    ]


def sleep(model, guide, rows):
    """x and z dreamed by p: gradients of log q(z | x) in phi."""
    top = torch.bernoulli(torch.sigmoid(model.prior_logits.detach()).expand(rows, -1))
    upward = pass_through(top, model.networks)[::-1]
    return [
        delta(network, below, above)
        for network, below, above in zip(guide.networks, upward[:-1], upward[1:], strict=True)
    ]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_both_phases_are_the_lectures(seed):
    """Same noise, same gradients; a loss falls where the lecture's updates climb."""
    model, x = machine()
    with built(model, AmortisedLayers, WakeSleep(), (x,)) as program:
        torch.manual_seed(seed)
        program.backward(clock(), None, x)
        torch.manual_seed(seed)
        prior, theta = wake(program.model, program.guide, x)
        phi = sleep(program.model, program.guide, len(x))
    pairs = [(program.model.prior_logits.grad, prior)]
    for networks, gradients in ((program.model.networks, theta), (program.guide.networks, phi)):
        for (affine,), (weight, bias) in zip(networks, gradients, strict=True):
            pairs += [(affine.weight.grad, weight), (affine.bias.grad, bias)]
    assert len(pairs) == 13
    for found, by_hand in pairs:
        assert by_hand.any()
        assert relative_error(found, -by_hand) < IDENTITY
