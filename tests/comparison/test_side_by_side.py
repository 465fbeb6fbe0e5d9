"""Pairs in processes of their own: the numbers, the order and the folder are those of one."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from small_tasks import ppca_task

import guides
import zoo
from zoo.comparison import side_by_side
from zoo.comparison.compare import compare


class Broken(torch.nn.Module):
    """The body of an encoder that cannot be run."""

    def forward(self, x):
        raise RuntimeError("broken on purpose")


GUIDES = {
    "normal": guides.AmortisedNormal,
    "broken": partial(guides.AmortisedNormal, body=Broken()),
}
SETTINGS = {"objectives": ("trace", "iwae"), "seeds": 2, "steps": 3, "draws": 20}


class Died(BaseException):
    """The process is gone: nobody catches it."""


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def same_results(found, whole):
    assert [row.name for row in found.rows] == [row.name for row in whole.rows]
    assert list(found.fits) == list(whole.fits)
    for mine, other in zip(found.rows, whole.rows, strict=True):
        assert mine.metrics == other.metrics
        assert torch.equal(found.fits[mine.name].losses, whole.fits[other.name].losses)
    assert found.unfinished.keys() == whole.unfinished.keys()


def test_two_jobs_find_what_one_finds(one_thread, tmp_path):
    """A pair that raises leaves the others, and the folder holds the rest."""
    whole = compare(ppca_task(), GUIDES, **SETTINGS)
    found = compare(ppca_task(), GUIDES, jobs=2, out=tmp_path / "out", **SETTINGS)
    same_results(found, whole)
    assert len(found.rows) == 4
    assert all("broken on purpose" in said for said in found.unfinished.values())
    assert {path.name for path in (tmp_path / "out" / "runs").iterdir()} == set(found.fits)
    again = compare(ppca_task(), GUIDES, jobs=2, out=tmp_path / "out", resume=True, **SETTINGS)
    same_results(again, whole)


def test_what_is_whole_is_not_done_again(one_thread, tmp_path, monkeypatch):
    """Calls are taken in this process here, one by one; it dies after the first."""
    family, taken = {"normal": guides.AmortisedNormal}, []

    def in_turn(calls, workers):
        for function, args, _ in calls:
            taken.append(args[0].names)
            yield function(*args)
            if len(taken) == 1:
                raise Died

    monkeypatch.setattr(side_by_side, "as_they_end", in_turn)
    out = tmp_path / "out"
    with pytest.raises(Died):
        compare(ppca_task(), family, jobs=2, out=out, **SETTINGS)
    found = compare(ppca_task(), family, jobs=2, out=out, resume=True, **SETTINGS)
    assert taken == [("normal", "trace"), ("normal", "iwae")]
    same_results(found, compare(ppca_task(), family, **SETTINGS))


def test_a_model_of_a_user_is_held_fixed_in_other_processes(one_thread):
    """A function that no other process can import, with a parameter that is trained first."""

    def model(x):
        scale = pyro.param("scale", torch.tensor(1.0), constraint=dist.constraints.positive)
        loc = pyro.sample("loc", dist.Normal(0.0, 10.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(loc, scale), obs=x)

    x = torch.linspace(-1.0, 4.0, 10)
    fit = zoo.fit(model, guides.FullRank, x, steps=20)
    found = compare(fit, ["mean_field", "full_rank"], jobs=2, steps=3, draws=100)
    (held,) = [p for name, p in fit.program.named_parameters() if not name.startswith("guide.")]
    for result in found.fits.values():
        own = [p for name, p in result.program.named_parameters() if not name.startswith("guide.")]
        assert len(own) == 1
        assert (own[0] - held).abs() < 1e-8
    same_results(found, compare(fit, ["mean_field", "full_rank"], steps=3, draws=100))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"jobs": 0}, "Expected jobs to be a whole number"),
        ({"jobs": True}, "Expected jobs to be a whole number"),
        ({"jobs": 2, "on_progress": print}, "Expected on_progress=None with several jobs"),
        ({"jobs": -1, "log": "tensorboard", "out": "x"}, "Expected log=None with several jobs"),
    ],
)
def test_what_cannot_be_is_refused_before_training(settings, sentence, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        compare(ppca_task(), ["amortised_normal"], **settings)
    assert not list(tmp_path.iterdir())
