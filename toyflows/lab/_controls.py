"""What can be set on a page: each control knows its bounds, and how it stands in the address.

A value that comes from an address, a slider or an upload passes `read`, which refuses whatever is
out of bounds: nothing else reaches a computation.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from toyflows.errors import InputError, nearest

Values = Mapping[str, Any]
# Of the address, beside the controls:
OWN = ("step", "speed", "hide", "lesson", "dark", "large", "guess", "word")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
DIGITS = 10  # of a number in the address, and of the number that is computed with


@dataclass(frozen=True, kw_only=True)
class Control(ABC):
    """`name` stands in the address, `label` on the page, `group` heads it there."""

    name: str
    label: str
    default: Any
    group: str = ""

    @abstractmethod
    def read(self, text: str) -> Any:
        """The value. Raises InputError(name, text, what it must be)."""

    def write(self, value: Any) -> str:
        """The text that `read` gives back as this value."""
        return str(value)


@dataclass(frozen=True, kw_only=True)
class Slider(Control):
    """A number low ≤ v ≤ high; `step` is the slider's, `log` makes it one of decades (step in
    decades); whole numbers where `integer`."""

    low: float
    high: float
    step: float = 0.1
    log: bool = False
    integer: bool = False

    def read(self, text: str) -> float | int:
        allowed = f"must be {self.low:g} … {self.high:g}"
        value = float(f"{float(text):.{DIGITS}g}") if NUMBER.fullmatch(text) else math.nan
        if not self.low <= value <= self.high or (self.integer and value != int(value)):
            whole = ", a whole number" if self.integer else ""
            raise InputError(self.name, text[:20], allowed + whole)
        return int(value) if self.integer else value

    def write(self, value: Any) -> str:
        return str(int(value)) if self.integer else f"{value:.{DIGITS}g}"


def seed(group: str = "") -> Slider:
    """The seed, which every room has."""
    return Slider(name="seed", label="seed", default=0, low=0, high=999_999, step=1, integer=True,
                  group=group)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Choice(Control):
    """One of some words; `words` are what the page shows for them, `groups` heads them there."""

    of: Sequence[str]
    words: Mapping[str, str] = field(default_factory=dict, compare=False)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict, compare=False)

    @property
    def options(self) -> Any:
        """The list as Bokeh's Select has it."""
        pairs = [(value, self.words.get(value, value)) for value in self.of]
        if not self.groups:
            return pairs
        heads = {value: head for head, values in self.groups.items() for value in values}
        out: dict[str, list[tuple[str, str]]] = {}
        for value, shown in pairs:
            out.setdefault(heads.get(value, ""), []).append((value, shown))
        return out

    def read(self, text: str) -> str:
        if text not in self.of:
            raise InputError(self.name, text[:20], f"unknown; {nearest(text[:20], self.of)}")
        return text


@dataclass(frozen=True, kw_only=True)
class Switch(Control):
    """A control that is on or off."""

    def read(self, text: str) -> bool:
        if text not in ("0", "1"):
            raise InputError(self.name, text[:20], "must be 0 or 1")
        return text == "1"

    def write(self, value: Any) -> str:
        return "1" if value else "0"


@dataclass(frozen=True, kw_only=True)
class Drawn(Control):
    """What was drawn or uploaded, as a short text of letters, digits, - and _ (see `_packed`).

    Files with the suffixes `accept` may be uploaded for it: `Room.of_file` makes the text.
    """

    longest: int
    accept: tuple[str, ...] = ()

    def read(self, text: str) -> str:
        if len(text) > self.longest or not re.fullmatch(r"[\w-]*", text, re.ASCII):
            raise InputError(self.name, text[:20], f"must be {self.longest} of A…Z a…z 0…9 - _")
        return text


def read(controls: Sequence[Control], query: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The value of each control, its default where the address has none, and what was refused."""
    values, refused = {}, []
    for control in controls:
        values[control.name] = control.default
        if control.name in query:
            try:
                values[control.name] = control.read(query[control.name])
            except InputError as error:
                refused.append(str(error))
    return values, refused


def write(controls: Sequence[Control], values: Values) -> str:
    """All settings as the query of an address."""
    return urlencode({c.name: c.write(values[c.name]) for c in controls}, safe=",")
