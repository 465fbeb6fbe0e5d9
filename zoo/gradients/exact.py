"""The reference gradient of an estimator: an exact sum over states, or the mean of a long run."""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from zoo.compile.verify import gradient_of
from zoo.gradients.bias import Reference
from zoo.gradients.fixed_program import FixedProgram
from zoo.gradients.moments import Moments, moments
from zoo.latents import Latents
from zoo.latents.enumeration import LIMIT, elements, joint_states
from zoo.objectives import (
    CIWAE,
    IWAE,
    VIMCO,
    DoublyReparameterised,
    Enumerate,
    LeaveOneOut,
    MeanFieldKL,
    Objective,
    Renyi,
    StickingTheLanding,
    Trace,
    VRMax,
)
from zoo.objectives.target import Bound, Compromise, Elbo, Largest, PowerMean, Target
from zoo.pairing.mismatch import mismatch
from zoo.traces import Assign, run, weigh

MOST_TERMS = 2**20  # of a sum over states, for each row
MOST_VALUES_AT_ONCE = 2**21  # rows times terms times particles
PILOT_DRAWS = 256

Build = Callable[[Objective], FixedProgram]


def reference(target: Target, build: Build, draws: int) -> Reference | None:
    """The gradient of a target at fixed parameters.

    Args:
        target: the bounds of the model's and the guide's parameters.
        build: gives the pair at those parameters with any objective.
        draws: number of draws of a long run, where there is no exact sum.

    Returns:
        The reference; it is NaN for parameters without a bound, or whose gradient cannot be
        computed, and None if that is so for all.
    """
    if target.model == target.guide:
        return _of_bound(target.model, build, draws)
    parts = [_of_bound(bound, build, draws) for bound in (target.model, target.guide)]
    known = [part for part in parts if part is not None]
    if not known:
        return None
    groups = build(Trace()).groups
    gradient = torch.full_like(known[0].gradient, math.nan)
    for part, name in zip(parts, ("decoder", "encoder"), strict=True):
        if part is not None:
            gradient[groups[name]] = part.gradient[groups[name]]
    says = "; ".join(dict.fromkeys(part.says for part in known))
    return Reference(gradient, _side_by_side(parts, groups), says)


def _side_by_side(parts: list[Reference | None], groups: dict[str, Tensor]) -> Moments | None:
    """Moments of the decoder from one run and of the encoder from another; 0 spread if exact."""
    runs = [part.moments for part in parts if part is not None and part.moments is not None]
    if not runs:
        return None
    means, squares = torch.zeros_like(runs[0].means), torch.zeros_like(runs[0].squares)
    for part, name in zip(parts, ("decoder", "encoder"), strict=True):
        if part is None:
            continue
        columns = groups[name]
        means[:, columns] = part.gradient[columns]
        if part.moments is not None:
            means[:, columns] = part.moments.means[:, columns]
            squares[columns] = part.moments.squares[columns]
    return replace(runs[0], means=means, squares=squares)


def _of_bound(bound: Bound | None, build: Build, draws: int) -> Reference | None:
    if bound is None:
        return None
    measured = build(Trace())
    states = count_states(measured.program.latents, measured.program.guide)
    if states and bound.terms(states) <= MOST_TERMS:
        says = f"sum over {bound.terms(states)} terms a row"
        return Reference(exact_gradient(measured, bound), None, says)
    return _long_run(bound, build, draws)


def count_states(latents: Latents, guide: Callable) -> int:
    """Number of joint states of one row's latents; 0 if they cannot be summed over."""
    sites = latents.sites
    if mismatch(latents, guide, Enumerate()) is not None:
        return 0
    total = math.prod(site.classes ** math.prod(elements(site, latents)) for site in sites)
    return total if total <= LIMIT else 0


def exact_gradient(measured: FixedProgram, bound: Bound) -> Tensor:
    """The exact gradient of minus a bound, summed over rows, by a sum over all states.

    Returns:
        Nats per unit, float64, shape (parameters,).
    """
    log_p, log_q = tables(measured)
    leaves = [log_p.detach().requires_grad_(), log_q.detach().requires_grad_()]
    rows = max(1, MOST_VALUES_AT_ONCE // (bound.terms(len(log_p)) * bound.particles))
    for start in range(0, log_p.shape[1], rows):
        parts = [leaf[:, start : start + rows] for leaf in leaves]
        bound.exact(*parts).sum().neg().backward()
    grads = torch.autograd.grad(
        (log_p, log_q),
        measured.parameters,
        [gradient_of(leaf) for leaf in leaves],
        allow_unused=True,
        materialize_grads=True,
    )
    return torch.cat([grad.reshape(-1) for grad in grads])


def tables(measured: FixedProgram) -> tuple[Tensor, Tensor]:
    """Log p(x, z) and log q(z | x) of every state, nats, each of shape (states, rows)."""
    program, args = measured.program, measured.rows.args
    states = joint_states(program.latents.sites, program.latents, device=args[0].device)
    pair = program.pair
    with program.handlers(None), Assign(states):
        traces = run(pair.model, pair.guide, args, program.kwargs)
    weights = weigh([traces], pair.latents, rowwise=pair.latents.rowwise)
    return weights.log_p, weights.log_q


def _long_run(bound: Bound, build: Build, draws: int) -> Reference | None:
    """The mean of a long run of the unbiased estimator with the least variance for its cost."""
    runs = []
    for objective in unbiased(bound):
        price = _pilot(objective, build)
        if price is not None:
            runs.append((price, objective))
    if not runs:
        return None
    _, best = min(runs, key=lambda one: one[0])
    measured = build(best)
    found = moments(measured.sampler, draws, measured.groups)
    return Reference(found.mean, found, f"{found.draws} draws of {best}")


def _pilot(objective: Objective, build: Build) -> float | None:
    """Variance times evaluations of an objective; None if it does not suit the pair."""
    pair = build(Trace()).program
    if mismatch(pair.latents, pair.guide, objective) is not None:
        return None
    measured = build(objective)
    found = moments(measured.sampler, PILOT_DRAWS, measured.groups)
    return float(found.variance.sum()) * objective.evaluations(pair.latents)


def unbiased(bound: Bound) -> tuple[Objective, ...]:
    """Objectives that estimate the gradient of the bound without bias, for any pair."""
    match bound:
        case Elbo():
            return StickingTheLanding(), MeanFieldKL(), Trace(), LeaveOneOut(4)
        case PowerMean(particles=count, alpha=0.0) if count > 1:
            return DoublyReparameterised(count), VIMCO(count), IWAE(count)
        case PowerMean(particles=count, alpha=order):
            return (Renyi(count, order),)
        case Compromise(particles=count, beta=share):
            return (CIWAE(count, share),)
        case Largest(particles=count):
            return (VRMax(count),)
    return ()
