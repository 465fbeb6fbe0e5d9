"""The one place that knows which ArviZ is installed: 0.23 (Python 3.11) or 1.x (from 3.12 on)."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

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


class Variable(NamedTuple):
    """An array and the names of its dimensions."""

    dims: tuple[str, ...]
    values: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.values.shape


@dataclass(frozen=True)
class Named(Mapping[str, dict[str, Variable]]):
    """The groups of an ArviZ file, with named dimensions and what made them.

    Attributes:
        groups: group ("posterior", "log_likelihood", ...) -> variable -> its values.
        attributes: of the file and of each group.
    """

    groups: dict[str, dict[str, Variable]]
    attributes: dict[str, str | int] = field(default_factory=dict)

    def __getitem__(self, group: str) -> dict[str, Variable]:
        return self.groups[group]

    def __iter__(self) -> Iterator[str]:
        return iter(self.groups)

    def __len__(self) -> int:
        return len(self.groups)


def write_netcdf(groups: Named, path: Path) -> Path:
    """Writes an ArviZ file, which ArviZ 0.23 and 1.x both read.

    Dimensions are numbered from 0. It is made in memory and written whole: on a full disk the HDF5
    library crashes the process.
    """
    import xarray

    tree = xarray.DataTree.from_dict(
        {f"/{group}": _dataset(group, groups) for group in groups.groups}
    )
    tree.attrs.update(groups.attributes)
    packed = {f"/{group}": {v: {"zlib": True} for v in groups[group]} for group in groups}
    return write_whole(path, bytes(tree.to_netcdf(None, engine="h5netcdf", encoding=packed)))


def _dataset(group: str, groups: Named) -> Any:
    import xarray

    variables = {name: (one.dims, one.values) for name, one in groups[group].items()}
    sizes = {
        dim: size
        for one in groups[group].values()
        for dim, size in zip(one.dims, one.shape, strict=True)
    }
    coords = {dim: np.arange(size) for dim, size in sizes.items()}
    return xarray.Dataset(variables, coords, attrs=groups.attributes)


def read_netcdf(path: Path) -> object:
    """The file as this ArviZ reads it: InferenceData, or a DataTree from 1.x on."""
    return _arviz().from_netcdf(str(path))
