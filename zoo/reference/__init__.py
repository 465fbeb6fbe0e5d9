"""Reference posteriors: long runs of NUTS that passed checks of convergence and of tails.

``zoo.reference(model, *args)`` draws one; it is short for :func:`sample_reference`.
"""

import sys
from types import ModuleType

from zoo.reference.record import Reference, UnreliableReferenceError
from zoo.reference.sample import sample_reference
from zoo.reference.store import file_name, load, reference, save

__all__ = [
    "Reference",
    "UnreliableReferenceError",
    "file_name",
    "load",
    "reference",
    "sample_reference",
    "save",
]


class _Callable(ModuleType):
    """This module, which can be called as well."""

    def __call__(self, *args: object, **kwargs: object) -> Reference:
        """The reference of a task, or of a model and its arguments: see `sample_reference`."""
        return sample_reference(*args, **kwargs)  # type: ignore[arg-type]


sys.modules[__name__].__class__ = _Callable
