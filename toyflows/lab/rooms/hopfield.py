"""Hopfield's network recalls a damaged pattern, one unit at a time.

The dynamics and the words are `_recall`'s, what is stored and started from is `_memories`'.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from toyflows.cloud import Array
from toyflows.lab import _memories as memories
from toyflows.lab._controls import Choice, Control, Drawn, Slider, Values, seed
from toyflows.lab._explain import Mark
from toyflows.lab._job import Job
from toyflows.lab._look import Look
from toyflows.lab._memories import BEGIN, CAPITALS, COINS, DRAWN, SETS, SIDES, drawn, printed
from toyflows.lab._recall import Recall, after, described
from toyflows.lab._room import Change, Frame, Room
from toyflows.lattice.hopfield import UPDATES, Hopfield, overlaps
from toyflows.lattice.patterns import Patterns
from toyflows.pages.mathml import mathml

__all__ = ["HopfieldRoom", "after", "drawn", "printed"]  # the last three for copied Python lines

POINTS = 800  # of the energy's line
OFF, ON, WRONG_OFF, WRONG_ON, UNKNOWN = range(5)  # a unit's colour


class Scene:
    """A state that falls into the nearest memory."""

    def __init__(self, values: Values, job: Job):
        self.values = values
        self.stored, self.net, s, T = setting(values, job)
        self.begun = s
        self.path = Recall(self.net, s, values["order"], values["seed"], T)
        self.step = 0

    def advance(self, steps: int, job: Job) -> None:
        self.path.advance(steps, job.check)
        self.step = self.path.step

    def frame(self) -> Frame:
        stored, s, E = self.stored, self.path.state, self.path.energies
        shown = np.unique(np.append(np.arange(0, len(E), -(-len(E) // POINTS)), len(E) - 1))
        m = overlaps(s, stored.x)
        near = int(np.argmax(np.abs(m))) if len(m) else -1
        height, width = stored.shape
        return {
            "message": described(self.path, stored.x, stored.names),
            "cells": _turned(self._colours(s, near).reshape(stored.shape), stored.text),
            "words": stored.draw(s) if stored.text else "",
            "pictures": (stored.x > 0).reshape(-1, height, width).astype(np.uint8),
            "names": np.array(stored.names, dtype=str), "overlaps": m, "nearest": near,
            "places": memories.MOST if self.values["patterns"] == "drawn" else len(m),
            "unit": self._place(), "steps": shown.astype(float), "energies": E[shown],
            "energy": float(E[-1]), "overlap": float(m[near]) if len(m) else 0.0,
            "memory_energy": float(self.net.energy(stored.x[near])) if len(m) else 0.0,
            "note": self._note(), "text": int(stored.text), "drawable": int(not stored.text),
            "stored": str(self.values.get("stored", "")),
        }  # fmt: skip

    def _colours(self, s: np.ndarray, near: int) -> np.ndarray:
        """The colour of each unit; wrong is against the nearest memory, or its inverse."""
        on = s > 0
        colours = np.where(on, ON, OFF)
        if near >= 0:
            x = self.stored.x[near]
            wrong = s != x * (1.0 if s @ x >= 0 else -1.0)
            colours = np.where(wrong, np.where(on, WRONG_ON, WRONG_OFF), colours)
        return np.where(s == 0, UNKNOWN, colours).astype(np.uint8)

    def _place(self) -> np.ndarray:
        """(column, row) of the unit that is next, as it is drawn; (0,) where there is none."""
        unit = self.path.unit
        if unit < 0:
            return np.zeros(0)
        row, column = divmod(unit, self.stored.shape[1])
        return np.array([row, column] if self.stored.text else [column, row], float)

    def _note(self) -> str:
        stored, net = self.stored, self.net
        p, N = stored.x.shape
        if not p:
            return "draw with the mouse; a tap on an empty frame stores what you drew"
        rest = int(np.sum((stored.x * net.activations(stored.x)).min(axis=1) >= 0))
        flipped = f"{memories.flips(self.values, N)} of {N} bits flipped"
        given = f"given {stored.draw(self.begun)}" if stored.text else flipped
        again = "" if self.values["patterns"] != "drawn" else " · two taps forget one"
        return f"{rest} of {p} memories at rest · {given}{again}"


def setting(values: Values, job: Job | None = None) -> tuple[Patterns, Hopfield, Array, float]:
    """What is stored, the network, its start, its temperature in the units of the weights.

    The room's unit of temperature is the mean pull ⟨x a⟩ of the memories on their own units.
    """
    stored = memories.memories(values)
    net = memories.learned(values["rule"], stored, job)
    pull = float(np.mean(stored.x * net.activations(stored.x))) if len(stored.x) else 0.0
    T = values["T"] * (pull if pull > 0 else 1.0)
    return stored, net, memories.start(values, stored), T


def _turned(cells: np.ndarray, text: bool) -> np.ndarray:
    """Text stands upright: a character is a column."""
    return cells.T if text else cells


MARKS = (
    Mark("data", "on, as in the memory", "A unit that is on, and right for the nearest memory."),
    Mark("exact", "wrong (pale: off)", "A unit that is on where the nearest memory is off. Pale: "
         "off, but should be on. A bar of this colour: an overlap below zero."),
    Mark("walkers", "next, overlap", "The frame: the unit that looks at its neighbours next. Bars "
         "and line: overlap with each memory, and the energy."),
    Mark("formula", "energy of the memory", "Where the energy ends if the memory is found."),
)  # fmt: skip


class HopfieldRoom(Room):
    """Draw a pattern, damage it, let it relax."""

    name, title, order = "hopfield", "Hopfield", 5
    about = "A damaged pattern falls into a memory"
    most = 10_000
    usual = 100
    tall = 1000
    speeds, speed = (1, 2, 5, 10, 25, 100), 1

    def controls(self, given: Mapping[str, str]) -> tuple[Control, ...]:
        which = given.get("patterns", SETS[0])
        which = which if which in SETS else SETS[0]
        first: tuple[Control, ...] = (
            Choice(name="patterns", label="patterns", default=SETS[0], of=SETS, group="memories"),
        )
        if which == "glyphs":
            first += (Slider(name="count", label="letters stored", default=4, low=1, high=26,
                             step=1, integer=True, group="memories"),)  # fmt: skip
        if which == "drawn":
            first += (
                Slider(name="side", label="pixels a side", default=8, low=SIDES[0], high=SIDES[1],
                       step=1, integer=True, group="memories"),
                Drawn(name="stored", label="the memories", default="", longest=300,
                      group="memories"),
            )  # fmt: skip
        return (
            *first,
            Choice(name="rule", label="rule", default="hebb", of=("hebb", "gradient"),
                   group="memories"),
            *self._beginning(which),
            Choice(name="order", label="order of updates", default=UPDATES[0], of=UPDATES,
                   group="dynamics"),
            Slider(name="T", label="temperature T", default=0.0, low=0.0, high=2.0, step=0.02,
                   group="dynamics"),
            seed("dynamics"),
        )  # fmt: skip

    def _beginning(self, which: str) -> tuple[Control, ...]:
        """Where it starts: named for each set, so that another set does not find a wrong name."""
        names = {"glyphs": tuple(CAPITALS), "drawn": tuple("123456")}.get(which)
        names = names or memories.memories({"patterns": which}).names
        of = (*names, *(() if which == "cities" else (DRAWN,)), COINS)
        out: tuple[Control, ...] = (
            Choice(name=BEGIN[which], label="start from", of=of, group="start",
                   default=DRAWN if which == "drawn" else names[0]),
        )  # fmt: skip
        if which == "cities":
            out += (Slider(name="unknown", label="last characters unknown", default=11, low=0,
                           high=18, step=1, integer=True, group="start"),)  # fmt: skip
        else:
            out += (Drawn(name="drawing", label="a picture", default="", longest=60,
                          accept=memories.PICTURES, group="start"),)  # fmt: skip
        flips = 0 if which in ("cities", "drawn") else 16
        return (*out, Slider(name="flips", label="bits flipped, %", default=flips, low=0, high=100,
                             step=1, integer=True, group="start"))  # fmt: skip

    def equation(self, values: Values) -> str:
        return mathml("E(s) = −½ Σ_i Σ_j W_{ij} s_i s_j,   s_i ← sgn Σ_j W_{ij} s_j")

    def marks(self, values: Values) -> tuple[Mark, ...]:
        return MARKS

    def unit(self, values: Values) -> tuple[str, float]:
        return "updates", 1.0

    def start(self, values: Values, job: Job) -> Scene:
        return Scene(values, job)

    def view(self, look: Look, change: Change) -> Any:
        from toyflows.lab._hopfield_view import View

        return View(look, change)

    def of_file(self, name: str, suffix: str, content: bytes) -> Mapping[str, Any]:
        drawing = memories.picture(content, name)
        return {"drawing": drawing, "flips": 0, **dict.fromkeys(BEGIN.values(), DRAWN)}

    def command(self, values: Values, step: int) -> str | None:
        which, begin = values["patterns"], values[BEGIN[values["patterns"]]]
        if which not in ("letters", "cities") or (which == "cities" and begin == COINS):
            return None
        stored, _, s, T = setting(values)
        words = begin
        if begin in (DRAWN, COINS) or stored.text:
            words = stored.draw(memories.begin(values, stored)).replace("\n", "/")
        sweeps = step if values["order"] == "synchronous" else math.ceil(step / s.size)
        return (
            f"toyflows hopfield {which} --rule {values['rule']} --start '{words}' "
            f"--flip {memories.flips(values, s.size)} --update {values['order']} "
            f"--temperature {T!r} --sweeps {max(1, sweeps)} --seed {values['seed']}"
        )

    def python(self, values: Values, step: int) -> str:
        stored, _, s, T = setting(values)
        which, seed, flips = values["patterns"], values["seed"], memories.flips(values, s.size)
        load = {
            "glyphs": "stored = printed({count})",
            "drawn": "stored = drawn({stored!r}, {side})",
        }
        rule = "hebb" if values["rule"] == "hebb" or not len(stored.x) else "gradient_rule"
        return f"""import numpy as np
