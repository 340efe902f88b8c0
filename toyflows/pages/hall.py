"""The rooms beside the two modes: the network of Hopfield, the lattice of Ising, … on one shell.

`page(NAME)` is a whole document. Its engine is hall/NAME.js, its pictures are hall/NAME_view.js;
numbers and names come from here as JSON.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from html import escape
from typing import Any

from toyflows.pages import document, lessons
from toyflows.pages.live import WAY, function, random_numbers
from toyflows.pages.mathml import mathml

SHELL = ("model", "draw", "player", "room/widgets", "room/lesson")
LIMIT = 150_000  # bytes of a page


@dataclass(frozen=True)
class Control:
    """A setting as the page offers it: a range, a menu of values, or a seed."""

    name: str
    label: str
    value: Any
    kind: str = "range"
    least: float = 0
    most: float = 0
    step: float = 1
    values: tuple[Any, ...] = ()
    help: str = ""


@dataclass(frozen=True)
class Hall:
    """A room: equation, controls, what it is about, and numbers that it shares with Python."""

    name: str
    title: str
    equation: str
    about: str
    controls: tuple[Control, ...]
    engine: tuple[str, ...]
    constants: Callable[[], dict[str, Any]]


def page(name: str) -> str:
    """The whole document of the room."""
    hall = HALLS[name]
    engine = [document.text(f"{file}.js") for file in (*hall.engine, f"hall/{name}")]
    script = [document.text(f"{file}.js") for file in (*SHELL, f"hall/{name}_view", "hall/shell")]
    parts = {
        "TITLE": escape(hall.title),
        "WORKERS": document.WORKERS,
        "STYLE": document.text("page.css") + document.text("room/room.css"),
        "FORMULA": mathml(hall.equation),
        "ABOUT": re.sub(r"`(.*?)`", r"<code>\1</code>", escape(hall.about)),
        "LESSON": document.text("room/lesson.html"),
        "ROOMS": WAY,
        "ENGINE": function("const engine = constants => {", *engine, "};"),
        "WORKER": document.text("hall/worker.js"),
        "SCRIPT": function("(() => {", *script, "})();"),
        "DATA": document.json_text(constants(hall) | lessons.told(name, alone=False)),
    }  # fmt: skip
    text = document.filled("hall/shell.html", parts)
    assert len(text.encode()) <= LIMIT, f"the page {name} has grown too large"
    return text


def constants(hall: Hall) -> dict[str, Any]:
    """What the room's JavaScript takes from Python."""
    controls = [asdict(control) for control in hall.controls]
    return {"title": hall.title, "controls": controls, "random": random_numbers()} | (
        hall.constants()
    )


def _hopfield() -> dict[str, Any]:
    from toyflows.lattice.patterns import load

    found = load(["letters"])
    rows = found.x.astype(int).tolist()
    return {"patterns": {"names": found.names, "rows": rows, "width": found.shape[1]}}


SIZES = (16, 32, 64, 128)


def _ising() -> dict[str, Any]:
    from toyflows.lattice.ising_exact import T_c

    return {"T_c": T_c, "energies": energies()}


@functools.cache
def energies() -> dict[str, list[float]]:
    """The exact mean energy a spin of each lattice without a field, at T = 1, 1.01, … 5."""
    from toyflows.lattice.ising_exact import torus

    return {str(L): [round(torus(L, k / 100)[0], 9) for k in range(100, 501)] for L in SIZES}


LANGEVIN = 0.05  # the step of plain Langevin
ANNEALED = {"epsilon": 5e-4, "steps": 10}  # a step of 0.1 σ² at each noise σ, σ_L = 0.05


def _noise() -> dict[str, Any]:
    from toyflows.diffusion.processes import VE
    from toyflows.diffusion.targets import GAUSSIANS

    process = VE(sigma_min=0.05, sigma_max=20.0)
    laws = {
        name: {part: getattr(law, part).tolist() for part in ("weights", "means", "spreads")}
        for name, law in GAUSSIANS.items()
    }
    ends = {"sigma_min": process.sigma_min, "sigma_max": process.sigma_max}
    return {"targets": laws, "ve": ends, "h": LANGEVIN, "annealed": ANNEALED, "spread": 8.0}


