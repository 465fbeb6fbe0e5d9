"""Flows as densities: determinants, inverses, integrals, draws, and what is learned of a truth."""

import math

import pytest
import torch
from cases import AUTODIFF, ERRORS, IDENTITY, scatter, standard_error
from cases_flows import FLOW_CASES
from scipy.stats import chi2
from sklearn.neighbors import KNeighborsClassifier
from steps import a_capture, equal_on_fresh_inputs

import guides
import zoo
from zoo.data import checkerboard, load_data, pinwheel, rings, two_moons
from zoo.isolation import isolated
from zoo.metrics.two_sample import classifier
from zoo.models.flows.autoregressive import AutoregressiveFlow
from zoo.models.flows.frame import Frame, frame_of

PLANE = {
    "two_moons": two_moons,
    "rings": rings,
    "pinwheel": pinwheel,
    "checkerboard": checkerboard,
}
FLOWS = list(FLOW_CASES)
SIZE, ROWS = 5, 6


def made(name, spread=0.3):
    """A small flow with parameters moved off special values."""
    model, _ = FLOW_CASES[name].make()
    scatter(model, spread)
    return model.eval()


def noise_of(model, x):
    """The noise u of rows x, by the flow's own inverse."""
    density = model.density()
    for transform in reversed(density.transforms):
        x = transform.inv(x)
    return x


def rows_of(model, u):
    for transform in model.density().transforms:
        u = transform(u)
    return u


@pytest.mark.parametrize("name", FLOWS)
def test_the_log_determinant_is_that_of_the_jacobian(name):
    model = made(name)
    for x in torch.randn(ROWS, SIZE):
        jacobian = torch.autograd.functional.jacobian(lambda row: noise_of(model, row), x)
        base = model.base().log_prob(noise_of(model, x))
        exact = base + torch.linalg.slogdet(jacobian).logabsdet
        torch.testing.assert_close(model.density().log_prob(x), exact, rtol=IDENTITY, atol=1e-7)


@pytest.mark.parametrize("name", FLOWS)
def test_a_row_comes_back_from_its_noise(name):
    model, x = made(name), torch.randn(ROWS, SIZE)
    with torch.no_grad():
        back = rows_of(model, noise_of(model, x))
    torch.testing.assert_close(back, x, rtol=IDENTITY, atol=1e-7)


@pytest.mark.parametrize("name", FLOWS)
def test_noise_comes_back_from_its_row(name):
    model, u = made(name), torch.randn(ROWS, SIZE)
    with torch.no_grad():
        back = noise_of(model, rows_of(model, u))
    torch.testing.assert_close(back, u, rtol=IDENTITY, atol=1e-7)


@pytest.mark.parametrize("name", ["maf", "naf", "nsf"])
def test_noise_of_a_number_reads_the_numbers_before_it_alone(name):
    model = made(name)
    model.networks = model.networks[:1]
    x = torch.randn(SIZE)
    jacobian = torch.autograd.functional.jacobian(lambda row: noise_of(model, row), x)
    assert jacobian.triu(1).abs().max() == 0
    assert (jacobian.diagonal() > 0).all()
    assert jacobian.tril(-1).abs().max() > AUTODIFF


def test_realnvp_keeps_one_half_in_each_coupling():
    model = made("realnvp")
    model.networks = model.networks[:1]
    u = torch.randn(ROWS, SIZE)
    assert torch.equal(rows_of(model, u).flip(-1)[:, :2], u[:, :2])


@pytest.mark.parametrize("name", FLOWS)
def test_the_captured_step_is_the_plain_one(name):
    model, args = FLOW_CASES[name].make()
    with a_capture(model, guides.Empty, args) as parts:
        assert equal_on_fresh_inputs(*parts)


@pytest.mark.parametrize("name", FLOWS)
def test_gradients_pass_through_a_density(name):
    model = made(name)
    loss = -model.density().log_prob(torch.randn(ROWS, SIZE)).sum()
    loss.backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key


