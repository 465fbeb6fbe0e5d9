"""Compiled code kept on disk: a later process loads it in milliseconds.

``torch.compile`` does not keep the code of a loop. So the loop is exported, compiled ahead of
time, and stored under a hash of everything that it is made of.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._inductor.cpu_vec_isa import pick_vec_isa
from torch._inductor.runtime.cache_dir_utils import cache_dir
from torch.export import ExportedProgram
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

Options = dict[str, Any]


class CompileError(RuntimeError):
    """A function that cannot be turned into machine code here."""


class Packaged:
    """A pure function of tensors as machine code, compiled or loaded at its first call.

    Args:
        function: takes and returns nested tuples of tensors; what else they hold is a constant.
        options: of the compiler.

    Raises:
        CompileError: at the first call, if there is no compiler or it fails; says what it said.
    """

    def __init__(self, function: Callable, options: Options) -> None:
        self.function, self.options = function, options
        self.code: Callable | None = None

    def __call__(self, *args: object) -> Any:
        """Runs the code."""
        if self.code is None:
            try:
                self.code = self._load(args)
            except Exception as error:
                raise CompileError(f"{type(error).__name__}: {error}") from error
        return self.code(*args)

    def _load(self, args: tuple) -> Callable:
        flat = _Flat(self.function, args)
        program = torch.export.export(flat, _tensors(args), strict=False)
        path = Path(cache_dir()) / "zoo" / f"{fingerprint(program, self.options)}.pt2"
        if not path.exists():
            _build(program, path, self.options)
        code, structure = torch._inductor.aoti_load_package(str(path)), flat.structure

        def run(*args: object) -> Any:
            return tree_unflatten(code(*_tensors(args)), structure)

        return run


class _Flat(nn.Module):
    """The function on a list of tensors; it notes the structure of what comes out."""

    def __init__(self, function: Callable, args: tuple) -> None:
        super().__init__()
        self.function = function
        self.leaves, self.inner = tree_flatten(args)

    def forward(self, *tensors: Tensor) -> list[Tensor]:
        left = iter(tensors)
        leaves = [next(left) if isinstance(leaf, Tensor) else leaf for leaf in self.leaves]
        out, self.structure = tree_flatten(self.function(*tree_unflatten(leaves, self.inner)))
        return out


def _tensors(args: tuple) -> tuple[Tensor, ...]:
    return tuple(leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor))


def _build(program: ExportedProgram, path: Path, options: Options) -> None:
    """Compiles into a file of another name first: nobody finds half of a package."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        built = torch._inductor.aoti_compile_and_package(
            program, package_path=str(Path(folder) / path.name), inductor_configs=options
        )
        os.replace(built, path)


def fingerprint(program: ExportedProgram, options: Options) -> str:
    """Hash of the program, its constants, the compiler's settings and the machine's abilities."""
    text = program.graph_module.print_readable(print_output=False, include_stride=True)
    parts = [
        *(line for line in text.splitlines() if not line.lstrip().startswith("#")),
        torch.__version__,
        torch._inductor.config.get_hash().hex(),
        sorted(options.items()),
        torch.get_num_threads(),
        pick_vec_isa(),
    ]
    digest = hashlib.sha256("\n".join(str(part) for part in parts).encode())
    for name, value in sorted({**program.constants, **program.state_dict}.items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
