"""Settings of Sphinx for the site (it reads this file from the folder that `book` writes)."""

from __future__ import annotations

from typing import Any

from sphinx.domains.python import PythonDomain

project = "toyflows"
author = "The toyflows developers"
html_title = "toyflows"
extensions = ["myst_parser"]
root_doc = "index"
exclude_patterns = [".trees"]
html_theme = "furo"
html_static_path = ["static"]
html_favicon = "static/icon.svg"
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # it would fetch pages, which a browser forbids from a disk
html_show_copyright = False
html_theme_options: dict[str, list[str]] = {"top_of_page_buttons": []}
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
python_use_unqualified_type_names = True
toc_object_entries = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"


class Exact(PythonDomain):
    """Types are found by their whole names alone, which `api` gives: to search for parts of names
    takes most of the time, and finds the wrong ones."""

    def find_obj(self, env: Any, modname: Any, classname: Any, name: str, type: Any,
                 searchmode: int = 0) -> list[Any]:  # fmt: skip
        """See PythonDomain."""
        return super().find_obj(env, modname, classname, name, type, 0)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.add_domain(Exact, override=True)
