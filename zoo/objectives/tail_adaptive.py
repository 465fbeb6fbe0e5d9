"""The tail-adaptive f-divergence: draws are weighted by the ranks of their weights.

With w_k = p(x, z_k) / q(z_k) and F(w_k) = 1/K #{ j : w_j >= w_k }, its empirical tail probability,

    phi:  sum_k gamma_k (d log w_k / d z_k) (d z_k / d phi),     gamma_k ~ F(w_k)^beta,

gamma summing to 1 and q's parameters held constant. Large weights count most, as in inclusive
divergences, yet however heavy the tail of w, gamma has all its moments: at beta = -1 the largest
of K weights counts K times as much as the smallest. beta = 0 is sticking the landing.

The paper's target p is fixed. Here theta follows the ELBO, 1/K sum_k grad log p(x, z_k): gamma
belongs to no bound of log p(x). The value is the ELBO too.

Cost: K evaluations of f, and q is scored twice.
Source: Wang, Liu & Liu 2018, "Variational inference with tail-adaptive f-divergence".
Topic: Bounds of several draws.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_number, keep_whole
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_again import draw_path
from zoo.objectives.scored_draws import estimate
from zoo.objectives.target import Elbo, Target
from zoo.traces import Pair


@dataclass(frozen=True)
class TailAdaptive(Objective):
    """Tail-adaptive weights of power `beta` on K = `particles` draws.

    Raises:
        ValueError: for fewer than two particles, or beta above 0.

    Example:
        The largest of three weights counts 3 times as much as the smallest, whatever their size:

        >>> import torch
        >>> from zoo.objectives import TailAdaptive
        >>> from zoo.objectives.tail_adaptive import tail_adaptive_weights
        >>> log_w = torch.tensor([[0.0], [1.0], [1000.0]])  # (particles, rows)
        >>> gamma = tail_adaptive_weights(log_w, TailAdaptive().beta).squeeze()
        >>> gamma / gamma[0]
        tensor([1.0000, 1.5000, 3.0000])
    """

    particles: int = 10
    beta: float = -1.0

    def __post_init__(self) -> None:
        keep_whole(self, "particles", least=2, way="One draw has no rank: use stl.")
        way = "A positive one favours the smallest weights; -1 is the paper's."
        keep_number(self, "beta", most=0.0, way=way)

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(reparameterised=True, row_weights=True, nonlinear=True, density=True)

    @property
    def target(self) -> Target:
        """The ELBO for the model; no bound for the guide."""
        return Target(Elbo(), None)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        weights = draw_path(pair, self.particles, args, kwargs, self._path_weight)
        elbo = weights.log_w.mean(0).sum()
        return estimate(weights, elbo, elbo)

    def _path_weight(self, log_w: Tensor) -> Tensor:
        """K gamma_k: the ELBO's 1/K is in the surrogate."""
        return len(log_w) * tail_adaptive_weights(log_w, self.beta)


def tail_adaptive_weights(log_w: Tensor, beta: float) -> Tensor:
    """gamma_k of each row.

    Args:
        log_w: log importance weights, shape (particles, rows).
        beta: power of the tail probability.

    Returns:
        Same shape; each column sums to 1.
    """
    tail = (log_w.unsqueeze(0) >= log_w.unsqueeze(1)).to(log_w).mean(1)
    return tail**beta / (tail**beta).sum(0)
