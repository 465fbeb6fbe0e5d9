"""The results: rows of fits, the best normals, the reference runs; written after each, by name.

`arrival.json` holds the rows, `arrival_best.json` the best known normal of each posterior and
family, and `arrival_reference.json` the posterior means and sds.
"""

from pathlib import Path
from typing import Any

import torch

from benchmarks import records
from benchmarks.arrival.posterior import Posterior
from zoo.normals.normal import Normal

NAMES = {
    "fits": "arrival.json",
    "best": "arrival_best.json",
    "reference": "arrival_reference.json",
}
KEY = ("posterior", "family", "method", "seed")


class Results:
    """The three files of results in a folder, which may be missing at first."""

    def __init__(self, folder: Path = records.RESULTS) -> None:
        self.folder = folder

    def read(self, name: str) -> dict[str, Any]:
        """The record of that name; empty if there is none yet."""
        path = self.folder / NAMES[name]
        return records.read(path) if path.exists() else {}

    def write(self, name: str, record: dict[str, Any]) -> None:
        """Writes a record, with how its last part was made."""
        made = records.made_now()
        del made["data"]
        records.write(self.folder / NAMES[name], record | made)

    def add(self, part: str, row: dict[str, Any]) -> None:
        """Adds a row to a part of the fits ("rows" or "recipes"), with its commit and date."""
        record, made = self.read("fits"), records.made_now()
        row |= {"commit": made["commit"], "date": made["date"]}
        self.write("fits", record | {part: [*record.get(part, []), row]})

    def done(self) -> set[tuple]:
        """The keys of the rows that are there."""
        return {tuple(row[name] for name in KEY) for row in self.read("fits").get("rows", [])}

    def keep_if_best(
        self, posterior: Posterior, family: str, method: str, normal: Normal, elbo: float
    ) -> bool:
        """Keeps a normal if its ELBO is the highest of its posterior and family."""
        record, place = self.read("best"), f"{posterior.name}/{family}"
        found = record.setdefault("best", {})
        if place in found and found[place]["elbo"] >= elbo:
            return False
        found[place] = {"elbo": elbo, "method": method} | as_numbers(normal, family)
        self.write("best", record)
        return True

    def best(self, posterior: str, family: str) -> tuple[Normal, float] | None:
        """The best known normal and its ELBO, nats; None if there is none yet."""
        kept = self.read("best").get("best", {}).get(f"{posterior}/{family}")
        return None if kept is None else (from_numbers(kept), kept["elbo"])


def as_numbers(normal: Normal, family: str) -> dict[str, list[float]]:
    """Mean and factor as JSON: the factor's diagonal, or its rows up to the diagonal."""
    if family == "mean_field":
        return {"mean": normal.mean.tolist(), "factor": normal.factor.diagonal().tolist()}
    row, column = torch.tril_indices(*normal.factor.shape)
    return {"mean": normal.mean.tolist(), "factor": normal.factor[row, column].tolist()}


def from_numbers(kept: dict[str, Any]) -> Normal:
    """The inverse of :func:`as_numbers`."""
    mean, numbers = (torch.tensor(kept[name], dtype=torch.float64) for name in ("mean", "factor"))
    if len(numbers) == len(mean):
        return Normal(mean, torch.diag(numbers))
    factor = mean.new_zeros(len(mean), len(mean))
    row, column = torch.tril_indices(len(mean), len(mean))
    factor[row, column] = numbers
    return Normal(mean, factor)
