"""Settings with a published number, and ours beside it; of shorter runs only the claims count.

Dynamic Fashion-MNIST: gated dense 300-300, 40 latents, KL warm-up over 100 epochs (table of the
Exemplar VAE). Statically binarized MNIST: settings from public repositories, and importance
weighted autoencoders. log p(x) is importance-sampled with as many draws as was published. A
shortened run says nothing about the number, so it is judged "cannot tell"; so are the claims below
the table, differences between rows, where a run was shortened.

Ours where the sources say none: 300 epochs on Fashion-MNIST, where theirs ended early by patience;
RMSprop with 128 latents, where theirs is centred; the mean-field row's last state, where theirs is
that of the best validation; one hidden layer in a step of the flow, where theirs has two; one
learning rate for the importance-weighted rows, where theirs fell tenfold.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

import guides
import zoo
from benchmarks import markdown
from benchmarks.vaes import fits as vaes_fits
from benchmarks.vaes.two_layers import TwoLayers, TwoLayersGuide
from zoo.decoders import Dense, gated_decoder, relu_decoder
from zoo.isolation import isolated
from zoo.likelihoods import BernoulliLikelihood
from zoo.metrics.bounds import ImportanceBound, elbo, log_evidence
from zoo.metrics.weight_diagnostics import k_hat
from zoo.metrics.weight_metric import WeightMetric
from zoo.models.vaes.vae import VAE
from zoo.nn import mlp
from zoo.objectives import IWAE
from zoo.optim.schedules import Drops, Linear
from zoo.priors import StandardNormal, VampPrior
from zoo.sampling.draws import first_rows
from zoo.sampling.importance_weights import weight_chunks
from zoo.traces import log_mean_exp

PIXELS, EPOCH = 784, 500  # steps of 100 rows
FEW, ROWS = 200, 500  # draws for every test row; rows that get as many as was published


@dataclass(frozen=True)
class Setting:
    """One row of a published table, and how it was made.

    Attributes:
        name: of the row.
        data: data set and binarization.
        build: makes the model.
        guide: gives the family or the guide; its networks start from the seed.
        fit: keywords of `zoo.fit`.
        steps: as published, or what we planned where that is not said.
        draws: importance samples for log p(x).
        published: log p(x), nats; and what difference from it still agrees.
    """

    name: str
    data: tuple[str, str]
    build: Callable[[], nn.Module]
    guide: Callable[[], Callable | nn.Module]
    fit: dict
    steps: int
    draws: int
    published: float
    tolerance: float


def plain(decoder: nn.Module, prior: nn.Module) -> VAE:
    return VAE(decoder, BernoulliLikelihood(), prior)


def gated_normal() -> partial:
    """The encoder that the decoder mirrors, gated as it is."""
    layers = [nn.Linear(PIXELS, 600), nn.GLU(), nn.Linear(300, 600), nn.GLU()]
    return partial(guides.AmortisedNormal, body=nn.Sequential(*layers))


FASHION, STATIC = ("fashion_mnist", "dynamic"), ("binarized_mnist", "static")
WARM = {"lr": 5e-4, "batch_size": 100, "kl_weight": Linear(0.0, 1.0, 100 * EPOCH)}
RMS = {"optimizer": "rmsprop", "lr": 1e-3, "batch_size": 128}
BEST = {"patience": 30, "valid_every": 5000}  # as published: the state of the best validation
STEPPED = {"lr": 1e-4, "batch_size": 100, "lr_schedule": Drops((150_000, 200_000), 0.5)}
WEIGHTED = {"lr": 1e-3, "batch_size": 20}  # the published rate falls tenfold over all steps
SETTINGS = (
    Setting(
        "fashion, standard prior", FASHION,
        lambda: plain(gated_decoder(40, PIXELS, 1), StandardNormal(40)),
        gated_normal, WARM, 300 * EPOCH, 5000, -228.70, 0.5,
    ),
    Setting(
        "fashion, VampPrior", FASHION,
        lambda: plain(gated_decoder(40, PIXELS, 1), VampPrior(40, PIXELS, 500)),
        lambda: guides.SharedEncoder, WARM, 300 * EPOCH, 5000, -227.35, 0.5,
    ),
    Setting(
        "fashion, two layers", FASHION, lambda: TwoLayers(PIXELS),
        lambda: TwoLayersGuide(PIXELS), WARM, 300 * EPOCH, 5000, -227.37, 0.5,
    ),
    Setting(
        "static, 128 latents, mean-field", STATIC,
        lambda: plain(relu_decoder(128, PIXELS, 1, (256, 256)), StandardNormal(128)),
        lambda: guides.AmortisedNormal, RMS, 65_000, 128, -97.10, 1.0,
    ),
    Setting(
        "static, 128 latents, IAF", STATIC,
        lambda: plain(relu_decoder(128, PIXELS, 1, (256, 256)), StandardNormal(128)),
        lambda: partial(guides.AmortisedIAF, context=128), RMS | BEST, 150_000, 128, -95.33, 1.0,
    ),
    Setting(
        "static, 784-400-40", STATIC,
        lambda: plain(relu_decoder(40, PIXELS, 1, (400,)), StandardNormal(40)),
        lambda: guides.AmortisedNormal, STEPPED, 250_000, 200, -89.9, 0.4,
    ),
    *(
        Setting(
            f"static, IWAE K={particles}", STATIC,
            lambda: plain(Dense(mlp((50, 200, 200, PIXELS), nn.Tanh), 1), StandardNormal(50)),
            lambda: guides.AmortisedNormal, WEIGHTED | {"objective": IWAE(particles)},
            3280 * 2500, 5000, log_p, 1.0,
        )
        for particles, log_p in ((1, -88.71), (5, -87.63), (50, -86.82))
    ),
)  # fmt: skip


def run(share: float, seeds: int, only: str, out: Path) -> Iterator[tuple[zoo.Task, dict]]:
    """Fits each setting for a share of its steps, seed by seed, and scores it on test rows."""
    for setting in SETTINGS:
        if only in setting.name:
            task = task_of(setting)
            for seed in range(seeds):
                yield task, {"setting": setting.name} | one_fit(setting, task, share, seed)


def task_of(setting: Setting) -> zoo.Task:
    name, binarize = setting.data
    usual = zoo.load("vae", data=name, binarize=binarize)
    return replace(usual, name=setting.name, build=setting.build)


def one_fit(setting: Setting, task: zoo.Task, share: float, seed: int, **settings: object) -> dict:
    """Bound and log p(x) of one fit on the test rows, beside what was published.

    Args:
        setting: the row of the published table.
        task: its task.
        share: of the planned steps.
        seed: of the fit.
        **settings: further ones of `zoo.fit`, such as its device and checkpoint.
    """
    steps, options = max(1, round(share * setting.steps)), setting.fit | settings
    if "kl_weight" in options:
        warm = options["kl_weight"]
        options["kl_weight"] = replace(warm, steps=max(1, round(share * warm.steps)))
    if "lr_schedule" in options:
        drops = options["lr_schedule"]
        options["lr_schedule"] = replace(drops, at=tuple(round(share * at) for at in drops.at))
    with isolated(seed=seed):
        guide = setting.guide()
    fit = zoo.fit(task, guide, steps=steps, seed=seed, progress=True, **options)
    row = {"seed": seed, "steps": steps, "planned_steps": setting.steps}
    row |= {"seconds": fit.seconds, "backend": fit.backend} | scored(fit, setting.draws)
    return row | {"published": setting.published, "tolerance": setting.tolerance}


def scored(fit: zoo.Fit, draws: int) -> dict:
    """ELBO, log p(x) and k-hat on the test rows; means over rows in nats, with their errors.

    Every row gets FEW draws, and its k-hat is theirs. What more of them add to the bound differs
    little from row to row, and is taken from the first ROWS rows.
    """
    few = min(FEW, draws)
    with isolated(seed=0):
        log_w = torch.cat(list(weight_chunks(fit.program, fit.task.split("test"), few)), 1)
        more = _more(fit, draws) if draws > few else torch.zeros(ROWS)
    bound, log_p = (
        WeightMetric(metric).summarise(*metric(log_w), rowwise=True, note="")
        for metric in (elbo, log_evidence)
    )
    return {
        "elbo": [bound.value, bound.se],
        "log_p": [log_p.value + float(more.mean()), math.hypot(log_p.se, _error(more))],
        "k_hat": float(k_hat(log_w)[0].mean()),
        "draws": draws,
    }


def _error(values: torch.Tensor) -> float:
    return float(values.std()) / len(values) ** 0.5


def _more(fit: zoo.Fit, draws: int) -> torch.Tensor:
    """By how much all draws raise the bound of FEW of them, nats, (ROWS,)."""
    args = first_rows(fit.program, fit.task.split("test"), ROWS)
    chunks = weight_chunks(fit.program, args, draws)
    return torch.cat([log_mean_exp(log_w) - ImportanceBound(FEW)(log_w)[0] for log_w in chunks])


def table(rows: list[dict]) -> str:
    """One line a setting, over its seeds; then the claims that are differences of rows."""
    heads = ["setting", "seeds", "steps, of planned", "ELBO", "log p(x)", "k-hat", "published"]
    heads += ["verdict"]
    lines = []
    for name, steps in lengths(rows):
        each = [row for row in rows if (row["setting"], row["steps"]) == (name, steps)]
        first = each[0]
        cells = [name, str(len(each)), f"{steps:,} of {first['planned_steps']:,}"]
        cells += [vaes_fits.shown(each, "elbo"), vaes_fits.shown(each, "log_p")]
        cells += [f"{sum(row['k_hat'] for row in each) / len(each):.2f}"]
        cells += [f"{first['published']:.2f} ± {first['tolerance']}", verdict(each)]
        lines.append(cells)
    return "\n".join([markdown.table(heads, lines), "", *claims(rows)])


def lengths(rows: list[dict]) -> list[tuple[str, int]]:
    """Settings and steps that there are rows of, in the settings' order, the longest first."""
    order = [setting.name for setting in SETTINGS]
    found = {(row["setting"], row["steps"]) for row in rows}
    return sorted(found, key=lambda one: (order.index(one[0]), -one[1]))


