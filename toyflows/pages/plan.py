"""What a page is asked to hold: methods × the values of up to two parameters, as settings of runs.

Whatever cannot be run, or would not fit on the page, is refused here, before anything is computed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toyflows import bench
from toyflows.errors import InputError, nearest
from toyflows.files import check_writable
from toyflows.flows import Flow, make
from toyflows.limits import check_ranges
from toyflows.pages.layout import LIMIT, MOST_FRAMES, USUAL_FRAMES, bytes_of, template_bytes
from toyflows.registry import options_of
from toyflows.run import Settings, check_memory
from toyflows.target import Target

SUFFIXES = (".html", ".htm")
NUMBERS = {
    "theta_star": "θ*", "q_star": "q*", "theta0": "θ0", "separation": "d", "time": "time",
    "dt": "dt", "rate": "rate", "walkers": "walkers", "seed": "seed",
}  # fmt: skip
WHOLE = ("walkers", "seed")
OVER = "must be NAME=VALUE,VALUE,… or NAME=FIRST:LAST:COUNT"
MOST_VALUES = 100


@dataclass(frozen=True)
class Axis:
    """A choice on the page: its `name` in the address, the `symbol` shown, its `values` as text."""

    name: str
    symbol: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The runs of a page, the last of the axes moving fastest."""

    axes: tuple[Axis, ...]
    runs: tuple[Settings, ...]
    frames: int


