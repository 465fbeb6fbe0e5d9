"""Nobody waits for torch to be told what there is: which modules are imported, and when."""

import ast
import inspect
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from guides import guide_named
from zoo.catalogue.known import PATH, known
from zoo.cli.names import as_text, check, check_data, check_metrics
from zoo.cli.pairs import all_names, table_names
from zoo.evaluation.selection import asked_for
from zoo.objectives import as_objective

ROOT = Path(__file__).parents[2]
HEAVY = {
    *("torch", "torchvision", "pyro", "numpy", "scipy", "matplotlib", "arviz", "arviz_stats"),
    *("sklearn", "h5py", "h5netcdf", "pandas", "xarray", "safetensors"),
}
TAKEN = f"""
import json, sys
def taken():
    return {HEAVY} & {{name.split(".")[0] for name in sys.modules}}
"""
CALLS = """
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from zoo.cli.app import main
records, before = [], set()
for words in sys.argv[1:]:
    sys.argv, out, err = ["zoo", *words.split()], StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err), suppress(SystemExit):
        main()
    records.append((out.getvalue(), err.getvalue(), sorted(taken() - before)))
    before = taken()
print(json.dumps(records))
"""
TOLD = {
    "--help": ("fit", "evaluate", "compare", "gradients", "picture", "reference", "list"),
    "fit --help": ("--guide", "Of a VAE: standard", "Of VAEs: bernoulli"),
    "compare --help": ("--budget",),
    "list": ("amortised_normal", "gp_regression", "decoder of vae"),
    "list --pairs": ("amortised_normal", "gp_regression (gp_regression)"),
    "list --json": ('"models"', '"eight_schools"'),
    "picture": ("four_points",),
}
REFUSED = {
    "fti ppca": "No such command 'fti'. Did you mean 'fit'?",
    "fit ppca --guied iaf": "No such option: --guied",
    "fit vaee": "No model named 'vaee'. Did you mean 'vae'?",
    "fit vae --guide amortised_iav": "No guide named 'amortised_iav'. Did you mean",
    "fit vae --objective trase": "No objective named 'trase'. Did you mean 'trace'?",
    "fit vae --data digit": "got 'digit'. Did you mean 'digits'?",
    "fit vae --prior vam": "No prior named 'vam'. Did you mean 'vamp'?",
    "fit vae --likelihood bernouli": "No likelihood named 'bernouli'.",
    "fit vae --decoder nada": "No decoder named 'nada'. Did you mean 'nade'?",
    "fit vae --metrics elbow": "No metric named 'elbow'. Did you mean 'elbo'?",
    "fit vae --device tpu": "to be 'auto', 'cpu' or 'cuda'; got 'tpu'.",
    "fit vae --compile yes": "one of 'auto', 'on', 'off'; got 'yes'.",
    "fit hvae --groups 8,x": "Expected --groups to be whole numbers with commas",
    "compare pcpa": "No model named 'pcpa'.",
    "compare ppca --guides iaf,iav": "No guide named 'iav'. Did you mean 'iaf'?",
    "compare ppca --objectives trace,iwea": "No objective named 'iwea'.",
    "gradients --objectives rloo,rlo": "No objective named 'rlo'. Did you mean 'rloo'?",
    "gradients --objectives gumbel_rao:trase": "No objective named 'trase'.",
    "gradients --training trase": "No objective named 'trase'.",
    "reference eight_school": "No model named 'eight_school'. Did you mean 'eight_schools'?",
    "picture four_pints": "No picture named 'four_pints'. Did you mean 'four_points'?",
    "evaluate no/such/folder --metrics elbow": "No metric named 'elbow'.",
}


