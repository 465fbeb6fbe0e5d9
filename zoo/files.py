"""Files that are there whole or not at all, whenever the process ends, however full the disk."""

import os
import re
from contextlib import suppress
from pathlib import Path

PARTIAL = ".partial"
STATE = re.compile(r"state-[0-9a-f]{16}\.safetensors")


def write_whole(path: str | Path, content: bytes | str) -> Path:
    """Writes a file under another name in the same folder, and moves it into place.

    Args:
        path: where to; its folder is there.
        content: all of it; text is encoded as UTF-8.

    Returns:
        The path.

    Raises:
        OSError: if it cannot be written; a file that was there before stays as it was.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        with partial.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return path


def _sync_folder(folder: Path) -> None:
    """Makes names durable; some systems and network drives cannot, and need not."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_partial(folder: Path) -> None:
    """Removes what processes that were killed while writing left behind."""
    for path in folder.glob(f".*{PARTIAL}"):
        path.unlink(missing_ok=True)


def held(folder: Path) -> list[str]:
    """Names in a folder, without partial files and without tensors that no record names."""
    names = sorted(path.name for path in folder.iterdir() if not path.name.endswith(PARTIAL))
    return names if any(not STATE.fullmatch(name) for name in names) else []


def usable_folder(path: str | Path, name: str) -> Path:
    """A folder that can be written to; it is made if it is not there, and tried.

    Args:
        path: the folder.
        name: what the user calls it, for errors: "--out" or "checkpoint".

    Raises:
        ValueError: if the path is empty, a file, or cannot be written to.
    """
    if not str(path).strip():
        raise ValueError(f"Expected {name} to name a folder; got ''. Name one, such as runs/a.")
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".{os.getpid()}{PARTIAL}"
        trial.write_bytes(b"x")
        trial.unlink()
    except OSError as error:
        raise ValueError(
            f"Cannot write to {name} {folder}: {error.strerror or error}. Name another folder."
        ) from error
    return folder


def refuse_occupied(folder: Path, name: str, way_out: str) -> None:
    """Refuses a folder that holds something, so that nothing is overwritten unasked.

    Raises:
        ValueError: if it holds anything.
    """
    names = held(folder)
    if names:
        some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        raise ValueError(f"{name} {folder} is not empty: it holds {some}. {way_out}")
