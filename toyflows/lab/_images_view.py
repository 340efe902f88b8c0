"""The images room on the page: chains, or the sheet that is drawn on."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.layouts import column
from bokeh.models import BoxAnnotation, ColumnDataSource, FixedTicker

from toyflows.lab._images_chains import ACROSS, CHAINS, SURE
from toyflows.lab._images_judge import percent
from toyflows.lab._images_judge_view import JudgeView
from toyflows.lab._images_parts import Picture, note, put, set_axis
from toyflows.lab._look import Look, beside
from toyflows.lab._room import Change, Frame

RIGHT = 430  # pixels of the right half
START = 0.5  # where step 0 stands on an axis of logarithms


class ImagesView:
    """One of the two acts is visible."""

    def __init__(self, look: Look, change: Change):
        chains, judge = ChainsView(look), JudgeView(look, change)
        self.acts: dict[str, Any] = {"chains": chains, "judge": judge}
        self.heading = look.heading()
        self.act = column(chains.layout, sizing_mode="stretch_both")
        self.layout = column(self.heading.div, self.act, sizing_mode="stretch_both")

    def show(self, frame: Frame) -> None:
        """Draws the act of the frame, and takes the other away."""
        act = self.acts[frame["act"]]
        put(self.act, act.layout)
        self.heading.say(frame["message"])
        act.show(frame)


class ChainsView:
    """Left the images; right their energies, or the guesses of a diffusion above their sureness."""

    def __init__(self, look: Look):
        self.look = look
        self.left = Picture(look, ACROSS)
        self.note, read = note(look, self.left.p), note(look, self.left.p)
        says = f"letters: what a classifier reads; green where it is {percent(SURE)} sure"
        read.text = look.fold(says)
        self.right = Picture(look, ACROSS)
        self.right.p.title.text = "their guesses E[x₀ | xₜ]"
        self.letters = ColumnDataSource({"x": [], "y": [], "text": [], "colour": []})
        for p in (self.left.p, self.right.p):
            p.text("x", "y", "text", text_color="colour", source=self.letters,
                   text_font_style="bold", text_font_size=f"{look.type + 2}px",
                   background_fill_color=look.paper, background_fill_alpha=0.75)  # fmt: skip
        self.energy, self.far = self._energy(), self._far()
        self.beside = column(self.energy, width=RIGHT, sizing_mode="stretch_height")
        self.layout = beside(self.left.p, self.beside)

    def show(self, frame: Frame) -> None:
        """Energies or a diffusion."""
        energy = frame["kind"] == "energy"
        put(self.beside, *([self.energy] if energy else [self.right.p, self.far]))
        self.left.show(frame["sheet"])
        self.note.text = self.look.fold(frame["note"])
        self._show_letters(frame)
        (self._show_energy if energy else self._show_diffusion)(frame)

    def _show_letters(self, frame: Frame) -> None:
        place = np.arange(CHAINS)
        colours = [self.look.walkers if q >= SURE else self.look.grey for q in frame["sure"]]
        self.letters.data = {
            "x": place % ACROSS + 0.03, "y": ACROSS - place // ACROSS - 0.97,
            "text": list(frame["read"]) if frame["named"] else [""] * CHAINS, "colour": colours,
        }  # fmt: skip

    # ---- energies

    def _energy(self) -> Any:
        look = self.look
        p = look.figure("…", x_axis_type="log", x_range=(START * 0.8, 640),
                        y_range=(0, 1))  # fmt: skip
        p.xaxis.ticker = FixedTicker(ticks=[START, 1, 4, 16, 64, 256])
        p.xaxis.major_label_overrides = {START: "0"}
        p.yaxis.ticker = FixedTicker(ticks=[])
        p.xaxis.axis_label = "step"
        self.band = BoxAnnotation(fill_color=look.data, fill_alpha=0.3, line_color=None)
        p.add_layout(self.band)
        self.each = ColumnDataSource({"x": [], "y": []})
        p.line("x", "y", source=self.each, color=look.walkers, line_width=1.5, line_alpha=0.6)
        self.now = ColumnDataSource({"x": [], "y": []})
        p.scatter("x", "y", source=self.now, color=look.walkers, size=9)
        self.band_word = look.word(p, "", look.data, START, 0, x_units="data", y_units="data",
                                   y_offset=3, x_offset=2)  # fmt: skip
        return p

    def _show_energy(self, frame: Frame) -> None:
        p, y = self.energy, frame["places"]
        x = np.maximum(frame["marks"], START)
        gap = np.full((1, CHAINS), np.nan)
        self.each.data = {
            "x": np.tile(np.append(x, np.nan), CHAINS),
            "y": np.concatenate([y, gap]).T.ravel(),
        }
        self.now.data = {"x": np.full(CHAINS, x[-1]), "y": y[-1]}
        set_axis(p.y_range, p.yaxis, frame)
        self.band.bottom, self.band.top = frame["band"]
        self.band_word.text, self.band_word.y = "90 % of test letters", frame["band"][1]
        mean = f"{frame['energy']:.3g}".replace("-", "−")
        p.title.text = f"{frame['of']}, mean of {CHAINS}: {mean}"

    # ---- a diffusion

    def _far(self) -> Any:
        look = self.look
        p = look.figure("…", x_range=(1, 0), y_range=(0, 0.8), height=190,
                        sizing_mode="stretch_width")  # fmt: skip
        p.xaxis.axis_label = "t"
        p.yaxis.ticker = FixedTicker(ticks=[0, 0.5])
        self.far_band = BoxAnnotation(fill_color=look.data, fill_alpha=0.3, line_color=None)
        p.add_layout(self.far_band)
        look.word(p, "90 % of test letters", look.data, 0.99, 0.78, x_units="data", y_units="data",
                  text_baseline="top")  # fmt: skip
        self.paths = ColumnDataSource({"x": [], "y": []})
        p.line("x", "y", source=self.paths, color=look.walkers, line_width=1.5, line_alpha=0.6)
        return p

    def _show_diffusion(self, frame: Frame) -> None:
        self.right.show(frame["guesses"])
        gap = np.full((1, CHAINS), np.nan)
        self.paths.data = {
            "x": np.tile(np.append(frame["times"], np.nan), CHAINS),
            "y": np.concatenate([frame["far"], gap]).T.ravel(),
        }
        self.far_band.bottom, self.far_band.top = frame["band"]
        self.far.title.text = frame["of"]
