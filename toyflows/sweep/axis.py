"""An axis of a plan: `name=start:stop:count`, `name=start:stop:count:log` or `name=a,b,c`."""

from __future__ import annotations

import ast
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from toyflows.errors import InputError
from toyflows.registry import read_option

Value = float | int | str | bool
MOST_VALUES = 100_000
FORM = "must be NAME=START:STOP:COUNT, …:COUNT:log or NAME=A,B,C"


@dataclass(frozen=True)
class Axis:
    """Values of one setting or option; those of a range may be rounded to whole numbers."""

    name: str
    values: tuple[Value, ...]
    ranged: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if not self.values:
            raise InputError("over", f"{self.name}=", "the range is empty; " + FORM)
        distinct("over", self.values, f"{self.name}=")

    @classmethod
    def parse(cls, text: str) -> Axis:
        """From "name=…". Raises InputError("over")."""
        name, equals, values = text.partition("=")
        if not equals or not name.strip():
            raise InputError("over", text, FORM)
        return cls.of(name.strip().replace("-", "_"), values)

    @classmethod
    def of(cls, name: str, values: str | Sequence[Value]) -> Axis:
        """The axis from the text behind "name=", or from a list of values. Raises
        InputError("over")."""
        if isinstance(values, str):
            if ":" in values:
                return cls(name, _range(name, values), True)
            words = [word.strip() for word in values.split(",")]
            if not all(words):
                raise InputError("over", f"{name}={values}", "a value is missing; " + FORM)
            return cls(name, tuple(map(_literal, words)))
        if not isinstance(values, list | tuple | range | np.ndarray):
            raise InputError("over", f"{name}={values}", FORM)
        return cls(name, tuple(v.item() if isinstance(v, np.generic) else v for v in values))

    def typed(self, default: Value) -> Axis:
        """The axis with values of the type of `default`. Raises InputError("over") for others."""
        whole = type(default) is int and self.ranged
        values = [round(v) if whole and isinstance(v, float) else v for v in self.values]
        try:
            read = tuple(read_option(self.name, v, default) for v in values)
        except InputError as error:
            raise InputError("over", error.value, error.why) from None
        return replace(self, values=read)  # and refused where rounding has made two the same


def distinct(option: str, values: Sequence[Hashable], before: str = "") -> None:
    """Raises InputError(option) where one is given twice."""
    for k, value in enumerate(values):
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(option, f"{before}{value}", "must be a finite number")
        if k and values.index(value) < k:
            raise InputError(option, f"{before}{value}", "is given twice")


def _range(name: str, text: str) -> tuple[float, ...]:
    """The numbers of "start:stop:count[:log]", both ends among them, rounded to 12 digits, so that
    the 0.3 of one range is that of another."""
    words = text.split(":")
    try:
        start, stop, count = float(words[0]), float(words[1]), int(words[2])
    except (ValueError, IndexError):
        raise InputError("over", f"{name}={text}", FORM) from None
    if words[3:] not in ([], ["log"]) or not math.isfinite(stop - start):
        raise InputError("over", f"{name}={text}", FORM)
    if not 1 <= count <= MOST_VALUES or (count == 1 and start != stop):
        why = "the range is empty" if count < 1 else f"of {count:,} values"
        raise InputError("over", f"{name}={text}", f"{why}; must be both ends, or one value")
    if words[3:] and not (start > 0 and stop > 0):
        raise InputError("over", f"{name}={text}", "a log range needs positive ends")
    values = np.geomspace(start, stop, count) if words[3:] else np.linspace(start, stop, count)
    return tuple(float(f"{v:.12g}") for v in values.tolist())


def _literal(word: str) -> Value:
    """A number where it reads as one, else the word."""
    try:
        value = ast.literal_eval(word)
    except (ValueError, SyntaxError):
        return word
    return value if isinstance(value, int | float) else word
