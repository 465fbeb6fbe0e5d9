"""Recurrent guide of a chain of latents: a network reads a row's future, or its past.

    h_t = GRU(x_t, h_(t+1))                                              from the row's end
    q(z | x) = prod_t N(z_t; m(c_t), diag s(c_t)^2),   c_t = (tanh(W z_(t-1) + b) + h_t) / 2.

Given z_(t-1) the posterior of z_t depends on x_t and the times after it alone, which is what h_t
holds. With `reads="past"` the network runs forward, so that h_t holds the times up to t; with
`chained=False` z_(t-1) is left out, c_t = h_t, and the states are independent given the row.

The model's arguments are x, with the times of a row in its second dimension, and seen, which is 0
after a row's end; there q is N(0, I) in unconstrained space, as in `deep_markov`.

Parameters: the GRU's, W and b, a vector in the place of the state before the first, one head.
Source: Krishnan, Shalit & Sontag 2017, "Structured inference networks for nonlinear state space
models": DKS; with `chained=False` MF-RNN, of one direction.
Departs from the paper: a gated recurrent unit instead of an LSTM.
Topic: Layers of latents.
"""

from collections.abc import Sequence
from typing import ClassVar, cast

import pyro
import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.normal import normal
from guides.parts.plates import inside, positive
from zoo.checks.arguments import look_up, whole
from zoo.latents import Kind, Latents

READS = {"future": -1, "past": 1}  # which way the network goes through the times


class AmortisedRecurrent(Guide):
    """A state for each time of a row, each given the one before it and what the network read.

    Args:
        latents: the states, in the order of time, all of one size.
        width: of the recurrent network; None for the model's hidden layers.
        reads: "future" or "past".
        chained: does a state depend on the one before it?

    Raises:
        ValueError: for other latents, or other arguments of the model.

    Example:
        A state for each time, drawn from the first to the last:

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("deep_markov"), guides.AmortisedRecurrent, steps=2)
        >>> states = fit.guide(*fit.task.split("test"))
        >>> list(states)[:3], states["z_0"].shape
        (['z_0', 'z_1', 'z_2'], torch.Size([200, 8]))
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    independent: ClassVar[bool] = False

    def __init__(
        self,
        latents: Latents,
        width: int | None = None,
        reads: str = "future",
        *,
        chained: bool = True,
    ) -> None:
        super().__init__(latents)
        self.raise_objection()
        self.step, self.chained = look_up("reads", reads, READS), chained
        self.times = len(latents.sites)
        size = latents.sites[0].unconstrained_shape.numel()
        width = latents.hidden[-1] if width is None else whole("width", width)
        self.network = GRU(latents.row_widths[0] // self.times, width)
        self.head = nn.Linear(width, 2 * size)
        if chained:
            self.before = nn.Parameter(torch.zeros(size))
            self.link = nn.Linear(size, width)

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """The model has no series of states, one for each time of a row."""
        times, widths = len(latents.sites), latents.row_widths
        shapes = {(site.batch_shape, site.unconstrained_shape) for site in latents.sites}
        series = len(shapes) == 1 and {len(shape) for shape in shapes.pop()} == {1}
        if series and len(widths) == 2 and widths[1] == times and widths[0] % times == 0:
            return None
        return (
            f"{cls.__name__} is for vectors of one size, one for each time of a row, and the "
            "arguments x (rows, times, values) and seen (rows, times); this model has the "
            f"latents {latents.listed} and arguments of widths {widths}. Use an amortised guide, "
            "or the model deep_markov."
        )

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the states of the rows given, from the first to the last."""
        x, seen = cast("list[Tensor]", [args[i] for i in self.latents.row_args])
        heard = self.network(x.reshape(len(x), self.times, -1), seen, self.step)
        plates, values, now = self.plates(args), {}, None
        for t, (site, h) in enumerate(zip(self.latents.sites, heard, strict=True)):
            loc, scale = self._moments(h, now, seen[:, t, None] > 0)
            with inside(plates, site):
                now = values[site.name] = pyro.sample(site.name, normal(loc, scale, site))
        return values

    def _moments(self, h: Tensor, now: Tensor | None, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and scale of the next state: (..., rows, size) each."""
        if self.chained:
            h = (torch.tanh(self.link(self.before if now is None else now)) + h) / 2
        loc, scale = self.head(h).chunk(2, -1)
        scale = positive(scale)
        return torch.where(seen, loc, loc.new_zeros(())), torch.where(
            seen, scale, scale.new_ones(())
        )


class GRU(nn.Module):
    """A gated recurrent unit that waits where a row is not seen.

    Source: Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder".
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.read, self.keep = nn.Linear(inputs, 3 * width), nn.Linear(width, 3 * width)

    def forward(self, x: Tensor, seen: Tensor, step: int) -> Sequence[Tensor]:
        """What is held at each time, having read it: (rows, T, D) -> T tensors (rows, width).

        Args:
            x: the rows.
            seen: zeros and ones, shape (rows, T).
            step: 1 to go from the first time on, -1 from the last.
        """
        read, times = self.read(x).unbind(1), range(x.shape[1])
        h, held = read[0].new_zeros(len(x), self.keep.in_features), [read[0]] * len(times)
        for t in times[::step]:
            (r, u, n), (kr, ku, kn) = read[t].chunk(3, -1), self.keep(h).chunk(3, -1)
            new = torch.tanh(n + torch.sigmoid(r + kr) * kn)
            gate = torch.sigmoid(u + ku)
            h = torch.where(seen[:, t, None] > 0, (1 - gate) * new + gate * h, h)
            held[t] = h
        return held
