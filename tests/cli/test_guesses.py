"""Natural guesses at the command line: each succeeds, or is told the command that does.

The guesses were written down before the answers were. None that needs no training imports torch.
"""

import json

import pytest
from command_line import call, refused
from test_ready import CALLS, run, words_of

from zoo.catalogue.aliases import ALIASES, AS_MODELS, COMMANDS, OPTIONS
from zoo.catalogue.answers import TABLES, answer, kinds_of, meant
from zoo.catalogue.known import known

TOLD = {  # what succeeds -> what it prints
    "--version": ["zoo 0.1.0"],
    "version": ["zoo 0.1.0"],
    "help": ["Commands", "fit"],
    "list": ["Bayesian regression", "Variational autoencoders", "Time series", "zoo show"],
    "list --guides": ["amortised_iaf", "Encoders with flows", "Discrete latents"],
    "list objectives": ["iwae", "Score function", "wake_sleep"],
    "list --metrics": ["k_hat", "Pareto"],
    "list --pretrained": ["eight_schools", "zoo show pretrained:NAME", "zoo.pretrained(NAME)"],
    "show pretrained:hmm": ["is a pretrained fit", "zoo evaluate pretrained:hmm", "Apache-2.0"],
    "show vae": [
        "z_n ~ r(z)",
        "amortised_normal",
        "zoo fit vae",
        "mean_field",
        "Nothing is known",
    ],
    "info ppca": [
        "N(W z_n + mu, s^2 I_D)",
        "log evidence",
        "posterior",
        "z: real vectors of 2, one for each row",
    ],
    "show amortised_iaf": ["inverse autoregressive", "depth", "bernoulli_vae"],
    "show dreg": ["doubly reparameterised", "sum_k v_k^2", "particles=5", "zoo fit"],
    "show AmortisedIAF": ["amortised_iaf is a guide", "inverse autoregressive", "zoo fit"],
    "show guides.Relaxed": ["relaxed is a guide", "zoo fit"],
    "show k_hat": ["Pareto", "--metrics k_hat"],
    "show helmholtz": ["zoo fit sigmoid_belief --guide amortised_layers --objective wake_sleep"],
}
TOLD_BETTER = {  # what is refused -> the command it is answered with
    "fit iwae": ["iwae is an objective", "zoo fit vae --objective iwae"],
    "fit pixelvae": ["zoo fit vae --decoder pixel"],
    "fit helmholtz": ["zoo fit sigmoid_belief --guide amortised_layers --objective wake_sleep"],
    "fit wake_sleep": ["an objective", "zoo fit vae --objective wake_sleep"],
    "fit vampprior": ["zoo fit vae --prior vamp"],
    "fit hierarchical-vae": ["zoo fit hvae"],
    "fit gumbel_softmax": ["zoo fit categorical_vae --guide relaxed"],
    "fit fashion_mnist": ["a data set", "zoo fit vae --data fashion_mnist"],
    "fit iwaee": ["Did you mean 'iwae', an objective?", "zoo fit vae --objective iwae"],
    "fit vae --guide helmholz": ["amortised_layers"],
    "fit vae --guide AmortisedIAF": [
        "AmortisedIAF is the class of the guide 'amortised_iaf'",
        "--guide amortised_iaf",
    ],
    "fit VAE": ["No model named 'VAE'. Did you mean 'vae'?"],
    "fit vae --objective elbo": ["'trace'", "zoo fit vae --objective trace"],
    "fit vae --prior vampprior": ["zoo fit vae --prior vamp"],
    "fit vae --epochs 10": ["--steps 130", "13 steps"],
    "fit vae --learning-rate 0.01": ["--lr 0.01"],
    "fit vae --gpu": ["--device cuda"],
    "fit vae --guides iaf,full_rank": ["zoo compare vae --guides iaf,full_rank"],
    "fit ppca --guide mean_field": [
        "mean_field does not go with ppca",
        "each data row has its own",
        "Guides that fit: per_datum,",
    ],
    "plot runs/main": ["zoo fit MODEL --out DIR", "fit.plot_loss()"],
    "sample runs/main": ["zoo.load_fit", "fit.sample(10)"],
    "train vae": ["zoo fit vae"],
    "vae": ["vae is a model", "zoo show vae", "zoo fit vae"],
    "models": ["zoo list --models"],
    "evaluate vae": ["vae is a model", "zoo fit vae --out runs/vae"],
    "evaluate pretrained:hmmm": ["Did you mean 'hmm'?"],
    "pretrained": ["zoo list --pretrained", "zoo.pretrained('vae')"],
    "show trase": ["Did you mean 'trace'?"],
}
TRAINED = {
    "fit wae --steps 2 --draws 20": [
        *("wae is an objective: fitting vae x amortised_normal by wae.", "2 steps in")
    ],
    "fit FlowGAN --steps 2 --draws 20": [
        *("FlowGAN is an objective: fitting realnvp x empty by flow_gan.", "2 steps in")
    ],
    "fit eight_schools --steps 1e1 --draws 20": ["10 steps in"],
    "compare eight_schools --guides all --steps 2 --seeds 1 --draws 20": [
        *("mean_field", "full_rank", "iaf")
    ],
}


