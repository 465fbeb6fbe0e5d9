"""Estimators on the small models with finite latents, each beside what it must equal."""

import pytest
import torch
from cases import MODEL_CASES, built, clock, flat, unvectorised
from estimates import captured_as_plain
from finite_models import Grid, Table, by_enumeration, categorical, layers, seeded
from network_of_causes import ROWS, batch_gradients, linear, minibatch_gradients
from steps import a_program

from guides import AmortisedDiscrete, AmortisedLayers, AmortisedNormal
from zoo.gradients.sampler import gradient_draws
from zoo.objectives import Enumerate
from zoo.pairing.mismatch import PairingError

SMALL = (categorical, layers, Table, Grid)
OF_ZOO = ("categorical_vae", "gaussian_mixture", "hmm")


def found_and_exact(model, objective, guide=AmortisedDiscrete):
    """Estimates of the gradient, and the exact one."""
    exact = by_enumeration(model, guide)
    with built(seeded(model), guide, objective, (ROWS,)) as program:
        return batch_gradients(program, ROWS), exact


def found_and_exact_of_zoo(name, objective, draws=1000):
    """The same on a model of the zoo."""
    model, args = MODEL_CASES[name].make()
    gradients = []
    for one, count in ((Enumerate(), 1), (objective, draws)):
        with a_program(model, AmortisedDiscrete, args, one) as (program, rows, _):
            gradients.append(gradient_draws(program, rows, count).gradients)
    exact, found = gradients
    return found, exact[0]


def side_by_side_and_one_by_one(model, objective):
    """An estimate whose particles are taken together, and the same with particles in a loop."""
    found = []
    for change in (lambda program: program, unvectorised):
        with built(seeded(model), AmortisedDiscrete, objective, (ROWS,)) as program:
            change(program).backward(clock(), None, ROWS)
            found.append(flat(p.grad for p in program.parameters() if p.grad is not None))
    return found


def captured_minibatch_as_plain(model, objective):
    """A captured step on two rows of six equals the plain one."""
    x = ROWS.repeat(3, 1)
    return captured_as_plain(seeded(model), AmortisedDiscrete, (x,), objective, batch=2)


def found_and_exact_of_minibatches(objective, copies=5):
    """Estimates from minibatches, and the exact gradient for all rows."""
    exact = copies * by_enumeration(categorical, AmortisedDiscrete)
    x = ROWS.repeat(copies, 1)
    with built(seeded(categorical), AmortisedDiscrete, objective, (ROWS,), rows=len(x)) as program:
        return minibatch_gradients(program, x, 400), exact


def losses_and_exact(objective, draws=4000):
    """Values of the loss, (draws, 1), and minus the exact ELBO."""
    with a_program(seeded(categorical), AmortisedDiscrete, (ROWS,), objective) as found:
        losses = gradient_draws(*found[:2], draws).losses
    with built(seeded(categorical), AmortisedDiscrete, Enumerate(), (ROWS,)) as program:
        return losses[:, None], program(torch.zeros(()), None, ROWS).detach()


def refuses_dependent_and_continuous(objective):
    """It takes finite latents that are independent under the guide, and no others."""
    with pytest.raises(PairingError, match="takes binary or integer or one-hot latents; 'z'"):
        built(linear(), AmortisedNormal, objective, (ROWS,)).__enter__()
    with pytest.raises(PairingError, match="those of AmortisedLayers depend on each other"):
        built(seeded(layers), AmortisedLayers, objective, (ROWS,)).__enter__()
    return True
