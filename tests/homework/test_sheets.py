"""Every sheet does what its authors promise: right solutions pass, wrong ones fail, hints hide."""

import ast
import json
from functools import cache

import jupytext
import pytest

from zoo.homework.answer_key import find_key, with_functions
from zoo.homework.api import Check
from zoo.homework.calls import replies, run_in_process
from zoo.homework.cells import functions_in, run_cells, run_file
from zoo.homework.judge import SETTINGS, Judge
from zoo.homework.sheets import KINDS, find_sheet, sheet_names
from zoo.homework.variants import variants_of

FILES = ("statement.md", "starter.py", "parts.json", "public.py")
KEY_FILES = ("solution.py", "hidden.py", "mutants.json", "rubric.md")
SHEETS = {name: find_sheet(name) for name in sheet_names()}
PARTS = [(name, part.name) for name, sheet in SHEETS.items() for part in sheet.programmed]
pytestmark = pytest.mark.usefixtures("usual_dtype")


@cache
def key_of(name):
    return find_key(SHEETS[name])


def mutants():
    return [(name, mutant.name) for name in SHEETS for mutant in key_of(name).mutants()]


def judged(name, part, source, student="student", wrap=None):
    sheet, key = SHEETS[name], key_of(name)
    run = run_in_process(source, sheet.text("driver.py"))
    if wrap is not None:
        function = wrap(run_cells(source, "solution.py").names[sheet.part(part).function])
        around = run_cells(sheet.text("driver.py"), "driver.py").names.get(f"run_{part}")

        def run(part, calls):
            return replies(part, function, around, calls)

    return Judge(sheet, key, "a secret", student).judge(sheet.part(part), run)


def said(found):
    lines = [
        f"{setting}: {name} {finding}"
        for setting, findings in found.findings.items()
        for name, finding in findings.items()
    ]
    return "\n".join([found.outcome, found.detail, *lines])


def full(found):
    assert found.outcome == "ok", said(found)
    assert found.points == found.part.points


@pytest.mark.parametrize("name", SHEETS)
def test_the_files_are_there(name):
    sheet, key = SHEETS[name], key_of(name)
    assert [file for file in FILES if not (sheet.folder / file).exists()] == []
    assert [file for file in KEY_FILES if not (key.folder / file).exists()] == []
    assert not (sheet.folder / "__init__.py").exists()
    assert len(key.mutants()) >= 8


@pytest.mark.parametrize("name", SHEETS)
def test_the_points_and_names_add_up(name):
    sheet = SHEETS[name]
    assert len({part.name for part in sheet.parts}) == len(sheet.parts)
    for part in sheet.parts:
        assert part.kind in KINDS
        assert part.kind == "written" or sum(one.points for one in part.tests) == part.points
        outputs = {one.output for one in part.tests} - {None, *part.returns}
        assert not outputs or driven(sheet, part.name)  # a driver names its results itself
        assert len({one.concept for one in part.tests}) == len(part.tests)
        assert all(one.feedback for one in part.tests)


@pytest.mark.parametrize("name", SHEETS)
def test_starter_and_solution_have_the_same_functions(name):
    """Typed, with a docstring, and the arguments that parts.json says."""
    sheet, key = SHEETS[name], key_of(name)
    nodes = {
        node.name: node
        for node in ast.parse(sheet.text("starter.py")).body
        if isinstance(node, ast.FunctionDef)
    }
    for part in sheet.programmed:
        node = nodes[part.function]
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        assert [one.arg for one in arguments] == list(part.arguments)
        assert all(one.annotation is not None for one in arguments)
        assert node.returns is not None
        assert ast.get_docstring(node)
    assert {part.function for part in sheet.programmed} <= functions_in(key.solution)


