"""Random small models with posteriors by quadrature: what the verdict is tested on."""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from benchmarks.evaluation.verdict_truths import (
    POINTS,
    Problem,
    from_grid,
    gaussian_given,
    mixed,
    of_line,
    of_plane,
    randn,
    uniform,
    whole,
)


def logistic(g: torch.Generator) -> Problem:
    wide, n = uniform(g, 1, 3), whole(g, 4, 40)

    def model(x: Tensor, y: Tensor) -> None:
        w = pyro.sample("w", dist.Normal(torch.zeros(2), wide).to_event(1))
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Bernoulli(logits=(w * x).sum(-1)), obs=y)

    x = randn(g, n, 2) @ torch.tensor([[1.0, 0.0], [uniform(g, 0, 1), 1.0]])
    y = torch.bernoulli(torch.sigmoid(x @ randn(g, 2) * wide), generator=g)

    def log_density(w: Tensor) -> Tensor:
        fitted = dist.Bernoulli(logits=w @ x.T).log_prob(y).sum(-1)
        return fitted + dist.Normal(0.0, wide).log_prob(w).sum(-1)

    truth = {"w": of_plane(log_density, -6 * wide, 6 * wide)}
    return Problem(model, (x, y), truth, (x, 1 - y))


def location_scale(g: torch.Generator) -> Problem:
    n, wide, spread = whole(g, 3, 20), uniform(g, 1, 5), uniform(g, 1, 3)

    def model(x: Tensor) -> None:
        mu = pyro.sample("mu", dist.Normal(0.0, wide))
        sigma = pyro.sample("sigma", dist.HalfNormal(spread))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mu, sigma), obs=x)

    x = uniform(g, -2, 2) + uniform(g, 0.5, 2) * randn(g, n)
    sigma = torch.linspace(0.02, 6 * spread, POINTS)
    design, cov = torch.ones(POINTS, n, 1), torch.full((POINTS, 1, 1), wide**2)
    found = gaussian_given(design, sigma[:, None].expand(-1, n), x, torch.zeros(POINTS, 1), cov)
    log_density = found[0] + dist.HalfNormal(spread).log_prob(sigma)
    truth = {
        "mu": mixed(log_density, found[1], found[2][:, 0].sqrt()),
        "sigma": from_grid(log_density, sigma[:, None]),
    }
    return Problem(model, (x,), truth, (2 * x + 1,))


def schools(g: torch.Generator) -> Problem:
    """Groups of one mean and spread; the effects as they are, or as multiples of the spread."""
    groups, wide, spread = whole(g, 2, 5), uniform(g, 1, 5), uniform(g, 1, 4)
    centred = whole(g, 0, 1) == 1
    noise = 0.5 + 2 * torch.rand(groups, generator=g)

    def model(y: Tensor) -> None:
        mu = pyro.sample("mu", dist.Normal(0.0, wide))
        tau = pyro.sample("tau", dist.HalfNormal(spread))
        with pyro.plate("groups", groups):
            if centred:
                theta = pyro.sample("theta", dist.Normal(mu, tau))
            else:
                theta = mu + tau * pyro.sample("eta", dist.Normal(0.0, 1.0))
            pyro.sample("y", dist.Normal(theta, noise), obs=y)

    y = uniform(g, -2, 2) + uniform(g, 0.2, spread) * randn(g, groups) + noise * randn(g, groups)
    tau = torch.linspace(0.002, 6 * spread, POINTS)
    ones, eye = torch.ones(POINTS, groups, 1), torch.eye(groups).expand(POINTS, -1, -1)
    design = torch.cat([ones, eye if centred else eye * tau[:, None, None]], -1)
    cov = torch.eye(groups + 1).repeat(POINTS, 1, 1)
    cov[:, 0, 0] = wide**2
    if centred:  # b = (mu, theta - mu)
        cov[:, 1:, 1:] = eye * tau.square()[:, None, None]
    prior = torch.zeros(POINTS, groups + 1)
    evidence, mean, after = gaussian_given(design, noise.expand(POINTS, -1), y, prior, cov)
    if centred:
        turn = torch.eye(groups + 1)
        turn[1:, 0] = 1.0
        mean, after = mean @ turn.T, turn @ after @ turn.T
    log_density = evidence + dist.HalfNormal(spread).log_prob(tau)
    means, sds = mixed(log_density, mean, after.diagonal(dim1=-2, dim2=-1).clamp(min=0).sqrt())
    truth = {
        "mu": (means[:1], sds[:1]),
        "tau": from_grid(log_density, tau[:, None]),
        "theta" if centred else "eta": (means[1:], sds[1:]),
    }
    return Problem(model, (y,), truth, (3 * y + 2,))


