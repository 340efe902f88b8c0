"""The live page: one html file on which the reader's browser computes the two-mode room itself.

`write(path)` writes it, `page()` gives its text. The computing is room/*.js, in reading order: what
they share with Python (coefficients, limits, names, equations) is `constants()`, as JSON.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from toyflows import field, followed, linear, ode, outlook, path_ahead, stationary
from toyflows.cloud import FAR, half_line
from toyflows.errors import InputError
from toyflows.flows import equation, make, registry
from toyflows.flows.base import LEARNED, NEAR
from toyflows.flows.nce import LARGEST_MU
from toyflows.mixture import LARGEST_SEPARATION
from toyflows.pages import document, lessons
from toyflows.pages.mathml import mathml
from toyflows.pages.plan import check_out
from toyflows.registry import options_of
from toyflows.run import TURNING
from toyflows.settings import RECORDS, USUAL_STAR, RunSettings
from toyflows.target import LARGEST_THETA
from toyflows.verdict import MESSAGE

ENGINE = (
    "words", "maths", "random", "grid", "walkers", "flows", "run", "field", "path_ahead",
    "stationary", "ode", "linear", "outlook", "verdict", "own",
)  # fmt: skip
ROOM = (
    "model", "draw", "player", "room/widgets", "room/controls", "room/workers", "room/editor",
    "room/lesson", "room/stages", "room/hands", "room/room",
)  # fmt: skip
LIMIT = 300_000  # bytes
WAY = '<p><a href="../laboratory.html">All rooms and lessons</a></p>\n'
METHODS = (
    "ml", "score-matching", "nce", "pcd", "cd", "short-run", "replay-buffer", "jarzynski", "gan",
)  # fmt: skip
NOT_HERE = ("kernel",)  # options that the page does not have: its chains are unadjusted Langevin's
MOST = 1e308  # no limit
MOST_WALKERS, MOST_STEPS, MOST_SEED = 1_000_000, 1_000_000, 2**53 - 1
# What a control offers, [least, most, step]; and what may be said at all, where Python has no limit
# that a number can say.
OFFERED: Mapping[str, tuple[float, float, float]] = {
    "theta_star": (-4, 4, 0.1), "theta0": (-6, 6, 0.1), "separation": (0.5, 24, 0.5),
    "time": (5, 400, 5), "dt": (0.01, 0.2, 0.01), "rate": (0.1, 10, 0.1),
    "walkers": (100, 100_000, 100), "seed": (0, 1_000_000, 1),
    "mu": (-4, 4, 0.1), "k": (1, 100, 1), "h": (0, 0.2, 0.01), "noise": (0.5, 10, 0.5),
    "buffer": (1, 50, 1), "fresh": (0, 1, 0.01), "resample": (0, 1, 0.05), "penalty": (0, 2, 0.05),
}  # fmt: skip
SETTINGS: Mapping[str, dict[str, Any]] = {
    "theta_star": {"least": -LARGEST_THETA, "most": LARGEST_THETA, "bad": 2 * LARGEST_THETA},
    "theta0": {"least": -LARGEST_THETA, "most": LARGEST_THETA, "bad": 2 * LARGEST_THETA},
    "separation": {"above": 0, "most": LARGEST_SEPARATION, "bad": -1.0},
    "time": {"above": 0, "bad": 1e-9},
    "dt": {"above": 0, "below": 2, "bad": 3.0},
    "rate": {"above": 0, "bad": -1.0},
    "walkers": {"least": 1, "most": MOST_WALKERS, "whole": True,
                "must": f"must be 1 to {MOST_WALKERS:,} in a browser"},
    "seed": {"least": 0, "most": MOST_SEED, "whole": True,
             "must": "must be 0 ≤ seed < 2^53 in a browser"},
}  # fmt: skip
OPTIONS: Mapping[str, dict[str, Any]] = {
    "mu": {"least": -LARGEST_MU, "most": LARGEST_MU, "bad": 2 * LARGEST_MU},
    "k": {"least": 1, "bad": 0},
    "h": {"least": 0, "below": 2, "bad": -1.0},
    "noise": {"above": 0, "most": 1000, "bad": -1.0},
    "buffer": {"least": 1, "most": 10_000, "bad": 0},
    "fresh": {"least": 0, "most": 1, "bad": 2.0},
    "resample": {"least": 0, "most": 1, "bad": 2.0},
    "penalty": {"least": 0, "bad": -1.0},
}
NAMES = {  # of the controls
    "theta_star": "true θ*", "theta0": "start θ0", "separation": "distance d", "time": "time T",
    "dt": "step dt", "rate": "rate of θ", "walkers": "walkers", "seed": "seed", "mu": "noise μ",
    "k": "steps k", "h": "chain’s step h", "noise": "noise s", "buffer": "buffer B",
    "fresh": "fresh p", "resample": "resample below", "penalty": "penalty γ",
    "normalised": "normalised", "learn_c": "learn c", "start": "chains start in", "loss": "loss",
    "dirac": "means only (Dirac)",
}  # fmt: skip
HELP = {
    "theta_star": "The true θ*; θ > 0 makes mode b the light one.",
    "theta0": "Where θ starts.",
    "separation": "The distance of the modes, in spreads.",
    "time": "How long a run is.",
    "dt": "The time step of θ and of the walkers.",
    "rate": "The speed of θ against the speed of the walkers.",
    "walkers": "The number of walkers.",
    "seed": "The seed of the walkers' noise.",
}


def write(path: str | Path, title: str = "") -> Path:
    """Writes the page. Raises InputError where no page can be written there."""
    from toyflows.files import whole_file

    path = check_out(path)
    html = page(title)
    with whole_file(path) as temporary:
        temporary.write_text(html, encoding="utf-8", newline="\n")
    return path


def page(title: str = "", alone: bool = True) -> str:
    """The whole document; `alone`: its path of lessons does not lead to other rooms."""
    engine = [document.text(f"room/{name}.js") for name in (*ENGINE, "api")]
    parts = {
        "TITLE": escape(title or "Two modes, live"),
        "WORKERS": document.WORKERS,
        "STYLE": document.text("page.css") + document.text("room/room.css"),
        "ENGINE": function("const engine = constants => {", *engine, "};"),
        "WORKER": document.text("room/worker.js"),
        "SCRIPT": function("(() => {", *(document.text(f"{n}.js") for n in ROOM), "})();"),
        "LESSON": document.text("room/lesson.html"),
        "ROOMS": "" if alone else WAY,
        "DATA": document.json_text(constants() | lessons.told("two-modes", alone)),
    }  # fmt: skip
    filled = document.filled("room/room.html", parts)
    assert len(filled.encode()) <= LIMIT, "the live page has grown too large"
    return filled


def function(first: str, *rest: str) -> str:
    """A function of JavaScript as text, its names its own."""
    return "\n".join([first, '"use strict";', *rest])


def constants() -> dict[str, Any]:
    """What JavaScript takes from Python, ready for JSON."""
    return {
        "random": random_numbers(),
        "half_line": half_line(-_whole_numbers(FAR)).tolist(),
        "settings": {name: _setting(name) for name in SETTINGS},
        "methods": [_method(name) for name in METHODS],
        "names": NAMES, "messages": MESSAGE, "near": NEAR, "records": RECORDS,
        "most_steps": MOST_STEPS,
        "verdict": verdict_numbers(), "linear": _numbers(linear), "ode": _numbers(ode),
    }  # fmt: skip


def _numbers(module: Any) -> dict[str, Any]:
    """What a module's rules compare with, and its tables."""
    kinds = (int, float, tuple)
    return {n.lower(): v for n, v in vars(module).items() if n.isupper() and isinstance(v, kinds)}


