"""Puts a visitor's page into the document that the browser gets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bokeh.models import CustomJS

from toyflows.lab._guess import WORDS
from toyflows.lab._lessons import LESSONS

if TYPE_CHECKING:
    from bokeh.document import Document

    from toyflows.lab._page import Visit
    from toyflows.lab._room import Room

HERE = Path(__file__).parent
ICON = (  # two modes; in the page, so that it is no request
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Cpath "
    "fill='%230072B2' d='M1 28C6 28 6 5 10 5s4 23 8 23 3-11 6-11 3 11 7 11z'/%3E%3C/svg%3E"
)
SCRIPTS = ("explain", "stages", "page")  # page.js begins what the others say


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
        rooms=[{"title": r.title, "here": r is visit.room, "about": r.about,
                "href": f"{prefix}/{name}" + (f"?{look}" if look else "")}
               for name, r in rooms.items()],
        words=WORDS if visit.room.staged else {}, begun=int(visit.step > 0),
        **{name: visit.given.get(name, "") for name in ("guess", "word")},
        tall=visit.room.tall, icon=ICON, equation=visit.room.equation(visit.values),
        lesson=_lesson(visit.lesson, prefix, look),
        lessons=[{"title": it.title, "question": it.question, "here": name == visit.lesson,
                  "href": _link(prefix, name, look)} for name, it in LESSONS.items()],
    )  # fmt: skip
    doc.config.notify_connection_status = False  # page.js says it in our words
    with doc.models.freeze():  # else all models are looked through again for each root
        for root in (visit.panel.layout, visit.stage, visit.transport.layout, visit.tools):
            doc.add_root(root)
    code = "".join((HERE / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    doc.js_on_event("document_ready", CustomJS(args={"wire": visit.wire}, code=code))


def _link(prefix: str, name: str, look: str) -> str:
    return f"{prefix}/?lesson={name}" + (f"&{look}" if look else "")


def _lesson(name: str, prefix: str, look: str) -> dict[str, str]:
    """What the page says of its lesson, and where the next one is; {} without a lesson."""
    if not name:
        return {}
    names = list(LESSONS)
    k = names.index(name)
    return {
        "question": LESSONS[name].question, "sentence": LESSONS[name].sentence,
        "answer": LESSONS[name].answer, "place": f"{k + 1} of {len(names)}",
        "before": _link(prefix, names[k - 1], look),
        "after": _link(prefix, names[(k + 1) % len(names)], look),
    }  # fmt: skip
