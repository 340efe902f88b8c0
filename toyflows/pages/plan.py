"""What a page is asked to hold: methods × the values of up to two parameters, as settings of runs.

Whatever cannot be run, or would not fit on the page, is refused here, before anything is computed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toyflows.errors import InputError, nearest
from toyflows.files import check_writable
from toyflows.flows import Flow
from toyflows.limits import SETTINGS
from toyflows.method import Given, method, methods, with_more
from toyflows.pages.layout import LIMIT, MOST_FRAMES, USUAL_FRAMES, bytes_of, template_bytes
from toyflows.registry import options_of
from toyflows.settings import RunSettings, check_particles, kind_of, not_on, settings
from toyflows.sweep.axis import Axis as Values
from toyflows.sweep.axis import Value

SUFFIXES = (".html", ".htm")
SYMBOLS = {"theta_star": "θ*", "q_star": "q*", "theta0": "θ0", "separation": "d"}
TARGETS = ("theta_star", "q_star")
MOST_VALUES = 100
Over = Mapping[str, str | Sequence[Value]] | Sequence[str | Values]


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
    runs: tuple[RunSettings, ...]
    frames: int


def check_out(path: str | Path) -> Path:
    """The path. Raises InputError("out") unless a page can be written there."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError("out", path, f"the suffix must be one of {' '.join(SUFFIXES)}")
    check_writable(path)
    return path


def plan(
    losses: Given | Sequence[Given],
    over: Over = (),
    *,
    options: Mapping[str, Any] | None = None,
    frames: int | None = None,
    **more: Any,
) -> Plan:
    """Plans a run of each method (method.Given) at each value of the parameters in `over`.

    `frames` is the number of recorded times. Further arguments are settings (RunSettings, q_star)
    or, like `options`, options of the methods that have them. Raises InputError for whatever cannot
    be run, and where the page would be too large.
    """
    given = {name: more.pop(name) for name in SETTINGS if name in more}
    flows = methods(losses, with_more(losses, options, more, plan))
    if isinstance(over, Mapping):
        over = [Values.of(name, values) for name, values in over.items()]
    axes = [Values.parse(text) if isinstance(text, str) else text for text in over]
    axes = [_typed(axis, flows.values()) for axis in axes]
    _check_axes(axes)
    for name in TARGETS:
        if given.get(name) is not None and any(axis.name in TARGETS for axis in axes):
            raise InputError(name, given[name], "is what --over varies")
    count = len(flows) * math.prod(len(axis.values) for axis in axes)
    _check_count(count, bytes_of(1.0, USUAL_FRAMES[1]), frames)
    runs = tuple(
        _settings(flow, given, dict(zip([axis.name for axis in axes], values, strict=True)))
        for flow in flows.values()
        for values in itertools.product(*(axis.values for axis in axes))
    )
    shown = [Axis(a.name, SYMBOLS.get(a.name, a.name), tuple(map(_word, a.values))) for a in axes]
    return Plan((Axis("loss", "method", tuple(flows)), *shown), runs, _fitting(runs, frames))


def _typed(axis: Values, flows: Iterable[Flow]) -> Values:
    """With values of the type of the setting, or of the option that each method has."""
    if len(axis.values) > MOST_VALUES:
        raise InputError("over", f"{axis.name}=…", f"must be at most {MOST_VALUES} values")
    if axis.name in SETTINGS:
        return axis.typed(kind_of(axis.name)())
    for flow in flows:
        own: dict[str, Any] = {f.name: f.default for f in options_of(type(flow))}
        if axis.name not in own:
            near = nearest(axis.name, [*SETTINGS, *own])
            raise InputError("over", axis.name, f"is no parameter of {flow.name}; {near}")
        axis = axis.typed(own[axis.name])
    return axis


def _word(value: object) -> str:
    """As the page shows it, and its address."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _check_axes(axes: Sequence[Values]) -> None:
    if len(axes) > 2:
        raise InputError("over", axes[2].name, "a page has room for two parameters")
    names = ["target" if axis.name in TARGETS else axis.name for axis in axes]
    if len(set(names)) < len(names):
        raise InputError("over", axes[1].name, "is varied twice")


def _settings(flow: Flow, given: Mapping[str, Any], values: Mapping[str, Any]) -> RunSettings:
    """Of one run, checked."""
    varied = {name: value for name, value in values.items() if name not in SETTINGS}
    flow = method(flow, varied)
    numbers = {name: value for name, value in values.items() if name in SETTINGS}
    s = settings({**given, **numbers}).with_method(flow)
    if not not_on(flow, "walkers"):
        check_particles(flow, s.walkers)
    return replace(s, separation=s.target.mixture.d)


def _fitting(runs: Sequence[RunSettings], asked: int | None) -> int:
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