@pytest.mark.parametrize("data", PLANE)
def test_the_known_densities_integrate_to_one(data):
    log_density = PLANE[data].log_density
    edges = torch.linspace(-5, 5, 401)
    middle = (edges[1:] + edges[:-1]) / 2
    grid = torch.cartesian_prod(middle, middle)
    total = sum(log_density(part).exp().sum() for part in grid.split(20_000)) * 0.025**2
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("data", PLANE)
def test_the_rows_are_draws_of_the_known_densities(data):
    """Counts in squares of the plane against the density's integral over them."""
    (x,), width = load_data(data).test, 0.5
    low = torch.arange(-4, 4, width)
    inner = (torch.arange(20) + 0.5) * width / 20
    places = (low[:, None] + inner).flatten()
    grid = torch.cartesian_prod(places, places)
    log_p = torch.cat([PLANE[data].log_density(part) for part in grid.split(20_000)])
    share = log_p.exp().reshape(16, 20, 16, 20).mean((1, 3)).flatten() * width**2
    place = ((x + 4) / width).floor().long()
    counts = torch.bincount(16 * place[:, 0] + place[:, 1], minlength=256)[:256]
    full = share * len(x) > 5
    expected = torch.cat([share[full], 1 - share[full].sum(0, keepdim=True)]) * len(x)
    found = torch.cat([counts[full], len(x) - counts[full].sum(0, keepdim=True)])
    expected = expected.clamp(min=1)
    statistic = float(((found - expected) ** 2 / expected).sum())
    assert chi2.sf(statistic, int(full.sum())) > 2 * (1 - 0.9999997)


def test_digits_keep_their_levels_under_new_noise():
    data = load_data("digits_dequantised")
    (plain,) = load_data("digits", binarize="none").train
    (x,) = data.train
    (again,) = data.observe((x,))
    levels = (16 * plain).round()
    assert torch.equal((17 * x).floor(), levels)
    assert torch.equal((17 * again).floor(), levels)
    assert not torch.equal(again, x)
    noise = 17 * again - levels
    assert abs(noise.mean() - 0.5) < ERRORS * standard_error(noise.flatten())


def test_tables_have_neither_few_values_nor_columns_that_say_the_same():
    (x,) = load_data("breast_cancer_table").train
    assert x.shape[1] == 26
    assert min(len(column.unique()) for column in x.mT) > 10
    assert (torch.corrcoef(x.mT) - torch.eye(26)).abs().max() < 0.99


def test_a_frame_of_pixels_keeps_draws_near_the_unit_cube():
    frame = frame_of(load_data("digits_dequantised"))
    v = 3 * torch.randn(50, 64)
    log_det, y = torch.zeros(50), v
    for transform in frame():
        moved = transform(y)
        change = transform.log_abs_det_jacobian(y, moved)
        log_det = log_det + (change if change.dim() == 1 else change.sum(-1))
        y = moved
    assert (y > -1 / 18 - IDENTITY).all()
    assert (y < 19 / 18 + IDENTITY).all()
    sigmoid = torch.sigmoid(frame.loc + frame.scale * v)
    slope = frame.scale * sigmoid * (1 - sigmoid) / 0.9
    torch.testing.assert_close(log_det, slope.log().sum(-1), rtol=IDENTITY, atol=1e-7)


def test_a_change_of_units_changes_log_p_by_the_log_of_the_units():
    name, scale = "maf", torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    model, x = made(name), torch.randn(ROWS, SIZE)
    plain = model.log_evidence(x)
    model.frame = Frame(torch.ones(SIZE), scale)
    found = model.log_evidence(1 + scale * x)
    torch.testing.assert_close(found, plain - math.log(120), rtol=IDENTITY, atol=IDENTITY)


@pytest.mark.parametrize("data", ["digits", "breast_cancer"])
def test_levels_and_labels_are_refused(data):
    with pytest.raises(ValueError, match="digits_dequantised|takes \\('x',\\)"):
        zoo.load("maf", data=data).build()


def test_one_column_and_constant_columns_are_refused():
    with pytest.raises(ValueError, match="features of at least 2"):
        AutoregressiveFlow(1, reads_noise=False)
    data = load_data("two_moons")
    data.train[0][:, 1] = 3.0
    with pytest.raises(ValueError, match=r"columns \[1\] do not"):
        frame_of(data)


def fitted(name, data, steps=300, **settings):
    """A short fit of the flow as the table has it."""
    return zoo.fit(zoo.load(name, data=data), guides.Empty, steps=steps, **settings)


