"""Decoders: networks from a latent z to the parameters of a likelihood; this table names them.

Each maps z (..., M) to outputs (..., D, numbers). A decoder that reads the row too has a method
`distribution` instead; see :class:`Autoregressive`.
"""

from collections.abc import Callable

from torch import nn

from zoo.decoders.autoregressive import Autoregressive, AutoregressiveRow
from zoo.decoders.dense import Dense, gated_decoder, relu_decoder
from zoo.decoders.nade import NADEDecoder
from zoo.decoders.pixel import PixelDecoder

Image = tuple[int, int] | None  # height and width, if the rows are pictures

# (M latents, D features, numbers of the likelihood for each, image) -> decoder
DECODERS: dict[str, Callable[[int, int, int, Image], nn.Module]] = {
    "mlp": lambda latent, features, numbers, image: relu_decoder(latent, features, numbers),
    "gated": lambda latent, features, numbers, image: gated_decoder(latent, features, numbers),
    "nade": NADEDecoder,
    "pixel": PixelDecoder,
}

__all__ = [
    "DECODERS",
    "Autoregressive",
    "AutoregressiveRow",
    "Dense",
    "Image",
    "NADEDecoder",
    "PixelDecoder",
    "gated_decoder",
    "relu_decoder",
]