def verdict_numbers() -> dict[str, Any]:
    """What a verdict's rules compare with."""
    names = {
        path_ahead: ("runs", "bent", "nearly", "swings", "damped", "farther"),
        field: ("round_off", "first", "widest", "grows", "level", "apart", "finest", "chatter"),
        outlook: ("slope", "follows", "fine", "lasts", "at_rest"),
        followed: ("least", "work", "first_piece", "onwards", "stops"),
        stationary: ("settled", "depth", "tiny", "alike", "small", "elsewhere"),
    }  # fmt: skip
    told = {name: getattr(of, name.upper()) for of, many in names.items() for name in many}
    return {
        **told, "learned": LEARNED, "turning": TURNING, "largest_theta": LARGEST_THETA,
        "plain": stationary.FIRST, "most_steps": stationary.MOST,
    }  # fmt: skip


def _whole_numbers(last: int) -> Any:
    import numpy as np

    return np.arange(last + 1)


def random_numbers() -> dict[str, Any]:
    """Constants of the counter-based generator, and the polynomials of its normals."""
    from toyflows.kernels import polynomials, random

    streams = {
        "data": random.DATA, "model": random.MODEL, "modes": random.MODES, "noise": random.NOISE,
        "coin": random.COIN, "pick": random.PICK, "resample": random.RESAMPLE, "move": random.MOVE,
        "accept": random.ACCEPT,
    }  # fmt: skip
    mixers = [random.GOLDEN, random.MIX_1, random.MIX_2]
    single = {"log": polynomials._LOG, "sin": polynomials._SIN, "cos": polynomials._COS}
    return {
        "streams": streams, "purposes": random.PURPOSES, "mixers": [str(int(v)) for v in mixers],
        **{name: [float(c) for c in row] for name, row in single.items()},
    }  # fmt: skip


def _setting(name: str) -> dict[str, Any]:
    limits = dict(SETTINGS[name])
    usual = {f.name: f.default for f in dataclasses.fields(RunSettings)}
    usual["theta_star"] = USUAL_STAR
    bad = limits.pop("bad", None)
    if bad is not None:
        limits["must"] = _refusal(lambda: RunSettings(**{name: bad}))
    return {"least": -MOST, "most": MOST, "value": usual[name], "offered": OFFERED[name],
            "help": HELP[name], **limits}  # fmt: skip


def _refusal(wrong: Any) -> str:
    """What Python says that must hold."""
    try:
        wrong()
    except InputError as error:
        return error.why
    raise AssertionError("a bad value was taken")


def _method(name: str) -> dict[str, Any]:
    flow = registry()[name]
    options = [f for f in options_of(flow) if f.name not in NOT_HERE]
    text = inspect.cleandoc(flow.__doc__ or "").partition("\n\n")[2]
    return {
        "name": name, "title": flow.title, "equation": mathml(equation(flow)),
        "said": equation(flow), "about": " ".join(text.split()), "note": flow.note,
        "options": [_option(name, f) for f in options],
    }  # fmt: skip


def _option(method: str, f: Any) -> dict[str, Any]:
    kind = type(f.default).__name__
    out = {"name": f.name, "value": f.default, "kind": kind}
    if kind == "bool":
        return {**out, "must": "must be true or false"}
    if kind == "str":
        words = list(f.metadata["one_of"])
        return {**out, "words": words, "must": "must be one of " + ", ".join(words)}
    limits = dict(OPTIONS[f.name])
    bad = limits.pop("bad")
    must = _refusal(lambda: make(method, **{f.name: bad}))
    return {**out, "least": -MOST, "most": MOST, "offered": OFFERED[f.name], "must": must, **limits}
