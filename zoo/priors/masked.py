"""The masked network of autoregressive priors and flows: output i reads z_<i alone (MADE).

Source: Germain et al. (2015), MADE: masked autoencoder for distribution estimation, ICML.
"""

from collections.abc import Sequence

import torch
from pyro.nn import AutoRegressiveNN
from torch import nn


def masked_network(
    latent: int, hidden: Sequence[int], params: Sequence[int], *, backwards: bool = False
) -> nn.Module:
    """A network z (..., M) -> one tensor for each of `params`.

    Args:
        latent: M.
        hidden: numbers of hidden units, a layer each; M where it is less.
        params: how many numbers p each output has for a dimension of z; an output has shape
            (..., M) if all p are 1, else (..., p, M).
        backwards: does output i read z_>i instead?

    Raises:
        ValueError: for fewer than two dimensions, where no output has an input.
    """
    if latent < 2:
        raise ValueError(
            "Expected latent of at least 2 for a prior whose dimensions depend on each other; "
            f"got {latent}. Use the prior 'mixture'."
        )
    order = torch.arange(latent)
    order = order.flip(0) if backwards else order
    widths = [max(width, latent) for width in hidden]
    network = AutoRegressiveNN(latent, widths, list(params), permutation=order)  # type: ignore[arg-type]
    # as plain numbers: inverting a flow indexes by them, and tensors there cannot be captured
    del network.permutation
    network.permutation = order.tolist()  # type: ignore[assignment]
    return network