@pytest.mark.thin(5)
@pytest.mark.parametrize("name", FLOWS)
def test_a_short_fit_is_a_density_nearer_to_the_truth(name):
    """Its integral is 1, its divergence from the truth above 0, and far less than a normal's."""
    fit = fitted(name, "two_moons")
    (x,), (train,) = fit.task.data.test, fit.task.data.train
    truth = two_moons.log_density(x)
    with torch.no_grad():
        gap = truth - fit.model.log_evidence(x)
        normal = torch.distributions.MultivariateNormal(train.mean(0), torch.cov(train.mT))
        worse = truth - normal.log_prob(x)
        edges = torch.linspace(-4, 4, 401)
        middle = (edges[1:] + edges[:-1]) / 2
        grid = torch.cartesian_prod(middle, middle)
        parts = [fit.model.log_evidence(part).exp().sum() for part in grid.split(40_000)]
    assert sum(parts) * 0.02**2 == pytest.approx(1, abs=2e-3)
    assert gap.mean() > -ERRORS * standard_error(gap)
    assert gap.mean() < worse.mean() / 2


@pytest.mark.thin(5)
@pytest.mark.parametrize("name", FLOWS)
def test_draws_of_a_flow_have_its_density(name):
    """E_p[log p] by draws is its integral on a grid, and both moments agree."""
    model = made(name, spread=0.1)
    direction = {"reads_noise": name == "iaf_density"} if name in ("maf", "iaf_density") else {}
    model = type(model)(2, depth=2, hidden=(8,), **direction)
    scatter(model, 0.2)
    with isolated(seed=1), torch.no_grad():
        x = model.density().sample((4000,))
        edges = torch.linspace(-9, 9, 451)
        middle = (edges[1:] + edges[:-1]) / 2
        grid = torch.cartesian_prod(middle, middle)
        log_p = model.log_evidence(grid)
        entropy = -(log_p.exp() * log_p).sum() * 0.04**2
        mean = (log_p.exp()[:, None] * grid).sum(0) * 0.04**2
        own = -model.log_evidence(x)
    assert abs(own.mean() - entropy) < ERRORS * standard_error(own)
    assert ((x.mean(0) - mean).abs() < ERRORS * standard_error(x)).all()


def test_draws_of_a_trained_flow_pass_the_two_sample_test_that_a_normal_fails():
    fit = fitted("maf", "two_moons", steps=800)
    (x,) = fit.task.data.test
    draws = fit.sample(1000, seed=3)["x"]
    assert draws.shape == (1000, 2)
    normal = torch.distributions.MultivariateNormal(x.mean(0), torch.cov(x.mT))
    with isolated(seed=0):
        gaussian = normal.sample((1000,))
    neighbours = KNeighborsClassifier(15)
    found, worse = (classifier(y, x[:1000], neighbours) for y in (draws, gaussian))
    assert found.value < 0.5 + ERRORS * found.se
    assert worse.value > 0.5 + ERRORS * worse.se


def test_a_fit_is_scored_exactly_on_test_rows():
    fit = fitted("maf", "rings", steps=50)
    found = zoo.evaluate(fit, metrics=["elbo"])
    with torch.no_grad():
        exact = fit.model.log_evidence(*fit.task.split("test"))
    assert found.split == "test"
    assert found["elbo"].value == pytest.approx(float(exact.mean()), rel=IDENTITY)


@pytest.mark.thorough
@pytest.mark.parametrize("data", ["wine_table", "digits_dequantised"])
def test_a_flow_of_a_table_beats_a_normal(data):
    fit = fitted("maf", data, steps=400, batch_size=100, valid_every=10, patience=8)
    (train,), (x,) = fit.task.split("train"), fit.task.split("test")
    v, w = (train - train.mean(0)) / train.std(0), (x - train.mean(0)) / train.std(0)
    normal = torch.distributions.MultivariateNormal(v.mean(0), torch.cov(v.mT))
    with torch.no_grad():
        gain = fit.model.log_evidence(x) - normal.log_prob(w) + train.std(0).log().sum()
    assert gain.mean() > ERRORS * standard_error(gain)
