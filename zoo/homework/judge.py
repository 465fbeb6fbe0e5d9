"""A part judged: inputs drawn, the student's results held against the truth, points added up."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zoo.homework.answer_key import AnswerKey
from zoo.homework.api import Finding, Point
from zoo.homework.calls import Call, Inputs, Outcome, Results, Runner, copied
from zoo.homework.cells import functions_in
from zoo.homework.seeds import seed_of
from zoo.homework.shapes import checked_results, sizes_of
from zoo.homework.sheets import Part, Sheet

POINTS = 2
DTYPES = (torch.float32, torch.float64)
Findings = dict[str, Finding]


@dataclass(frozen=True)
class Setting:
    """Where a part is judged: a parameter point and a dtype."""

    index: int
    dtype: torch.dtype

    @property
    def name_of_dtype(self) -> str:
        """float32 or float64."""
        return str(self.dtype).removeprefix("torch.")

    def __str__(self) -> str:
        return f"point {self.index}, {self.name_of_dtype}"


SETTINGS = tuple(Setting(index, dtype) for index in range(POINTS) for dtype in DTYPES)


@dataclass(frozen=True)
class Judged:
    """What a student gets for a part.

    Attributes:
        part: its name.
        outcome: "ok" if every test passed.
        detail: a sentence where there is no result to judge.
        earned: concept -> points.
        findings: what was found, by setting; empty where there were no results.
    """

    part: Part
    outcome: Outcome
    detail: str = ""
    earned: Mapping[str, float] = field(default_factory=dict)
    findings: Mapping[Setting, Findings] = field(default_factory=dict)

    @property
    def points(self) -> float:
        """Points of the part."""
        return sum(self.earned.values())

    @property
    def failing(self) -> list[str]:
        """The concepts whose tests failed."""
        tests = self.part.tests
        return [one.concept for one in tests if self.earned.get(one.concept, 0) < one.points]

    @property
    def not_finite(self) -> bool:
        """Is an error infinite, because a result is NaN or infinite where the truth is not?"""
        found = [one for findings in self.findings.values() for one in findings.values()]
        return any(one.value == math.inf and not one.statistical for one in found)


@dataclass(frozen=True)
class Judge:
    """Judges one student's parts.

    Attributes:
        sheet: whose parts they are.
        key: the instructor's files.
        secret: of the course.
        student: the ID.
    """

    sheet: Sheet
    key: AnswerKey
    secret: str
    student: str

    def judge(self, part: Part, run: Runner) -> Judged:
        """The points of a part; a statistical test that fails is run again on another seed.

        Args:
            part: of the sheet.
            run: calls the student's function.
        """
        first = self._attempt(part, run, 0)
        failed = [each for one in first.findings.values() for each in one.values()]
        if not any(each.statistical and not each.passed for each in failed):
            return first
        second = self._attempt(part, run, 1)
        if not second.findings:
            return second
        findings = {
            setting: {
                name: _better(one, second.findings[setting][name]) for name, one in found.items()
            }
            for setting, found in first.findings.items()
        }
        return judged(part, findings)

    def calls(self, part: Part, setting: Setting, attempt: int = 0) -> list[Call]:
        """The calls at one setting; the generator is the same for both dtypes."""
        words = (self.sheet.name, self.student, part.name, setting.index, attempt)
        seed = seed_of(self.secret, *words)
        point = Point(torch.Generator().manual_seed(seed), setting.index, setting.dtype)
        inputs = self.key.defines("inputs", part.name)
        if inputs is None:
            raise ValueError(f"hidden.py of '{self.sheet.name}' has no inputs_{part.name}.")
        drawn = inputs(point)
        return [Call(one, setting.dtype, (seed + i) >> 1) for i, one in enumerate(drawn)]

    def _attempt(self, part: Part, run: Runner, attempt: int) -> Judged:
        calls = {setting: self.calls(part, setting, attempt) for setting in SETTINGS}
        reply = run(part, [call for each in calls.values() for call in each])
        if reply.outcome != "ok":
            return Judged(part, reply.outcome, reply.detail)
        results, findings = iter(reply.results), dict[Setting, Findings]()
        for setting, each in calls.items():
            own = [next(results) for _ in each]
            try:
                own = self._checked(part, each, own)
                findings[setting] = self.findings(
                    part, setting, [call.inputs for call in each], own
                )
            except (RuntimeError, ValueError, KeyError, IndexError, TypeError) as error:
                said = f"The results could not be compared: {type(error).__name__}: {error}"
                return Judged(part, "wrong", " ".join(said.split())[:500])
        return judged(part, findings)

    def _checked(self, part: Part, calls: list[Call], results: list[Results]) -> list[Results]:
        """The results of a part without a driver, again held to their shapes, in this process."""
        if f"run_{part.name}" in functions_in(self.sheet.text("driver.py")):
            return results
        sizes = [sizes_of(part.arguments, call.inputs) for call in calls]
        pairs = zip(sizes, results, strict=True)
        return [checked_results(part.returns, size, dict(result)) for size, result in pairs]

    def findings(
        self, part: Part, setting: Setting, inputs: Sequence[Inputs], results: list[Results]
    ) -> Findings:
        """What is found of each concept at one setting, by `judge_PART` or against `truth_PART`.

        Raises:
            ValueError: if hidden.py has neither.
        """
        own, truth = self.key.defines("judge", part.name), self.key.defines("truth", part.name)
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)  # as in a process that nothing was set in
        try:
            if own is not None:
                return own([copied(one) for one in inputs], results)
            if truth is None:
                raise ValueError(f"hidden.py has no truth_{part.name} and no judge_{part.name}.")
            exact = [truth(**copied(one)) for one in inputs]
            return {
                one.concept: _compared(
                    part.tolerance[setting.name_of_dtype], one.output, results, exact
                )
                for one in part.tests
            }
        finally:
            torch.set_default_dtype(before)


def judged(part: Part, findings: Mapping[Setting, Findings]) -> Judged:
    """The points for what was found: a test's are earned if it passes at every setting."""
    earned = {
        test.concept: test.points
        if all(found[test.concept].passed for found in findings.values())
        else 0
        for test in part.tests
    }
    right = all(earned[test.concept] == test.points for test in part.tests)
    return Judged(part, "ok" if right else "wrong", "", earned, findings)


def _better(one: Finding, other: Finding) -> Finding:
    """Of two p-values the larger one; of two errors the larger one, as exact tests hold always."""
    if one.statistical:
        return max(one, other, key=lambda each: each.value)
    return one if not one.passed else other


def _compared(
    tolerance: float,
    output: str | None,
    results: Sequence[Results],
    exact: Sequence[Results],
) -> Finding:
    names = list(exact[0]) if output is None else [output]
    pairs = zip(results, exact, strict=True)
    errors = [relative_error(got[name], want[name]) for got, want in pairs for name in names]
    return Finding.error(max(errors), tolerance)


def relative_error(got: Tensor, want: Tensor) -> float:
    """Max |got - want| / (1 + max |want|); infinite where a number is missing or NaN.

    Raises:
        ValueError: for another shape.
    """
    if got.shape != want.shape:
        raise ValueError(f"expected shape {tuple(want.shape)}; got {tuple(got.shape)}")
    got, want = got.double(), want.double()
    gap = torch.where(got == want, 0.0, (got - want).abs())
    scale = 1 + want[want.isfinite()].abs().max() if want.isfinite().any() else 1.0
    error = (gap / scale).max() if gap.numel() else gap.sum()
    return float(error) if bool(error.isfinite()) else float("inf")
