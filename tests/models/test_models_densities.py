"""Explicit densities: normalised, causal in every order, drawn as they say, the papers' loops."""

import copy
import itertools
import sys

import pytest
import torch
from cases import AUTODIFF, ERRORS, built, guide_of, scatter, standard_error, step_of
from joint import close
from steps import a_capture, equal_on_fresh_inputs

from zoo.decoders import drawing
from zoo.isolation import isolated
from zoo.likelihoods import (
    BernoulliLikelihood,
    CategoricalLikelihood,
    GaussianMixtureLikelihood,
)
from zoo.models.densities.darn import DARN
from zoo.models.densities.eonade import EoNADE
from zoo.models.densities.gated_pixelcnn import GatedPixelCNN
from zoo.models.densities.made import MADE
from zoo.models.densities.nade import NADE
from zoo.models.densities.pixelcnn import PixelCNN
from zoo.models.exact_sums import blocks, states
from zoo.objectives import Trace

BITS, WIDE = BernoulliLikelihood(), 12
SMALL = {  # D -> model
    "nade": lambda d: NADE(d, BITS, hidden=5),
    "eonade": lambda d: EoNADE(d, BITS, (5,), orders=3),
    "eonade, deep": lambda d: EoNADE(d, BITS, (5, 4), orders=2),
    "made": lambda d: MADE(d, BITS, (8,)),
    "made, masks": lambda d: MADE(d, BITS, (8, 7), masks=3),
    "fvsbn": lambda d: MADE(d, BITS, ()),
    "pixelcnn": lambda d: PixelCNN((2, d // 2), BITS, channels=3, blocks=2, kernel=5),
    "gated_pixelcnn": lambda d: GatedPixelCNN((2, d // 2), BITS, channels=3, layers=3),
}
MIXTURES = ("eonade", "eonade, deep", "made, masks")


def made(name, d=WIDE):
    """A model of D bits in eval mode, its parameters moved off special values."""
    with isolated(seed=1):
        model = SMALL[name](d)
    scatter(model, spread=0.5)
    return model.eval()


def members_of(model):
    """Every autoregressive density that the model holds: one for each order or mask."""
    if isinstance(model, EoNADE):
        return [model.under(order) for order in model.orders]
    return model.members() if isinstance(model, MADE) else [model.distribution()]


@pytest.fixture(params=SMALL)
def model(request):
    return made(request.param)


@torch.no_grad()
def test_probabilities_of_all_rows_sum_to_one(model):
    """Of every order and mask alone, and of their mixture."""
    x = states(WIDE)
    for member in members_of(model):
        close(member.log_prob(x).logsumexp(0), torch.zeros(()))
    close(model.log_evidence(x).logsumexp(0), torch.zeros(()))
    close(model.log_evidence(x), model.distribution().log_prob(x))


@torch.no_grad()
@pytest.mark.parametrize("name", MIXTURES)
def test_a_mixture_is_the_mean_probability(name):
    model, x = made(name), states(6)
    model = made(name, 6)
    each = torch.stack([member.log_prob(x).exp() for member in members_of(model)])
    close(model.log_evidence(x).exp(), each.mean(0))
    assert (each.std(0) > 0).any()


def test_levels_sum_to_one():
    """Any likelihood of levels: three of them, six pixels."""
    for model in (
        PixelCNN((2, 3), CategoricalLikelihood(3), channels=3, blocks=1, kernel=3),
        MADE(6, CategoricalLikelihood(3), (7,), masks=2),
    ):
        x = torch.cat(list(blocks(6, 3))).double() / 2
        close(model.eval().log_evidence(x).logsumexp(0).detach(), torch.zeros(()))


@pytest.mark.parametrize(
    "build",
    [
        lambda likelihood: NADE(2, likelihood, 5),
        lambda likelihood: MADE(2, likelihood, (6,)),
        lambda likelihood: EoNADE(2, likelihood, (5,)),
    ],
)
def test_a_real_valued_density_integrates_to_one(build):
    """RNADE, and the others with its likelihood; two numbers, by quadrature."""
    model = build(GaussianMixtureLikelihood(3)).eval()
    grid = torch.linspace(-10, 10, 301).double()
    density = model.log_evidence(torch.cartesian_prod(grid, grid)).detach().exp()
    assert abs(float(density.sum() * (grid[1] - grid[0]) ** 2) - 1) < AUTODIFF


def test_no_element_sees_itself_or_a_later_one_in_any_order(model):
    x = torch.bernoulli(torch.full((WIDE,), 0.5))
    for member in members_of(model):
        slopes = torch.autograd.functional.jacobian(member.conditional, x).abs().sum(1)
        order = torch.arange(WIDE) if member.order is None else member.order
        in_order = slopes[order][:, order]
        assert (in_order.triu() == 0).all()
        assert (in_order.tril(-1) > 0).any()


@pytest.mark.parametrize("name", ["nade", "eonade", "fvsbn"])
def test_every_element_before_is_seen(name):
    """MADE's masks may hide some; convolutions see as far as they reach."""
    for member in members_of(made(name)):
        x = torch.full((WIDE,), 0.5).double()
        slopes = torch.autograd.functional.jacobian(member.conditional, x).abs().sum(1)
        order = torch.arange(WIDE) if member.order is None else member.order
        seen = slopes[order][:, order] > 0
        assert torch.equal(seen, torch.ones(WIDE, WIDE, dtype=torch.bool).tril(-1))


def seen_from(model, row, column, side):
    """Places of the pixels that a pixel's numbers depend on; weights of one sign hide none."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.02 * parameter.abs() + 0.01)
    x = torch.full((side**2,), 0.75).double().requires_grad_()
    number = model.conditional(x).reshape(side, side)[row, column]
    (slope,) = torch.autograd.grad(number, x)
    return slope.reshape(side, side) != 0


def test_two_stacks_have_no_blind_spot_and_one_has():
    side, row, column = 9, 6, 3
    before = torch.arange(side**2).reshape(side, side) < row * side + column
    gated = GatedPixelCNN((side, side), BITS, channels=2, layers=6)
    assert torch.equal(seen_from(gated, row, column, side), before)
    plain = PixelCNN((side, side), BITS, channels=2, blocks=3, kernel=3)
    seen = seen_from(plain, row, column, side)
    assert not (seen & ~before).any()
    assert not seen[row - 1, column + 3]
    assert (before & ~seen).any()


@torch.no_grad()
@pytest.mark.parametrize("name", SMALL)
def test_draws_have_the_exact_frequencies(name):
    model, count, x = made(name, 4), 4000, states(4)
    exact = model.log_evidence(x).exp()
    places = 2.0 ** torch.arange(4)
    with isolated(seed=3):
        drawn = model.distribution().sample((count,))
    share = ((drawn @ places).long() == (x @ places).long()[:, None]).double().mean(1)
    assert ((share - exact).abs() < ERRORS * (exact * (1 - exact) / count).sqrt()).all()


@torch.no_grad()
def test_nade_is_the_loop_of_the_paper():
    model, x = made("nade"), torch.bernoulli(torch.full((WIDE,), 0.5))
    a, log_p = model.hidden_bias.clone(), 0.0
    for i in range(WIDE):
        p = torch.sigmoid(model.output_bias[i, 0] + model.output[i, :, 0] @ torch.sigmoid(a))
        log_p = log_p + x[i] * p.log() + (1 - x[i]) * (1 - p).log()
        a = a + model.weight[i] * x[i]
    close(model.log_evidence(x), log_p)


@torch.no_grad()
@pytest.mark.parametrize("name", ["eonade", "eonade, deep"])
def test_eonade_is_a_pass_for_each_place(name):
    """The hidden elements are taken as 0, and their mask is told to the network."""
    model, x = made(name), torch.bernoulli(torch.full((WIDE,), 0.5))
    for order in model.orders:
        log_p, seen = 0.0, torch.zeros(WIDE)
        for i in order:
            sums = model.hidden_bias + (x * seen) @ model.weight + seen @ model.seen_weight
            h = model.upper(torch.sigmoid(sums))
            logit = model.output_bias[i, 0] + h @ model.output[i, :, 0]
            log_p = log_p + BITS(logit.reshape(1, 1)).log_prob(x[i : i + 1])
            seen[i] = 1
        close(model.under(order).log_prob(x), log_p)


@torch.no_grad()
def test_eonade_trains_by_an_unbiased_estimate_over_all_orders():
    model, x = made("eonade", 4).train(), torch.tensor([1.0, 0.0, 0.0, 1.0])
    orders = torch.tensor(list(itertools.permutations(range(4))))
    exact = torch.stack([model.under(order).log_prob(x) for order in orders]).mean()
    with isolated(seed=2):
        found = model.distribution().log_prob(x.expand(20_000, 4))
    assert (found.mean() - exact).abs() < ERRORS * standard_error(found)


@torch.no_grad()
def test_made_trains_under_each_of_its_masks():
    model, x = made("made, masks").train(), states(4).repeat(1, 3)
    each = torch.stack([member.log_prob(x) for member in model.members()])
    with isolated(seed=0):
        steps = torch.stack([model.distribution().log_prob(x) for _ in range(40)])
    found = [(each - step).abs().amax(1).argmin() for step in steps]
    close(steps, each[torch.stack(found)])
    assert set(map(int, found)) == {0, 1, 2}


@torch.no_grad()
def test_a_fully_visible_network_is_a_logistic_regression_of_each_pixel():
    model, x = made("fvsbn"), torch.bernoulli(torch.full((WIDE,), 0.5))
    linear, log_p = model.layers[0].whole, 0.0
    for i in range(WIDE):
        p = torch.sigmoid(linear.bias[i] + linear.weight[i, :i] @ x[:i])
        log_p = log_p + (p if x[i] else 1 - p).log()
    close(model.log_evidence(x), log_p)


@torch.no_grad()
def test_darn_sums_to_one_and_is_its_sums():
    model = DARN(5, 3)
    scatter(model, spread=0.5)
    close(model.log_evidence(states(5)).logsumexp(0), torch.zeros(()))
    x, log_p = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0]), []
    for z in states(3):
        joint = 0.0
        for part, value, shift in ((model.prior, z, 0 * z), (model.pixels, x, model.decoder(z))):
            for i in range(len(value)):
                logit = part.bias[i] + part.weight[i, :i] @ value[:i] + shift[i]
                joint = joint + (2 * value[i] - 1).mul(logit).sigmoid().log()
        log_p.append(joint)
    close(model.log_evidence(x[None])[0], torch.stack(log_p).logsumexp(0))


@pytest.mark.parametrize("name", SMALL)
def test_the_captured_step_is_the_plain_step(name):
    """Random orders and masks are noise of the step."""
    x = torch.bernoulli(torch.full((8, 6), 0.5))
    with a_capture(made(name, 6).train(), guide_of("empty"), (x,), Trace(), batch=4) as parts:
        assert equal_on_fresh_inputs(*parts)


@pytest.mark.parametrize("name", ["eonade", "made, masks"])
def test_a_step_has_an_order_of_its_own(name):
    x = torch.bernoulli(torch.full((8, 6), 0.5))
    with built(made(name, 6), guide_of("empty"), Trace(), (x,)) as program:
        program.train()
        assert len({float(step_of(program, (x,), seed=seed)[0]) for seed in range(8)}) > 1
        program.eval()
        assert len({float(step_of(program, (x,), seed=seed)[0]) for seed in range(2)}) == 1


def test_draws_show_a_bar_on_a_terminal_only(capsys, monkeypatch):
    row = made("nade").distribution()
    row.sample((2,))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(drawing, "QUICK", -1.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    row.sample((2,))
    assert "drawing" in capsys.readouterr().err


def test_draws_do_not_depend_on_a_copy(model):
    with isolated(seed=4):
        first = model.distribution().sample((3,))
    with isolated(seed=4):
        assert torch.equal(first, copy.deepcopy(model).distribution().sample((3,)))
