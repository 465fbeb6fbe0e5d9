"""A decoder that also reads the pixels drawn so far: PixelVAE's masked convolutions.

A network turns z into a map of features, which is added in each of a few convolutions over the
picture. They are masked so that no pixel depends on itself or on one after it in reading order.
The larger their receptive field, the more of x they explain without z, until z may carry no
information.

    h_1 = relu( A * x + m_1(z) ),   h_l = h_l-1 + relu( B_l * h_l-1 + m_l(z) ),   l = 2 .. layers,
    numbers = 1x1 ( relu( 1x1 (h_layers) ) ),

with A * and B_l * convolutions of kernel x kernel, A blind to the centre, B_l not. Pixel (i, j)
sees (i - d, j + s), where for r = (kernel - 1) / 2 and reach R = layers * r

    d = 0, -R <= s <= -1    or    1 <= d <= R, -R <= s <= r * min(layers, d).

Shapes: z (..., M), x (..., D) with D = height * width, numbers (..., D, numbers).
Source: Gulrajani et al. 2017, "PixelVAE", ICLR; van den Oord et al. 2016, "Pixel recurrent neural
networks" (masks A and B); Bowman et al. 2016 (dropping the context).
Departs from the paper: plain ReLU instead of gates, so a blind spot stays to the upper right.
"""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.decoders.autoregressive import AutoregressiveRow
from zoo.nn import mlp


class PixelDecoder(nn.Module):
    """p(x | z) by masked convolutions; `kernel` = 1 is an ordinary decoder.

    Args:
        latent: width M of z.
        features: number of pixels D.
        numbers: numbers that the likelihood takes for each pixel.
        image: height and width.
        layers: masked convolutions, the first with mask A.
        kernel: width of a convolution, odd.
        channels: feature maps of each convolution.
        hidden: widths of the network from z to its map.
        context_dropout: chance to hide a pixel from all others while training.

    Raises:
        ValueError: the image does not have D pixels, or the kernel is even.
    """

    def __init__(
        self,
        latent: int,
        features: int,
        numbers: int = 1,
        image: tuple[int, int] | None = None,
        *,
        layers: int = 2,
        kernel: int = 3,
        channels: int = 16,
        hidden: Sequence[int] = (100,),
        context_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.image = picture_of(image, features)
        self.features, self.numbers, self.context_dropout = features, numbers, context_dropout
        _check(layers, kernel, context_dropout)
        self.reach = layers * (kernel // 2)
        self.map = nn.Sequential(
            mlp((latent, *hidden, channels * features)),
            nn.Unflatten(-1, (channels, *self.image)),
            nn.ReLU(),
        )
        inputs = (1, *[channels] * (layers - 1))
        self.masked = nn.ModuleList(
            MaskedConvolution(wide, channels, before_centre(kernel, sees_centre=i > 0))
            for i, wide in enumerate(inputs)
        )
        self.mixed = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in inputs)
        self.top = nn.Sequential(
            nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, numbers, 1)
        )

    @property
    def receptive_field(self) -> int:
        """Number of earlier pixels that a pixel far from all edges depends on."""
        layers, step = len(self.masked), self.reach // len(self.masked)
        above = (self.reach + 1 + step * min(layers, d) for d in range(1, self.reach + 1))
        return self.reach + sum(above)

    def distribution(self, z: Tensor, likelihood: nn.Module) -> AutoregressiveRow:
        """p(x | z) of the rows of z: (..., M) -> batch (...), event (D,)."""
        zeros = z.new_zeros(self.features, self.numbers)
        shown = self.mixed_maps(z)
        return AutoregressiveRow(partial(self._numbers, shown), likelihood, zeros, z.shape[:-1])

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        """The numbers of all factors: (..., M) and (..., D) -> (..., D, numbers)."""
        return self._numbers(self.mixed_maps(z), x)

    def mixed_maps(self, z: Tensor) -> list[Tensor]:
        """The map of z that each layer adds: (..., channels, height, width) each."""
        map_of_z = self.map(z.reshape(-1, z.shape[-1]))
        maps = [mix(map_of_z) for mix in self.mixed]
        return [one.reshape(*z.shape[:-1], *one.shape[1:]) for one in maps]

    def _numbers(self, shown: list[Tensor], x: Tensor) -> Tensor:
        lead = torch.broadcast_shapes(shown[0].shape[:-3], x.shape[:-1])
        maps = [m.expand(*lead, *m.shape[-3:]).reshape(-1, *m.shape[-3:]) for m in shown]
        h = self._context(x).expand(*lead, -1).reshape(-1, 1, *self.image)
        for i, (convolve, taken_in) in enumerate(zip(self.masked, maps, strict=True)):
            new = torch.relu(convolve(h) + taken_in)
            h = new if i == 0 else h + new
        return self.top(h).flatten(2).mT.reshape(*lead, self.features, self.numbers)

    def _context(self, x: Tensor) -> Tensor:
        """The input of the convolutions: 1 or -1 for a bit; 0 if dropped, as beyond the edges."""
        return functional.dropout(2 * x - 1, self.context_dropout, training=self.training)


class MaskedConvolution(nn.Module):
    """A convolution that sees only the pixels that its mask has a 1 for; the size is kept.

    Args:
        inputs: feature maps in.
        outputs: feature maps out.
        mask: zeros and ones, shape (height, width), both odd.
    """

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, mask: Tensor) -> None:
        super().__init__()
        self.whole = nn.Conv2d(inputs, outputs, tuple(mask.shape))  # type: ignore[arg-type]
        self.register_buffer("mask", mask.to(self.whole.weight.dtype))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, outputs, height, width)."""
        weight, (height, width) = self.whole.weight * self.mask, self.mask.shape
        return functional.conv2d(x, weight, self.whole.bias, padding=(height // 2, width // 2))


def before_centre(kernel: int, height: int | None = None, *, sees_centre: bool) -> Tensor:
    """The mask that hides all pixels after the centre in reading order.

    Args:
        kernel: width, odd.
        height: odd; None for the width.
        sees_centre: mask B; else mask A, which hides the centre too.

    Returns:
        Shape (height, width), true where a pixel is seen.
    """
    height = kernel if height is None else height
    seen = torch.arange(height * kernel) < height * kernel // 2 + sees_centre
    return seen.reshape(height, kernel)


def picture_of(image: tuple[int, int] | None, features: int | None = None) -> tuple[int, int]:
    """Height and width of a grey picture.

    Args:
        image: height and width; None where the rows are no pictures.
        features: number of its pixels D; None for any.

    Raises:
        ValueError: there is no picture, or it has another number of pixels.
    """
    if image is None or len(image) != 2 or image[0] * image[1] != (features or math.prod(image)):
        pixels = "pixels" if features is None else f"= {features} pixels"
        raise ValueError(
            f"Expected a grey image of height * width {pixels}; got {image}. Use data with "
            "images, or nade, which takes any rows."
        )
    return image


def _check(layers: int, kernel: int, context_dropout: float) -> None:
    if layers < 1 or kernel < 1 or kernel % 2 == 0:
        raise ValueError(
            f"Expected layers of at least 1 and an odd kernel; got {layers} and {kernel}. "
            "kernel=1 sees no other pixel."
        )
    if not 0 <= context_dropout < 1:
        raise ValueError(f"Expected context_dropout in [0, 1); got {context_dropout}.")
