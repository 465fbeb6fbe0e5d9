"""How a notebook is read: a Python script whose cells are marked `# %%`."""

import jupytext
from nbformat import NotebookNode


def read(text: str) -> NotebookNode:
    """The notebook of a script, for the Python that builds the site."""
    notebook = jupytext.reads(text, fmt="py:percent")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    language = {"name": "python", "pygments_lexer": "ipython3"}
    notebook.metadata.update(kernelspec=kernel, language_info=language)
    return notebook
