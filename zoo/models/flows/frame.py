"""The last step of a flow: from numbers of mean 0 and sd 1 to the units of the data.

Numbers of a table are y = m + s v, with m and s the columns' means and standard deviations over
train. Pixels in (0, 1) are y = (sigmoid(m + s v) - alpha) / (1 - 2 alpha), with m and s those of
their logits: a flow over all of R^D then has no mass to speak of outside of [0, 1]^D.

Source: Papamakarios, Pavlakou and Murray (2017), Masked autoregressive flow for density
estimation, NeurIPS, for both; the logits with alpha = 0.05 are those of Dinh, Sohl-Dickstein and
Bengio (2017), Density estimation using Real NVP, ICLR.
"""

import torch
from pyro.distributions.transforms import AffineTransform
from torch import Tensor, nn
from torch.distributions import Transform
from torch.distributions.transforms import SigmoidTransform

from zoo.data import Data

ALPHA = 0.05


class Frame(nn.Module):
    """The units of data: two fixed vectors, which are not learned.

    Args:
        loc: m, shape (D,).
        scale: s, shape (D,).
        pixels: are m and s those of the logits of pixels?
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, loc: Tensor, scale: Tensor, *, pixels: bool = False) -> None:
        super().__init__()
        self.register_buffer("loc", loc)
        self.register_buffer("scale", scale)
        self.pixels = pixels

    def forward(self) -> list[Transform]:
        """The transforms of v, the first one first."""
        units = AffineTransform(self.loc, self.scale, event_dim=1)
        if not self.pixels:
            return [units]
        spread = 1 / (1 - 2 * ALPHA)
        return [units, SigmoidTransform(), AffineTransform(-ALPHA * spread, spread)]


def frame_of(data: Data) -> Frame:
    """The units of the training rows.

    Raises:
        ValueError: for pixels of a few grey levels, and for a column that is constant: a density
            can grow without bound on either.
    """
    (x,) = data.train
    if data.levels:
        raise ValueError(
            f"Expected real numbers, on which a density can be fitted; data '{data.name}' with "
            f"binarize='{data.binarize}' hold {data.levels} grey levels. Use "
            "'digits_dequantised', with noise in the bins of its levels, or a model of levels "
            "such as 'vae'."
        )
    pixels = data.image is not None
    numbers = torch.logit(ALPHA + (1 - 2 * ALPHA) * x) if pixels else x
    scale, loc = torch.std_mean(numbers, 0, correction=0)
    constant = (scale == 0).nonzero().flatten().tolist()
    if constant:
        raise ValueError(
            f"Expected columns of data '{data.name}' that vary; columns {constant} do not, and "
            "have no density. Leave them out."
        )
    return Frame(loc, scale, pixels=pixels)


def standard(features: int) -> Frame:
    """No change: m = 0 and s = 1."""
    return Frame(torch.zeros(features), torch.ones(features))


def require_two(features: int) -> None:
    """Refuses rows of one number, where no number has another to be read from.

    Raises:
        ValueError: with the number given.
    """
    if features < 2:
        raise ValueError(
            f"Expected features of at least 2, since a flow reads one off another; got {features}."
        )
