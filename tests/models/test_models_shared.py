"""Topic models, matrix factorisation and a Bayesian neural network: densities by plain loops.

What has a posterior with modes that differ by names alone is held to what it predicts, and to what
was planted.
"""

import math

import numpy as np
import pytest
import torch
from cases import MODEL_CASES
from joint import close, log_total
from scipy import stats
from scipy.optimize import linear_sum_assignment

import guides
import zoo
from guides import GUIDES
from zoo.data import DataNotFound, bars, load_data, regression_tables
from zoo.isolation import isolated
from zoo.models.hierarchical.lda import LatentDirichletAllocation
from zoo.models.hierarchical.matrix_factorisation import MatrixFactorisation
from zoo.models.regression.bnn import BayesianNetwork
from zoo.optim.schedules import Cosine


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def agree(model, values, args, expected):
    given = {name: torch.as_tensor(value) for name, value in values.items()}
    close(log_total(model, given, *args), torch.as_tensor(expected))


def topic_model(topics, words=6, mixture_prior=1.0):
    """With the topics given, (K, V)."""
    model = LatentDirichletAllocation(topics.shape[1], words, len(topics), mixture_prior)
    with torch.no_grad():
        model.logits.copy_(torch.as_tensor(topics).log())
    return model.double()


def test_the_topic_model_has_the_density_of_a_plain_loop(rng):
    (x,) = MODEL_CASES["lda"].make()[1]
    topics, theta, expected = rng.dirichlet(np.ones(3), 2), rng.dirichlet(np.ones(2), len(x)), 0.0
    for mixture, counts in zip(theta, x.numpy(), strict=True):
        expected += stats.dirichlet.logpdf(mixture, [1.5] * 2) + math.lgamma(counts.sum() + 1)
        for word, count in enumerate(counts):
            chance = sum(mixture[k] * topics[k, word] for k in range(2))
            expected += count * math.log(chance) - math.lgamma(count + 1)
    agree(topic_model(topics, mixture_prior=1.5), {"theta": theta}, (x,), expected)


def test_the_topic_of_each_word_is_summed_out(rng):
    """All 2^4 assignments of four words in their order, times the orders of the same counts."""
    topics, theta = rng.dirichlet(np.ones(3), 2), rng.dirichlet(np.ones(2))
    words, total = (0, 2, 2, 1), 0.0
    for state in np.ndindex(*(2,) * len(words)):
        total += math.prod(theta[k] * topics[k, w] for k, w in zip(state, words, strict=True))
    orders = math.factorial(4) / math.factorial(2)
    x, given = torch.tensor([[1.0, 1.0, 2.0]]), stats.dirichlet.logpdf(theta, np.ones(2))
    found = log_total(topic_model(topics, 4), {"theta": torch.tensor(theta)[None]}, x)
    close(found - given, torch.tensor(math.log(orders * total)))


def test_topics_without_common_words_have_a_dirichlet_posterior(rng):
    """Each word tells its topic: by Bayes' rule the evidence is that of counts of topics."""
    topics = np.zeros((2, 4))
    topics[0, :2], topics[1, 2:] = (0.3, 0.7), (0.6, 0.4)
    model, counts = topic_model(topics + 1e-300, 9, mixture_prior=0.7), np.array([1, 3, 4, 1])
    by_topic = counts.reshape(2, 2).sum(-1)
    expected = stats.dirichlet_multinomial.logpmf(by_topic, [0.7, 0.7], 9)
    for k, pair in enumerate(counts.reshape(2, 2)):
        expected += stats.multinomial.logpmf(pair, by_topic[k], topics[k, 2 * k : 2 * k + 2])
    x = torch.tensor(counts)[None].double()
    for theta in rng.dirichlet(by_topic + 0.7, 4):
        joint = log_total(model, {"theta": torch.tensor(theta)[None]}, x)
        log_q = stats.dirichlet.logpdf(theta, by_topic + 0.7)
        close(joint - log_q, torch.tensor(expected))


