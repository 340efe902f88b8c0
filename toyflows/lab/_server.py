"""The server of the laboratory: every room at its own path, a bounded number of visitors.

Nothing of a page comes from elsewhere: Bokeh's server delivers its scripts itself.
"""

from __future__ import annotations

import errno
import functools
import logging
import re
from html import escape
from pathlib import Path
from traceback import walk_tb
from typing import Any
from urllib.parse import urlencode

from bokeh.application import Application
from bokeh.application.handlers import FunctionHandler
from bokeh.document import Document
from bokeh.models import Div
from bokeh.resources import Resources
from bokeh.server.server import Server
from bokeh.server.views.static_handler import StaticHandler
from tornado.web import RedirectHandler, RequestHandler

from toyflows.errors import InputError
from toyflows.lab._dress import dress
from toyflows.lab._job import Desk, Job
from toyflows.lab._lessons import LESSONS
from toyflows.lab._page import Visit
from toyflows.lab._room import rooms

SESSIONS = 30
PACKED = 1  # zlib's level for messages: a phone's line is slow, and the server has many to serve
MESSAGE = 4 << 20  # bytes of the largest message from a browser: an upload, as base64
FULL = """{%% from macros import embed %%}{%% block contents %%}
<meta http-equiv="refresh" content="5"><p style="font: 28px sans-serif; margin: 3em">
All %d places of this laboratory are taken. This page tries again every five seconds.</p>
{{ embed(roots[0]) }}{%% endblock %%}"""
NOTES = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Notes: {title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<body style="font: 20px/1.4 sans-serif; margin: 1em 1.4em; max-width: 36em"><h1>{title}</h1>
<dl>{told}</dl><ul>{lines}</ul></body></html>"""


class Gone(logging.Filter):
    """Leaves out what Bokeh says of a socket that closes after its session has ended: its
    `ServerConnection.session` asserts that there is one. Nothing is wrong then."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, AssertionError):
            return True
        *_, (last, _) = walk_tb(error.__traceback__)
        return Path(last.f_code.co_filename).parts[-2:] != ("server", "connection.py")


class Short(logging.Filter):
    """Cuts what the log says of a message: visitors could fill the terminal with megabytes."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = record.getMessage()[:300], None
        return True


class Hall:
    """All rooms, the desk where their computations wait, and the visitors."""

    def __init__(self, cores: int, sessions: int = SESSIONS):
        self.rooms, self.sessions = rooms(), sessions
        self.desk = Desk(cores)
        self.visits: dict[str, Visit] = {}

    def enter(self, name: str, doc: Document) -> None:
        """A page for a new visitor, or a word that there is no place."""
        context: Any = doc.session_context
        if len(self.visits) >= self.sessions:
            doc.template = FULL % self.sessions
            doc.add_root(Div(text=""))
            return
        arguments = context.request.arguments
        query = {key: values[-1].decode("utf-8", "replace") for key, values in arguments.items()}
        visit = Visit(doc, self.rooms[name], query, self.desk)
        self.visits[context.id] = visit
        doc.on_session_destroyed(self._leave)
        dress(doc, visit, self.rooms)

    def _leave(self, context: Any) -> None:
        visit = self.visits.pop(context.id, None)
        if visit is not None:
            visit.leave()

    def warm(self) -> None:
        """Compiles the first room's kernels while the browser opens."""
        room = next(iter(self.rooms.values()))
        values = {c.name: c.default for c in room.controls({})}

        def nothing(_: Any) -> None:
            pass

        self.desk.put(Job(lambda job: room.start(values, job).frame(), nothing, nothing, nothing))


class LessonHandler(RequestHandler):
    """/?lesson=NAME leads to the lesson's room, any other / to the first room."""

    def get(self) -> None:
        query = {name: self.get_argument(name) for name in self.request.arguments}
        lesson = LESSONS.get(query.get("lesson", ""))
        room = lesson.room if lesson else next(iter(rooms()))
        self.redirect(f"/{room}" + (f"?{urlencode(query)}" if query else ""))


class NotesHandler(RequestHandler):
    """/notes?lesson=NAME: what the lecturer knows besides, for a window of his own."""

    def get(self) -> None:
        lesson = LESSONS.get(self.get_argument("lesson", ""))
        if lesson is None:
            self.set_status(404)
            self.finish("There is no such lesson.")
            return
        lines = "".join(f"<li>{escape(line)}</li>" for line in lesson.notes)
        parts = {"Ask": lesson.question, "Watch": lesson.sentence, "Say": lesson.answer}
        told = "".join(f"<dt>{name}<dd>{escape(text)}" for name, text in parts.items())
        self.finish(NOTES.format(title=escape(lesson.title), told=told, lines=lines))


def serve(
    port: int, address: str = "127.0.0.1", cores: int = 1, sessions: int = SESSIONS
) -> tuple[Server, Hall]:
    """The server, listening and not yet running. Raises InputError("port") where it is taken."""
    logging.getLogger("bokeh").setLevel(logging.ERROR)
    logging.getLogger("tornado").setLevel(logging.ERROR)
    for name in ("bokeh.server.protocol_handler", "bokeh.server.views.ws"):
        logging.getLogger(name).addFilter(Short())
    logging.getLogger("tornado.application").addFilter(Gone())
    if not re.fullmatch(r"[\w.-]+", address):
        raise InputError("address", address, "must be a name or four numbers: 127.0.0.1")
    hall = Hall(cores, sessions)
    apps = {
        f"/{name}": Application(FunctionHandler(functools.partial(hall.enter, name)))
        for name in hall.rooms
    }
    try:
        server = Server(
            apps, port=port, address=address, use_index=False,
            allow_websocket_origin=_origins(address, port),
            extra_patterns=[
                ("/", LessonHandler), ("/notes", NotesHandler),
                ("/favicon.ico", RedirectHandler, {"url": "/static/favicon-dev.ico"}),
            ],
            unused_session_lifetime_milliseconds=3000, check_unused_sessions_milliseconds=1000,
            websocket_max_message_size=MESSAGE,
            compress_response=True, websocket_compression_level=PACKED,
        )  # fmt: skip
    except OSError as error:
        hall.desk.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            why = "is taken" if error.errno == errno.EADDRINUSE else "is not yours to use"
            raise InputError("port", port, f"{why}; choose another") from None
        raise InputError("address", address, f"cannot be bound: {error.strerror}") from None
    server._tornado.resources = lambda *_: _scripts()
    if port == 0:  # known only now
        server._tornado.websocket_origins.update(_origins(address, server.port))
    server.start()
    return server, hall


def _scripts() -> Resources:
    """Only those of Bokeh's scripts that a room uses: no tables, no MathJax, no WebGL."""
    used = ["bokeh", "bokeh-widgets"]
    return Resources(mode="server", root_url="/", components=used, log_level="warn",
                     path_versioner=StaticHandler.append_version)  # fmt: skip


def _origins(address: str, port: int) -> list[str]:
    """The origins of pages that may talk to the server: its own, or any host if it is open."""
    if address in ("0.0.0.0", "::"):
        return [f"*:{port}"]
    return [f"{host}:{port}" for host in {address, "localhost", "127.0.0.1"}]
