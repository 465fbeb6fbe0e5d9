"""FlowGAN: a flow trained by likelihood and by a critic of its draws, in any mixture.

A flow x = g(u), u ~ N(0, I), is scored exactly, and its draws are differentiable, so that it can
be trained as a density and as the generator of a GAN. The flow descends, with the critic C held,

    - likelihood E log p(x)  +  E C(x) - E C(g(u)),

and the critic, with the flow held,

    E C(g(u)) - E C(x)  +  penalty E ( |grad C(x')| - 1 )^2,   x' = e x + (1 - e) g(u),

with e ~ Uniform(0, 1) for each row. The penalty keeps C near slope 1 between data and draws; the
best such C makes E C(x) - E C(g(u)) the Wasserstein distance of the data and the flow, in units of
x. With likelihood = 0 the training is adversarial alone, and maximum likelihood alone is the
objective `trace`.

All terms count N times, for N rows of data. The value is the loss of the flow, with the critic's
estimate of the distance; it is no bound of log p(x), and need not fall. log p(x) itself stays
exact whatever the training.

The other way to bound the critic's slope, clipping its weights after each of its steps, is in no
loss; the penalty is, so that a step that is captured holds all of it.

Cost: one evaluation of log p(x), one draw for each row, and five passes of the critic.
Source: Grover, Dhar & Ermon 2018, "Flow-GAN: combining maximum likelihood and adversarial learning
in generative models"; for the penalty, Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville 2017,
"Improved training of Wasserstein GANs".
Departs from the paper: the critic's steps and the flow's use the same minibatch where they fall on
the same step.

As `flow_gan_adversarial`: a flow trained by a critic of its draws alone, without likelihood.
Topic: Without a bound.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.checks.arguments import keep_number
from zoo.latents import Latents
from zoo.objectives.critic import Critic, critic_first, held, keep_critic
from zoo.objectives.objective import Objective
from zoo.objectives.target import Target
from zoo.optim.turns import Turn
from zoo.traces import Pair, sample_sites, with_gradient


@dataclass(frozen=True)
class FlowGAN(Objective):
    """The hybrid above, for a model without latents.

    Attributes:
        likelihood: how many times log p(x) counts beside the critic; 0 leaves it out.
        penalty: how many times the slope of the critic counts.
        hidden: widths of the critic's hidden layers.
        critic_steps: steps of the critic for each one of the flow.
        critic_rate: the critic's learning rate, as a multiple of the fit's.

    Raises:
        ValueError: for a setting out of its range.

    Example:
        However a flow is trained, its log p(x) of test rows is exact:

        >>> import guides, zoo
        >>> from zoo.objectives import FlowGAN
        >>> objective = FlowGAN(likelihood=0.0, hidden=(8,), critic_steps=2)
        >>> fit = zoo.fit(zoo.load("realnvp"), guides.Empty, objective=objective, steps=4)
        >>> zoo.evaluate(fit)["log_evidence"].unit
        'nats/row'
    """

    likelihood: float = 1.0
    penalty: float = 10.0
    hidden: tuple[int, ...] = (128, 128)
    critic_steps: int = 5
    critic_rate: float = 1.0

    def __post_init__(self) -> None:
        keep_number(self, "likelihood", "penalty", least=0.0)
        keep_critic(self)

    @property
    def target(self) -> Target:
        """No bound."""
        return Target(None, None)

    @property
    def value_is_bound(self) -> bool:
        """No: it depends on what the critic has learned."""
        return False

    @property
    def turns(self) -> Mapping[str, Turn]:
        """The critic moves at every step, the flow at every `critic_steps`-th."""
        return critic_first(self.critic_steps, self.critic_rate)

    def objection(self, latents: Latents) -> str | None:
        """It needs exact log p(x), and draws of whole rows that can be differentiated."""
        if latents.sites:
            return (
                "FlowGAN trains a model that scores its rows exactly; this one has the latents "
                f"{latents.listed}. Use aae for this model, or a flow such as realnvp."
            )
        if latents.rowwise and len(latents.row_args) == 1 and latents.differentiable_draws:
            return None
        return (
            "FlowGAN differentiates draws of one row x of real numbers; those of "
            f"{', '.join(map(repr, latents.observed))} cannot be. Use trace, or a flow such as "
            "realnvp, whose rows are under pyro.plate('data', len(x))."
        )

    def state(self, latents: Latents) -> Critic:
        """The critic of rows."""
        return Critic(latents.context, self.hidden)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """The loss of the flow, shape (): nats, and N times the distance in units of x."""
        assert isinstance(state, Critic)
        (traces,) = pair.draw(1, args, kwargs)
        (site,), plate = sample_sites(traces.model), pair.latents.row_plate
        assert plate is not None
        real = pair.latents.row_context(args)
        made = site["fn"].rsample().reshape(real.shape)  # type: ignore[attr-defined]
        judge = held(state)
        value = plate.size * (judge(real).mean() - judge(made).mean())
        if self.likelihood:
            value = value - self.likelihood * site["log_prob"].sum()
        return with_gradient(value, value + plate.size * self.critics(state, real, made))

    def critics(self, critic: Critic, real: Tensor, made: Tensor) -> Tensor:
        """The critic's loss a row, shape ().

        Args:
            critic: the network.
            real: rows of data, (rows, D).
            made: draws, (rows, D); constant here.
        """
        made = made.detach()
        mixed = torch.lerp(made, real, torch.rand_like(real[:, :1]))
        apart = critic(made).mean() - critic(real).mean()
        return apart + self.penalty * (steepness(critic, mixed) - 1).square().mean()


def steepness(critic: Critic, rows: Tensor) -> Tensor:
    """|grad C| at rows, (rows, D) -> (rows,), as a function of the critic's parameters."""
    rows = rows.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(rows).sum(), rows, create_graph=True)
    return (slope.square().sum(-1) + 1e-12).sqrt()  # the root's slope at 0 is infinite
