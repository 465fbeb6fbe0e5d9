"""Relaxed discrete latents (Concrete, Gumbel-softmax), so that draws have gradients.

    z = softmax( (g + l(x)) / tau ),   g ~ Gumbel:   differentiable in l, discrete as tau -> 0.

While training, the model's own prior is relaxed at the same temperature, so that the loss is the
bound of a proper (relaxed) model (Maddison et al.); with `straight_through` the model sees the
discrete value and the gradient goes through the relaxed one, averaged over `rao` draws of noise
that give the same discrete value (see :mod:`guides.parts.gumbel_rao`). In eval mode the draws are
discrete, with the same logits: every reported bound is one on the true model.

The gradient is biased for the discrete model. The bias of the likelihood part falls and its
variance rises as tau -> 0; the KL between two relaxed distributions differs from the discrete one
at any tau. The objective `mean_field` takes the discrete KL in closed form instead (Jang et al.).

Parameters: the encoder's, and log tau if it is learned.
Source: Maddison, Mnih & Teh 2017; Jang, Gu & Poole 2017; Paulus, Maddison & Krause 2021.

As `straight_through`: Discrete draws forward, the gradient of relaxed ones backward.
As `gumbel_rao`: Straight-through, its gradient averaged over 10 draws of noise (Gumbel-Rao).
Topic: Discrete latents.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from torch import Tensor, nn
from torch.distributions import constraints

from guides.amortised_discrete import discrete, logits_shape
from guides.guide import Guide
from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.gumbel_rao import GumbelRaoBernoulli, GumbelRaoOneHotCategorical
from guides.parts.plates import inside
from zoo.checks.arguments import number
from zoo.latents import Kind, Latent, Latents
from zoo.optim.schedules import check_schedule

RELAXABLE = (constraints.boolean, constraints.one_hot)

FAMILIES = {  # (binary, straight-through) -> family
    (True, False): dist.RelaxedBernoulli,
    (True, True): dist.RelaxedBernoulliStraightThrough,
    (False, False): dist.RelaxedOneHotCategorical,
    (False, True): dist.RelaxedOneHotCategoricalStraightThrough,
}
AVERAGED: dict[bool, Callable[..., TorchDistributionMixin]] = {  # binary -> family
    True: GumbelRaoBernoulli,
    False: GumbelRaoOneHotCategorical,
}


class Relaxed(Guide):
    """Each row's binary or one-hot latents relaxed, with logits that a network reads off the row.

    Args:
        latents: the latents to cover.
        temperature: tau, a number or a schedule over steps (see :mod:`zoo.optim.schedules`).
        straight_through: hand the model discrete values, with the relaxed gradient.
        learned: is log tau a parameter, which follows the loss? `temperature` is where it starts.
        rao: average the straight-through gradient over that many draws of noise that give the
            same discrete value (Gumbel-Rao); 0 for its own draw alone.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Raises:
        ValueError: for a temperature that is not positive, or a schedule of one that is learned;
            for a negative `rao`, or one without `straight_through`.

    Example:
        In training draws lie between 0 and 1, in eval mode they are 0 or 1:

        >>> import guides, torch, zoo
        >>> from zoo.models.discrete.bernoulli_latent import BernoulliLatent
        >>> x = torch.bernoulli(torch.full((7, 5), 0.5))
        >>> fit = zoo.fit(BernoulliLatent(5, latent=3), guides.Relaxed, x, steps=10)
        >>> [bool(fit.guide.train(mode)(x)["z"].frac().any()) for mode in (True, False)]
        [True, False]
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.DISCRETE})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    relaxes: ClassVar[bool] = True
    temperature: Tensor
    log_temperature: nn.Parameter | None

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """It replaces each element by a number, by its probability under the prior."""
        for site in latents.sites:
            if not site.elementwise:
                return (
                    f"{cls.__name__} relaxes each element of a latent by its own probability; the "
                    f"prior of '{site.name}' draws its elements one after another. Use "
                    "AmortisedDiscrete."
                )
        return None

    def __init__(
        self,
        latents: Latents,
        temperature: float | Callable[[Tensor], Tensor] = 0.5,
        *,
        straight_through: bool = False,
        learned: bool = False,
        rao: int = 0,
        body: nn.Module | None = None,
    ) -> None:
        super().__init__(latents)
        _require_sense(temperature, rao, straight_through=straight_through, learned=learned)
        self.schedule = temperature if callable(temperature) else None
        start = temperature(torch.zeros(())) if callable(temperature) else temperature
        number("temperature", float(start), above=0.0, way="Pass e.g. temperature=0.5.")
        self.register_buffer("temperature", torch.as_tensor(start).to(torch.get_default_dtype()))
        log_tau = nn.Parameter(self.temperature.log()) if learned else None
        self.register_parameter("log_temperature", log_tau)
        self.straight_through, self.rao = straight_through, rao
        self.encoder = Encoder(
            latents, lambda site: values_per_row(site, latents, logits_shape(site)), body
        )

    @classmethod
    def handles(cls, latent: Latent) -> bool:
        """Binary and one-hot latents; not integers, since a model indexes by them."""
        return super().handles(latent) and latent.base_support in RELAXABLE

    @property
    def tau(self) -> Tensor:
        """The temperature as it is now, shape ()."""
        return self.temperature if self.log_temperature is None else self.log_temperature.exp()

    def advance(self, step: Tensor) -> None:
        """Sets the temperature of this step."""
        if self.schedule is not None:
            self.temperature = self.schedule(step).to(self.temperature.dtype)

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given: relaxed in training, discrete in eval mode."""
        plates, values = self.plates(args), {}
        for site, output in zip(self.latents.sites, self.encoder(args), strict=True):
            logits = by_row(output, site, self.latents, logits_shape(site))
            exact = discrete(logits, site)
            q = self.relax(logits, site) if self.training else exact
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, q, infer={"discrete": exact})  # type: ignore[arg-type]
        return values

    def relax(self, logits: Tensor, latent: Latent) -> TorchDistributionMixin:
        """The relaxed distribution with those logits on the latent's support."""
        binary = latent.base_support is constraints.boolean
        event = len(latent.event_shape) - (0 if binary else 1)
        if self.rao:
            return AVERAGED[binary](self.tau, logits, self.rao).to_event(event)
        family = FAMILIES[binary, self.straight_through]
        return family(self.tau, logits=logits).to_event(event)

    def view(self, model: Callable) -> Callable:
        """The model with its discrete priors relaxed, in training; itself in eval mode."""
        return RelaxPriors(self)(model) if self.training else model


