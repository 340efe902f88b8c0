"""What the page and its browser tell each other: one model whose properties are messages."""

from __future__ import annotations

from bokeh.core.properties import Bool, Int, String
from bokeh.model import DataModel


class Wire(DataModel):
    """Properties are JSON or plain text; each is written by one side only."""

    # the page's
    room = String()
    address = String(help="The query that restores what is seen.")
    command = String(help="The command line that computes it, or nothing.")
    python = String(help="The Python lines that compute it.")
    worn = String(help="The last `look` that the pictures have.")
    about = String(help="JSON: what the page says of itself (_explain).")
    numbers = String(help="JSON: what is seen, as numbers; for tests and for the curious.")
    clock = String(help="The time that is shown.")
    status = String(help="JSON: text, and whether it is bad news.")
    busy = Bool(default=False)
    sent = Int(default=0, help="Frames sent.")
    file = String(help="JSON: name, mime, content as base64, for the visitor to keep.")
    # the browser's
    seen = Int(default=0, help="Frames received, and drawn at once.")
    asked = String(help="JSON: what a key or a button asked for.")
    look = String(help="JSON: dark, large, narrow.")
    upload = String(help="JSON: name of the control, suffix, content as base64.")
    # between widgets and page.js
    deed = String()
    accept = String()
