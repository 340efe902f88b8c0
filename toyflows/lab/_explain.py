"""What a page says of itself: the equation, a sentence on each control, and what colours mean."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toyflows.lab._controls import Choice, Control, Drawn, Slider, Switch

HELPS: dict[str, dict[str, str]] = tomllib.loads(
    (Path(__file__).parent / "helps.toml").read_text("utf-8")
)


@dataclass(frozen=True)
class Mark:
    """A colour of the pictures by its role (_look), the words beside it, and what it is."""

    role: str
    label: str
    help: str


def explained(room: str, equation: str, marks: Sequence[Mark], controls: Sequence[Control]) -> str:
    """The JSON of all that the page says of itself."""
    return json.dumps({
        "equation": equation,
        "controls": [{"name": c.name, "label": c.label, "help": helped(c, room)} for c in controls],
        "marks": [vars(mark) for mark in marks],
    })  # fmt: skip


def helped(control: Control, room: str) -> str:
    """What the control of the room is (helps.toml), and what may be set."""
    own, name = HELPS.get(room, {}), control.name.partition(".")[2] or control.name
    words = own.get(control.name) or HELPS["all"].get(name, "")
    match control:
        case Slider():
            bounds = f"From {control.low:g} to {control.high:g}.".replace("-", "−")
        case Choice():
            bounds = "Choose one from the list."
        case Switch():
            bounds = "On or off."
        case Drawn() if control.accept:
            bounds = "Opens a file of yours: " + ", ".join(control.accept) + "."
        case _:
            bounds = "Takes away what was drawn."
    return f"{words} {bounds}".strip()
