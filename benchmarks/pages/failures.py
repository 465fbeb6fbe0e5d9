"""docs/museum.md and its pictures, from the museum's committed results.

python -m benchmarks.evaluation.failure_detection --out benchmarks/results/museum.json
python -m benchmarks.evaluation.traps
python -m benchmarks.pages.failures
"""

from statistics import median

import matplotlib as mpl
import torch
from torch import Tensor

from benchmarks import markdown, records
from benchmarks.evaluation.failure_detection import RANGES, READERS
from benchmarks.evaluation.planted_failures import EXHIBITS, pair
from benchmarks.pages.pictures import keep_small
from benchmarks.pages.traps import traps
from zoo.evaluation.sbc import rank_calibration
from zoo.figure_style import BLACK, GREY, VERMILLION, in_style, legend_above, save_figure
from zoo.isolation import isolated
from zoo.results.result import Fit
from zoo.sampling.draws import draw
from zoo.sampling.importance_weights import weight_chunks

mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

NEEDS = {  # metric -> what must be known for it; the others need model, guide and data only
    "gap": "exact evidence",
    "iwae_100 - exact": "exact evidence",
    "log_evidence - exact": "exact evidence",
    "approximation gap": "exact evidence",
    "posterior_mean_error": "exact posterior",
    "posterior_sd_error": "exact posterior",
    "two-sample mmd_p": "posterior draws",
    "two-sample classifier_knn": "posterior draws",
}
HEALTHY, SICK = "0.75", VERMILLION  # colours

LESSONS = """## What to learn from it

- No metric catches everything. k-hat, ESS and the estimates from the weights see only where the
  guide goes: a whole missing mode leaves them perfect. What starts elsewhere sees it: annealing
  from the prior, simulated truths (SBC), draws of the posterior.
- SBC asks whether q is right on average over data, so it passes a guide that reads half of x and
  is the exact posterior of that half; the gap and the amortisation gap do not. VSBC asks for
  symmetry only, and passes guides that are too narrow.
- Draws say nothing about log q. Without its log-determinant every metric of draws and of ranks
  stays healthy, and so do k-hat and ESS, since the weights are off by one factor. An evidence that
  passes the exact one, or annealing, or a KL below the mutual information gives it away. The last
  needs no truth at all, but one prior that serves all rows, as here: KL is then the mutual
  information plus a KL. Where rows have priors of their own, KL may be the smaller of the two.
- A collapsed decoder is no failure of inference: the posterior is the prior, and the guide has it.
  Only KL, mutual information and active units tell.
- k-hat finds the heavy tails of the normal with the best bound, whose gap of 0.04 nats looks
  harmless. It misses those of the wider normal with the exact mean and sd: the weights grow
  without bound there too, but so far out that a thousand draws seldom go there.
- The sample sd of a Student-t with 3 df scatters more than a normal's. posterior_sd_error takes
  its own error from the draws' fourth moments, so it does not accuse that exact guide; an error
  that supposes normal draws would. It finds the best normal, a quarter off in sd, and by its
  nature passes the wider one of exact mean and sd, which only metrics of shape find.
- With many ranks and p-values some healthy guide is accused now and then; look at several seeds.
"""


def cell(found: dict) -> str:
    """Median over seeds, bold where most seeds catch it."""
    value = f"{median(found['values']):.3g}"
    return f"**{value}**" if 2 * found["caught"] > len(found["values"]) else value


def table(exhibits: dict) -> str:
    """One line a metric, one column an exhibit, the healthy fit's value in brackets."""
    lines = []
    for name, (low, high) in RANGES.items():
        cells = []
        for shown in exhibits.values():
            healthy = f" ({cell(shown['healthy'][name])})" if name in shown["healthy"] else ""
            cells.append(cell(shown["sick"][name]) + healthy if name in shown["sick"] else "")
        known = f"; needs {NEEDS[name]}" if name in NEEDS else ""
        span = f"{low:g} to {high:g}".replace("-inf to", "up to").replace(" to inf", " or more")
        lines.append([f"{name}{known}", span, *cells])
    return markdown.table(("metric", "healthy range", *exhibits), lines)