def _require_sense(
    temperature: object, rao: int, *, straight_through: bool, learned: bool
) -> None:
    if callable(temperature):
        check_schedule("temperature", temperature, 1)
    else:
        number("temperature", temperature, above=0.0, way="Pass e.g. temperature=0.5.")
    if learned and callable(temperature):
        raise ValueError(
            f"Expected a number to start a learned temperature at; got the schedule {temperature}."
            " Pass learned=False to follow the schedule."
        )
    if rao < 0 or (rao and not straight_through):
        raise ValueError(
            f"Expected rao of at least 0, and 0 unless straight_through; got rao={rao}, "
            f"straight_through={straight_through}. It averages the straight-through gradient: "
            "pass straight_through=True."
        )


class RelaxPriors(Messenger):
    """Puts a relaxed prior with the same logits in the place of each covered latent's own."""

    def __init__(self, guide: Relaxed) -> None:
        super().__init__()
        self.guide = guide

    def _pyro_sample(self, msg: Message) -> None:
        if msg["name"] in self.guide.latents.names and not msg["is_observed"]:
            prior: Any = msg["fn"]
            while isinstance(prior, dist.Independent):
                prior = prior.base_dist
            msg["discrete"] = msg["fn"]  # type: ignore[typeddict-unknown-key]
            msg["fn"] = self.guide.relax(prior.logits, self.guide.latents[msg["name"]])
