"""The film of images out of noise: the images, and beside them their energies or their noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist

from toyflows import pictures
from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.figures._film import LEAST, Moving, Pixels, noise_axis, square
from toyflows.pictures import Levels, pixels

LINEAR = 0.1  # energies up to here are on a linear scale, larger ones on a logarithmic


class Moment(NamedTuple):
    """Images (n, size, size) at a step or time, and their energies (n,), or σ/α (1,)."""

    at: float
    images: Levels
    values: Array


@dataclass(frozen=True, eq=False)
class Story:
    """What a film of images shows, by step; `energy` says what the values are."""

    message: str
    words: str
    energy: bool
    moments: Mapping[int, Moment]


class Images(Moving):
    """Draws the frame at a step: dark ink on white, each pixel of an image a square of pixels."""

    def __init__(self, story: Story, size: tuple[int, int]):
        self.story, self.order = story, sorted(story.moments)
        with style.style():
            super().__init__(size)
            style.message(self.figure, story.message)
            left, right = self.panels()
            left.set_axis_off()
            self.axes = right
            self.clock, _ = self.words(story.words, style.WALKERS)
            self.settle([self.clock, *self._values()])

    def _values(self) -> list[Artist]:
        """A line for each image's energy, the mean of all thick; or a line for the noise."""
        moments = [self.story.moments[k] for k in self.order]
        self.at = np.array([m.at for m in moments])
        self.values = np.array([m.values for m in moments])  # (moments, n)
        if not self.story.energy:
            self.values = np.maximum(self.values, LEAST)
        axes, energy = self.axes, self.story.energy
        thin: dict[str, Any] = {"color": style.WALKERS, "lw": 1, "alpha": 0.45}
        thick: dict[str, Any] = {"color": style.WALKERS if energy else style.EXACT, "lw": 4}
        self.lines = axes.plot(self.at[:1], self.values[:1], **thin) if energy else []
        self.mean = axes.plot([], [], **thick)[0]
        self.head = axes.plot([], [], "o", ms=11, mec="white", clip_on=False, **thick)[0]
        if energy:
            axes.set(xlabel="step", xlim=(self.at[0], self.at[-1]))
            axes.set_yscale("symlog", linthresh=LINEAR)
            axes.set_ylim(self.values.min() - LINEAR / 3, 1.5 * self.values.max() + LINEAR / 3)
            axes.yaxis.set_major_formatter(lambda E, _: style.number(E, "g"))
            axes.set_title("energy of each image", fontsize=15)
        else:
            noise_axis(axes)
            axes.set_xlim(1, 0)
        return [*self.lines, self.mean, self.head]

    def __call__(self, step: int) -> Pixels:
        k = min(int(np.searchsorted(self.order, step)), len(self.order) - 1)
        at, images, values = self.story.moments[self.order[k]]
        for line, E in zip(self.lines, self.values.T, strict=False):
            line.set_data(self.at[: k + 1], E[: k + 1])
        mean = self.values.mean(axis=1)
        self.mean.set_data(self.at[: k + 1], mean[: k + 1])
        self.head.set_data([at], [mean[k]])
        if self.story.energy:
            self.clock.set_text(f"step {at:.0f}\nmean energy {style.number(mean[k], '.3f')}")
        else:
            self.clock.set_text(f"t = {at:.3f}\nσ/α = {float(values[0]):.3g}")
        frame = self.pixels()
        paste(frame, sheet(images), self.size)
        return frame


def sheet(images: Levels) -> Levels:
    """The images in rows of equal length, dark ink on white."""
    across = math.ceil(math.sqrt(len(images)))
    rows = [pixels(images[k : k + across]) for k in range(0, len(images), across)]
    return 255 - pictures.sheet(rows)


def paste(frame: Pixels, picture: Levels, size: tuple[int, int]) -> None:
    """The picture into the square of the panels, as large as whole multiples of a pixel allow."""
    left, bottom, side = square(size)
    scale = int(side // max(picture.shape))
    large = picture.repeat(scale, 0).repeat(scale, 1)
    height, width = large.shape
    row = round(size[1] - bottom - side + (side - height) / 2)
    column = round(left + (side - width) / 2)
    frame[row : row + height, column : column + width] = large[..., None]
