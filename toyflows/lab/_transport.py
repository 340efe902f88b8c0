"""The page's buttons, its time and its speed."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

from bokeh.layouts import row
from bokeh.models import Button, CustomJS, InlineStyleSheet, Select, Slider

from toyflows.lab._widgets import SHEET

TOOLS = {
    "link": "Copy link", "command": "CLI", "python": "Python", "picture": "Save picture",
    "data": "Data", "film": "Film", "dark": "Dark", "large": "Projector", "help": "Keys",
}  # fmt: skip


class Transport:
    """Reset, play, one step, the time, the speed. `act` hears of a button, `go` of a new time,
    `pace` of a new speed."""

    def __init__(
        self,
        speeds: Sequence[int],
        speed: int,
        act: Callable[[str], None],
        go: Callable[[int], None],
        pace: Callable[[int], None],
    ):
        how: dict[str, Any] = {"stylesheets": [InlineStyleSheet(css=SHEET)],
                               "margin": (2, 6, 2, 0)}  # fmt: skip
        words = {"reset": "↺ Reset", "play": "▶ Play", "step": "One step"}
        self.buttons = {n: Button(label=label, width=100, **how) for n, label in words.items()}
        for name, button in self.buttons.items():
            button.on_click(lambda name=name: act(name))
        self.quiet = False
        self.time = Slider(start=0, end=1, step=1, value=0, title="", name="time",
                           show_value=False, sizing_mode="stretch_width", **how)  # fmt: skip
        self.time.on_change("value", self._moved)
        self.speeds = sorted({*speeds, speed})
        self.speed = Select(options=[(str(v), f"× {v}") for v in self.speeds], value=str(speed),
                            name="pace", width=80, **how)  # fmt: skip
        self.speed.on_change("value", self._chosen)
        self.go, self.pace = go, pace
        parts = (*self.buttons.values(), self.time, self.speed)
        self.layout = row(*parts, name="transport", sizing_mode="stretch_width")

    def show(self, step: int, last: int) -> None:
        """Shows the time."""
        self.quiet = True
        self.time.update(end=last, value=step)
        self.quiet = False

    def play(self, on: bool) -> None:
        """Sets the word on the button, which says what it does next."""
        self.buttons["play"].label = "❚❚ Pause" if on else "▶ Play"

    def faster(self, by: int) -> None:
        """The next speed, or with by = −1 the one before."""
        k = self.speeds.index(int(self.speed.value)) + by
        self.speed.value = str(self.speeds[min(max(k, 0), len(self.speeds) - 1)])

    def _moved(self, _attr: str, _old: Any, new: float) -> None:
        if not self.quiet and math.isfinite(new):
            self.go(int(new))

    def _chosen(self, _attr: str, _old: str, new: str) -> None:
        if new in map(str, self.speeds):
            self.pace(int(new))


def tools(wire: Any, hidden: Collection[str]) -> Any:
    """The row of buttons that page.js serves."""
    sheet = InlineStyleSheet(css=SHEET)
    buttons = []
    for name, label in TOOLS.items():
        if name in hidden:
            continue
        how: dict[str, Any] = {"stylesheets": [sheet], "margin": (2, 3, 2, 3)}
        button = Button(label=label, name=f"tool-{name}", **how)
        code = f"wire.deed = '{name} ' + performance.now()"
        button.js_on_click(CustomJS(args={"wire": wire}, code=code))
        buttons.append(button)
    return row(*buttons, name="tools")
