"""The masked network of the autoregressive priors: output i reads z_<i alone (MADE).

Source: Germain et al. (2015), MADE: masked autoencoder for distribution estimation, ICML.
"""

from collections.abc import Sequence

import torch
from pyro.nn import AutoRegressiveNN
from torch import nn


def masked_network(
    latent: int, hidden: int, params: Sequence[int], *, backwards: bool = False
) -> nn.Module:
    """A network z (..., M) -> one tensor for each of `params`.

    Args:
        latent: M.
        hidden: hidden units; at least M.
        params: of each output its numbers p: of shape (..., M) if all are 1, else (..., p, M).
        backwards: does output i read z_>i instead?

    Raises:
        ValueError: for fewer than two dimensions, where there is nothing to read.
    """
    if latent < 2:
        raise ValueError(
            "Expected latent of at least 2 for a prior whose dimensions depend on each other; "
            f"got {latent}. Use the prior 'mixture'."
        )
    order = torch.arange(latent)
    order = order.flip(0) if backwards else order
    network = AutoRegressiveNN(latent, [max(hidden, latent)], list(params), permutation=order)  # type: ignore[arg-type]
    # as plain numbers: inverting a flow indexes by them, and tensors would defy capture
    del network.permutation
    network.permutation = order.tolist()  # type: ignore[assignment]
    return network
