"""Models and guides as users write them: trained as Pyro trains them, scored truly, left alone.

The tables are in the folder beside this file, one topic to a module. A case that does not say what
must come of it fails.
"""

import copy
import re
from contextlib import nullcontext

import pyro
import pytest
import torch
from cases import ERRORS, IDENTITY, standard_error
from foreign import (
    callables,
    data,
    discrete,
    distributions,
    effects,
    guides,
    modules,
    parameters,
    plates,
)
from foreign.belongings import belongings, process, shifted
from foreign.case import Known, Noted, Refused
from foreign.runs import (
    HARDLY,
    LR,
    STEPS,
    asked,
    buffers,
    evaluating,
    fitted,
    follows,
    make,
    movements,
    plain_fits,
    pyros_steps,
    room,
    snapshot,
)
from pyro.infer import SVI

import zoo
from zoo.compile.capture import CaptureError, capture

DRAWS = 300
MOST = 2.5  # nats: a larger error would let anything pass

TABLES = (modules, callables, parameters, data, plates, discrete, effects, distributions, guides)
CASES = {case.name: case for table in TABLES for case in table.CASES}
TRAINED = [name for name, case in CASES.items() if case.trained is True]
LONG = {  # seconds to capture; a case of the same kind that takes less is left to each run
    "AutoDelta",
    "AutoGuide under poutine.scale",
    "AutoGuideList with a function",
    "AutoLaplaceApproximation",
    "AutoNormal as a class",
    "AutoNormalMessenger",
    "AutoNormalMessenger as a class",
    "AutoStructured",
    "EasyGuide",
    "Gaussian process with its own guide",
    "LKJ",
    "TraceMeanField_ELBO",
    "bits, four vectorised particles",
    "gamma",
    "half Cauchy",
    "labels enumerated in the guide",
    "labels hidden from an AutoGuide",
    "loss function",
    "random walk in a markov loop",
    "reparam",
    "simplex under a normal guide",
}
CAPTURED = [
    pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in TRAINED
]


def test_there_are_forty_cases_of_different_names():
    assert len(CASES) == sum(len(table.CASES) for table in TABLES) >= 40


@pytest.mark.parametrize("name", CASES)
def test_a_case_says_what_must_come_of_it(name):
    assert not CASES[name].undeclared


@pytest.mark.parametrize("name", sorted(CASES.keys() - set(TRAINED)))
def test_what_is_not_trained_is_refused_at_the_door(name):
    case = CASES[name]
    with room(case), pytest.raises(ValueError, match=case.trained.reason):
        fitted(case)


@pytest.mark.parametrize("name", TRAINED)
def test_it_trains_as_pyro_does(name):
    """Equal losses, and equal parameters after each of three steps of SGD: equal gradients.

    Names are the zoo's own affair, so Pyro's parameters are looked for by their values.
    """
    case = CASES[name]
    with room(case):
        losses, values, _ = pyros_steps(case)
    fits = plain_fits(case)
    rounding = 8 * torch.finfo(fits[-1].losses.dtype).eps
    found = fits[-1].losses.double()
    assert torch.allclose(found, losses, rtol=max(IDENTITY, rounding)), (found, losses)
    mine = [{}] + [snapshot(fit.program) for fit in fits]
    moved = movements(values)
    assert moved
    lost = [
        name
        for name, moves in moved.items()
        if not any(follows(mine, other, moves) for other in mine[-1])
    ]
    assert not lost, f"Pyro moves {sorted(moved)}; the zoo does not move {lost} alike"


@pytest.mark.parametrize("name", TRAINED)
def test_buffers_end_as_pyros_do(name):
    """Running averages move once a step, and only in steps."""
    case = CASES[name]
    with room(case):
        _, _, theirs = pyros_steps(case)
    mine = buffers([plain_fits(case)[-1].program])
    missing = [
        value
        for value in theirs
        if not any(value.shape == other.shape and torch.allclose(value, other) for other in mine)
    ]
    assert not missing, (missing, mine)


class OnlyCaptured:
    """Stands where the compiler would: captures and verifies the step, then trains plainly."""

    def __init__(self):
        self.error = None

    def __call__(self, trainer):
        with torch.random.fork_rng(devices=[]):
            try:
                capture(trainer.program, trainer.rows, trainer.parameters)
            except CaptureError as error:
                self.error = error
        return trainer


@pytest.mark.thin(5)
@pytest.mark.parametrize("name", CAPTURED)
def test_it_is_captured_or_refused_for_an_honest_reason(name, monkeypatch):
    """Either way the program is left as it was: it goes on as if nothing had been tried."""
    case, tried = CASES[name], OnlyCaptured()
    monkeypatch.setattr("zoo.training.compiled_trainer.CompiledTrainer", tried)
    plain = plain_fits(case)[-1]
    with room(case):
        try:
            after = fitted(case, compile=True)
            assert torch.equal(after.losses, plain.losses)
            assert same_tensors(snapshot(after.program), snapshot(plain.program))
        except CaptureError as error:  # refused before the step was traced
            tried.error = error
    if case.captured is True:
        assert tried.error is None, tried.error
    else:
        assert re.search(case.captured.reason, str(tried.error)), tried.error


