"""The ELBO (evidence lower bound) by Monte Carlo draws: Pyro's Trace_ELBO.

ELBO = E_q [ log p(x, z) - log q(z) ].

Reparameterised draws z = g(noise; phi) are differentiated through. For the others the gradient is

    E_q [ grad log q(z) * (log p(x, z) - log q(z)) ],

with only those terms of the bracket that share the site's plates: a row's score function is
multiplied by that row's terms alone.

Cost: one evaluation of log p(x, z) a particle.
Source: Wingate & Weber 2013; Ranganath, Gerrish & Blei 2014, "Black Box Variational Inference".
Topic: ELBO.
"""

from dataclasses import dataclass

from pyro import poutine
from pyro.distributions.util import is_identically_zero
from pyro.infer.util import MultiFrameTensor
from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.objectives.objective import Objective
from zoo.traces import Pair, Traces, add_up, sample_sites, with_gradient


@dataclass(frozen=True)
class Trace(Objective):
    """The ELBO from `particles` independent draws.

    Example:
        The bound lies below log p(x), which probabilistic PCA knows exactly:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> from zoo.objectives import Trace
        >>> x = torch.randn(50, 5)
        >>> model = ProbabilisticPCA(5, 2)
        >>> fit = zoo.fit(model, guides.AmortisedNormal, x, objective=Trace(8), steps=100)
        >>> bool(-fit.losses[-10:].mean() < fit.model.log_evidence(x).sum())
        True
    """

    particles: int = 1

    def __post_init__(self) -> None:
        keep_whole(self, "particles")

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        runs = pair.draw(self.particles, args, kwargs)
        return add_up(negative_elbo(traces) for traces in runs) / self.particles


def negative_elbo(traces: Traces) -> Tensor:
    """Minus the sum of log p(x, z) - log q(z) over one run, with its gradient estimator."""
    elbo = log_prob_sum(traces.model) - log_prob_sum(traces.guide)
    surrogate = log_prob_sum(traces.model)
    signal = None
    for site in sample_sites(traces.guide):
        _, score_function, entropy_term = site["score_parts"]
        if not is_identically_zero(entropy_term):
            surrogate = surrogate - entropy_term.sum()
        if not is_identically_zero(score_function):
            signal = learning_signal(traces) if signal is None else signal
            cost = signal.sum_to(site["cond_indep_stack"])
            surrogate = surrogate + (cost * score_function).sum()
    return with_gradient(-elbo, -surrogate)


def log_prob_sum(trace: poutine.Trace) -> Tensor:
    """Sum of the log-probabilities of all sample sites, nats, shape ()."""
    return add_up(site["log_prob"].sum() for site in sample_sites(trace))


def learning_signal(traces: Traces) -> MultiFrameTensor:
    """The terms of log p(x, z) - log q(z), detached, sorted by the plates they lie in."""
    signal = MultiFrameTensor()
    for site in sample_sites(traces.model):
        signal.add((site["cond_indep_stack"], site["log_prob"].detach()))
    for site in sample_sites(traces.guide):
        signal.add((site["cond_indep_stack"], -site["log_prob"].detach()))
    return signal
