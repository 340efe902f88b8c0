"""Prepared settings in the order of the lecture, each with what to watch: `?lesson=NAME`."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Lesson:
    """A room, its settings as in an address, and what to watch; and what a lecturer asks before,
    says at the end, and knows besides (`notes`, a line each)."""

    room: str
    query: dict[str, str]
    title: str
    question: str
    sentence: str
    answer: str
    notes: Sequence[str]


LESSONS: dict[str, Lesson] = {
    name: Lesson(**told)
    for name, told in tomllib.loads(
        (Path(__file__).parent / "lessons.toml").read_text("utf-8")
    ).items()
}
