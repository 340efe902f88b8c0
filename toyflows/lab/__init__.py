"""The lecture laboratory: a live page (`toyflows lab`, extra "lab"), each room one file.

In a notebook each room is a widget: toyflows.lab.two_modes(theta_star=1.4, step=200).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from toyflows.lab._notebook import Widget

WITHOUT = 'the laboratory needs the extra "lab": pip install "toyflows[lab]"'


def __dir__() -> list[str]:
    """The rooms, also where Bokeh is missing."""
    rooms = (Path(__file__).parent / "rooms").glob("[!_]*.py")
    return sorted({*(path.stem for path in rooms), *(n for n in globals() if n.startswith("__"))})


def __getattr__(name: str) -> Callable[..., Widget]:
    """The widget of the room whose name is this with - for _; its settings are arguments."""
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if importlib.util.find_spec("bokeh") is None:
        raise ImportError(WITHOUT)
    from toyflows.lab._room import rooms

    room = rooms().get(name.replace("_", "-"))
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def widget(height: int = 720, **settings: Any) -> Widget:
        from toyflows.lab._notebook import Widget

        return Widget.of(room, height, settings)

    widget.__doc__ = f"{room.title}: {(type(room).__doc__ or '').strip()}"
    widget.__name__ = name
    return widget
