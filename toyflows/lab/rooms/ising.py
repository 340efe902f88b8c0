"""The Ising lattice live, beside what Onsager and Kaufman know of it.

A step is a sweep, of ising_chain.run's: the numbers are those of the library, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from toyflows.lab._controls import Choice, Control, Slider, Values, seed
from toyflows.lab._explain import Mark
from toyflows.lab._job import Job
from toyflows.lab._lattice_track import MOST, STARTS, first, track
from toyflows.lab._look import Look
from toyflows.lab._room import Change, Frame, Room
from toyflows.lattice import ising_exact
from toyflows.lattice.ising import SAMPLERS, Ising, Spins
from toyflows.lattice.ising_exact import T_c
from toyflows.lattice.ising_observables import formulas, powers
from toyflows.lattice.series import Estimate, estimate
from toyflows.pages.mathml import mathml

__all__ = ["IsingRoom", "first"]  # `first` also for copied Python lines

SIDES = ("16", "32", "64", "128", "256", "512")
SHOWN = 256  # pixels a side, at most
POINTS = 800  # of a line
FEWEST = 20  # sweeps behind an error bar
NEAR = 0.015  # of T_c, as a share of it
SCALED = 0.25  # |T/T_c − 1| L below which the law at T_c holds on a finite lattice
AT_T_C = 1.009  # ⟨|m|⟩ L^{1/8} at T_c on a torus (measured: tests/test_lab_lessons.py)


class Scene:
    """The lattice, and what was measured on its way."""

    def __init__(self, values: Values, job: Job):
        self.values, self.step = values, 0
        self.model = Ising(int(values["L"]), values["T"], values["h"])
        self.track = track(
            self.model, values["sampler"], values["start"], values["seed"], values["burn"]
        )
        self.place = self.track.near(0)

    def advance(self, steps: int, job: Job) -> None:
        self.place = self.track.on(self.place, self.step + steps, job.check)
        self.step += steps

    def frame(self) -> Frame:
        model, step = self.model, self.step
        shown = np.unique(np.append(np.arange(0, step + 1, -(-(step + 1) // POINTS)), step))
        M, bonds = self.track.path[shown].T
        x = powers(model, M.astype(float), -bonds - model.h * M)
        found = self._measured()
        m, e = found if found else (Estimate(float(x[0, -1]), 0.0, 0.0),
                                    Estimate(float(x[3, -1]), 0.0, 0.0))  # fmt: skip
        free = model.h == 0
        scaled = free and abs(model.T / T_c - 1) * model.L < SCALED
        return {
            "spins": pixels(self.place.spins),
            "sweeps": shown.astype(np.float32),
            "m": x[0].astype(np.float32), "e": x[3].astype(np.float32),
            "m_now": float(x[0, -1]), "e_now": float(x[3, -1]), "T": model.T, "burn":
            self.values["burn"], "m_mean": m.value, "m_error": m.believed or 0.0, "m_tau": m.τ,
            "e_mean": e.value, "e_error": e.believed or 0.0, "e_tau": e.τ,
            "measured": int(bool(found)), "free": int(free),
            "L": model.L, "finite": finite(model.L) if scaled else 0.0,
            "m_exact": ising_exact.onsager_magnetisation(model.T) if free else 0.0,
            "e_exact": ising_exact.torus(model.L, model.T)[0] if free else 0.0,
            "message": _message(model, float(M[-1]) / model.N),
            "note": self._note(found),
        }  # fmt: skip

    def _measured(self) -> tuple[Estimate, Estimate] | None:
        """⟨|m|⟩ and ⟨e⟩ over the sweeps after the burn-in; None while they are few."""
        if self.step - self.values["burn"] < FEWEST:
            return None
        record = self.track.record(self.step, self.place.spins)
        x = powers(self.model, record.M.astype(float), record.E)
        f = formulas(self.model)
        return estimate(f["magnetisation"], x), estimate(f["energy"], x)

    def _note(self, found: tuple[Estimate, Estimate] | None) -> str:
        n = self.step - self.values["burn"]
        if found is None:
            wait = self.values["burn"] + FEWEST - self.step
            return f"nothing measured yet: {wait} sweeps to go"
        independent = n / max(2 * max(found[0].τ, found[1].τ), 1.0)
        doubt = found[0].doubt or found[1].doubt
        if doubt:
            return f"sweeps: {doubt}"
        return f"{n} sweeps measured, worth {independent:.0f} independent ones"


def pixels(s: Spins) -> np.ndarray:
    """How many of four spins are up, 0 … 4; of a lattice that is not too large, 0 or 4."""
    up = (s > 0).astype(np.uint8)
    if len(s) <= SHOWN:
        return 4 * up
    half = len(s) // 2
    found: np.ndarray = up.reshape(half, 2, half, 2).sum(axis=(1, 3), dtype=np.uint8)
    return found


def _message(model: Ising, m: float) -> str:
    """What is seen, in a sentence."""
    size = f"{abs(m):.2f}"
    if model.h:
        if m * model.h < 0:
            return f"Against the field still: m = {_signed(m)}, the cold holds it"
        return f"The field has its way: m = {_signed(m)}"
    much = 1.4 * finite(model.L)  # more than chance leaves on this lattice from T_c on
    if abs(model.T / T_c - 1) < NEAR:
        if abs(m) > min(much, 0.95):
            return f"At T_c, but ordered still, as it began: |m| = {size}"
        return f"At T_c: patches of every size, |m| = {size}"
    if T_c < model.T:
        if abs(m) > min(much, 0.95):
            return f"Above T_c, but one side leads still: |m| = {size}"
        return f"Above T_c: no side wins, |m| = {size}"
    if abs(m) < 0.8 * ising_exact.onsager_magnetisation(model.T):
        return f"Below T_c, but two phases share the lattice: |m| = {size}"
    return f"Below T_c: magnetised, |m| = {size}"


def finite(L: int) -> float:
    """⟨|m|⟩ at T_c on an L × L torus."""
    return AT_T_C * L**-0.125


def _signed(m: float) -> str:
    return f"{m:.2f}".replace("-", "−")


MARKS = (
    Mark("data", "spins up", "Blue is up, pale is down. Of a large lattice, shades are means of "
         "four spins."),
    Mark("walkers", "this lattice", "What is measured on these spins, with its error."),
    Mark("exact", "exact", "Onsager’s |m| of the infinite lattice, and the energy of this very "
         "lattice by Kaufman."),
    Mark("accent", "finite lattice at T_c", "What |m| is on a lattice of this size at T_c: "
         f"{AT_T_C} L^(−1/8). Only the infinite lattice has 0."),
)  # fmt: skip


class IsingRoom(Room):
    """Spins that follow their neighbours, at a temperature."""

    name, title, order = "ising", "Ising", 6
    steps, most, usual = 50, MOST, 500
    about = "Spins that follow their neighbours, at a temperature"
    tall = 1050
    speeds, speed = (1, 2, 5, 10, 25, 100), 2

    def controls(self, given: Mapping[str, str]) -> tuple[Control, ...]:
        wolff = given.get("sampler") == "wolff"
        return (
            Slider(name="T", label=f"temperature T  (T_c = {T_c:.3f})", default=2.0, low=0.5,
                   high=5.0, step=0.01, group="model"),
            *(() if wolff else (Slider(name="h", label="field h", default=0.0, low=-1.0, high=1.0,
                                       step=0.01, group="model"),)),
            Choice(name="L", label="spins a side", default="128", of=SIDES, group="model"),
            Choice(name="sampler", label="sampler", default="metropolis", of=SAMPLERS,
                   group="chain"),
            Choice(name="start", label="start", default="hot", of=STARTS, group="chain",
                   words={"cold": "all spins up", "hot": "coins", "half": "half up, half down"}),
            Slider(name="burn", label="sweeps before measuring", default=100, low=0, high=5000,
                   step=50, integer=True, group="chain"),
            seed("chain"),
        )  # fmt: skip

    def equation(self, values: Values) -> str:
        field = " − h Σ_i s_i" if values.get("h") else ""
        return mathml(f"E(s) = − Σ_{{i~j}} s_i s_j{field},   p(s) ∝ e^{{−E(s)/T}}")

    def marks(self, values: Values) -> tuple[Mark, ...]:
        return MARKS

    def unit(self, values: Values) -> tuple[str, float]:
        return "sweeps", 1.0

    def start(self, values: Values, job: Job) -> Scene:
        return Scene(_whole(values), job)

    def view(self, look: Look, change: Change) -> Any:
        from toyflows.lab._ising_view import View

        return View(look)

    def command(self, values: Values, step: int) -> str | None:
        v = _whole(values)
        sweeps = step - v["burn"]
        if v["start"] != "cold" or sweeps < 10:  # fewer the command refuses
            return None
        field = f" --field {v['h']!r}" if v["h"] else ""
        return (f"toyflows ising --size {v['L']} --temperature {v['T']!r} --sampler {v['sampler']} "
                f"--sweeps {sweeps} --burn {v['burn']}{field} --seed {v['seed']}")  # fmt: skip

    def python(self, values: Values, step: int) -> str:
        v = _whole(values)
        head = f"""from toyflows.lab.rooms.ising import first
