"""Estimators of bounds of many draws, K = 2, 5 and 50, on the smallest of the networks.

The same network, rows and parameters as in `networks`. Sums over tuples of states are possible at
K = 2 only (at K = 5 there are 256^5): from K = 5 on the exact gradient is not known, and an
estimator is held against a long run of another one for the same bound, where there is another one.
"""

from collections.abc import Iterator
from dataclasses import asdict, replace

import guides
import zoo
from benchmarks import markdown
from benchmarks.estimators.networks import AT, PLACES, SETTINGS, encoder_cost
from zoo.gradients.estimator import Estimator
from zoo.objectives import (
    CIWAE,
    IWAE,
    VIMCO,
    LeaveOneOut,
    Objective,
    Renyi,
    ReweightedWakeSleep,
    VRMax,
)

COUNTS = (2, 5, 50)
DRAWS, LONG = 4096, 16_384
HEADS = ("estimator", "K", "at", "variance encoder", "variance decoder", "variance total")
HEADS += ("evaluations", "encoder x evaluations", "p, no bias", "held against")


def of_particles(count: int) -> dict[str, Objective]:
    """Every estimator that averages or compares `count` draws of a row."""
    return {
        "rloo": LeaveOneOut(count),
        "iwae": IWAE(count),
        "vimco": VIMCO(count),
        "vimco_geometric": VIMCO(count, geometric=True),
        "renyi": Renyi(count),
        "ciwae": CIWAE(count),
        "vr_max": VRMax(count),
        "rws": ReweightedWakeSleep(count, sleep=0.0),
    }


def run() -> Iterator[dict]:
    """A record that grows by one K at a time."""
    place, rows = PLACES[0], []
    task = replace(zoo.load(place.model), build=place.build)
    for count in COUNTS:
        each = zoo.measure_gradients(
            task,
            guides.guide_named(place.guide),
            [Estimator(name, objective) for name, objective in of_particles(count).items()],
            at=AT,
            draws=DRAWS,
            reference_draws=LONG,
            shown=lambda text: print(text, flush=True),
            **SETTINGS,
        )
        rows += [asdict(row) | {"K": count} for row in each.rows]
        yield {"settings": each.settings, "model": place.model, "rows": rows, "task": task}


def table(record: dict) -> str:
    """One line an estimator, K and place; its bias only against a sum or another estimator."""
    lines = []
    order = list(of_particles(COUNTS[0]))
    for row in sorted(
        record["rows"], key=lambda row: (AT.index(row["at"]), order.index(row["objective"]))
    ):
        cells = [row["objective"], str(row["K"]), row["at"]]
        cells += [f"{v['value']:.3g} ± {v['se']:.1g}" for v in row["variance"].values()]
        cells += [str(row["evaluations"]), f"{encoder_cost(row):.3g}"]
        told = "" if is_its_own(row) else row["reference"]
        cells += [f"{row['bias_p_value']:.2g}" if told else "-", told or "-"]
        lines.append(cells)
    return markdown.table(HEADS, lines)


def is_its_own(row: dict) -> bool:
    """Is the reference a long run of the same estimator? Then it cannot show a bias."""
    return row["reference"].endswith(f"of {of_particles(row['K'])[row['objective']]}")
