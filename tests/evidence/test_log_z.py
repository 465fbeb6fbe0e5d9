"""Annealed importance sampling of log Z: its error says how far it is from the exact sum."""

import pytest
import torch
from small_machines import log_total, machine_of

from zoo.energies import LogZ, annealed_log_z, exact_log_z, log_z
from zoo.energies.partition import larger
from zoo.isolation import isolated
from zoo.models.energies.dbm import DBM
from zoo.models.energies.dbn import DBN
from zoo.models.energies.rbm import RBM

IDENTITY = 1e-8


def off(machine, seed, **settings):
    """How many standard errors the estimate is from the sum over all states."""
    with isolated(seed=seed):
        found = annealed_log_z(machine, **settings)
    return abs(found.value - float(exact_log_z(machine))) / found.error


def test_independent_units_are_exact():
    """Without weights between the sides the path is known: a single chain has no variance left.

    The base rates are estimated, so that weights differ by the biases alone.
    """
    machine = machine_of(8, 6)._replace(weight=torch.zeros(8, 6))
    found = annealed_log_z(machine, chains=100, temperatures=200)
    assert abs(found.value - float(log_total(machine))) < 3 * found.error + IDENTITY
    assert found.error < 0.01


@pytest.mark.parametrize("seed", range(3))
def test_annealing_finds_the_exact_sum(seed):
    assert off(machine_of(15, 10, 0.5, seed), seed, temperatures=500) < 3


@pytest.mark.exhaustive
@pytest.mark.parametrize("spread", [0.3, 1.0])
@pytest.mark.parametrize("seed", range(20))
def test_annealing_finds_the_exact_sum_of_twenty_units(seed, spread):
    assert off(machine_of(40, 20, spread, seed), seed) < 3


SMALL = {
    "rbm": lambda: RBM(20, 14),
    "dbm": lambda: DBM(12, (6, 14)),
    "dbn": lambda: DBN(20, (10, 12)),
}


@pytest.mark.parametrize("kind", SMALL)
def test_annealing_finds_the_exact_sum_of_every_kind_in_twenty_of_twenty_seeds(kind):
    found = []
    for seed in range(20):
        with isolated(seed=seed), torch.no_grad():
            model = SMALL[kind]()
            for parameter in model.parameters():
                parameter.add_(0.5 * torch.randn_like(parameter))
        found.append(off(model.machine.detached(), seed, temperatures=500))
    assert max(found) < 3
    assert sum(1 for one in found if one < 1) > 5  # errors are not merely large


def test_few_temperatures_have_a_large_error():
    machine = machine_of(15, 10, 1.0)
    errors = []
    for temperatures in (5, 1000):
        with isolated(seed=0):
            errors.append(annealed_log_z(machine, temperatures=temperatures).error)
    assert errors[0] > 3 * errors[1]


def test_small_sides_are_summed():
    machine = machine_of(30, 5)
    found = log_z(machine)
    assert found.error == 0
    assert found.value == pytest.approx(float(exact_log_z(machine)), rel=IDENTITY)


def test_both_sides_are_annealed_and_the_larger_is_kept():
    machine = machine_of(30, 25, 0.3)
    with isolated(seed=0):
        found = log_z(machine)
    with isolated(seed=0):
        left, right = annealed_log_z(machine), annealed_log_z(machine.swapped)
    assert found.sides == (left.value, right.value)
    assert found.value == max(found.sides)
    assert "from either side" in found.how


def test_sides_that_disagree_are_as_uncertain_as_they_are_apart():
    one, other = LogZ(10.0, 0.2, "by AIS"), LogZ(17.0, 0.3, "by AIS")
    for pair in ((one, other), (other, one)):
        found = larger(*pair)
        assert (found.value, found.error) == (17.0, 7.0)
        assert found.sides == (pair[0].value, pair[1].value)
    near = LogZ(17.1, 0.4, "by AIS")
    assert larger(other, near).error == 0.4


@pytest.mark.parametrize("wrong", [{"chains": 1}, {"temperatures": 0}], ids=str)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        annealed_log_z(machine_of(3, 2), **wrong)
