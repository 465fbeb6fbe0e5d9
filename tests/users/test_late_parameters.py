"""Parameters that only some steps meet: trained from then on, resumed, saved, not captured."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import IDENTITY
from networks import RATE, STEPS, by_pyro, network
from pyro.infer import Trace_ELBO
from steps import a_program
from torch.distributions import constraints

import zoo
from zoo.compile.capture import CaptureError, capture


def shifted(x):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def takes_a_branch(x):
    """Past 0.2, a second parameter comes in; the two runs before the first step do not meet it."""
    place = pyro.param("place", torch.tensor(0.0))
    if place > 0.2:
        extra = pyro.param("extra", lambda: torch.tensor(0.1), constraint=constraints.positive)
        place = place + extra
    pyro.sample("z", dist.Delta(place))


Y = torch.linspace(1.0, 3.0, 5)


def test_a_parameter_met_late_is_trained_from_then_on():
    losses, values = by_pyro(shifted, takes_a_branch, STEPS, Y)
    settings = {"objective": Trace_ELBO(), "lr": RATE}
    fitted = zoo.fit(shifted, takes_a_branch, Y, steps=STEPS, **settings)
    assert fitted.program.store.names == ("place", "extra")
    assert fitted.losses.tolist() == pytest.approx(losses, rel=IDENTITY)
    found = [value.item() for value in fitted.program.store.values]
    expected = [float(values["place"]), float(values["extra"].log())]
    assert found == pytest.approx(expected, rel=IDENTITY)


@pytest.mark.thin(2)
@pytest.mark.parametrize("optimizer", ["adagrad", "sgd", "rmsprop", "clipped_adam"])
def test_any_optimizer_takes_it(optimizer):
    fitted = zoo.fit(shifted, takes_a_branch, Y, steps=200, lr=0.05, optimizer=optimizer)
    place, extra = (value.item() for value in fitted.program.store.values)
    assert extra != pytest.approx(torch.tensor(0.1).log().item())
    assert place > 0.2


@pytest.mark.parametrize("first", [5, 20])
def test_a_fit_with_a_late_parameter_is_resumed_and_saved(first, tmp_path):
    """The parameter comes at step 11: once before the first fit ends, and once after."""
    whole = zoo.fit(shifted, takes_a_branch, Y, steps=STEPS, lr=RATE)
    half = zoo.fit(shifted, takes_a_branch, Y, steps=first, lr=RATE)
    zoo.save(half, tmp_path)
    loaded = zoo.load_fit(tmp_path, shifted, Y, guide=takes_a_branch)
    for earlier in (half, loaded):
        rest = zoo.fit(shifted, takes_a_branch, Y, steps=STEPS, lr=RATE, resume=earlier)
        assert torch.equal(rest.losses, whole.losses)
    assert len(half.program.store.names) == (1 if first == 5 else 2)


def test_a_late_parameter_is_not_captured():
    with a_program(shifted, takes_a_branch, (Y,)) as (program, rows, parameters):
        program.store.values[0].data.fill_(1.0)
        with pytest.raises(CaptureError, match="'extra' is made only in some steps"):
            capture(program, rows, parameters)


def test_a_module_met_late_is_refused():
    nets = [network()]

    def guide(x):
        place = pyro.param("place", torch.tensor(0.0))
        if place > 0.05:
            pyro.module("net", nets[0])
        pyro.sample("z", dist.Delta(place))

    with pytest.raises(ValueError, match=r"module of 'net\$\$\$0.weight' is registered for the"):
        zoo.fit(shifted, guide, Y, steps=STEPS, lr=RATE)
