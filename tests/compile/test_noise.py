"""Noise as an explicit input: each rule draws what torch's own function draws."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, IDENTITY, standard_error
from steps import a_program
from torch.nn import functional

from guides import MeanField
from zoo.compile.capture import CaptureError, capture
from zoo.compile.noise import (
    RULES,
    ExplicitNoise,
    draw_noise,
    record,
    replay,
)

N = 4000
PROBS = torch.tensor([0.1, 0.0, 0.4, 0.2, 0.3])
CHANCE = torch.tensor([0.2, 0.9])


def wide(value):
    return value.expand(N, *value.shape).clone()


DRAWS = {  # function -> calls of it whose results are independent along the first dimension
    torch.Tensor.normal_: [
        lambda: torch.empty(N, 2).normal_(),
        lambda: torch.empty(N, dtype=torch.float32).normal_(-1.0, 2.0),
        lambda: torch.empty(N).normal_(mean=3.0, std=0.5),
    ],
    torch.normal: [
        lambda: torch.normal(wide(CHANCE), 0.5),
        lambda: torch.normal(wide(CHANCE), wide(CHANCE)),
        lambda: torch.normal(torch.zeros(N, 2), CHANCE),
        lambda: torch.normal(1.0, 2.0, (N, 2)),
        lambda: torch.normal(torch.zeros(N, 1, dtype=torch.float32), torch.ones(3).float()),
    ],
    torch.randn: [
        lambda: torch.randn(N, 2),
        lambda: torch.randn((N, 2), dtype=torch.float32),
        lambda: torch.randn(torch.Size([N])),
        lambda: torch.randn(size=(N,), device="cpu"),
    ],
    torch.rand: [
        lambda: torch.rand(N, 2),
        lambda: torch.rand([N], dtype=torch.float32),
        lambda: torch.rand(size=(N,), device="cpu"),
    ],
    torch.randn_like: [
        lambda: torch.randn_like(torch.empty(N, 3)),
        lambda: torch.randn_like(torch.empty(N), dtype=torch.float32),
    ],
    torch.rand_like: [
        lambda: torch.rand_like(torch.empty(N, 3)),
        lambda: torch.rand_like(torch.empty(N), dtype=torch.float32),
    ],
    torch.Tensor.uniform_: [
        lambda: torch.empty(N, 2).uniform_(),
        lambda: torch.empty(N).uniform_(-1.0, 4.0),
    ],
    torch.Tensor.exponential_: [
        lambda: torch.empty(N, 2).exponential_(),
        lambda: torch.empty(N).exponential_(2.5),
    ],
    torch.bernoulli: [lambda: torch.bernoulli(wide(CHANCE))],
    torch.Tensor.bernoulli: [lambda: wide(CHANCE).bernoulli()],
    torch.Tensor.bernoulli_: [
        lambda: torch.empty(N, 2).bernoulli_(),
        lambda: torch.empty(N, 2).bernoulli_(0.3),
        lambda: torch.empty(N, 2, dtype=torch.float32).bernoulli_(CHANCE),
    ],
    torch.multinomial: [
        lambda: torch.multinomial(3 * wide(PROBS), 1),
        lambda: torch.multinomial(PROBS, N, replacement=True),
        lambda: torch.multinomial(wide(PROBS), 3),
    ],
    torch.Tensor.multinomial: [lambda: wide(PROBS).multinomial(2, replacement=True)],
    torch._standard_gamma: [
        lambda: torch._standard_gamma(wide(CHANCE)),
        lambda: torch._standard_gamma(3 * wide(CHANCE).float(), generator=None),
    ],
    torch._sample_dirichlet: [
        lambda: torch._sample_dirichlet(3 * wide(CHANCE)),
        lambda: torch._sample_dirichlet(wide(CHANCE).float()),
    ],
    torch.randperm: [lambda: torch.stack([torch.randperm(5) for _ in range(N)])],
    functional.dropout: [
        lambda: functional.dropout(torch.ones(N, 2), 0.3),
        lambda: functional.dropout(torch.ones(N, 2), p=0.8, training=True),
    ],
    functional.one_hot: [],  # not random: see below
}
CALLS = [(function, i) for function, calls in DRAWS.items() for i in range(len(calls))]


def test_every_rule_has_a_case():
    assert set(DRAWS) == set(RULES)


def name_of(value):
    return value.__name__ if callable(value) else None


@pytest.mark.parametrize(("function", "i"), CALLS, ids=name_of)
def test_draws_are_distributed_as_torchs(function, i):
    call, specs = DRAWS[function][i], []
    with ExplicitNoise(record(specs)):
        found = call()
    exact = call()
    assert specs
    assert (found.shape, found.dtype, found.device) == (exact.shape, exact.dtype, exact.device)
    for power in (1, 2, 3):
        ours, theirs = found.double() ** power, exact.double() ** power
        error = (standard_error(ours) ** 2 + standard_error(theirs) ** 2).sqrt()
        assert ((ours.mean(0) - theirs.mean(0)).abs() <= ERRORS * error).all()
    assert found.unique().numel() > 1


@pytest.mark.parametrize(("function", "i"), CALLS, ids=name_of)
def test_the_same_noise_gives_the_same_value(function, i):
    call, specs = DRAWS[function][i], []
    with ExplicitNoise(record(specs)):
        call()
    noise = draw_noise(specs)
    with ExplicitNoise(replay(noise)):
        first, other = call(), None
    with ExplicitNoise(replay(noise)):
        assert torch.equal(call(), first)
    with ExplicitNoise(replay(draw_noise(specs))):
        other = call()
    assert not torch.equal(other, first)


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: x.normal_(1.0, 2.0),
        lambda x: x.uniform_(),
        lambda x: x.exponential_(),
        lambda x: x.bernoulli_(0.5),
        lambda x: functional.dropout(x, 0.5, inplace=True),
    ],
)
def test_what_is_drawn_in_place_lies_in_place(draw):
    x = torch.full((50,), 7.0)
    with ExplicitNoise(record([])):
        returned = draw(x)
    assert returned is x
    assert (x != 7.0).all()


@pytest.mark.parametrize("replacement", [True, False])
def test_categories_come_as_often_as_they_are_likely(replacement):
    with ExplicitNoise(record([])):
        drawn = torch.multinomial(wide(PROBS), 1, replacement=replacement)
        both = torch.multinomial(wide(PROBS), 4)
    hits = functional.one_hot(drawn[:, 0], 5).double()
    assert (hits.mean(0) - PROBS).abs().le(ERRORS * standard_error(hits)).all()
    assert hits[:, 1].sum() == 0
    assert torch.equal(both.sort(-1).values, torch.tensor([0, 2, 3, 4]).expand(N, 4))


def test_the_last_category_with_probability_is_the_last_one_drawn():
    almost_one = torch.tensor([1.0 - 2.0**-53])
    with ExplicitNoise(replay([almost_one])):
        assert torch.multinomial(torch.tensor([0.5, 0.5, 0.0]), 1).item() == 1


def test_permutations_hold_every_number_once():
    with ExplicitNoise(record([])):
        for n in (1, 2, 30):
            assert torch.equal(torch.randperm(n).sort().values, torch.arange(n))


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_one_hot_is_torchs(shape):
    index = torch.randint(0, 4, shape)
    for classes in (-1, 4, 6):
        exact = functional.one_hot(index, classes)
        with ExplicitNoise(record([])):
            found = functional.one_hot(index, num_classes=classes)
        assert torch.equal(found, exact)
        assert found.dtype == exact.dtype


def test_dropout_that_is_off_lets_everything_through():
    x, specs = torch.randn(8), []
    with ExplicitNoise(record(specs)):
        assert torch.equal(functional.dropout(x, 0.5, training=False), x)
    assert specs == []


def test_a_reparameterised_draw_is_differentiated():
    mean, scale = torch.tensor(1.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    noise = torch.randn(6)
    with ExplicitNoise(replay([noise])):
        torch.normal(mean.expand(6), scale).sum().backward()
    assert mean.grad.item() == pytest.approx(6.0, rel=IDENTITY)
    assert scale.grad.item() == pytest.approx(noise.sum().item(), rel=IDENTITY)


def binomial(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    extra = torch.binomial(torch.ones(()), torch.full((), 0.5))
    pyro.sample("x", dist.Normal(mean + extra, 1.0), obs=x)


def poisson(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    extra = torch.poisson(torch.ones(()))
    pyro.sample("x", dist.Normal(mean + extra, 1.0), obs=x)


@pytest.mark.parametrize("model", [binomial, poisson], ids=name_of)
def test_randomness_without_a_rule_is_refused_by_name(model):
    with (
        a_program(model, MeanField, (torch.ones(1),)) as (program, rows, parameters),
        pytest.raises(CaptureError, match=rf"by aten\.{model.__name__}.*trial and error"),
    ):
        capture(program, rows, parameters)
