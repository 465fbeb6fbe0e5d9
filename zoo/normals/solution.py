"""What a method that takes no steps has found."""

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.normals.normal import Normal
from zoo.normals.pathfinder import Path


@dataclass(frozen=True)
class Solution:
    """A mixture of normals, and how it was found.

    Attributes:
        normals: its parts, the heaviest first.
        weights: of the parts, shape (parts,); they sum to 1.
        elbos: the ELBO of each approximation on the way, nats; that of what was found is the last.
        paths: of Pathfinder, which show whether there are several modes.
        notes: what a user should know of it.
    """

    normals: tuple[Normal, ...]
    weights: Tensor
    elbos: tuple[float, ...]
    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def of_one(
        cls, normal: Normal, elbos: list[float], paths: list[Path], *notes: str
    ) -> "Solution":
        """A single normal."""
        weights = torch.ones(1, dtype=torch.float64)
        return cls((normal,), weights, tuple(elbos), tuple(paths), notes)


def paths_of(found: list[Path | None]) -> list[Path]:
    """The paths that found a normal, the best one first.

    Raises:
        ValueError: if there is none.
    """
    kept = sorted((path for path in found if path is not None), key=lambda path: -path.elbo)
    if kept:
        return kept
    raise ValueError(
        f"None of {len(found)} paths of L-BFGS met a normal with a finite ELBO: the log density "
        "is not finite near 0, or rises without end. Use iaf, which begins as it is built, or "
        "check the model by zoo.describe and its log density at a draw from the prior."
    )
