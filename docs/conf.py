"""Settings of the site; `python -m sphinx --fail-on-warning docs build/site` makes it."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = str(HERE.parent)
sys.path[:0] = [str(HERE / "extensions"), ROOT]
os.environ["PYTHONPATH"] = os.pathsep.join([ROOT, os.environ.get("PYTHONPATH", "")])  # notebooks'

import zoo  # noqa: E402

project = "Pyro zoo"
author = "The Pyro zoo maintainers"
release = version = zoo.__version__

extensions = [
    "docstrings",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "myst_nb",
    "members",
]
exclude_patterns = ["conf.py", "extensions", "Thumbs.db"]
nitpicky = True
highlight_language = "none"  # formulas; doctests and named blocks have their own
nitpick_ignore = [("py:class", "DataFrame")]  # pandas is imported where it is used

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
maximum_signature_line_length = 88

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_custom_formats = {".py": ["notebooks.read", {}]}
os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"  # tqdm's, in a page without widgets
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / "build" / "notebooks")
nb_execution_timeout = 600
nb_execution_raise_on_error = True

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_title = "Pyro zoo"
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}
