"""Small Boltzmann machines whose states can be summed, and what is exact of them."""

import torch

from zoo.energies import Bipartite
from zoo.isolation import isolated
from zoo.models.exact_sums import states


def machine_of(left, right, spread=0.7, seed=0):
    """A machine with random weights and biases, of the sizes of its sides."""
    with isolated(seed=seed):
        weight = spread * torch.randn(left, right)
        return Bipartite(weight, 0.5 * torch.randn(left), 0.5 * torch.randn(right))


def joint(machine):
    """-E of all joint states, nats, (2^A, 2^B), summed term by term."""
    left, right = states(len(machine.left_bias)), states(len(machine.right_bias))
    within = torch.einsum("la,ab,rb->lr", left, machine.weight, right)
    return within + (left @ machine.left_bias)[:, None] + right @ machine.right_bias


def log_total(machine):
    """log Z from all joint states."""
    return joint(machine).logsumexp((0, 1))


def left_chances(machine):
    """p(l) of all left states, (2^A,)."""
    return (joint(machine).logsumexp(1) - log_total(machine)).exp()


def exact_draws(machine, count):
    """Independent draws of the left units."""
    picked = torch.multinomial(left_chances(machine), count, replacement=True)
    return states(len(machine.left_bias))[picked]
