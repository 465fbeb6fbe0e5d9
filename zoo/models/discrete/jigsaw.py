"""A jigsaw: tiles of a picture in an unknown order, under a fixed density of pictures.

A picture comes from one of K prototypes, which gives every pixel a probability of its own. The
prototypes are fitted to complete pictures by EM and then held: shuffled pictures alone could not
tell an order from the same order with all tiles of the picture renamed. A sum over all n! orders
gives the exact evidence and posterior for up to 6 tiles.

Generative process, for each row r:
    pi_r ~ uniform over permutations,   k_r ~ Categorical(w), summed out
    x_rj ~ Bernoulli(p_{k_r, i}) for each pixel, i the tile in place j: pi_ri = j

Shapes: x (rows, n, pixels of a tile), pi (rows, n) int64, pi_ri the place of tile i; log_weights
log w (K,), chances p (K, n, pixels).
Sources: Mena, Belanger, Linderman and Snoek (2018), Learning latent permutations with
Gumbel-Sinkhorn networks, ICLR, section 5.2; EM for mixtures of Bernoullis in Bishop (2006),
Pattern recognition and machine learning, section 9.3.3.
Departs from the papers: Mena et al. train a network to solve pictures whose order is known, with
no density of pictures; here the order is a latent, and only its posterior is asked for.

Probabilities of x are p P with P the matrix of pi, so a doubly stochastic P in its place works.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.checks.arguments import whole
from zoo.data import Data
from zoo.data.digits_jigsaw import complete
from zoo.models.shapes import require_shape
from zoo.permutations import EachPermutation, UniformPermutation, as_matrix
from zoo.permutations.each import matched

STEPS = 60  # of EM


class Jigsaw(nn.Module):
    """Tiles of pictures in a latent order; no parameter is left to learn."""

    log_weights: Tensor
    chances: Tensor

    def __init__(self, pictures: Tensor, prototypes: int = 30) -> None:
        """Fits the prototypes.

        Args:
            pictures: complete ones, in zeros and ones, as tiles in order: (pictures, n, pixels).
            prototypes: their number K, at most that of the pictures.

        Raises:
            ValueError: pictures are not tiles, or fewer than the prototypes.
        """
        super().__init__()
        if pictures.dim() != 3 or pictures.shape[1] < 2:
            raise ValueError(
                "Expected pictures of shape (pictures, at least 2 tiles, pixels); got "
                f"{tuple(pictures.shape)}. Cut them, as zoo.data.digits_jigsaw.cut does."
            )
        whole("prototypes", prototypes, least=1, way="Pass e.g. prototypes=30.")
        if prototypes > len(pictures):
            raise ValueError(
                f"Expected at most as many prototypes as pictures, {len(pictures)}; got "
                f"{prototypes}. Pass fewer prototypes, or more pictures."
            )
        weights, chances = fitted(pictures.flatten(1), prototypes)
        self.register_buffer("log_weights", weights.log())
        self.register_buffer("chances", chances.reshape(prototypes, *pictures.shape[1:]))

    def forward(self, x: Tensor) -> Tensor:
        """Generates rows: site pi, then the observed site x.

        Args:
            x: tiles as they lie, shape (rows, n, pixels).

        Returns:
            The observed rows, shape (rows, n, pixels).

        Raises:
            ValueError: x has other tiles than the pictures.
        """
        _, items, pixels = self.chances.shape
        require_shape("x", x, (len(x), items, pixels))
        with pyro.plate("data", len(x)):
            pi = pyro.sample("pi", UniformPermutation(items, self.chances))
            bits = dist.Bernoulli(self.decode(pi)).to_event(2)
            which = dist.Categorical(logits=self.log_weights.expand(bits.batch_shape))
            return pyro.sample("x", dist.MixtureSameFamily(which, bits), obs=x)

    def decode(self, pi: Tensor) -> Tensor:
        """Probabilities of the pixels under each prototype: (..., K, n, pixels).

        Args:
            pi: a permutation (..., n) or a doubly stochastic matrix (..., n, n).
        """
        return as_matrix(pi, self.chances.dtype).mT.unsqueeze(-3) @ self.chances

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x), summed over all n! orders and all prototypes.

        Args:
            x: tiles as they lie, shape (rows, n, pixels).

        Returns:
            Nats, shape (rows,).

        Raises:
            ValueError: there are more than 6 tiles.
        """
        return self._log_joint(x).logsumexp(-1)

    def posterior(self, x: Tensor) -> dict[str, EachPermutation]:
        """Exact posterior: a probability for every order of each row.

        Args:
            x: tiles as they lie, shape (rows, n, pixels).

        Returns:
            Site pi -> distribution of batch shape (rows,), event shape (n,).

        Raises:
            ValueError: there are more than 6 tiles.
        """
        return {"pi": EachPermutation(self._log_joint(x), self.chances.shape[1])}

    def _log_joint(self, x: Tensor) -> Tensor:
        """Log p(x_r, pi_r) of every order, nats, shape (rows, n!).

        Under one prototype the log-probability is a sum over tiles, of each in its place.
        """
        shown, blank = self.chances.log(), (-self.chances).log1p()
        pairs = "rjp,kip->rkij"
        each = torch.einsum(pairs, x, shown) + torch.einsum(pairs, 1 - x, blank)
        joint = (matched(each) + self.log_weights[:, None]).logsumexp(1)
        uniform = UniformPermutation(self.chances.shape[1], self.chances)
        return joint + uniform.log_prob(uniform.enumerate_support())


@torch.no_grad()
def fitted(pictures: Tensor, prototypes: int, steps: int = STEPS) -> tuple[Tensor, Tensor]:
    """Weights (K,) and probabilities (K, D) of a mixture of Bernoullis, by EM.

    Every prototype starts at a picture, half way to the mean, and has half a picture of ones and
    half of zeros added in each step, so that no probability is 0 or 1.

    Args:
        pictures: zeros and ones, shape (pictures, D).
        prototypes: K.
        steps: of EM.
    """
    spread = torch.linspace(0, len(pictures) - 1, prototypes, device=pictures.device).long()
    chances = (pictures[spread] + pictures.mean(0) + 0.5) / 3
    weights = torch.full_like(chances[:, 0], 1 / prototypes)
    for _ in range(steps):
        log_p = pictures @ chances.log().mT + (1 - pictures) @ (-chances).log1p().mT
        shares = (log_p + weights.log()).softmax(-1)
        held = shares.sum(0)
        chances = (shares.mT @ pictures + 0.5) / (held[:, None] + 1)
        weights = (held + 1) / (held + 1).sum()
    return weights, chances


def from_data(data: Data) -> Jigsaw:
    """The model of a jigsaw's data set, fitted to its complete pictures.

    Raises:
        ValueError: the data set keeps no complete pictures.
    """
    return Jigsaw(complete(data))
