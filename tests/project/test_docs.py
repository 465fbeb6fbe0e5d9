"""The site is built without a warning, its code runs, and its notebooks run from top to bottom."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from guides import GUIDES
from zoo.models import MODELS
from zoo.objectives import OBJECTIVES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [path for path in sorted(DOCS.glob("*.md")) if BLOCK.search(path.read_text())]
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.py"))
BESIDE = ("CITATION.cff", "CONTRIBUTING.md")  # what pages include


def python(*words, folder):
    """A run of Python that finds this checkout's packages first."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def build(folder):
    """Builds the site of a copy; notebooks are shown, and not run."""
    words = ("--fail-on-warning", "--quiet", "-D", "nb_execution_mode=off", "docs", "site")
    return python("-m", "sphinx", *words, folder=folder)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A copy of the pages, and the site that was built from it."""
    folder = tmp_path_factory.mktemp("site")
    made = shutil.ignore_patterns("models", "guides", "objectives", "__pycache__")
    shutil.copytree(DOCS, folder / "docs", ignore=made)
    for name in BESIDE:
        shutil.copy(ROOT / name, folder)
    done = build(folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return folder


@pytest.mark.slow
def test_the_site_has_a_page_for_every_member(site):
    for kind, table in (("models", MODELS), ("guides", GUIDES), ("objectives", OBJECTIVES)):
        index = (site / "site" / kind / "index.html").read_text()
        for name in table:
            page = (site / "site" / kind / f"{name}.html").read_text()
            assert "What goes with it" in page, name
            assert f'href="{name}.html"' in index, name


@pytest.mark.slow
def test_every_notebook_is_in_the_site(site):
    for path in NOTEBOOKS:
        page = (site / "site" / "notebooks" / f"{path.stem}.html").read_text()
        assert page.count("highlight-ipython") > 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("[gone](gone.md)", "gone.md"),
        ("{py:func}`zoo.gone`", "zoo.gone"),
        ("{term}`no such term`", "no such term"),
        ("[gone](start.md#gone)", "gone"),
    ],
)
def test_a_link_that_leads_nowhere_fails_the_build(fault, said, site):
    page = site / "docs" / "reading.md"
    before = page.read_text()
    page.write_text(f"{before}\n\n{fault}\n")
    done = build(site)
    page.write_text(before)
    assert done.returncode != 0
    assert said in done.stderr


def test_every_public_name_is_in_the_reference():
    text = (DOCS / "api.md").read_text()
    for name in zoo.__all__:
        assert re.search(rf":: zoo\.{name}$", text, re.MULTILINE), name


def script(page):
    """The Python blocks of a page, each at the line at which it stands there."""
    text, lines = page.read_text(), []
    for block in BLOCK.finditer(text):
        lines += [""] * (text[: block.start(1)].count("\n") - len(lines))
        lines += block[1].splitlines()
    return "\n".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_code_of_a_page_runs(page, tmp_path):
    """From its top to its end, as somebody runs it who copies it from there."""
    file = tmp_path / f"{page.stem}.py"
    file.write_text(script(page))
    done = python(str(file), folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    import jupytext
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = jupytext.read(path)
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
    last = notebook.cells[-1] if notebook.cells[-1].cell_type == "code" else notebook.cells[-2]
    assert "assert " in last.source


def commands():
    """The lines of the pages that call the zoo."""
    for path in sorted(DOCS.glob("*.md")):
        for block in SHELL.finditer(path.read_text()):
            for line in block[1].replace("\\\n", " ").splitlines():
                words = shlex.split(line)
                if words and words[0] == "zoo":
                    yield pytest.param(words[1:], id=f"{path.stem}: {line}")


@pytest.mark.thorough
@pytest.mark.parametrize("words", list(commands()))
def test_the_command_line_has_every_option_that_the_pages_use(words):
    """An option that is not there is an error, also beside --help."""
    from typer.testing import CliRunner

    from zoo.cli.app import app

    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0, done.output
