"""Sphinx: pages in Markdown, API reference from the docstrings."""

from pathlib import Path

import descrambler

project = "descrambler"
copyright = "the descrambler authors"
release = version = descrambler.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx.ext.viewcode",
]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autosummary_imported_members = True
autosummary_ignore_module_all = False
autodoc_mock_imports = ["torch", "sklearn"]
numpydoc_show_class_members = False

html_theme = "furo"
# Sphinx looks for it in the working folder.
html_search_scorer = str(Path(__file__).with_name("search_scorer.js"))
html_title = f"descrambler {release}"
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates"]
