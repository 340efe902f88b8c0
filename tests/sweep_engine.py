"""For the tests of sweeps: an engine in this process, plans that take milliseconds and seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from toyflows.sweep import run
from toyflows.sweep.plan import Plan
from toyflows.sweep.point import Chunk, Refused, Rows, work


class Here:
    """Works each chunk when it is asked for; `before` is told first, and may raise."""

    jobs = 1

    def __init__(self, before: Callable[[Chunk], None] = lambda chunk: None):
        self.before = before
        self.runs = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def run(self, chunks: Iterator[Chunk]) -> Iterator[Rows | Refused]:
        for chunk in chunks:
            self.before(chunk)
            self.runs += len(chunk.runs)
            yield work(chunk)


def small(*losses: str, **changes: object) -> Plan:
    """Walkers: 2 methods × 3 separations × 2 rates × 2 repeats."""
    settings: dict[str, object] = {
        "over": {"separation": "2:8:3", "rate": [0.5, 5.0]}, "walkers": 300, "time": 2.0,
        "repeats": 2, "keep": ["verdict", "theta", "crossings", "path"],
    }  # fmt: skip
    return Plan.make(losses or ("pcd", "jarzynski"), **(settings | changes))


PLAN = small(keep=["verdict", "theta", "bias", "drift", "crossings", "effective_size", "path"])
CLIENT = [sys.executable, "-c", "from toyflows.cli.main import main; main()", "sweep"]
ASKED = ["--loss", "pcd", "--loss", "jarzynski", "--over", "separation=2:14:13", "--over",
         "rate=0.5:5:12", "--walkers", "2000", "--time", "25", "--keep", "verdict,theta",
         "--jobs", "2"]  # fmt: skip


def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many chunks as runs, after a pilot of two."""
    for name, value in {"SHORTEST": 1e-9, "CARRIED": 0.0, "PILOTS": 2}.items():
        monkeypatch.setattr(run, name, value)


def undisturbed(folder: Path) -> bytes:
    """The file of PLAN that one process makes without interruption."""
    run.carry_out(PLAN, folder / "a.npz", Here())
    return (folder / "a.npz").read_bytes()


def in_the_middle(kill: Callable[[], None], total: int = PLAN.runs) -> Callable[[int, int], None]:
    """A report that kills once, when a third of the runs are saved."""
    killed: list[int] = []

    def report(saved: int, of: int) -> None:
        if saved >= total // 3 and not killed:
            killed.append(saved)
            kill()

    return report
