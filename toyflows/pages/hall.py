"""The rooms beside the two modes: the network of Hopfield, the lattice of Ising, … on one shell.

`page(NAME)` is a whole document. Its engine is hall/NAME.js, its pictures are hall/NAME_view.js; what
is a number or a name comes from here as JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from toyflows.pages import document, lessons
from toyflows.pages.live import function, random_numbers
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
    """A room: its equation, its controls, what it is about, and numbers that it shares with Python."""

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
        "STYLE": document.text("page.css") + document.text("room/room.css"),
        "FORMULA": mathml(hall.equation),
        "ABOUT": escape(hall.about),
        "LESSON": document.text("room/lesson.html"),
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


def _ising() -> dict[str, Any]:
    from toyflows.lattice.ising_exact import T_c

    return {"T_c": T_c}


SEED = Control("seed", "seed", 0, "seed")
HALLS = {
    hall.name: hall
    for hall in (
        Hall(
            "hopfield", "Hopfield’s network",
            "E(s) = −½ Σ_{ij} W_{ij} s_i s_j,   W = Σ_n x_n x_n^T,   s_i ← sgn(Σ_j W_{ij} s_j)",
            "Units s_i = ±1 are looked at one by one, in a new random order each sweep. At T = 0 no "
            "step raises E. At T > 0 a unit is +1 with probability 1/(1 + e^(−2a/T)).",
            (
                Control("letter", "letter", "M", "menu", values=("D", "J", "C", "M")),
                Control("flips", "units turned", 5, least=0, most=25),
                Control("stored", "letters stored", 4, "menu", values=(1, 2, 3, 4)),
                Control("T", "temperature T", 0.0, least=0, most=20, step=0.5),
                SEED,
            ),
            ("room/random",), _hopfield,
        ),
        Hall(
            "ising", "The Ising model",
            "E(s) = −Σ_{ij} s_i s_j − h Σ_i s_i,   ρ(s) = e^{−E(s)/T}/Z",
            "Each sweep looks at all spins once, in the two colours of a checkerboard. The lattice is "
            "periodic. The same seed gives the same spins as `toyflows ising`.",
            (
                Control("T", "temperature T", 2.27, least=1, most=5, step=0.01),
                Control("h", "field h", 0.0, least=-1, most=1, step=0.05),
                Control("L", "size L", 64, "menu", values=(16, 32, 64, 128)),
                Control("begin", "begin", "disordered", "menu", values=("disordered", "ordered")),
                Control("sampler", "sampler", "heat-bath", "menu",
                        values=("heat-bath", "metropolis")),
                Control("sweeps", "sweeps", 300, "menu", values=(100, 300, 1000)),
                SEED,
            ),
            ("room/random",), _ising,
        ),
    )
}  # fmt: skip
