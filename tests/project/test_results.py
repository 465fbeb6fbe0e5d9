"""The committed results bear out what the gallery says of them."""

import math
import re
import shlex
from importlib.util import find_spec

import pytest
from typer.testing import CliRunner

from benchmarks import records
from benchmarks.pages import estimators, failures, gallery, known_evidence, readme
from benchmarks.records import DOCS, RESULTS
from benchmarks.vaes import run
from zoo.cli.app import app

PAGES = {"harness": known_evidence, "museum": failures}


def read(name):
    return records.read(RESULTS / name)


def by_seed(rows, head, name, metric):
    """Seed -> value and standard error."""
    return {row["seed"]: row[metric] for row in rows if row[head] == name}


def above(better, worse):
    """Is it above on every seed, by more than the errors of both?"""
    assert better.keys() == worse.keys() != set()
    return all(
        better[seed][0] - worse[seed][0] > 2 * math.hypot(better[seed][1], worse[seed][1])
        for seed in better
    )


def test_the_page_is_that_of_the_results():
    assert (DOCS / "gallery.md").read_text() == gallery.page()
    assert "No results yet" not in gallery.page()


@pytest.mark.parametrize(
    ("page", "results"), [("harness", ("coverage",)), ("museum", ("museum", "traps"))]
)
def test_the_pages_of_the_harness_are_those_of_their_results(page, results):
    written = (DOCS / f"{page}.md").read_text()
    assert written == PAGES[page].page(*(read(f"{name}.json") for name in results))


def test_the_tables_of_the_estimators_are_those_of_their_results():
    written = (DOCS / "estimators.md").read_text()
    assert estimators.filled(written) == written


@pytest.mark.parametrize("page", readme.TABLES, ids=lambda page: page.name)
def test_the_tables_of_the_front_page_and_of_speed_are_those_of_their_results(page):
    assert page.read_text().count("| ") > 20
    assert readme.filled(page) == page.read_text()


def commands(node):
    """Every command that a record holds, in whatever depth."""
    if isinstance(node, dict):
        yield from ([node["command"]] if "command" in node else [])
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from commands(part)


@pytest.mark.parametrize(
    "path", [*RESULTS.rglob("*.json"), *DOCS.glob("*.json")], ids=lambda path: path.name
)
def test_recorded_commands_can_be_run(path):
    found = set(commands(records.read(path)))
    assert found
    for command in found:
        first, *rest = shlex.split(command)
        if first != "zoo":
            assert (first, rest[0]) == ("python", "-m")
            assert find_spec(rest[1])


def examples():
    """Commands of README and gallery that train one fit on data that need no files."""
    texts = [(DOCS / "gallery.md").read_text(), (DOCS.parent / "README.md").read_text()]
    lines = [line for text in texts for line in re.findall(r"^zoo fit .*", text, re.MULTILINE)]
    lines += [one for one in re.findall(r"`(zoo fit [a-z][^`]*)`", texts[1])]
    return sorted({" ".join(line.split()) for line in lines if "fashion" not in line})


@pytest.mark.thin(9)
@pytest.mark.parametrize("line", examples())
def test_the_examples_of_the_pages_run(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    brief = ["--steps", "2", "--metrics", "elbo", "--draws", "20", "--compile", "off"]
    done = CliRunner().invoke(app, [*shlex.split(line)[1:], *brief])
    assert done.exit_code == 0, done.output


def test_every_section_shows_what_made_its_table():
    for section in gallery.SECTIONS:
        made = gallery.makers(section)
        assert made
        assert all(command.startswith(section.command) for command in made), section.title


def test_trace_and_reinforce_are_one_estimator_and_trace_graph_where_one_site_is():
    for place in read("estimators/networks.json")["places"]:
        each = {(row["objective"], row["at"]): row["variance"]["total"] for row in place["rows"]}
        for at in ("initial", "trained"):
            trace = each["trace", at]["value"]
            assert each["reinforce", at]["value"] == pytest.approx(trace)
            assert (each["trace_graph", at]["value"] == pytest.approx(trace)) == (
                place["model"] != "sigmoid_belief"
            )


def test_the_two_means_of_vimco_differ_from_five_draws_on():
    rows = read("estimators/particles.json")["rows"]
    found = {(r["objective"], r["K"], r["at"]): r["variance"]["encoder"]["value"] for r in rows}
    for at in ("initial", "trained"):
        assert found["vimco", 2, at] == pytest.approx(found["vimco_geometric", 2, at])
        for count in (5, 50):
            assert found["vimco_geometric", count, at] < found["vimco", count, at]


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("priors", "CHOICES"),
        ("bounds", "OBJECTIVES"),
        ("likelihoods", "CHOICES"),
        ("ladder", "VARIANTS"),
        ("published", "SETTINGS"),
        ("gaps", "TRAINED"),
    ],
)
def test_no_row_is_missing(name, table):
    section, (head, *_) = run.SECTIONS[name]
    asked = getattr(section, table)
    names = set(asked) if isinstance(asked, dict) else {one.name for one in asked}
    assert {row[head] for row in read(f"vaes/{name}.json")["rows"]} >= names


def test_every_prior_gains_over_a_standard_normal():
    rows = read("vaes/priors.json")["rows"]
    standard = by_seed(rows, "prior", "standard", "log_evidence")
    for prior in {row["prior"] for row in rows} - {"standard"}:
        assert above(by_seed(rows, "prior", prior, "log_evidence"), standard), prior


def test_chosen_noise_beats_uniform_noise():
    rows = read("vaes/likelihoods.json")["rows"]
    for model, chosen in (
        ("Gaussian", "noise chosen by the row"),  # the family for z is the same
        ("Gaussian", "noise by a flow"),
        ("RealNVP parts", "noise by a flow"),
    ):
        noises = [
            by_seed(rows, "likelihood", f"{model}, {noise}", "elbo")
            for noise in (chosen, "uniform noise")
        ]
        assert above(*noises), (model, chosen)


def test_more_groups_of_latents_gain():
    rows = read("vaes/structures.json")["rows"]
    one, wide, two = (
        by_seed(rows, "structure", name, "log_evidence")
        for name in ("one group", "one group, wide", "two groups, top-down")
    )
    assert above(two, wide)
    assert above(wide, one)
    runs = read("hierarchical.json")["runs"]  # Fashion-MNIST
    metrics = {
        levels: {r["seed"]: r["metrics"]["log_evidence"] for r in runs if r["levels"] == levels}
        for levels in (1, 2)
    }
    assert above(metrics[2], metrics[1])


def test_a_wider_receptive_field_leaves_less_in_z_and_remedies_more():
    rows = read("collapse.json")["rows"]

    def kl(field, remedy="none"):
        return {
            row["seed"]: (row["metrics"]["kl"]["value"], row["metrics"]["kl"]["se"])
            for row in rows
            if (row["receptive_field"], row["remedy"]) == (field, remedy)
        }

    widest = max(row["receptive_field"] for row in rows)
    assert above(kl(0), kl(widest))
    for remedy in {row["remedy"] for row in rows} - {"none"}:
        assert above(kl(widest, remedy), kl(widest)), remedy


def test_bounds_stay_below_log_p():
    for name in ("ladder", "priors", "bounds", "likelihoods", "structures"):
        for row in read(f"vaes/{name}.json")["rows"]:
            (bound, first), (log_p, second) = row["elbo"], row["log_evidence"]
            assert bound < log_p + 5 * math.hypot(first, second)
