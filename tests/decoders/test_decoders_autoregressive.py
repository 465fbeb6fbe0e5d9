"""Decoders that look at the row so far: order, normalisation, draws, the papers' loops."""

from functools import partial

import pytest
import torch
from cases import AUTODIFF, ERRORS, IDENTITY, guide_of, relative_error
from joint import close
from steps import a_capture, equal_on_fresh_inputs
from torch.distributions import Normal

import zoo
from zoo.compile.step_loop import convolves
from zoo.decoders.nade import NADEDecoder
from zoo.decoders.pixel import PixelDecoder
from zoo.isolation import isolated
from zoo.latents import describe
from zoo.likelihoods.bernoulli import BernoulliLikelihood
from zoo.likelihoods.dequantised import DequantisedLikelihood
from zoo.likelihoods.gaussian import GaussianLikelihood
from zoo.models.exact_sums import states
from zoo.models.vaes.dequantised_vae import DequantisedVAE
from zoo.models.vaes.vae import VAE
from zoo.objectives import MeanFieldKL, Trace
from zoo.priors.standard import StandardNormal

BITS = BernoulliLikelihood()
SMALL = {"channels": 4, "hidden": (6,)}
DECODERS = {
    "nade": lambda: NADEDecoder(2, 9, 1, width=4, hidden=(6,)),
    "pixel": lambda: PixelDecoder(2, 9, 1, (3, 3), **SMALL),
    "pixel, one layer": lambda: PixelDecoder(2, 9, 1, (3, 3), layers=1, **SMALL),
    "pixel, wide": lambda: PixelDecoder(2, 9, 1, (1, 9), kernel=5, layers=3, **SMALL),
    "pixel, blind": lambda: PixelDecoder(2, 9, 1, (3, 3), kernel=1, **SMALL),
}


@pytest.fixture(params=DECODERS)
def decoder(request):
    return DECODERS[request.param]()


def influence(decoder, z, x):
    """|d numbers of pixel i / d x_j| of one row, (D, D), over all numbers."""
    found = torch.autograd.functional.jacobian(lambda row: decoder(z, row), x)
    return found.abs().sum(1)


def test_no_pixel_sees_itself_or_a_later_one(decoder):
    slopes = influence(decoder, torch.randn(2), torch.randn(9))
    assert (slopes.triu() == 0).all()
    if not (isinstance(decoder, PixelDecoder) and decoder.reach == 0):
        assert (slopes.diagonal(-1)[1:] > 0).any()


@pytest.mark.parametrize(("layers", "kernel"), [(1, 1), (2, 1), (1, 3), (2, 3), (3, 3), (1, 5)])
def test_the_receptive_field_is_the_one_documented(layers, kernel):
    """Large weights of one sign keep every unit on: no slope is 0 by chance."""
    side, r = 13, kernel // 2
    decoder = PixelDecoder(2, side**2, 1, (side, side), layers=layers, kernel=kernel, **SMALL)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.copy_(parameter.abs() + 0.1)
    x, centre = torch.ones(side**2, requires_grad=True), side // 2
    number = decoder(torch.ones(2), x).reshape(side, side)[centre, centre]
    (slope,) = torch.autograd.grad(number, x, allow_unused=True)
    seen = set() if slope is None else set(slope.nonzero().flatten().tolist())
    reach = layers * r
    offsets = {(0, s) for s in range(-reach, 0)}
    offsets |= {
        (-d, s) for d in range(1, reach + 1) for s in range(-reach, r * min(layers, d) + 1)
    }
    assert seen == {(centre + d) * side + centre + s for d, s in offsets}
    assert (decoder.receptive_field, decoder.reach) == (len(offsets), reach)


def test_every_pixel_before_is_seen_by_nade():
    slopes = influence(DECODERS["nade"](), torch.randn(2), torch.randn(9))
    assert torch.equal(slopes > 0, torch.ones(9, 9, dtype=torch.bool).tril(-1))


def test_probabilities_of_all_rows_sum_to_one(decoder):
    z, x = torch.randn(3, 1, 2), states(9)
    log_p = decoder.distribution(z, BITS).log_prob(x)
    assert log_p.shape == (3, 2**9)
    close(log_p.logsumexp(-1), torch.zeros(3))