@pytest.mark.thin(5)
@pytest.mark.parametrize("name", TRAINED)
def test_its_bound_and_evidence_are_true_or_refused(name):
    """Nothing is trained, so that the numbers are those of the initial values."""
    case = CASES[name]
    with room(case):
        fit = fitted(case, steps=1, lr=HARDLY)
        metrics = zoo.evaluate(fit, metrics=["elbo", "log_evidence"], draws=DRAWS)
    check_score(case, metrics, "elbo", case.elbo_score)
    check_score(case, metrics, "log_evidence", case.evidence)


def check_score(case, metrics, metric, score):
    if isinstance(score, Refused):
        assert metric in metrics.skipped, metrics[metric]
        assert re.search(score.reason, metrics.skipped[metric]), metrics.skipped[metric]
        return
    if isinstance(score, Noted):
        said = metrics.skipped[metric] if metric in metrics.skipped else metrics[metric].note
        assert re.search(score.reason, said), said
        return
    assert metric in metrics, metrics.skipped
    found = metrics[metric]
    known = from_pyro(case, score)
    rows = metrics.rows if found.unit == "nats/row" else 1
    value, error = found.value * rows, (found.se or 0.0) * rows
    allowed = ERRORS * (error**2 + known.se**2) ** 0.5 + IDENTITY * abs(known.value)
    assert allowed < MOST, (metric, found, known)
    assert abs(value - known.value) <= allowed, (metric, value, error, known)


def from_pyro(case, score) -> Known:
    """The exact number, in nats for all of the data, after a step in which nothing moves."""
    with room(case):
        built = make(case).for_pyro()
        svi = SVI(built.model, built.guide, pyro.optim.SGD({"lr": HARDLY}), case.elbo())
        svi.step(*built.args, **built.kwargs)
        with evaluating(built):
            return score(built)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["methods of one module", "mask over latents", "crossed plates"])
def test_the_compiled_loop_ends_where_the_plain_one_does(name):
    """The two draw their noise in another order, so means over the last steps are compared."""
    case = CASES[name]
    with room(case):
        plain, quick = (fitted(case, steps=1000, compile=way) for way in (False, True))
    assert quick.backend == "compiled"
    ends = torch.stack([fit.losses[-500:].reshape(25, 20).mean(1) for fit in (plain, quick)])
    apart, errors = ends.mean(1).diff().abs(), standard_error(ends.T)
    assert apart < ERRORS * errors.square().sum().sqrt()


def same_tensors(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.thin(5)
@pytest.mark.parametrize("name", TRAINED)
def test_it_is_saved_and_loaded(name, tmp_path):
    """The loaded fit has the same losses and tensors, and its next step is the same."""
    case = CASES[name]
    fit = plain_fits(case)[-1]
    with room(case):
        if isinstance(case.saved, Refused):
            with pytest.raises(ValueError, match=case.saved.reason):
                zoo.save(fit, tmp_path / "fit")
            return
        folder, built = zoo.save(fit, tmp_path / "fit"), make(case)
        kwargs = {"guide": built.guide, "device": "cpu", "model_kwargs": built.kwargs or None}
        kwargs["objective"] = case.elbo() if case.own_loss else None
        loaded = zoo.load_fit(folder, built.model, *built.args, **kwargs)
        assert torch.equal(loaded.losses, fit.losses)
        assert same_tensors(loaded.program.state_dict(), fit.program.state_dict())
        on = [fitted(case, steps=STEPS + 1, resume=earlier) for earlier in (fit, loaded)]
        assert torch.equal(on[0].losses, on[1].losses)


@pytest.mark.parametrize("name", TRAINED)
def test_it_is_not_loaded_with_other_data(name, tmp_path):
    """Wherever they are: in arguments, keywords, dictionaries, lists or dataclasses.

    Data in a closure are compared by what the model computes of them.
    """
    case = CASES[name]
    fit = plain_fits(case)[-1]
    with room(case):
        folder, built = zoo.save(fit, tmp_path / "fit"), make(case)
        args, kwargs = shifted(built.args), shifted(built.kwargs) or None
        seen = pytest.raises(ValueError, match="(?i)data|argument") if args or kwargs else None
        with seen or nullcontext():
            zoo.load_fit(folder, built.model, *args, guide=built.guide, model_kwargs=kwargs)


@pytest.mark.parametrize("name", TRAINED)
def test_the_users_own_things_stay_as_they_were(name):
    """Nets that are trained in place lose their values, and nothing else."""
    case = CASES[name]
    with room(case):
        built = make(case)
        pyro.param("mine", torch.ones(2))
        before, kept = process(), copy.deepcopy(belongings(built))
        asked(case, built)
        assert process() == before
        after = belongings(built)
        if case.in_place:
            del kept["values"], after["values"]
        assert after == kept


@pytest.mark.parametrize("name", TRAINED)
def test_the_same_objects_go_in_again(name):
    """A second fit starts where the first did; afterwards Pyro can still train the pair.

    What is trained in place is not moved here, so that both see the same values.
    """
    case = CASES[name]
    settings = {"lr": HARDLY} if case.in_place else {}
    with room(case):
        built = make(case)
        first, second = asked(case, built, **settings), asked(case, built, **settings)
        assert torch.equal(first.losses, second.losses)
        built = built.for_pyro()
        svi = SVI(built.model, built.guide, pyro.optim.SGD({"lr": LR}), case.elbo())
        svi.step(*built.args, **built.kwargs)
