"""Where a row is measured: its device, and the folder of its checkpoints."""

import re
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """Where a row is measured.

    Attributes:
        device: "cuda" or "cpu".
        runs: the folder of checkpoints.
        small: is it a smoke run? Then there are few steps, rows and draws.
    """

    device: str
    runs: Path
    small: bool

    def checkpoint(self, name: str) -> dict:
        """Settings of `zoo.fit` that go on from the checkpoint of that name, and write it."""
        kind = f"{self.device}{'-small' * self.small}"
        folder = self.runs / re.sub(r"[^\w.=-]+", "-", f"{name}-{kind}")
        return {"device": self.device, "checkpoint": folder, "resume": folder}
