"""Inputs and exact answers of the hidden tests: tables of all states, autograd, known draws."""

import itertools
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Categorical, kl_divergence

from zoo.homework.api import Finding, Point

TOLERANCE = {torch.float64: 1e-6, torch.float32: 2e-3}


def _normal(point: Point, *shape: int) -> Tensor:
    return torch.randn(shape, generator=point.generator, dtype=torch.float64)


def _uniform(point: Point, *shape: int) -> Tensor:
    return torch.rand(shape, generator=point.generator, dtype=torch.float64)


def _bits(point: Point, *shape: int) -> Tensor:
    return (_uniform(point, *shape) < 0.5).double()


def _cast(point: Point, **tensors: Tensor) -> dict[str, Any]:
    return {name: tensor.to(point.dtype) for name, tensor in tensors.items()}


def _generative(point: Point, bits: int, latents: int) -> dict[str, Tensor]:
    return {
        "b": _normal(point, latents),
        "w": _normal(point, latents, bits),
        "c": _normal(point, bits),
    }


def _states(bits: int) -> Tensor:
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=bits)), dtype=torch.float64)


def _entry(bits: Tensor, activations: Tensor) -> Tensor:
    """The log probability (N,) of bits (N, B), from the normalised table of all 2^B states."""
    size = bits.shape[1]
    table = torch.log_softmax(activations @ _states(size).T, dim=-1).expand(len(bits), -1)
    index = (bits.long() * 2 ** torch.arange(size - 1, -1, -1)).sum(1, keepdim=True)
    return table.gather(1, index).squeeze(1)


def inputs_a(point: Point) -> list[dict[str, Any]]:
    """Three sizes; in the last one some activations are large."""
    calls = []
    for rows, bits, latents in ((4, 3, 2), (3, 5, 4), (6, 4, 3)):
        parameters = _generative(point, bits, latents)
        x, z = _bits(point, rows, bits), _bits(point, rows, latents)
        calls.append(_cast(point, x=x, z=z, **parameters))
    calls[-1]["b"][:2] = torch.tensor([60.0, -60.0])
    calls[-1]["c"][:2] = torch.tensor([60.0, -60.0])
    return calls


def truth_a(x: Tensor, z: Tensor, b: Tensor, w: Tensor, c: Tensor) -> dict[str, Tensor]:
    """From tables of all states of z and of x."""
    x, z, b, w, c = (one.double() for one in (x, z, b, w, c))
    return {"log_p": _entry(z, b) + _entry(x, z @ w + c)}


def _clear(uniform: Tensor, activations: Tensor) -> Tensor:
    """Uniform numbers moved away from the threshold, so that rounding cannot change a bit."""
    p = torch.sigmoid(activations)
    return torch.where((uniform - p).abs() < 0.003, p / 2, uniform)


def inputs_b(point: Point) -> list[dict[str, Any]]:
    """Many rows, so that both values of every bit occur."""
    calls = []
    for rows, bits, latents in ((30, 3, 2), (40, 5, 4)):
        parameters = _generative(point, bits, latents)
        b, w, c = parameters.values()
        u_z = _clear(_uniform(point, rows, latents), b.expand(rows, -1))
        z = (torch.logit(u_z) < b).double()
        u_x = _clear(_uniform(point, rows, bits), z @ w + c)
        calls.append(_cast(point, **parameters, u_z=u_z, u_x=u_x))
    return calls


def truth_b(b: Tensor, w: Tensor, c: Tensor, u_z: Tensor, u_x: Tensor) -> dict[str, Tensor]:
    """A bit is 1 where the logit of its uniform number is below its activation."""
    b, w, c, u_z, u_x = (one.double() for one in (b, w, c, u_z, u_x))
    z = (torch.logit(u_z) < b).double()
    return {"z": z, "x": (torch.logit(u_x) < z @ w + c).double()}


def inputs_c(point: Point) -> list[dict[str, Any]]:
    """Three sizes."""
    calls = []
    for rows, bits, latents in ((5, 3, 2), (2, 4, 3), (8, 2, 4)):
        x, z = _bits(point, rows, bits), _bits(point, rows, latents)
        calls.append(_cast(point, x=x, z=z, **_generative(point, bits, latents)))
        calls[-1]["x"][0], calls[-1]["z"][0] = 1.0, 1.0
    return calls


def truth_c(x: Tensor, z: Tensor, b: Tensor, w: Tensor, c: Tensor) -> dict[str, Tensor]:
    """Autograd of the mean entry of the tables."""
    leaves = [one.double().requires_grad_() for one in (b, w, c)]
    value = truth_a(x, z, *leaves)["log_p"].mean()
    return dict(zip(("b", "w", "c"), torch.autograd.grad(value, leaves), strict=True))


def inputs_d(point: Point) -> list[dict[str, Any]]:
    """Three sizes."""
    calls = []
    for rows, bits, latents in ((5, 3, 2), (2, 4, 3), (8, 2, 4)):
        x, z = _bits(point, rows, bits), _bits(point, rows, latents)
        v, a = _normal(point, bits, latents), _normal(point, latents)
        calls.append(_cast(point, x=x, z=z, v=v, a=a))
        calls[-1]["x"][0] = 1.0
    return calls


