"""One loop for every sampler, and the forward process. Nothing is stored; `watch` sees a step."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from toyflows import display
from toyflows.cloud import Array, finite_or_refused
from toyflows.diffusion.methods.base import Method, Model, Normals, Score, noise
from toyflows.diffusion.processes import Process
from toyflows.errors import InputError
from toyflows.pictures import sheet

Watch = Callable[[int, float, Array], object]  # number of the time, the time, the points there


@dataclass(frozen=True)
class Sampled:
    """The points x (n, …) at the last time, and how often the score was evaluated."""

    x: Array
    evaluations: int
    __repr__ = display.short

    def _repr_html_(self) -> str:
        """Points of the plane as a drawing, images in a row."""
        told = display.words(f"{len(self.x)} samples, {self.evaluations} evaluations of the score")
        if self.x.ndim == 3:
            drawn = display.gallery({"": sheet([self.x[:16].astype(np.float32)])})
        elif self.x.shape[1:] == (2,):
            drawn = display.gallery({"": display.density(self.x, 150)})
        else:
            drawn = ""
        return display.page(told, drawn)


def run(
    method: Method, score: Score, process: Process, x: Array, times: ArrayLike, rng: Normals,
    watch: Watch | None = None,
) -> Sampled:  # fmt: skip
    """The points x (n, …) of the law at times[0], moved down the grid `times`.

    `watch(k, t, x)` sees the points at times[k], the start and the end included. Raises InputError
    unless the times fall, from ≤ 1 to ≥ 0, and where the points leave the finite numbers.
    """
    grid = _grid(times, falling=True)
    model = Model(score, process, grid[-1])
    setting = _setting(method, process, len(grid) - 1)
    if watch:
        watch(0, grid[0], x)
    for k, (t, s) in enumerate(itertools.pairwise(grid), 1):
        with finite_or_refused(*setting, f"after step {k} of {len(grid) - 1}") as judge:
            x = judge(method.step(model, x, t, s, rng))
        if watch:
            watch(k, s, x)
    return Sampled(x, model.evaluations)


def _setting(method: Method, process: Process, steps: int) -> tuple[str, object]:
    """The setting that an error names when a sampler fails: the options that were chosen, else
    the number of steps."""
    told = [
        f"{f.name}={value}"
        for owner in (method, process)
        if dataclasses.is_dataclass(owner)
        for f in dataclasses.fields(owner)  # type: ignore[arg-type]
        if isinstance(value := getattr(owner, f.name), int | float) and value != f.default
    ]
    return ("p", " ".join(told)) if told else ("steps", steps)


def forward(
    process: Process, x: Array, times: ArrayLike, rng: Normals, watch: Watch | None = None
) -> Array:
    """The points x moved up the grid by Euler–Maruyama of dX = f X dt + g dW: the noising itself.

    A law at one time needs no path: it is α(t) x + σ(t) z.
    """
    grid = _grid(times, falling=False)
    if watch:
        watch(0, grid[0], x)
    for k, (s, t) in enumerate(itertools.pairwise(grid), 1):
        drift, spread = float(process.f(s)), math.sqrt((t - s) * float(process.g2(s)))
        x = x + (t - s) * drift * x + spread * noise(rng, x)
        if watch:
            watch(k, t, x)
    return x


def _grid(times: ArrayLike, falling: bool) -> list[float]:
    """The times as numbers, checked."""
    grid = np.asarray(times, float)
    if grid.ndim != 1 or grid.size < 2:
        raise InputError("times", grid.size, "must be two times or more")
    rising = -np.diff(grid) if falling else np.diff(grid)
    if not (np.all(rising > 0) and grid.min() >= 0 and grid.max() <= 1):
        word = "fall from ≤ 1 to ≥ 0" if falling else "rise from ≥ 0 to ≤ 1"
        raise InputError("times", f"{grid[0]:g} … {grid[-1]:g}", f"must {word} without a repeat")
    return grid.tolist()
