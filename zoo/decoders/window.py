"""A window on a picture: a grid of N x N Gaussian filters that is moved, read and written.

Five numbers place it: the centre (g_x, g_y), the variance s^2 of the filters, the stride d between
them, and a strength. Filter i of the rows is centred at m_i = g_y + (i - (N - 1) / 2) d, and

    F_Y[i, a] = exp(-(a - m_i)^2 / (2 s^2)) / Z_i,   so that each row of F sums to 1;

F_X likewise. Reading a picture gives F_Y x F_X^T, writing a patch w gives F_Y^T w F_X.
Source: Gregor, Danihelka, Graves, Rezende & Wierstra 2015, "DRAW: a recurrent neural network for
image generation", section 3.2.
"""

from typing import NamedTuple

import torch
from torch import Tensor

NUMBERS = 5  # that place a window
LARGEST = 3.0  # of the logarithms of variance, stride and strength


class Window(NamedTuple):
    """The filters of a window, and its strength.

    Attributes:
        rows: F_Y, (..., N, height).
        columns: F_X, (..., N, width).
        strength: (..., 1).
    """

    rows: Tensor
    columns: Tensor
    strength: Tensor

    def read(self, picture: Tensor) -> Tensor:
        """What is seen of a picture (..., height * width): (..., N * N)."""
        laid = picture.unflatten(-1, (self.rows.shape[-1], self.columns.shape[-1]))
        seen = self.rows @ laid @ self.columns.mT
        return self.strength * seen.flatten(-2)

    def write(self, patch: Tensor) -> Tensor:
        """A picture with a patch (..., N * N) at the window: (..., height * width)."""
        size = self.rows.shape[-2]
        drawn = self.rows.mT @ patch.unflatten(-1, (size, size)) @ self.columns
        return drawn.flatten(-2) / self.strength


def placed(numbers: Tensor, image: tuple[int, int], size: int) -> Window:
    """The window of these numbers.

    Args:
        numbers: (..., 5): centre in x and in y, from -1 to 1 on the picture; logarithms of the
            variance, of the stride as a share of the widest, and of the strength.
        image: height and width of the picture.
        size: N, at least 2.
    """
    (height, width), widest = image, (max(image) - 1) / (size - 1)
    x, y, variance, stride, strength = numbers.unsqueeze(-1).unbind(-2)
    variance, stride, strength = (
        (LARGEST * torch.tanh(one / LARGEST)).exp() for one in (variance, stride, strength)
    )
    stride = widest * stride
    return Window(
        _filters((y + 1) / 2 * (height - 1), stride, variance, height, size),
        _filters((x + 1) / 2 * (width - 1), stride, variance, width, size),
        strength,
    )


def _filters(centre: Tensor, stride: Tensor, variance: Tensor, length: int, size: int) -> Tensor:
    """The filters of one side, (..., N, length); the other arguments are (..., 1)."""
    steps = torch.arange(size, device=centre.device, dtype=centre.dtype) - (size - 1) / 2
    at = torch.arange(length, device=centre.device, dtype=centre.dtype)
    means = (centre + steps * stride).unsqueeze(-1)
    return torch.softmax(-((at - means) ** 2) / (2 * variance.unsqueeze(-1)), dim=-1)
