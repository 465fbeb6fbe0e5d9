"""One fit on several processes: the steps of one process, and one voice to the outside."""

import json
import os
import re
import subprocess
import sys

import pyro
import pyro.distributions as dist
import pytest
import ranks
import torch
from ranks import state_of, with_given_noise
from small_tasks import ppca_task
from torch import multiprocessing

import zoo
from guides import AmortisedNormal, MeanField
from zoo.comparison.compare import compare

IDENTITY = 1e-10  # relative: the same sums in another order
TOLD = {"RANK": "0", "WORLD_SIZE": "3", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}


def started(work, folder):
    """Runs a function of `ranks` in two processes, to their ends."""
    context = multiprocessing.get_context("spawn")
    several = [context.Process(target=work, args=(rank, folder)) for rank in range(2)]
    for one in several:
        one.start()
    for one in several:
        one.join()
    return [one.exitcode for one in several]


SCRIPT = """
import os, sys
import torch, zoo, guides
from small_tasks import ppca_task, regression

fits = [zoo.fit(ppca_task(), guides.AmortisedNormal, steps=4, batch_size=8) for _ in range(2)]
assert torch.equal(*(fit.losses for fit in fits)), "one fit after another takes the same steps"
assert not torch.distributed.is_initialized()
model, *data = regression()
try:
    zoo.fit(model, guides.MeanField, *data, steps=4)
except ValueError as error:
    open(f"{sys.argv[1]}/{os.environ['RANK']}.txt", "w").write(str(error))
"""


def same(one, other):
    """Are these two states equal, bit by bit?"""
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def found_by(work, folder):
    """What each of two ranks found."""
    assert started(work, folder) == [0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """Fits of a few steps by two ranks."""
    return found_by(ranks.take_steps, tmp_path_factory.mktemp("steps"))


@pytest.mark.parametrize(("name", "batch_size"), [("batch", 6), ("all", None)])
def test_two_ranks_take_the_steps_of_one_process(steps, name, batch_size):
    """All 21 rows are no even number: one rank takes 11 of them, the other 10.

    The variances of batch normalisation are left out: a rank takes them about its own mean.
    """
    alone = state_of(with_given_noise(batch_size))
    for found in (of_rank[name] for of_rank in steps):
        assert found.keys() == alone.keys()
        for key in alone.keys() - {"model.decode.1.running_var"}:
            exact = alone[key].double()
            assert (found[key] - exact).norm() <= IDENTITY * exact.norm(), key


def test_ranks_with_noise_of_their_own_stay_equal(steps):
    one, other = (dict(of_rank["noisy"]) for of_rank in steps)
    drawn = torch.stack([one.pop("drawn"), other.pop("drawn")])
    assert len(drawn.unique()) == drawn.numel()
    assert same(one, other)


@pytest.mark.thorough
def test_running_averages_and_checkpoints_are_those_of_all(tmp_path):
    one, other = found_by(ranks.keep_states, tmp_path)
    assert one["averages"]
    for name in ("nvil", "averages", "whole", "further"):
        assert same(one[name], other[name])
    assert same(one["further"], one["whole"])
    assert one["half"] == other["half"] == 8
    assert one["valid"] == other["valid"]
    assert [step for step, _ in one["valid"]] == [4, 8, 12]
    assert one["written"]
    assert not (tmp_path / "rank 1").exists()
    assert one["reason"] == "2 ranks take plain steps together"
    fit = zoo.load_fit(tmp_path / "rank 0", ppca_task())
    assert same(state_of(fit) | {"losses": one["whole"]["losses"]}, one["whole"])


REFUSED = {
    "batch": ({"batch_size": 10}, "multiple of the 3 ranks.*got 10. Pass batch_size=9 or 12"),
    "chains": ({"objective": "msc"}, "keeps the states of Markov chains.*3 ranks.*average them"),
    "replicas": ({"replicas": 2}, "replicas=2 are fits of their own, and under torchrun 3 ranks"),
    "compile": ({"compile": True}, "compile=True takes many steps in one call"),
    "until": ({"until": "converged"}, "until='converged' looks at all rows at once"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_ranks_cannot_share_is_refused(name, monkeypatch):
    for key, value in TOLD.items():
        monkeypatch.setenv(key, value)
    settings, sentence = REFUSED[name]
    with pytest.raises(ValueError, match=sentence):
        zoo.fit(ppca_task(), AmortisedNormal, **({"steps": 3, "batch_size": 9} | settings))


def test_dadvi_fits_without_rows_and_comparisons_are_refused(monkeypatch):
    for key, value in TOLD.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(ValueError, match="optimizer='dadvi' looks at all rows at once"):
        zoo.fit(zoo.load("eight_schools"), MeanField)
    with pytest.raises(ValueError, match="Under torchrun 3 ranks .* no tensor with rows"):
        zoo.fit(lambda: pyro.sample("z", dist.Normal(0.0, 1.0)), MeanField, steps=3)
    with pytest.raises(ValueError, match="compare trains one fit after another in one process"):
        compare(ppca_task(), ["amortised_normal"])


@pytest.mark.thorough
def test_an_error_of_one_rank_ends_all(tmp_path):
    """Each is told why, also where one of them raises in the midst of its steps."""
    assert started(ranks.refuse, tmp_path) == [0, 0]
    one, other = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert one["other data"] == other["other data"]
    assert re.search("RankError: Expected the same data on all 2 ranks; got", one["other data"])
    assert one["occupied"].startswith("ValueError: checkpoint")
    assert other["occupied"] == f"RankError: Rank 0 of 2 ended: {one['occupied']}"
    assert re.search("DivergenceError: .*not finite at step", one["divergence"])
    assert one["divergence"] == other["divergence"]
    assert re.search("ValueError: Step .* makes the parameter 'more'", one["late"])
    assert one["late"] == other["late"]
    assert other["fire"] == "ArithmeticError: the disk of this machine is on fire"
    assert one["fire"].startswith("RankError: Another rank has ended, or does not answer")


@pytest.mark.thorough
def test_a_script_under_torchrun(tmp_path):
    """Two fits one after another meet anew; a model whose rows have no plate is refused."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = torchrun([str(script), str(tmp_path)])
    assert done.returncode == 0, done.stderr
    texts = [(tmp_path / f"{rank}.txt").read_text() for rank in range(2)]
    assert texts[0] == texts[1]
    assert "2 ranks train one fit together, each on its share of the rows" in texts[0]
    assert "no plate named 'data'" in texts[0]


def torchrun(arguments):
    """Runs two processes as a user starts them."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", *arguments]
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, env=os.environ | paths
    )


@pytest.mark.thorough
def test_the_command_line_prints_and_writes_once(tmp_path):
    folder = tmp_path / "two"
    command = [
        "-m",
        "zoo",
        "fit",
        "ppca",
        "--steps",
        "6",
        "--metrics",
        "elbo",
        "--out",
        str(folder),
    ]
    done = torchrun(command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("6 steps in") == 1
    assert done.stdout.count("elbo") == 1
    done = torchrun([*command[:5], "9", *command[6:], "--resume"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("9 steps in") == 1
    assert len(zoo.load_fit(folder).losses) == 9
