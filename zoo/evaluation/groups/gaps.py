"""Why the bound is below log p(x); slow, because guides are fitted to every row.

Metrics:
    inference_gap: log p(x) minus the ELBO: all that the guide costs.
    approximation_gap: part of it that the best member of the family still costs.
    amortisation_gap: part of it that the shared encoder costs.
    generalisation_gap: ELBO of training rows minus that of test rows.
"""

from collections.abc import Callable, Sequence

import torch

from zoo.evaluation.gaps import measure_gaps
from zoo.evaluation.scored_fit import Scored
from zoo.latents import Family
from zoo.metrics.metric import Metric
from zoo.pairing.mismatch import PairingError

GAP_ROWS = 50


def losses_of_bound(scored: Scored) -> dict[str, Metric]:
    """The metrics "inference_gap", "approximation_gap/FAMILY", ..., on 50 rows.

    See :func:`zoo.measure_gaps`. The families are those that the guide declares as its own without
    amortisation.

    Raises:
        ValueError: if it declares none, or rows share latents.
    """
    families = local_families(scored.program.guide)
    with torch.enable_grad():
        found = measure_gaps(
            scored.result, families, rows=GAP_ROWS, draws=scored.draws, seed=scored.seed
        )
    on = found.splits["test" if "test" in found.splits else "train"]
    named = {_renamed(name): metric for name, metric in on.metrics().items()}
    if "test" in found.splits:
        named["generalisation_gap"] = found.generalisation()["elbo"]
    return named


def local_families(guide: Callable) -> Sequence[Callable]:
    """The guides with parameters for each row of which the guide is an amortised form.

    Raises:
        PairingError: if it declares none.
    """
    families = guide.row_families if isinstance(guide, Family) else ()
    if not families:
        raise PairingError(
            f"{type(guide).__name__} names no guide with parameters for each row; call "
            "zoo.measure_gaps(fit, families) with some, e.g. guides.PerDatum"
        )
    return families


def _renamed(name: str) -> str:
    kind, _, family = name.partition("/")
    return f"{kind}_gap/{family}" if family else f"{kind}_gap"
