"""Control flow that depends on values, parameters local to modules, and Pyro's own questions."""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import TraceEnum_ELBO
from pyro.infer.autoguide import AutoNormal
from pyro.nn import PyroModule
from small_tasks import regression
from steps import a_capture, a_program, equal_on_fresh_inputs, interpreted
from torch import nn

import zoo
from guides import MeanField
from zoo.compile.capture import ANSWERS, CaptureError, capture
from zoo.objectives import as_objective

X = torch.linspace(-1.0, 2.0, 6)


def refused(model, *, match, args=(X,), objective=None):
    with (
        a_program(model, MeanField, args, objective) as parts,
        pytest.raises(CaptureError, match=match),
    ):
        capture(*parts)
    return True


def scaled_by(scale):
    def model(x):
        mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(mean, scale(mean)).expand(x.shape).to_event(1), obs=x)

    return model


@pytest.mark.parametrize(
    "scale",
    [
        lambda mean: 1.0 + abs(mean.item()),
        lambda mean: 1.0 if mean > 0 else 2.0,
        lambda mean: 1.0 + float(mean > 0),
        lambda mean: 1.0 if (mean > -9).all() else 2.0,
        lambda mean: 1.0 if mean.isnan().any() else 2.0,
    ],
)
def test_a_value_asked_for_is_refused(scale):
    assert refused(
        scaled_by(scale), match=r"likely cause is control flow .* such as \.item\(\) or `if`"
    )


class Recurrent(nn.Module):
    """Reads rows of several lengths, packed."""

    def __init__(self):
        super().__init__()
        self.net = nn.GRU(1, 2, batch_first=True)

    def forward(self, x):
        rows = nn.utils.rnn.pack_padded_sequence(x[None, :, None], [4], batch_first=True)
        _, state = self.net(rows)
        mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(mean + state.sum(), 1.0).expand(x.shape).to_event(1), obs=x)


def test_the_line_that_reads_a_value_is_named():
    """The last one outside of torch, Pyro and the zoo."""
    said = "values of a tensor are read"
    line = r"line \d+ of test_capture_control.py, in forward: `_, state = self.net\(rows\)`"
    assert refused(Recurrent(), match=rf"{said}.*{line}.* pack_padded_sequence")


def test_other_failures_are_not_blamed_on_control_flow():
    def fails(x):
        mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
        if not isinstance(mean, nn.Parameter) and torch.is_grad_enabled():
            raise KeyError("no such thing")
        pyro.sample("x", dist.Normal(mean, 1.0).expand(x.shape).to_event(1), obs=x)

    with a_program(fails, MeanField, (X,)) as parts, pytest.raises(CaptureError) as caught:
        capture(*parts)
    assert "KeyError: 'no such thing' It happens at line" in str(caught.value)
    assert "control flow" not in str(caught.value)


def test_a_value_that_leaves_by_numpy_is_refused():
    """The tracer would not see it go, and the captured step would repeat what it was."""

    def scale(mean):
        return 1.0 + int(1e6 * abs(np.asarray(mean.detach()))) % 7

    assert refused(scaled_by(scale), match="reads the values of a tensor as a NumPy array")


def test_a_number_that_changes_by_itself_is_found_by_the_check():
    values = iter(np.tile([1.0, 2.0, 3.0], 500))
    assert refused(scaled_by(lambda mean: next(values)), match="state on the Python side")


@pytest.mark.thin(2)
@pytest.mark.parametrize("steps", [1, 4])
def test_a_loop_over_time_unrolls(steps):
    def walk(x):
        z = torch.zeros(())
        for t in range(len(x)):
            z = pyro.sample(f"z{t}", dist.Normal(z, 1.0))
            pyro.sample(f"x{t}", dist.Normal(z, 0.5), obs=x[t])

    sizes = []
    for length in (steps, 2 * steps):
        with a_capture(walk, MeanField, (X[:1].repeat(length),)) as (captured, program, rows):
            assert equal_on_fresh_inputs(captured, program, rows)
            sizes.append(len(captured.noise))
    assert sizes == [steps, 2 * steps]


