"""Four data points in a plane of latents: what a flexible posterior buys.

A Bernoulli VAE of four one-hot rows with two latents. The four posteriors should share the prior
out among them, as pieces of a pie or as stripes: seeds differ. Diagonal normals fill such pieces
badly, and gaps stay; a flow turns and bends towards them. The latents are two, so log p(x) and
the posteriors are exact, by quadrature. The KL term is turned on slowly, lest the decoder learns
to ignore the latents.

Source: Kingma et al. 2016, "Improving variational inference with inverse autoregressive flow",
figure 1.
"""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zoo.checks.arguments import whole
from zoo.data import Data, keep
from zoo.data.data import fingerprint
from zoo.evaluation.gaps import measure_gaps
from zoo.evaluation.local_optimisation import Search
from zoo.isolation import isolated
from zoo.metrics.metric import Metric
from zoo.models.vaes.bernoulli_vae import BernoulliVAE
from zoo.objectives import Trace
from zoo.optim.schedules import Cosine, Linear
from zoo.results.result import Fit
from zoo.sampling.draws import draw
from zoo.sampling.importance_weights import weight_chunks
from zoo.task import Task
from zoo.training.fit import fit

POINTS, REACH, CELLS = 4, 6.0, 400
HIDDEN, PARTICLES, RATE = (32, 32), 8, 5e-3
SEEDS, STEPS, DRAWS = 10, 3000, 100_000
SEARCH, SEARCH_PARTICLES = Search(lr=0.01, factor=0.3, stalls=5, limit=3000), 32


@dataclass(frozen=True)
class GuidePair:
    """A guide to be shown.

    Attributes:
        guide: amortised.
        local: the same family with free parameters for each row, for the split of the gap.
    """

    guide: Callable
    local: Callable


@dataclass(frozen=True)
class Split:
    """What one gap is made of, means over rows, nats/row; the two add up to it.

    Attributes:
        approximation: log p(x) minus the best bound of the family that a search found, row by
            row; no smaller than that of the family's best.
        amortisation: that bound minus the guide's own: what the encoder and its training cost.
        settled: had the search stopped improving?
    """

    approximation: Metric
    amortisation: Metric
    settled: bool


@dataclass(frozen=True)
class Findings:
    """What came of one family; metrics are means over rows, one for each seed.

    Attributes:
        fits: one a seed.
        elbo: E_q[log p(x, z) - log q(z)] and its Monte Carlo error, nats/row.
        log_evidence: log p(x) of that fit's model by quadrature, nats/row; its `se` is the change
            from half as many points.
        gap: the difference.
        splits: of each seed's gap.
    """

    fits: list[Fit]
    elbo: list[Metric]
    log_evidence: list[Metric]
    gap: list[Metric]
    splits: list[Split]

    @property
    def best(self) -> Fit:
        """The fit of the seed with the highest ELBO, which is drawn."""
        return max(zip(self.elbo, self.fits, strict=True), key=lambda pair: pair[0].value)[1]


