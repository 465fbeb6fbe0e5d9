"""Upper bounds of log p(x): their gradients against sums, their values against closed forms."""

import pytest
import torch
from cases import (
    AUTODIFF,
    ERRORS,
    IDENTITY,
    built,
    conjugate_evidence,
    conjugate_rows,
    flat,
    relative_error,
    standard_error,
    step_of,
)
from exact_bounds import BITS, of_states, two_causes
from torch.distributions import Normal

from guides import AmortisedDiscrete, PerDatum
from zoo.objectives import CUBO, ForwardKL, Thermodynamic, ThermodynamicUpper
from zoo.objectives.scored_draws import draw
from zoo.traces import Weights

UPPER = [CUBO(), CUBO(n=1.5), CUBO(n=4.0), *(ThermodynamicUpper(10, p) for p in (1, 2, 6))]
X = torch.tensor([0.7, -1.3, 2.0], dtype=torch.float64)
WIDE = 0.9  # sd of q; that of the posterior is 0.71


def uniform(program, repeats=1):
    """All states under a uniform guide, each equally often: draws without noise."""
    with torch.no_grad():
        for parameter in program.guide.encoder.heads[0].parameters():
            parameter.zero_()
    log_p, log_q, _ = (part.mT.repeat(repeats, 1) for part in of_states(program, BITS))
    return Weights(log_p, log_q, log_q, BITS.new_zeros(()), 1.0)


@pytest.mark.parametrize("objective", UPPER, ids=str)
def test_value_and_gradient_are_exact_in_the_limit(objective):
    """The guide descends the bound; the model ascends log p(x)."""
    with built(two_causes(), AmortisedDiscrete, objective, (BITS,)) as program:
        weights = uniform(program, repeats=10_000)
        model, guide = list(program.model.parameters()), list(program.guide.parameters())
        loss = objective.of_weights(weights)
        found = flat(torch.autograd.grad(loss, model + guide))
        log_p, log_q, _ = (part.mT for part in of_states(program, BITS))
        upper = -objective.target.guide.exact(log_p.detach(), log_q).sum()
        evidence = program.model.log_evidence(BITS).sum()
        exact = flat([*torch.autograd.grad(-evidence, model), *torch.autograd.grad(upper, guide)])
    assert loss.item() == pytest.approx(upper.item(), rel=IDENTITY)
    assert relative_error(found, exact) < AUTODIFF


@pytest.mark.parametrize("objective", UPPER, ids=str)
def test_the_bound_lies_above_the_evidence(objective):
    with built(two_causes(), AmortisedDiscrete, objective, (BITS,)) as program:
        log_p, log_q, _ = (part.mT for part in of_states(program, BITS))
        upper = -objective.target.guide.exact(log_p, log_q)
        assert (upper > program.model.log_evidence(BITS)).all()


def test_more_strips_and_a_lower_order_are_tighter():
    def value(objective):
        with built(two_causes(), AmortisedDiscrete, objective, (BITS,)) as program:
            return objective.of_weights(uniform(program)).item()

    strips = [value(ThermodynamicUpper(10, p, beta_1=0.01)) for p in (1, 2, 4, 400)]
    orders = [value(CUBO(n=n)) for n in (4.0, 2.0, 1.1, 1.001)]
    assert strips == sorted(strips, reverse=True)
    assert orders == sorted(orders, reverse=True)


def test_one_strip_has_the_gradient_of_the_inclusive_divergence():
    """E_posterior[log w] = log p(x) + KL(p || q), draw by draw that of forward_kl."""
    found = []
    for objective in (ThermodynamicUpper(7, 1), ForwardKL(7)):
        with built(two_causes(), AmortisedDiscrete, objective, (BITS,)) as program:
            found.append(flat(step_of(program, (BITS,))[1].values()))
    assert relative_error(*found) < IDENTITY


def test_a_normal_model_is_held_from_both_sides():
    """z ~ N(0, 1), x ~ N(z, 1), q = N(m, s^2): ELBO <= log p(x) <= CUBO_2, all in closed form.

    E_q w^2 = p(x)^2 int N(z; x / 2, 1 / 2)^2 / q(z) dz, one more normal integral.
    """
    count, m = 200_000, X / 2 + 0.1
    with built(conjugate_rows, PerDatum, CUBO(), (X,)) as program, torch.no_grad():
        program.guide.loc[0].copy_(m)
        scale = torch.full_like(X, WIDE)
        program.guide.unconstrained_scale[0].copy_(scale.expm1().log())
        weights = draw(program.pair, count, (X,), {}, fixed=True)
        found = CUBO(count).of_weights(weights)
    evidence = conjugate_evidence(X)
    a, b = 2.0, 1 / WIDE**2  # precisions of the posterior and of q
    c, d = 2 * a - b, 2 * a * (X / 2) - b * m
    log_square = (
        2 * 0.5 * torch.log(torch.tensor(a))
        - 0.5 * torch.log(torch.tensor(b * c))
        + 0.5 * (d**2 / c - 2 * a * (X / 2) ** 2 + b * m**2)
    )
    exact = evidence + 0.5 * log_square
    elbo = evidence - torch.distributions.kl_divergence(Normal(m, WIDE), Normal(X / 2, 0.5**0.5))
    square = (2 * (weights.log_w - evidence)).exp()
    error = (standard_error(square) / square.mean(0) / 2).square().sum().sqrt()
    assert (elbo < evidence).all()
    assert (evidence < exact).all()
    assert (found - exact.sum()).abs() < ERRORS * error
    assert error < (exact - evidence).sum() / 4


@pytest.mark.parametrize("objective", [CUBO(), ThermodynamicUpper()], ids=str)
def test_no_power_of_a_weight_overflows(objective):
    """A constant in log p moves the bound by it and no gradient."""
    found = []
    for shift in (0.0, 5000.0, -5000.0):
        with built(two_causes(), AmortisedDiscrete, objective, (BITS,)) as program:
            weights = uniform(program)
            loss = objective.of_weights(weights._replace(log_p=weights.log_p + shift))
            grads = torch.autograd.grad(loss, list(program.guide.parameters()))
            found.append((loss - shift * len(BITS), flat(grads)))
    for loss, grads in found[1:]:
        torch.testing.assert_close(loss, found[0][0], rtol=IDENTITY, atol=IDENTITY)
        torch.testing.assert_close(grads, found[0][1], rtol=IDENTITY, atol=IDENTITY)


@pytest.mark.parametrize(
    ("kind", "fields", "sentence"),
    [
        (CUBO, {"particles": 1}, "particles to be a whole number of at least 2; got 1"),
        (CUBO, {"n": 1.0}, "n to be a finite number above 1; got 1.0"),
        (ThermodynamicUpper, {"particles": 1}, "particles to be a whole number of at least 2"),
        (ThermodynamicUpper, {"beta_1": 1.0}, "beta_1 to be a finite number above 0 and below 1"),
    ],
)
def test_wrong_fields_are_refused(kind, fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        kind(**fields)


def test_the_value_is_no_lower_bound():
    """So that no course of the loss is read as a bound that rises."""
    assert not CUBO().value_is_bound
    assert not ThermodynamicUpper().value_is_bound
    assert Thermodynamic().value_is_bound