def test_the_bars_are_rows_and_columns():
    planted = bars.topics()
    close(planted.sum(-1), torch.ones(10))
    close(planted[0].reshape(5, 5)[0], torch.full((5,), 0.2))
    close(planted[7].reshape(5, 5)[:, 2], torch.full((5,), 0.2))
    (x,) = load_data("bars").train
    close(x.sum(-1), torch.full((1000,), 100.0))
    error = x.sum(0).std() / 25**0.5
    assert abs(x.sum(0).mean() - 4000) < 5 * error


def test_matrix_factorisation_has_the_density_of_a_plain_loop(rng):
    x, y = (a[:50] for a in load_data("ratings").train)
    user, item = rng.normal(size=(60, 2)), rng.normal(size=(40, 2))
    mu, spread, sigma = 2.5, 0.7, 0.4
    expected = stats.norm.logpdf(mu, 0, 5) + stats.halfnorm.logpdf([spread, sigma]).sum()
    expected += stats.norm.logpdf(user).sum() + stats.norm.logpdf(item, 0, spread).sum()
    for (who, what), rating in zip(x.long().tolist(), y.tolist(), strict=True):
        liked = mu + sum(user[who, d] * item[what, d] for d in range(2))
        expected += stats.norm.logpdf(rating, liked, sigma)
    values = {"mu": mu, "spread": spread, "sigma": sigma, "user": user, "item": item}
    agree(MatrixFactorisation(60, 40), values, (x, y), expected)


@pytest.mark.thorough
def test_ratings_that_were_held_out_are_predicted():
    """RMSE between the noise, 0.4, and the ratings' sd, 1.03; two seeds came to 0.72 and 0.73."""
    task = zoo.load("matrix_factorisation")
    fit = zoo.fit(task, guides.MeanField, steps=3000, lr=1e-2, compile=False)
    x, y = task.split("test")
    who, what = x.long().unbind(-1)
    with isolated(seed=0):
        z = fit.posterior(500)
        liked = z["mu"][:, None] + (z["user"][:, who] * z["item"][:, what]).sum(-1)
        rated = liked + z["sigma"][:, None] * torch.randn_like(liked)
    assert (liked.mean(0) - y).square().mean().sqrt() < 0.75 * y.std()
    low, high = rated.quantile(torch.tensor([0.05, 0.95], dtype=rated.dtype), 0)
    inside = ((low < y) & (y < high)).double().mean()
    assert abs(inside - 0.9) < 4 * (0.9 * 0.1 / len(y)) ** 0.5


def test_given_the_items_each_user_is_a_regression(rng):
    """log p(y, user | rest) - log q(user | rest) is one number, and that of dense normals."""
    x, y = (a[:50] for a in load_data("ratings").train)
    model, mu, sigma = MatrixFactorisation(60, 40), torch.tensor(2.5), torch.tensor(0.4)
    item = torch.tensor(rng.normal(size=(40, 2)))
    rest = {"mu": mu, "spread": torch.tensor(0.7), "sigma": sigma, "item": item}
    q = model.posterior_of_users(x, y, mu, sigma, item)
    expected = stats.norm.logpdf(2.5, 0, 5) + stats.halfnorm.logpdf([0.7, 0.4]).sum()
    expected += stats.norm.logpdf(item, 0, 0.7).sum()
    for who in range(60):
        mine = x[:, 0] == who
        if mine.any():
            seen = item[x[mine, 1].long()].numpy()
            covariance = seen @ seen.T + 0.16 * np.eye(len(seen))
            expected += stats.multivariate_normal.logpdf(
                y[mine].numpy(), np.full(len(seen), 2.5), covariance
            )
    for _ in range(4):
        user = q.sample()
        found = log_total(model, rest | {"user": user}, x, y) - q.log_prob(user).sum()
        close(found, torch.tensor(expected))


def test_a_rotation_of_all_factors_changes_nothing(rng):
    x, y = load_data("ratings").train
    user, item = (torch.tensor(rng.normal(size=(n, 2))) for n in (60, 40))
    turn = torch.linalg.qr(torch.tensor(rng.normal(size=(2, 2))))[0]
    rest = {name: torch.tensor(0.6) for name in ("mu", "spread", "sigma")}
    model = MatrixFactorisation(60, 40)
    as_is = log_total(model, rest | {"user": user, "item": item}, x, y)
    close(log_total(model, rest | {"user": user @ turn, "item": item @ turn}, x, y), as_is)


