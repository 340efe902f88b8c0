"""All that a frame changes, as one message to the browser.

Bokeh sends a message of three parts for each changed property, some fifty a frame. Its protocol
knows messages with many changes; its document only holds them back and then sends them one by one.
So this module sends what the document held back. If this version of Bokeh lacks the private
attributes that this needs, the changes are sent one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def together(doc: Any, change: Callable[[], None]) -> None:
    """Runs `change`, which sets properties of the document's models, and sends what it set."""
    session: Any = getattr(getattr(doc, "session_context", None), "session", None)
    writes: Any = getattr(session, "_pending_writes", None)
    callbacks: Any = getattr(doc, "callbacks", None)
    if writes is None or not hasattr(callbacks, "_held_events"):
        return change()
    doc.hold("combine")
    try:
        change()
        events, callbacks._held_events = callbacks._held_events, []
    finally:
        doc.unhold()
    if events:
        for connection in session._subscribed_connections:
            message = connection.protocol.create("PATCH-DOC", events)
            writes.append(connection._socket.send_message(message))
    return None