def test_draws_have_the_exact_frequencies():
    """Of all rows of four pixels, for two values of z at once."""
    for decoder in (
        NADEDecoder(2, 4, 1, width=4, hidden=(6,)),
        PixelDecoder(2, 4, 1, (2, 2), **SMALL),
    ):
        row = decoder.distribution(3 * torch.randn(2, 2), BITS)
        exact = row.expand((16, 2)).log_prob(states(4)[:, None].expand(-1, 2, -1)).exp()
        count = 4000
        index = (row.sample((count,)) @ (2.0 ** torch.arange(4))).long()
        known = (states(4) @ (2.0 ** torch.arange(4))).long()
        share = (index == known[:, None, None]).double().mean(1)
        error = (exact * (1 - exact) / count).sqrt()
        assert ((share - exact).abs() < ERRORS * error).all()


def test_nade_is_the_loop_of_the_paper():
    decoder = NADEDecoder(2, 9, 1, width=4, hidden=(6,))
    z, x = torch.randn(2), torch.bernoulli(torch.full((9,), 0.5))
    biases = decoder.biases(z)
    a, b = biases[:4], biases[4:]
    log_p = 0.0
    for i in range(9):
        p = torch.sigmoid(b[i] + decoder.output[i, :, 0] @ torch.sigmoid(a))
        log_p = log_p + x[i] * p.log() + (1 - x[i]) * (1 - p).log()
        a = a + decoder.weight[i] * x[i]
    close(decoder.distribution(z, BITS).log_prob(x), log_p)


def test_a_blind_pixel_decoder_is_an_ordinary_one():
    decoder = DECODERS["pixel, blind"]()
    z, x = torch.randn(5, 2), torch.bernoulli(torch.full((5, 9), 0.5))
    numbers = decoder(z, torch.zeros(5, 9))
    close(decoder.distribution(z, BITS).log_prob(x), BITS(numbers).log_prob(x))
    assert decoder.receptive_field == 0


def test_particles_and_rows_broadcast(decoder):
    z, x = torch.randn(3, 5, 2), torch.bernoulli(torch.full((5, 9), 0.5))
    row = decoder.distribution(z, BITS)
    assert (row.batch_shape, row.event_shape) == ((3, 5), (9,))
    together = row.log_prob(x)
    one = [decoder.distribution(z[i, j], BITS).log_prob(x[j]) for i in range(3) for j in range(5)]
    close(together, torch.stack(one).reshape(3, 5))
    assert row.sample().shape == (3, 5, 9)
    alone = decoder.distribution(z[0, 0], BITS)
    assert alone.expand((4,)).sample((2,)).shape == (2, 4, 9)
    close(alone.expand((5,)).log_prob(x), alone.log_prob(x))
    assert row.support.check(x).all()


@pytest.mark.parametrize("name", ["nade", "pixel"])
def test_real_rows_have_density_one_in_all(name):
    """Two pixels, by quadrature."""
    make = {"nade": NADEDecoder, "pixel": PixelDecoder}[name]
    decoder = make(2, 2, 1, (1, 2), hidden=(6,))
    grid = torch.linspace(-8, 8, 161)
    x = torch.cartesian_prod(grid, grid)
    row = decoder.distribution(torch.randn(2), GaussianLikelihood())
    total = row.log_prob(x).exp().sum() * (grid[1] - grid[0]) ** 2
    assert abs(total - 1) < AUTODIFF


def model(make, **settings):
    with isolated(seed=1):
        return VAE(make(**settings), BernoulliLikelihood(), StandardNormal(2))


NADE = partial(NADEDecoder, 2, 9, width=4, hidden=(6,))
PIXEL = partial(PixelDecoder, 2, 9, image=(3, 3), **SMALL)


@pytest.mark.thin(3)
@pytest.mark.parametrize(
    ("make", "objective"),
    [
        (NADE, Trace(2)),
        (PIXEL, MeanFieldKL()),
        (partial(PIXEL, context_dropout=0.5), Trace(2)),
    ],
)
def test_the_captured_step_is_the_plain_step(make, objective):
    x = torch.bernoulli(torch.full((8, 9), 0.5))
    guide = guide_of("amortised_normal")
    with a_capture(model(make), guide, (x,), objective, batch=4) as parts:
        assert equal_on_fresh_inputs(*parts)


