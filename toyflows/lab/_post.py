"""What a page tells its browser, and how other threads reach the page's own."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tornado.ioloop import IOLoop

from toyflows.lab._wire import Wire

if TYPE_CHECKING:
    from bokeh.document import Document


class Post:
    """One visitor's line to his browser."""

    def __init__(self, doc: Document | None, room: str):
        self.doc = doc
        self.loop = None if doc is None else IOLoop.current()
        self.wire = Wire(room=room)

    def say(self, text: str, bad: bool = False) -> None:
        """The line at the foot of the page."""
        self.wire.status = json.dumps({"text": text, "bad": bad, "at": time.monotonic()})

    def give(self, name: str, mime: str, content: bytes) -> None:
        """Gives the visitor a file to save."""
        self.wire.file = json.dumps(
            {"name": name, "mime": mime, "content": base64.b64encode(content).decode(),
             "at": time.monotonic()}
        )  # fmt: skip

    def _soon(self, call: Callable[[], Any]) -> None:
        """From any thread: the call in the page's own, if the page is still there."""
        if self.loop is None:
            call()
        else:
            self.loop.add_callback(self._here, call)

    def _here(self, call: Callable[[], Any]) -> None:
        """In the page's thread, but without the lock of its document."""
        context = self.doc.session_context if self.doc is not None else None
        if self.doc is not None and context is not None and not context.destroyed:
            self.doc.add_next_tick_callback(call)

    def _later(self, seconds: float, call: Callable[[], Any]) -> None:
        if self.doc is not None:
            self.doc.add_timeout_callback(call, max(1, round(1000 * seconds)))
