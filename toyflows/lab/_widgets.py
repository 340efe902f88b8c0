"""The Bokeh widgets of the controls: they show values and say when a value is changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from bokeh.layouts import column
from bokeh.models import (
    Button,
    CustomJS,
    CustomJSTickFormatter,
    Div,
    InlineStyleSheet,
    Select,
    Spinner,
)
from bokeh.models import Slider as Range
from bokeh.models import Switch as Toggle

from toyflows.lab._controls import DIGITS, Choice, Control, Drawn, Slider, Switch, Values
from toyflows.lab._explain import helped

SHEET = (Path(__file__).parent / "widget.css").read_text("utf-8")
POWER = "const v = 10**tick; return v >= 1e5 ? v.toExponential(1) : String(+v.toPrecision(2))"
TYPED = 10_000  # whole numbers of a wider range are typed


class Panel:
    """The widgets of some controls in a column, under the headings of their groups."""

    def __init__(self, said: Callable[[str, Any], None], hidden: Collection[str], wire: Any):
        self.said, self.hidden, self.wire = said, hidden, wire
        self.sheet = InlineStyleSheet(css=SHEET)
        self.layout = column(sizing_mode="stretch_width", name="controls", spacing=0)
        self.controls: tuple[Control, ...] = ()
        self.widgets: dict[str, Any] = {}
        self.quiet = False

    def show(self, controls: Sequence[Control], values: Values) -> None:
        """Shows these values; new widgets only where the controls are others."""
        if tuple(controls) != self.controls:
            kept = {c.name: self.widgets[c.name] for c in self.controls if c in controls}
            self.controls = tuple(controls)
            self.widgets = {
                c.name: kept.get(c.name) or self._widget(c, values[c.name]) for c in controls
            }
            self.layout.children = self._headed()
        self.quiet = True
        try:
            for control in controls:
                _show(self.widgets[control.name], control, values[control.name])
        finally:
            self.quiet = False

    def _headed(self) -> list[Any]:
        out: list[Any] = []
        group = ""
        for control in self.controls:
            if control.name in self.hidden:
                continue
            if control.group and control.group != group:
                out.append(Div(text=f"<h4>{control.group}</h4>", stylesheets=[self.sheet]))
            group = control.group
            out.append(self.widgets[control.name])
        return out

    def _widget(self, control: Control, value: Any) -> Any:
        common: dict[str, Any] = {"stylesheets": [self.sheet], "sizing_mode": "stretch_width",
                                  "name": control.name, "margin": (1, 8, 1, 8),
                                  "html_attributes": {"title": helped(control, self.wire.room),
                                                      "aria-label": control.label}}  # fmt: skip
        match control:
            case Slider():
                made = _number(control, common)
            case Choice():
                made = Select(title=control.label, options=control.options, value=value, **common)
            case Switch():
                made = Toggle(label=control.label, active=value, **common)
            case Drawn():
                made = self._open(control, common)
            case _:
                raise TypeError(f"no widget for {control}")
        if not isinstance(control, Drawn):
            made.on_change("active" if isinstance(made, Toggle) else "value", self._heard(control))
        return made

    def _heard(self, control: Control) -> Callable[[str, Any, Any], None]:
        def changed(_attr: str, _old: Any, new: Any) -> None:
            if self.quiet or new is None:
                return
            self.said(control.name, _meant(control, new) if isinstance(control, Slider) else new)

        return changed

    def _open(self, control: Drawn, common: dict[str, Any]) -> Any:
        """A button that opens a file; where none may be opened, one that empties what was drawn."""
        if control.accept:
            button = Button(label=f"Open {control.label} …", **common)
            code = "wire.accept = accept; wire.deed = 'pick ' + performance.now()"
            accept = accepted(control)
            button.js_on_click(CustomJS(args={"wire": self.wire, "accept": accept}, code=code))
            return button
        button = Button(label=f"Clear {control.label}", **common)
        button.on_click(lambda: self.said(control.name, control.default))
        return button


def accepted(control: Drawn) -> str:
    """What page.js asks before it opens a file."""
    import json

    return json.dumps({"name": control.name, "accept": control.accept, "most": MOST_BYTES})


MOST_BYTES = 2 << 20  # of an upload


def _number(control: Slider, common: dict[str, Any]) -> Any:
    if control.integer and not control.log and control.high - control.low > TYPED:
        return Spinner(title=control.label, low=control.low, high=control.high, step=1, **common)
    if control.log:
        return Range(
            title=control.label, start=math.log10(control.low), end=math.log10(control.high),
            step=control.step, value=math.log10(control.default),
            format=CustomJSTickFormatter(code=POWER), **common,
        )  # fmt: skip
    digits = 0 if control.integer else max(0, -math.floor(math.log10(control.step) + 1e-9))
    shown = "0" if digits == 0 else "0." + "0" * digits
    return Range(title=control.label, start=control.low, end=control.high, step=control.step,
                 value=control.default, format=shown, **common)  # fmt: skip


def _meant(control: Slider, shown: float) -> float | int:
    """The value that a widget shows: never out of bounds, whatever a browser sends."""
    low, high = (math.log10(v) if control.log else v for v in (control.low, control.high))
    v = max(low, min(shown, high))  # low where it is no number
    v = 10**v if control.log else v
    v = round(v) if control.integer else float(f"{v:.{DIGITS}g}")
    return min(max(v, control.low), control.high)


def _show(widget: Any, control: Control, value: Any) -> None:
    if isinstance(control, Drawn):
        return
    if isinstance(control, Switch):
        widget.active = value
    elif isinstance(control, Slider) and control.log:
        if _meant(control, widget.value) != value:  # else it would pull at the hand that drags it
            widget.value = math.log10(value)
    else:
        widget.value = value
