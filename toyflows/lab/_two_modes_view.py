"""The drawing of room 1: for one method four figures; for two, θ(t) and densities of each."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, CustomJS, Range1d, Span

from toyflows.lab._controls import NUMBER
from toyflows.lab._look import Look, beside
from toyflows.lab._room import Frame
from toyflows.verdict import MESSAGE

NAMES = {"grid": "exact law", "walkers": "walkers", "theory": "formula"}
WIDTH = {"grid": 7, "walkers": 3, "theory": 2}  # they often coincide: each thinner than the last
# Of the time axis, in plain and in large type, and on a phone; beside it stand the lines' names, of
# 18 letters at most, 0.62 of their height wide in the widest of the usual fonts (DejaVu, Verdana).
FILLED = {"plain": 0.58, "large": 0.45, "narrow": 0.42}
SMALL = 15  # pixels of words where two methods share the height
STILL = 1e-3  # of the scale of speeds: no arrow
BRIGHT = {"data": (0.3, 0.75), "walkers": (0.25, 0.75)}  # alpha, and alpha while it is spoken of


class TwoModesView:
    """Two blocks, the second hidden where there is one method."""

    def __init__(self, look: Look):
        self.blocks = {name: _Block(look, name) for name in ("one", "two")}
        self.layout = column(
            *(block.layout for block in self.blocks.values()), sizing_mode="stretch_both"
        )

    def show(self, frame: Frame) -> None:
        """One block for each method in the frame."""
        both = "two.θ" in frame
        self.blocks["two"].layout.visible = both
        parts = {
            name: {k.removeprefix(f"{name}."): v for k, v in frame.items() if k.startswith(name)}
            for name in self.blocks
        }
        shown = {name: part for name, part in parts.items() if part}
        scale = Scale.of(list(shown.values()), frame["θ_star"])
        for name, part in shown.items():
            self.blocks[name].show(part, scale, small=both)
        ranges = [self.blocks[name].paths.y_range for name in shown]  # their words need room, too
        low, high = min(r.start for r in ranges), max(r.end for r in ranges)
        for one in ranges:
            one.update(start=low, end=high)

    def light(self, stage: str) -> None:
        """What the stage of an update speaks of: data, walkers, or neither."""
        spoken = {"0": "data", "1": "walkers"}.get(stage)
        for block in self.blocks.values():
            block.light(spoken, whole=stage == "-1")

    def guess(self, θ: str) -> None:
        """A line where the class thinks that θ ends; none for what is no number."""
        for block in self.blocks.values():
            block.guess(float(θ) if NUMBER.fullmatch(θ) else None)


@dataclass(frozen=True)
class Scale:
    """The axes that all methods on the page share: what is compared has one scale."""

    star: float
    low: float  # of θ
    high: float
    last: float  # time, of the axis
    top: float  # density

    @classmethod
    def of(cls, sides: list[Frame], star: float) -> Scale:
        """Holds all that the sides show."""
        θ = [star, *(float(v) for s in sides for n in NAMES for v in _ends(s.get(f"{n}_θ")))]
        t = [float(s[f"{n}_t"][-1]) for s in sides for n in NAMES if f"{n}_t" in s]
        top = max(float(s[n].max()) for s in sides for n in ("data", "model", "noise"))
        whole = max(s["end"] for s in sides)  # the axis of time holds a whole run from its start
        return cls(star, min(θ), max(θ), max([whole, *t]), top)


def _ends(θ: Any) -> list[float]:
    return [] if θ is None or not len(θ) else [θ.min(), θ.max()]


class _Block:
    """θ(t) and densities above, the phase line and the landscape below."""

    def __init__(self, look: Look, name: str):
        self.look, self.small = look, False
        self._paths(name)
        self._densities()
        self._phase()
        self._landscape()
        how: dict[str, Any] = {"sizing_mode": "stretch_both"}
        self.below = beside(self.phase, self.landscape)
        above = beside(self.paths, self.densities)
        self.heading = look.heading()
        self.layout = column(self.heading.div, above, self.below, **how)

    # ---------------------------------------------------------------- the empty figures
    def _paths(self, name: str) -> None:
        look = self.look
        how = {"x_axis_label": "time t", "y_axis_label": "θ", "name": f"θ of {name}"}
        p = self.paths = look.figure("θ(t)", **how)
        p.x_range, p.y_range = Range1d(0, 1), Range1d(-1, 1)
        self.star = Span(dimension="width", line_color=look.data, line_width=3)
        self.guessed = Span(dimension="width", line_color=look.accent, line_width=4,
                            line_dash="dotted", visible=False)  # fmt: skip
        p.add_layout(self.star)
        p.add_layout(self.guessed)
        for event in ("tap", "panstart", "pan"):  # page.js drags the line, where there is one
            p.js_on_event(event, CustomJS(code="window.toyflows?.drag(cb_obj.y)"))
        colours = {"grid": look.exact, "walkers": look.walkers, "theory": look.formula}
        self.lines = {}
        for name, width in WIDTH.items():
            self.lines[name] = ColumnDataSource({"t": [], "θ": []})
            p.line("t", "θ", source=self.lines[name], color=colours[name], line_width=width,
                   line_alpha=0.55 if name == "grid" else 1.0,
                   line_dash="dashed" if name == "theory" else "solid")  # fmt: skip
        self.ends = {
            name: look.word(p, "", colour, 0, 0, x_units="data", y_units="data", x_offset=8,
                            text_baseline="middle")
            for name, colour in (*colours.items(), ("target", look.data))
        }  # fmt: skip

    def _densities(self) -> None:
        look = self.look
        p = self.densities = look.figure("densities, and the share in mode b", x_axis_label="x")
        p.yaxis.visible = p.ygrid.visible = False
        p.x_range, p.y_range = Range1d(-1, 1), Range1d(0, 1)
        self.curves = ColumnDataSource({"x": [], "data": [], "model": [], "noise": []})
        self.bars = ColumnDataSource({"left": [], "right": [], "top": []})
        self.bright = {
            "data": p.varea("x", 0, "data", source=self.curves, color=look.data, alpha=0.3)
        }
        p.line("x", "data", source=self.curves, color=look.data, line_width=2)
        self.bright["walkers"] = p.quad(
            left="left", right="right", bottom=0, top="top", source=self.bars,
            fill_color=look.walkers, fill_alpha=0.25, line_color=look.walkers,
        )  # fmt: skip
        p.line("x", "noise", source=self.curves, color=look.accent, line_width=3,
               line_dash="dashed")  # fmt: skip
        p.line("x", "model", source=self.curves, color=look.exact, line_width=3)
        self.shares = {
            name: look.word(p, "", getattr(look, role), 0, 0, x_units="data", y_units="data")
            for name, role in (("data", "data"), ("model", "exact"), ("walkers", "walkers"),
                               ("noise", "accent"))
        }  # fmt: skip

    def _phase(self) -> None:
        look = self.look
        p = self.phase = look.figure("where θ goes, from each θ", x_axis_label="θ",
                                     y_axis_label="θ̇ at rate 1")  # fmt: skip
        p.x_range, p.y_range = Range1d(-1, 1), Range1d(-1, 1)
        p.add_layout(Span(dimension="width", line_color=look.grey, line_width=2))
        self.star_here = Span(dimension="height", line_color=look.data, line_width=3)
        p.add_layout(self.star_here)
        self.speed = ColumnDataSource(
            {"θ": [], "v": [], "zero": [], "angle": [], "mark": [], "size": []}
        )
        self.here = ColumnDataSource({"θ": [], "v": []})
        p.line("θ", "v", source=self.speed, color=look.exact, line_width=3)
        p.scatter("θ", "zero", source=self.speed, marker="mark", angle="angle", size="size",
                  color=look.exact, alpha=0.8)  # fmt: skip
        p.scatter("θ", "v", source=self.here, size=17, color=look.walkers,
                  line_color=look.paper, line_width=2)  # fmt: skip

    def _landscape(self) -> None:
        look = self.look
        p = self.landscape = look.figure("energy, walkers on it", x_axis_label="x")
        p.yaxis.visible = p.ygrid.visible = False
        p.x_range, p.y_range = Range1d(-1, 1), Range1d(-1, 1)
        self.energy = ColumnDataSource({"x": [], "U": []})
        self.dots = ColumnDataSource({"x": [], "U": []})
        p.line("x", "U", source=self.energy, color=look.exact, line_width=3)
        p.scatter("x", "U", source=self.dots, size=8, color=look.walkers, alpha=0.45)

    # ---------------------------------------------------------------- a frame in them
    def show(self, seen: Frame, scale: Scale, small: bool) -> None:
        if small != self.small:
            self._fold(small)
        self.heading.say(_title(seen), seen["says"].replace("-", "−"))
        self._show_paths(seen, scale, small)
        self._show_densities(seen, scale, 0.19 if small else 0.13)
        if not small:
            self._show_phase(seen, scale.star)
            self._show_landscape(seen)

    def _fold(self, small: bool) -> None:
        """Less high, for two methods: without the lower pictures and the names of the axes."""
        self.small = self.heading.small = small
        self.below.visible = not small
        for p, name in ((self.paths, "time t"), (self.densities, "x")):
            p.xaxis.axis_label = "" if small else name
        for label in (*self.ends.values(), *self.shares.values()):
            label.text_font_size = f"{self._letters}px"

    @property
    def _letters(self) -> int:
        """Pixels of the words in the pictures."""
        return min(self.look.type, SMALL) if self.small else self.look.type

    @property
    def _least(self) -> int:
        """Pixels that a picture is high, at the least."""
        return (90 if self.look.large else 105) if self.small else 180

    def light(self, spoken: str | None, whole: bool) -> None:
        """`whole`: with the lower pictures."""
        self.below.visible = whole and not self.small
        for name, (plain, bright) in BRIGHT.items():
            self.bright[name].glyph.fill_alpha = bright if name == spoken else plain

    def guess(self, θ: float | None) -> None:
        self.guessed.update(visible=θ is not None, location=θ or 0.0)
        if θ is not None:
            axis = self.paths.y_range  # the line may leave it: it grows with the hand
            axis.update(start=min(axis.start, θ - 0.5), end=max(axis.end, θ + 0.5))

    def _show_paths(self, seen: Frame, scale: Scale, small: bool) -> None:
        star, ends = scale.star, {"target": scale.star}
        now = max(float(seen[f"{name}_t"][-1]) for name in NAMES if f"{name}_t" in seen)
        for name, source in self.lines.items():
            t, θ = seen.get(f"{name}_t", np.zeros(0)), seen.get(f"{name}_θ", np.zeros(0))
            source.data = {"t": t, "θ": θ}
            if len(θ):
                ends[name] = float(θ[-1])
        low, high = scale.low, scale.high
        if self.guessed.visible:
            low, high = min(low, self.guessed.location), max(high, self.guessed.location)
        span = max(high - low, 0.2)
        self.star.location = star
        line, height = (
            1.25 * self._letters,
            (80 if self.look.large else 105) if small else 180,
        )  # pixels, at the least
        gap = line * span / (height - 2 * line)
        places = dict(zip(ends, apart(list(ends.values()), gap), strict=True))
        low, high = min(low, *places.values()) - gap, max(high, *places.values()) + gap
        kind = "narrow" if self.look.narrow else "large" if self.look.large else "plain"
        self.paths.x_range.update(start=0, end=rounded(scale.last, 1 / FILLED[kind]))
        self.paths.y_range.update(start=-rounded(-low), end=rounded(high))
        for name, label in self.ends.items():
            words = f"target θ* = {star:.4g}" if name == "target" else NAMES[name]
            if name == "walkers" and not seen["keeps"]:
                words = "samples"
            if name in ends and name != "target":
                words += f"  {ends[name]:.3f}"
            label.update(text=words.replace("-", "−") if name in ends else "",
                         x=now, y=places.get(name, star))  # fmt: skip

    def _show_densities(self, seen: Frame, scale: Scale, line: float) -> None:
        """`line` is the height of a line of words, as a share of the figure's."""
        x, bars = seen["x"], seen["bars"]
        noise = seen["noise_b"]
        curves = {n: seen[n] for n in ("x", "data", "model", "noise")}
        if noise < 0:  # none: no line on the axis either
            curves["noise"] = np.full_like(x, np.nan)
        self.curves.data = curves
        edges = np.linspace(x[0], x[-1], len(bars) + 1)
        kept = bars > 0
        self.bars.data = {"left": edges[:-1][kept], "right": edges[1:][kept], "top": bars[kept]}
        top = scale.top / (1 - 3.5 * line)
        self.densities.x_range.update(start=float(x[0]), end=float(x[-1]))
        self.densities.y_range.end = float(top)
        share = {"data": f"data {seen['q_star']:.3f}", "model": f"model {seen['q']:.3f}",
                 "walkers": f"walkers {seen['mode_b']:.3f}" if kept.any() else "",
                 "noise": f"noise {noise:.3f}" if noise >= 0 else ""}  # fmt: skip
        said = [name for name in self.shares if share[name]]
        for name, label in self.shares.items():
            k = said.index(name) if name in said else 0
            y = float(top * (1 - line * (k + 1)))
            label.update(text=share[name], x=float(x[0]), y=y, x_offset=8)

    def _show_phase(self, seen: Frame, star: float) -> None:
        """Arrows on one scale for all methods, as large as the speed: where a method stands still,
        there are points. Shares differ by 1 at most, so 1 is what a fast method has."""
        θ, v = seen["phase_θ"], seen["phase_v"]
        size = max(1.0, float(np.abs(v).max()))
        moves = np.abs(v) > STILL * size
        turned = np.where(v > 0, -np.pi / 2, np.pi / 2)
        large = 5 + 10 * np.sqrt(np.abs(v) / size)
        self.speed.data = {"θ": θ, "v": v, "zero": 0 * θ, "angle": np.where(moves, turned, 0.0),
                           "mark": np.where(moves, "triangle", "circle").tolist(),
                           "size": np.where(moves, large, 4.0)}  # fmt: skip
        at = seen["θ"]
        self.here.data = {"θ": [at], "v": [float(np.interp(at, θ, v))]}
        self.phase.x_range.update(start=float(θ[0]), end=float(θ[-1]))
        self.phase.y_range.update(start=-rounded(1.1 * size), end=rounded(1.1 * size))
        self.star_here.location = star

    def _show_landscape(self, seen: Frame) -> None:
        x, U, dots = seen["x"], seen["energy"], seen["dots"]
        U = U - U.min()
        low = float(np.partition(U, 5)[5])
        ridge = float(U[(x > x[0] + 4) & (x < x[-1] - 4)].max())
        top = 1.3 * max(ridge, 2.0)
        self.energy.data = {"x": x, "U": U}
        on_it = "walkers on it" if len(dots) else "no walkers are kept"
        self.landscape.title.text = f"energy, {on_it}"
        self.dots.data = {"x": dots, "U": np.interp(dots, x, U)}
        self.landscape.x_range.update(start=float(x[0]), end=float(x[-1]))
        self.landscape.y_range.update(start=low - 0.08 * top, end=top)


def _title(seen: Frame) -> str:
    """The verdict as a sentence, of a whole run; else the method."""
    kind: str = seen["verdict"]
    title: str = seen["title"]
    return MESSAGE[kind].format(title) if kind in MESSAGE else title


def rounded(v: float, least: float = 1.0) -> float:
    """The end of an axis that holds v and moves seldom: each new end makes the browser measure the
    numbers along it. A quarter of the power of ten below |v|, up; at least `least` times v."""
    step = 10.0 ** math.floor(math.log10(abs(v) or 1.0)) / 4
    return step * math.ceil(v * (least if v > 0 else 1.0) / step)


def apart(wanted: list[float], gap: float) -> list[float]:
    """Heights at least `gap` apart, in the order of the wanted ones, near to them."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    out = list(wanted)
    for before, here in itertools.pairwise(order):
        out[here] = max(out[here], out[before] + gap)
    shift = sum(out) / len(out) - sum(wanted) / len(wanted)
    return [v - shift for v in out]
