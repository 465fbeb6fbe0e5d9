"""The checks that draws must pass before they are a reference.

Source: Vehtari et al. 2021, "Rank-normalization, folding, and localization: an improved R-hat";
Vehtari et al. 2024, "Pareto smoothed importance sampling" (k-hat of the tails).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from zoo.arviz_compat import chain_diagnostics
from zoo.reference.record import Scalars, UnreliableReferenceError
from zoo.reference.tails import tail_shapes

LARGEST_R_HAT = 1.01
SMALLEST_ESS = 1000.0
LARGEST_K_HAT = 0.7
HIGHEST_ACCEPT = 0.999  # target acceptance above which steps are too small to be worth a try


def summarise(values: Scalars, chains: int) -> dict[str, Scalars]:
    """Moments and diagnostics of each scalar: field -> site -> values, of one draw's shape.

    Args:
        values: site -> draws, chain after chain, shape (chains * draws, *shape).
        chains: number of chains.
    """
    found: dict[str, Scalars] = {}
    for name, value in values.items():
        flat = value.reshape(chains, len(value) // chains, -1)
        each = [chain_diagnostics(flat[:, :, i].numpy()) for i in range(flat.shape[-1])]
        columns = {field: torch.tensor([one[field] for one in each]) for field in each[0]}
        columns |= {"mean": flat.mean((0, 1)), "sd": flat.flatten(0, 1).std(0)}
        for field, numbers in columns.items():
            found.setdefault(field, {})[name] = numbers.double().reshape(value.shape[1:])
    return found | tail_shapes(values, found["ess_tail"])


def check(found: Mapping[str, Scalars], divergences: int, accept: float = 0.9) -> None:
    """Checks draws that were made at a target acceptance of `accept`.

    Raises:
        UnreliableReferenceError: unless all checks are passed; names the scalar and a way out.
    """
    if divergences:
        raise UnreliableReferenceError(_diverged(divergences, accept))
    for field, sign, limit in (
        ("r_hat", -1, LARGEST_R_HAT),
        ("ess_bulk", 1, SMALLEST_ESS),
        ("ess_tail", 1, SMALLEST_ESS),
        ("k_mean", -1, LARGEST_K_HAT),
        ("k_sd", -1, LARGEST_K_HAT),
    ):
        for site, numbers in found[field].items():
            for i, value in enumerate(numbers.reshape(-1).tolist()):
                if not sign * value > sign * limit:  # NaN fails too
                    raise UnreliableReferenceError(_sentence(site, i, numbers, field, value))


def _diverged(count: int, accept: float) -> str:
    """What to try after divergent transitions: smaller steps, then another form of the model."""
    form = (
        "sample the scaled sites non-centred (noncentred=, on the command line --noncentred), or "
        "give zoo.reference another form of a site (reparam=, as pyro.poutine.reparam takes it)."
    )
    higher = round(1 - (1 - accept) / 10, 6)
    smaller = f"Take smaller steps: accept={higher:g} (--accept). If that is not enough, {form}"
    return (
        f"Expected no divergent transitions; got {count} at a target acceptance of {accept:g}: "
        f"the chains may have missed a narrow part. "
        + (smaller if accept < HIGHEST_ACCEPT else form[0].upper() + form[1:])
    )


def _sentence(site: str, i: int, numbers: Tensor, field: str, value: float) -> str:
    index = torch.unravel_index(torch.tensor(i), numbers.shape) if numbers.dim() else ()
    scalar = site + (f"[{', '.join(str(int(one)) for one in index)}]" if index else "")
    if field in ("k_mean", "k_sd"):
        return _heavy(scalar, field.removeprefix("k_"), value)
    limit = f"below {LARGEST_R_HAT}" if field == "r_hat" else f"above {SMALLEST_ESS:.0f}"
    return (
        f"Expected {field} {limit} for every scalar; got {value:.4g} for {scalar}. Raise draws or "
        "warmup, or sample scaled sites non-centred (noncentred=, on the command line "
        "--noncentred)."
    )


def _heavy(scalar: str, moment: str, value: float) -> str:
    return (
        f"Expected tails of Pareto k below {LARGEST_K_HAT} behind the {moment} of every scalar; "
        f"got {value:.2f} for {scalar}: the error of the draws is too small. Write the model "
        "non-centred, so that a latent with light tails is sampled, take the moments of the "
        "logarithm of a positive one (logs=, on the command line --logs), or compare quantiles."
    )
