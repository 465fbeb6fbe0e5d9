"""CD and PCD: their gradients against the exact one, and what they reach by them."""

import pytest
import torch
from cases import ERRORS, IDENTITY
from small_machines import exact_draws, machine_of
from small_tasks import small_data

import guides
import zoo
from zoo.isolation import isolated
from zoo.models.energies.rbm import RBM
from zoo.objectives import ContrastiveDivergence, PersistentContrastiveDivergence
from zoo.task import Task

ROWS = 12


def task(rows=ROWS, features=6, hidden=4):
    """Rows of a machine with strong weights, and a fresh machine to fit."""
    with isolated(seed=0):
        x = exact_draws(machine_of(features, hidden, 2.0), rows + 20)
    data = small_data("bits", x[:rows], x[rows : rows + 10], x[rows + 10 :])
    return Task("rbm", lambda: RBM(features, hidden), data)


def program_of(objective, spread=1.5):
    """A program at a machine with strong weights, far from its data."""
    given = task()
    settings = {"steps": 1, "lr": 1e-12, "batch_size": None, "compile": False}
    program = zoo.fit(given, guides.Empty, objective=objective, **settings).program
    with torch.no_grad():
        for own, other in zip(program.model.machine, machine_of(6, 4, spread, 3), strict=True):
            own.copy_(other)
    program.requires_grad_()
    return program, given.split("train")


def exact_gradient(program, args):
    """Of the negative log-likelihood of all rows, by the sum over all states."""
    loss = -program.model.log_evidence(*args).sum()
    return flat(torch.autograd.grad(loss, list(program.model.parameters())))


def gradient(program, args):
    loss = program(torch.zeros(()), None, *args)
    return flat(torch.autograd.grad(loss, list(program.model.parameters())))


def flat(parts):
    return torch.cat([part.reshape(-1) for part in parts]).double()


def mean_gradient(program, args, draws):
    """Mean over draws, and its standard error."""
    found = torch.stack([gradient(program, args) for _ in range(draws)])
    return found.mean(0), found.std(0) / draws**0.5


def test_cd_approaches_the_exact_gradient():
    bias = []
    for sweeps in (1, 3, 50):
        program, args = program_of(ContrastiveDivergence(sweeps))
        found, error = mean_gradient(program, args, 200)
        off = found - exact_gradient(program, args)
        bias.append(float(off.norm()))
    assert bias[0] > bias[1] > bias[2]
    assert (off.abs() < ERRORS * error).all()  # of the last, with many sweeps


def test_pcd_at_draws_of_the_model_is_unbiased():
    program, args = program_of(PersistentContrastiveDivergence(chains=50))
    found = []
    for _ in range(200):
        program.state.chains.left = exact_draws(program.model.machine, 50)
        found.append(gradient(program, args))
    off = torch.stack(found).mean(0) - exact_gradient(program, args)
    assert (off.abs() < ERRORS * torch.stack(found).std(0) / 200**0.5).all()


def test_pcd_keeps_its_chains():
    program, args = program_of(PersistentContrastiveDivergence(chains=30, sweeps=2))
    before = program.state.chains.left.clone()
    program.eval()
    program(torch.zeros(()), None, *args)
    assert torch.equal(program.state.chains.left, before)
    program.train()
    torch.manual_seed(1)
    program(torch.zeros(()), None, *args)
    torch.manual_seed(1)
    assert torch.equal(program.state.chains.left, program.model.machine.gibbs(before, 2))


def test_the_value_is_the_difference_of_free_energies():
    program, (x,) = program_of(ContrastiveDivergence(2))
    torch.manual_seed(4)
    value = program(torch.zeros(()), None, x)
    torch.manual_seed(4)
    machine = program.model.machine
    chains = machine.gibbs(x, 2)
    expected = (machine.free_energy(x) - machine.free_energy(chains)).sum()
    assert float(value.detach()) == pytest.approx(float(expected.detach()), rel=IDENTITY)


def test_a_minibatch_counts_for_all_rows():
    """The value for the full data is N times the mean of both phases."""
    program, (x,) = program_of(PersistentContrastiveDivergence(chains=30))
    program.eval()
    torch.manual_seed(4)
    whole = program(torch.zeros(()), None, x)
    rows = torch.arange(ROWS).repeat(2)
    torch.manual_seed(4)
    twice = program(torch.zeros(()), rows[: len(x)], x)
    assert float(whole.detach()) == pytest.approx(float(twice.detach()), rel=IDENTITY)


@pytest.mark.exhaustive
def test_pcd_comes_close_to_exact_training():
    """The likelihood of training rows, by the sum over all states, after as many steps."""
    given, settings = task(rows=200), {"steps": 4000, "lr": 0.01, "batch_size": None}
    objective = PersistentContrastiveDivergence(chains=200)
    fit = zoo.fit(given, guides.Empty, objective=objective, **settings)
    (x,) = given.split("train")
    with isolated(seed=0):
        exact = given.build()
    optimizer = torch.optim.Adam(exact.parameters(), lr=0.01)
    for _ in range(4000):
        optimizer.zero_grad()
        (-exact.log_evidence(x).mean()).backward()
        optimizer.step()
    with torch.no_grad():
        reached = float(fit.model.log_evidence(x).mean())
        best, start = float(exact.log_evidence(x).mean()), -6 * float(torch.tensor(2.0).log())
    assert reached - start > 0.95 * (best - start)


def test_a_fit_goes_on_as_if_it_had_not_stopped(tmp_path):
    given, objective = task(), PersistentContrastiveDivergence(chains=10)
    whole = zoo.fit(given, guides.Empty, objective=objective, steps=6)
    half = zoo.fit(given, guides.Empty, objective=objective, steps=3, checkpoint=tmp_path)
    again = zoo.fit(given, guides.Empty, objective=objective, steps=6, resume=tmp_path)
    assert half.program.state.chains.left.shape == (10, 6)
    assert torch.equal(again.model.weight, whole.model.weight)


@pytest.mark.parametrize("setting", [{"patience": 2}, {"until": "converged"}, {"average": True}])
def test_what_watches_a_loss_fall_is_refused(setting):
    with pytest.raises(ValueError, match="depends on where its chains are"):
        zoo.fit(task(), guides.Empty, objective="pcd", steps=3, **setting)


@pytest.mark.parametrize(
    ("objective", "wrong"),
    [
        (ContrastiveDivergence, {"sweeps": 0}),
        (PersistentContrastiveDivergence, {"chains": 0}),
        (PersistentContrastiveDivergence, {"bound": "trace"}),
    ],
    ids=str,
)
def test_wrong_settings_are_refused(objective, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        objective(**wrong)


def test_their_values_are_no_bounds():
    assert not ContrastiveDivergence().value_is_bound
    assert not PersistentContrastiveDivergence().value_is_bound
