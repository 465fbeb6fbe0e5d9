"""Values of single rows: kept with a run, counted in words, drawn."""

import math

import numpy as np
import pytest
from small_tasks import ppca_task

import zoo
from zoo.comparison.from_folder import material_in
from zoo.comparison.row_pictures import k_hat_figure
from zoo.comparison.row_values import (
    KEPT,
    MEANS,
    ROWS_FILE,
    RowValues,
    k_hat_counts,
    read_row_values,
    write_row_values,
)
from zoo.figure_style import png


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    out = tmp_path_factory.mktemp("rows") / "out"
    guides = ["amortised_normal", "amortised_full_rank"]
    return zoo.compare(ppca_task(), guides, seeds=2, steps=20, draws=200, out=out), out


def test_the_mean_over_rows_is_the_metric(found):
    comparison, _ = found
    (x,) = comparison.task.split("test")
    for row in comparison.rows:
        assert set(row.by_row.values) == set(KEPT)
        for name in MEANS:
            values = row.by_row.values[name]
            assert values.shape == (len(x),)
            assert values.mean() == pytest.approx(row.metrics[name].value, rel=1e-4)
        assert np.nanmedian(row.by_row.values["k_hat"]) == pytest.approx(
            row.metrics["k_hat"].value, abs=0.05
        )


def test_the_folder_holds_them(found):
    comparison, out = found
    again = material_in(out)
    for row, kept in zip(comparison.rows, again.rows, strict=True):
        assert kept.by_row.draws == 200
        for name in KEPT:
            np.testing.assert_array_equal(kept.by_row.values[name], row.by_row.values[name])
    direct = comparison.differences("elbo")[0]
    assert direct.se_rows > 0
    assert direct.se_both >= direct.se


def test_where_rows_share_latents_there_are_none():
    comparison = zoo.compare("eight_schools", ["mean_field"], steps=3, draws=50)
    assert comparison.rows[0].by_row is None


def test_counts_in_words():
    k = np.array([0.1] * 190 + [0.6] * 6 + [0.9] * 3 + [math.nan])
    counts = k_hat_counts([RowValues(1000, {"k_hat": k})])
    assert (counts.good, counts.fair, counts.poor, counts.undefined) == (190, 6, 3, 1)
    assert counts.words == (
        "Of 200 rows, 190 have a k-hat below 0.5, 6 from there to 0.67, 3 above 0.67, 1 none, for "
        "want of a tail. Do not trust log p(x) of the 3."
    )
    fine = k_hat_counts([RowValues(1000, {"k_hat": np.full(5, 0.2)})] * 2)
    assert fine.words == "Of 10 rows, 10 have a k-hat below 0.5."


def test_few_draws_lower_the_limit():
    """With 20 draws it is below 0.5: no row counts twice."""
    counts = k_hat_counts([RowValues(20, {"k_hat": np.array([0.1, 0.3, 0.6])})])
    assert (counts.good, counts.fair, counts.poor) == (1, 0, 2)
    assert counts.good + counts.fair + counts.poor == counts.rows


def test_a_damaged_file_is_named(tmp_path):
    write_row_values(RowValues(7, {"elbo": np.zeros(3)}), tmp_path)
    assert read_row_values(tmp_path).draws == 7
    (tmp_path / ROWS_FILE).write_text("nothing")
    with pytest.raises(ValueError, match=ROWS_FILE):
        read_row_values(tmp_path)
    assert read_row_values(tmp_path / "elsewhere") is None


def test_the_figure_takes_values_that_are_no_numbers():
    k = {"a": np.full(4, math.nan), "b": np.array([-0.2, 0.1, 0.8, 5.0])}
    assert png(k_hat_figure({name: [RowValues(100, {"k_hat": v})] for name, v in k.items()}))
