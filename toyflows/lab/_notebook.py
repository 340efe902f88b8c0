"""Rooms as widgets of a notebook: the same page, from a server inside the notebook's own process.

The page is the browser's, the server listens on 127.0.0.1 only: a notebook whose kernel runs on
another machine needs a tunnel to the port that `Widget.address` names.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from toyflows.errors import InputError, nearest
from toyflows.lab import _controls

if TYPE_CHECKING:
    from toyflows.lab._room import Room
    from toyflows.lab._server import Hall


@dataclass(frozen=True)
class Widget:
    """A room with settings; the last cell's value is shown. `values` are those of the page that was
    opened last, and follow the hand."""

    room: Room
    query: dict[str, str]
    height: int

    @classmethod
    def of(cls, room: Room, height: int, settings: Mapping[str, Any]) -> Widget:
        """Raises InputError for a setting that the room does not have, or out of bounds."""
        given = {name.replace("__", "."): value for name, value in settings.items()}
        text = {name: _text(value) for name, value in given.items()}
        known = {c.name: c for c in room.controls(text)}
        for name, value in text.items():
            if name in known:
                known[name].read(value)
            elif name not in _controls.OWN:
                raise InputError(name, value, f"unknown; {nearest(name, [*known, *_controls.OWN])}")
        return cls(room, {"hide": "header"} | text, height)

    @property
    def address(self) -> str:
        """The address of the page."""
        port, _ = _served()
        return f"http://127.0.0.1:{port}/{self.room.name}?{urlencode(self.query)}"

    @property
    def values(self) -> dict[str, Any]:
        """The settings on the page, with the step; before it is open those it opens with."""
        _, hall = _served()
        for visit in reversed(list(hall.visits.values())):
            if visit.room.name == self.room.name:
                return {**visit.values, "step": visit.step}
        values, _ = _controls.read(self.room.controls(self.query), self.query)
        return {**values, "step": int(self.query.get("step", self.room.steps))}

    def python(self) -> str:
        """The lines that compute what is on the page."""
        values = self.values
        return self.room.python(values, values.pop("step"))

    def _repr_html_(self) -> str:
        return (f'<iframe src="{escape(self.address)}" title="{escape(self.room.title)}" '
                f'style="width:100%;height:{self.height}px;border:1px solid #999" '
                'allow="clipboard-write; fullscreen"></iframe>')  # fmt: skip


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return ",".join(value) if isinstance(value, list | tuple) else str(value)


@cache
def _served() -> tuple[int, Hall]:
    """The process's one server, in a thread of its own: its port and its hall."""
    from toyflows.files import available_cores
    from toyflows.lab._server import serve

    ready = threading.Event()
    found: list[Any] = []

    def run() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        try:
            server, hall = serve(0, cores=available_cores())
            found.append((server.port, hall))
        finally:
            ready.set()
        server.io_loop.start()

    threading.Thread(target=run, daemon=True, name="toyflows lab").start()
    ready.wait()
    port, hall = found[0]
    return int(port), hall
