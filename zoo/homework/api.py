"""What the files of a sheet import: `Check` in public.py; `Finding` and `Point` in hidden.py."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

P_LIMIT = 1e-4  # a statistical test fails if p is below it on two independent seeds


@dataclass(frozen=True)
class Check:
    """One check that students run themselves.

    Attributes:
        concept: what is checked, a word or two.
        passed: is it as it has to be?
        hint: a property that every right solution has; never the answer.
    """

    concept: str
    passed: bool
    hint: str


@dataclass(frozen=True)
class Finding:
    """What a judge found of one concept at one parameter point; made by `error` or `p_value`.

    Attributes:
        value: an error, or a p-value.
        limit: the largest error that passes, or the smallest p-value.
        statistical: is the value a p-value?
    """

    value: float
    limit: float
    statistical: bool

    @classmethod
    def error(cls, error: float, tolerance: float) -> "Finding":
        """An error; it passes up to the tolerance, and NaN never does."""
        return cls(float(error), float(tolerance), statistical=False)

    @classmethod
    def p_value(cls, p: float) -> "Finding":
        """A p-value under the hypothesis that the solution is right; NaN never passes."""
        return cls(float(p), P_LIMIT, statistical=True)

    @classmethod
    def within(cls, value: float, low: float, high: float) -> "Finding":
        """A figure of a training run, in a band; outside it, the run is repeated on another seed.

        The finding's value is the distance to the nearer edge, negative outside and for NaN.
        """
        margin = min(value - low, high - value)
        return cls(margin if margin == margin else float("-inf"), 0.0, statistical=True)

    @property
    def passed(self) -> bool:
        """Is it within its limit?"""
        return self.value >= self.limit if self.statistical else self.value <= self.limit


@dataclass(frozen=True)
class Point:
    """A parameter point: what `inputs_PART` of hidden.py draws the inputs of a part from.

    Attributes:
        generator: seeded by secret, student, part and index; the same for both dtypes.
        index: 0, 1, ...
        dtype: torch.float32 or torch.float64, which the inputs have to have.
    """

    generator: "torch.Generator"
    index: int
    dtype: "torch.dtype"