def check_out(path: str | Path) -> Path:
    """The path, or InputError unless a page can be written there."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError("out", path, f"the suffix must be one of {' '.join(SUFFIXES)}")
    check_writable(path)
    return path


def plan(
    losses: Sequence[str],
    over: Sequence[str] = (),
    *,
    theta_star: float | None = None,
    q_star: float | None = None,
    theta0: float = 0.0,
    separation: float = 20.0,
    time: float = 100.0,
    dt: float = 0.05,
    rate: float = 1.0,
    walkers: int = 10_000,
    seed: int = 0,
    options: Mapping[str, str] | None = None,
    frames: int | None = None,
) -> Plan:
    """Each method ("pcd", "cd k=10") at each value of the parameters in `over`.

    `options` go to the methods that have them. Raises InputError.
    """
    axes = [_parameter(text) for text in over]
    _check_axes(axes)
    given = {
        "theta_star": theta_star, "q_star": q_star, "theta0": theta0, "separation": separation,
        "time": time, "dt": dt, "rate": rate, "walkers": walkers, "seed": seed,
    }  # fmt: skip
    for name in ("theta_star", "q_star"):
        if given[name] is not None and any(axis.name in ("theta_star", "q_star") for axis in axes):
            raise InputError(name, given[name], "is what --over varies")
    methods = _methods(losses, options or {})
    count = len(methods) * math.prod(len(axis.values) for axis in axes)
    _check_count(count, bytes_of(1.0, USUAL_FRAMES[1]), frames)
    runs = tuple(
        _settings(method, axes, values, given)
        for method in methods.values()
        for values in itertools.product(*(axis.values for axis in axes))
    )
    first = Axis("loss", "method", tuple(methods))
    return Plan((first, *axes), runs, _fitting(runs, frames))


def _parameter(text: str) -> Axis:
    """An --over."""
    name, equals, listed = text.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or not name:
        raise InputError("over", text, OVER)
    values = _evenly(text, listed) if ":" in listed else [v.strip() for v in listed.split(",")]
    if not all(values):
        raise InputError("over", text, f"a value is missing; {OVER}")
    if len(set(values)) < len(values):
        raise InputError("over", text, "a value is given twice")
    if len(values) > MOST_VALUES:
        raise InputError("over", text, f"must be at most {MOST_VALUES} values")
    return Axis(name, NUMBERS.get(name, name), tuple(values))


def _evenly(text: str, listed: str) -> list[str]:
    """FIRST:LAST:COUNT, both ends included."""
    try:
        first, last, count = listed.split(":")
        low, high, n = float(first), float(last), int(count)
    except ValueError:
        raise InputError("over", text, OVER) from None
    if not (math.isfinite(low) and math.isfinite(high) and 1 <= n <= MOST_VALUES):
        raise InputError("over", text, f"must be 1 to {MOST_VALUES} values between two numbers")
    if n == 1:
        return [f"{low:.6g}"]
    return [f"{low + k * (high - low) / (n - 1):.6g}" for k in range(n)]


def _check_axes(axes: Sequence[Axis]) -> None:
    if len(axes) > 2:
        raise InputError("over", axes[2].name, "a page has room for two parameters")
    names = ["target" if axis.name in ("theta_star", "q_star") else axis.name for axis in axes]
    if len(set(names)) < len(names):
        raise InputError("over", axes[1].name, "is varied twice")


def _methods(losses: Sequence[str], options: Mapping[str, str]) -> dict[str, Flow]:
    """The methods by their labels, with those of the options that they have."""
    if not losses:
        raise InputError("loss", "(none)", "must be a method; `toyflows flows` lists them")
    flows = [bench.parse(words) for words in losses]
    known = {f.name for flow in flows for f in options_of(type(flow))}
    for name in options:
        if name not in known:
            near = nearest(name, known) if known else "these methods have none"
            raise InputError("p", name, f"unknown option; {near}")
    methods: dict[str, Flow] = {}
    for flow in flows:
        mine = {f.name for f in options_of(type(flow))}
        shared = {name: value for name, value in options.items() if name in mine}
        method = make(flow.name, **(shared | _changed(flow)))
        if bench.label(method) in methods:
            raise InputError("loss", bench.label(method), "is given twice")
        methods[bench.label(method)] = method
    return methods


def _changed(flow: Flow) -> dict[str, Any]:
    """The options that are not the default."""
    fields = options_of(type(flow))
    return {f.name: v for f in fields if (v := getattr(flow, f.name)) != f.default}


def _settings(
    method: Flow, axes: Sequence[Axis], values: Sequence[str], given: Mapping[str, Any]
) -> Settings:
    """Of one run, checked."""
    numbers, options = dict(given), _changed(method)
    for axis, text in zip(axes, values, strict=True):
        if axis.name in NUMBERS:
            numbers[axis.name] = _number(axis.name, text)
        else:
            options[axis.name] = text
            _check_option(method, axis.name)
    method = make(method.name, **options)
    θ_star, q_star, d = (numbers.pop(name) for name in ("theta_star", "q_star", "separation"))
    check_ranges(**numbers, separation=d)
    if (θ_star is None) == (q_star is None):
        which = "neither is given" if θ_star is None else "both are given"
        raise InputError("theta_star", "and --q-star", f"{which}; must be one of the two")
    if method.sampled:
        check_memory(method, numbers["walkers"])
    target = Target.exact(θ_star, d) if q_star is None else Target.from_q(q_star, d)
    return Settings(
        method.name, _changed(method), **numbers, theta_star=target.θ_star,
        separation=target.mixture.d,
    )  # fmt: skip


def _check_option(method: Flow, name: str) -> None:
    own = [f.name for f in options_of(type(method))]
    if name not in own:
        near = nearest(name, [*NUMBERS, *own])
        raise InputError("over", name, f"is no parameter of {method.name}; {near}")


def _number(name: str, text: str) -> float | int:
    try:
        return int(text) if name in WHOLE else float(text)
    except ValueError:
        kind = "a whole number" if name in WHOLE else "a number"
        raise InputError("over", f"{name}={text}", f"must be {kind}") from None


def _fitting(runs: Sequence[Settings], asked: int | None) -> int:
    """How many times of each run are recorded: as asked, or as many as fit."""
    if asked is not None and not 10 <= asked <= MOST_FRAMES:
        raise InputError("frames", asked, f"must be 10 to {MOST_FRAMES}")
    most, least = (asked, asked) if asked is not None else USUAL_FRAMES
    for frames in range(most, least - 1, -1):
        size = sum(bytes_of(s.separation, frames) for s in runs)
        if size + template_bytes() <= LIMIT:
            return frames
    _check_count(len(runs), size // len(runs), asked)
    raise AssertionError("a page that is too large holds too many runs")


def _check_count(runs: int, each: int, frames: int | None) -> None:
    """Raises InputError where so many runs of `each` bytes do not fit."""
    room = LIMIT - template_bytes()
    if runs * each <= room:
        return
    page = f"the page would have {runs * each / 1e6:.1f} MB, must be at most {LIMIT / 1e6:g} MB"
    if frames is not None and frames > USUAL_FRAMES[1]:
        raise InputError("frames", frames, f"{page}: lower it")
    raise InputError("over", f"{runs} runs (methods × values)", f"{page}: lower them to at most "
                     f"{room // each}")  # fmt: skip
