"""Releases the memory that torch's tracer keeps for an exported loop.

``torch.export`` passes a loop to Dynamo, which keeps the traced function, its backend and its
guards for later calls until the process ends. These hold the whole program in memory, and a loop
that has become machine code is never called through them again.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from zoo.torch_private import eval_frame, input_codes, output_codes, while_loop

LOOPS = sys.modules[while_loop.__module__]  # importing it by name would give the function


@contextmanager
def released() -> Iterator[None]:
    """Removes from Dynamo's memory the loops that are exported inside, and nothing else."""
    backends, names = set(eval_frame.cached_backends), set(vars(LOOPS))
    try:
        yield
    finally:
        for key in set(eval_frame.cached_backends) - backends:
            del eval_frame.cached_backends[key]
        for name in set(vars(LOOPS)) - names:
            delattr(LOOPS, name)
        for reference in (*input_codes.seen, *output_codes.seen):
            code = reference()
            if code is not None and code.co_filename == LOOPS.__file__:
                eval_frame.reset_code(code)