def test_the_network_has_the_density_of_a_plain_loop(rng):
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    hidden, output, sigma = rng.normal(size=(4, 5)), rng.normal(size=6), 0.7
    expected = stats.norm.logpdf(hidden).sum() + stats.norm.logpdf(output).sum()
    expected += stats.halfnorm.logpdf(sigma)
    for row, value in zip(x, y, strict=True):
        total = output[-1]
        for unit in range(5):
            entered = sum(row[d] * hidden[d, unit] for d in range(3)) + hidden[3, unit]
            total += output[unit] * max(entered / 2.0, 0.0)
        expected += stats.norm.logpdf(value, total / 6**0.5, sigma)
    values = {"hidden": hidden, "output": output, "sigma": sigma}
    agree(BayesianNetwork(3, 5), values, (torch.tensor(x), torch.tensor(y)), expected)


def test_exchanged_and_rescaled_units_predict_the_same(rng):
    """The prior moves with a scale, and not with an exchange."""
    x, y = (torch.tensor(rng.normal(size=shape)) for shape in ((20, 3), (20,)))
    hidden, output = (torch.tensor(rng.normal(size=shape)) for shape in ((4, 5), (6,)))
    model, order = BayesianNetwork(3, 5), torch.tensor([2, 0, 1, 4, 3])
    values = {"hidden": hidden, "output": output, "sigma": torch.tensor(2.0)}
    exchanged = values | {
        "hidden": hidden[:, order],
        "output": torch.cat([output[order], output[-1:]]),
    }
    close(log_total(model, exchanged, x, y), log_total(model, values, x, y))
    scale = torch.tensor([0.5, 2.0, 1.0, 3.0, 0.1])
    rescaled = values | {
        "hidden": hidden * scale,
        "output": torch.cat([output[:-1] / scale, output[-1:]]),
    }
    prior = sum(
        torch.distributions.Normal(0.0, 1.0).log_prob(other[name]).sum() * sign
        for other, sign in ((rescaled, 1), (values, -1))
        for name in ("hidden", "output")
    )
    close(log_total(model, rescaled, x, y) - log_total(model, values, x, y), prior)


@pytest.mark.parametrize("name", regression_tables.TABLES)
def test_a_table_of_the_papers_is_standardised_by_its_train_rows(name, data_folder):
    data, other = load_data(name), load_data(name, seed=1)
    x, y = data.train
    close(y.mean(), torch.tensor(0.0))
    close(y.std(correction=0), torch.tensor(1.0))
    close(x.mean(0), torch.zeros(x.shape[1]))
    assert data.hash != other.hash
    unit, raw = regression_tables.unit_of_y(name), regression_tables.TABLES[name][0]
    with np.load(data_folder / raw) as archive:
        found = np.sort(torch.cat([y, data.test[1]]).numpy() * unit)
        close(
            torch.tensor(found - found[0]),
            torch.tensor(np.sort(archive["y"]) - archive["y"].min()).double(),
        )


def test_a_table_that_is_not_there_says_where_to_put_it(monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    with pytest.raises(DataNotFound, match=r"Put uci_yacht\.npz in the folder"):
        load_data("yacht")


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: LatentDirichletAllocation(1, 5), "vocabulary and topics >= 2"),
        (lambda: LatentDirichletAllocation(3, 5, mixture_prior=0.0), "above 0; got 0.0"),
        (lambda: MatrixFactorisation(3, 0), "got 3, 0 and 2"),
        (lambda: BayesianNetwork(0), "got 0 and 50"),
    ],
)
def test_sizes_that_mean_nothing_are_refused(build, text):
    with pytest.raises(ValueError, match=text):
        build()


@pytest.mark.slow
def test_a_fit_recovers_the_planted_bars():
    """Up to their order, each nearer in total variation than one of its five words weighs."""
    task, falling = zoo.load("lda"), Cosine(2500)
    fit = zoo.fit(
        task, GUIDES["amortised_normal"], steps=2500, lr=1e-2, lr_schedule=falling, compile=False
    )
    found = fit.program.model.topics.detach().double()
    apart = (found[:, None] - bars.topics()).abs().sum(-1) / 2
    pairs = linear_sum_assignment(apart.numpy())
    assert apart[pairs].max() < 1 / bars.SIDE
