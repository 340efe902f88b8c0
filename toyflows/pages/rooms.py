"""The rooms that compute in the reader's browser, one html file each, as the site has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from toyflows.pages import hall, live


@dataclass(frozen=True)
class Room:
    """`page()` is the whole document."""

    name: str
    title: str
    words: str
    page: Callable[[], str]

    @property
    def file(self) -> str:
        """Its name in the folder of rooms."""
        return f"{self.name}.html"


WORDS = {
    "hopfield": "A damaged letter falls into a memory, one unit at a time.",
    "noise": "Points follow the score from noise to data.",
    "long-view": "PCD far beyond θ*: a loop, and why it closes.",
    "ising": "Spins on a lattice, beside Onsager’s exact value.",
}
ROOMS = (
    Room("two-modes", "Two modes", "Nine ways to learn one weight: formula, exact law, walkers.",
         partial(live.page, alone=False)),
    *(Room(name, hall.HALLS[name].title, words, partial(hall.page, name))
      for name, words in WORDS.items()),
)  # fmt: skip


def write(folder: Path) -> None:
    """Writes all rooms into this folder, which is made."""
    folder.mkdir(parents=True)
    for room in ROOMS:
        (folder / room.file).write_text(room.page(), encoding="utf-8", newline="\n")
