"""Compiled code kept on disk: a later process loads it in milliseconds.

``torch.compile`` does not keep the code of a loop. So the loop is exported, compiled ahead of
time, and stored in a file that is named by a hash of all that the code depends on. Code that is
there already is loaded without exporting anything. The hash of the file itself is stored beside
it, so that a damaged file is noticed and compiled again.
"""

import hashlib
import os
import platform
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from zoo.compile.compile_error import CompileError
from zoo.compile.tracer_memory import released
from zoo.torch_private import (
    aoti_compile_and_package,
    aoti_load_package,
    cache_dir,
    inductor_settings,
    tree_flatten,
    tree_leaves,
    tree_unflatten,
)

Options = dict[str, Any]


class CacheWarning(UserWarning):
    """Compiled code cannot be kept on disk for later processes."""


class Packaged:
    """A pure function of tensors as machine code, compiled or loaded at its first call.

    Args:
        make: makes the function, which takes and returns nested tuples of tensors; anything else
            in them is a constant. It is called only if the code is not there yet.
        key: makes a name of the function and its constants: another function has another one.
        like: nested tuples such as the function returns, of its arguments.
        options: of the compiler.

    Raises:
        CompileError: at the first call, if there is no compiler or it fails, with its message.
    """

    def __init__(
        self,
        make: Callable[[], Callable],
        key: Callable[[], str],
        like: Callable,
        options: Options,
    ) -> None:
        self.make, self.key, self.like, self.options = make, key, like, options
        self.code: Callable | None = None

    def __call__(self, *args: object) -> Any:
        """What the function returns, from the compiled code."""
        if self.code is None:
            try:
                self.code = self._load(args)
            except Exception as error:
                raise CompileError(f"{type(error).__name__}: {error}") from error
        return self.code(*args)

    def _load(self, args: tuple) -> Callable:
        name = fingerprint(self.key(), args, self.options)
        code = _code(name, lambda: self._export(args), self.options)
        _, structure = tree_flatten(self.like(*args))

        def run(*args: object) -> Any:
            return tree_unflatten(code(*_tensors(args)), structure)

        return run

    def _export(self, args: tuple) -> ExportedProgram:
        flat = _Flat(self.make(), args)
        return torch.export.export(flat, _tensors(args), strict=False)


class _Flat(nn.Module):
    """The function with flat lists of tensors as input and output."""

    def __init__(self, function: Callable, args: tuple) -> None:
        super().__init__()
        self.function = function
        self.leaves, self.inner = tree_flatten(args)

    def forward(self, *tensors: Tensor) -> list[Tensor]:
        left = iter(tensors)
        leaves = [next(left) if isinstance(leaf, Tensor) else leaf for leaf in self.leaves]
        return tree_leaves(self.function(*tree_unflatten(leaves, self.inner)))


def _tensors(args: tuple) -> tuple[Tensor, ...]:
    return tuple(leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor))


def _code(name: str, export: Callable[[], ExportedProgram], options: Options) -> Callable:
    """The code of that name from the cache; compiled first if it is missing there or damaged."""
    path = Path(cache_dir()) / "zoo" / f"{name}.pt2"
    if is_whole(path):
        return aoti_load_package(str(path))
    with released():
        program = export()
        return _built(program, path, options)


def _built(program: ExportedProgram, path: Path, options: Options) -> Callable:
    """A program's code, kept at the path if files can be written there."""
    reason = cannot_write(path.parent)
    if reason is None:
        _build(program, path, options)
        return aoti_load_package(str(path))
    warnings.warn(
        f"Compiled code cannot be kept in {path.parent} ({reason}): it is compiled in a temporary "
        "folder, for this fit alone. Set TORCHINDUCTOR_CACHE_DIR to a folder that can be written.",
        CacheWarning,
        stacklevel=3,
    )
    with _temporary_cache() as folder:
        _build(program, folder / path.name, options)
        return aoti_load_package(str(folder / path.name))


def is_whole(path: Path) -> bool:
    """Is the file there, and has it still the hash that was stored when it was made?"""
    stored = _stored_hash(path)
    return path.is_file() and stored.is_file() and stored.read_text() == _hash_of(path)


def _stored_hash(path: Path) -> Path:
    """The file beside `path` that holds its hash."""
    return path.with_suffix(".sha256")


def _hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def cannot_write(folder: Path) -> str | None:
    """The system's reason why no file can be made in a folder; None if one can be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return str(error)


@contextmanager
def _temporary_cache() -> Iterator[Path]:
    """A folder for the compiler's output, removed afterwards; loaded code stays in memory."""
    name, before = "TORCHINDUCTOR_CACHE_DIR", os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ[name] = folder
        try:
            yield Path(folder)
        finally:
            del os.environ[name]
            if before is not None:
                os.environ[name] = before


def _build(program: ExportedProgram, path: Path, options: Options) -> None:
    """Compiles into another folder first, so that no process finds a file half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        built = aoti_compile_and_package(
            program, package_path=str(Path(folder) / path.name), inductor_configs=options
        )
        note = Path(folder) / "hash"
        note.write_text(_hash_of(Path(built)))
        os.replace(built, path)
        os.replace(note, _stored_hash(path))


def fingerprint(key: str, args: tuple, options: Options) -> str:
    """Hash of all that the code depends on: function, arguments, settings, versions, processor."""
    leaves, structure = tree_flatten(args)
    parts = [
        key,
        structure,
        *(_kind_of(leaf) for leaf in leaves),
        torch.__version__,
        inductor_settings(),
        sorted(options.items()),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        *_processor(),
    ]
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()


def _kind_of(leaf: object) -> object:
    if isinstance(leaf, Tensor):
        return tuple(leaf.shape), leaf.stride(), leaf.dtype, leaf.device
    return repr(leaf)


def _processor() -> tuple[str, ...]:
    """The processor's kind and abilities, found without a compiler: there may be none."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.is_file() else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return platform.machine(), torch.backends.cpu.get_cpu_capability(), flags
