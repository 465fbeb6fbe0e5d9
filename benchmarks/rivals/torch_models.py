"""The same models written by hand in plain PyTorch, with one fused Adam."""

import math

import torch
from torch import nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    linear,
    logsigmoid,
    softplus,
)

from benchmarks.rivals.masks import masks
from benchmarks.speed.timing import best_of, device


class SchoolsLoss(nn.Module):
    """Negative ELBO of the centred eight schools under a mean-field normal, one particle."""

    def __init__(self, sigma, y):
        super().__init__()
        self.sigma, self.y = sigma, y
        self.loc = nn.Parameter(torch.zeros(10))
        self.raw = nn.Parameter(torch.full((10,), -2.0))

    def forward(self):
        scale = softplus(self.raw)
        noise = torch.randn_like(self.loc)
        u = self.loc + scale * noise
        mu, log_tau, theta = u[0], u[1], u[2:]
        tau = log_tau.exp()
        log_p = -0.5 * (mu / 5) ** 2 - math.log(5)
        log_p = log_p + math.log(2 / (5 * math.pi)) - torch.log1p((tau / 5) ** 2) + log_tau
        log_p = log_p - 0.5 * (((theta - mu) / tau) ** 2).sum() - 8 * log_tau
        log_p = log_p - 0.5 * (((self.y - theta) / self.sigma) ** 2).sum()
        return -(log_p + 0.5 * (noise**2).sum() + scale.log().sum())


class VAELoss(nn.Module):
    """Negative ELBO of the Bernoulli VAE with a diagonal encoder, scaled to the full data.

    Args:
        size: rows in the full data.
        inputs: numbers that the decoder reads.
        outputs: numbers that the encoder gives.
    """

    def __init__(self, size, inputs=20, outputs=40, features=784, hidden=400):
        super().__init__()
        self.decoder = _network(inputs, hidden, features)
        self.encoder = _network(features, hidden, outputs)
        self.size = size

    def forward(self, x):
        loc, raw = self.encoder(x).chunk(2, -1)
        scale = softplus(raw) + 1e-12
        noise = torch.randn_like(loc)
        z = loc + scale * noise
        kl = (0.5 * z**2 - 0.5 * noise**2 - scale.log()).sum()
        return self.negative(x, z, kl)

    def negative(self, x, z, kl):
        """The loss from a draw and its log q - log p."""
        reconstruction = binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        return (reconstruction + kl) * (self.size / len(x))


def log_mean_weight(loss: VAELoss, x, draws: int, at_once: int):
    """Importance-weighted estimate of log p(x), nats, (rows,); `at_once` draws in a pass."""
    loc, raw = loss.encoder(x).chunk(2, -1)
    scale = softplus(raw) + 1e-12
    parts = []
    for begin in range(0, draws, at_once):
        noise = torch.randn(min(at_once, draws - begin), *loc.shape)
        z = loc + scale * noise
        logits = loss.decoder(z)
        seen = x.expand_as(logits)
        log_p = -binary_cross_entropy_with_logits(logits, seen, reduction="none").sum(-1)
        log_ratio = (0.5 * noise**2 - 0.5 * z**2 + scale.log()).sum(-1)
        parts.append((log_p + log_ratio).logsumexp(0))
    return torch.stack(parts).logsumexp(0) - math.log(draws)


