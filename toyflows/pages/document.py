"""The page as one string: the template with its style, its script and the runs inside."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from importlib import resources
from typing import Any

from toyflows.errors import InputError
from toyflows.pages.layout import LIMIT
from toyflows.pages.plan import Axis

SCRIPTS = ("model.js", "draw.js", "player.js", "app.js")  # in one function
SHARED = ("head", "header", "stage", "transport")
WORKERS = " blob:; worker-src blob:"  # of a page that computes


def page(title: str, axes: Sequence[Axis], runs: Sequence[dict[str, Any]]) -> str:
    """The whole document. `runs` are record.entry's, the last of the axes moving fastest."""
    book = {"title": title, "axes": [asdict(axis) for axis in axes], "runs": list(runs)}
    parts = {
        "TITLE": escape(title or "toyflows"),
        "STYLE": text("page.css"),
        "SCRIPT": "\n".join(["(() => {", '"use strict";', *map(text, SCRIPTS), "})();"]),
        "DATA": json_text(book),
    }
    return filled("page.html", parts)


def filled(template: str, parts: Mapping[str, str]) -> str:
    """The template with its parts, each named as {{NAME}} there, after the pieces that pages
    SHARE; WORKERS are what the page's policy allows besides."""
    whole = text(template)
    for name in SHARED:
        whole = whole.replace(f"{{{{{name.upper()}}}}}", text(f"{name}.html"))
    parts = {"WORKERS": "", **parts}
    return re.sub(r"\{\{([A-Z]+)\}\}", lambda found: parts[found[1]], whole)


def check_size(html: str) -> None:
    """Raises InputError where the page is larger than LIMIT."""
    size = len(html.encode())
    if size > LIMIT:
        raise InputError("out", f"of {size / 1e6:.1f} MB", f"must be at most {LIMIT / 1e6:g} MB: "
                         "give fewer runs")  # fmt: skip


def json_text(book: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    told = json.dumps(book, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return told.replace("<", "\\u003c")


def text(name: str) -> str:
    """A file that ships with this package."""
    return resources.files("toyflows.pages").joinpath(name).read_text("utf-8")
