"""The record every loader returns: three splits of tensors and what identifies them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

Batch = tuple[Tensor, ...]
Splits = tuple[Batch, Batch, Batch]
Observe = Callable[[Batch], Batch]


def keep(batch: Batch) -> Batch:
    """Observe a minibatch as it is."""
    return batch


@dataclass(frozen=True, eq=False)
class Data:
    """A data set, split, in the form a model takes it: `model(*data.train)`.

    Attributes:
        name: Name in the table of data sets, such as "digits".
        train: The model's positional arguments for fitting.
        valid: The same for choosing settings; () where there is no such split.
        test: The same for reporting; () where there is no such split.
        rowwise: Whether the tensors of a split share one leading dimension of rows.
        image: Height and width in pixels of a flattened image in the first tensor; None if
            the rows are no pictures.
        observe: What is done to a minibatch of train rows before each step.
        labels: Name of each tensor of a split, such as ("x", "y").
        binarize: "none", "threshold", "static" or "dynamic".
        seed: Seed of the split and of the binarization.
        hash: First 16 hex digits of the fingerprint of the splits.
        levels: How many values a pixel takes, evenly spaced over [0, 1]; 0 for other rows.
        labelled: Is the second tensor a label, one-hot?
        missing: Where the files were not found, what loads them: it returns the data set or
            raises DataNotFound. The splits then hold NaN in the shapes of the rows. None where
            the splits hold the rows.

    Raises:
        ValueError: If labels do not match the tensors, or the tensors of a rowwise split
            differ in their number of rows.
    """

    name: str
    train: Batch = field(repr=False)
    valid: Batch = field(repr=False)
    test: Batch = field(repr=False)
    rowwise: bool
    image: tuple[int, int] | None
    observe: Observe
    labels: tuple[str, ...]
    binarize: str
    seed: int
    hash: str
    levels: int = 0
    labelled: bool = False
    missing: "Callable[[], Data] | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Check labels and rows."""
        self._check("train", self.train)
        for split, batch in (("valid", self.valid), ("test", self.test)):
            if batch:
                self._check(split, batch)

    def _check(self, split: str, batch: Batch) -> None:
        if len(batch) != len(self.labels) or (self.rowwise and not batch):
            raise ValueError(
                f"Expected one label for each tensor in {split} of {self.name}; got "
                f"{len(batch)} tensors and labels {self.labels}. Name every tensor once."
            )
        if not self.rowwise:
            return
        rows = [tuple(tensor.shape[:1]) for tensor in batch]
        if () in rows or len(set(rows)) > 1:
            raise ValueError(
                f"Expected tensors with the same rows in {split} of {self.name}; got leading "
                f"dimensions {rows} for {self.labels}. Give equal rows, or rowwise=False."
            )

    def found(self) -> "Data":
        """The data set with its rows: itself, unless its files were missing so far.

        Raises:
            DataNotFound: If they still are.
        """
        return self if self.missing is None else self.missing()

    @property
    def rows(self) -> int:
        """Number of rows in train: those of its first tensor with any dimension; else 0."""
        held = (x for x in self.train if isinstance(x, Tensor) and x.dim())
        first = next(held, None)
        return 0 if first is None else len(first)

    @property
    def features(self) -> int:
        """Last dimension of the first tensor in train."""
        return self.train[0].shape[-1]


def make_data(
    name: str,
    splits: Splits,
    labels: tuple[str, ...],
    seed: int,
    *,
    rowwise: bool = True,
    image: tuple[int, int] | None = None,
    observe: Observe = keep,
    binarize: str = "none",
    levels: int = 0,
    labelled: bool = False,
) -> Data:
    """The record of these splits (train, valid, test), with their fingerprint.

    The arguments are the fields of :class:`Data`, except that `levels` counts the values of a
    pixel before it was binarized.

    Raises:
        ValueError: If the labels or the rows do not match; see :class:`Data`.
    """
    train, valid, test = splits
    return Data(
        name=name,
        train=train,
        valid=valid,
        test=test,
        rowwise=rowwise,
        image=image,
        observe=observe,
        labels=labels,
        binarize=binarize,
        seed=seed,
        hash=fingerprint(name, binarize, splits),
        levels=levels if binarize == "none" else 2,
        labelled=labelled,
    )


def fingerprint(name: str, binarize: str, splits: Splits) -> str:
    """Short hash of a data set's name, binarization, shapes and values.

    Values enter in single precision, so that a fit in float32 and a reference in float64 of
    one data set agree on what they were computed from.

    Args:
        name: Name of the data set.
        binarize: Its binarization mode.
        splits: Train, valid and test; tensors of any shape.

    Returns:
        The first 16 hex digits of a SHA-256 digest.
    """
    digest = hashlib.sha256(f"{name} {binarize}".encode())
    for batch in splits:
        digest.update(str([tuple(tensor.shape) for tensor in batch]).encode())
        for tensor in batch:
            digest.update(tensor.detach().cpu().numpy().astype("<f4", order="C", copy=False).data)
    return digest.hexdigest()[:16]
