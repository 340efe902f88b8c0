"""Where the marks of the room of noise are: words, lines and bars beside its clouds and shades.

A picture is one figure. A panel is a square of half side BOX about (0, 0), or about (±SIDE, 0)
where there are two; under them is a strip for the shares of the classes, or the loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from toyflows.cloud import Array
from toyflows.lab._noise_act import BOX
from toyflows.lab._noise_laws import REACH
from toyflows.lab._noise_scenes import WIDE
from toyflows.lab._room import Frame

SIDE = 3.45
FLOOR, HEIGHT = -4.3, 0.8  # of the strip
CORNERS = {
    "scores": ((-WIDE - 0.05, WIDE + 0.05), (-REACH - 0.35, REACH + 0.05)),
    "diffusion": ((-6.8, 6.8), (-4.15, 3.7)),
}
PAIR = ((-6.8, 6.8), (-4.75, 3.75))
NUMBERED = 4  # classes, at most, whose shares are written
LOUDEST = 2.0  # top of the strip, in units of the exact score's loss
TAIL = 10  # of a way in the plane, the last of its times: more is a tangle

Columns = dict[str, list[Any]]


@dataclass
class Marks:
    """Words (x, y, text, role, align), lines (role, xs, ys), bars (left, right, height)."""

    words: list[tuple[float, float, str, str, str]] = field(default_factory=list)
    lines: list[tuple[str, Any, Any]] = field(default_factory=list)
    bars: list[tuple[float, float, float]] = field(default_factory=list)

    def word(self, x: float, y: float, text: str, role: str, align: str = "left") -> None:
        """A word whose lower edge is at y."""
        self.words.append((x, y, text, role, align))

    @classmethod
    def of(cls, frame: Frame) -> Marks:
        """All of a frame."""
        marks = cls()
        left = middle(frame["act"])
        for x, name, more in (
            (left, frame["left_name"], frame["left_second"]), (SIDE, frame["right_name"], ""),
        ):  # fmt: skip
            if name:
                marks.word(x - BOX, BOX + 0.08, name, "ink")
            if more:
                marks.word(x + BOX, BOX + 0.08, more, "walkers", "right")
        for x, side, exact in ((left, "left", "weights"), (SIDE, "right", "right_weights")):
            if len(frame[f"{side}_shares"]):
                marks.shares(x, frame[f"{side}_shares"], frame[exact])
        if frame["now"] >= 0:
            marks.clock(float(frame["now"]))
        if frame["length"]:
            marks.loss(frame)
        return marks

    def shares(self, x: float, found: Array, exact: Array) -> None:
        """A bar for each class, and a line across it where the exact law has it."""
        scale = HEIGHT / max(found.max(), exact.max(), 1e-9)
        wide = 2 * BOX / len(found)
        for k, (share, weight) in enumerate(zip(found, exact, strict=True)):
            here = x - BOX + wide * k
            told = len(found) <= NUMBERED
            a, b = here + (0.3 if told else 0.15) * wide, here + (0.7 if told else 0.85) * wide
            self.bars.append((a, b, float(scale * share)))
            ends, high = (a - 0.06 * wide, b + 0.06 * wide), float(FLOOR + scale * weight)
            self.lines.append(("exact", ends, (high, high)))
            if told:
                self.word(ends[0] - 0.06, FLOOR, f"{share:.2f}", "walkers", "right")
                self.word(ends[1] + 0.06, high - 0.15, f"{weight:.2f}", "exact")

    def clock(self, now: float) -> None:
        """A line at the time, from data (0) to noise (1) and back to data (2)."""
        x = when(np.array([now, now]))
        self.lines.append(("accent", x, (-BOX, BOX)))
        for time, name in ((0, "data"), (1, "noise"), (2, "data")):
            align = ("left", "center", "right")[time]
            self.word(float(when(np.array(time))), -BOX - 0.42, name, "ink", align)

    def loss(self, frame: Frame) -> None:
        """The loss against the step on a logarithmic scale, and the exact score's."""
        low, high = math.log(0.9 * frame["floor"]), math.log(LOUDEST * frame["floor"])
        x0, wide = -SIDE - BOX, 2 * (SIDE + BOX)

        def y(loss: Any) -> Any:
            return FLOOR + (HEIGHT + 0.1) * (np.clip(np.log(loss), low, high) - low) / (high - low)

        curve = frame["loss"]
        self.lines.append(("exact", (x0, x0 + wide), (float(y(frame["floor"])),) * 2))
        if len(curve):
            at = x0 + wide * curve[:, 0] / frame["length"]
            self.lines.append(("walkers", at, y(curve[:, 1])))
        right = x0 + wide
        self.word(right, FLOOR + 0.62, "loss of the network", "walkers", "right")
        self.word(right, FLOOR - 0.34, f"exact score: {frame['floor']:.3f}", "exact", "right")


def middle(act: str) -> float:
    """The middle of the left panel, or of the only one."""
    return 0.0 if act == "scores" else -SIDE


def when(t: Array) -> Array:
    """Places on the axis of the right panel, of times from 0 to 2."""
    return np.asarray(SIDE - BOX + BOX * t)


def images(frame: Frame) -> Columns:
    """The shades and where they are."""
    out: Columns = {name: [] for name in ("image", "x", "y", "dw", "dh")}

    def put(image: Array, x: float, wide: float, half: float) -> None:
        for name, value in zip(out, (image, x, -half, wide, 2 * half), strict=True):
            out[name].append(value)

    if frame["act"] == "scores":
        put(frame["left_image"], -WIDE, 2 * WIDE, REACH)
        return out
    put(frame["left_image"], -SIDE - BOX, 2 * BOX, BOX)
    if frame["now"] < 0:
        put(frame["right_image"], SIDE - BOX, 2 * BOX, BOX)
    else:  # all laws, there and back
        put(frame["right_image"], SIDE - BOX, BOX, BOX)
        put(frame["right_image"][:, ::-1], SIDE, BOX, BOX)
    return out


def arrows(ends: Array, x: float) -> Columns:
    """Arrows (m, 4) with their heads, in the panel at x."""
    x0, y0, x1, y1 = ends.T
    long = np.hypot(x1 - x0, y1 - y0)
    angle = np.arctan2(y1 - y0, x1 - x0) - math.pi / 2  # a triangle points upwards
    size = np.minimum(7.0, 22 * long)
    names = ("x0", "y0", "x1", "y1", "angle", "size")
    return dict(zip(names, (x0 + x, y0, x1 + x, y1, angle, size), strict=True))


def ways(frame: Frame) -> Columns:
    """The last of the paths in the plane, and all their heights against the time."""
    xs, ys = [], []
    for path in frame["paths"]:
        tail, high = inside(path[-TAIL:]), path[:, 1]
        xs += [tail[:, 0] - SIDE, when(frame["path_times"])]
        ys += [tail[:, 1], np.where(np.abs(high) > BOX, np.float32(np.nan), high)]
    return {"xs": xs, "ys": ys}


def inside(points: Array) -> Array:
    """Points (n, 2), those outside of the panel as nan, which is not drawn."""
    outside = np.abs(points).max(axis=1, keepdims=True) > BOX
    return np.where(outside, np.float32(np.nan), points)


def clouds(frame: Frame) -> Columns:
    """The walkers of both panels."""
    if frame["act"] == "scores":
        x, y = frame["left_dots"].T
        return {"x": x, "y": y}
    pairs = ((frame["left_dots"], -SIDE), (frame["right_dots"], SIDE))
    x, y = np.concatenate([inside(cloud) + np.array([shift, 0.0]) for cloud, shift in pairs]).T
    return {"x": x, "y": y}
