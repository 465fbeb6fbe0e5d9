"""Recurrent guide of DRAW: it follows the drawing, and sees what the canvas still lacks.

For t = 1, ..., T, with h_{t-1} the decoder's state and c_{t-1} its canvas:

    r_t = read(x, x - E[x | c_{t-1}]),    e_t = LSTM((r_t, h_{t-1}), e_{t-1}),
    q(z_t | z_<t, x) = N(m(e_t), diag s(e_t)^2),

and z_t moves the model's drawing on. Without attention r_t is both pictures; with it, both through
one window of N x N filters, which an affine map of h_{t-1} places.

Parameters: the LSTM and its first state, the head (m, s), and the map that places the window; the
drawing is the model's own.
Source: Gregor, Danihelka, Graves, Rezende & Wierstra 2015, "DRAW: a recurrent neural network for
image generation".
Topic: Layers of latents.
"""

from typing import ClassVar, cast

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.plates import inside, positive
from zoo.checks.arguments import whole
from zoo.decoders.lstm import LSTM
from zoo.decoders.window import NUMBERS, placed
from zoo.latents import Kind, Latents
from zoo.nn import beside
from zoo.protocols import Drawn


class Recurrent(Guide):
    """The latents of a drawing, step by step, each given what is drawn and what is missing.

    Args:
        latents: the steps' latents, in the order in which the model draws them.
        model: the model that draws, whose network and canvas are shared.
        window: N, side of the window that reads; for a model whose steps write through one.

    Raises:
        ValueError: for a model that does not draw, or a window of fewer than 2 x 2 filters.

    Example:
        It draws the latents in the order of the model, each given the drawing so far:

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("draw", groups=(3, 3)), guides.Recurrent, steps=5)
        >>> list(fit.guide(*fit.task.split("test")))
        ['z_1', 'z_2']
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    independent: ClassVar[bool] = False
    takes_model: ClassVar[bool] = True

    def __init__(self, latents: Latents, model: nn.Module, window: int = 2) -> None:
        super().__init__(latents)
        self.raise_objection()
        self.model = (cast(Drawn, model),)  # in a tuple: its parameters stay the model's
        width, attends = self.drawn.width, self.drawn.window is not None
        self.window = whole("window", window, least=2) if attends else None
        self.place = nn.Linear(width, NUMBERS) if attends else None
        seen = 2 * (latents.context if self.window is None else self.window**2)
        self.network = LSTM(seen + width, width)
        self.head = nn.Linear(width, 2 * self.drawn.groups[0])
        self.hidden, self.cell = (nn.Parameter(torch.zeros(width)) for _ in range(2))

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """The model does not draw step by step."""
        if latents.draws:
            return None
        return (
            f"{cls.__name__} follows the canvas of a model that draws step by step; this model "
            "has none. Use amortised_normal, or the model draw."
        )

    @property
    def drawn(self) -> Drawn:
        """The model."""
        return self.model[0]

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given, from the first step."""
        x, plates, values = self.latents.row_context(args), self.plates(args), {}
        drawing, hidden, cell = self.drawn.start(), self.hidden, self.cell
        for name in self.drawn.names:
            seen = self._read(x, x - self.drawn.expected(drawing), drawing.hidden)
            hidden, cell = self.network(beside(seen, drawing.hidden), hidden, cell)
            loc, scale = self.head(hidden).chunk(2, dim=-1)
            with inside(plates, self.latents[name]):
                q = dist.Normal(loc, positive(scale)).to_event(1)
                values[name] = pyro.sample(name, q)
            drawing = self.drawn.advance(drawing, values[name])
        return values

    def _read(self, x: Tensor, missing: Tensor, hidden: Tensor) -> Tensor:
        """Both pictures, or what a window shows of them: (..., numbers)."""
        if self.place is None:
            return beside(x, missing)
        image, size = self.drawn.image, self.window
        assert image is not None
        assert size is not None
        window = placed(self.place(hidden), image, size)
        return beside(window.read(x), window.read(missing))
