"""What DisARM on a tree and the unordered set estimator share, on categorical latents."""

import pytest
from cases import ERRORS, IDENTITY, named, relative_error
from estimates import unbiased
from finite_estimators import (
    OF_ZOO,
    SMALL,
    captured_minibatch_as_plain,
    found_and_exact,
    found_and_exact_of_minibatches,
    found_and_exact_of_zoo,
    losses_and_exact,
    refuses_dependent_and_continuous,
    side_by_side_and_one_by_one,
)
from finite_models import Table, categorical
from network_of_causes import largest_z

from zoo.objectives import DisARMTree, UnorderedSet

FEW = [DisARMTree(), UnorderedSet(2)]
SEVERAL = [DisARMTree(pairs=2), UnorderedSet(3)]


@pytest.mark.thin(3)
@pytest.mark.parametrize("objective", [*FEW, DisARMTree(pairs=3), UnorderedSet(5)], ids=str)
@pytest.mark.parametrize("model", SMALL, ids=named)
def test_the_mean_gradient_is_exact(model, objective):
    assert unbiased(*found_and_exact(model, objective))


@pytest.mark.thin(3)
@pytest.mark.parametrize("objective", FEW, ids=str)
@pytest.mark.parametrize("name", OF_ZOO)
def test_the_mean_gradient_is_exact_on_models_of_the_zoo(name, objective):
    assert unbiased(*found_and_exact_of_zoo(name, objective))


@pytest.mark.parametrize("objective", SEVERAL, ids=str)
@pytest.mark.parametrize("model", SMALL, ids=named)
def test_values_side_by_side_are_values_one_by_one(model, objective):
    assert relative_error(*side_by_side_and_one_by_one(model, objective)) < IDENTITY


@pytest.mark.thin(2)
@pytest.mark.parametrize("objective", [DisARMTree(), UnorderedSet(3)], ids=str)
@pytest.mark.parametrize("model", [categorical, Table], ids=named)
def test_a_captured_step_equals_the_plain_one(model, objective):
    assert captured_minibatch_as_plain(model, objective)


@pytest.mark.parametrize("objective", FEW, ids=str)
def test_a_minibatch_gradient_is_unbiased_for_all_rows(objective):
    assert largest_z(*found_and_exact_of_minibatches(objective)) < ERRORS


@pytest.mark.parametrize("objective", FEW, ids=str)
def test_the_value_is_the_negative_elbo(objective):
    assert largest_z(*losses_and_exact(objective)) < ERRORS


@pytest.mark.parametrize("objective", FEW, ids=str)
def test_dependent_and_continuous_latents_are_refused(objective):
    assert refuses_dependent_and_continuous(objective)
