"""One run's settings, its key and its seed.

A key is a hash of all that decides the run's bits, and the seed is a part of it: neither knows the
plan that the run is in.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from toyflows.bench import label, parse
from toyflows.errors import InputError, nearest
from toyflows.flows.base import Flow, make
from toyflows.limits import check_ranges
from toyflows.mixture import Mixture, theta_of
from toyflows.registry import options_of, read_option
from toyflows.sweep.axis import Value
from toyflows.target import LARGEST_THETA

KEY = np.dtype("S32")  # 128 bits as hexadecimal digits


@dataclass(frozen=True)
class Base:
    """The settings of every run that no axis says: q* = 0.8, θ0 = 0, 2000 steps."""

    theta_star: float = -math.log(4)
    theta0: float = 0.0
    separation: float = 20.0
    time: float = 100.0
    dt: float = 0.05
    rate: float = 1.0
    walkers: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        numbers = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("theta_star", "separation"):
            if not math.isfinite(numbers[name]):
                raise InputError(name, numbers[name], "must be a finite number")
        del numbers["theta_star"], numbers["separation"]
        check_ranges(**numbers)
        if not abs(self.theta_star) <= LARGEST_THETA:
            raise InputError("theta_star", self.theta_star, f"must be |θ*| ≤ {LARGEST_THETA:g}")
        Mixture.separated(self.separation)

    @property
    def steps(self) -> int:
        return round(self.time / self.dt)


SETTINGS: dict[str, type[int] | type[float]] = dict.fromkeys(vars(Base()), float)
SETTINGS |= {"walkers": int, "seed": int, "q_star": float}


@dataclass(frozen=True)
class Run:
    """One run: a method as bench.label says it, a backend, the settings, the number of the repeat;
    `settings.seed` is the plan's."""

    loss: str
    backend: str
    settings: Base
    repeat: int = 0

    def __str__(self) -> str:
        s = self.settings
        return f"{self.loss} at separation = {s.separation:g}, θ0 = {s.theta0:g}, rate = {s.rate:g}"

    @property
    def key(self) -> bytes:
        """A hash of all that decides the run's bits."""
        said = [self.loss, self.backend, self.repeat, *vars(self.settings).values()]
        return hashlib.blake2b(json.dumps(said).encode(), digest_size=16).hexdigest().encode()

    @property
    def seed(self) -> int:
        """Of its walkers' noise, 0 ≤ seed < 2⁶³."""
        return int(self.key[:16], 16) >> 1


def base_of(given: Mapping[str, Any]) -> Base:
    """Settings by name. Raises InputError for an unknown one."""
    numbers = {}
    for name, value in given.items():
        if name not in SETTINGS:
            raise InputError("over", name, f"unknown setting; {nearest(name, SETTINGS)}")
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole and not (SETTINGS[name] is float and isinstance(value, float)):
            words = "a whole number" if SETTINGS[name] is int else "a number"
            raise InputError(name, value, f"must be {words}")
        numbers[name] = SETTINGS[name](value)
    if {"theta_star", "q_star"} <= set(numbers):
        raise InputError("theta_star", "and --q-star", "both are given; must be one of the two")
    return Base(**with_star(numbers))


def with_star(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with θ* = log((1 − q*)/q*) for q*."""
    q = numbers.get("q_star")
    if q is None:
        return dict(numbers)
    if not 0.0 < q < 1.0:
        raise InputError("q_star", q, "must be 0 < q* < 1")
    return {k: v for k, v in numbers.items() if k != "q_star"} | {"theta_star": theta_of(q)}


@functools.cache
def with_options(words: str, options: tuple[tuple[str, Value], ...]) -> str:
    """The method's words with those of the options that it has."""
    flow: Flow = parse(words)
    known = {f.name: f.default for f in options_of(type(flow)) if f.init}
    mine: dict[str, Any]
    mine = {name: read_option(name, v, known[name]) for name, v in options if name in known}
    return label(make(flow.name, **_options(flow) | mine)) if mine else words


def _options(flow: Flow) -> dict[str, Any]:
    return {f.name: getattr(flow, f.name) for f in options_of(type(flow)) if f.init}