def verdict(each: list[dict]) -> str:
    """Of one setting's seeds on the published number; a shortened run has none."""
    first, mean, spread = each[0], *_over_seeds([row["log_p"][0] for row in each])
    if first["steps"] < first["planned_steps"]:
        return "cannot tell, short"
    error = max(spread, *(row["log_p"][1] for row in each))
    word = vaes_fits.judged(mean, error, first["published"], first["tolerance"])
    return word if len(each) > 1 else f"{word}, one seed"


def _over_seeds(values: list[float]) -> tuple[float, float]:
    """Mean, and half the range."""
    return sum(values) / len(values), (max(values) - min(values)) / 2


def claims(rows: list[dict]) -> list[str]:
    """Differences between settings, which the tables are about; a line each, and each length."""
    lines = []
    for share in sorted({row["share"] for row in rows}, reverse=True):
        alike = [row for row in rows if row["share"] == share]
        held = {row["setting"] for row in alike}
        lines += [f"- {claim(alike, *one)}" for one in CLAIMS if {one[0], one[1]} <= held]
    return lines


CLAIMS = (  # better, worse, published gain, what still agrees
    ("fashion, VampPrior", "fashion, standard prior", 1.35, 0.3),
    ("fashion, two layers", "fashion, standard prior", 1.33, 0.3),
    ("static, 128 latents, IAF", "static, 128 latents, mean-field", 1.77, 1.0),
    ("static, IWAE K=5", "static, IWAE K=1", 1.08, 0.5),
    ("static, IWAE K=50", "static, IWAE K=5", 0.81, 0.5),
)


