"""One run of a sweep, its key and its seed.

A key is a hash of all that decides the run's bits, and the seed is a part of it: neither knows the
plan that the run is in.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass

import numpy as np

from toyflows.flows.base import Flow
from toyflows.limits import NUMBERS
from toyflows.method import label, method
from toyflows.modes.among import Among
from toyflows.own import Source
from toyflows.registry import options_of, read_option
from toyflows.settings import RunSettings
from toyflows.sweep.axis import Value

KEY = np.dtype("S32")  # 128 bits as hexadecimal digits


@dataclass(frozen=True)
class Run:
    """One run: a method and numbers, a backend, the number of the repeat, and `among` which modes
    it is, if not the two on the line. `settings.loss` says the options too (method.label), and
    `settings.seed` is the plan's."""

    settings: RunSettings
    backend: str
    repeat: int = 0
    among: Among | None = None

    def __str__(self) -> str:
        s = self.settings
        if self.among is not None:
            return f"{s.loss} among {self.among.K} modes, dt = {s.dt:g}, rate = {s.rate:g}"
        return f"{s.loss} at separation = {s.separation:g}, θ0 = {s.theta0:g}, rate = {s.rate:g}"

    @property
    def key(self) -> bytes:
        """A hash of all that decides the run's bits; of a user's file, its text."""
        s = self.settings
        said = [s.loss, self.backend, self.repeat, *(getattr(s, name) for name in NUMBERS)]
        said += [] if s.source is None else [s.source.sha256]
        said += [] if self.among is None else [self.among.to_dict()]
        return hashlib.blake2b(json.dumps(said).encode(), digest_size=16).hexdigest().encode()

    @property
    def seed(self) -> int:
        """Of its walkers' noise, 0 ≤ seed < 2⁶³."""
        return int(self.key[:16], 16) >> 1

    @property
    def flow(self) -> Flow:
        """The method, made once a process."""
        return _flow(self.settings.loss, self.settings.source)


@functools.lru_cache(256)
def _flow(words: str, source: Source | None) -> Flow:
    return method(words, source=source)


@functools.lru_cache(100_000)
def with_options(
    words: str, options: tuple[tuple[str, Value], ...], source: Source | None = None
) -> str:
    """The method's words with those of the options that it has."""
    if not options:
        return words
    flow = _flow(words, source)
    known = {f.name: f.default for f in options_of(type(flow)) if f.init}
    mine = {name: read_option(name, v, known[name]) for name, v in options if name in known}
    return label(method(flow, mine)) if mine else words