from toyflows.lab.rooms.hopfield import after, drawn, printed
from toyflows.lattice import hopfield, patterns

{load.get(which, "stored = patterns.load([{patterns!r}])").format(**values)}
net = hopfield.{rule}(stored.x)
s = {_start_line(values, stored)}
s[np.random.default_rng({seed}).permutation(s.size)[:{flips}]] *= -1
s = after(net, s, {step}, {values["order"]!r}, seed={seed}, T={T!r})
print(float(net.energy(s)), hopfield.overlaps(s, stored.x).tolist())"""


def _start_line(values: Values, stored: Patterns) -> str:
    """The state before flips, in Python."""
    begin = values[BEGIN[values["patterns"]]]
    if begin == COINS:
        return (
            f"np.random.default_rng([{values['seed']}, 1]).choice([-1.0, 1.0], stored.x.shape[1])"
        )
    if begin == DRAWN and values["drawing"]:
        return f"drawn({values['drawing']!r}, {stored.shape[0]}).x[0]"
    if stored.text:
        return f"stored.start({stored.draw(memories.begin(values, stored))!r})"
    if begin in stored.names:
        return f"stored.start({begin!r})"
    known = values["patterns"] == "glyphs" and begin in CAPITALS
    return f"printed().start({begin!r})" if known else "-np.ones(stored.x.shape[1])"