# Parameters local to modules: Pyro reads the setting where a module is built, and where it runs.


def auto_guide(model, *, local):
    with pyro.settings.context(module_local_params=local):
        guide = AutoNormal(model)
        if local is False:
            pyro.clear_param_store()
    return guide


@pytest.mark.parametrize("local", [True, False])
def test_a_guide_built_before_or_after_the_setting(local):
    model, x, y = regression()
    with a_capture(model, auto_guide(model, local=local), (x, y)) as (captured, program, rows):
        assert equal_on_fresh_inputs(captured, program, rows)
        trained = [name for name in captured.layout.names if name.startswith("guide.")]
        assert len(trained) == 2


class Shifted(PyroModule):
    """Built here under global parameters, as a user's script does."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(0.3))

    def forward(self, x):
        mean = pyro.sample("mean", dist.Normal(self.shift, 1.0))
        pyro.sample("x", dist.Normal(mean, 1.0).expand(x.shape).to_event(1), obs=x)


@pytest.mark.parametrize("local", [True, False])
def test_a_module_built_before_or_after_the_setting(local):
    with pyro.settings.context(module_local_params=local):
        model = Shifted()
    with a_capture(model, MeanField, (X,)) as (captured, program, rows):
        assert "model.shift" in captured.layout.names
        assert equal_on_fresh_inputs(captured, program, rows)
        assert not list(pyro.get_param_store().keys())


def test_without_adoption_a_guide_built_before_the_setting_cannot_run(monkeypatch):
    """Pyro reads the setting where a module is built, and breaks where it has changed since."""
    monkeypatch.setattr("zoo.program.building.adopt", lambda modules: None)
    model, x, y = regression()
    with a_capture(model, auto_guide(model, local=True), (x, y)):
        pass
    with (
        pytest.raises(AttributeError, match="param_state"),
        a_capture(model, auto_guide(model, local=False), (x, y)),
    ):
        pass


# Questions that library code asks of values, and that are answered for it.


def two_groups(x):
    weight = pyro.param("weight", torch.tensor(0.3))
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Bernoulli(logits=weight), infer={"enumerate": "parallel"})
        pyro.sample("x", dist.Normal(2 * k, 1.0), obs=x)


def kept_distribution():
    with pyro.validation_enabled():
        prior = dist.Normal(0.0, 1.0).expand([2]).to_event(1)

    def model(x):
        mean = pyro.sample("mean", prior).sum()
        pyro.sample("x", dist.Normal(mean, 1.0).expand(x.shape).to_event(1), obs=x)

    return model


ASKING = {
    "enumeration": (two_groups, lambda x: None, TraceEnum_ELBO(max_plate_nesting=1)),
    "validation": (kept_distribution(), MeanField, None),
}


@pytest.mark.parametrize("name", ASKING)
def test_questions_of_library_code_are_answered(name, monkeypatch):
    model, guide, elbo = ASKING[name]
    objective = None if elbo is None else as_objective(elbo)
    with a_capture(model, guide, (X,), objective) as parts:
        assert equal_on_fresh_inputs(*parts)
    for question in list(ANSWERS):
        monkeypatch.delitem(ANSWERS, question)
    with (
        a_program(model, guide, (X,), objective) as parts,
        pytest.raises(CaptureError, match="control flow that depends on data"),
    ):
        capture(*parts)


def test_values_outside_the_support_are_still_reported(monkeypatch):
    """The answers hold while capturing only; they hide no divergence from a fit."""
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)

    def model(x):
        scale = pyro.sample("scale", dist.HalfNormal(1.0))
        below = dist.Normal(0.0, scale - 5.0, validate_args=False)
        pyro.sample("x", below.expand(x.shape).to_event(1), obs=x)

    with pytest.raises(zoo.DivergenceError, match="at 'x'"):
        zoo.fit(model, MeanField, X, steps=3, compile=True)
