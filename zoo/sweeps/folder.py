"""The folder of a sweep: each run whole as it ends, so that the same command goes on after a kill.

`sweep.json` has what was asked for, and at the end the table, the choice and the test metrics.
`runs/NAME` is a run: run.json, fit.json with its state, metrics.json, and a log for TensorBoard
where that was asked for. A run is written beside its place and then moved there.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from zoo.comparison.aggregate import Row
from zoo.comparison.folder import RUNS, metrics_of
from zoo.files import PARTIAL, refuse_occupied, usable_folder, write_whole
from zoo.results.record import damaged, with_checksum
from zoo.results.request import refuse_other
from zoo.sweeps.jobs import ROW, Outcome

RECORD = "sweep.json"
WAY_OUT = "Pass --force to replace what the sweep wrote, or name another folder."


class SweepFolder:
    """Where a sweep is written.

    Args:
        path: the folder; it is made, and tried.
        asked: what was asked for.
        force: remove an earlier sweep.

    Raises:
        ValueError: for a folder that cannot be written to, that holds something else, or a sweep
            that was asked for other settings.
    """

    def __init__(self, path: str | Path, asked: dict[str, Any], *, force: bool) -> None:
        self.path, self.asked = usable_folder(path, "--out"), asked
        if force:
            (self.path / RECORD).unlink(missing_ok=True)
            shutil.rmtree(self.path / RUNS, ignore_errors=True)
        if (self.path / RECORD).exists():
            earlier = read_checked(self.path / RECORD, "asked")["asked"]
            here = json.loads(json.dumps(asked))
            try:
                refuse_other(earlier, here, f"The sweep in {self.path}")
            except ValueError as error:
                said = str(error).removesuffix("or start another fit without resume.")
                raise ValueError(f"{said}or: {WAY_OUT}") from None
        else:
            refuse_occupied(self.path, "--out", WAY_OUT)
            self.write({})
        for left in (self.path / RUNS).glob(f".*{PARTIAL}"):
            shutil.rmtree(left)

    def run(self, name: str) -> Path:
        """The folder of a run."""
        return self.path / RUNS / name

    def read(self, name: str) -> Row | None:
        """A run that is whole; None where it is not there.

        Raises:
            ValueError: if its file is damaged.
        """
        path = self.run(name) / ROW
        if not path.exists():
            return None
        row = read_checked(path, "row")["row"]
        return Row(**(row | {"metrics": metrics_of(row["metrics"])}))

    def write_run(self, outcome: Outcome) -> None:
        """Writes a run that came to its end, whole or not at all."""
        place = self.run(outcome.name)
        partial = place.with_name(f".{outcome.name}.{os.getpid()}{PARTIAL}")
        for name, content in outcome.files.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(partial / name, content)
        os.replace(partial, place)

    def write(self, found: dict[str, Any]) -> None:
        """Writes `sweep.json`: what was asked for and what was found so far."""
        write_whole(self.path / RECORD, with_checksum({"asked": self.asked, **found}))


def read_checked(path: Path, key: str) -> dict[str, Any]:
    """The contents of a file that the sweep wrote.

    Args:
        path: of the file.
        key: what it must have.

    Raises:
        ValueError: if it is damaged.
    """
    text = path.read_text(encoding="utf-8")
    try:
        record = json.loads(text)
        body = {name: part for name, part in record.items() if name != "sha256"}
    except (json.JSONDecodeError, AttributeError) as error:
        raise damaged(path, f"it is no record of a sweep ({error})") from None
    if with_checksum(body) != text or key not in body:
        raise damaged(path, "its checksum is not that of its contents")
    return body
