"""Gumbel-Sinkhorn: relaxed permutations, so that draws have gradients.

    M = S(x) + g,   g_ij ~ Gumbel independently;      P = Sinkhorn( M / tau ).

While training, the latent is the noisy matrix M, with a density of its own: the model draws
M = g, and reads the doubly stochastic P in the place of the permutation. So every objective is a
bound of a proper (relaxed) model. The KL of M,

    KL( q(M) || p(M) ) = sum_ij S_ij + exp(-S_ij) - 1,

is an upper bound on that of P, which has no density that can be computed; it bounds no KL between
permutations, and the whole is no bound on the evidence of the discrete model. The objective
`mean_field` takes the KL of the discrete q to the prior instead, by the sum over permutations.

With `straight_through` the model sees the best matching of M, and the gradient goes through P.
In eval mode q is the discrete distribution of the same scores, P(pi) ~ exp(sum_i S_{i, pi_i}), so
that every reported bound is one on the true model; the best matching of M has another law.

Parameters: the encoder's; its head gives n^2 scores for n items, at most 6.
Source: Mena, Belanger, Linderman & Snoek 2018, "Learning latent permutations with Gumbel-Sinkhorn
networks".

As `sinkhorn_straight_through`: The best matching forward, Gumbel-Sinkhorn's gradient backward.
Topic: Permutations.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import pyro
import pyro.distributions as dist
import torch
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from torch import Tensor, nn

from guides.amortised_matching import scores_shape, sums_over_too_many
from guides.guide import Guide
from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.plates import inside
from zoo.checks.arguments import number
from zoo.latents import Kind, Latents
from zoo.permutations import UniformPermutation, best_matching, matching, sinkhorn


class GumbelSinkhorn(Guide):
    """Each row's permutations relaxed to doubly stochastic matrices, with scores from a network.

    Args:
        latents: the latents to cover, of at most 6 items, with a uniform prior.
        temperature: tau.
        straight_through: hand the model permutations, with the relaxed gradient.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Raises:
        ValueError: for a temperature that is not positive, or more than 6 items; in the first run
            for a prior that is not uniform.

    Example:
        In training the latent is a noisy matrix, in eval mode a permutation:

        >>> import guides, torch, zoo
        >>> from zoo.models.discrete.latent_permutation import LatentPermutation
        >>> x = torch.randn(7, 4)
        >>> fit = zoo.fit(LatentPermutation(4), guides.GumbelSinkhorn, x, steps=10)
        >>> [tuple(fit.guide.train(mode)(x)["pi"].shape) for mode in (True, False)]
        [(7, 4, 4), (7, 4)]
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.PERMUTATION})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    independent: ClassVar[bool] = False
    relaxes: ClassVar[bool] = True
    temperature: Tensor

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """In eval mode it sums over all permutations."""
        return sums_over_too_many(cls.__name__, latents)

    def __init__(
        self,
        latents: Latents,
        temperature: float = 0.5,
        *,
        straight_through: bool = False,
        body: nn.Module | None = None,
    ) -> None:
        super().__init__(latents)
        number("temperature", temperature, above=0.0, way="Pass e.g. temperature=0.5.")
        self.raise_objection()
        tau = torch.as_tensor(temperature).to(torch.get_default_dtype())
        self.register_buffer("temperature", tau)
        self.straight_through = straight_through
        self.encoder = Encoder(
            latents, lambda site: values_per_row(site, latents, scores_shape(site)), body
        )

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given: noisy scores in training, else permutations."""
        plates, values = self.plates(args), {}
        for site, output in zip(self.latents.sites, self.encoder(args), strict=True):
            scores = by_row(output, site, self.latents, scores_shape(site))
            exact = matching(scores).to_event(len(site.event_shape) - 1)
            noisy = dist.Gumbel(scores, torch.ones_like(scores)).to_event(len(scores_shape(site)))
            q: Any = noisy if self.training else exact
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, q, infer={"discrete": exact})  # type: ignore[arg-type]
        return values

    def relax(self, noisy: Tensor) -> Tensor:
        """What the model sees of noisy scores: a matrix of the same shape (..., n, n)."""
        soft = sinkhorn(noisy / self.temperature)
        return best_matching(noisy) + (soft - soft.detach()) if self.straight_through else soft

    def view(self, model: Callable) -> Callable:
        """The model that reads relaxed permutations, in training; itself in eval mode."""
        return ReadRelaxed(self)(model) if self.training else model


class ReadRelaxed(Messenger):
    """Draws noise in the place of each permutation, and gives the model the relaxed one."""

    def __init__(self, guide: GumbelSinkhorn) -> None:
        super().__init__()
        self.guide = guide

    def _covers(self, msg: Message) -> bool:
        return msg["name"] in self.guide.latents.names and not msg["is_observed"]

    def _pyro_sample(self, msg: Message) -> None:
        if self._covers(msg):
            prior: Any = msg["fn"]
            msg["discrete"] = prior  # type: ignore[typeddict-unknown-key]
            like, shape = _uniform(prior, str(msg["name"])).like, prior.event_shape
            zeros = like.new_zeros(*prior.batch_shape, *shape, shape[-1])
            msg["fn"] = dist.Gumbel(zeros, torch.ones_like(zeros)).to_event(len(shape) + 1)

    def _pyro_post_sample(self, msg: Message) -> None:
        """Runs after every outer handler has seen the noise itself, whose density is scored."""
        if self._covers(msg):
            value = msg["value"]
            assert isinstance(value, Tensor)
            msg["value"] = self.guide.relax(value)


def _uniform(prior: Any, name: str) -> UniformPermutation:
    """The uniform distribution inside a prior.

    Raises:
        ValueError: for another one, of which Gumbel noise without scores is no relaxation.
    """
    while isinstance(prior, dist.Independent):
        prior = prior.base_dist
    if isinstance(prior, UniformPermutation):
        return prior
    raise ValueError(
        f"GumbelSinkhorn relaxes a uniform prior; that of '{name}' is {type(prior).__name__}. Use "
        "AmortisedPlackettLuce or AmortisedMatching, which take any."
    )
