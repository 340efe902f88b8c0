"""The drawing of room 2: the loop on the left, θ(t) and the landscape on the right."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, Range1d, Span

from toyflows.lab._look import Look, beside
from toyflows.lab._room import Frame

WIDE = 6  # the exact law's line, under the walkers'
NAMED = 3  # turns with their numbers
SHORTEST = 10.0  # time axis
CURES = {"tempering": "tempering", "jarzynski": "work weights"}


class LongViewView:
    """One source of paths feeds the loop (θ, b) and θ(t)."""

    def __init__(self, look: Look):
        self.look = look
        self.paths = {name: _source("t", "θ", "b") for name in ("exact", "walkers", "cure")}
        self.formula = _source("t", "θ", "b")
        self.turns = _source("t", "θ", "b", "text", "align", "where")
        self._loop()
        self._time()
        self._landscape()
        self.heading = look.heading()
        how: dict[str, Any] = {"sizing_mode": "stretch_both"}
        right = column(self.time, self.landscape, **how)
        self.layout = column(self.heading.div, beside(self.loop, right), **how)

    # ---------------------------------------------------------------- the empty figures
    def _colour(self, name: str) -> str:
        role = {"cure": "grey"}.get(name, name)
        colour: str = getattr(self.look, role)
        return colour

    def _lines(self, p: Any, x: str, y: str) -> None:
        """The paths, the wide one of the exact law first, and the turns."""
        look = self.look
        p.line(x, y, source=self.formula, color=look.formula, line_width=3, line_dash="dashed")
        for name, width in (("cure", 4), ("exact", WIDE), ("walkers", 2)):
            p.line(x, y, source=self.paths[name], color=self._colour(name), line_width=width,
                   line_alpha=0.55 if name == "exact" else 1.0)  # fmt: skip
        p.scatter(x, y, source=self.turns, size=12, color=look.exact)

    def _named(self, p: Any, colour: str, **how: Any) -> Any:
        """A word in the units of the figure."""
        how = {"x_units": "data", "y_units": "data"} | how
        return self.look.word(p, "", colour, 0, 0, **how)

    def _loop(self) -> None:
        look = self.look
        p = self.loop = look.figure("share of the walkers in mode b", x_axis_label="θ")
        p.x_range, p.y_range = Range1d(-1, 1), Range1d(-0.04, 1.09)
        self.wanted = Span(dimension="width", line_color=look.data, line_width=3)
        self.edges = [Span(dimension="height", line_color=look.grey, line_width=2,
                           line_dash="dotted") for _ in range(2)]  # fmt: skip
        for span in (self.wanted, *self.edges):
            p.add_layout(span)
        self.rest = _source("θ", "b")
        p.line("θ", "b", source=self.rest, color=look.ink, line_width=2)
        self._lines(p, "θ", "b")
        self.tail, self.here = _source("θ", "b"), _source("θ", "b", "colour")
        p.line("θ", "b", source=self.tail, color=look.walkers, line_width=8, line_cap="round")
        p.scatter("θ", "b", source=self.here, size=19, color="colour", line_color=look.paper,
                  line_width=2)  # fmt: skip
        small = {"text_font_size": f"{look.type - 2}px"}
        self.names = {
            "wanted": self._named(p, look.data, y_offset=3),
            "rest": self._named(p, look.ink, text_align="right", y_offset=2, **small),
            "a": self._named(p, look.grey, y_offset=2, x_offset=5, **small),
            "b": self._named(p, look.grey, text_align="right", y_offset=2, x_offset=-5, **small),
            **{name: self._named(p, self._colour(name)) for name in self.paths},
        }

    def _time(self) -> None:
        look = self.look
        p = self.time = look.figure("θ(t)", x_axis_label="time t")
        p.x_range, p.y_range = Range1d(0, 1), Range1d(-1, 1)
        self.star = Span(dimension="width", line_color=look.data, line_width=3)
        p.add_layout(self.star)
        self._lines(p, "t", "θ")
        p.text("t", "θ", "text", source=self.turns, text_color=look.exact, y_offset="where",
               text_font_size=f"{look.type}px", text_font_style="bold", text_align="align",
               text_baseline="middle")  # fmt: skip
        self.ends = {
            "target": self._named(p, look.data, x_offset=6),
            "lecture": self._named(p, look.formula, x_offset=8, text_baseline="top"),
        }

    def _landscape(self) -> None:
        look = self.look
        p = self.landscape = look.figure("energy now, with walkers on it", x_axis_label="x")
        p.yaxis.visible = p.ygrid.visible = False
        p.x_range, p.y_range = Range1d(-1, 1), Range1d(-1, 1)
        self.energy, self.dots = _source("x", "U"), _source("x", "U")
        p.line("x", "U", source=self.energy, color=look.exact, line_width=4)
        p.scatter("x", "U", source=self.dots, size=8, color=look.walkers, alpha=0.45)
        how = {"text_align": "center", "text_baseline": "top"}
        self.shares = {mode: self._named(p, look.walkers, **how) for mode in "ab"}

    # ---------------------------------------------------------------- a frame in them
    def show(self, seen: Frame) -> None:
        """See View."""
        self.heading.say(seen["message"], seen["says"])
        for name, source in self.paths.items():
            source.data = {"t": seen["t"], "θ": seen[f"{name}_θ"], "b": seen[f"{name}_b"]} \
                if f"{name}_θ" in seen else {"t": [], "θ": [], "b": []}  # fmt: skip
        self._show_turns(seen)
        self._show_loop(seen)
        self._show_time(seen)
        self._show_landscape(seen)

    def _show_turns(self, seen: Frame) -> None:
        t, θ = seen["turns_t"], seen["turns_θ"]
        below = θ > seen["θ_star"]
        inside = np.abs(θ) > 0.25 * seen["reach"]  # else there is no room under the arch
        named = [f"{v:.1f}".replace("-", "−") for v in θ[:NAMED].tolist()]
        self.turns.data = {
            "t": t, "θ": θ, "b": seen["turns_b"], "align": ["center"] * len(t),
            "text": [*named, *[""] * (len(t) - len(named))],
            "where": np.where(below == inside, 20, -20),
        }  # fmt: skip

    def _show_loop(self, seen: Frame) -> None:
        reach, edge, q = seen["reach"], seen["bistable"], seen["q_star"]
        self.loop.x_range.update(start=-reach, end=reach)
        self.wanted.location = q
        self.rest.data = {"θ": seen["equilibrium_θ"], "b": seen["equilibrium"]}
        self.tail.data = {"θ": seen["tail_θ"], "b": seen["tail_b"]}
        known = [name for name in ("cure", "exact", "walkers") if f"{name}_θ" in seen]
        self.here.data = {"θ": [seen[name] for name in known],
                          "b": [seen[f"in_b_{name}"] for name in known],
                          "colour": [self._colour(name) for name in known]}  # fmt: skip
        for span, side in zip(self.edges, (-1, 1), strict=True):
            span.location = side * edge
        side = 1 if seen["drift"] > 0 else -1
        self.names["wanted"].update(x=-side * reach, y=q, text=f"data: q* = {q:.3f}",
                                    text_align="left" if side > 0 else "right",
                                    x_offset=5 * side)  # fmt: skip
        self.names["rest"].update(x=reach, y=0.0, text="at rest: p_b(θ)", x_offset=-5)
        align = {"text_align": "right" if side > 0 else "left", "x_offset": -5 * side}
        for k, name in enumerate(self.paths):  # in the corner that the loop leaves free
            words = {"exact": "exact law", "cure": CURES.get(seen["cure_name"], "")}.get(name, name)
            text = f"{words}: {seen[f'in_b_{name}']:.1%}" if name in known else ""
            y = (0.9 if side > 0 else 0.32) - 0.065 * k
            self.names[name].update(x=side * reach, y=y, text=text, **align)
        edge_words = {"a": ("← a has no basin", -reach), "b": ("b has no basin →", reach)}
        for mode, (text, x) in edge_words.items():
            self.names[mode].update(x=x, y=1.02, text=text)

    def _show_time(self, seen: Frame) -> None:
        reach, last = seen["reach"], rounded(max(seen["time"], SHORTEST))
        star, drift = seen["θ_star"], seen["drift"]
        until = min(seen["time"], reach / max(abs(drift), 1e-12))
        self.formula.data = {"t": [0, until], "θ": [0, drift * until], "b": [seen["start_b"]] * 2}
        self.time.x_range.end = last
        self.time.y_range.update(start=-reach, end=reach)
        self.star.location = star
        text = f"target θ* = {star:.4g}".replace("-", "−")
        above = drift < 0  # where the path does not begin
        self.ends["target"].update(x=0, y=star, text=text, y_offset=4 if above else -4,
                                   text_baseline="bottom" if above else "top")  # fmt: skip
        away = "+∞" if drift > 0 else "−∞"
        far = until < seen["time"]  # the formula's line leaves the picture
        self.ends["lecture"].update(
            x=until, y=np.sign(drift) * reach, text=f"lecture: θ → {away}" if far else "",
            text_baseline="top" if drift > 0 else "bottom",
        )  # fmt: skip

    def _show_landscape(self, seen: Frame) -> None:
        x, U, dots = seen["x"], seen["energy"], seen["dots"]
        base = float(U.min())
        inside = (x > x[0] + 3) & (x < x[-1] - 3)
        top = rounded(1.15 * max(float(U[inside].max()) - base, seen["d"] ** 2 / 8))
        self.energy.data = {"x": x, "U": U - base}
        self.dots.data = {"x": dots, "U": seen["dots_U"] - base}
        self.landscape.x_range.update(start=float(x[0]), end=float(x[-1]))
        self.landscape.y_range.update(start=-0.06 * top, end=top)
        b = seen["in_b_walkers"]
        for mode, share, side in (("a", 1 - b, -1), ("b", b, 1)):
            self.shares[mode].update(x=side * seen["d"] / 2, y=top,
                                     text=f"mode {mode}: {share:.1%}")  # fmt: skip


def rounded(end: float) -> float:
    """The next power of 1.25: an axis that seldom changes is drawn sooner, and can be read."""
    return float(1.25 ** math.ceil(math.log(end, 1.25)))


def _source(*names: str) -> ColumnDataSource:
    return ColumnDataSource({name: [] for name in names})
