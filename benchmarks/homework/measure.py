"""The error rates of one sheet's grader: over right and wrong solutions, and over null draws."""

import math
from collections.abc import Callable, Iterator

import scipy.stats

from benchmarks.intervals import CONFIDENCE, upper_bound
from zoo.homework.answer_key import AnswerKey, find_key, with_functions
from zoo.homework.calls import Runner, replies, run_in_process
from zoo.homework.cells import functions_in, run_cells
from zoo.homework.judge import SETTINGS, Judge
from zoo.homework.sheets import Part, Sheet
from zoo.homework.variants import variants_of

TAILS = (1e-1, 1e-2, 1e-3, 1e-4)
RARE = 1e-4  # a tail with so improbably many draws is not that of a valid p-value


def right_runners(sheet: Sheet, key: AnswerKey) -> Iterator[tuple[str, Part, Runner]]:
    """Name, part and runner of every right solution: the solution, unusual ones, wrapped ones."""
    driver = sheet.text("driver.py")
    around = run_cells(driver, "driver.py").names
    solution = run_cells(key.solution, "solution.py").names
    for part in sheet.programmed:
        yield "solution", part, run_in_process(key.solution, driver)
        for file, text in key.right().items():
            if part.function in functions_in(text):
                source, _ = with_functions(key.solution, text)
                yield file, part, run_in_process(source, driver)
        drive = around.get(f"run_{part.name}")
        for name, wrap in variants_of(part, driven=drive is not None).items():
            yield name, part, wrapped(wrap(solution[part.function]), drive)


def wrapped(function: Callable, drive: Callable | None) -> Runner:
    """What calls a function within the part's driver."""
    return lambda part, calls: replies(part, function, drive, calls)


def false_fails(sheet: Sheet, key: AnswerKey, students: int) -> dict:
    """How many right solutions there are, over students, and which of them lost points."""
    lost, count = [], 0
    for name, part, run in right_runners(sheet, key):
        for student in range(students):
            found = Judge(sheet, key, "benchmark", f"student {student}").judge(part, run)
            count += 1
            if found.points != part.points:
                lost.append({"solution": name, "part": part.name, "student": student})
    return {"right": count, "false_fails": len(lost), "lost": lost}


def power(sheet: Sheet, key: AnswerKey, students: int) -> dict:
    """How many mutants there are, over students, and which the test meant for them missed."""
    missed, count = [], 0
    for mutant in key.mutants():
        run, part = run_in_process(mutant.source, sheet.text("driver.py")), sheet.part(mutant.part)
        for student in range(students):
            found = Judge(sheet, key, "benchmark", f"student {student}").judge(part, run)
            each = [one.get(mutant.concept) for one in found.findings.values()]
            count += 1
            if not each or any(one is None or one.passed for one in each):
                missed.append({"mutant": mutant.name, "student": student})
    return {"mutants": count, "killed": count - len(missed), "missed": missed}


def null_draws(sheet: Sheet, key: AnswerKey, part: Part, draws: int) -> dict[str, dict]:
    """Statistical findings of the right solution over independent draws, by concept.

    For p-values: how many are below each of `TAILS`. For figures that are to lie in a band: how
    many do not, and how far from the edge they are in standard deviations.
    """
    run = run_in_process(key.solution, sheet.text("driver.py"))
    values, limits = dict[str, list[float]](), dict[str, float]()
    for draw in range(draws):
        judge = Judge(sheet, key, "null", f"student {draw}")
        setting = SETTINGS[draw % len(SETTINGS)]
        calls = judge.calls(part, setting)
        results = run(part, calls).results
        found = judge.findings(part, setting, [call.inputs for call in calls], results)
        for concept, finding in found.items():
            if finding.statistical:
                values.setdefault(concept, []).append(finding.value)
                limits[concept] = finding.limit
    return {concept: _tail(each, limits[concept]) for concept, each in values.items()}


def _tail(values: list[float], limit: float) -> dict:
    failed = sum(not value >= limit for value in values)
    found = {"draws": len(values), "failed": failed}
    if limit > 0:
        below = {f"{t:g}": sum(v < t for v in values) for t in TAILS}
        found |= {"limit": limit, "below": below}
    else:
        mean = math.fsum(values) / len(values)
        sd = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))
        found |= {"margin_in_sds": mean / sd}
    return found | {"rate_bound": rate_bound(found)}


def rate_bound(found: dict) -> float:
    """An upper bound of the chance that a right solution fails a statistical test on one seed.

    For p-values: the limit itself, if no tail holds more draws than it may; else what was counted.
    For a figure in a band: a normal's tail beyond the band's edge, whose distance in standard
    deviations is taken at the lower end of its interval.
    """
    draws = found["draws"]
    if "margin_in_sds" in found:
        z = scipy.stats.norm.ppf(CONFIDENCE)
        margin = found["margin_in_sds"]
        least = margin - z * math.sqrt(1 / draws + margin**2 / (2 * (draws - 1)))
        return float(scipy.stats.norm.sf(least))
    tails = [(float(tail), count) for tail, count in found["below"].items()]
    if all(scipy.stats.binom(draws, tail).sf(count - 1) > RARE for tail, count in tails):
        return found["limit"]
    return upper_bound(found["failed"], draws)


def false_fail_bound(nulls: dict[str, dict]) -> float:
    """Of all tests at all settings: each fails only on two independent seeds."""
    tests = [test for part in nulls.values() for test in part.values()]
    return sum(len(SETTINGS) * test["rate_bound"] ** 2 for test in tests)


def measure(sheet: Sheet, *, students: int, draws: int, trainings: int) -> dict:
    """All rates of a sheet.

    Args:
        sheet: whose grader it is.
        students: that each solution is graded for.
        draws: of the null distribution of each part that draws samples.
        trainings: the same for parts that train.
    """
    key = find_key(sheet)
    found = false_fails(sheet, key, students) | power(sheet, key, students)
    nulls = {
        part.name: null_draws(sheet, key, part, draws if part.kind == "statistical" else trainings)
        for part in sheet.programmed
        if part.kind != "exact"
    }
    return found | {"null": nulls, "false_fail_bound": false_fail_bound(nulls)}
