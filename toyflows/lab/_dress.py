"""Puts a visitor's page into the document that the browser gets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bokeh.models import CustomJS

if TYPE_CHECKING:
    from bokeh.document import Document

    from toyflows.lab._page import Visit
    from toyflows.lab._room import Room

HERE = Path(__file__).parent


def dress(doc: Document, visit: Visit, rooms: Mapping[str, Room], prefix: str = "") -> None:
    """Puts the page into the document."""
    look = "&".join(f"{n}=1" for n in ("dark", "large") if visit.given.get(n) == "1")
    doc.title = f"{visit.room.title} – toyflows"
    doc.template = (HERE / "page.html").read_text("utf-8")
    doc.template_variables.update(
        css=(HERE / "page.css").read_text("utf-8"),
        classes=" ".join(
            [*(n for n in ("dark", "large") if visit.given.get(n) == "1"),
             *(f"hide-{name}" for name in visit.hidden if name.isidentifier())]
        ),
        rooms=[{"title": r.title, "here": r is visit.room,
                "href": f"{prefix}/{name}" + (f"?{look}" if look else "")}
               for name, r in rooms.items()],
        lesson=visit.lesson,
    )  # fmt: skip
    with doc.models.freeze():  # else all models are looked through again for each root
        for root in (visit.panel.layout, visit.view.layout, visit.transport.layout, visit.tools):
            doc.add_root(root)
    visit.view.layout.name = "stage"
    code = (HERE / "page.js").read_text("utf-8")
    doc.js_on_event("document_ready", CustomJS(args={"wire": visit.wire}, code=code))
