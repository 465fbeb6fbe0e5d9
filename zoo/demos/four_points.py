"""Four data points in a plane of latents: what a flexible posterior buys.

A Bernoulli VAE of four one-hot rows with two latents. The four posteriors divide the prior between
them, into sectors or stripes, depending on the seed. A diagonal normal fits such a shape badly and
leaves gaps; a flow can fit it. As there are only two latents, log p(x) and the posteriors are
computed exactly, by quadrature. The weight of the KL term rises slowly from 0, so that the decoder
does not learn to ignore the latents.

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
from zoo.demos import SEEDS
from zoo.evaluation.gaps import measure_gaps
from zoo.evaluation.local_optimisation import Search
from zoo.isolation import isolated
from zoo.metrics.means import mean_over_rows, sample_mean
from zoo.metrics.metric import Metric, difference
from zoo.models.vaes.bernoulli_vae import BernoulliVAE
from zoo.objectives import Trace
from zoo.optim.schedules import Cosine, Linear
from zoo.results.result import Fit
from zoo.sampling.draws import draw
from zoo.sampling.importance_weights import weight_chunks
from zoo.task import Task
from zoo.training.fit import fit

POINTS = 4
GRID_END = 6.0  # the grid of the plane is from -6 to 6 in both directions
GRID_CELLS = 400  # in each direction
HIDDEN = (32, 32)
PARTICLES = 8
LEARNING_RATE = 5e-3
STEPS = 3000
DRAWS = 100_000
SEARCH = Search(lr=0.01, factor=0.3, stalls=5, limit=3000)
SEARCH_PARTICLES = 32


@dataclass(frozen=True)
class GuidePair:
    """A guide family in its amortised and its local form.

    Attributes:
        guide: the amortised guide, which is trained and drawn.
        local: the same family with free parameters for each row, for the split of the gap.
    """

    guide: Callable
    local: Callable


@dataclass(frozen=True)
class Split:
    """The two parts of a gap, means over rows in nats/row, which add up to it.

    Attributes:
        approximation: log p(x) minus the best bound that a search found in the family for each
            row; at least as large as the family's true gap.
        amortisation: that bound minus the guide's own: the loss due to the encoder and its
            training.
        settled: did the search stop improving before its limit?
    """

    approximation: Metric
    amortisation: Metric
    settled: bool


@dataclass(frozen=True)
class Findings:
    """The results of one family; each list has an entry for each seed, a mean over rows.

    Attributes:
        fits: the trained models and guides.
        elbo: E_q[log p(x, z) - log q(z)] and its Monte Carlo error, nats/row.
        log_evidence: log p(x) of that fit's model by quadrature, nats/row; its `se` is the change
            from a grid half as fine.
        gap: log p(x) minus the ELBO.
        splits: the parts of the gap.
    """

    fits: list[Fit]
    elbo: list[Metric]
    log_evidence: list[Metric]
    gap: list[Metric]
    splits: list[Split]

    @property
    def best(self) -> Fit:
        """The fit with the highest ELBO, which the picture shows."""
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
    """The results of each family, trained on the four points with several seeds.

    Args:
        guide_pairs: name -> guide and its local form.
        seeds: number of seeds; compiled fits of all seeds run in one program.
        steps: number of steps of each fit.
        draws: number of draws for each bound and row.
        search: settings of the optimisation of a q for each row, for the split.
        compile: see :func:`zoo.fit`.
        progress: show progress bars.

    Raises:
        ValueError: for fewer than 2 seeds, which have no standard error.
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
            lr=LEARNING_RATE,
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
    """The task: four one-hot rows, and a decoder with two latents."""
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
    """The bounds, exact evidences and gaps of the fits of one family."""
    elbo = [bound(each, draws) for each in fits]
    exact = [evidence(each) for each in fits]
    gap = [difference(p, b) for p, b in zip(exact, elbo, strict=True)]
    splits = [
        split(*each, family.local, draws, search) for each in zip(fits, exact, elbo, strict=True)
    ]
    return Findings(fits, elbo, exact, gap, splits)


@torch.no_grad()
def bound(result: Fit, draws: int) -> Metric:
    """The ELBO of a fit, mean over the rows, nats/row."""
    with isolated(seed=result.settings.seed):
        chunks = list(weight_chunks(result.program, result.task.data.train, draws))
    log_w = torch.cat(chunks, dim=1).double()
    se = float((log_w.var(0) / draws).sum().sqrt()) / log_w.shape[1]
    return Metric(float(log_w.mean()), se, "nats/row")


@torch.no_grad()
def log_joint(result: Fit, cells: int = GRID_CELLS) -> Tensor:
    """Log p(x_n, z) on a grid of the plane, float64, shape (rows, cells + 1, cells + 1).

    The first grid dimension is z_1, the second z_2, both from -GRID_END to GRID_END.
    """
    assert isinstance(result.model, BernoulliVAE)
    model = deepcopy(result.model).double()
    axis = torch.linspace(-GRID_END, GRID_END, cells + 1, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    (x,) = result.task.data.train
    likelihood = torch.distributions.Bernoulli(logits=model.decode(z), validate_args=False)
    terms = likelihood.log_prob(x.double().unsqueeze(1)).sum(-1)
    prior = -0.5 * (z**2).sum(-1) - math.log(2 * math.pi)
    return (terms + prior).unflatten(-1, (cells + 1, cells + 1))


def evidence(result: Fit) -> Metric:
    """Log p(x) by quadrature, mean over the rows; se is the change from a grid half as fine."""
    fine, coarse = (
        _integral(log_joint(result, cells), cells) for cells in (GRID_CELLS, GRID_CELLS // 2)
    )
    return Metric(float(fine.mean()), float((fine - coarse).abs().mean()), "nats/row")


def _integral(log_density: Tensor, cells: int) -> Tensor:
    return log_density.flatten(1).logsumexp(1) + 2 * math.log(2 * GRID_END / cells)


def split(
    result: Fit, exact: Metric, elbo: Metric, local: Callable, draws: int, search: Search
) -> Split:
    """The parts of the gap that are due to the family and to the encoder."""
    train = measure_gaps(
        result,
        (local,),
        rows=POINTS,
        draws=draws,
        objective=Trace(SEARCH_PARTICLES),
        search=search,
        seed=result.settings.seed,
    ).splits["train"]
    (local_bounds,) = train.local.values()
    best = mean_over_rows(local_bounds)
    return Split(difference(exact, best), difference(best, elbo), all(train.settled.values()))


def posterior_draws(result: Fit, count: int) -> Tensor:
    """Draws of q(z | x_n) for every row, (count, rows, 2)."""
    with isolated(seed=0):
        return draw(result.program, result.task.data.train, count).latents["z"]


def gain(first: Findings, second: Findings) -> Metric:
    """How much higher the second family's ELBO is, mean over seeds with its error, nats/row."""
    each = [difference(b, a) for a, b in zip(first.elbo, second.elbo, strict=True)]
    return replace(over_seeds(each), better="higher")


def over_seeds(metrics: list[Metric]) -> Metric:
    """Mean over seeds and its standard error."""
    values = torch.tensor([each.value for each in metrics], dtype=torch.float64)
    return sample_mean(values, metrics[0].unit, better=metrics[0].better)
