"""The notebooks made from the sheets run from top to bottom with the solutions in them."""

import nbformat
import pytest
from nbclient import NotebookClient

from zoo.homework.answer_key import find_key
from zoo.homework.bundle import notebook_of
from zoo.homework.sheets import find_sheet, sheet_names


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", sheet_names())
def test_the_solved_notebook_runs(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    monkeypatch.setenv("MPLBACKEND", "agg")
    text = notebook_of(find_key(find_sheet(name)).solution)
    notebook = nbformat.reads(text, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()
    ran = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in ran if cell.source)
