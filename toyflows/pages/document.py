"""The page as one string: the template with its style, its script and the runs inside."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from importlib import resources
from typing import Any

from toyflows.errors import InputError
from toyflows.pages.layout import LIMIT
from toyflows.pages.plan import Axis

SCRIPTS = ("model.js", "draw.js", "app.js")  # in reading order; one function holds them all


def page(title: str, axes: Sequence[Axis], runs: Sequence[dict[str, Any]]) -> str:
    """The whole document. `runs` are record.entry's, the last of the axes moving fastest."""
    book = {"title": title, "axes": [asdict(axis) for axis in axes], "runs": list(runs)}
    parts = {
        "TITLE": escape(title or "toyflows"),
        "STYLE": _text("page.css"),
        "SCRIPT": "\n".join(["(() => {", '"use strict";', *map(_text, SCRIPTS), "})();"]),
        "DATA": _json(book),
    }
    return re.sub(r"\{\{([A-Z]+)\}\}", lambda found: parts[found[1]], _text("page.html"))


def check_size(html: str) -> None:
    """Raises InputError where the page is larger than LIMIT."""
    size = len(html.encode())
    if size > LIMIT:
        raise InputError("out", f"of {size / 1e6:.1f} MB", f"must be at most {LIMIT / 1e6:g} MB: "
                         "give fewer runs")  # fmt: skip


def _json(book: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(book, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _text(name: str) -> str:
    return resources.files("toyflows.pages").joinpath(name).read_text("utf-8")