def catches(exhibits: dict) -> str:
    """For each failure, the metrics that catch it without and with the truth."""
    lines = []
    for name, shown in exhibits.items():
        hit = [f for f, one in shown["sick"].items() if 2 * one["caught"] > len(one["values"])]
        free = [metric for metric in hit if metric not in NEEDS]
        told = [metric for metric in hit if metric in NEEDS]
        lines.append(
            f"- **{name}** ({shown['story']}). Without the truth: {', '.join(free) or 'nothing'}. "
            f"With it: {', '.join(told) or 'nothing'}."
        )
    return "\n".join(lines)


def false_alarms(exhibits: dict) -> str:
    """Healthy fits that a metric accused."""
    found = {
        (metric, f"{one['caught']} of {len(one['values'])} seeds", EXHIBITS[name].model.__name__)
        for name, shown in exhibits.items()
        for metric, one in shown["healthy"].items()
        if one["caught"]
    }
    return "; ".join(f"{f} ({seeds}, {model})" for f, seeds, model in sorted(found)) or "none"


def unmeasured(exhibits: dict) -> str:
    """What the healthy fits cannot say: metrics that were taken of sick fits only."""
    healthy_fits = {EXHIBITS[name].model: shown["healthy"] for name, shown in exhibits.items()}
    tried = set.intersection(*(set(metrics) for metrics in healthy_fits.values()))
    seeds = max(
        len(one["values"]) for metrics in healthy_fits.values() for one in metrics.values()
    )
    missing = [name for name in RANGES if name not in tried]
    held = f"{len(tried)} metrics of {len(healthy_fits)} healthy fits, {seeds} seeds each"
    if not missing:
        return f"That is of {held}."
    return (
        f"That is of {held}: too few to know a rate. These were taken of sick fits only, so "
        f"nothing is known of their false alarms: {', '.join(missing)}."
    )


def verdicts(exhibits: dict) -> str:
    """What the verdict says of each: bound / weights / draws, the healthy fit's in brackets."""
    lines = []
    for name, shown in exhibits.items():
        sick, healthy = shown["verdict"]["sick"], shown["verdict"]["healthy"]
        lines.append([name, *(f"{answers(sick[w])} ({answers(healthy[w])})" for w in READERS)])
    return markdown.table(("exhibit", *READERS), lines)


def answers(said: dict) -> str:
    return " / ".join(said[question]["answer"] for question in ("bound", "weights", "draws"))


def panels() -> tuple[plt.Figure, dict[str, Axes]]:
    """A panel for each exhibit."""
    picture, axes = plt.subplots(2, 4, figsize=(10, 5), layout="constrained")
    for spare in axes.flat[len(EXHIBITS) :]:
        spare.remove()
    return picture, dict(zip(EXHIBITS, axes.flat, strict=False))


def latent(fit: Fit, row: int, count: int) -> Tensor:
    """First coordinate of z for one row."""
    (x,) = fit.task.split("train")
    with isolated(seed=0):
        z = draw(fit.program, (x,), count, rows=row + 1).latents["z"]
    return z.reshape(count, row + 1, -1)[:, row, 0]


@in_style
def posteriors(fits: dict) -> None:
    """The posterior of one row, and the guide's draws."""
    picture, axes = panels()
    for name, (healthy, sick) in fits.items():
        row = middle_row(healthy)
        truth, found = latent(healthy, row, 20_000), latent(sick, row, 20_000)
        both = torch.cat([truth, found])
        low, high = (float(both.quantile(q)) for q in (0.001, 0.999))
        bins = torch.linspace(low, high, 60).tolist()
        exact = "exact posterior of the healthy model"
        axes[name].hist(truth.tolist(), bins, density=True, color=HEALTHY, label=exact)
        style = {"histtype": "step", "color": SICK, "lw": 1.2, "label": "draws of the sick guide"}
        axes[name].hist(found.tolist(), bins, density=True, **style)
        axes[name].set(title=name, yticks=[], xlabel="z of one row", ylabel="density")
    legend_above(picture, axes.values())
    save_figure(picture, records.DOCS / "museum_posteriors.png")


def middle_row(fit: Fit) -> int:
    """The row with the smallest |x|: there both modes count."""
    (x,) = fit.task.split("train")
    return int(x.reshape(len(x), -1).square().sum(1).argmin())


