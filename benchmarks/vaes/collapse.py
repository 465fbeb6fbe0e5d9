"""Does a strong decoder stop using z? A decoder that sees ever more pixels, and three remedies.

    python -m benchmarks.vaes.collapse --out benchmarks/results   # collapse.json and docs' picture

The same VAE on digits with a masked-convolution decoder whose receptive field grows from nothing;
then, at the widest, KL warm-up, free bits and hidden context. All metrics are of test rows.
"""

import argparse
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import torch

import guides
import zoo
from benchmarks import records
from zoo.decoders.pixel import PixelDecoder
from zoo.evaluation.latent_usage import latent_usage
from zoo.figure_style import in_style, legend_above, look_of, save_figure
from zoo.likelihoods import BernoulliLikelihood
from zoo.models.vaes.vae import VAE
from zoo.objectives import FreeBits, MeanFieldKL, Objective
from zoo.optim.schedules import Linear
from zoo.priors.standard import StandardNormal

LATENT, STEPS, LR, SEEDS, DRAWS = 8, 1000, 2e-3, (0, 1), 100
WIDEST = 7
FLOOR = 0.5  # nats a dimension
LABELS = {
    "kl": "KL(q(z | x) || p(z))",
    "mutual_information": "mutual information I(x; z)",
    "log_evidence": "log p(x)",
    "elbo": "ELBO",
}


@dataclass(frozen=True)
class Case:
    """A decoder and how it is trained."""

    kernel: int = WIDEST
    remedy: str = "none"
    objective: Objective = MeanFieldKL()
    context_dropout: float = 0.0
    kl_weight: Callable | None = None

    def build(self) -> VAE:
        """The model with fresh parameters."""
        decoder = PixelDecoder(
            LATENT, 64, 1, (8, 8), kernel=self.kernel, context_dropout=self.context_dropout
        )
        return VAE(decoder, BernoulliLikelihood(), StandardNormal(LATENT))


CASES = [Case(kernel) for kernel in (1, 3, 5, WIDEST)] + [
    Case(remedy="KL warm-up", kl_weight=Linear(0.0, 1.0, STEPS // 2)),
    Case(remedy="free bits", objective=FreeBits(floor=FLOOR, per_dimension=True)),
    Case(remedy="hidden context", context_dropout=0.5),
]


def measure(case: Case, seed: int) -> dict:
    """One fit and what its latents hold."""
    task = replace(zoo.load("bernoulli_vae"), build=case.build)
    fit = zoo.fit(
        task,
        guides.AmortisedNormal,
        objective=case.objective,
        kl_weight=case.kl_weight,
        steps=STEPS,
        lr=LR,
        seed=seed,
        compile=True,
    )
    scores = zoo.evaluate(fit, metrics=("elbo", "log_evidence", "k_hat"), draws=DRAWS)
    health = latent_usage(fit.program, task.split("test"))
    metrics = {**health.metrics(), **scores}
    return {
        "kernel": case.kernel,
        "receptive_field": case.build().decoder.receptive_field,
        "remedy": case.remedy,
        "seed": seed,
        "seconds": fit.seconds,
        "verdict": health.verdict,
        "metrics": {name: asdict(metric) for name, metric in metrics.items()},
    }


def of(rows: list[dict], name: str) -> tuple[list[float], list[float]]:
    """Mean over seeds of a metric, and the larger of its own error and half the seeds' range."""
    values = [[f["metrics"][name]["value"] for f in group] for group in by_case(rows)]
    errors = [max(f["metrics"][name]["se"] for f in group) for group in by_case(rows)]
    means = [sum(v) / len(v) for v in values]
    return means, [max(e, (max(v) - min(v)) / 2) for v, e in zip(values, errors, strict=True)]


def by_case(rows: list[dict]) -> list[list[dict]]:
    """Rows of one case together, in order."""
    cases = dict.fromkeys((row["kernel"], row["remedy"]) for row in rows)
    return [[r for r in rows if (r["kernel"], r["remedy"]) == case] for case in cases]


@in_style
def picture(rows: list[dict], path: Path) -> None:
    """What z holds and what the model scores over the receptive field; then the remedies."""
    picture, (held, scored, bars) = plt.subplots(1, 3, figsize=(10.5, 4), layout="constrained")
    plain = [row for row in rows if row["remedy"] == "none"]
    seen = [group[0]["receptive_field"] for group in by_case(plain)]
    draw_lines(held, seen, plain, ("kl", "mutual_information"))
    for x, y, active in zip(seen, of(plain, "kl")[0], of(plain, "active_units/z")[0], strict=True):
        shown = f"{active:g} of {LATENT}"
        held.annotate(shown, (x, y), (8, 8), textcoords="offset points", size=9)
    held.margins(x=0.25, y=0.12)
    held.set(title=f"what z holds; active units of {LATENT}", ylabel="nats/row")
    held.set_ylim(bottom=0)
    draw_lines(scored, seen, plain, ("log_evidence", "elbo"))
    scored.set(title="what the model scores", ylabel="nats/row")
    widest = [row for row in rows if row["kernel"] == WIDEST]
    draw_bars(bars, widest)
    bars.set(title=f"remedies at {seen[-1]} pixels, with log p(x)", ylabel="nats/row")
    for panel in (held, scored):
        panel.set_xlabel("receptive field: earlier pixels seen")
    for panel in (held, scored, bars):
        panel.grid(axis="y")
    legend_above(picture, (held, scored), title="bars: half the range of 2 seeds, or Monte Carlo")
    save_figure(picture, path)


def draw_lines(panel: plt.Axes, seen: list[int], rows: list[dict], names: Iterable[str]) -> None:
    """A line for each metric, with its errors."""
    for name in names:
        values, errors = of(rows, name)
        panel.errorbar(seen, values, errors, label=LABELS[name], **look_of(name).keywords)


def draw_bars(panel: plt.Axes, rows: list[dict]) -> None:
    """KL and mutual information of each remedy, with log p(x) written above."""
    names = [group[0]["remedy"] for group in by_case(rows)]
    tops = [0.0] * len(names)
    for i, name in enumerate(("kl", "mutual_information")):
        values, errors = of(rows, name)
        places = [x + 0.38 * i for x in range(len(names))]
        panel.bar(places, values, 0.38, yerr=errors, color=look_of(name).colour)
        tops = [max(top, v + e) for top, v, e in zip(tops, values, errors, strict=True)]
    for x, (top, score) in enumerate(zip(tops, of(rows, "log_evidence")[0], strict=True)):
        panel.annotate(f"{score:.2f}", (x + 0.19, top + 0.1), ha="center", size=9)
    panel.set_xticks([x + 0.19 for x in range(len(names))], [n.replace(" ", "\n") for n in names])
    panel.set_ylim(0, 1.15 * max(tops))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=records.RESULTS)
    parser.add_argument("--picture", type=Path, default=records.DOCS / "collapse.png")
    parser.add_argument("--redraw", action="store_true", help="only the picture, from the JSON")
    asked = parser.parse_args()
    path = asked.out / "collapse.json"
    if not asked.redraw:
        torch.set_num_threads(1)
        record = records.made_now(zoo.load("bernoulli_vae").data)
        record |= {"steps": STEPS, "lr": LR, "seeds": SEEDS, "draws": DRAWS, "rows": []}
        for case in CASES:
            for seed in SEEDS:
                record["rows"].append(measure(case, seed))
                print(json.dumps(record["rows"][-1]), flush=True)
        records.write(path, record)
    picture(records.read(path)["rows"], asked.picture)


if __name__ == "__main__":
    main()
