"""Fits at full length on a GPU: the main job, published rows, the estimators' study."""

from dataclasses import asdict, replace

import zoo
from benchmarks.estimators import fashion
from benchmarks.gpu.place import Place
from benchmarks.vaes import published
from zoo.comparison.compare import compare
from zoo.models.discrete.sigmoid_belief import SigmoidBeliefNet

SEEDS = 2
FEW_STEPS, FEW_ROWS = 30, 20


def main_job(guide: str, objective: str, place: Place) -> dict:
    """A pair of README's main job, on Fashion-MNIST: its rows with all metrics."""
    data = "digits" if place.small else "fashion_mnist"
    task = zoo.load("bernoulli_vae", data=data)
    settings = {"steps": FEW_STEPS, "draws": 50} if place.small else {}
    seeds = 1 if place.small else SEEDS
    found = compare(task, [guide], [objective], seeds=seeds, device=place.device, **settings)
    return {"data": data, "rows": [asdict(row) for row in found.rows]}


def published_row(setting: published.Setting, seed: int, place: Place) -> dict:
    """A published setting at full length, beside its number."""
    task, share = published.task_of(setting), 1.0
    if place.small:
        test = tuple(column[:FEW_ROWS] for column in task.data.test)
        task, share = replace(task, data=replace(task.data, test=test)), FEW_STEPS / setting.steps
    options = place.checkpoint(f"{setting.name}-{seed}")
    found = published.one_fit(setting, task, share, seed, **options)
    return {"setting": setting.name, "share": share} | found


def estimators(stop: int, seed: int, place: Place) -> dict:
    """Variances of the encoder's gradient after so many steps of a fit.

    The fit goes on from that of the stop before.
    """
    data, net = "fashion_mnist", (784, (200,), (200, 200))
    names, options = list(fashion.ESTIMATORS), {}
    if place.small:
        data, net, names, options = (
            "digits",
            (64, (8,), (8,)),
            ["disarm"],
            {"tune": 5, "draws": 128},
        )
    task = replace(
        zoo.load("sigmoid_belief", data=data, binarize="dynamic"),
        build=lambda: SigmoidBeliefNet(*net),
    )
    settings = place.checkpoint(f"estimators-{seed}") | {"compile": not place.small}
    fit = fashion.train(task, stop, settings.pop("resume"), seed=seed, **settings)
    bound = -float(fit.losses[-250:].mean()) / task.data.rows
    rows = [
        {"estimator": name} | fashion.measure(task, fit, fashion.ESTIMATORS[name], **options)
        for name in names
    ]
    found = {"steps": stop, "seed": seed, "backend": fit.backend, "fit_seconds": fit.seconds}
    return found | {"train_elbo": bound, "rows": rows}


PAIRS = [
    (guide, objective)
    for objective in ("trace", "iwae")
    for guide in ("amortised_normal", "amortised_full_rank", "amortised_iaf")
]
