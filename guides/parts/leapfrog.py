"""The leapfrog integrator of Hamilton's equations, on a list of tensors.

    v <- v + (e / 2) grad log p(u),   u <- u + e v,   v <- v + (e / 2) grad log p(u)

Every line moves one of the two by a function of the other: the map from (u, v) preserves volume
whatever the step e is, as long as e depends on neither, and the same steps from (u', -v') lead
back to (u, -v).
Source: Neal 2011, "MCMC using Hamiltonian dynamics".
"""

from collections.abc import Callable, Sequence

from torch import Tensor

State = tuple[list[Tensor], list[Tensor], list[Tensor]]


def leapfrog(
    u: Sequence[Tensor],
    v: Sequence[Tensor],
    pull: Sequence[Tensor],
    steps: Sequence[Tensor],
    gradient: Callable[[Sequence[Tensor]], Sequence[Tensor]],
    count: int,
) -> State:
    """`count` leapfrog steps.

    Args:
        u: positions.
        v: momenta, of the same shapes.
        pull: the gradient at u, which is known already.
        steps: step sizes e; each broadcasts to a position.
        gradient: u -> gradient of the log density.
        count: number of steps, each of which takes the gradient once.

    Returns:
        Positions and momenta at the end, and the gradient there.
    """
    at, moving, slope = list(u), list(v), list(pull)
    for _ in range(count):
        half = [m + e * g / 2 for m, e, g in zip(moving, steps, slope, strict=True)]
        at = [x + e * m for x, e, m in zip(at, steps, half, strict=True)]
        slope = list(gradient(at))
        moving = [m + e * g / 2 for m, e, g in zip(half, steps, slope, strict=True)]
    return at, moving, slope