def truth_d(x: Tensor, z: Tensor, v: Tensor, a: Tensor) -> dict[str, Tensor]:
    """Autograd of the mean entry of the tables."""
    leaves = [one.double().requires_grad_() for one in (v, a)]
    value = _entry(z.double(), x.double() @ leaves[0] + leaves[1]).mean()
    return dict(zip(("v", "a"), torch.autograd.grad(value, leaves), strict=True))


def inputs_e(point: Point) -> list[dict[str, Any]]:
    """Known draws, more dreams than rows, and the matrices that the known slopes are made with."""
    calls = []
    for rows, bits, latents, rate in ((5, 3, 2, 0.3), (4, 2, 3, 1.5)):
        draws = {
            "x": _bits(point, rows, bits),
            "z": _bits(point, rows, latents),
            "x_dream": _bits(point, rows + 3, bits),
            "z_dream": _bits(point, rows + 3, latents),
        }
        # The first rows differ, and the dreams that are one too many are like no others.
        draws["x"][0], draws["x_dream"][0] = 1.0, 0.0
        draws["z"][0], draws["z_dream"][0] = 0.0, 1.0
        mixes = {"mix_x": _normal(point, bits, bits), "mix_z": _normal(point, latents, latents)}
        other = {"v": _normal(point, bits, latents), "a": _normal(point, latents)}
        call = _cast(point, **draws, **mixes, **_generative(point, bits, latents), **other)
        calls.append({**call, "rate": rate})
    return calls


def _stepped(call: dict[str, Any]) -> dict[str, Tensor]:
    """All parameters after the step, from the slopes that the driver's functions return."""
    t = {name: one.double() for name, one in call.items() if isinstance(one, Tensor)}
    rate, rows = call["rate"], len(t["x"])
    x, z = t["x"].mean(0) @ t["mix_x"], t["z"].mean(0) @ t["mix_z"]
    x_dream = t["x_dream"][:rows].mean(0) @ t["mix_x"]
    z_dream = (t["z_dream"][:rows].mean(0) @ t["mix_z"]) ** 2
    return {
        "b": t["b"] + rate * z,
        "w": t["w"] + rate * torch.einsum("h,d->hd", z, x),
        "c": t["c"] + rate * x,
        "v": t["v"] + rate * torch.einsum("d,h->dh", x_dream, z_dream),
        "a": t["a"] + rate * z_dream,
    }


def judge_e(calls: list[dict[str, Any]], outputs: list[dict[str, Tensor]]) -> dict[str, Finding]:
    """The generative and the recognition parameters, each against the known step."""
    phases = {"wake phase": ("b", "w", "c"), "sleep phase": ("v", "a")}
    tolerance = TOLERANCE[calls[0]["x"].dtype]
    truths = [_stepped(call) for call in calls]
    return {
        concept: Finding.error(
            max(
                _error(output[name], truth[name])
                for output, truth in zip(outputs, truths, strict=True)
                for name in names
            ),
            tolerance,
        )
        for concept, names in phases.items()
    }


def _error(found: Tensor, truth: Tensor) -> float:
    """The largest relative error; infinite where something is not a number."""
    error = (found.double() - truth).abs().max() / (1 + truth.abs().max())
    return error.item() if bool(error.isfinite()) else float("inf")


def inputs_f(point: Point) -> list[dict[str, Any]]:
    """Three sizes; log p(x, z) is normalised over the whole table."""
    calls = []
    for x, z in ((8, 4), (2, 8), (16, 2)):
        # States of x with very different probabilities: their weights matter.
        values = 1.5 * _normal(point, x, z) + 2 * torch.linspace(-1, 1, x).unsqueeze(1)
        log_joint = values.flatten().log_softmax(0).view(x, z)
        log_q = (1.5 * _normal(point, x, z)).log_softmax(1)
        calls.append(_cast(point, log_joint=log_joint, log_q=log_q))
    return calls


def truth_f(log_joint: Tensor, log_q: Tensor) -> dict[str, Tensor]:
    """The divergences of two tables of categorical distributions, averaged over p(x)."""
    posterior, q = Categorical(logits=log_joint.double()), Categorical(logits=log_q.double())
    weights = log_joint.double().exp().sum(1)
    return {
        "exclusive": weights @ kl_divergence(q, posterior),
        "inclusive": weights @ kl_divergence(posterior, q),
    }


def inputs_g(point: Point) -> list[dict[str, Any]]:
    """Three sizes; in the last one the probabilities are far below the smallest float32."""
    calls = []
    for particles, rows, level in ((3, 2, -2.0), (5, 4, -4.0), (2, 3, -300.0)):
        log_p, log_q = _normal(point, particles, rows), _normal(point, particles, rows)
        calls.append(_cast(point, log_p=log_p + level, log_q=log_q + level))
    return calls


def truth_g(log_p: Tensor, log_q: Tensor) -> dict[str, Tensor]:
    """Each weight is one over the sum of the ratios of all weights to it."""
    log_w = log_p.double() - log_q.double()
    weights = 1 / (log_w.unsqueeze(0) - log_w.unsqueeze(1)).exp().sum(1)
    slope = -weights / log_w.shape[1]
    return {"log_p": slope, "log_q": slope}
