"""The watcher of one part: it starts the student's process and ends it at a limit."""

import json
import os
import select
import signal
import time
from contextlib import suppress
from pathlib import Path

from zoo.homework.sandbox.child import REFUSED, run_part
from zoo.homework.sandbox.contain import as_nobody, enter_namespaces, mount_folder
from zoo.homework.sandbox.limits import MB, Limits

PAUSE = 0.02  # seconds between two looks at memory and processes
KEPT = 4096  # bytes of what the student's code printed that are kept


def watch(job: Path, limits: Limits, *, contained: bool) -> dict[str, str]:
    """Runs one part of a student and says how it ended.

    Args:
        job: the folder that the grader made for it.
        limits: of the part.
        contained: in namespaces of its own?

    Returns:
        "outcome" ("" if the process came to its end by itself), "detail" and "printed".
    """
    folder, files = job / "work", _files(job / "files")
    begun = _taken_by(os.getpid())
    if contained:
        as_nobody(job)
        enter_namespaces()
        mount_folder(folder, limits.disk)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.nice(10)
        if not contained:
            os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        run_part(job, folder, limits, contained=contained)
    os.close(writing)
    printed = bytearray()
    outcome, detail = _wait(child, reading, limits, begun, printed)
    _kill(child, contained=contained)
    _, status, usage = os.wait4(child, 0)
    if not outcome:
        seconds = usage.ru_utime + usage.ru_stime
        outcome, detail = _ended(status, seconds, limits, printed)
    return {
        "outcome": outcome,
        "detail": detail,
        "printed": printed[:KEPT].decode(errors="replace"),
    }


def _files(folder: Path) -> dict[str, bytes]:
    """What the student handed in beside the file, read before rights are given up."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _wait(
    child: int, reading: int, limits: Limits, begun: int, printed: bytearray
) -> tuple[str, str]:
    """Waits for the end, or for the first limit that is passed: its outcome and a sentence."""
    end, count, handle = time.monotonic() + limits.waiting, 0, os.pidfd_open(child)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.register(reading, select.POLLIN)
    while True:
        ready = dict(poll.poll(PAUSE * 1000))
        if ready.get(reading, 0) & select.POLLIN:
            said = os.read(reading, 65536)
            count += len(said)
            printed += said[: max(0, KEPT - len(printed))]
        elif reading in ready:
            poll.unregister(reading)
        if handle in ready:
            return "", ""
        if count > limits.printed:
            return "killed", f"More than {limits.printed // MB} MB were printed."
        if time.monotonic() > end:
            return "timed out", f"It ran for more than {limits.waiting:.0f} s."
        if passed := _passed(child, limits, begun):
            return passed


def _passed(child: int, limits: Limits, begun: int) -> tuple[str, str] | None:
    processes = _descendants(child)
    if len(processes) > limits.processes:
        return "killed", f"It started more than {limits.processes} processes."
    most = limits.memory
    if sum(max(0, _resident(one) - begun) for one in processes) > most:
        if sum(_taken_by(one) for one in processes) > most:
            return "out of memory", f"All its processes took more than {most // MB} MB together."
    return None


def _descendants(process: int) -> list[int]:
    found, left = [process], [process]
    while left:
        children = list[int]()
        for task in _threads(left.pop()):
            with suppress(OSError):
                children += map(int, (task / "children").read_text().split())
        found += children
        left += children
    return found


def _threads(process: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{process}/task").iterdir())
    except OSError:
        return []


def _resident(process: int) -> int:
    """Bytes of memory that are not files, shared or not; quick to read."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    wanted = [line.split() for line in lines if line.startswith(("RssAnon", "RssShmem"))]
    return sum(int(words[1]) * 1024 for words in wanted)


def _taken_by(process: int) -> int:
    """Bytes of its own memory: what it wrote to, and its share of what it shares."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return _resident(process)
    wanted = [line.split() for line in lines if line.startswith(("Private_Dirty", "Pss_Shmem"))]
    return sum(int(words[1]) * 1024 for words in wanted)


def _kill(child: int, *, contained: bool) -> None:
    """Kills it; the kernel then kills every process of its namespace."""
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    if not contained:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)


def _ended(status: int, seconds: float, limits: Limits, printed: bytearray) -> tuple[str, str]:
    """The outcome of a process that no limit of the watcher ended."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number in (signal.SIGKILL, signal.SIGXCPU) and seconds > limits.seconds - 0.5:
            return "timed out", f"It took more than {limits.seconds:g} s of processor time."
        return "killed", f"The process ended by signal {signal.Signals(number).name}."
    if os.WEXITSTATUS(status) == REFUSED:
        return "refused", printed.decode(errors="replace")
    if os.WEXITSTATUS(status):
        return "killed", f"The process ended with exit status {os.WEXITSTATUS(status)}."
    return "", ""


def answer(job: Path, limits: Limits, *, contained: bool) -> str:
    """What `watch` found as a line of JSON; what it raised is a refusal."""
    try:
        found = watch(job, limits, contained=contained)
    except Exception as error:
        found = {"outcome": "refused", "detail": f"{type(error).__name__}: {error}", "printed": ""}
    return json.dumps(found)
