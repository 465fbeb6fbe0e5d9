"""The loss of a fit as a curve."""

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.results.shown import loss_rows, title_of

if TYPE_CHECKING:
    from zoo.results.result import Fit

SMOOTHING = 50


def plot_loss(fit: "Fit", axes: Any = None) -> Any:
    """The loss of every step, its running mean, and the validation loss; see `Fit.plot_loss`."""
    import matplotlib.pyplot as plt

    from zoo.figure_style import STYLE

    if not len(fit.losses):
        raise ValueError("The fit has taken no step, so that there is no loss to plot.")
    if fit.direct and len(fit.losses) == 1:
        raise ValueError(
            f"The guide was found by its own method, {fit.solver}, without steps; its only loss "
            f"is {float(fit.losses[0]):.4g} nats, so that there is no course to plot."
        )
    with plt.rc_context(STYLE):
        if axes is None:
            _, axes = plt.subplots(figsize=(6, 3.7), layout="constrained")
        _draw(fit, axes)
    return axes


def _draw(fit: "Fit", axes: Any) -> None:
    from zoo.figure_style import BLUE, VERMILLION

    rows = loss_rows(fit)
    losses = fit.losses.double().cpu().numpy() / rows
    steps = np.arange(1, len(losses) + 1)
    ends, smooth = smoothed(losses)
    axes.plot(steps, losses, color="0.8", linewidth=0.8, label="each step")
    axes.plot(ends, smooth, color=BLUE, label=f"mean of {ends[0]} steps")
    if fit.valid:
        at, values = zip(*fit.valid, strict=True)
        held = fit.task.data.valid
        count = len(held[0]) if held and fit.latents.rowwise else 1
        axes.plot(at, np.array(values) / count, "s--", color=VERMILLION, label="validation")
    unit = "nats/row" if fit.latents.rowwise else "nats"
    objective = type(fit.settings.objective).__name__
    axes.set(xlabel="step", ylabel=f"loss of {objective}, {unit}")
    axes.set_title(title_of(fit), pad=24)  # points: the legend is below it
    low, high = np.quantile(losses[len(losses) // 10 :], [0.0, 1.0])
    if high > low:
        axes.set_ylim(low - 0.05 * (high - low), high + 0.3 * (high - low))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)


def smoothed(losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A loss curve without most of its noise: means over the steps up to each.

    Args:
        losses: shape (steps,); a mean is over 50 of them, or over a tenth of all if that is less.

    Returns:
        Numbers of the steps, counted from 1, and the means there.
    """
    window = min(SMOOTHING, max(1, len(losses) // 10))
    means = np.convolve(losses, np.ones(window) / window, mode="valid")
    return np.arange(window, len(losses) + 1), means