def four_points(
    guide_pairs: dict[str, GuidePair],
    *,
    seeds: int = SEEDS,
    steps: int = STEPS,
    draws: int = DRAWS,
    search: Search = SEARCH,
    compile: bool | str = "auto",
    progress: bool = False,
) -> dict[str, Findings]:
    """Trains every family on the four points.

    Args:
        guide_pairs: name -> guide and its local counterpart.
        seeds: number of seeds, side by side in one program where the step is compiled.
        steps: of each fit.
        draws: for each bound and row.
        search: how a q of each row's own is optimised, for the split.
        compile: see :func:`zoo.fit`.
        progress: show progress bars.

    Raises:
        ValueError: for fewer than 2 seeds, which have no spread.
    """
    whole("seeds", seeds, least=2, way="Error bars need two.")
    whole("steps", steps)
    found = {}
    for name, family in guide_pairs.items():
        fits = fit(
            four_points_task(),
            family.guide,
            objective=Trace(PARTICLES),
            steps=steps,
            lr=RATE,
            lr_schedule=Cosine(steps),
            kl_weight=Linear(0.0, 1.0, steps // 3),
            batch_size=None,
            device="cpu",
            compile=compile,
            progress=progress,
            replicas=seeds,
        )
        found[name] = shown(fits, family, draws, search)
    return found


def four_points_task() -> Task:
    """The task: four one-hot rows and a decoder from the plane."""
    rows = (torch.eye(POINTS),)
    data = Data(
        name="four_points",
        train=rows,
        valid=(),
        test=(),
        rowwise=True,
        image=None,
        observe=keep,
        labels=("x",),
        binarize="none",
        seed=0,
        hash=fingerprint("four_points", "none", (rows, (), ())),
    )
    return Task("bernoulli_vae", lambda: BernoulliVAE(POINTS, HIDDEN, latent=2), data)


def shown(fits: list[Fit], family: GuidePair, draws: int, search: Search) -> Findings:
    """Every bound beside the exact evidence, and where every gap comes from."""
    elbo = [bound(each, draws) for each in fits]
    exact = [evidence(each) for each in fits]
    gap = [difference(p, b) for p, b in zip(exact, elbo, strict=True)]
    splits = [
        split(*each, family.local, draws, search) for each in zip(fits, exact, elbo, strict=True)
    ]
    return Findings(fits, elbo, exact, gap, splits)


def difference(first: Metric, second: Metric) -> Metric:
    """The first minus the second, of independent draws."""
    se = math.hypot(first.se, second.se)
    return Metric(first.value - second.value, se, first.unit, "lower")


@torch.no_grad()
def bound(result: Fit, draws: int) -> Metric:
    """The ELBO of a fit, mean over the rows, nats/row."""
    with isolated(seed=result.settings.seed):
        chunks = list(weight_chunks(result.program, result.task.data.train, draws))
    log_w = torch.cat(chunks, dim=1).double()
    se = float((log_w.var(0) / draws).sum().sqrt()) / log_w.shape[1]
    return Metric(float(log_w.mean()), se, "nats/row")


@torch.no_grad()
def log_joint(result: Fit, cells: int = CELLS) -> Tensor:
    """Log p(x_n, z) on a grid of the plane, float64, shape (rows, cells + 1, cells + 1).

    The first grid dimension is z_1, the second z_2, both from -REACH to REACH.
    """
    assert isinstance(result.model, BernoulliVAE)
    model = deepcopy(result.model).double()
    axis = torch.linspace(-REACH, REACH, cells + 1, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    (x,) = result.task.data.train
    likelihood = torch.distributions.Bernoulli(logits=model.decode(z), validate_args=False)
    terms = likelihood.log_prob(x.double().unsqueeze(1)).sum(-1)
    prior = -0.5 * (z**2).sum(-1) - math.log(2 * math.pi)
    return (terms + prior).unflatten(-1, (cells + 1, cells + 1))


def evidence(result: Fit) -> Metric:
    """Log p(x) by quadrature, mean over the rows; se is the change from a grid half as fine."""
    fine, coarse = (_integral(log_joint(result, cells), cells) for cells in (CELLS, CELLS // 2))
    return Metric(float(fine.mean()), float((fine - coarse).abs().mean()), "nats/row")


def _integral(log_density: Tensor, cells: int) -> Tensor:
    return log_density.flatten(1).logsumexp(1) + 2 * math.log(2 * REACH / cells)


def split(
    result: Fit, exact: Metric, elbo: Metric, local: Callable, draws: int, search: Search
) -> Split:
    """What the family and what the encoder costs, mean over the rows, nats/row."""
    train = measure_gaps(
        result,
        (local,),
        rows=POINTS,
        draws=draws,
        objective=Trace(SEARCH_PARTICLES),
        search=search,
        seed=result.settings.seed,
    ).splits["train"]
    ((values, errors),) = train.local.values()
    se = float((errors**2).sum().sqrt()) / POINTS
    best = Metric(float(values.mean()), se, "nats/row")
    return Split(difference(exact, best), difference(best, elbo), all(train.settled.values()))


def posterior_draws(result: Fit, count: int) -> Tensor:
    """Draws of q(z | x_n) for every row, (count, rows, 2)."""
    with isolated(seed=0):
        return draw(result.program, result.task.data.train, count).latents["z"]


def gain(first: Findings, second: Findings) -> Metric:
    """By how much the second ELBO is higher, seed by seed; the error is over seeds, nats/row."""
    each = [difference(b, a) for a, b in zip(first.elbo, second.elbo, strict=True)]
    return replace(over_seeds(each), better="higher")


def over_seeds(metrics: list[Metric]) -> Metric:
    """Mean over seeds and its standard error."""
    values = torch.tensor([each.value for each in metrics], dtype=torch.float64)
    se = float(values.std()) / math.sqrt(len(values))
    return Metric(float(values.mean()), se, metrics[0].unit, metrics[0].better)
