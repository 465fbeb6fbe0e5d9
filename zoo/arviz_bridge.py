"""The one place that knows which ArviZ is installed: 0.23 (Python 3.11) or 1.x (from 3.12 on)."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # 0.23 announces 1.x at import
    import arviz

LEGACY = arviz.__version__.startswith("0.")


def pareto_k(log_weights: np.ndarray) -> np.ndarray:
    """Pareto k-hat of each row of log importance weights: (rows, draws) -> (rows,).

    It is infinite where the tail cannot be fitted.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # equal weights: 0 / 0 on the way to inf
        if LEGACY:
            return np.atleast_1d(arviz.psislw(log_weights.copy())[1])
        return np.array([_pareto_k_of_row(row) for row in log_weights])


def _pareto_k_of_row(log_weights: np.ndarray) -> float:
    from arviz_stats.base import array_stats

    try:
        value = float(array_stats.psislw(-log_weights)[1])  # 1.x takes log-likelihoods
    except ValueError:
        return np.inf
    return value if np.isfinite(value) else np.inf


def leave_one_out(log_likelihood: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """PSIS-LOO: expected log predictive density and Pareto k-hat of each row.

    Args:
        log_likelihood: of independent posterior draws, (draws, rows).
    """
    data = {
        "posterior": {"draw_index": np.arange(len(log_likelihood))[None]},
        "log_likelihood": {"x": log_likelihood[None]},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # high k-hats: the caller is handed them
        if LEGACY:
            found = arviz.loo(arviz.from_dict(**data), pointwise=True, reff=1.0)  # type: ignore[arg-type]
            return found.loo_i.values, found.pareto_k.values
        found = arviz.loo(arviz.from_dict(data), pointwise=True, reff=1.0)  # type: ignore[arg-type]
        return found.elpd_i.values, found.pareto_k.values


def chain_diagnostics(draws: np.ndarray) -> dict[str, float]:
    """How well chains have mixed: rank-normalised split R-hat, effective sizes, MCSEs.

    A scalar that never moves, such as the zeros of a Cholesky factor, is known exactly.

    Args:
        draws: of one scalar, (chains, draws).

    Returns:
        "r_hat", "ess_bulk", "ess_tail", "mcse_mean", "mcse_sd".
    """
    if np.ptp(draws) == 0:
        sizes = {"ess_bulk": float(draws.size), "ess_tail": float(draws.size)}
        return {"r_hat": 1.0, **sizes, "mcse_mean": 0.0, "mcse_sd": 0.0}
    stats = _statistics()
    return {
        "r_hat": float(stats.rhat(draws, method="rank")),
        "ess_bulk": float(stats.ess(draws, method="bulk")),
        "ess_tail": float(stats.ess(draws, method="tail", prob=(0.05, 0.95))),
        "mcse_mean": float(stats.mcse(draws, method="mean")),
        "mcse_sd": float(stats.mcse(draws, method="sd")),
    }


def _statistics() -> Any:
    """Where rhat, ess and mcse of arrays are."""
    if LEGACY:
        return arviz
    from arviz_stats.base import array_stats

    return array_stats


def write_netcdf(groups: dict[str, dict[str, np.ndarray]], path: Path) -> Path:
    """Writes an ArviZ file; every array leads with (chain, draw).

    Args:
        groups: group ("posterior", "log_likelihood", ...) -> variable -> values.
        path: where to.
    """
    data = arviz.from_dict(**groups) if LEGACY else arviz.from_dict(groups)  # type: ignore[arg-type]
    data.to_netcdf(str(path))
    return path


def read_netcdf(path: Path) -> object:
    """The file as this ArviZ reads it: InferenceData, or a DataTree from 1.x on."""
    return arviz.from_netcdf(str(path))
