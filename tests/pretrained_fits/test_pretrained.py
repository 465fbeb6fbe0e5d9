"""The pretrained fits: each is scored again and holds its card, and is used as any other fit."""

import json
import math
import shutil
from dataclasses import replace

import pytest
import torch
from command_line import call

import zoo
from benchmarks.pretrained.recipes import RECIPES
from zoo.data import DATA, DataNotFound
from zoo.pretrained_fits import cards as cards_module
from zoo.pretrained_fits import pretrained as pretrained_module
from zoo.pretrained_fits.cards import FOLDER, cards

NAMES = sorted(RECIPES)
CLOTHES = "vae_fashion"  # its data do not come with a package
SLOW = {"pixelvae", "categorical_vae", CLOTHES}  # their scoring takes longer
SCORED = [
    pytest.param(name, marks=pytest.mark.thorough) if name in SLOW else name for name in NAMES
]
MOST_BYTES = 10_000_000
BOUNDS = ("elbo", "iwae_10", "iwae_100", "log_evidence")  # each at most the next


def within(value, other, *errors):
    return abs(value - other) <= 5 * math.hypot(*errors) + 1e-8


def not_above(low, high):
    return low["value"] <= high["value"] + 5 * math.hypot(low["se"], high["se"])


@pytest.fixture
def without_clothes(monkeypatch, tmp_path):
    """Fashion-MNIST is in none of the places where it is looked for."""
    monkeypatch.delenv("ZOO_DATA", raising=False)
    loader = replace(DATA["fashion_mnist"], installed=(), downloads=tmp_path)
    monkeypatch.setitem(DATA, "fashion_mnist", loader)


def test_every_recipe_has_its_files_and_no_other_is_there():
    assert list(cards()) == NAMES
    wanted = {f"{name}.{kind}" for name in NAMES for kind in ("json", "safetensors")}
    held = [path for path in FOLDER.iterdir() if path.suffix in (".json", ".safetensors")]
    assert {path.name for path in held} == wanted
    assert sum(path.stat().st_size for path in held) < MOST_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_how_its_fit_was_made(name):
    card = cards()[name]
    assert card["name"] == name
    assert card["command"].startswith(f"{RECIPES[name].command} --device cpu --out ")
    assert card["says"] == RECIPES[name].says
    assert card["licence"]["weights"] == "Apache-2.0"
    assert card["licence"]["data"]
    assert card["made"]["commit"]
    assert card["fit"]["stopped"] in ("finished", "converged")
    assert set(card["scores"]["answers"]) == {"bound", "weights", "draws"}


@pytest.mark.parametrize("name", NAMES)
def test_no_bound_on_a_card_is_above_the_next_or_above_the_evidence(name):
    metrics = cards()[name]["scores"]["metrics"]
    held = [metrics[bound] for bound in BOUNDS if bound in metrics]
    assert metrics["elbo"] in held
    assert metrics["log_evidence"] in held
    for low, high in zip(held, held[1:], strict=False):
        assert not_above(low, high)
    if "exact_log_evidence" in metrics:
        assert not_above(metrics["iwae_100"], metrics["exact_log_evidence"])
        assert cards()[name]["scores"]["answers"]["bound"]["answer"] == "yes"


