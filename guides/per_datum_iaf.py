"""Per-datum inverse autoregressive flow: every row has networks of its own.

    u_0 = m_n + s_n * e,   u_t = g_nt(u_{t-1}) * u_{t-1} + (1 - g_nt(u_{t-1})) * a_nt(u_{t-1}),

with gates g and means a autoregressive, in alternating order, by one masked hidden layer whose
weights are free for each row n: no row's posterior constrains another's.

Parameters: 2 d, and 3 d h + h + 2 d for each of `depth` steps of h hidden units, for each row.
Source: Cremer, Li & Duvenaud 2018, "Inference suboptimality in variational autoencoders";
Kingma et al. 2016, "Improving variational inference with inverse autoregressive flow".
Topic: Free parameters for each row.
"""

from collections.abc import Mapping
from typing import ClassVar

import pyro.distributions as dist
import torch
from pyro.distributions.transforms import AffineAutoregressive
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.flows import GATE_AT_START
from guides.parts.normal import SMALL_SCALE
from guides.parts.per_row import joined, of_rows, require_rows, sample_in_rows
from guides.parts.plates import positive, unscaled
from zoo.latents import Kind, Latents


class PerDatumIAF(Guide):
    """`depth` inverse autoregressive steps on a diagonal normal, all free for each row.

    Args:
        latents: the latents to cover.
        depth: number of steps.
        hidden: hidden units of a step's network; by default twice the row's values, at least 8.

    Raises:
        ValueError: for a latent that lies in plates besides the one over rows, or rows of a
            single unconstrained value, where nothing is autoregressive.

    Example:
        Each row has networks of its own: the first weights of 7 networks, of 8 hidden units that
        read 2 values.

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> x = torch.randn(7, 5)
        >>> fit = zoo.fit(ProbabilisticPCA(5, 2), guides.PerDatumIAF, x, steps=10)
        >>> fit.guide.steps[0].first.shape
        torch.Size([7, 8, 2])
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    factorised: ClassVar[bool] = False
    jointly: ClassVar[bool] = True
    independent: ClassVar[bool] = False
    amortised: ClassVar[bool] = False

    def __init__(self, latents: Latents, depth: int = 2, hidden: int | None = None) -> None:
        super().__init__(latents)
        rows, size = require_rows(self, latents)
        if size < 2:
            raise ValueError(f"Expected at least 2 values in a row for PerDatumIAF; got {size}.")
        width = hidden or max(2 * size, 8)
        self.loc = nn.Parameter(torch.zeros(rows, size))
        self.unconstrained_scale = nn.Parameter(torch.full((rows, size), SMALL_SCALE))
        self.steps = nn.ModuleList(
            RowNetworks(rows, size, width, reverse=step % 2 == 1) for step in range(depth)
        )

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows in this minibatch."""
        plates = self.plates(args)
        loc, scale = (
            of_rows(v, plates, self.latents) for v in (self.loc, self.unconstrained_scale)
        )
        base = dist.Normal(loc, positive(scale)).to_event(1)
        steps = [
            AffineAutoregressive(Picked(net, plates, self.latents), stable=True)
            for net in self.steps
        ]
        return sample_in_rows(self.latents, plates, dist.TransformedDistribution(base, steps))

    @torch.no_grad()
    def start(self, draws: Mapping[str, Tensor]) -> None:
        """Takes the mean and sd of each row's draws; site -> (draws, *batch, *event)."""
        u = joined(draws, self.latents)
        shrunk = GATE_AT_START ** len(self.steps)
        self.loc.copy_(u.mean(0) / shrunk)
        self.unconstrained_scale.copy_(unscaled(u.std(0) / shrunk))


class RowNetworks(nn.Module):
    """One masked network a row: outputs i read only the inputs before i in `order`."""

    first_mask: Tensor
    second_mask: Tensor
    order: list[int]

    def __init__(self, rows: int, size: int, width: int, *, reverse: bool) -> None:
        super().__init__()
        order = torch.arange(size)
        order = order.flip(0) if reverse else order
        place = order.argsort()
        degree = torch.arange(width) % (size - 1)  # the last input that a hidden unit reads
        self.order = order.tolist()  # inverting a step goes through plain numbers
        self.register_buffer(
            "first_mask", (place <= degree[:, None]).to(torch.get_default_dtype())
        )
        before = (degree < place[:, None]).to(torch.get_default_dtype())
        self.register_buffer("second_mask", torch.cat([before, before]))
        self.first = nn.Parameter(torch.randn(rows, width, size) / size**0.5)
        self.first_bias = nn.Parameter(torch.zeros(rows, width))
        self.second = nn.Parameter(torch.zeros(rows, 2 * size, width))
        self.second_bias = nn.Parameter(torch.zeros(rows, 2 * size))


class Picked:
    """The networks of a minibatch's rows, as the transform calls them."""

    def __init__(self, net: nn.Module, plates: dict, latents: Latents) -> None:
        assert isinstance(net, RowNetworks)
        self.permutation = net.order
        self.first = of_rows(net.first * net.first_mask, plates, latents)
        self.second = of_rows(net.second * net.second_mask, plates, latents)
        biases = (net.first_bias, net.second_bias)
        self.first_bias, self.second_bias = (of_rows(b, plates, latents) for b in biases)

    def __call__(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and gate's logit less 2 of each value: (..., rows, values) each."""
        hidden = torch.tanh((self.first @ u.unsqueeze(-1)).squeeze(-1) + self.first_bias)
        both = (self.second @ hidden.unsqueeze(-1)).squeeze(-1) + self.second_bias
        mean, gate = both.chunk(2, dim=-1)
        return mean, gate