def funnel(g: torch.Generator) -> Problem:
    """v, and numbers whose sd is exp(v / 2), each seen with noise."""
    count, wide, noise = whole(g, 1, 3), uniform(g, 0.5, 2), uniform(g, 0.5, 2)

    def model(y: Tensor) -> None:
        v = pyro.sample("v", dist.Normal(0.0, wide))
        with pyro.plate("numbers", count):
            x = pyro.sample("x", dist.Normal(0.0, (v / 2).exp()))
            pyro.sample("y", dist.Normal(x, noise), obs=y)

    y = noise * randn(g, count) + uniform(g, 0, 3) * randn(g, count)
    v = torch.linspace(-8 * wide, 8 * wide, POINTS)
    variance = v.exp()[:, None]
    seen = dist.Normal(0.0, (variance + noise**2).sqrt()).log_prob(y).sum(-1)
    log_density = seen + dist.Normal(0.0, wide).log_prob(v)
    gain = variance / (variance + noise**2)
    truth = {
        "v": from_grid(log_density, v[:, None]),
        "x": mixed(log_density, gain * y, (gain.sqrt() * noise).expand(-1, count)),
    }
    return Problem(model, (y,), truth, (3 * y + 1,))


def square(g: torch.Generator) -> Problem:
    """A number seen by its square, nearly: two modes, of equal or of different mass."""
    wide, noise, tilt = uniform(g, 1, 3), uniform(g, 0.5, 2), uniform(g, 0, 0.3)

    def model(x: Tensor) -> None:
        z = pyro.sample("z", dist.Normal(0.0, wide))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z**2 / 2 + tilt * z, noise), obs=x)

    x = uniform(g, -1, 4) + noise * randn(g, whole(g, 1, 6))

    def log_density(z: Tensor) -> Tensor:
        seen = dist.Normal((z**2 / 2 + tilt * z)[:, None], noise).log_prob(x).sum(-1)
        return seen + dist.Normal(0.0, wide).log_prob(z)

    return Problem(model, (x,), {"z": of_line(log_density, -8 * wide, 8 * wide)}, (x + 2,))


def clusters(g: torch.Generator) -> Problem:
    """A location of Student-t noise, with data in two places: one mode or two, heavy tails."""
    freedom, scale, apart = uniform(g, 1, 4), uniform(g, 0.3, 1), uniform(g, 0, 5)

    def model(x: Tensor) -> None:
        z = pyro.sample("z", dist.Normal(0.0, 5.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.StudentT(freedom, z, scale), obs=x)

    x = scale * randn(g, whole(g, 2, 7)) + uniform(g, -2, 2)
    x[: len(x) // 2] += apart

    def log_density(z: Tensor) -> Tensor:
        seen = dist.StudentT(freedom, z[:, None], scale).log_prob(x).sum(-1)
        return seen + dist.Normal(0.0, 5.0).log_prob(z)

    return Problem(model, (x,), {"z": of_line(log_density, -40, 40)}, (x + 1,))


def banana(g: torch.Generator) -> Problem:
    bend, width, noise = uniform(g, 0, 1.5), uniform(g, 0.3, 1), uniform(g, 0.5, 2)

    def model(y: Tensor) -> None:
        a = pyro.sample("a", dist.Normal(0.0, 1.0))
        b = pyro.sample("b", dist.Normal(bend * a**2, width))
        pyro.sample("y", dist.Normal(a + b, noise), obs=y)

    y = torch.tensor(uniform(g, -1, 3))

    def log_density(z: Tensor) -> Tensor:
        a, b = z.unbind(-1)
        prior = dist.Normal(0.0, 1.0).log_prob(a) + dist.Normal(bend * a**2, width).log_prob(b)
        return prior + dist.Normal(a + b, noise).log_prob(y)

    mean, sd = of_plane(log_density, -8, 16)
    truth = {"a": (mean[:1], sd[:1]), "b": (mean[1:], sd[1:])}
    return Problem(model, (y,), truth, (y + 2,))


def islands(g: torch.Generator) -> Problem:
    """A likelihood of two hills in the plane, of any share and at any distance."""
    apart, share, width = uniform(g, 0, 6), uniform(g, 0.05, 0.95), uniform(g, 0.5, 1.2)
    place = torch.tensor([[0.0, 0.0], [apart, 0.5 * apart]])

    def hills(z: Tensor, place: Tensor) -> Tensor:
        each = dist.Normal(place, width).log_prob(z.unsqueeze(-2)).sum(-1)
        return (each + torch.tensor([1 - share, share]).log()).logsumexp(-1)

    def model(place: Tensor) -> None:
        z = pyro.sample("z", dist.Normal(torch.zeros(2), 4.0).to_event(1))
        pyro.factor("hills", hills(z, place))

    def log_density(z: Tensor) -> Tensor:
        return hills(z, place) + dist.Normal(0.0, 4.0).log_prob(z).sum(-1)

    truth = {"z": of_plane(log_density, -8, 16)}
    return Problem(model, (place,), truth, (place + 1,))
