"""The page's buttons, its time and its speed."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

from bokeh.layouts import row
from bokeh.models import Button, CustomJS, InlineStyleSheet, Select, Slider

from toyflows.lab._widgets import SHEET

TOOLS = {  # the word on the button, and what it does
    "lessons": ("Lessons", "The list of lessons (key M)"),
    "slow": ("One update", "One update, slowly, term by term (key U: a key for each term)"),
    "guess": ("Predict", "Say where θ will end, or a word of the verdict; then it runs (key G)"),
    "link": ("Copy link", "Copies the address that restores what is seen (key L)"),
    "make": ("Lesson link", "Makes a link that hides what your class does not need"),
    "command": ("CLI", "Copies the command that computes this"),
    "python": ("Python", "Copies the lines of Python that compute this"),
    "picture": ("Save picture", "Saves the pictures as one .png"),
    "data": ("Data", "Saves all numbers that are drawn as .npz"),
    "film": ("Film", "Saves a .gif from the start to this moment"),
    "dark": ("Dark", "Dark or light (key D)"),
    "large": ("Projector", "Large type for a hall (key P)"),
    "help": ("Help", "Keys, controls and colours in words (key ?)"),
}  # fmt: skip
STAGED = ("slow", "guess")  # for rooms whose method is followed term by term
WRAPS = (
    """:host { flex-wrap: wrap } @media (max-width: 900px) { .wide { flex: 1 1 60% !important } }"""
)
SAYS = {
    "reset": "Back to the start (key R)", "play": "Plays or stops (space)",
    "step": "One step (key →)", "time": "The time that is shown: drag to any moment",
    "pace": "Steps between two pictures (keys ↑ and ↓)",
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
        told = {n: {"title": says, "aria-label": says.split(" (")[0]} for n, says in SAYS.items()}
        self.buttons = {
            n: Button(label=label, min_width=96, html_attributes={"title": SAYS[n]}, **how)
            for n, label in words.items()
        }
        for name, button in self.buttons.items():
            button.on_click(lambda name=name: act(name))
        self.quiet = False
        self.time = Slider(start=0, end=1, step=1, value=0, title="", name="time",
                           show_value=False, sizing_mode="stretch_width", min_width=90,
                           css_classes=["wide"], html_attributes=told["time"],
                           **how | {"margin": (2, 12, 2, 14)})  # fmt: skip
        self.time.on_change("value", self._moved)
        self.speeds = sorted({*speeds, speed})
        self.speed = Select(options=[(str(v), f"× {v}") for v in self.speeds], value=str(speed),
                            name="pace", width=92, html_attributes=told["pace"],
                            **how)  # fmt: skip
        self.speed.on_change("value", self._chosen)
        self.go, self.pace = go, pace
        parts = (*self.buttons.values(), self.time, self.speed)
        sheets = [InlineStyleSheet(css=WRAPS)]
        self.layout = row(*parts, name="transport", sizing_mode="stretch_width", stylesheets=sheets)

    def show(self, step: int, last: int, usual: int) -> None:
        """Shows the time. The slider is as long as a `usual` run, and longer where the step is near
        its end: else a run of thirty steps would not move it."""
        self.quiet = True
        end = max(usual, 1)
        while end < last and step > 0.8 * end:
            end *= 2
        self.time.update(end=min(end, last), value=step)
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


def tools(wire: Any, hidden: Collection[str], staged: bool) -> Any:
    """The row of buttons that page.js serves."""
    sheet = InlineStyleSheet(css=SHEET)
    buttons = []
    for name, (label, says) in TOOLS.items():
        if name in hidden or (name in STAGED and not staged):
            continue
        how: dict[str, Any] = {"stylesheets": [sheet], "margin": (2, 3, 2, 3),
                               "html_attributes": {"title": says}}  # fmt: skip
        button = Button(label=label, name=f"tool-{name}", **how)
        code = f"wire.deed = '{name} ' + performance.now()"
        button.js_on_click(CustomJS(args={"wire": wire}, code=code))
        buttons.append(button)
    return row(*buttons, name="tools", stylesheets=[InlineStyleSheet(css=WRAPS)])
