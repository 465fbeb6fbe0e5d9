"""Bounds of K draws, each of models that were trained by different bounds.

Each row is one objective, each column a bound of the same trained model on test rows. The bounds
of a row grow with K. IWAE and VR-max give the higher log p(x) and the lower ELBO, since their
objectives reward an encoder that covers the posterior with many draws. "ELBO, 50 draws" takes as
many draws as they do.
Sources: Burda, Grosse & Salakhutdinov 2016; Li & Turner 2016, "Renyi divergence variational
inference".
"""

from collections.abc import Iterator
from pathlib import Path

import guides
import zoo
from benchmarks.vaes import fits as vaes_fits
from zoo.objectives import IWAE, Renyi, Trace, VRMax

STEPS = 4000
OBJECTIVES = {
    "ELBO, 1 draw": Trace(),
    "ELBO, 50 draws": Trace(50),
    "IWAE K=5": IWAE(5),
    "IWAE K=50": IWAE(50),
    "Renyi alpha=.5, K=5": Renyi(5, alpha=0.5),
    "Renyi alpha=.5, K=50": Renyi(50, alpha=0.5),
    "VR-max K=50": VRMax(50),
}
METRICS = ("elbo", "iwae_5", "iwae_50", "iwae_500", "log_evidence", "k_hat", "active_units")


def run(share: float, seeds: int, only: str, out: Path) -> Iterator[tuple[zoo.Task, dict]]:
    """Trains by each objective and scores every bound."""
    task, steps = zoo.load("bernoulli_vae"), max(1, round(share * STEPS))
    for name, objective in OBJECTIVES.items():
        if only in name:
            for seed in range(seeds):
                _, row = vaes_fits.fitted(
                    task,
                    guides.AmortisedNormal,
                    METRICS,
                    steps=steps,
                    seed=seed,
                    objective=objective,
                )
                yield task, {"trained by": name} | row


def table(rows: list[dict]) -> str:
    """One line an objective, the bounds from one draw to all."""
    columns = [("ELBO", "elbo", 2), *((f"K = {k}", f"iwae_{k}", 2) for k in (5, 50, 500))]
    columns += [("log p(x)", "log_evidence", 2), ("k-hat", "k_hat", 2)]
    return vaes_fits.table_of(rows, "trained by", columns)
