"""RELAX: REBAR with a free network in the control variate.

    c(z) = eta f( sigma_tau(z) ) + r( sigma_tau(z), x )

takes the place of REBAR's c in

    ( f(b) - c(z~) ) grad log q(b)  +  grad c(z)  -  grad c(z~).

log tau, eta and the network r descend the squared gradient; it is unbiased whatever they are. r
starts at 0, where this is REBAR. It reads all relaxed latents of a row, and the data row if there
is one.

Cost: 3 evaluations of f and 2 of the network, and their gradients as for REBAR.
Source: Grathwohl, Choi, Wu, Roeder & Duvenaud 2018, "Backpropagation through the void: optimizing
control variates for black-box gradient estimation".
Topic: Score function.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from zoo.checks.arguments import keep_number, keep_whole, keep_wholes
from zoo.latents import Latent, Latents
from zoo.latents.forms import RELAXABLE
from zoo.objectives.log_ratio import Values
from zoo.objectives.objective import Needs, Objective, of_single_elements
from zoo.objectives.rebar import Relaxation, controlled_loss, relaxed_f
from zoo.traces import Pair


class FreeControl(nn.Module):
    """log tau, eta and the network r."""

    def __init__(
        self, latents: Latents, temperature: float, scale: float, hidden: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.latents, self.relaxation = latents, Relaxation(temperature, scale)
        self.reads_rows = latents.rowwise and bool(latents.row_args)
        width = sum(_per_row(site, latents) for site in latents.sites)
        widths = (width + latents.context * self.reads_rows, *hidden)
        layers = [nn.Linear(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True)]
        self.layers, self.last = nn.ModuleList(layers), nn.Linear(widths[-1], 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, relaxed: list[Values], args: tuple) -> Tensor:
        """The network at some relaxed draws, nats, shape (len(relaxed), rows)."""
        parts = [
            _by_row(torch.stack([one[site.name] for one in relaxed]), site, self.latents)
            for site in self.latents.sites
        ]
        if self.reads_rows:
            context = self.latents.row_context(args)
            parts.append(context.expand(len(relaxed), *context.shape))
        value = torch.cat(parts, -1)
        for layer in self.layers:
            value = silu(layer(value))
        return self.last(value).squeeze(-1)


@dataclass(frozen=True)
class RELAX(Objective):
    """The ELBO of binary or one-hot latents; the network's layers have the widths `hidden`.

    The estimates of `particles` draws are averaged.

    Raises:
        ValueError: for a temperature that is not positive, a layer without units, or fewer
            than one particle.

    Example:
        The network of the control variate starts at 0, where this is REBAR, and learns with the
        guide:

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import RELAX
        >>> def model():
        ...     z = pyro.sample("z", dist.Bernoulli(0.5))
        ...     pyro.factor("gain", 3.0 * z)
        >>> def guide():
        ...     logit = pyro.param("logit", torch.tensor(0.0))
        ...     pyro.sample("z", dist.Bernoulli(logits=logit))
        >>> bool(RELAX().state(zoo.describe(model)).last.weight.any())
        False
        >>> fit = zoo.fit(model, guide, objective=RELAX(), steps=20)
        >>> bool(fit.program.state.last.weight.any())
        True
    """

    temperature: float = 0.5
    scale: float = 1.0
    hidden: tuple[int, ...] = (32,)
    particles: int = 1

    def __post_init__(self) -> None:
        keep_number(self, "temperature", above=0.0, way="A learned one starts there: use 0.5.")
        keep_number(self, "scale")
        keep_whole(self, "particles")
        keep_wholes(self, "hidden", way="Pass e.g. hidden=(32,). For no network use rebar.")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return of_single_elements(RELAXABLE)

    def evaluations(self, latents: Latents) -> int:
        """Three for each particle, and two gradients in z."""
        return (3 + 2) * self.particles

    def state(self, latents: Latents) -> FreeControl:
        """The temperature, the scale and the network."""
        return FreeControl(latents, self.temperature, self.scale, self.hidden)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        assert isinstance(state, FreeControl)
        tau, eta = state.relaxation()

        def control(relaxed: list[Values]) -> Tensor:
            return eta * relaxed_f(pair, relaxed, args, kwargs) + state(relaxed, args)

        return controlled_loss(
            pair, control, tau, self.particles, args, kwargs, type(self).__name__
        )


def _per_row(site: Latent, latents: Latents) -> int:
    size = site.batch_shape.numel() * site.event_shape.numel()
    plate = latents.row_plate
    return size // plate.size if latents.rowwise and plate is not None else size


def _by_row(value: Tensor, site: Latent, latents: Latents) -> Tensor:
    """Lays (draws, *plates, *event) out as (draws, rows, numbers)."""
    if not latents.rowwise or latents.row_plate is None:
        return value.reshape(len(value), 1, -1)
    rows = latents.row_plate.dim - len(site.event_shape)
    return value.movedim(rows, 1).flatten(2)
