"""One line in plain words: did inference work?"""

from collections.abc import Iterator, Mapping

from zoo.figures import Figure
from zoo.figures.k_hat import k_hat_threshold
from zoo.figures.latents import UNUSED

MISCALIBRATED = 0.01  # p-value
OFF = 0.1  # posterior sd
STILL_MOVING = 0.01  # of the bound
R_HAT = 1.1

Found = Mapping[str, Figure]


def verdict(found: Found, draws: int) -> str:
    """How tight the bound is, whether to trust the posterior, and whatever is alarming.

    Args:
        found: the figures that were computed.
        draws: draws from the guide for each row, behind k-hat.
    """
    said = [*_tightness(found), *_trust(found, draws)]
    alarms = list(_alarms(found))
    if not said and not alarms:
        return "nothing computed that says whether inference worked"
    healthy = not alarms and _is_trusted(found, draws)
    return "; ".join([*(["no sign of trouble"] if healthy else []), *said, *alarms])


def _tightness(found: Found) -> Iterator[str]:
    if "gap" in found:
        gap = found["gap"]
        yield f"bound {gap.value:.3g} +- {gap.se:.1g} {gap.unit} below the exact evidence"
    elif "log_evidence" in found and "elbo" in found:
        width = found["log_evidence"].value - found["elbo"].value
        yield f"bound {width:.3g} {found['elbo'].unit} below the importance-sampled log p(x)"


def _trust(found: Found, draws: int) -> Iterator[str]:
    limit, share = k_hat_threshold(draws), _share_above(found)
    if 0 < share < 1:
        rows = f"{100 * share:.3g} % of rows"
        yield f"k-hat above {limit:.2f} for {rows}: do not trust their weights"
    elif "k_hat" in found:
        trusted = _is_trusted(found, draws)
        trust = "trust the weights" if trusted else "do not trust this posterior's tails"
        yield f"k-hat {found['k_hat'].value:.2f} (limit {limit:.2f}): {trust}"


def _is_trusted(found: Found, draws: int) -> bool:
    """Is k-hat below its limit for the median row and, where that is known, for every row?"""
    below = "k_hat" in found and found["k_hat"].value < k_hat_threshold(draws)
    return below and _share_above(found) == 0


def _share_above(found: Found) -> float:
    return found["k_hat_share"].value if "k_hat_share" in found else 0.0


def _alarms(found: Found) -> Iterator[str]:
    for what in ("mean", "sd"):
        figure = found.get(f"posterior_{what}_error")
        if figure and figure.value - 2 * figure.se > OFF:
            yield f"posterior {what} off by {figure.value:.2g} +- {figure.se:.1g} sd"
    collapsed = [name.partition("/")[2] for name, f in found.items() if _is_collapsed(name, f)]
    yield from (f"'{site}' has collapsed to its prior" for site in dict.fromkeys(collapsed))
    for name, about in (("sbc_p", "SBC"), ("vsbc_p", "VSBC")):
        if name in found and found[name].value < MISCALIBRATED:
            yield f"{about} p = {found[name].value:.1g}: the posterior is miscalibrated"
    yield from _unrest(found)


def _is_collapsed(name: str, figure: Figure) -> bool:
    if name.startswith("kl/"):
        return figure.value < UNUSED + 2 * figure.se
    return name.startswith("active_units/") and figure.value == 0


def _unrest(found: Found) -> Iterator[str]:
    change, r_hat = found.get("bound_change"), found.get("r_hat")
    if change and change.value - 2 * change.se > STILL_MOVING:
        yield f"not converged: the bound still rose by {change.value:.1%} late in training"
    if r_hat and r_hat.value > R_HAT:
        yield f"not converged: R-hat of the iterates {r_hat.value:.2f}"
