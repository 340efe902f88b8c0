"""The Ising room on the page: the lattice; right |m| and e by sweeps, and |m| by temperature."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, LinearColorMapper, Range1d
from bokeh.models.annotations import Span

from toyflows.lab._images_parts import note
from toyflows.lab._look import Look, beside, mixed
from toyflows.lab._room import Frame
from toyflows.lattice.ising_exact import T_c, onsager_curve

RIGHT = {"flex": "0 0 40%"}


class View:
    """The lattice left, three charts right."""

    def __init__(self, look: Look):
        self.look = look
        self._lattice()
        self.m, self.e = self._series("|m|"), self._series("energy per spin")
        self._diagram()
        charts = [self.m["figure"], self.e["figure"], self.diagram]
        right = column(*charts, sizing_mode="stretch_both", styles=RIGHT)
        self.heading = look.heading()
        below = beside(self.lattice, right)
        self.layout = column(self.heading.div, below, sizing_mode="stretch_both")

    def _lattice(self) -> None:
        look = self.look
        self.lattice = p = look.picture(look.figure())
        p.x_range.range_padding = p.y_range.range_padding = 0.01
        self.spins = ColumnDataSource({"image": []})
        palette = [mixed(look.paper, look.data, 0.06 + 0.94 * k / 4) for k in range(5)]
        p.image("image", x=0, y=0, dw=1, dh=1, source=self.spins,
                color_mapper=LinearColorMapper(palette=palette, low=-0.5, high=4.5))  # fmt: skip
        self.note = note(look, p)

    def _series(self, name: str) -> dict[str, Any]:
        """A quantity against sweeps, over its exact value."""
        look = self.look
        p = look.figure(name, x_range=Range1d(start=0, end=1), y_range=Range1d(start=0, end=1))
        exact = Span(location=0, dimension="width", line_color=look.exact, line_width=3)
        finite = Span(location=0, dimension="width", line_color=look.accent, line_width=3,
                      visible=False)  # fmt: skip
        p.add_layout(exact)
        p.add_layout(finite)
        p.axis.ticker.desired_num_ticks = 4
        source = ColumnDataSource({"x": [], "y": []})
        p.line("x", "y", source=source, color=look.walkers, line_width=2.5)
        word = look.word(p, "", look.exact, 6, 3, text_baseline="bottom")
        beside = look.word(p, "", look.accent, 6, 3 + 1.4 * look.type, text_baseline="bottom")
        return {"figure": p, "source": source, "exact": exact, "word": word, "finite": finite,
                "finite word": beside}  # fmt: skip

    def _show_series(
        self, part: dict[str, Any], frame: Frame, y: Any, exact: float | None, name: str
    ) -> None:
        """Shows the series; the scale ignores the sweeps before the measurement."""
        x = frame["sweeps"]
        judged = int(np.sum(x >= frame["burn"])) if frame["measured"] else len(x)
        part["source"].data = {"x": x, "y": y}
        p = part["figure"]
        p.x_range.end = max(float(x[-1]), 20.0)
        values = np.append(y[-judged:], [] if exact is None else exact)
        low, high = float(values.min()), float(values.max())
        room = 0.3 * max(high - low, 0.05)
        p.y_range.update(start=low - room, end=high + room)
        part["exact"].visible = exact is not None
        part["exact"].location = exact or 0.0
        part["word"].text = "" if exact is None else f"{name}: {_signed(exact)}"

    def _show_finite(self, frame: Frame) -> None:
        """The law at T_c on a lattice of this size, beside that of the infinite one."""
        m, finite = self.m, frame["finite"]
        m["finite"].update(visible=finite > 0, location=finite)
        m["finite word"].text = f"L = {frame['L']} at T_c: {finite:.3f}" if finite else ""
        self.finite.data = {"x": [T_c] if finite else [], "y": [finite] if finite else []}

    def _diagram(self) -> None:
        """Onsager's curve, and where the lattice is."""
        look = self.look
        self.diagram = p = look.figure("⟨|m|⟩ by temperature", x_range=Range1d(start=0.5, end=5),
                                       y_range=Range1d(start=-0.05, end=1.1))  # fmt: skip
        p.xaxis.axis_label = "T"
        p.yaxis.ticker.desired_num_ticks = 4
        T, m = onsager_curve()
        p.line(T, m, color=look.exact, line_width=3)
        p.add_layout(Span(location=T_c, dimension="height", line_color=look.formula,
                          line_dash="dashed", line_width=2))  # fmt: skip
        how: dict[str, Any] = {"x_units": "data", "y_units": "data"}
        self.known = look.word(p, "Onsager", look.exact, 0.6, 0.35, **how)
        look.word(p, "T_c", look.formula, T_c + 0.06, 0.7, **how)
        self.finite = ColumnDataSource({"x": [], "y": []})
        p.scatter("x", "y", source=self.finite, color=look.accent, size=13, marker="diamond")
        self.point = ColumnDataSource({"x": [], "y": [], "low": [], "high": []})
        p.segment("x", "low", "x", "high", source=self.point, color=look.walkers, line_width=5)
        p.scatter("x", "y", source=self.point, color=look.walkers, size=14)

    def show(self, frame: Frame) -> None:
        """Draws a frame."""
        self.spins.data = {"image": [frame["spins"][::-1]]}
        self.heading.say(frame["message"])
        self.note.text = self.look.fold(frame["note"])
        free = frame["free"]
        m, e = (frame["m_exact"], frame["e_exact"]) if free else (None, None)
        self._show_series(self.m, frame, frame["m"], m, "Onsager, L = ∞")
        self._show_series(self.e, frame, frame["e"], e, "Kaufman, exact")
        self._show_finite(frame)
        self.m["figure"].title.text = "|m| by sweeps" if free else "m by sweeps"
        value, error = frame["m_mean"], frame["m_error"]
        self.point.data = {"x": [frame["T"]], "y": [value], "low": [value - error],
                           "high": [value + error]}  # fmt: skip
        self.known.text = "Onsager" if free else "Onsager, h = 0"
        name = "⟨|m|⟩" if free else "⟨m⟩"
        self.diagram.y_range.start = -1.1 if value < -0.05 else -0.05
        said = _signed(value, 4) + (f" ± {error:.4f}" if error else "")
        self.diagram.title.text = f"{name if frame['measured'] else 'now'} = {said}"


def _signed(x: float, digits: int = 3) -> str:
    return f"{x:.{digits}f}".replace("-", "−")
