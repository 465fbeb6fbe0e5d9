"""The flows' results: divergences from known densities, and the page that shows them."""

import pytest

from benchmarks import records
from benchmarks.densities import flows

ERRORS = 5


def rows(part):
    found = records.read(flows.RESULT)[part]
    return {(row["data"], row["model"]): row for row in found}


@pytest.mark.parametrize("data", flows.PLANE)
@pytest.mark.parametrize("model", flows.FLOWS)
def test_a_flow_is_nearer_to_the_truth_than_a_normal_and_never_beyond_it(data, model):
    found, normal = rows("plane")[data, model], rows("plane")[data, flows.NORMAL]
    assert found["value"] > -ERRORS * found["se"]
    assert found["value"] + ERRORS * found["se"] < normal["value"]


def test_every_fit_has_a_row():
    wanted = {(data, model) for data, models in flows.TABLES.items() for model in models}
    assert wanted <= set(rows("tables"))


def test_the_page_has_the_tables_of_the_results():
    assert flows.page(records.read(flows.RESULT)) == flows.PAGE.read_text()
