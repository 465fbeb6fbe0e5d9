"""What is done around the student's functions of this sheet."""

from collections.abc import Callable

import torch
from torch import Tensor


def run_c(function: Callable[..., Tensor], **inputs: Tensor) -> dict[str, Tensor]:
    """The gradient of the student's loss with respect to loc and log_sd, shape (N, L) each."""
    loc = inputs.pop("loc").clone().requires_grad_()
    log_sd = inputs.pop("log_sd").clone().requires_grad_()
    loss = function(loc=loc, log_sd=log_sd, **inputs)
    grad_loc, grad_log_sd = torch.autograd.grad(
        loss, (loc, log_sd), allow_unused=True, materialize_grads=True
    )
    return {"grad_loc": grad_loc, "grad_log_sd": grad_log_sd}