@pytest.mark.parametrize("name", SHEETS)
def test_the_notebook_has_the_starter_s_cells(name):
    text = SHEETS[name].text("starter.py")
    notebook = jupytext.reads(text, fmt="py:percent")
    again = jupytext.writes(notebook, fmt="py:percent")
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > len(SHEETS[name].programmed)
    assert [cell.source for cell in jupytext.reads(again, fmt="py:percent").cells] == [
        cell.source for cell in notebook.cells
    ]


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_the_solution_earns_all_points(name, part):
    full(judged(name, part, key_of(name).solution))


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_another_student_has_other_numbers(name, part):
    sheet = SHEETS[name]
    calls = [
        Judge(sheet, key_of(name), "a secret", student).calls(sheet.part(part), SETTINGS[0])
        for student in ("one", "two")
    ]
    texts = {str([one.inputs for one in each]) + str([one.seed for one in each]) for each in calls}
    assert len(texts) == 2


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_the_starter_earns_nothing(name, part):
    found = judged(name, part, SHEETS[name].text("starter.py"))
    assert (found.outcome, found.points) == ("not begun", 0)


@pytest.mark.thin(6)
@pytest.mark.parametrize(("name", "mutant"), mutants())
def test_the_mutant_is_found_by_its_concept(name, mutant):
    """At both points and in both dtypes."""
    (wrong,) = [one for one in key_of(name).mutants() if one.name == mutant]
    found = judged(name, wrong.part, wrong.source)
    assert found.findings, said(found)
    passed = [s for s, each in found.findings.items() if each[wrong.concept].passed]
    assert passed == [], said(found)
    assert wrong.concept in found.failing


def right_cases():
    for name, sheet in SHEETS.items():
        for file, text in key_of(name).right().items():
            names = functions_in(text)
            for part in sheet.programmed:
                if part.function in names:
                    yield name, file, part.name


@pytest.mark.thin(9)
@pytest.mark.parametrize(("name", "file", "part"), list(right_cases()))
def test_the_unusual_right_solution_earns_all_points(name, file, part):
    key = key_of(name)
    full(judged(name, part, with_functions(key.solution, key.right()[file])[0]))


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_there_are_fifteen_right_solutions(name, part):
    sheet = SHEETS[name]
    written = sum(case[0] == name and case[2] == part for case in right_cases())
    made = len(variants_of(sheet.part(part), driven=driven(sheet, part)))
    assert written >= 7
    assert written + made >= 15


def driven(sheet, part):
    return f"run_{part}" in functions_in(sheet.text("driver.py"))


def variant_cases():
    for name, part in PARTS:
        sheet = SHEETS[name]
        for variant in variants_of(sheet.part(part), driven=driven(sheet, part)):
            yield name, part, variant


@pytest.mark.thin(9)
@pytest.mark.parametrize(("name", "part", "variant"), list(variant_cases()))
def test_the_wrapped_solution_earns_all_points(name, part, variant):
    sheet = SHEETS[name]
    wrap = variants_of(sheet.part(part), driven=driven(sheet, part))[variant]
    full(judged(name, part, key_of(name).solution, wrap=wrap))


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_the_public_checks_pass_the_solution(name, part):
    sheet = SHEETS[name]
    function = run_cells(key_of(name).solution, "solution.py").names[sheet.part(part).function]
    checks = list(run_file(sheet.folder / "public.py")[f"check_{part}"](function))
    assert checks
    assert all(isinstance(check, Check) for check in checks)
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize("name", SHEETS)
def test_what_students_get_says_nothing_of_the_answer(name):
    """No line of a hole's solution stands in any of the sheet's files."""
    sheet, key = SHEETS[name], key_of(name)
    starter = set(map(str.strip, sheet.text("starter.py").splitlines()))
    lines = {line.strip() for line in key.solution.splitlines()} - starter
    telling = {line for line in lines if len(line) > 30 and not line.startswith(("#", "import"))}
    for path in sheet.folder.iterdir():
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert [line for line in telling if line in text] == [], path


@pytest.mark.parametrize("name", SHEETS)
def test_every_edit_of_a_mutant_is_in_its_own_function(name):
    records = json.loads((key_of(name).folder / "mutants.json").read_text())
    assert len({record["name"] for record in records}) == len(records)
    concepts = {(part.name, one.concept) for part in SHEETS[name].parts for one in part.tests}
    assert {(record["part"], record["concept"]) for record in records} <= concepts
    assert all(record["why"] for record in records)
