"""DRAW: a recurrent network draws a picture on a canvas, in T steps with a latent each.

Generative process, for each row, over steps t = 1, ..., T:
    z_t ~ p(z),                                  the prior, of zoo.priors; N(0, I) by default
    (h_t, s_t) = LSTM(z_t, h_{t-1}, s_{t-1}),    h_0, s_0 and c_0 are learned
    c_t = c_{t-1} + write(h_t),                  the canvas
    x ~ likelihood(c_T)

Without attention `write` is affine. With it, an affine map of h_t gives a patch of N x N and
places a window on the canvas, see `zoo.decoders.window`.

Shapes: x (rows, D), z_t (rows, M), h_t and s_t (rows, width), c_t (rows, D * numbers).
With one step and no attention it is a VAE whose decoder is one step of an LSTM, exactly.
Source: Gregor, Danihelka, Graves, Rezende and Wierstra (2015), DRAW: A recurrent neural network
for image generation, ICML.
Departs from the paper: a filter of a window off the picture stays normalised; the encoder, which
is the guide `recurrent`, starts from learned states too.

Nothing is known exactly.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pyro
import torch
from torch import Tensor, nn

from zoo.data import Data
from zoo.decoders.lstm import LSTM
from zoo.decoders.window import NUMBERS, placed
from zoo.likelihoods import LIKELIHOODS
from zoo.models.parts import Parts, check_likelihood, prior_of
from zoo.models.shapes import require_groups, require_shape

Image = tuple[int, int]


class Drawing(NamedTuple):
    """Where the drawing of a row stands.

    Attributes:
        hidden: h_t, (..., width).
        cell: s_t, (..., width).
        canvas: c_t, (..., D * numbers).
    """

    hidden: Tensor
    cell: Tensor
    canvas: Tensor


class DRAW(nn.Module):
    """Generative half: the decoder's network and the canvas."""

    def __init__(
        self,
        features: int,
        prior: nn.Module,
        likelihood: nn.Module,
        groups: Sequence[int] = (10,) * 4,
        width: int = 100,
        window: int | None = None,
        image: Image | None = None,
    ) -> None:
        """Builds the network that all steps share.

        Args:
            features: data dimension D.
            prior: of every step; called, it gives a distribution over vectors of size M.
            likelihood: (..., D, numbers) -> distribution over rows; see `zoo.likelihoods`.
            groups: size M of the latent of each step, the same for all of them.
            width: of the network's state.
            window: N, the side of the patch that a step writes; None writes the whole canvas.
            image: height and width of the rows, for a window.

        Raises:
            ValueError: there is no step, steps have latents of several sizes, or a window has no
                picture or fewer than 2 x 2 filters.
        """
        super().__init__()
        _check(groups, features, window, image)
        self.features, self.groups, self.width = features, tuple(groups), width
        self.window, self.image = window, image
        numbers = int(likelihood.numbers)  # type: ignore[arg-type]
        size = features if window is None else window**2
        self.network = LSTM(groups[0], width)
        self.write = nn.Linear(width, size * numbers)
        self.place = None if window is None else nn.Linear(width, NUMBERS)
        self.hidden, self.cell = (nn.Parameter(torch.zeros(width)) for _ in range(2))
        self.canvas = nn.Parameter(torch.zeros(features * numbers))
        self.prior, self.likelihood = prior, likelihood

    @property
    def encoder_hidden(self) -> tuple[int, ...]:
        """Widths of an encoder's hidden layers, where it is none that follows the drawing."""
        return (self.width,)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the latents: z_1, ..., z_T."""
        return tuple(f"z_{step + 1}" for step in range(len(self.groups)))

    def forward(self, x: Tensor) -> Tensor:
        """Draws rows: sites z_1, ..., z_T, then the observed site x.

        Args:
            x: data, shape (rows, D).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        require_shape("x", x, (len(x), self.features))
        prior, drawing = self.prior(), self.start()
        with pyro.plate("data", len(x)):
            for name in self.names:
                drawing = self.advance(drawing, pyro.sample(name, prior))
            return pyro.sample("x", self.likelihood(self.outputs(drawing)), obs=x)

    def start(self) -> Drawing:
        """The empty canvas and the network's first state, without a dimension of rows."""
        return Drawing(self.hidden, self.cell, self.canvas)

    def advance(self, drawing: Drawing, z: Tensor) -> Drawing:
        """The drawing after one more step with the latent z, (..., M)."""
        hidden, cell = self.network(z, drawing.hidden, drawing.cell)
        stroke = self.write(hidden)
        if self.place is not None:
            assert self.window is not None
            assert self.image is not None
            window = placed(self.place(hidden), self.image, self.window)
            parts = stroke.unflatten(-1, (-1, self.window**2)).unbind(-2)
            stroke = torch.stack([window.write(part) for part in parts], dim=-1).flatten(-2)
        return Drawing(hidden, cell, drawing.canvas + stroke)

    def outputs(self, drawing: Drawing) -> Tensor:
        """The numbers that the likelihood takes: (..., D, numbers)."""
        return drawing.canvas.unflatten(-1, (self.features, -1))

    def expected(self, drawing: Drawing) -> Tensor:
        """What the canvas shows, the expected x if the drawing ended here: (..., D)."""
        return self.likelihood.mean(self.outputs(drawing))  # type: ignore[operator]

    def mean(self, *latents: Tensor) -> Tensor:
        """What the canvas shows after the steps whose latents are given, (..., M) each."""
        drawing = self.start()
        for z in latents:
            drawing = self.advance(drawing, z)
        return self.expected(drawing)


def _check(groups: Sequence[int], features: int, window: int | None, image: Image | None) -> None:
    require_groups(groups)
    if len(set(groups)) > 1:
        raise ValueError(
            f"Expected latents of one size, as all steps share a network; got {tuple(groups)}. "
            f"Give the size once for each step, for example {(groups[0],) * len(groups)}."
        )
    if window is None:
        return
    if window < 2:
        raise ValueError(f"Expected a window of at least 2 x 2 filters; got window={window}.")
    if image is None or image[0] * image[1] != features:
        raise ValueError(
            f"A window is moved over a picture; rows of {features} numbers are none of size "
            f"{image}. Use data of grey pictures, or the model draw, which has no attention."
        )


def drawn(data: Data, parts: Parts, window: int | None) -> nn.Module:
    """The model of these parts, with fresh parameters; see :func:`from_parts`."""
    assert parts.likelihood is not None
    assert parts.groups is not None
    check_likelihood(parts.likelihood, data)
    choice = LIKELIHOODS[parts.likelihood]
    if choice.dequantises:
        raise ValueError(
            f"Likelihood '{parts.likelihood}' is a density of levels with noise; draw has none. "
            "Use model 'dequantised_vae', or the likelihood 'logistic_mixture'."
        )
    prior = prior_of(data, replace(parts, latent=parts.groups[0]))
    likelihood = choice.build(data.levels)
    return DRAW(data.features, prior, likelihood, parts.groups, window=window, image=data.image)


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """DRAW without attention of these parts, with fresh parameters; `groups` has a size a step.

    Raises:
        ValueError: if a part does not suit the data or another part, or the groups make no sense.
    """
    return drawn(data, parts, None)