from toyflows.lattice.ising import Ising
from toyflows.lattice.ising_chain import run
from toyflows.lattice.ising_observables import estimates

model = Ising({v["L"]}, {v["T"]!r}, {v["h"]!r})
s = first({v["start"]!r}, model.L, seed={v["seed"]})
"""
        burn = v["burn"] if step > v["burn"] else 0
        if step == 0:
            return head + "print(s.sum() / model.N, model.energy(s) / model.N)"
        if v["sampler"] == "wolff" and step <= v["burn"]:
            return head + _burning.format(step=step, seed=v["seed"])
        run = f"""record = run(model, {v["sampler"]!r}, {step - burn}, {burn}, {v["seed"]}, start=s)
print(record.M[-1] / model.N, record.E[-1] / model.N)"""
        measured = "\nprint(estimates(record))" if step - v["burn"] >= FEWEST else ""
        return head + run + measured


_burning = """
import math
from toyflows.kernels.ising import clusters_until
from toyflows.lattice.ising_chain import units

apart = math.exp(-2 * model.β)
done = 0
for sweep in range({step}):
    done += clusters_until(s, model.N, {seed}, done, units(1 - apart, apart)[0])
print(s.sum() / model.N, model.energy(s) / model.N)"""


def _whole(values: Values) -> dict[str, Any]:
    """Wolff's clusters know no field."""
    return {"h": 0.0, **values}
