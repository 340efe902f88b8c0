"""The film of a cloud: points over the exact density of their time, and the level of the noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.figures._film import LEAST, Moving, Pixels, noise_axis

SHADE = LinearSegmentedColormap.from_list("exact", ["white", "#f3b58c"])
FOLLOWED, TRAIL = 8, 8  # points whose paths are drawn, and over how many moments


class Moment(NamedTuple):
    """Points x (n, 2) at the time t, the noise σ/α, the scale √(α² + σ²), and the exact density on
    a square of `reach` scales about 0, its largest value 1."""

    t: float
    x: Array
    level: float
    scale: float
    density: Array


@dataclass(frozen=True, eq=False)
class Story:
    """What the film of a cloud shows, by step; `curve` is (t, σ/α) over all times."""

    message: str
    words: str
    proof: str
    reach: float
    curve: Array
    moments: Mapping[int, Moment]


class Cloud(Moving):
    """Draws the frame at a step: in units of √(α² + σ²), in which the law keeps its spread."""

    def __init__(self, story: Story, size: tuple[int, int]):
        self.story, self.order = story, sorted(story.moments)
        self.forward = story.moments[self.order[0]].t < story.moments[self.order[-1]].t
        self.colour = style.DATA if self.forward else style.WALKERS
        with style.style():
            super().__init__(size)
            style.message(self.figure, story.message)
            left, right = self.panels()
            self.clock, self.proof = self.words(story.words, self.colour)
            self._plane(left)
            self._level(right)
            self.settle([self.shade, self.points, *self.trails, self.heads, self.clock, self.head,
                         self.proof])  # fmt: skip

    def _plane(self, axes: Axes) -> None:
        r = self.story.reach
        axes.set(xlim=(-r, r), ylim=(-r, r), xticks=[], yticks=[])
        axes.grid(False)
        axes.spines[:].set_visible(False)
        first = self.story.moments[self.order[0]]
        self.shade = axes.imshow(
            first.density, extent=(-r, r, -r, r), origin="lower", cmap=SHADE, vmin=0, vmax=1,
            interpolation="bilinear",
        )  # fmt: skip
        self.points = axes.plot([], [], ".", color=self.colour, ms=5, alpha=0.6, mew=0)[0]
        many = min(FOLLOWED, len(first.x))
        self.trails = axes.plot(np.zeros((1, many)), np.zeros((1, many)), color=style.INK, lw=1.2)
        self.heads = axes.plot([], [], "o", color=style.INK, ms=6, mec="white")[0]

    def _level(self, axes: Axes) -> None:
        noise_axis(axes)
        axes.plot(*self.story.curve, color=style.EXACT)
        axes.set_xlim((0, 1) if self.forward else (1, 0))
        self.head = axes.plot([], [], "o", ms=13, mec="white", color=style.EXACT, clip_on=False)[0]

    def __call__(self, step: int) -> Pixels:
        k = min(int(np.searchsorted(self.order, step)), len(self.order) - 1)
        now = self.story.moments[self.order[k]]
        self.shade.set_data(now.density)
        self.points.set_data(*(now.x / now.scale).T)
        self.heads.set_data(*(now.x[:FOLLOWED] / now.scale).T)
        recent = [self.story.moments[i] for i in self.order[max(0, k - TRAIL) : k + 1]]
        paths = np.array([m.x[:FOLLOWED] / m.scale for m in recent])  # (moments, followed, 2)
        for trail, path in zip(self.trails, np.moveaxis(paths, 1, 0), strict=True):
            trail.set_data(*path.T)
        self.head.set_data([now.t], [max(now.level, LEAST)])
        self.clock.set_text(f"t = {now.t:.3f}\nσ/α = {now.level:.3g}")
        self.proof.set_text(self.story.proof if k == len(self.order) - 1 else "")
        return self.pixels()
