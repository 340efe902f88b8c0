"""The film of a run, the signature picture as it happens: θ(t) on every backend, and beside it
the densities of data and model and what the walkers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.figures._film import Moving, Pixels
from toyflows.figures._signature import FORMULA, LINES, _apart, _sentence, mode_names
from toyflows.mixture import Mixture
from toyflows.state import Trajectory
from toyflows.target import Target
from toyflows.verdict import MESSAGE

COLOURS = style.COLOUR | {"theory": FORMULA, "target": style.DATA}
GAP = 0.075  # between the names of two lines, in heights of the picture


@dataclass(frozen=True, eq=False)
class Told:
    """A run, as its film shows it: a record each `every` steps, the last of all in any case, and by
    step the heights of the walkers' histogram over `edges`, where the method has walkers."""

    title: str
    kind: str  # of the verdict
    says: str
    target: Target
    paths: Mapping[str, Trajectory]
    every: int
    edges: Array
    heights: Mapping[int, Array]

    def record(self, step: int) -> int:
        """The number of the record at that step."""
        return -(-step // self.every)

    @property
    def judged(self) -> str:
        """The backend whose θ is the model's: the exact law."""
        return "grid" if "grid" in self.paths else next(iter(self.paths))


class TwoModes(Moving):
    """Draws the frame at a step: of one method, or of two, one above the other."""

    def __init__(self, told: Sequence[Told], size: tuple[int, int]):
        with style.style():
            super().__init__(size)
            self.figure.set_layout_engine("constrained", w_pad=0.08)
            axes = self.figure.subplots(len(told), 2, squeeze=False, width_ratios=[1.7, 1])
            style.message(self.figure, _headline(told))
            self.rows = [
                Row(left, right, one, single=len(told) == 1)
                for (left, right), one in zip(axes, told, strict=True)
            ]
            self.settle([artist for row in self.rows for artist in row.moving])

    def __call__(self, step: int) -> Pixels:
        for row in self.rows:
            row.show(step)
        return self.pixels()


def _headline(told: Sequence[Told]) -> str:
    """The methods: a film has no verdict before its end."""
    first, *others = told
    if not others:
        return first.title
    return f"{first.title} against {others[0].title}"


class Row:
    """One method: its lines by backend, the model's density, the walkers' histogram."""

    def __init__(self, left: Axes, right: Axes, told: Told, single: bool):
        self.told, self.left, self.single = told, left, single
        self.moving: list[Artist] = []
        self._paths(left)
        self._densities(right)

    def _paths(self, axes: Axes) -> None:
        told = self.told
        ends = [tr.t[-1] for tr in told.paths.values()]
        θ = np.concatenate([tr.θ for tr in told.paths.values()] + [[told.target.θ_star]])
        room = 0.06 * max(float(np.ptp(θ)), 1e-3)
        axes.set(xlim=(0, max(ends)), ylim=(θ.min() - room, θ.max() + room))
        if self.single:
            axes.set_title(r"$\theta(t)$")
            axes.set_xlabel("time $t$")
        else:
            self.heading = axes.set_title(told.title, fontsize=15)
            self.moving.append(self.heading)
            axes.set_ylabel(r"$\theta(t)$")
        axes.axhline(told.target.θ_star, color=style.DATA, lw=2, zorder=1)
        self.lines = {name: axes.plot([], [], **LINES[name])[0] for name in _drawn(told)}
        self.head = axes.plot([], [], "o", ms=10, mec="white", clip_on=False)[0]
        self.head.set_in_layout(False)  # it is nowhere yet
        self.names = {
            name: axes.annotate(
                _named(name, -888.888), (max(ends), told.target.θ_star), xytext=(8, 0),
                textcoords="offset points", va="center", color=COLOURS[name], fontweight="bold",
                annotation_clip=False, fontsize=14,
            )
            for name in (*self.lines, "target")
        }  # fmt: skip
        self.verdict = axes.annotate(
            _sentence(told.says) if self.single else "", (0, 0), xycoords="axes fraction",
            xytext=(0, -50), textcoords="offset points", color=style.INK, va="top",
        )  # fmt: skip
        self.moving += [*self.lines.values(), self.head, *self.names.values(), self.verdict]

    def _densities(self, axes: Axes) -> None:
        told, mix = self.told, self.told.target.mixture
        self.x = np.linspace(told.edges[0], told.edges[-1], 1001)
        data = mix.density(self.x, told.target.θ_star)
        axes.fill_between(self.x, data, color=style.DATA, alpha=0.25, lw=0)
        axes.set(xlabel="$x$" if self.single else "", xlim=(self.x[0], self.x[-1]), yticks=[])
        axes.set_xticks([mix.a, mix.b], mode_names(mix))
        axes.set_ylim(0, (1.4 if self.single else 1.75) * _highest(mix, told))
        axes.spines["left"].set_visible(False)
        axes.grid(False)
        self.model = axes.plot(self.x, data, color=style.EXACT)[0]
        self.clock = axes.set_title("densities at t = 0")
        line = 0.07 if self.single else 0.13
        self.data, self.share, self.many = (
            axes.text(0.02, 0.99 - line * k, "", color=colour, transform=axes.transAxes, va="top",
                      fontweight="bold", fontsize=14)
            for k, colour in enumerate((style.DATA, style.EXACT, style.WALKERS))
        )  # fmt: skip
        self.data.set_text(f"data: {told.target.q_star:.3f} in b")
        self.moving += [self.model, self.clock, self.share, self.many]
        self.stairs = None
        if told.heights:
            empty = np.zeros(told.edges.size - 1)
            self.stairs = axes.stairs(empty, told.edges, color=style.WALKERS, lw=1.6)
            self.moving.append(self.stairs)

    def show(self, step: int) -> None:
        """Sets every artist to what the library had at that step."""
        told, k = self.told, self.told.record(step)
        now = {name: float(told.paths[name].θ[k]) for name in self.lines}
        for name, line in self.lines.items():
            line.set_data(told.paths[name].t[: k + 1], told.paths[name].θ[: k + 1])
        leads = "walkers" if "walkers" in now else told.judged
        t = float(told.paths[leads].t[k])
        self.head.set_data([t], [now[leads]])
        self.head.set_color(COLOURS[leads])
        self._name(now | {"target": told.target.θ_star})
        self._tell(ended=k == told.paths[leads].t.size - 1)
        self._show_densities(step, t, now[told.judged])

    def _tell(self, ended: bool) -> None:
        """The verdict, of a run at its end: below one method, above each of two."""
        self.verdict.set_visible(ended)
        if not self.single:
            title = self.told.title
            self.heading.set_text(MESSAGE[self.told.kind].format(title) if ended else title)

    def _name(self, now: Mapping[str, float]) -> None:
        """The names of the lines at the right edge, at the heights where the lines are."""
        low, high = self.left.get_ylim()
        gap = GAP * (1 if self.single else 2.1) * (high - low)
        heights = _apart(list(now.values()), gap, low, high)
        for name, y in zip(now, heights, strict=True):
            self.names[name].xy = (self.left.get_xlim()[1], y)
            self.names[name].set_text(_named(name, now[name]))

    def _show_densities(self, step: int, t: float, θ: float) -> None:
        told, mix = self.told, self.told.target.mixture
        self.clock.set_text(f"densities at t = {t:.4g}")
        self.model.set_ydata(mix.density(self.x, θ))
        self.share.set_text(f"model: {mix.weight_b(θ):.3f} in b")
        if self.stairs is not None:
            self.stairs.set_data(told.heights[step])
            share = told.paths["walkers"].mode_b[told.record(step)]
            self.many.set_text(f"walkers: {share:.3f} in b")


def _drawn(told: Told) -> list[str]:
    return [name for name in LINES if name in told.paths]


def _named(name: str, θ: float) -> str:
    said = "target θ⁎" if name == "target" else style.NAME[name]
    return f"{said} {style.number(θ, '+.2f')}"


def _highest(mix: Mixture, told: Told) -> float:
    """The highest peak of data and model over the run."""
    θ: Any = told.paths[told.judged].θ
    extremes = (told.target.θ_star, float(θ.min()), float(θ.max()))
    return max(float(mix.density(np.array([mix.a, mix.b]), value).max()) for value in extremes)
