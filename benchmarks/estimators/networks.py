"""Bias, variance and cost of every estimator that pairs, on networks small enough to be summed.

The exact gradient is a sum over all states of the latents: 2^8, 2^12 and 4^3 of them a row. The
p-value of an unbiased estimator is then uniform; the table says whether all of them look so.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt

import guides
import zoo
from benchmarks import markdown
from zoo.cli.gradients import RELAXED, estimator_named
from zoo.figure_style import BLUE, VERMILLION, in_style, legend_above, save_figure
from zoo.gradients.estimator import Estimator
from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.models.discrete.categorical_vae import CategoricalVAE
from zoo.models.discrete.sigmoid_belief import SigmoidBeliefNet
from zoo.objectives import (
    CIWAE,
    IWAE,
    OBJECTIVES,
    VIMCO,
    Renyi,
    ReweightedWakeSleep,
    VRMax,
)

DRAWS = int(os.environ.get("DRAWS", "100000"))
AT = ("initial", "trained")
SETTINGS = {"rows": 4, "steps": 2000, "tune": 200, "training": "rloo", "seed": 0}
PIXELS = 64
ESTIMATORS = (
    "trace",
    "trace_graph",
    "nvil",
    "enumerate",
    "reinforce",
    "reinforce_average",
    "rloo",
    "muprop",
    "rebar",
    "relax",
    "local_sum",
    "layer_sum",
    "measure_valued",
    "arm",
    "disarm",
    "disarm_tree",
    "unordered_set",
    "arms",
    "double_cv",
    "rodeo",
    *RELAXED,
    "wake_sleep",
)
MANY = {  # bounds of K draws: K = 2, so that all pairs of states can be summed
    "iwae 2": IWAE(2),
    "vimco 2": VIMCO(2),
    "vimco_geometric 2": VIMCO(2, geometric=True),
    "renyi 2": Renyi(2),
    "ciwae 2": CIWAE(2),
    "vr_max 2": VRMax(2),
    "rws 5": ReweightedWakeSleep(5, sleep=0.0),
    "rws 50": ReweightedWakeSleep(50, sleep=0.0),
    "forward_kl 10": OBJECTIVES["forward_kl"],
}
EXACT = ("enumerate", "layer_sum")  # no noise, and 4096 evaluations on the belief net
COLUMNS = 2  # of the picture
BIASED = (*RELAXED, "rws 5", "rws 50", "forward_kl 10")


@dataclass(frozen=True)
class Place:
    """A model with a guide; are its pairs of states few enough to be summed?"""

    model: str
    build: Callable
    guide: str
    sums_pairs: bool


def latent() -> BernoulliLatent:
    return BernoulliLatent(PIXELS, (8,), 8)


def belief() -> SigmoidBeliefNet:
    return SigmoidBeliefNet(PIXELS, (6, 6))


def categorical() -> CategoricalVAE:
    return CategoricalVAE(PIXELS, 3, 4, (8,))


PLACES = (
    Place("bernoulli_latent", latent, "amortised_discrete", sums_pairs=True),
    Place("sigmoid_belief", belief, "amortised_layers", sums_pairs=False),
    Place("categorical_vae", categorical, "amortised_discrete", sums_pairs=True),
    Place("sigmoid_belief", belief, "amortised_discrete", sums_pairs=False),
)


def run() -> Iterator[dict]:
    """A record that grows by one place at a time."""
    found = []
    for place in PLACES:
        task = replace(zoo.load(place.model), build=place.build)
        names = [name for name in ESTIMATORS if place.sums_pairs or name not in EXACT]
        chosen = [estimator_named(name) for name in names]
        if place.sums_pairs:
            chosen += [Estimator(name, objective) for name, objective in MANY.items()]
        each = zoo.measure_gradients(
            task,
            guides.guide_named(place.guide),
            chosen,
            at=AT,
            draws=DRAWS,
            shown=_say,
            **SETTINGS,
        )
        found.append(
            {
                "model": place.model,
                "guide": place.guide,
                "settings": each.settings,
                "mismatches": each.mismatches,
                "rows": [asdict(row) | {"biased": row.biased} for row in each.rows],
            }
        )
        yield {"places": found, "task": task}


def _say(text: str) -> None:
    print(text, flush=True)


HEADS = (
    "estimator",
    "at",
    "p, no bias",
    "largest z",
    "bias, relative",
    "variance encoder",
    "variance decoder",
    "variance total",
    "evaluations",
    "encoder x evaluations",
    "total x evaluations",
)


def table(record: dict) -> str:
    """One table a place."""
    return "\n\n".join(_of_place(place) for place in record["places"])


def _of_place(place: dict) -> str:
    title = (
        f"**{place['model']} with {place['guide']}**: {place['rows'][0]['draws']:,} draws, "
        f"{place['settings']['rows']} rows of digits."
    )
    rows = sorted(place["rows"], key=lambda row: (AT.index(row["at"]), encoder_cost(row)))
    return "\n\n".join([title, markdown.table(HEADS, map(_cells, rows)), _fair(place)])


def _cells(row: dict) -> list[str]:
    """Bias, where the exact gradient is known, variance and cost of one estimator."""
    name = row["objective"]
    name += "" if row["temperature"] is None else f" {row['temperature']:g}"
    bias = ["-", "-", "-"]
    if row["bias_p_value"] is not None:
        off = row["bias"]
        bias = [f"{row['bias_p_value']:.2g}", f"{row['bias_max_z']:.1f}"]
        bias += [f"{off['relative']:.2g} ± {off['relative_se']:.1g}"]
    variances = [f"{v['value']:.3g} ± {v['se']:.1g}" for v in row["variance"].values()]
    cost = [str(row["evaluations"]), f"{encoder_cost(row):.3g}", f"{row['cost']:.3g}"]
    return [name, row["at"], *bias, *variances, *cost]


def encoder_cost(row: dict) -> float:
    """Variance of the encoder's gradient times evaluations; the decoder's is much larger."""
    return row["variance"]["encoder"]["value"] * row["evaluations"]


def fair_p_values(place: dict) -> list[float]:
    """p-values of the unbiased estimators with noise; equal draws under two names count once."""
    rows = [row for row in place["rows"] if row["bias_p_value"] is not None]
    rows = [row for row in rows if row["objective"] not in BIASED]
    rows = [row for row in rows if row["variance"]["total"]["value"] > 0]
    return list({(row["bias_p_value"], row["at"]): row["bias_p_value"] for row in rows}.values())


def _fair(place: dict) -> str:
    values = fair_p_values(place)
    return (
        f"Unbiased estimators: {len(values)} p-values, the smallest {min(values):.2g} "
        f"(expected about {1 / (len(values) + 1):.2g}), {sum(p < 0.05 for p in values)} below "
        "0.05. They share their noise; whether p-values are uniform is for the next section."
    )


@in_style
def picture(record: dict, path: Path) -> None:
    """The encoder's variance times evaluations at the trained parameters; biased ones hollow."""
    shown = sorted(((p, _noisy(p)) for p in record["places"]), key=lambda pair: -len(pair[1]))
    tall = [len(rows) + 2 for _, rows in shown[::COLUMNS]]  # lines of each row of panels
    drawn, axes = plt.subplots(
        len(tall),
        COLUMNS,
        figsize=(10, 0.8 + 0.19 * sum(tall)),
        layout="constrained",
        squeeze=False,
        height_ratios=tall,
    )
    for number, (axis, (place, rows)) in enumerate(zip(axes.flat, shown, strict=True)):
        for height, row in enumerate(rows):
            error = 2 * row["variance"]["encoder"]["se"] * row["evaluations"]
            axis.errorbar(encoder_cost(row), height, xerr=error, ms=6, **_marks(row))
        axis.set_yticks(range(len(rows)), [row["objective"] for row in rows])
        axis.set_ylim(len(rows) - tall[number // COLUMNS] + 1.3, len(rows) - 0.3)
        axis.set(xscale="log", title=f"{place['model']}, {place['guide']}")
        axis.grid(axis="x")
    for axis in axes[-1]:
        axis.set_xlabel("encoder's variance x evaluations, (nats per unit)²")
    unbiased, biased = {"objective": ""}, {"objective": BIASED[0]}
    said = "biased by design (relaxed, rws, forward_kl)"
    for row, label in ((unbiased, "without bias"), (biased, said)):
        axes.flat[0].errorbar([], [], xerr=[], ms=6, label=label, **_marks(row))
    title = "trained parameters; bars: ± 2 standard errors, most of them within the marks"
    legend_above(drawn, [axes.flat[0]], title=title)
    save_figure(drawn, path)


def _noisy(place: dict) -> list[dict]:
    """Rows of estimators with noise at the trained parameters, the noisiest first."""
    rows = [r for r in place["rows"] if r["at"] == "trained" and encoder_cost(r) > 0]
    return sorted(rows, key=lambda row: -encoder_cost(row))


def _marks(row: dict) -> dict:
    """A filled circle, or a hollow square for an estimator that is biased by design."""
    if row["objective"] in BIASED:
        return {"fmt": "s", "color": VERMILLION, "mfc": "white"}
    return {"fmt": "o", "color": BLUE}
