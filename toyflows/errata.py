"""The slips in the lectures' formulas, from errata.toml: a list, one of them, or docs/errata.md.

A slip is named by its lecture's letter and a word, G.rbm, and has a number in its lecture, G7.
"""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any

from toyflows.errors import InputError, nearest

HEAD = """# Slips in the lectures' formulas

Made by `toyflows errata --markdown` from `toyflows/errata.toml`. If you compare the slides with
our figures, they disagree in these places. Each slip has a test of its name that shows the printed
formula fail and the correct one hold: `test_G_rbm` in `tests/test_errata_g.py` is that of G.rbm.
The order is that of the lectures' subjects. `toyflows errata G.rbm` shows one."""


@dataclass(frozen=True)
class Slip:
    """A slip: `name` G.rbm, `number` G7; formulas in plain text; `why` the printed one is wrong."""

    name: str
    number: str
    title: str
    printed: str
    correct: str
    why: str

    @property
    def test(self) -> str:
        """The name of its test."""
        return "test_" + self.name.replace(".", "_").replace("-", "_")


@functools.cache
def _book() -> dict[str, Any]:
    return tomllib.loads((resources.files("toyflows") / "errata.toml").read_text("utf-8"))


def lectures() -> dict[str, str]:
    """Each lecture by its letter, in Markdown."""
    return dict(_book()["lectures"])


def slips() -> list[Slip]:
    """All of them, lecture after lecture."""
    return [
        Slip(f"{letter}.{word}", f"{letter}{k}",
             **{field: " ".join(text.split()) for field, text in entry.items()})
        for letter in lectures()
        for k, (word, entry) in enumerate(_book()[letter].items(), start=1)
    ]  # fmt: skip


def chosen(name: str) -> list[Slip]:
    """The slip of this name or number, or all of a lecture's letter. Raises InputError(slip)."""
    asked = name.casefold()
    found = [s for s in slips() if asked in (s.name.casefold(), s.number.casefold())]
    found = found or [s for s in slips() if s.name[0].casefold() == asked]
    if not found:
        raise InputError("slip", name, f"unknown; {nearest(name, [s.name for s in slips()])}")
    return found


def markdown() -> str:
    """The text of docs/errata.md."""
    parts = [HEAD, "", "| | name | subject |", "| --- | --- | --- |"]
    parts += [f"| [{s.number}](#{_anchor(s)}) | `{s.name}` | {_plain(s.title)} |" for s in slips()]
    for letter, lecture in lectures().items():
        parts += ["", f"## [{letter}] {lecture}"]
        for s in chosen(letter):
            parts += ["", f"### {_heading(s)}", f"Printed: {_plain(s.printed)}.\\"]
            parts += [f"Correct: **{_plain(s.correct)}**.\\", _plain(s.why)]
    return "\n".join(parts)


def _heading(slip: Slip) -> str:
    return f"{slip.number}. {_plain(slip.title)}"


def _anchor(slip: Slip) -> str:
    """As GitHub makes it of a heading."""
    kept = (c for c in f"{slip.number}. {slip.title}".lower() if c.isalnum() or c in " -_")
    return "".join(kept).replace(" ", "-")


def _plain(text: str) -> str:
    """No emphasis, column or tag by accident: x_i needs no escape, ∇_x does."""
    return re.sub(r"(?<![\w])_|[*|<]", r"\\\g<0>", text)
