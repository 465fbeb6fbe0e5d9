"""Random small models with posteriors in closed form: what the verdict is tested on."""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from benchmarks.evaluation.verdict_truths import Problem, randn, uniform, whole


def normal_mean(g: torch.Generator) -> Problem:
    wide, noise, n = uniform(g, 1, 10), uniform(g, 0.5, 2), whole(g, 2, 20)

    def model(x: Tensor) -> None:
        mu = pyro.sample("mu", dist.Normal(0.0, wide))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mu, noise), obs=x)

    x = uniform(g, -2, 2) + noise * randn(g, n)
    precision = wide**-2 + n * noise**-2
    mean, sd = x.sum() / noise**2 / precision, torch.tensor(precision**-0.5)
    return Problem(model, (x,), {"mu": (mean[None], sd[None])}, (x + noise,))


def regression(g: torch.Generator) -> Problem:
    d, wide, alike = whole(g, 2, 4), uniform(g, 1, 5), uniform(g, 0, 0.98)
    n = d + whole(g, 2, 20)

    def model(x: Tensor, y: Tensor) -> None:
        w = pyro.sample("w", dist.Normal(torch.zeros(d), wide).to_event(1))
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal((w * x).sum(-1), 1.0), obs=y)

    x = alike**0.5 * randn(g, n, 1) + (1 - alike) ** 0.5 * randn(g, n, d)
    y = x @ randn(g, d) + randn(g, n)
    cov = torch.linalg.inv(x.T @ x + torch.eye(d) / wide**2)
    truth = {"w": (cov @ x.T @ y, cov.diagonal().sqrt())}
    return Problem(model, (x, y), truth, (x, y + x[:, 0]))


def coin(g: torch.Generator) -> Problem:
    a, b, n = uniform(g, 0.8, 4), uniform(g, 0.8, 4), whole(g, 2, 30)

    def model(x: Tensor) -> None:
        p = pyro.sample("p", dist.Beta(a, b))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Bernoulli(p), obs=x)

    x = torch.bernoulli(torch.full((n,), uniform(g, 0.1, 0.9)), generator=g)
    exact = dist.Beta(a + x.sum(), b + n - x.sum())
    truth = {"p": (exact.mean[None], exact.variance.sqrt()[None])}
    return Problem(model, (x,), truth, (1 - x,))


def rate(g: torch.Generator) -> Problem:
    a, b, n = uniform(g, 1, 4), uniform(g, 0.3, 2), whole(g, 1, 15)

    def model(x: Tensor) -> None:
        lam = pyro.sample("lam", dist.Gamma(a, b))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Poisson(lam), obs=x)

    x = torch.poisson(torch.full((n,), uniform(g, 0.3, 4)), generator=g)
    exact = dist.Gamma(a + x.sum(), b + n)
    truth = {"lam": (exact.mean[None], exact.variance.sqrt()[None])}
    return Problem(model, (x,), truth, (x + 1,))


def shares(g: torch.Generator) -> Problem:
    prior = torch.full((3,), uniform(g, 0.8, 3))

    def model(counts: Tensor) -> None:
        p = pyro.sample("p", dist.Dirichlet(prior))
        pyro.sample("x", dist.Multinomial(total_count=int(counts.sum()), probs=p), obs=counts)

    counts = torch.poisson(torch.tensor([1.0, 3.0, 5.0]) * uniform(g, 0.5, 4), generator=g)
    counts[0] += 1
    exact = dist.Dirichlet(prior + counts)
    return Problem(model, (counts,), {"p": (exact.mean, exact.variance.sqrt())}, (counts.flip(0),))
