"""What stands beneath the table of a comparison."""

import pytest

from zoo.comparison.aggregate import Cell, Row, Summary, summarise
from zoo.comparison.table import by_reason, caption, tails_said


def line(k_hat, *names):
    cells = {name: Cell(-31.0, 0.1, "nats", "higher") for name in names}
    return Summary("g", "trace", "trace", 2, 1.0, cells | {"k_hat": Cell(k_hat, 0.1, "", "lower")})


@pytest.mark.parametrize(
    ("lines", "warned"),
    [
        ([line(0.2, "log_evidence"), line(0.8, "log_evidence")], True),
        ([line(0.2, "log_evidence"), line(0.6, "log_evidence")], False),
        ([line(0.8, "elbo")], False),
        ([], False),
    ],
)
def test_an_error_that_heavy_tails_make_too_small_is_said(lines, warned):
    assert ("its ± too small" in tails_said(lines)) == warned


def test_what_several_runs_share_is_said_once():
    left = {"a-seed0": "no mode", "b-seed0": "diverged", "a-seed1": "no mode"}
    assert by_reason(left) == {"a-seed0, a-seed1": "no mode", "b-seed0": "diverged"}


def test_a_star_is_explained_where_there_is_one():
    lines = [line(0.2, "elbo"), line(0.3, "elbo")]
    assert "; * is clearly better" in caption(lines, "*")
    assert caption(lines).endswith("larger. No line is clearly better than every other.")
    assert caption(lines[:1]).endswith("where it is larger.")


@pytest.mark.parametrize(("backend", "said"), [("laplace", "own method"), ("compiled", "trace")])
def test_a_guide_without_steps_has_no_objective_in_the_table(backend, said):
    row = Row("m", "d", "g", "trace", 0, 1, 0.5, backend, "finished", {}, {}, "")
    assert summarise([row])[0].found_by == said
