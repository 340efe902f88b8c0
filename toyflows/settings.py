"""What makes a run what it is: a method and numbers, with one set of limits for every command."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from toyflows.errors import InputError, nearest
from toyflows.files import available_cores, check_memory
from toyflows.flows.base import Flow
from toyflows.limits import MANY_RUNS, NUMBERS, SETTINGS, WHOLE, check_ranges
from toyflows.method import method, named, unknown
from toyflows.mixture import Mixture, theta_of
from toyflows.own import Source
from toyflows.target import LARGEST_THETA, Target

BACKENDS = ("theory", "grid", "walkers")
USUAL_STAR = -math.log(4)  # q* = 0.8
RECORDS = 2000  # rows that a run keeps, about
MANY_WALKERS = 100_000  # from here on a second thread is worth its start


@dataclass(frozen=True)
class RunSettings:
    """Two runs with equal settings are equal in each bit; q* = 0.8, θ0 = 0, 2000 steps unless said
    otherwise. `theta_star` is None where data say it, `theta0` has K entries among K modes.

    Raises InputError for whatever cannot be run.
    """

    loss: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    theta0: Any = 0.0
    time: float = 100.0
    dt: float = 0.05
    rate: float = 1.0
    walkers: int = MANY_RUNS
    seed: int = 0
    theta_star: float | None = USUAL_STAR
    separation: float = 20.0
    data: str | None = None
    modes: tuple[float, float] | None = None
    column: str | None = None
    skip_missing: bool | None = None
    model: str | None = None  # a family of one's own, in words
    source: Source | None = None  # of a method in a file of one's own

    def __post_init__(self) -> None:
        numbers = {name: getattr(self, name) for name in NUMBERS}
        if isinstance(self.theta0, tuple):
            numbers["theta0"] = max(map(abs, self.theta0))
        star = numbers.pop("theta_star")
        for name, value in (numbers if star is None else {"theta_star": star} | numbers).items():
            if type(value) is not kind_of(name) or not math.isfinite(value):
                check_number(name, value)
        d = numbers.pop("separation")
        check_ranges(**numbers)
        if star is not None and not abs(star) <= LARGEST_THETA:
            raise InputError("theta_star", star, f"must be |θ*| ≤ {LARGEST_THETA:g}")
        Mixture.separated(d)

    @property
    def steps(self) -> int:
        """Number of steps of dt that make up the time."""
        return round(self.time / self.dt)

    @property
    def every(self) -> int:
        """Steps between records."""
        return max(1, self.steps // RECORDS)

    @property
    def target(self) -> Target:
        """Where the law of the data is the model at θ*."""
        assert self.theta_star is not None
        return Target.exact(self.theta_star, self.separation)

    def with_method(self, flow: Flow) -> RunSettings:
        """The same of this method, in words that another process understands.

        Raises InputError("loss") for a class whose text is not to be found.
        """
        name, options, source = named(flow)
        return replace(self, loss=name, options=options, source=source)

    def flow(self) -> Flow:
        """The method. Raises InputError."""
        return method(self.loss, self.options, source=self.source)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; `from_dict` reads it."""
        out = {f.name: getattr(self, f.name) for f in fields(self)}
        if self.source is None:
            del out["source"]
        else:
            out["source"] = self.source.to_dict()
        return out

    @classmethod
    def from_dict(cls, told: Mapping[str, Any], trust: bool = False) -> RunSettings:
        """What `to_dict` said; its own method is only run where it is trusted (own.Source)."""
        said = dict(told)
        if (source := said.get("source")) is not None:
            said["source"] = Source.from_dict(source, trust)
        for name in ("theta0", "modes"):
            if isinstance(said[name], list):
                said[name] = tuple(said[name])
        for name in ("data", "column", "model"):
            if not isinstance(said.get(name), str | None):
                raise InputError(name, said[name], "must be text")
        return cls(**said)


def settings(numbers: Mapping[str, Any], default: float | None = None, **more: Any) -> RunSettings:
    """From numbers by name, of which one may be q*; those that are None are not said. Without θ*
    and q*, θ* is `default`. Raises InputError, for an unknown name too."""
    given = {name: value for name, value in numbers.items() if value is not None}
    for name, value in given.items():
        if name not in SETTINGS:
            raise unknown(name, value, SETTINGS, ())
        given[name] = check_number(name, value)
    star = star_of(given.pop("theta_star", None), given.pop("q_star", None), default)
    return RunSettings(theta_star=star, **given, **more)


def kind_of(name: str) -> type[int] | type[float]:
    """The type of the setting's numbers."""
    return int if name in WHOLE else float


def star_of(theta_star: Any, q_star: Any, default: float | None = None) -> float:
    """θ* = log((1 − q*)/q*) for q*. Raises InputError unless one of the two is given, or there is a
    default."""
    if default is None or (theta_star is not None and q_star is not None):
        check_one_target(theta_star, q_star)
    if q_star is not None:
        if not 0.0 < check_number("q_star", q_star) < 1.0:
            raise InputError("q_star", q_star, "must be 0 < q* < 1")
        return theta_of(q_star)
    return check_number("theta_star", default if theta_star is None else theta_star)


def check_one_target(theta_star: Any, q_star: Any) -> None:
    """Raises InputError unless one of the two is given."""
    if (theta_star is None) == (q_star is None):
        which = "neither is given" if q_star is None else "both are given"
        raise InputError("theta_star", "and --q-star", f"{which}; must be one of the two")


def check_number(name: str, value: Any) -> Any:
    """The value as a number. Raises InputError(name) where it is none, is not finite, or is not
    whole although it must be."""
    kind = kind_of(name)
    try:
        number = kind(value)
        wrong = isinstance(value, str | bool | bytes) or (kind is int and number != value)
    except (TypeError, ValueError, OverflowError):  # int(nan) and int(inf) too
        wrong = not isinstance(value, float)
        number = value
    if wrong:
        shown = repr(value) if isinstance(value, str) else value
        raise InputError(name, shown, f"must be a {'whole ' * (kind is int)}number")
    if not math.isfinite(number):
        raise InputError(name, value, "must be a finite number")
    return number


def backends_of(asked: Any) -> list[str]:
    """Those that are asked for, in their order; all where none is. Raises InputError("backend")."""
    listed = [asked] if isinstance(asked, str) else list(asked or BACKENDS)
    for name in listed:
        if name not in BACKENDS:
            raise InputError("backend", name, f"unknown; {nearest(name, BACKENDS)}")
    return [name for name in BACKENDS if name in listed]


def not_on(flow: Flow, backend: str) -> str:
    """Why the method does not run on "grid" or "walkers"; "" where it does."""
    if backend == "walkers" and not flow.sampled:
        return "is a quadrature, not for walkers; take grid"
    if backend == "grid" and not flow.exact:
        return "is a function of sampled points, without an exact law; take walkers"
    return ""


def check_particles(flow: Flow, walkers: int, dimensions: int = 1) -> None:
    """Raises InputError where the particles do not fit: one float64 a coordinate of a persistent
    one; two sets while a flow is moved step by step; a function of the user's copies what it gets.
    """
    sets = flow.copies * (1 if flow.fused or not flow.has_negatives else 2)
    sets = 8 if not flow.exact else flow.copies + 3 if dimensions > 1 else sets
    check_memory("walkers", f"{walkers:,}", 8 * walkers * dimensions * sets + (100 << 20))


def threads_for(walkers: int, dimensions: int = 1) -> int:
    """How many threads are worth their start."""
    return 1 if walkers * dimensions < MANY_WALKERS else min(available_cores(), 8)
