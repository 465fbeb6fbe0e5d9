"""Is the zoo right on a GPU, and how fast? One command, run in calls of some minutes each.

    python -m benchmarks.gpu --out runs/gpu                  # ten minutes, the most telling first
    python -m benchmarks.gpu --out runs/gpu                  # again: goes on where it stopped
    python -m benchmarks.gpu --out runs/gpu --parts speed --minutes 30
    python -m benchmarks.gpu --out runs/gpu --small          # a smoke run, small and short rows
    python -m benchmarks.gpu --out runs/gpu --list           # what is left

Each row runs in a process of its own and is written to OUT/PART.json when it ends, with the name
of the device and the date. A row that fails is written down with its error and tried again by the
next call. Long fits are checkpointed in OUT/runs, and go on in the next call.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from benchmarks import records
from benchmarks.gpu.rows import PARTS, Place, Row, rows_of
from zoo.device import pick_device

ROOT = Path(__file__).parents[2]
SPARE = 20.0  # seconds to end a fit and write its checkpoint
WORTH = 60.0  # seconds that a fit is gone on with for
FROM_OUTSIDE = "stopped from outside"


def name_of(device: str) -> str:
    """The device's own name, which rows of one table share."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(0)
    return f"cpu: {platform.processor() or platform.machine()}, {os.cpu_count()} cores"


class Results:
    """The rows in a folder, a file for each part.

    Args:
        folder: the folder.
        device: the device's name; rows of another one, or of a smoke run, are not taken for done.
        small: is this a smoke run?
    """

    def __init__(self, folder: Path, device: str, *, small: bool) -> None:
        self.folder, self.own = folder, {"device": device, "small": small}

    def of(self, part: str) -> list[dict]:
        path = self.folder / f"{part}.json"
        return records.read(path)["rows"] if path.exists() else []

    def has(self, row: Row) -> bool:
        return any(self._is(old, row) and "error" not in old for old in self.of(row.part))

    def add(self, row: Row, found: dict) -> None:
        """Writes a row in the place of an earlier one of its name."""
        others = [old for old in self.of(row.part) if not self._is(old, row)]
        record = records.made_now()
        found = {"row": row.name} | self.own | {n: record[n] for n in records.MADE} | found
        records.write(self.folder / f"{row.part}.json", record | {"rows": [*others, found]})

    def _is(self, old: dict, row: Row) -> bool:
        return old["row"] == row.name and all(old[name] == is_ for name, is_ in self.own.items())


def environment(device: str) -> dict[str, str]:
    """That of a row's process: on the CPU no library sees a GPU."""
    known = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "PYTHONUNBUFFERED": "1"}
    hidden = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    return known | (hidden if device == "cpu" else {})


def run(row: Row, asked: argparse.Namespace, device: str, seconds: float) -> dict | None:
    """What a row's process found, or its error; None if the time was over."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--one", row.part, row.name]
    command += ["--out", str(asked.out), "--device", device, *["--small"] * asked.small]
    begin = time.perf_counter()
    child = subprocess.Popen(  # noqa: S603
        command,
        cwd=ROOT,
        env=environment(device),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        out, log = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGTERM)
        try:
            child.communicate(timeout=SPARE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
        return None
    except BaseException:
        child.send_signal(signal.SIGTERM)
        child.wait()
        raise
    took = {"row_seconds": round(time.perf_counter() - begin, 1)}
    if child.returncode == 0:
        return json.loads(out.splitlines()[-1]) | took
    if child.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM):
        return {"error": FROM_OUTSIDE} | took
    last = [line for line in log.splitlines() if line.strip()][-1:] or ["no message"]
    return {"error": last[0][:500], "log": log[-3000:]} | took


def measure(rows: list[Row], asked: argparse.Namespace, device: str, results: Results) -> None:
    """Runs the rows for which there is time, in order; writes each when it ends."""
    end = time.perf_counter() + 60.0 * asked.minutes
    for row in rows:
        left = end - time.perf_counter() - SPARE
        if left < (WORTH if row.goes_on else row.expected) and not asked.small:
            continue
        if left <= 0:
            break
        print(f"{row.part}: {row.name}", flush=True)
        found = run(row, asked, device, left)
        if found is None:
            print("  the time is over" + (", goes on in the next call" * row.goes_on), flush=True)
            continue
        results.add(row, found)
        print(f"  {json.dumps({k: v for k, v in found.items() if k != 'log'})}", flush=True)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--device", default="auto", choices=("auto", "cuda", "cpu"))
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--minutes", type=float, default=10.0, help="that this call may take")
    parser.add_argument("--small", action="store_true", help="a smoke run of small, short rows")
    parser.add_argument("--list", action="store_true", help="say what is left, and run nothing")
    parser.add_argument("--one", nargs=2, help="part and name of a row: run it in this process")
    return parser.parse_args()


def stop(number: int, frame: object) -> None:
    """Ends this process, and by that a row's process, which writes its checkpoint."""
    raise SystemExit(128 + number)


def main() -> None:
    asked = parsed()
    device = pick_device(asked.device)
    rows = rows_of(small=asked.small)
    if not asked.one:
        signal.signal(signal.SIGTERM, stop)
    else:
        (row,) = [row for row in rows if [row.part, row.name] == asked.one]
        found = row.measure(Place(device, asked.out / "runs", small=asked.small))
        print(json.dumps(found))
        return
    results = Results(asked.out, name_of(device), small=asked.small)
    chosen = [row for row in rows if row.part in asked.parts]
    if not asked.list:
        measure([row for row in chosen if not results.has(row)], asked, device, results)
    missing = [row for row in chosen if not results.has(row)]
    print(
        f"{len(chosen) - len(missing)} of {len(chosen)} rows are there, {len(missing)} are left."
    )
    for row in missing:
        print(f"  left: {row.part}: {row.name}")


if __name__ == "__main__":
    main()