def _long_view() -> dict[str, Any]:
    from toyflows.pages.live import constants as two_modes

    return two_modes()


SEED = Control("seed", "seed", 0, "seed")
HALLS = {
    hall.name: hall
    for hall in (
        Hall(
            "hopfield", "Hopfield’s network",
            "E(s) = −½ Σ_{ij} W_{ij} s_i s_j,   W = Σ_n x_n x_n^T,   s_i ← sgn(Σ_j W_{ij} s_j)",
            "Units are +1 (green) or −1. They are looked at one by one, in a new random order each "
            "sweep. At T = 0 no step raises E. The higher T is, the more often a unit goes against "
            "the others by chance.",
            (
                Control("letter", "letter", "D", "menu", values=("D", "J", "C", "M")),
                Control("flips", "units turned", 4, least=0, most=25),
                Control("stored", "letters stored", 4, "menu", values=(1, 2, 3, 4)),
                Control("T", "temperature T", 0.0, least=0, most=20, step=0.5),
                replace(SEED, value=1),  # the first thing that is seen is a letter found again
            ),
            ("room/random",), _hopfield,
        ),
        Hall(
            "ising", "The Ising model",
            "E(s) = −Σ_{ij} s_i s_j − h Σ_i s_i,   ρ(s) = e^{−E(s)/T}/Z",
            "Each sweep looks at all spins once, in the two colours of a checkerboard. The lattice "
            "is periodic. The same seed gives the same spins as `toyflows ising`.",
            (
                Control("T", "temperature T", 2.27, least=1, most=5, step=0.01),
                Control("h", "field h", 0.0, least=-1, most=1, step=0.05),
                Control("L", "size L", 64, "menu", values=SIZES),
                Control("begin", "begin", "disordered", "menu", values=("disordered", "ordered")),
                Control("sampler", "sampler", "heat-bath", "menu",
                        values=("heat-bath", "metropolis")),
                Control("sweeps", "sweeps", 300, "menu", values=(100, 300, 1000)),
                SEED,
            ),
            ("room/random",), _ising,
        ),
        Hall(
            "noise", "Noise and scores",
            "p_σ(x) = Σ_k w_k N(x; μ_k, s_k^2 + σ^2),   score = ∂_x log p_σ",
            "The score of a mixture is known exactly at each noise σ. Plain Langevin has one small "
            "σ. The others go from much noise to little, as t goes from 1 to 0.",
            (
                Control("target", "target", "song-ermon", "menu",
                        values=("song-ermon", "8-gaussians")),
                Control("sampler", "sampler", "annealed-langevin", "menu",
                        values=("langevin", "annealed-langevin", "euler-maruyama", "ode-heun")),
                Control("steps", "steps", 100, "menu", values=(20, 50, 100, 200)),
                Control("points", "points", 500, "menu", values=(100, 500, 2000)),
                SEED,
            ),
            ("room/random",), _noise,
        ),
        Hall(
            "long-view", "The long view",
            "θ̇ = E_{ν_t}[∂_θU_θ] − E_data[∂_θU_θ],   ν_{t+dt} = ν_t P_θ",
            "PCD runs past θ*. Far out the negatives fall into the heavy mode after all, and θ "
            "comes back: a loop. Blue is where model and negatives agree.",
            (
                Control("separation", "distance d", 6.0, least=3, most=9, step=0.5),
                Control("theta_star", "true θ*", -1.4, least=-3, most=3, step=0.1),
                Control("rate", "rate of θ", 1.0, least=0.1, most=5, step=0.1),
                Control("time", "time T", 300, "menu", values=(300, 1000, 3000)),
                Control("dt", "step dt", 0.1, "menu", values=(0.05, 0.1, 0.2)),
            ),
            ("room/words", "room/maths", "room/random", "room/grid", "room/walkers", "room/flows",
             "room/run"), _long_view,
        ),
    )
}  # fmt: skip
