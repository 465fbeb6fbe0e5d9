"""Python files in cells (py:percent): split and run, each cell for itself.

An error in one cell, such as a plot that fails, does not keep the later cells from running.
"""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MARK = re.compile(r"^# %%(.*)$")


@dataclass
class Ran:
    """What came of running a file.

    Attributes:
        names: what its cells defined.
        errors: a sentence for each cell that raised.
    """

    names: dict[str, Any]
    errors: list[str] = field(default_factory=list)


def code_cells(source: str) -> list[str]:
    """The code cells of a file, each padded so that its lines keep their numbers."""
    cells, code = [list[str]()], [True]
    for number, line in enumerate(source.splitlines()):
        mark = MARK.match(line)
        if mark is not None:
            cells.append([""] * number)
            code.append("[markdown]" not in mark[1] and "[raw]" not in mark[1])
        cells[-1].append(line)
    return ["\n".join(cell) for cell, is_code in zip(cells, code, strict=True) if is_code]


def run_cells(source: str, file: str, name: str = "homework") -> Ran:
    """Runs a file's cells in one namespace; what a cell raises is kept, and the next one runs.

    Args:
        source: its text.
        file: what tracebacks call it.
        name: `__name__` in it, so that what stands under `if __name__ == "__main__"` is left out.
    """
    ran = Ran({"__name__": name, "__file__": file})
    for cell in code_cells(source):
        try:
            exec(compile(cell, file, "exec"), ran.names)
        except Exception as error:
            ran.errors.append(f"{type(error).__name__}: {error}")
    return ran


def run_file(path: Path) -> dict[str, Any]:
    """What a Python file defines; errors are raised."""
    names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    return names


def functions_in(source: str) -> set[str]:
    """Names of the top-level functions of a file."""
    return {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
