"""The grader's side: it starts the warm process, writes jobs, and reads back tensors."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from zoo.homework.calls import Call, Reply, Runner
from zoo.homework.hand_in import HandIn
from zoo.homework.sandbox import wire
from zoo.homework.sandbox.contain import missing
from zoo.homework.sandbox.limits import Limits, limits_of
from zoo.homework.sheets import Part

START = "import sys; sys.path[:] = {paths!r}; from zoo.homework.sandbox.warm import serve; serve()"
PACKAGES = Path(__file__).parents[3]
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def refuse_uncontained() -> None:
    """Refuses to run students' code where the kernel cannot contain it.

    Raises:
        ValueError: with what is missing.
    """
    found = missing()
    if found:
        reasons = "; ".join(f"{name} ({why})" for name, why in found.items())
        raise ValueError(
            f"This machine cannot contain students' code. It lacks: {reasons}. Grade on another "
            "machine, or pass --unsafe if you trust every line that was handed in."
        )


class Workers:
    """A warm process, and the jobs that it is given one after another.

    Args:
        driver: text of the sheet's driver.py.
        contained: in a sandbox? Else with limits on time and memory only.

    Raises:
        ValueError: if the code is to be contained and this machine cannot do that.
    """

    def __init__(self, driver: str, *, contained: bool = True) -> None:
        if contained:
            refuse_uncontained()
        self.driver, self.contained = driver, contained
        self.jobs = Path(tempfile.mkdtemp(prefix="zoo-homework-"))
        self.jobs.chmod(0o711)
        self.warm = self._started()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the warm process and removes the jobs."""
        self._end()
        shutil.rmtree(self.jobs, ignore_errors=True)

    def runner(self, hand_in: HandIn, limits: Limits | None = None) -> Runner:
        """What calls the functions of a hand-in.

        Args:
            hand_in: the student's.
            limits: default: what the part's seconds say.
        """

        def run(part: Part, calls: Sequence[Call]) -> Reply:
            return self.run(hand_in, part, calls, limits or limits_of(part.seconds))

        return run

    def run(self, hand_in: HandIn, part: Part, calls: Sequence[Call], limits: Limits) -> Reply:
        """The results of a part's calls, run in the student's process.

        Raises:
            ValueError: if that process could not be contained.
        """
        job = Path(tempfile.mkdtemp(dir=self.jobs))
        job.chmod(0o755)
        try:
            self._write(job, hand_in, part, calls)
            said = self._asked(job, limits)
            if said["outcome"] == "refused":
                raise ValueError(f"The student's process was not contained: {said['detail']}")
            if said["outcome"]:
                return Reply(said["outcome"], said["detail"])
            return self._read(job / "results", len(calls), limits)
        finally:
            shutil.rmtree(job, ignore_errors=True)

    def _write(self, job: Path, hand_in: HandIn, part: Part, calls: Sequence[Call]) -> None:
        for name in ("work", "files"):
            (job / name).mkdir()
        (job / "work").chmod(0o777)
        for name, content in hand_in.files.items():
            (job / "files" / Path(name).name).write_bytes(content)
        (job / "homework.py").write_text(hand_in.source, encoding="utf-8")
        (job / "driver.py").write_text(self.driver, encoding="utf-8")
        wire.write_request(job, part, calls)
        (job / "results").touch()
        (job / "results").chmod(0o666)

    def _read(self, path: Path, calls: int, limits: Limits) -> Reply:
        if path.stat().st_size > limits.results:
            return Reply("wrong", f"The results take more than {limits.results:,} bytes.")
        content = path.read_bytes()
        if not content:
            return Reply("killed", "The process ended before its results were written.")
        return wire.decoded(content, calls)

    def _asked(self, job: Path, limits: Limits) -> dict[str, Any]:
        """The watcher's answer; a watcher that was killed gives none."""
        request = {"folder": str(job), "limits": asdict(limits), "contained": self.contained}
        if self.warm.poll() is not None:
            self.warm = self._started()
        assert self.warm.stdin is not None
        assert self.warm.stdout is not None
        self.warm.stdin.write(json.dumps(request) + "\n")
        self.warm.stdin.flush()
        lines = list[str]()
        while (line := self.warm.stdout.readline()) not in ("", "done\n"):
            lines.append(line)
        if not lines:
            return {"outcome": "killed", "detail": "The process and its watcher were killed."}
        return json.loads(lines[0])

    def _started(self) -> subprocess.Popen[str]:
        """The warm process, without this one's environment, arguments and open files."""
        paths = [str(PACKAGES), *(os.path.abspath(path) for path in sys.path if path)]
        home = self.jobs / "home"
        home.mkdir(exist_ok=True)
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment |= dict.fromkeys(THREADS, "1") | {"HOME": str(home), "MPLBACKEND": "agg"}
        warm = subprocess.Popen(
            [sys.executable, "-I", "-c", START.format(paths=paths)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=self.jobs,
        )
        assert warm.stdout is not None
        if warm.stdout.readline() != "ready\n":
            raise OSError("The process that runs students' code did not start.")
        return warm

    def _end(self) -> None:
        assert self.warm.stdin is not None
        assert self.warm.stdout is not None
        self.warm.stdin.close()
        self.warm.wait()
        self.warm.stdout.close()
