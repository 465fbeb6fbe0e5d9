"""VAE/GAN: an autoencoder whose reconstructions are compared in a critic's features of them.

A critic D tells data from what the decoder makes. Its last hidden layer f(x) says what of a row
matters for that, so that rows are compared by f, where the ELBO compares them number by number.
With xbar(z) = E[x | z] the decoder's mean, and D and f held,

    encoder:   KL( q(z | x) || p(z) )  +  L
    decoder:   gamma L  -  weight ( E log D(xbar(z)) + E log D(xbar(y)) )
    L      =   E_q |f(x) - f(xbar(z))|^2 / (2 scale^2)

with draws z of the encoder and y of the prior. The critic descends, with both held,

    - E log D(x)  -  E log( 1 - D(xbar(z)) )  -  E log( 1 - D(xbar(y)) ).

The encoder does not see the critic's verdict, and the decoder's share of L counts gamma times.
No density of x is compared: parameters of p(x | z) beside its mean, such as the standard deviation
of noise, stay as they are, and log p(x) of such a fit is that of a model which was not trained to
have a high one.

All terms count N times, for N rows of data. The value is the sum of the losses of encoder and
decoder, L counted 1 time; it is no bound of log p(x), and need not fall, since the critic learns
too.

Cost: three runs of the model, and five passes of the critic.
Source: Larsen, Sonderby, Larochelle & Winther 2016, "Autoencoding beyond pixels using a learned
similarity metric".
Departs from the paper: the decoder descends - log D of what it makes and not log(1 - D), whose
slope is flat where the critic is sure (Goodfellow et al. 2014); the critic is a multilayer
perceptron and f its last hidden layer, where the paper has convolutions; `scale`, which is 1 in
the paper, makes up for the size of f; the three take one step together, in turns if asked.

Topic: Without a bound.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from pyro import poutine
from torch import Tensor, nn

from zoo.checks.arguments import keep_number
from zoo.latents import Latents
from zoo.objectives.aggregated import draw, needs_one_latent
from zoo.objectives.critic import (
    Critic,
    critic_first,
    held,
    keep_critic,
    taken_for_made,
    taken_for_real,
    told_apart,
)
from zoo.objectives.frozen import frozen
from zoo.objectives.mean_field import discrete_kl, kl_term
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.target import Target
from zoo.optim.turns import Turn
from zoo.traces import Assign, Pair, sample_sites, with_gradient


@dataclass(frozen=True)
class VAEGAN(Objective):
    """The game above, for a model of rows whose mean given z is known.

    Attributes:
        gamma: how many times the distance of features counts for the decoder.
        weight: how many times the critic's verdict counts for the decoder.
        scale: standard deviation of a feature around that of the reconstruction.
        hidden: widths of the critic's hidden layers; the last one is f.
        critic_steps: steps of the critic for each one of encoder and decoder.
        critic_rate: the critic's learning rate, as a multiple of the fit's.

    Raises:
        ValueError: for a setting out of its range.

    Example:
        The critic learns beside encoder and decoder:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> from zoo.objectives import VAEGAN
        >>> x, model = torch.randn(20, 3), ProbabilisticPCA(3, 2)
        >>> objective = VAEGAN(hidden=(8,))
        >>> fit = zoo.fit(model, guides.AmortisedNormal, x, objective=objective, steps=4)
        >>> sum(p.numel() for p in fit.program.state.parameters())
        41
        >>> objective.value_is_bound
        False
    """

    gamma: float = 1.0
    weight: float = 1.0
    scale: float = 0.3
    hidden: tuple[int, ...] = (128, 128)
    critic_steps: int = 1
    critic_rate: float = 1.0

    def __post_init__(self) -> None:
        keep_number(self, "gamma", "weight", least=0.0)
        keep_number(self, "scale", above=0.0)
        keep_critic(self)

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(reparameterised=True, factorised=True, row_weights=True)

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
        """It needs one continuous latent of each row, and a row whose mean it can follow."""
        name = type(self).__name__
        if refused := needs_one_latent(name, latents):
            return refused
        if latents.differentiable_mean and len(latents.row_args) == 1 and not latents.derived:
            return None
        return (
            f"{name} shows its critic the mean of the row x that the model gives z; "
            f"{', '.join(map(repr, latents.observed))} has none in closed form, or is not the "
            "one argument of the model. Use aae, or a likelihood with a mean, such as gaussian."
        )

    def state(self, latents: Latents) -> Critic:
        """The critic of rows."""
        return Critic(latents.context, self.hidden)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """The losses of encoder and decoder, nats for the full data, shape ()."""
        assert isinstance(state, Critic)
        found, (name,) = draw(pair, args, kwargs), pair.latents.names
        q, p = found.traces.guide.nodes[name], found.traces.model.nodes[name]
        z = cast(Tensor, q["value"]).detach()
        rows = Rows(
            pair.latents.row_context(args),
            mean_given(pair, {name: z}, args, kwargs),
            mean_given(pair, {name: found.y.reshape(z.shape)}, args, kwargs),
        )
        judge, features = held(state), frozen(state.features)
        apart = self.apart(features, rows.real, mean_in(found.traces.model))
        fooled = taken_for_real(judge(rows.again)) + taken_for_real(judge(rows.made))
        value = kl_term(q, p, discrete_kl) + found.rows * (apart + self.weight * fooled)
        more = (self.gamma - 1) * self.apart(features, rows.real, rows.again)
        return with_gradient(value, value + found.rows * (more + told_apart_twice(state, rows)))

    def apart(self, features: Callable[..., Any], real: Tensor, again: Tensor) -> Tensor:
        """The distance L of features, nats, averaged over rows: shape ().

        Args:
            features: rows (rows, D) -> (rows, features).
            real: rows of data, (rows, D).
            again: their reconstructions, (rows, D).
        """
        gap = (features(real) - features(again)).square().sum(-1)
        return gap.mean() / (2 * self.scale**2)


class Rows(NamedTuple):
    """What the critic is shown, (rows, D) each.

    Attributes:
        real: data.
        again: the decoder's means at the encoder's draws, which are constants.
        made: its means at draws of the prior.
    """

    real: Tensor
    again: Tensor
    made: Tensor


def told_apart_twice(critic: Critic, rows: Rows) -> Tensor:
    """The critic's loss, nats a row, shape ()."""
    return told_apart(critic, rows.real, rows.again) + taken_for_made(critic(rows.made.detach()))


def mean_given(pair: Pair, values: dict[str, Tensor], args: tuple, kwargs: dict) -> Tensor:
    """The mean of the observed row where latents have the values given, (rows, D)."""
    with Assign(values):
        return mean_in(poutine.trace(pair.model).get_trace(*args, **kwargs))


def mean_in(trace: poutine.Trace) -> Tensor:
    """The mean of the one site of a trace that is observed, (rows, D)."""
    (site,) = (site for site in sample_sites(trace) if site["is_observed"])
    mean: Tensor = site["fn"].mean  # type: ignore[attr-defined]
    return mean.reshape(len(mean), -1)
