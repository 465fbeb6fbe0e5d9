"""InfoVAE: the aggregated posterior is drawn to the prior by a discrepancy of draws.

    - E_q log p(x | z)  +  (1 - alpha) KL( q(z | x) || p(z) )
                        +  (alpha + weight - 1) MMD^2( q(z), p(z) ),

the first two terms for each row, the third between q(z) = E_x q(z | x) and the prior. With
alpha = 1 no row's posterior is drawn to the prior by itself, so that z may keep what it says about
x, which the ELBO (alpha = 0, weight = 1) takes from it under a strong decoder. That is the
MMD-VAE, and with the kernel of the second paper the Wasserstein autoencoder, whose encoder may be
deterministic: the guide `amortised_point`.

The discrepancy is the squared maximum mean discrepancy of a kernel k, estimated without bias by B
draws z_i of the minibatch's rows and B draws y_j of the prior:

    sum_{i != j} [ k(z_i, z_j) + k(y_i, y_j) ] / (B (B - 1))  -  2 sum_ij k(z_i, y_j) / B^2.

It couples the rows, and is counted once for each row of the data: N MMD^2 beside sums over N rows.
The value is no bound of log p(x) unless alpha is 0.

Cost: one evaluation of log p(x | z), and B^2 kernels.
Source: Zhao, Song & Ermon 2019, "InfoVAE: balancing learning and inference in variational
autoencoders"; Tolstikhin, Bousquet, Gelly & Schoelkopf 2018, "Wasserstein auto-encoders".
Departs from the papers: the unbiased estimate may be negative, and log p(x | z) is any likelihood.

As `wae`: Wasserstein autoencoder: reconstruction, and the MMD of draws from the prior.
Topic: Without a bound.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.checks.arguments import keep_number, look_up
from zoo.latents import Latents
from zoo.objectives.aggregated import draw, needs_one_latent
from zoo.objectives.mean_field import discrete_kl, kl_term
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.target import Target
from zoo.traces import Pair, add_up

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def gaussian(apart: Tensor, size: int) -> Tensor:
    """The kernel exp( -|x - y|^2 / (2 size) ), of squared distances between vectors of a size."""
    return torch.exp(-apart / (2 * size))


def inverse_multiquadratic(apart: Tensor, size: int) -> Tensor:
    """The mean over scales s of s C / (s C + |x - y|^2), C = 2 size; heavier tails."""
    widths = [2 * size * scale for scale in SCALES]
    return add_up(width / (width + apart) for width in widths) / len(widths)


KERNELS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "gaussian": gaussian,
    "inverse_multiquadratic": inverse_multiquadratic,
}


@dataclass(frozen=True)
class InfoVAE(Objective):
    """The family above; the default is the MMD-VAE.

    Attributes:
        alpha: how much of each row's KL term is left out; 1 leaves out all of it.
        weight: lambda; the discrepancy counts alpha + lambda - 1 times.
        kernel: "gaussian" or "inverse_multiquadratic".

    Raises:
        ValueError: for an unknown kernel, or if the discrepancy would count less than 0 times.

    Example:
        With alpha = 0 and weight = 1 it is the ELBO with its KL term in closed form:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> from zoo.objectives import InfoVAE, MeanFieldKL
        >>> x, model = torch.randn(9, 3), ProbabilisticPCA(3, 2)
        >>> fits = [
        ...     zoo.fit(model, guides.AmortisedNormal, x, objective=objective, steps=1)
        ...     for objective in (InfoVAE(alpha=0.0, weight=1.0), MeanFieldKL())
        ... ]
        >>> torch.allclose(fits[0].losses, fits[1].losses)
        True
    """

    alpha: float = 1.0
    weight: float = 100.0
    kernel: str = "gaussian"

    def __post_init__(self) -> None:
        keep_number(self, "alpha")
        keep_number(self, "weight")
        look_up("kernel", self.kernel, KERNELS)
        if self.alpha + self.weight < 1:
            raise ValueError(
                f"Expected alpha + weight of at least 1; got {self.alpha} + {self.weight}. The "
                "discrepancy counts alpha + weight - 1 times. Pass e.g. weight=100.0."
            )

    @property
    def needs(self) -> Needs:
        """What it asks of a guide; a KL term of each row, and so a density, unless alpha is 1."""
        return Needs(
            reparameterised=True, factorised=True, row_weights=True, log_q=self.alpha != 1
        )

    @property
    def target(self) -> Target:
        """No bound that log p and log q of a state determine."""
        return Target(None, None)

    @property
    def value_is_bound(self) -> bool:
        """With alpha = 0 it is the ELBO less something that is positive on average."""
        return self.alpha == 0

    def objection(self, latents: Latents) -> str | None:
        """It compares draws of one continuous latent of each row with draws of its prior."""
        return needs_one_latent(type(self).__name__, latents)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """The objective, nats for the full data, shape ()."""
        found, (name,) = draw(pair, args, kwargs), pair.latents.names
        loss = found.reconstruction
        if self.alpha != 1:
            q, p = found.traces.guide.nodes[name], found.traces.model.nodes[name]
            loss = loss + (1 - self.alpha) * kl_term(q, p, discrete_kl)
        apart = self.discrepancy(found.z, found.y)
        return loss + (self.alpha + self.weight - 1) * found.rows * apart

    def discrepancy(self, z: Tensor, y: Tensor) -> Tensor:
        """The unbiased estimate of MMD^2 from draws z and y, (draws, M) each: shape ().

        Raises:
            ValueError: for a single draw, which has no other to be compared with.
        """
        kernel, (count, size) = KERNELS[self.kernel], z.shape
        if count < 2:
            raise ValueError(
                f"InfoVAE compares the rows of a batch; got {count}. Pass batch_size=2 or more."
            )
        within = [
            (kernel(_apart(one, one), size).sum() - count) / (count * (count - 1))
            for one in (z, y)
        ]
        return within[0] + within[1] - 2 * kernel(_apart(z, y), size).mean()


def _apart(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances between the rows of two matrices."""
    return (x.unsqueeze(1) - y.unsqueeze(0)).square().sum(-1)