@pytest.mark.parametrize("name", SCORED)
def test_a_fit_is_scored_again_and_holds_its_card(name):
    card = cards()[name]
    fit = zoo.pretrained(name)
    try:
        assert fit.task.data.found().hash == card["data"]["hash"]
    except DataNotFound:
        pytest.skip(f"the files of {card['data']['name']} are not here")
    found = zoo.evaluate(fit, metrics=["elbo", "iwae_10", "exact"], draws=20, seed=1)
    known = card["scores"]["metrics"]
    assert (found.split, found.rows) == (card["scores"]["split"], card["scores"]["rows"])
    for metric in {"elbo", "iwae_10"} & set(known):
        now, then = found[metric], known[metric]
        assert within(now.value, then["value"], now.se, then["se"])
    if "exact_log_evidence" in known:
        truth = known["exact_log_evidence"]["value"]
        assert found["exact_log_evidence"].value == pytest.approx(truth, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_fit_is_the_one_that_its_card_names(name):
    card, fit = cards()[name], zoo.pretrained(name)
    assert fit.task.name == card["model"]
    assert fit.task.data.hash == card["data"]["hash"]
    assert len(fit.losses) == card["fit"]["steps_taken"]
    assert fit.task.name in repr(fit)
    fit.plot_loss().figure.clear()
    numbers = sum(value.numel() for value in fit.program.state_dict().values())
    assert numbers == card["weights"]["numbers"]


def test_a_pretrained_fit_is_used_like_any_other(tmp_path):
    fit = zoo.pretrained("vae")
    (x,) = fit.task.split("test")
    assert fit.sample(3)["x"].shape == (3, 64)
    assert fit.encode(x[:5]).mean["z"].shape == (5, 10)
    assert fit.reconstruct(x[:5])["x"].shape == (5, 64)
    assert fit.log_prob(x[:5], draws=50).value.shape == (5,)
    again = zoo.load_fit(zoo.save(fit, tmp_path))
    assert torch.equal(again.encode(x[:5]).mean["z"], fit.encode(x[:5]).mean["z"])


def test_a_pretrained_model_is_held_under_another_guide():
    fit = zoo.pretrained("vae")
    held = replace(fit.task, build=lambda: fit.model)
    other = zoo.fit(held, "amortised_normal", steps=2, freeze_model=True)
    z = torch.randn(3, 10)
    assert torch.equal(other.model.decode(z), fit.model.decode(z))


def test_without_its_data_a_fit_works_on_rows_that_are_passed(without_clothes):
    fit = zoo.pretrained(CLOTHES)
    x = fit.sample(4)["x"]
    assert ((x == 0) | (x == 1)).all()
    assert fit.encode(x).mean["z"].isfinite().all()
    means = fit.reconstruct(x)["x"]
    assert ((means >= 0) & (means <= 1)).all()
    assert fit.log_prob(x, draws=20).value.isfinite().all()
    assert "vae" in repr(fit)
    for ask in (fit.encode, fit.log_prob, lambda: zoo.evaluate(fit), lambda: fit.task.on("test")):
        with pytest.raises(DataNotFound, match=r"(?s)Fashion-MNIST not found.*download=True"):
            ask()


def test_without_its_data_a_fit_has_the_numbers_that_it_has_with_them(monkeypatch, tmp_path):
    """The stand-ins leave no trace: latents and data drawn from the model are the same."""
    there = zoo.pretrained("vae")

    def lost(*_, **__):
        raise DataNotFound("Digits", ["digits"], [], "Find them.")

    monkeypatch.setitem(DATA, "digits", lost)
    absent = zoo.pretrained("vae")
    x = there.sample(4)["x"]
    assert torch.equal(absent.sample(4)["x"], x)
    assert torch.equal(absent.log_prob(x, draws=20).value, there.log_prob(x, draws=20).value)
    assert absent.task.data.train[0].isnan().all()
    zoo.save(absent, tmp_path)
    monkeypatch.undo()
    assert torch.equal(zoo.load_fit(tmp_path).sample(4)["x"], x)
    assert torch.equal(absent.task.split("test")[0], there.task.split("test")[0])


def test_data_that_are_not_those_of_the_card_are_told(monkeypatch):
    known = DATA["hmm"]
    monkeypatch.setitem(DATA, "hmm", lambda *a, **k: replace(known(*a, **k), hash="0" * 16))
    with pytest.warns(UserWarning, match=r"trained and scored on data with hash .* here"):
        zoo.pretrained("hmm")


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("pixelvae", "pixelvae"),
        ("pixel", "pixelvae"),
        ("Discrete-VAE", "categorical_vae"),
        ("sbn", "sigmoid_belief"),
        ("hierarchical-vae", "hvae"),
        ("logreg", "logistic_regression"),
        ("hidden_markov_model", "hmm"),
        ("fashion", CLOTHES),
        ("pretrained:iwae", "iwae"),
        ("eight_schools_noncentred", "eight_schools"),
    ],
)
def test_other_names_are_known(asked, name):
    assert cards_module.card_named(asked)["name"] == name


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("pixelvea", r"No pretrained fit named 'pixelvea'. Did you mean 'pixelvae'\?"),
        ("zzz", r"There are: categorical_vae, eight_schools, hmm"),
        ("elbo", r"Several pretrained fits are made with elbo: .*vae.* Name one of them"),
        (3, r"Expected the name of a pretrained fit; got 3"),
        ("", r"Expected the name of a pretrained fit"),
    ],
)
def test_a_wrong_name_is_answered_with_names(asked, said):
    with pytest.raises(ValueError, match=said):
        zoo.pretrained(asked)


def test_damaged_and_missing_tensors_are_refused(monkeypatch, tmp_path):
    folder = tmp_path / "fits"
    shutil.copytree(FOLDER, folder)
    monkeypatch.setattr(pretrained_module, "FOLDER", folder)
    path = folder / "hmm.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(ValueError, match="is damaged: its checksum"):
        zoo.pretrained("hmm")
    path.unlink()
    with pytest.raises(ValueError, match="is missing"):
        zoo.pretrained("hmm")


def test_the_list_is_a_table_of_all_cards():
    shelf = zoo.pretrained()
    assert list(shelf) == NAMES
    for name, line in zip(NAMES, repr(shelf).splitlines()[1:], strict=True):
        assert line.startswith(name)
        assert f"{cards()[name]['scores']['metrics']['elbo']['value']:.2f}"[:-1] in line
    assert shelf._repr_html_().count("<tr>") == len(NAMES) + 1


def test_the_command_line_scores_one_again():
    words = ("--draws", "20", "--metrics", "elbo", "--json")
    printed = json.loads(call("evaluate", "pretrained:eight_schools", *words))
    known = cards()["eight_schools"]["scores"]["metrics"]["elbo"]
    now = printed["metrics"]["elbo"]
    assert within(now["value"], known["value"], now["se"], known["se"])


def test_the_command_line_shows_the_list_and_a_card():
    listed, shown = call("list", "--pretrained"), call("show", "pretrained:hmm")
    assert all(name in listed for name in NAMES)
    assert cards()["hmm"]["command"] in shown
    assert cards()["hmm"]["data"]["hash"] in shown
