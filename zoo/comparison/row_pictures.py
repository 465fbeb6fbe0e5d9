"""Pictures of the values of single rows."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure as Picture

from zoo.comparison.row_values import RowValues, k_hat_counts
from zoo.figure_style import BLUE, GREY, VERMILLION, in_style, legend_above

BINS, TALL = 40, 0.8  # of a histogram: bins, and its height where lines are 1 apart
MOST, LEAST = 2.0, -0.5  # k-hats beyond are counted at the end


@in_style
def k_hat_figure(pairs: Mapping[str, Sequence[RowValues]]) -> Picture:
    """A small histogram of k-hat over rows for each pair, all seeds together.

    Args:
        pairs: name -> values of the rows of its seeds.
    """
    picture, axis = plt.subplots(figsize=(7, 1.3 + 0.42 * len(pairs)), layout="constrained")
    found = {name: _k_hats(runs) for name, runs in pairs.items()}
    limit = min(k_hat_counts(runs).limit for runs in pairs.values())
    every = np.concatenate(list(found.values()))
    low, high = min(every.min(initial=0.0), 0.0), max(every.max(initial=1.0), limit + 0.1)
    edges = np.linspace(low, high, BINS + 1)
    over = edges >= limit
    for line, k in enumerate(found.values()):
        counts, _ = np.histogram(k, edges)
        tops = line - TALL * counts / max(1, counts.max())
        steps = np.append(tops, tops[-1])
        axis.fill_between(edges, steps, line, color=BLUE, step="post", lw=0)
        axis.fill_between(edges, steps, line, where=over, color=VERMILLION, step="post", lw=0)
    axis.axvline(limit, color=GREY, lw=1, ls="--")
    axis.fill_between([], [], [], color=BLUE, label="rows to trust")
    axis.fill_between([], [], [], color=VERMILLION, label=f"rows above {limit:.2f}")
    axis.set_yticks(range(len(pairs)), list(pairs))
    axis.set_ylim(len(pairs) - 0.7, -1.0)
    axis.set(xlabel="k-hat of a row (all seeds together)", xlim=(low, high))
    legend_above(picture, [axis])
    return picture


def _k_hats(runs: Sequence[RowValues]) -> np.ndarray:
    """Those of all seeds that are defined."""
    k = np.concatenate([run.values["k_hat"] for run in runs])
    return np.clip(k[~np.isnan(k)], LEAST, MOST)
