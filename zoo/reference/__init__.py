"""Reference posteriors: long runs of NUTS that passed checks of convergence and of tails."""

from zoo.reference.nuts import sample_reference
from zoo.reference.record import Reference, UnreliableReferenceError
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
