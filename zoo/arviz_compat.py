"""The one place that knows which ArviZ is installed: 0.23 (Python 3.11) or 1.x (from 3.12 on)."""

import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from zoo.files import write_whole

LEGACY = version("arviz").startswith("0.")


def _arviz() -> Any:
    """ArviZ, imported at its first use: that takes a second or two."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # 0.23 announces 1.x at import
        import arviz
    return arviz


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
        return _arviz()
    from arviz_stats.base import array_stats

    return array_stats


def write_netcdf(groups: dict[str, dict[str, np.ndarray]], path: Path) -> Path:
    """Writes an ArviZ file; every array leads with (chain, draw).

    It is made in memory and written whole: on a full disk the HDF5 library crashes the process.

    Args:
        groups: group ("posterior", "log_likelihood", ...) -> variable -> values.
        path: where to.
    """
    arviz = _arviz()
    tree = arviz.from_dict(**groups).to_datatree() if LEGACY else arviz.from_dict(groups)
    packed = {f"/{group}": {v: {"zlib": True} for v in tree[group].data_vars} for group in groups}
    return write_whole(path, bytes(tree.to_netcdf(None, engine="h5netcdf", encoding=packed)))


def read_netcdf(path: Path) -> object:
    """The file as this ArviZ reads it: InferenceData, or a DataTree from 1.x on."""
    return _arviz().from_netcdf(str(path))
