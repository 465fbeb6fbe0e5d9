"""The benchmarks of autoencoders at a small budget: every section runs and makes its table."""

import math

import pytest

from benchmarks.vaes import bounds, fits, kl_term, ladder, likelihoods, priors, run, structures

MODULES = {
    "ladder": ladder,
    "priors": priors,
    "bounds": bounds,
    "likelihoods": likelihoods,
    "structures": structures,
    "kl": kl_term,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_a_section_on_digits(name, tmp_path):
    """Bounds are below log p(x), within the errors of both."""
    section = MODULES[name]
    rows = [row for _, row in section.run(0.02, 1, "", tmp_path)]
    assert rows
    for row in rows:
        if "log_evidence" in row:
            (bound, first), (log_p, second) = row["elbo"], row["log_evidence"]
            assert bound < log_p + 5 * math.hypot(first, second)
    assert section.table(rows).count("\n") > len({row["seed"] for row in rows})


@pytest.mark.parametrize(
    ("value", "error", "word"),
    [
        (1.0, 0.1, "agrees"),
        (1.6, 0.1, "differs"),
        (1.6, 0.2, "cannot tell"),
        (1.0, 9.0, "cannot tell"),
    ],
)
def test_a_verdict_counts_the_error(value, error, word):
    assert fits.judged(value, error, 1.0, 0.3) == word


def test_rows_of_another_length_are_not_kept(tmp_path):
    file = tmp_path / "rows.json"
    file.write_text(
        '{"rows": [{"variant": "a", "seed": 1, "share": 1.0}, {"variant": "b", "seed": 0}]}'
    )
    kept = [
        row["variant"]
        for row in run.others(file, ("variant",), {"variant": "a", "seed": 0, "share": 0.1})
    ]
    assert kept == ["b"]
    kept = [
        row["variant"]
        for row in run.others(file, ("variant",), {"variant": "a", "seed": 0, "share": 1.0})
    ]
    assert kept == ["a", "b"]


def test_published_settings_of_other_lengths_are_other_rows(tmp_path):
    file, (_, heads) = tmp_path / "rows.json", run.SECTIONS["published"]
    file.write_text('{"rows": [{"setting": "a", "steps": 9, "seed": 0, "share": 1.0}]}')
    row = {"setting": "a", "seed": 0}
    assert run.others(file, heads, row | {"steps": 3, "share": 0.3})
    assert not run.others(file, heads, row | {"steps": 9, "share": 1.0})
