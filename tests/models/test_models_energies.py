"""Models with an energy: exact where states can be summed, and no number where they cannot."""

import pytest
import torch
from cases import ERRORS, IDENTITY
from pyro import poutine
from small_machines import exact_draws, joint, left_chances, log_total, machine_of
from small_tasks import small_data

import guides
import zoo
from zoo.energies import Boltzmann, exact_log_z
from zoo.isolation import isolated
from zoo.models.energies.rbm import RBM
from zoo.models.exact_sums import states
from zoo.pairing.mismatch import PairingError
from zoo.protocols import HasEvidence, HasMoments
from zoo.sampling.simulated import simulate
from zoo.task import Task


def rbm(features=5, hidden=4, spread=0.7):
    model, machine = RBM(features, hidden), machine_of(features, hidden, spread)
    with torch.no_grad():
        for own, other in zip(model.machine, machine, strict=True):
            own.copy_(other)
    return model


def task(hidden=4, features=6, rows=40):
    generator = torch.Generator().manual_seed(0)
    x = torch.bernoulli(torch.full((rows + 40, features), 0.3), generator=generator)
    data = small_data("bits", x[:rows], x[rows : rows + 20], x[rows + 20 :])
    return Task("rbm", lambda: RBM(features, hidden), data)


def fitted(hidden=4, features=6, steps=3, objective="pcd", **settings):
    return zoo.fit(
        task(hidden, features), guides.Empty, objective=objective, steps=steps, **settings
    )


def close(one, other):
    torch.testing.assert_close(one, other, rtol=IDENTITY, atol=IDENTITY)


def test_the_hidden_units_are_summed_out():
    machine = machine_of(5, 4)
    close(-machine.free_energy(states(5)), joint(machine).logsumexp(1))
    close(-machine.swapped.free_energy(states(4)), joint(machine).logsumexp(0))
    left, right = states(5), states(4)
    close(-machine.energy(left[:, None], right), joint(machine))


@pytest.mark.parametrize(("left", "right"), [(5, 4), (3, 7)])
def test_log_z_is_the_sum_over_all_states(left, right):
    machine = machine_of(left, right)
    close(exact_log_z(machine), log_total(machine))


def test_log_z_is_not_summed_over_many_states():
    with pytest.raises(ValueError, match="at most 20 units; the smaller side has 21"):
        exact_log_z(machine_of(21, 30))


def test_probabilities_sum_to_one():
    model = rbm()
    with torch.no_grad():
        close(model.log_evidence(states(5)).logsumexp(0), torch.tensor(0.0))
        close(model.log_evidence(states(5)).exp(), left_chances(model.machine))
    assert isinstance(model, HasEvidence)
    assert not isinstance(model, HasMoments)  # no posterior_moments: nothing is latent


def test_the_score_leaves_log_z_out():
    model, x = rbm(), states(5)
    with torch.no_grad():
        site = poutine.trace(model).get_trace(x).nodes["x"]
        score = site["fn"].log_prob(site["value"])
        close(score - exact_log_z(model.machine), model.log_evidence(x))


def test_hidden_means_are_those_of_the_joint():
    model, x = rbm(), states(5)
    given = joint(model.machine).softmax(1)
    close(model.hidden_means(x), given @ states(4))


def test_a_gibbs_sweep_leaves_the_machine_invariant():
    """Exact draws are exact draws after a sweep: the frequency of every state."""
    machine, count = machine_of(3, 2), 200_000
    after = machine.gibbs(exact_draws(machine, count), 1)
    number = (after @ torch.tensor([4.0, 2.0, 1.0])).long()
    found = torch.bincount(number, minlength=8) / count
    chance = left_chances(machine)
    assert ((found - chance).abs() < ERRORS * (chance * (1 - chance) / count).sqrt()).all()


def test_draws_are_states_of_chains_that_forget_where_they_start():
    fit, count = fitted(), 2_000
    with torch.no_grad():
        found = fit.sample(count)["x"].mean(0)
        exact = left_chances(fit.model.machine) @ states(6)
    assert ((found - exact).abs() < ERRORS * (exact * (1 - exact) / count).sqrt()).all()


def test_scores_are_exact_where_states_are_summed():
    fit = fitted()
    (x,) = fit.task.split("test")
    with torch.no_grad():
        exact = fit.model.log_evidence(x)
    found = zoo.evaluate(fit)
    for name in ("elbo", "log_evidence", "exact_log_evidence"):
        assert found[name].value == pytest.approx(float(exact.mean()), rel=1e-6)
        assert found[name].se == 0
    assert "log p(x) is exact" in found.verdict
    assert "no exact draws" in found.skipped["predictive_p"]
    close(fit.log_prob(x).value.double(), exact.double())


