"""What a student's process may take."""

from dataclasses import dataclass

MB = 2**20


@dataclass(frozen=True)
class Limits:
    """Limits of one part.

    Attributes:
        seconds: of processor time of one process.
        waiting: seconds of wall time; waiting for other processes counts as well.
        memory: bytes, over all its processes together, beyond what torch itself takes.
        processes: and threads.
        disk: bytes in its folder.
        printed: bytes of standard output and error.
        results: bytes of results.
    """

    seconds: float = 20.0
    waiting: float = 90.0
    memory: int = 2048 * MB
    processes: int = 48
    disk: int = 256 * MB
    printed: int = 4 * MB
    results: int = 64 * MB


def limits_of(seconds: float) -> Limits:
    """The usual limits for a part of so many seconds; wall time allows for a busy machine."""
    return Limits(seconds=seconds, waiting=4 * seconds + 10)