class FlowLoss(VAELoss):
    """The same with two inverse autoregressive steps that read a context from the encoder."""

    def __init__(self, size, latent=20, context=16, hidden=40):
        super().__init__(size, latent, 2 * latent + context)
        self.latent, self.context = latent, context
        self.steps = nn.ModuleList()
        for step in range(2):
            self.steps.append(_network(context + latent, hidden, 2 * latent))
            pair = masks(latent, context, hidden, reverse=step % 2 == 1)
            for name, mask in zip(("first", "second"), pair, strict=True):
                self.register_buffer(f"{name}_{step}", torch.from_numpy(mask))

    def forward(self, x):
        size = self.latent
        loc, raw, context = self.encoder(x).split([size, size, self.context], -1)
        scale = softplus(raw) + 1e-12
        noise = torch.randn_like(loc)
        z, log_det = loc + scale * noise, scale.log().sum()
        for i, net in enumerate(self.steps):
            first, second = getattr(self, f"first_{i}"), getattr(self, f"second_{i}")
            given = torch.cat([context, z], -1)
            hidden = torch.relu(linear(given, net[0].weight * first, net[0].bias))
            mean, logit = linear(hidden, net[2].weight * second, net[2].bias).chunk(2, -1)
            gate = torch.sigmoid(logit + 2)
            z = gate * z + (1 - gate) * mean
            log_det = log_det + logsigmoid(logit + 2).sum()
        kl = (0.5 * z**2 - 0.5 * noise**2).sum() - log_det
        return self.negative(x, z, kl)


class RelaxedLoss(VAELoss):
    """The same with 20 relaxed one-hot vectors of 10 classes, at one temperature."""

    def __init__(self, size, variables=20, classes=10, temperature=0.5):
        super().__init__(size, variables * classes, variables * classes)
        self.shape, self.temperature = (variables, classes), temperature

    def forward(self, x):
        logits = self.encoder(x).unflatten(-1, self.shape)
        logits = logits - logits.logsumexp(-1, keepdim=True)
        eps = torch.finfo(x.dtype).eps
        gumbel = -(-torch.rand_like(logits).clamp(eps, 1 - eps).log()).log()
        log_z = ((logits + gumbel) / self.temperature).log_softmax(-1)
        log_q = (logits - self.temperature * log_z).log_softmax(-1).sum()
        log_p = (-self.temperature * log_z).log_softmax(-1).sum()  # constants cancel
        return self.negative(x, log_z.exp().flatten(-2), log_q - log_p)


LOSSES = {
    "bernoulli_vae/amortised_normal/1": VAELoss,
    "bernoulli_vae/amortised_iaf/1": FlowLoss,
    "categorical_vae/relaxed/1": RelaxedLoss,
}


def _network(inputs, hidden, outputs):
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def time_schools(sigma, y, steps: int, *, way: str) -> float:
    """Seconds a step."""
    loss = SchoolsLoss(sigma.to(device()), y.to(device()))
    return _time(loss, None, 0.01, steps, way)


def time_vae(row: str, x, batch: int, steps: int, *, way: str) -> float:
    """Seconds a step, minibatch gathered in the loop."""
    order = torch.randperm(len(x))[: len(x) // batch * batch].reshape(-1, batch)
    loss, x = LOSSES[row](len(x)), x.to(device())
    return _time(loss, (x, order.to(device())), 1e-3, steps, way)


def _time(loss, data, lr: float, steps: int, way: str) -> float:
    """The fastest of three runs.

    Args:
        loss: the negative ELBO of a minibatch.
        data: all rows, and the row numbers of the minibatches; None where there are none.
        lr: learning rate.
        steps: in a run.
        way: "eager", "compiled", "graph" or "compiled graph".
    """
    loss = loss.to(device())
    recorded = way.endswith("graph")
    optimizer = torch.optim.Adam(loss.parameters(), lr=lr, fused=True, capturable=recorded)
    forward = torch.compile(loss) if way.startswith("compiled") else loss
    picked = None if data is None else data[1][0].clone()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        forward(*(() if data is None else (data[0][picked],))).backward()
        optimizer.step()

    take = _graph_of(step) if recorded else step

    def run(count: int) -> None:
        for i in range(count):
            if data is not None:
                picked.copy_(data[1][i % len(data[1])])
            take()

    return best_of(run, steps, 3)


def _graph_of(step):
    """The whole step as one CUDA graph, as torch's notes on CUDA graphs have it."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay
