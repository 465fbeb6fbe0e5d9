"""How well one view of a row predicts the other: metrics of a multimodal model.

The model's arguments are (x, y, seen). To predict y from x, y is hidden: it is set to zero, and
seen_n1 to 0.

Source: Wu and Goodman (2018), Multimodal generative models for scalable weakly-supervised
learning, NeurIPS.
"""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from zoo.metrics.bounds import log_evidence
from zoo.metrics.means import mean_over_rows, rows_differ
from zoo.metrics.metric import Metric, PerRow
from zoo.metrics.shares import share
from zoo.models.vaes.multimodal_vae import MultimodalVAE
from zoo.results.result import Fit
from zoo.sampling.draws import draw
from zoo.sampling.importance_weights import weight_chunks
from zoo.traces import log_mean_exp

X, Y = 0, 1
Views = tuple[Tensor, Tensor, Tensor]


def only(args: Views, view: int) -> Views:
    """The rows with one view only; the other one is hidden.

    Args:
        args: x of shape (rows, D), y of shape (rows, E), seen of shape (rows, 2).
        view: the view to keep, 0 for x and 1 for y.
    """
    x, y, seen = args
    kept = torch.zeros_like(seen).index_fill(1, torch.tensor(view, device=seen.device), 1) * seen
    return x * kept[:, :1], y * kept[:, 1:], kept


@torch.no_grad()
def conditional(fit: Fit, args: Views, given: int, draws: int = 1000) -> tuple[Metric, PerRow]:
    """Log-likelihood of one view given the other, log p(x, y) - log p(given), both estimated.

    Args:
        fit: of a multimodal model.
        args: rows that show both views, on the device of the fit.
        given: the view that is known, 0 or 1.
        draws: from the guide, for each row and each of the two.

    Returns:
        The mean over rows with its Monte Carlo error, and each row's value and error.
    """
    (joint, joint_error), (alone, alone_error) = (
        log_evidence(torch.cat(list(weight_chunks(fit.program, views, draws)), -1))
        for views in (args, only(args, given))
    )
    values, errors = joint - alone, (joint_error**2 + alone_error**2).sqrt()
    found = values, errors
    return mean_over_rows(found, note=rows_differ(values)), found


@torch.no_grad()
def label_probabilities(fit: Fit, args: Views, draws: int = 100) -> Tensor:
    """Mean of p(y | z) over draws of q(z | x): (rows, classes)."""
    model = model_of(fit)
    z = draw(fit.program, only(args, X), draws).latents["z"]
    return model.of_y(z).mean.mean(0)


def label_accuracy(fit: Fit, args: Views, draws: int = 100) -> Metric:
    """Share of rows whose own label is the most probable one given x, with its error over rows.

    Args:
        fit: of a multimodal model of labels.
        args: rows that show both views, on the device of the fit.
        draws: from q(z | x) for each row.
    """
    right = label_probabilities(fit, args, draws).argmax(-1) == args[1].argmax(-1)
    return share(right, better="higher", note=f"{len(right)} rows, from q(z | x)")


@torch.no_grad()
def picture_scores(fit: Fit, args: Views, draws: int = 100) -> Tensor:
    """Log of the mean of p(x | z) over draws of q(z | y = k), for every class k: (rows, classes).

    Args:
        fit: of a multimodal model of labels.
        args: rows with x, on the device of the fit.
        draws: from q(z | y = k), shared by all rows.
    """
    x, y, _ = args
    model, z = model_of(fit), draw_given_label(fit, args, draws)
    fits = [log_mean_exp(model.of_x(one[:, None]).log_prob(x)) for one in z.unbind(1)]
    return torch.stack(fits, -1)


@torch.no_grad()
def draw_given_label(fit: Fit, args: Views, draws: int) -> Tensor:
    """Draws of q(z | y = k) for every class k, (draws, classes, M); of args only shapes matter."""
    x, y, seen = args
    classes = y.shape[-1]
    labels = one_hot(torch.arange(classes, device=y.device), classes).to(y)
    rows = x.new_zeros(classes, x.shape[-1]), labels, seen.new_tensor([[0.0, 1.0]] * classes)
    return draw(fit.program, rows, draws).latents["z"]


def picture_accuracy(fit: Fit, args: Views, draws: int = 100) -> Metric:
    """Share of rows that are most probable given their own label, with its error over rows."""
    right = picture_scores(fit, args, draws).argmax(-1) == args[1].argmax(-1)
    return share(right, better="higher", note=f"{len(right)} rows, from q(z | y)")


def model_of(fit: Fit) -> MultimodalVAE:
    """The trained model.

    Raises:
        ValueError: if it is not multimodal.
    """
    if not isinstance(fit.model, MultimodalVAE):
        raise ValueError(
            f"Expected a fit of MultimodalVAE; got one of {type(fit.model).__name__}. Use "
            "zoo.load('multimodal_vae')."
        )
    return fit.model
