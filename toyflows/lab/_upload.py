"""Files that visitors send: numbers or images, read in memory by the room, never run or written."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toyflows.errors import InputError
from toyflows.lab._controls import Control
from toyflows.lab._widgets import MOST_BYTES

if TYPE_CHECKING:
    from toyflows.lab._room import Room


class Unread(Exception):
    """A file that means nothing; its text is for the visitor."""


def read(room: Room, controls: Sequence[Control], message: str) -> Mapping[str, Any]:
    """What the file means, as values of controls. Raises Unread."""
    try:
        sent = json.loads(message)
        control = next(c for c in controls if c.name == sent["name"])
        content = base64.b64decode(sent["content"], validate=True)
        if len(content) > MOST_BYTES:
            raise InputError("file", sent["file"], f"must be at most {MOST_BYTES >> 20} MiB")
        if sent["suffix"] not in getattr(control, "accept", ()):
            raise InputError("file", sent["suffix"], "is not a kind that is read here")
        return room.of_file(control.name, sent["suffix"], content)
    except InputError as error:
        raise Unread(f"{named(message)}: {error.why}") from None
    except Exception:  # whatever a parser raises on whatever was sent
        raise Unread(f"{named(message)} could not be read") from None


def named(message: str) -> str:
    """The file's name, as far as the message can be read."""
    with contextlib.suppress(Exception):
        return str(json.loads(message)["file"])[:60]
    return "the file"
