"""The adversarial autoencoder: a critic that tells draws of the encoder from draws of the prior.

Encoder and decoder descend, with the critic D held,

    - E_q log p(x | z)  -  weight E_{q(z)} log D(z),

where q(z) = E_x q(z | x) is the aggregated posterior, and the critic descends, with them held,

    - E_{p(z)} log D(z)  -  E_{q(z)} log( 1 - D(z) ).

For the best critic the logit of D(z) is log p(z) - log q(z), so that the encoder draws q(z) to the
prior wherever a row is encoded to. No row's posterior is drawn to the prior by itself: z may keep
what it says about x. Only draws of the prior and of q are needed, and no density of either.

Both terms count N times, for N rows of data. The value is the loss of encoder and decoder; it is
no bound of log p(x), and need not fall, since the critic learns too.

Cost: one evaluation of log p(x | z), and three passes of the critic.
Source: Makhzani, Shlens, Jaitly, Goodfellow & Frey 2016, "Adversarial autoencoders".
Departs from the paper: the decoder and the encoder take one step together, at the same step as the
critic, where the paper alternates three; q(z | x) is any guide's, also the paper's deterministic
encoder, `amortised_point`; a learned prior whose draws can be differentiated moves towards q(z)
by the same game.

Topic: Without a bound.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_number
from zoo.latents import Latents
from zoo.objectives.aggregated import draw, needs_one_latent, width
from zoo.objectives.critic import (
    Critic,
    critic_first,
    held,
    keep_critic,
    taken_for_made,
    taken_for_real,
    told_apart,
)
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.target import Target
from zoo.optim.turns import Turn
from zoo.traces import Pair, with_gradient


@dataclass(frozen=True)
class AdversarialAutoencoder(Objective):
    """The game above.

    Attributes:
        weight: how many times the critic's verdict counts beside the reconstruction.
        hidden: widths of the critic's hidden layers.
        critic_steps: steps of the critic for each one of encoder and decoder.
        critic_rate: the critic's learning rate, as a multiple of the fit's.

    Raises:
        ValueError: for a setting out of its range.

    Example:
        The critic is a network of the objective's own, and learns at every step:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> from zoo.objectives import AdversarialAutoencoder
        >>> x, model = torch.randn(20, 3), ProbabilisticPCA(3, 2)
        >>> objective = AdversarialAutoencoder(hidden=(8,), critic_steps=2)
        >>> fit = zoo.fit(model, guides.AmortisedNormal, x, objective=objective, steps=4)
        >>> sum(p.numel() for p in fit.program.state.parameters())
        33
        >>> objective.value_is_bound
        False
    """

    weight: float = 1.0
    hidden: tuple[int, ...] = (128, 128)
    critic_steps: int = 1
    critic_rate: float = 1.0

    def __post_init__(self) -> None:
        keep_number(self, "weight", least=0.0)
        keep_critic(self)

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(reparameterised=True, row_weights=True, log_q=False)

    @property
    def target(self) -> Target:
        """No bound that log p and log q of a state determine."""
        return Target(None, None)

    @property
    def value_is_bound(self) -> bool:
        """No: it depends on what the critic has learned."""
        return False

    @property
    def turns(self) -> Mapping[str, Turn]:
        """The critic moves at every step, encoder and decoder at every `critic_steps`-th."""
        return critic_first(self.critic_steps, self.critic_rate)

    def objection(self, latents: Latents) -> str | None:
        """It compares draws of one continuous latent of each row with draws of its prior."""
        return needs_one_latent(type(self).__name__, latents)

    def state(self, latents: Latents) -> Critic:
        """The critic of z."""
        return Critic(width(latents), self.hidden)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """The loss of encoder and decoder, nats for the full data, shape ()."""
        assert isinstance(state, Critic)
        found, judge = draw(pair, args, kwargs), held(state)
        fooled = taken_for_real(judge(found.z))
        if found.y.requires_grad:
            fooled = fooled + taken_for_made(judge(found.y))
        value = found.reconstruction + self.weight * found.rows * fooled
        return with_gradient(value, value + found.rows * told_apart(state, found.y, found.z))
