"""PixelCNN: the density of a picture by masked convolutions; log p(x) is exact, without latents.

The pixels of a picture are in reading order, and each is predicted from those before it by a stack
of convolutions. Their masks hide what comes after: mask A, of the first, hides the pixel itself
too; mask B, of all others, does not. One pass gives log p(x), a draw takes a pass for each pixel.

Generative process, for each row n and pixel i = 1 .. D in reading order:
    h = A * (2 x - 1),   h = h + 1x1( relu( B * relu( 1x1( relu(h) ) ) ) ),   `blocks` times
    numbers = 1x1( relu( 1x1( relu(h) ) ) )
    x_ni ~ p( . ; numbers_i),      Bernoulli by its logit, or another likelihood

with A * a convolution of 7 x 7 to 2C maps, B * one of 3 x 3 on C maps. Because the masks are cut
along a row, a blind spot stays to the upper right; `gated_pixelcnn` has none.

Shapes: x (rows, D) with D = height * width, in [0, 1]; h (rows, 2C, height, width).
Source: van den Oord, Kalchbrenner and Kavukcuoglu (2016), Pixel recurrent neural networks, ICML.
Departs from the paper: one channel; 16 maps and 7 blocks, where theirs have up to 128 and 15;
trained by Adam.

Known exactly: log p(x) of each row.
"""

from torch import Tensor, nn

from zoo.data import Data
from zoo.decoders import AutoregressiveRow
from zoo.decoders.pixel import MaskedConvolution, before_centre, picture_of
from zoo.models.densities.row import likelihood_of, observe
from zoo.models.parts import Parts


class PixelCNN(nn.Module):
    """p(x) of a picture by residual blocks of masked convolutions."""

    def __init__(
        self,
        image: tuple[int, int] | None,
        likelihood: nn.Module,
        channels: int = 16,
        blocks: int = 7,
        kernel: int = 7,
    ) -> None:
        """Builds the network with fresh parameters.

        Args:
            image: height and width.
            likelihood: of a pixel, from its numbers; see `zoo.likelihoods`.
            channels: C.
            blocks: number of residual blocks.
            kernel: width of the first convolution, odd.

        Raises:
            ValueError: there is no picture.
        """
        super().__init__()
        self.image = picture_of(image)
        self.likelihood, self.numbers = likelihood, int(likelihood.numbers)  # type: ignore[arg-type]
        self.network = nn.Sequential(
            MaskedConvolution(1, 2 * channels, before_centre(kernel, sees_centre=False)),
            *(Block(channels) for _ in range(blocks)),
            nn.ReLU(),
            nn.Conv2d(2 * channels, 2 * channels, 1),
            nn.ReLU(),
            nn.Conv2d(2 * channels, self.numbers, 1),
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
        maps = self.network((2 * x - 1).reshape(-1, 1, *self.image))
        return maps.flatten(2).mT.reshape(*x.shape, self.numbers)

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x): (rows, D) -> (rows,), nats."""
        return self.distribution().log_prob(x)


class Block(nn.Module):
    """A residual block: 2C maps to C, a masked convolution, and back to 2C.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(2 * channels, channels, 1),
            nn.ReLU(),
            MaskedConvolution(channels, channels, before_centre(3, sees_centre=True)),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 1),
        )

    def forward(self, h: Tensor) -> Tensor:
        """Maps (batch, 2C, height, width) to the same."""
        return h + self.inner(h)


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The model with this likelihood and fresh parameters.

    Raises:
        ValueError: the likelihood is not for these data, or the rows are no pictures.
    """
    likelihood = likelihood_of(data, parts)
    return PixelCNN(data.image, likelihood)