def claim(rows: list[dict], better: str, worse: str, published: float, tolerance: float) -> str:
    """Mean difference over the seeds that both have, with its spread and a verdict.

    Args:
        rows: of one share of the planned steps.
        better: setting that should have the higher log p(x).
        worse: the other.
        published: difference, nats.
        tolerance: what still agrees, nats.
    """
    first, second = _of(rows, better), _of(rows, worse)
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return f"{better} over {worse}: no seed in common."
    each = [first[seed]["log_p"][0] - second[seed]["log_p"][0] for seed in seeds]
    steps = first[seeds[0]]["steps"], second[seeds[0]]["steps"]
    mean, spread = _over_seeds(each)
    errors = [math.hypot(first[seed]["log_p"][1], second[seed]["log_p"][1]) for seed in seeds]
    error = max(spread, *errors, 0.0)
    verdict = vaes_fits.judged(mean, error, published, tolerance)
    if any(part[seeds[0]]["steps"] < part[seeds[0]]["planned_steps"] for part in (first, second)):
        verdict = "cannot tell, short"
    elif len(seeds) == 1:
        verdict += ", one seed"
    count = "1 seed" if len(seeds) == 1 else f"{len(seeds)} seeds"
    length = f"{steps[0]:,} steps" + (f" against {steps[1]:,}" if steps[0] != steps[1] else "")
    return (
        f"{better} over {worse}: {mean:+.2f} ± {error:.2f} nats ({count}, {length}); "
        f"published {published:+.2f} ± {tolerance}: {verdict}."
    )


def _of(rows: list[dict], name: str) -> dict[int, dict]:
    return {row["seed"]: row for row in rows if row["setting"] == name}
