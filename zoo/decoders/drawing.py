"""A bar over the elements of a row, which are drawn one after the other."""

import sys
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import Progress
from torch import Tensor

QUICK = 1.0  # seconds that nobody waits for


def one_by_one(order: Tensor) -> Iterator[Tensor]:
    """The elements in turn; on a terminal with a bar, once they have taken more than a second.

    Args:
        order: shape (D,).

    Yields:
        Its elements, shape () each.
    """
    begin, waits = time.monotonic(), sys.stderr.isatty()
    with Progress(console=Console(stderr=True), transient=True, disable=not waits) as bar:
        task = bar.add_task("drawing", total=len(order), visible=False)
        for i in order:
            yield i
            bar.update(task, advance=1, visible=time.monotonic() - begin > QUICK)