def test_replicas_go_through_the_convolutions():
    x = torch.bernoulli(torch.full((4, 9), 0.5))
    with a_capture(model(PIXEL), guide_of("amortised_normal"), (x,)) as (captured, program, rows):
        flat, held = captured.layout.read(program)
        wide = torch.stack([flat, flat + 0.1])
        noise = tuple(torch.stack([spec.draw(), spec.draw()]) for spec in captured.noise)

        def step(flat, noise):
            empty = torch.zeros(0, dtype=torch.int64)
            return captured.graph(flat, held, torch.tensor(1.0), empty, noise, rows.args)[:2]

        together = torch.vmap(step)(wide, noise)
        for i in range(2):
            alone = step(wide[i], tuple(part[i] for part in noise))
            for found, expected in zip(together, alone, strict=True):
                close(found[i], expected)


@pytest.mark.thin(2)
@pytest.mark.parametrize(("make", "found"), [(NADE, False), (PIXEL, True)])
def test_convolutions_are_found(make, found):
    """Their library takes no buffers of the compiled path's pool."""
    x = torch.bernoulli(torch.full((4, 9), 0.5))
    with a_capture(model(make), guide_of("amortised_normal"), (x,)) as (captured, *_):
        assert convolves(captured) == found


@pytest.mark.slow
def test_convolutions_run_compiled():
    x = torch.bernoulli(torch.full((8, 9), 0.5))
    fits = zoo.fit(model(PIXEL), guide_of("amortised_normal"), x, steps=300, compile=True)
    assert fits.backend == "compiled"
    assert fits.losses.isfinite().all()
    assert fits.losses[-50:].mean() < fits.losses[:50].mean()


def test_hidden_context_is_for_training_only():
    made = model(PIXEL, context_dropout=0.5)
    x, z = torch.bernoulli(torch.full((6, 9), 0.5)), torch.randn(6, 2)
    noisy = [made.distribution(z).log_prob(x) for _ in range(2)]
    assert not torch.equal(*noisy)
    assert describe(made, x).vectorises
    assert made.training
    made.eval()
    close(made.distribution(z).log_prob(x), model(PIXEL).distribution(z).log_prob(x))


def test_all_hidden_leaves_z():
    """At a chance of nearly 1 nothing of x is seen."""
    decoder = PIXEL(context_dropout=1 - 1e-12)
    z = torch.randn(5, 2)
    x = torch.bernoulli(torch.full((5, 9), 0.5))
    assert relative_error(decoder(z, x).detach(), decoder(z, 1 - x).detach()) < IDENTITY


def test_a_draw_stands_for_the_mean():
    z = torch.randn(3, 4, 2)
    for made in (model(NADE), model(PIXEL)):
        pictures = made.mean(z)
        assert pictures.shape == (3, 4, 9)
        assert set(pictures.flatten().tolist()) == {0.0, 1.0}


def test_levels_with_noise_in_their_bins():
    """The density of k + u is that of y = (k + u) / L, pixel by pixel."""
    decoder = PixelDecoder(2, 9, 2, (3, 3), **SMALL)
    made = DequantisedVAE(decoder, DequantisedLikelihood(), StandardNormal(2), levels=4)
    z, filled = torch.randn(5, 2), 4 * torch.rand(5, 9)
    loc, log_scale = decoder(z, filled / 4).unbind(-1)
    scale = 4 * (log_scale - 2).exp()
    close(made.filled(z).log_prob(filled), Normal(4 * loc, scale).log_prob(filled).sum(-1))
    assert made.mean(z).shape == (5, 9)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"image": None}, r"height \* width = 9 pixels; got None.*nade"),
        ({"image": (2, 4)}, r"= 9 pixels; got \(2, 4\)"),
        ({"kernel": 4}, "an odd kernel; got 2 and 4"),
        ({"layers": 0}, "layers of at least 1 and an odd kernel; got 0 and 3"),
        ({"context_dropout": 1.0}, r"context_dropout in \[0, 1\); got 1.0"),
    ],
)
def test_settings_that_make_no_sense(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        PIXEL(**settings)