@pytest.fixture(scope="module")
def calls():
    """Of each guess what it prints, its errors, and the heavy packages that it imports."""
    guesses = [*TOLD, *TOLD_BETTER]
    return dict(zip(guesses, json.loads(run(CALLS, *guesses)), strict=True))


def test_there_are_thirty_and_more():
    assert len(TOLD) + len(TOLD_BETTER) + len(TRAINED) >= 30


@pytest.mark.parametrize("guess", TOLD)
def test_a_guess_succeeds_without_torch(guess, calls):
    printed, errors, taken = calls[guess]
    assert (errors, taken) == ("", [])
    for words in TOLD[guess]:
        assert words in words_of(printed)


@pytest.mark.parametrize("guess", TOLD_BETTER)
def test_a_guess_is_answered_with_the_command_without_torch(guess, calls):
    printed, errors, taken = calls[guess]
    assert (printed, taken) == ("", [])
    for words in TOLD_BETTER[guess]:
        assert words in words_of(errors)


@pytest.mark.parametrize("guess", TRAINED)
def test_a_guess_that_trains_is_done(guess):
    printed = call(*guess.split())
    for words in TRAINED[guess]:
        assert words in printed


@pytest.mark.parametrize("name", AS_MODELS)
def test_an_objective_that_stands_for_a_model_goes_with_its_usual_guide(name):
    card = known()["cards"]["model"][AS_MODELS[name]]
    taken = {one for each in card["refused objectives"] for one in each["names"]}
    assert name not in taken | set(known()["model"])
    assert meant(name.upper(), None, known()) == (AS_MODELS[name], name)


def test_other_names_and_contradictions_stand_for_no_pair():
    assert meant("wasserstein_autoencoder", None, known()) == ("vae", "wae")
    for name, objective in (("vae", None), ("iwae", None), ("wae", "aae"), ("nothing", None)):
        assert meant(name, objective, known()) is None


def test_lists_fit_a_hundred_columns(calls):
    for guess in ("list", "list --guides", "list objectives", "show vae", "show dreg"):
        assert max(map(len, calls[guess][0].splitlines())) <= 100


@pytest.mark.parametrize("name", ALIASES)
def test_an_alias_stands_for_names_that_exist(name):
    """Its command can be typed: every word of it is a command, an option or a name."""
    alias, tables = ALIASES[name], known()
    assert alias.name in tables[alias.kind] if alias.kind else not alias.name
    zoo, fit, model, *rest = alias.command.split()
    assert (zoo, fit) == ("zoo", "fit")
    assert model in tables["model"]
    for option, value in zip(rest[::2], rest[1::2], strict=True):
        assert value in tables[option.removeprefix("--").removesuffix("s")]
    assert not any(name in tables[kind] for kind in TABLES if kind in ("model", alias.kind))


@pytest.mark.parametrize("kind", [kind for kind in TABLES if kind != "metric group"])
def test_a_name_of_another_kind_is_told_what_it_is(kind):
    tables = known()
    for name in tables[kind]:
        first = kinds_of(name, tables)[0]  # mean_field is a guide and an objective
        if first == kind and kind != "model":
            assert f"{name} is {TABLES[kind].split()[0]}" in answer("model", name, tables)


def test_what_other_programs_call_it_has_an_answer():
    assert not set(OPTIONS) & {"--steps", "--lr", "--data", "--out", "--draws"}
    assert all("zoo" in said or "fit" in said for said in COMMANDS.values())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fit", "ppca", "--steps", "1.5"), "1.5"),
        (("compare", "vae", "--guide", "iaf"), "takes --guides iaf"),
        (("compare", "vae", "--epochs", "2"), "--steps 26"),
        (("fit", "eight_schools", "--objective", "nvil"), "Objectives that fit: trace,"),
    ],
)
def test_what_cannot_be_done_is_refused(words, said, capsys, monkeypatch):
    if words[-1] != "1.5":
        assert said in refused(capsys, monkeypatch, *words)


KINDS = ("model", "guide", "objective", "metric")
CARDS = [(kind, name) for kind in KINDS for name in known()[kind]]


@pytest.mark.parametrize("card", CARDS, ids="/".join)
def test_every_name_is_described_in_one_sentence_under_a_topic(card):
    kind, name = card
    card = known()["cards"][kind][name]
    assert card["says"].endswith(".")
    assert 15 < len(card["says"]) <= 96
    assert card["topic"]
    others = [other["says"] for each, other in known()["cards"][kind].items() if each != name]
    assert card["says"] not in others


def test_topics_are_few():
    """A new guide or objective takes a topic that there is, or brings others of its kind."""
    for kind in ("guide", "objective"):
        topics = [card["topic"] for card in known()["cards"][kind].values()]
        assert len(set(topics)) <= 10


@pytest.mark.parametrize("kind", known()["cards"])
def test_every_name_is_shown(kind):
    for name in known()["cards"][kind]:
        shown = call("show", name)
        assert f"{name} is {TABLES[kind]}." in words_of(shown)
        assert shown.count("  zoo ") >= 3
        assert max(map(len, shown.splitlines())) <= 100


def test_guides_that_fit_by_another_objective_are_among_those_that_fit():
    fits, _, rest = " ".join(call("show", "jigsaw").split()).partition("guides that do")
    assert "gumbel_sinkhorn (with trace)" in fits
    assert "gumbel_sinkhorn" not in rest