def run(code, *words):
    """What a fresh Python prints, where `taken` gives the heavy packages that are imported."""
    command = [sys.executable, "-c", TAKEN + code, *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout


def taken_by(code):
    return set(json.loads(run(f"{code}; print(json.dumps(sorted(taken())))")))


@pytest.fixture(scope="module")
def calls():
    """Of each command what it prints, its errors, and the heavy packages that it imports."""
    commands = [*TOLD, *REFUSED]
    return dict(zip(commands, json.loads(run(CALLS, *commands)), strict=True))


def words_of(text):
    return " ".join(re.sub("[│\n]", " ", text).split())


@pytest.mark.parametrize("command", TOLD)
def test_what_there_is_is_told_without_torch(command, calls):
    printed, errors, taken = calls[command]
    assert (errors, taken) == ("", [])
    for word in TOLD[command]:
        assert word in words_of(printed)


@pytest.mark.parametrize("command", REFUSED)
def test_a_wrong_name_is_refused_without_torch(command, calls):
    printed, errors, taken = calls[command]
    assert (printed, taken) == ("", [])
    assert REFUSED[command] in words_of(errors)


@pytest.mark.parametrize(
    ("early", "late"),
    [
        (lambda name: check("model", name), zoo.load),
        (lambda name: check("guide", name), guide_named),
        (lambda name: check("objective", name), as_objective),
        (lambda name: check("prior", name), lambda name: zoo.load("vae", prior=name)),
        (lambda name: check("likelihood", name), lambda name: zoo.load("vae", likelihood=name)),
        (lambda name: check("decoder", name), lambda name: zoo.load("vae", decoder=name)),
        (check_data, lambda name: zoo.load("vae", data=name)),
        (lambda name: check_metrics([name]), asked_for),
    ],
    ids=["model", "guide", "objective", "prior", "likelihood", "decoder", "data", "metric"],
)
@pytest.mark.parametrize("name", ["qqq", "", "trac", "elb", "digitz"])
def test_a_name_is_refused_in_the_words_of_the_zoo(early, late, name):
    """The command line may know more: a name like it of another kind, and the command for it."""
    with pytest.raises(ValueError, match="No|Expected") as expected:
        late(name)
    with pytest.raises(ValueError, match="No|Expected") as found:
        early(name)
    first, _, hint = str(found.value).partition(". ")
    assert str(expected.value).startswith(first)
    assert str(found.value) == str(expected.value) or "? Try: zoo fit " in hint


def test_what_exists_is_not_refused():
    check_metrics(["elbo", "kl/z", "weights", "iwae_7", "ais"])
    for kind in ("model", "guide", "objective", "prior", "likelihood", "decoder"):
        check(kind, None, *known()[kind])


def test_the_names_are_those_of_the_tables():
    found = {kind: names for kind, names in known().items() if kind in table_names()}
    assert found == table_names(), "run python -m zoo.cli.names"


@pytest.mark.thorough
def test_what_is_listed_is_what_goes_together():
    assert PATH.read_text() == as_text(all_names()), "run python -m zoo.cli.names"


@pytest.mark.parametrize("code", ["import zoo; dir(zoo)", "from zoo import __version__"])
def test_the_zoo_is_imported_without_torch(code):
    assert taken_by(code) == set()


def test_a_fit_takes_torch_and_pyro_along_and_little_else():
    assert taken_by("from zoo import fit") == {"torch", "pyro", "numpy", "safetensors"}


def test_every_public_name_comes_from_where_a_type_checker_sees_it():
    tree = ast.parse(Path(zoo.__file__).read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: one.module for one in guarded.body for alias in one.names}
    assert set(seen) == set(zoo.__all__)
    for name, module in seen.items():
        assert getattr(zoo, name) is getattr(sys.modules[module], name)


def test_a_public_name_is_an_object_and_no_module_of_that_name():
    code = "import zoo.training.fit, zoo.latents.describe; print(zoo.fit, zoo.describe)"
    assert run(code).startswith("<function fit at ")
    for name in zoo.__all__:
        value = getattr(zoo, name)
        assert not inspect.ismodule(value)
        assert pickle.loads(pickle.dumps(value)) is value


def test_the_names_of_the_zoo_are_all_there():
    everything = {}
    exec("from zoo import *", everything)
    assert set(everything) - {"__builtins__"} == set(zoo.__all__)
    assert {*zoo.__all__, "models", "objectives", "__version__"} <= set(dir(zoo))
    assert run("import zoo; print(zoo.objectives.Trace())").startswith("Trace(")


@pytest.mark.parametrize(
    ("name", "hint"), [("fitt", " Did you mean 'fit'?"), ("qqqqq", ""), ("__wrapped__", "")]
)
def test_any_other_name_is_refused(name, hint):
    sentence = f"module 'zoo' has no attribute '{name}'.{hint}"
    with pytest.raises(AttributeError, match=f"^{re.escape(sentence)}$"):
        getattr(zoo, name)