@in_style
def ranks(fits: dict) -> None:
    """Histograms of the ranks of true latents among the guide's draws."""
    picture, axes = panels()
    for name, (_, sick) in fits.items():
        found = rank_calibration(sick.program, sick.task.split("train"), repeats=10, seed=1)
        one = next(iter(found.values()))
        share = one.bins / one.bins.sum() * len(one.bins)
        noise = 1.96 * (len(one.bins) / one.bins.sum()) ** 0.5
        label = "ranks under the sick guide"
        axes[name].bar(range(len(share)), share.tolist(), width=1.0, color=SICK, label=label)
        band = {"color": BLACK, "alpha": 0.25, "lw": 0, "label": "95 % of uniform ranks"}
        axes[name].axhspan(float(1 - noise), float(1 + noise), **band)
        axes[name].set(title=name, xticks=[], xlabel="rank of the true z", ylabel="relative count")
    legend_above(picture, axes.values())
    save_figure(picture, records.DOCS / "museum_ranks.png")


@in_style
def weights(fits: dict) -> None:
    """Histograms of the log-weights less the exact log p(x)."""
    picture, axes = panels()
    for name, (_, sick) in fits.items():
        (x,) = sick.task.split("train")
        with isolated(seed=0), torch.no_grad():
            log_w = torch.cat(list(weight_chunks(sick.program, (x,), 1000)), dim=1)
            log_w = log_w - sick.model.log_evidence(x)
        bins = torch.linspace(-6, 6, 97).tolist()
        label = "draws of the sick guide, all rows"
        axes[name].hist(log_w.flatten().tolist(), bins, color=SICK, log=True, label=label)
        axes[name].axvline(0, color=GREY, lw=1, ls="--", label="an exact guide")
        axes[name].set(title=name, ylim=(0.5, None), xlabel="log w - log p(x), nats")
        axes[name].set_ylabel("draws")
    legend_above(picture, axes.values())
    save_figure(picture, records.DOCS / "museum_weights.png")


def introduction(record: dict) -> str:
    """What was planted, how it was measured, and when a metric catches it."""
    return f"""# The failure museum

Failures planted on purpose, each in a model whose evidence and posterior are known in closed form,
beside a healthy fit that differs in nothing else. Made by
`python -m benchmarks.evaluation.failure_detection --out benchmarks/results/museum.json` and
`python -m benchmarks.pages.failures` ({record["date"]}, torch
{record["versions"]["torch"]}, {record["rows"]} rows, {record["seeds"]} evaluation seeds).

A metric catches a failure (bold) where it lies five of its own standard errors outside of its
healthy range, in most seeds; a p-value has no such margin. In brackets: the healthy fit's value.
AIS and the gaps are taken once, on the sick fit."""


def page(record: dict, trapped: dict) -> str:
    """docs/museum.md, from the results of the planted failures and of the traps."""
    exhibits = record["exhibits"]
    return f"""{introduction(record)}

{table(exhibits)}

Who catches what:

{catches(exhibits)}

False alarms on healthy fits: {false_alarms(exhibits)}. {unmeasured(exhibits)}

## What the verdict says

Bound, weights and the guide's own draws, in this order, as `zoo.evaluate(fit).answers` has them
for a reader who knows the truth and for one who does not; the healthy fit's in brackets. Where the
decoder has collapsed, or the guide's density is wrong, the draws may be right all the same:
then the answer about them is yes. Nothing here was trained, so of a bound that is not tight nobody
can tell whether it has stopped rising.

{verdicts(exhibits)}

How often the verdict is right on fits that were not planted is on [its own page](verdict.md).

![The posterior of one row and the guide's](museum_posteriors.png)

![Rank histograms](museum_ranks.png)

![Log-weights](museum_weights.png)

{traps(trapped)}

{LESSONS}"""


def main() -> None:
    torch.set_default_dtype(torch.float64)
    record = records.read(records.RESULTS / "museum.json")
    fits = {name: pair(name, record["rows"]) for name in EXHIBITS}
    posteriors(fits)
    ranks(fits)
    weights(fits)
    trapped = records.read(records.RESULTS / "traps.json")
    (records.DOCS / "museum.md").write_text(page(record, trapped))
    keep_small(records.DOCS)


if __name__ == "__main__":
    main()
