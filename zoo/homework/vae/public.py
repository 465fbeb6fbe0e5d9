"""What a student can check alone: properties of right answers, never the answers."""

from collections.abc import Callable, Iterator

import pyro
import torch
from pyro import poutine
from torch import Tensor

from zoo.homework.api import Check

Function = Callable[..., Tensor]
SMALL = 1e-4
X = torch.tensor([[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
LOC = torch.tensor([[0.4, -1.0], [0.8, 0.3], [-0.6, 1.2]])
SCALE = torch.tensor([[0.5, 0.7], [0.4, 0.9], [1.3, 0.6]])
WEIGHT = torch.tensor([[1.0, 0.5], [-0.3, 0.8], [0.2, -1.0], [-0.9, 0.4]])
BIAS = torch.tensor([0.2, -0.5, 0.1, 0.4])
EPS = torch.tensor(
    [[[0.3, -1.2], [1.5, 0.2], [-0.7, 0.9]], [[0.1, 0.8], [-0.4, -1.1], [1.2, 0.6]]]
)


def _close(a: Tensor, b: Tensor) -> bool:
    close = a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=SMALL, atol=SMALL)
    return bool(close)


def _shape(name: str, got: Tensor, want: tuple[int, ...]) -> Check:
    hint = f"Expected {name} of shape {want}; got {tuple(got.shape)}."
    return Check("shape", got.shape == want, hint)


def check_a(function: Function) -> Iterator[Check]:
    """Probabilities of all pictures sum to 1; large logits stay finite."""
    pictures = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4)
    logits = torch.tensor([0.5, -1.0, 2.0, 0.1]).expand(16, 4)
    value = function(logits, pictures)
    yield _shape("log_likelihood", value, (16,))
    hint = "The probabilities of all 16 pictures of 4 pixels must sum to 1."
    yield Check("log likelihood", _close(value.exp().sum(), torch.ones(())), hint)
    sure = function(300.0 * (2 * X - 1), X)
    hint = "If every logit agrees strongly with its pixel the log likelihood must be 0."
    yield Check("log likelihood", _close(sure, torch.zeros(3)), hint)
    against = function(300.0 * (1 - 2 * X), X)
    hint = "If large logits contradict the pixels the log likelihood must be finite."
    yield Check("large logits", bool(against.isfinite().all()), hint)


def check_b(function: Function) -> Iterator[Check]:
    """0 at the prior, positive elsewhere."""
    value = function(LOC, SCALE)
    yield _shape("kl", value, (3,))
    hint = "The KL divergence must be positive where q is not the prior."
    yield Check("KL divergence", bool((value > 0).all()), hint)
    hint = "The KL divergence must be 0 where q is the prior."
    nothing = function(torch.zeros(3, 2), torch.ones(3, 2))
    yield Check("KL divergence", _close(nothing, torch.zeros(3)), hint)
    hint = "The sign of the means must not matter."
    yield Check("KL divergence", _close(function(-LOC, SCALE), value), hint)


def check_c(function: Function) -> Iterator[Check]:
    """A mean over draws, picture by picture, with gradients."""
    loc, weight = LOC.clone().requires_grad_(), WEIGHT.clone().requires_grad_()
    scale = torch.tensor(0.6)
    elbo = function(EPS, X, loc, scale, weight, BIAS)
    yield _shape("elbo", elbo, (3,))
    yield Check("ELBO", bool((elbo < 0).all()), "The ELBO of binary pictures must be negative.")
    doubled = function(torch.cat([EPS, EPS]), X, loc, scale, weight, BIAS)
    hint = "Giving every draw twice must leave the ELBO as it is."
    yield Check("ELBO", _close(doubled, elbo), hint)
    turned = function(EPS.flip(1), X.flip(0), loc.flip(0), scale, weight, BIAS)
    hint = "Pictures in another order must have the same ELBOs in that order."
    yield Check("ELBO", _close(turned.flip(0), elbo), hint)
    hint = "Autograd finds no gradient."
    for name, leaf in (("gradient in loc", loc), ("gradient in weight", weight)):
        yield Check(name, _reached(elbo.sum(), leaf), hint)


def _reached(objective: Tensor, leaf: Tensor) -> bool:
    if not objective.requires_grad:
        return False
    (found,) = torch.autograd.grad(objective, leaf, allow_unused=True, retain_graph=True)
    return found is not None and bool(found.isfinite().all())


def _program_checks(function: Function, *inputs: Tensor) -> Iterator[Check]:
    trace = poutine.trace(function).get_trace(X, 12, *inputs)
    yield _shape("z", trace.nodes["_RETURN"]["value"], (3, 2))
    yield Check("prior or mean", "z" in trace.nodes, 'The program must have a site "z".')
    if "z" in trace.nodes:
        trace.compute_log_prob()
        names = [frame.name for frame in trace.nodes["z"]["cond_indep_stack"]]
        hint = 'The site "z" must be inside the plate "data" and nothing else.'
        yield Check("plate", names == ["data"], hint)
        yield _shape("the log density of z", trace.nodes["z"]["log_prob"], (3,))


def check_d(function: Function) -> Iterator[Check]:
    """The sites, their plate and their shapes."""
    yield from _program_checks(function, WEIGHT, BIAS)
    trace = poutine.trace(function).get_trace(X, 12, WEIGHT, BIAS)
    hint = 'The program must observe the pictures at a site "x".'
    yield Check("likelihood", "x" in trace.observation_nodes, hint)


def check_e(function: Function) -> Iterator[Check]:
    """The site, its plate and its shape; without weights q is the prior."""
    hidden, loc, log_scale = torch.ones(5, 4), torch.zeros(2, 5), torch.zeros(2, 5)
    yield from _program_checks(function, hidden, loc, log_scale)
    trace = poutine.trace(function).get_trace(X, 12, hidden, loc, log_scale)
    if "z" in trace.nodes:
        q = trace.nodes["z"]["fn"]
        hint = "With all weights 0, q must be a standard normal."
        yield Check("mean", _close(q.mean, torch.zeros(3, 2)), hint)
        yield Check("scale", _close(q.variance, torch.ones(3, 2)), hint)


def check_f(function: Callable[..., tuple[Tensor, ...]]) -> Iterator[Check]:
    """Shapes and scales, on pictures of bars."""
    pyro.clear_param_store()
    bars = torch.eye(4).repeat_interleave(4, 1)[torch.arange(120) % 4]
    for learned in (False, True):
        results = function(bars, bars[:6], latent=2, hidden=8, learned=learned)
        wanted = ((6, 2), (6, 2), (8, 2), (8,), (16, 8), (16,))
        for got, shape in zip(results, wanted, strict=True):
            yield _shape("a result", got, shape)
        scale = results[1]
        yield Check("gap", bool((scale > 0).all()), "Every scale must be positive.")
        same = bool((scale == scale[0, 0]).all())
        hint = "The scales must all be the same if and only if they are not learned."
        yield Check("gap", same is not learned, hint)
    pyro.clear_param_store()


def check_g(function: Function) -> Iterator[Check]:
    """Shape, values, and what an unbiased decoder without weights gives."""
    x = function(2000, WEIGHT, BIAS)
    yield _shape("x", x, (2000, 4))
    hint = "Every pixel must be 0 or 1."
    yield Check("binary", bool(((x == 0) | (x == 1)).all()), hint)
    fair = function(2000, 0 * WEIGHT, 0 * BIAS).double().mean()
    hint = "With weight 0 and bias 0, half of all pixels must be on."
    yield Check("single pixels", abs(float(fair) - 0.5) < 0.03, hint)
    linked = function(2000, 50 * WEIGHT[:1].expand(4, 2), 0 * BIAS)
    together = (linked == linked[:, :1]).double().mean()
    hint = "If all pixels have the same large weights they must be on or off together."
    yield Check("pairs of pixels", float(together) > 0.95, hint)


def check_h(function: Function) -> Iterator[Check]:
    """Where the walk passes its start, and where the latent does not matter."""
    z, values = torch.tensor([0.5, -1.0]), torch.tensor([-1.0, 0.0, 2.0])
    walk = function(z, 1, values, WEIGHT, BIAS)
    yield _shape("probabilities", walk, (3, 4))
    inside = bool(((walk >= 0) & (walk <= 1)).all())
    yield Check("walk", inside, "The results must be probabilities.")
    other = function(z, 0, z[:1], WEIGHT, BIAS)
    hint = "Setting a latent to the value that it has must change nothing."
    yield Check("walk", _close(other, walk[:1]), hint)
    flat = WEIGHT * torch.tensor([1.0, 0.0])
    still = function(z, 1, values, flat, BIAS)
    hint = "A latent that the decoder does not use must change nothing."
    yield Check("walk", _close(still, still[:1].expand(3, 4)), hint)
