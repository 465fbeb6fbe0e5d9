"""Gated PixelCNN: two stacks of masked convolutions, so that no pixel above is left unseen.

A vertical stack reads all rows above a pixel, a horizontal one the pixels to its left; it takes in
the vertical stack at each layer. Together they see all pixels before one in reading order, where
the masks of `pixelcnn` leave a blind spot. Gates take the place of rectifiers.

Generative process, for each row n and pixel i = 1 .. D in reading order, with the gate
g(a, b) = tanh(a) * sigmoid(b) on the two halves of 2C maps:
    a = vertical * v,   v = g(a),   h = h + 1x1( g( horizontal * h + 1x1(a) ) ),   `layers` times
    numbers = 1x1( relu( 1x1( relu(h) ) ) )
    x_ni ~ p( . ; numbers_i),      Bernoulli by its logit, or another likelihood

Both stacks start from 2 x - 1; in the first layer the vertical convolution hides the pixel's own
row, the horizontal one the pixel itself, and nothing is added to h.

Shapes: x (rows, D) with D = height * width, in [0, 1]; v, h (rows, C, height, width).
Source: van den Oord et al. (2016), Conditional image generation with PixelCNN decoders, NeurIPS.
Departs from the paper: one channel, no condition; small; trained by Adam.

Known exactly: log p(x) of each row.
"""

import torch
from torch import Tensor, nn

from zoo.data import Data
from zoo.decoders import AutoregressiveRow
from zoo.decoders.pixel import MaskedConvolution, before_centre, picture_of
from zoo.models.densities.row import likelihood_of, observe
from zoo.models.parts import Parts


class GatedPixelCNN(nn.Module):
    """p(x) of a picture by a vertical and a horizontal stack of gated convolutions."""

    def __init__(
        self,
        image: tuple[int, int] | None,
        likelihood: nn.Module,
        channels: int = 16,
        layers: int = 6,
    ) -> None:
        """Builds the network with fresh parameters.

        Args:
            image: height and width.
            likelihood: of a pixel, from its numbers; see `zoo.likelihoods`.
            channels: C.
            layers: of each stack; the first has convolutions of width 7, the others of 3.

        Raises:
            ValueError: there is no picture.
        """
        super().__init__()
        self.image = picture_of(image)
        self.likelihood, self.numbers = likelihood, int(likelihood.numbers)  # type: ignore[arg-type]
        first = GatedLayer(1, channels, 7, first=True)
        others = (GatedLayer(channels, channels, 3, first=False) for _ in range(layers - 1))
        self.layers = nn.ModuleList([first, *others])
        self.top = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1),
            nn.ReLU(),
            nn.Conv2d(channels, self.numbers, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Observes rows (rows, D) at the site x, and returns them.

        Raises:
            ValueError: x has another width than D.
        """
        return observe(x, self.distribution())

    def distribution(self) -> AutoregressiveRow:
        """p(x) of a row: event shape (D,)."""
        height, width = self.image
        zeros = next(self.parameters()).new_zeros(height * width, self.numbers)
        return AutoregressiveRow(self.conditional, self.likelihood, zeros)

    def conditional(self, x: Tensor) -> Tensor:
        """The numbers of every factor p(x_i | x_<i): (..., D) -> (..., D, numbers)."""
        v = h = (2 * x - 1).reshape(-1, 1, *self.image)
        for layer in self.layers:
            v, h = layer(v, h)
        return self.top(h).flatten(2).mT.reshape(*x.shape, self.numbers)

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x): (rows, D) -> (rows,), nats."""
        return self.distribution().log_prob(x)


class GatedLayer(nn.Module):
    """A layer of both stacks.

    Args:
        inputs: feature maps in, of each stack.
        channels: feature maps out, C.
        kernel: width of the convolutions, odd.
        first: does it read the picture itself?
    """

    def __init__(self, inputs: int, channels: int, kernel: int, *, first: bool) -> None:
        super().__init__()
        self.first = first
        above = torch.arange(kernel) < kernel // 2 + (not first)
        left = before_centre(kernel, height=1, sees_centre=not first)
        square = above.unsqueeze(-1).expand(kernel, kernel)
        self.vertical = MaskedConvolution(inputs, 2 * channels, square)
        self.horizontal = MaskedConvolution(inputs, 2 * channels, left)
        self.across = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, v: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Both stacks: (batch, inputs, height, width) -> (batch, C, height, width) each."""
        a = self.vertical(v)
        new = self.out(gate(self.horizontal(h) + self.across(a)))
        return gate(a), new if self.first else h + new


def gate(maps: Tensor) -> Tensor:
    """The tanh of the first half of the maps times the sigmoid of the second."""
    value, opening = maps.chunk(2, dim=-3)
    return torch.tanh(value) * torch.sigmoid(opening)


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The model with this likelihood and fresh parameters.

    Raises:
        ValueError: the likelihood is not for these data, or the rows are no pictures.
    """
    return GatedPixelCNN(data.image, likelihood_of(data, parts))
