"""The loss of a fit as it stands, on the same rows with the same noise in every call."""

import torch

from zoo.data.batches import Batches
from zoo.handlers.parameters import in_eval_mode
from zoo.isolation import isolated
from zoo.results.result import Fit

BATCHES = 10  # minibatches of rows, at most


def validation_loss(fit: Fit, valid_args: tuple) -> float:
    """The loss on validation rows, nats, always with the same noise.

    The schedules are read at the last step: under a KL warm-up, losses on the way are no bound.

    Args:
        fit: the fit as it stands.
        valid_args: the rows as arguments of the model.
    """
    return _loss(fit, [(None, valid_args)])


def loss_of_some(fit: Fit, valid_args: tuple) -> float:
    """The same on the first minibatches of validation rows: it takes no more memory than a step.

    All rows at once where training takes them so. Latents that rows share count once a minibatch.

    Args:
        fit: the fit as it stands.
        valid_args: the rows as arguments of the model.
    """
    size, count = fit.settings.batch_size, fit.latents.rows_given(valid_args)
    if size is None or not count:
        return validation_loss(fit, valid_args)
    picked = torch.arange(min(count, size * BATCHES), device=fit.device).split(size)
    held = fit.latents.row_args or ()
    parts = [
        tuple(arg[rows] if i in held else arg for i, arg in enumerate(valid_args))
        for rows in picked
    ]
    return len(parts) * _loss(fit, [(None, part) for part in parts])


def training_loss(fit: Fit, rows: Batches) -> float:
    """The same on training rows: the mean over the first minibatches, or all rows at once.

    Args:
        fit: the fit as it stands.
        rows: the training rows, and how large a minibatch is.
    """
    batches = list[torch.Tensor | None]([None])
    if rows.order is not None:
        size = rows.order.batch
        used = size * min(BATCHES, rows.order.epoch_steps)
        batches = list(torch.arange(used, device=fit.device).split(size))
    with isolated(seed=0):  # dynamic data draw their bits
        parts = [(picked, rows.take(picked)) for picked in batches]
    return _loss(fit, parts)


@torch.no_grad()
def _loss(fit: Fit, parts: list[tuple[torch.Tensor | None, tuple]]) -> float:
    end = torch.full((), float(fit.settings.steps))
    with isolated(seed=0), in_eval_mode([fit.program]):
        losses = [float(fit.program(end, picked, *args)) for picked, args in parts]
    return sum(losses) / len(losses)
