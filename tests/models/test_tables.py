"""The tables of the topics make one table, in which no name stands twice."""

import pytest

from zoo.models import MODELS
from zoo.models.densities import DENSITIES
from zoo.models.discrete import DISCRETE
from zoo.models.energies import ENERGIES
from zoo.models.flows import FLOWS
from zoo.models.hierarchical import HIERARCHICAL
from zoo.models.linear import LINEAR
from zoo.models.regression import REGRESSION
from zoo.models.targets import TARGETS
from zoo.models.time_series import TIME_SERIES
from zoo.models.vaes import VAES

TABLES = (
    *(LINEAR, HIERARCHICAL, REGRESSION, VAES, FLOWS, DISCRETE, DENSITIES, ENERGIES),
    *(TIME_SERIES, TARGETS),
)


def test_no_name_is_in_two_tables():
    assert sorted(MODELS) == sorted(name for table in TABLES for name in table)


@pytest.mark.parametrize("name", VAES)
def test_a_vae_is_made_of_its_parts_in_a_file_of_its_name(name):
    build = VAES[name].build
    assert (build.__module__, build.__name__) == (f"zoo.models.vaes.{name}", "from_parts")
    assert VAES[name].parts.prior or VAES[name].parts.decoder
