"""Where an error of the user's own model arose: a note on it, which leaves its class as it is."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def noted(where: str) -> Iterator[None]:
    """Adds a note to any error that comes out: "It arose in ...".

    Args:
        where: what was going on, such as "step 3 of training".
    """
    try:
        yield
    except Exception as error:
        error.add_note(f"It arose in {where}.")
        raise
