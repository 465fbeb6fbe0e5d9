"""The same models written by hand in plain PyTorch, with one fused Adam."""

import math
import time

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus


class SchoolsLoss(nn.Module):
    """Negative ELBO of the centred eight schools under a mean-field normal, one particle."""

    def __init__(self, sigma, y):
        super().__init__()
        self.sigma, self.y = sigma, y
        self.loc = nn.Parameter(torch.zeros(10))
        self.raw = nn.Parameter(torch.full((10,), -2.0))

    def forward(self):
        scale = softplus(self.raw)
        noise = torch.randn(10)
        u = self.loc + scale * noise
        mu, log_tau, theta = u[0], u[1], u[2:]
        tau = log_tau.exp()
        log_p = -0.5 * (mu / 5) ** 2 - math.log(5)
        log_p = log_p + math.log(2 / (5 * math.pi)) - torch.log1p((tau / 5) ** 2) + log_tau
        log_p = log_p - 0.5 * (((theta - mu) / tau) ** 2).sum() - 8 * log_tau
        log_p = log_p - 0.5 * (((self.y - theta) / self.sigma) ** 2).sum()
        return -(log_p + 0.5 * (noise**2).sum() + scale.log().sum())


class VAELoss(nn.Module):
    """Negative ELBO of the Bernoulli VAE with a diagonal encoder, scaled to the full data."""

    def __init__(self, features, hidden, latent, size):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(features, hidden), nn.ReLU())
        self.head = nn.Linear(hidden, 2 * latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, features)
        )
        self.size = size

    def forward(self, x):
        loc, raw = self.head(self.body(x)).chunk(2, -1)
        scale = softplus(raw) + 1e-6
        noise = torch.randn_like(loc)
        z = loc + scale * noise
        reconstruction = binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        kl = (0.5 * z**2 - 0.5 * noise**2 - scale.log()).sum()
        return (reconstruction + kl) * (self.size / len(x))


def time_schools(sigma, y, steps: int, *, compiled: bool) -> float:
    """Seconds a step."""
    loss = SchoolsLoss(sigma, y)
    return _time(loss, lambda i: (), 0.01, steps, compiled=compiled)


def time_vae(x, batch: int, hidden: int, latent: int, steps: int, *, compiled: bool) -> float:
    """Seconds a step, minibatch gathered in the loop."""
    order = torch.randperm(len(x))[: len(x) // batch * batch].reshape(-1, batch)
    loss = VAELoss(x.shape[1], hidden, latent, len(x))
    return _time(loss, lambda i: (x[order[i % len(order)]],), 1e-3, steps, compiled=compiled)


def _time(loss, batch, lr: float, steps: int, *, compiled: bool) -> float:
    optimizer = torch.optim.Adam(loss.parameters(), lr=lr, fused=True)
    forward = torch.compile(loss) if compiled else loss

    def run(count: int) -> float:
        begin = time.perf_counter()
        for i in range(count):
            optimizer.zero_grad(set_to_none=True)
            forward(*batch(i)).backward()
            optimizer.step()
        return (time.perf_counter() - begin) / count

    run(20)
    return min(run(steps) for _ in range(3))
