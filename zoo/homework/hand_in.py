"""What a student hands in: a folder with homework.py or homework.ipynb, read as untrusted files.

Only ordinary files are opened, no links, and only up to a size; notebooks are read as JSON.
"""

import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MB = 2**20
LARGEST = {".py": 2 * MB, ".ipynb": 32 * MB}
LARGEST_BESIDE, MOST_BESIDE = 32 * MB, 40  # bytes and number of the files beside it
NAME = "homework"


class Unreadable(ValueError):
    """A hand-in that cannot be graded as it is."""


@dataclass(frozen=True)
class HandIn:
    """A hand-in that was read.

    Attributes:
        student: the ID, which is the folder's name.
        file: name of the file that is graded.
        source: its text, in cells.
        files: name -> content of what lies beside it.
        remarks: sentences for the student.
    """

    student: str
    file: str
    source: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def read_hand_in(folder: Path, starter: str) -> HandIn:
    """Reads a student's folder, or the only file of a student.

    Where both homework.py and homework.ipynb differ from the starter, the first is graded.

    Args:
        folder: whose name is the student's ID; or a .py or .ipynb file.
        starter: the sheet's starter.py.

    Raises:
        Unreadable: with what is wrong.
    """
    if folder.is_symlink():
        raise Unreadable(f"{folder.name} is a link. Hand in the folder itself.")
    if not folder.is_dir():
        return HandIn(folder.stem, folder.name, _source(folder.name, _text(folder)))
    found = {path.name: path for path in _candidates(folder)}
    if not found:
        raise Unreadable(f"There is no {NAME}.py and no {NAME}.ipynb in {folder.name}.")
    texts = {name: _text(path) for name, path in found.items()}
    changed = [name for name, text in texts.items() if not same_code(_code(name, text), starter)]
    chosen = (changed or list(texts))[0]
    remarks = tuple(f"{name} was changed too; {chosen} was graded." for name in changed[1:])
    source = _source(chosen, texts[chosen])
    return HandIn(folder.name, chosen, source, _beside(folder, set(texts)), remarks)


def _candidates(folder: Path) -> Iterator[Path]:
    """homework.py and homework.ipynb, else the only file of these kinds."""
    named = [folder / f"{NAME}{suffix}" for suffix in LARGEST]
    there = [path for path in named if path.is_symlink() or path.exists()]
    if there:
        yield from there
        return
    others = [path for path in sorted(folder.iterdir()) if path.suffix in LARGEST]
    own = [path for path in others if path.name not in ("public.py", "driver.py")]
    if len(own) == 1:
        yield own[0]


def read_plain(path: Path, most: int) -> bytes:
    """The content of an ordinary file of limited size.

    Args:
        path: of the file.
        most: bytes.

    Raises:
        Unreadable: for a link, a folder, a pipe, or a larger file.
    """
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unreadable(f"{path.name} is a link, or cannot be opened.") from error
    with os.fdopen(opened, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise Unreadable(f"{path.name} is not an ordinary file.")
        if found.st_size > most:
            raise Unreadable(
                f"{path.name} has {found.st_size / MB:,.0f} MB; the most is {most // MB} MB. "
                "Clear the notebook's outputs."
            )
        return file.read(most)


def _text(path: Path) -> str:
    if path.suffix not in LARGEST:
        raise Unreadable(f"{path.name} is neither a .py nor a .ipynb file.")
    content = read_plain(path, LARGEST[path.suffix])
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise Unreadable(f"{path.name} is not text in UTF-8.") from error


def _source(name: str, text: str) -> str:
    """The text of a file in cells, from a .py or a .ipynb file."""
    return _from_notebook(name, text) if name.endswith(".ipynb") else text


def _code(name: str, text: str) -> str:
    """The code in a file, without the packages that read notebooks, which take long to import."""
    if not name.endswith(".ipynb"):
        return text
    try:
        cells = json.loads(text)["cells"]
        found = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        return "\n".join(found)
    except (ValueError, KeyError, TypeError, RecursionError):
        return text  # damaged, which is said if it is this one that is graded


def _from_notebook(name: str, text: str) -> str:
    """The notebook's cells as py:percent, without outputs; magic commands become comments."""
    import jupytext

    try:
        notebook = jupytext.reads(text, fmt="ipynb")
        return jupytext.writes(notebook, fmt="py:percent")
    except Exception as error:  # whatever a damaged notebook makes the reader raise
        said = f"{type(error).__name__}: {error}"[:200]
        raise Unreadable(f"{name} is not a notebook that can be read: {said}") from error


def _beside(folder: Path, graded: set[str]) -> dict[str, bytes]:
    """Ordinary files in the folder, up to a size; all others are left out."""
    files, left = dict[str, bytes](), LARGEST_BESIDE
    for path in sorted(folder.iterdir()):
        if path.name in graded or len(files) == MOST_BESIDE:
            continue
        try:
            content = read_plain(path, left)
        except Unreadable:
            continue
        files[path.name] = content
        left -= len(content)
    return files


def same_code(text: str, other: str) -> bool:
    """Have two files the same lines of code, but for comments and blank lines?"""
    return _code_lines(text) == _code_lines(other)


def _code_lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.splitlines()]
    return [line for line in lines if line and not line.lstrip().startswith("#")]
