"""The ELBO with a score-function gradient of lower variance: Pyro's TraceGraph_ELBO.

For each draw z_i that is not reparameterised the gradient is

    grad log q(z_i) * ( sum of the terms of log p - log q that depend on z_i  -  b ),

where dependence is tracked through the computation itself and the baseline b does not depend on
z_i, so that it changes the variance and not the mean. "nvil" is this with DecayingAverage() and
Neural() for b. It departs from NVIL: the signal is not divided by a running standard deviation,
and each latent's network reads the data row, not the layer below.

Cost: one evaluation of log p(x, z) a particle.
Source: Schulman, Heess, Weber & Abbeel 2015; baselines: Mnih & Gregor 2014 (NVIL), whose variance
normalisation is left out.

As `nvil`: The ELBO by score function, with a running mean and a network as baselines (NVIL).
Topic: Score function.
"""

from dataclasses import dataclass

from pyro.distributions.util import is_identically_zero
from pyro.infer.tracegraph_elbo import TrackNonReparam
from pyro.infer.util import MultiFrameTensor
from pyro.ops.provenance import detach_provenance, get_provenance
from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.latents import Latents
from zoo.objectives.baselines import Baseline, Baselines, check_baselines, no_rows_to_read
from zoo.objectives.objective import Needs, Objective
from zoo.traces import Pair, Traces, add_up, plate_scale, sample_sites, with_gradient


@dataclass(frozen=True)
class TraceGraph(Objective):
    """The ELBO from `particles` draws; `baselines` are subtracted from the learning signal.

    Example:
        Of two switches the second is worth 1000 nats. The first one's step does not depend on it:
        it is 0 (off) or 1.5 (on).

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import TraceGraph
        >>> def model():
        ...     pyro.factor("a gain", 3.0 * pyro.sample("a", dist.Bernoulli(0.5)))
        ...     pyro.factor("b gain", 1000.0 * pyro.sample("b", dist.Bernoulli(0.5)))
        >>> def guide():
        ...     logit = pyro.param("logit", torch.tensor(0.0))
        ...     pyro.sample("a", dist.Bernoulli(logits=logit))
        ...     pyro.sample("b", dist.Bernoulli(0.5))
        >>> settings = {"objective": TraceGraph(), "steps": 1, "optimizer": "sgd", "lr": 1.0}
        >>> fits = [zoo.fit(model, guide, seed=seed, **settings) for seed in range(8)]
        >>> sorted({fit.program.store.values[0].item() for fit in fits})
        [0.0, 1.5]
    """

    particles: int = 1
    baselines: tuple[Baseline, ...] = ()

    def __post_init__(self) -> None:
        keep_whole(self, "particles")
        check_baselines(self.baselines)

    def objection(self, latents: Latents) -> str | None:
        """A neural baseline reads data rows."""
        return no_rows_to_read(self.baselines, latents)

    def state(self, latents: Latents) -> Baselines:
        """One set of baselines for each latent."""
        return Baselines(self.baselines, latents)

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(score_function=bool(self.baselines))

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        with TrackNonReparam():
            runs = pair.draw(self.particles, args, kwargs)
        return add_up(_negative_elbo(traces, state, args) for traces in runs) / self.particles


def _negative_elbo(traces: Traces, baselines: nn.Module, args: tuple) -> Tensor:
    elbo: list[Tensor] = []
    surrogate: list[Tensor] = []
    downstream: dict[str, MultiFrameTensor] = {}
    signed = [(+1, site) for site in sample_sites(traces.model)]
    signed += [(-1, site) for site in sample_sites(traces.guide)]
    for sign, site in signed:
        term = sign * site["log_prob"]
        elbo.append(term.sum())
        differentiable = site["log_prob"] if sign > 0 else -site["score_parts"].entropy_term
        if not is_identically_zero(differentiable):
            surrogate.append(differentiable.sum())
        for name in get_provenance(site["log_prob"]):
            costs = downstream.setdefault(name, MultiFrameTensor())
            costs.add((site["cond_indep_stack"], detach_provenance(term).detach()))
    for name, costs in downstream.items():
        site = traces.guide.nodes[name]
        cost = costs.sum_to(site["cond_indep_stack"])
        score_function = detach_provenance(site["score_parts"].score_function)
        signal, own_loss = baselines(name, cost, plate_scale(site), args)
        surrogate.append((score_function * signal).sum() - own_loss)
    value, differentiable = detach_provenance(add_up(elbo)), detach_provenance(add_up(surrogate))
    return with_gradient(-value, -differentiable)