def test_an_estimated_log_z_gives_all_rows_one_error():
    fit = fitted(hidden=21, features=21)
    (x,) = fit.task.split("test")
    found, each = zoo.evaluate(fit), fit.log_prob(x)
    assert each.shared > 0
    assert found["log_evidence"].se == pytest.approx(each.shared)
    assert (each.error == each.shared).all()
    assert "all rows share its error" in found["log_evidence"].note
    assert "which all rows share" in repr(each)
    assert "estimated by AIS" in found.skipped["exact_log_evidence"]
    assert "known up to the error of log Z" in found.verdict
    assert not found.by_row  # rows whose errors are one are not compared as if they had their own


def test_no_number_where_an_exact_draw_is_needed():
    fit = fitted()
    found = zoo.evaluate(fit, metrics=["ais", "bdmc", "sbc_p", "predictive_p", "iwae_10"])
    assert not dict(found)
    with pytest.raises(ValueError, match="has an energy, from which no exact draws"):
        simulate(fit.model, fit.task.split("test"), {})
    with pytest.raises(ValueError, match="has no latents"):
        fit.encode()


def test_a_file_for_arviz_holds_no_made_up_draws():
    from zoo.comparison.arviz_export import arviz_groups

    groups = arviz_groups(fitted()).groups
    assert set(groups) == {"observed_data"}


def test_a_machine_starts_at_the_means_of_the_pixels():
    means = torch.tensor([0.0, 0.25, 1.0])
    model = RBM(3, 2, means)
    close(torch.sigmoid(model.bias.detach()), torch.tensor([0.001, 0.25, 0.999]))


def test_centring_is_another_way_to_write_the_same_machine():
    """The energies of centred units, up to a constant; and where training starts is the same."""
    means, left, right = torch.tensor([0.1, 0.5, 0.8, 0.4]), states(4), states(3)
    with isolated(seed=0), torch.no_grad():
        model = RBM(4, 3, means, centred=True)
        model.weight.normal_()
        model.hidden_bias.normal_()
    within = torch.einsum("la,ab,rb->lr", left - means, model.weight, right - 0.5)
    centred = within + (left @ model.bias)[:, None] + right @ model.hidden_bias
    close(
        centred.log_softmax(0).log_softmax(1), joint(model.machine).log_softmax(0).log_softmax(1)
    )
    close((centred - joint(model.machine)).std(), torch.tensor(0.0))
    close(model.log_evidence(left).logsumexp(0), torch.tensor(0.0))


def test_the_gradient_of_a_centred_weight_is_a_covariance():
    """Of the data less that of the chains, so that a weight does not do the work of a bias."""
    means, rows = torch.tensor([0.1, 0.5, 0.8]), states(3).chunk(2)
    with isolated(seed=0):
        model = RBM(3, 2, means, centred=True)
    energies = [model.machine.free_energy(x).mean() for x in rows]
    (energies[1] - energies[0]).backward()
    hidden = [model.hidden_means(x).detach() for x in rows]
    products = [(x - means).mT @ (h - 0.5) / len(x) for x, h in zip(rows, hidden, strict=True)]
    close(model.weight.grad, products[0] - products[1])
    close(model.bias.grad, rows[0].mean(0) - rows[1].mean(0))
    close(model.hidden_bias.grad, hidden[0].mean(0) - hidden[1].mean(0))


def test_a_centred_machine_needs_means():
    with pytest.raises(ValueError, match="Expected means of the pixels for centred=True"):
        RBM(3, 2, centred=True)


@pytest.mark.parametrize("objective", ["trace", "trace_graph", "flow_gan"])
def test_an_objective_that_leaves_log_z_out_is_refused(objective):
    with pytest.raises(PairingError, match="leaves out log Z, a constant of its parameters"):
        fitted(objective=objective)


@pytest.mark.parametrize("objective", ["iwae", "wake_sleep", "enumerate"])
def test_an_objective_of_draws_has_none(objective):
    with pytest.raises(PairingError, match="no draws to weigh. Use Empty and pcd"):
        fitted(objective=objective)


def test_an_energy_objective_wants_an_energy():
    with pytest.raises(PairingError, match="is normalised, and has none. Use trace"):
        zoo.fit(zoo.load("nade"), guides.Empty, objective="pcd", steps=1)


def test_two_energies_are_two_constants():
    import pyro

    def model(x):
        with pyro.plate("data", len(x)):
            pyro.sample("y", Boltzmann(machine_of(3, 2)))
            pyro.sample("x", Boltzmann(machine_of(4, 2)), obs=x)

    with pytest.raises(ValueError, match="at most one site with an energy"):
        zoo.describe(model, torch.zeros(3, 4))
