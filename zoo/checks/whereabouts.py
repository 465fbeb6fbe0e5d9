"""A note on an error that says where it arose; the error itself stays as it is."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def noted(where: str) -> Iterator[None]:
    """Adds the note "It arose in ..." to any error that is raised inside.

    Args:
        where: what runs inside, such as "step 3 of training".
    """
    try:
        yield
    except Exception as error:
        error.add_note(f"It arose in {where}.")
        raise
