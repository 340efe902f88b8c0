"""What every kind of training shares on the command line: its checks, its clock, its live table."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from toyflows.cli import _output
from toyflows.cli._errors import say
from toyflows.errors import InputError, nearest

SHOWN = 12  # rows of the live table


class Model(Protocol):
    """A run: `config` is a dataclass with `batch` and `cosine`, `state` counts its steps."""

    @property
    def config(self) -> Any: ...

    @property
    def state(self) -> Any: ...


def read(config: type, spelled: Sequence[str], given: dict[str, Any], pairs: dict[str, str]) -> Any:
    """The fields of `config` that the user gave: by options, and by -p all but the `spelled`."""
    import dataclasses

    from toyflows.registry import read_option

    numbers = {f.name: f.default for f in dataclasses.fields(config)}
    for name in spelled:
        del numbers[name]
    for name in pairs:
        if name not in numbers:
            raise InputError("p", name, f"unknown option; {nearest(name, numbers)}")
    return given | {name: read_option(name, text, numbers[name]) for name, text in pairs.items()}


def check_used(config: Any, pairs: dict[str, str]) -> None:
    """Raises InputError for a -p that has no effect on a run of this configuration."""
    for name, why in config.idle.items():
        if name in pairs:
            raise InputError("p", f"{name}={pairs[name]}", why)


def check(
    out: Path, resume: bool, steps: int | None, minutes: float | None, threads: int | None
) -> None:
    """Raises InputError for a length, a number of threads or a file that cannot be."""
    from toyflows.files import check_writable, goes_on_with
    from toyflows.limits import check_workers

    check_workers(threads=threads)
    if steps is not None and steps < 1:
        raise InputError("steps", steps, "must be 1 or more")
    if minutes is not None and not minutes > 0:
        raise InputError("minutes", minutes, "must be a positive number")
    if out.suffix != ".npz":
        raise InputError("out", out, "must be a file name that ends with .npz")
    if resume:
        goes_on_with(out)
    check_writable(out)
    if out.exists() and not resume:
        raise InputError("out", out, "is there already; --resume goes on with it")


def check_same(model: Model, given: dict[str, Any], spelled: Sequence[str]) -> None:
    """What is given again with --resume must be what the run was begun with."""
    for name, value in given.items():
        if (was := getattr(model.config, name)) != value:
            option, given_as = (name, value) if name in spelled else ("p", f"{name}={value}")
            raise InputError(option, given_as, f"the run was begun with {was}")


@dataclass(frozen=True)
class Length:
    """When a run is to stop: at a step, after a time, at what comes first. It does not decide the
    schedule of the rate: a run that goes on is the run of the larger length."""

    steps: int | None
    minutes: float | None

    @property
    def by_time(self) -> bool:
        """Whether only a time is given."""
        return self.steps is None and self.minutes is not None

    def check(self, cosine: int) -> None:
        """Raises InputError("steps") beyond the step where the rate has fallen to 0."""
        if cosine and (self.steps or 0) > cosine:
            raise InputError("steps", self.steps, f"must be at most {cosine}, where the rate of "
                             f"this run is 0; begin a run with -p cosine={self.steps}, or with "
                             "-p cosine=0 for a constant rate")  # fmt: skip

    def or_steps(self, steps: int) -> Length:
        """This length; where it is not given, so many steps."""
        given = self.steps is not None or self.minutes is not None
        return self if given else Length(steps, None)


@dataclass
class Clock:
    """How much of its length a run has left, and how fast it is."""

    model: Model
    length: Length
    began: float = field(default_factory=time.monotonic)
    done: int = 0

    def left(self) -> float:
        """Seconds to go at the speed so far; zero or less: stop."""
        ran, found = time.monotonic() - self.began, []
        if self.length.steps is not None:
            more = self.length.steps - self.model.state.step
            found.append(more * ran / max(self.done, 1) if more > 0 else 0.0)
        if self.length.minutes is not None:
            found.append(60 * self.length.minutes - ran)
        return 0.0 if self.at_end else min(found)

    @property
    def at_end(self) -> bool:
        """Has the rate fallen to 0?"""
        cosine = self.model.config.cosine
        return 0 < cosine <= self.model.state.step

    def tell_end(self) -> None:
        """Says that the run stopped before its time."""
        if self.at_end and self.length.minutes is not None:
            say(f"stopped at step {self.model.state.step}: there the rate has fallen to 0 "
                f"(-p cosine={self.model.config.cosine})")  # fmt: skip

    def left_told(self) -> str:
        """The time left, as minutes:seconds."""
        left = max(0, round(self.left()))
        return f"{left // 60}:{left % 60:02d}"

    def samples(self) -> float:
        """Samples drawn per second."""
        ran = time.monotonic() - self.began
        return self.done * float(self.model.config.batch) / max(ran, 1e-9)


def follow(
    records: Iterator[Any], clock: Clock, heads: list[str], cells: Callable[[Any], list[str]]
) -> None:
    """Takes records until the clock says stop, and shows them."""
    config, state = clock.model.config, clock.model.state
    with table(heads, config.every) as show:
        while clock.left() > 0:
            record = next(records)
            clock.done += 1
            if record.lost:
                say(f"diverged ({record.lost}): back to step {record.step}, "
                    f"rate now {config.rate / 2**state.rollbacks:g}")  # fmt: skip
            else:
                show(record.step, cells(record))


@contextlib.contextmanager
def table(heads: list[str], every: int) -> Iterator[Callable[[int, list[str]], None]]:
    """The live table on a terminal; elsewhere a line for each checkpoint."""
    if not sys.stderr.isatty():
        print("  ".join(f"{head:>10}" for head in heads))

        def line(step: int, cells: list[str]) -> None:
            if step % every == 0:
                print("  ".join(f"{cell:>10}" for cell in cells), flush=True)

        yield line
        return
    from rich.console import Console
    from rich.live import Live

    rows: deque[list[str]] = deque(maxlen=SHOWN)
    with Live(console=Console(stderr=True), refresh_per_second=4) as live:

        def update(step: int, cells: list[str]) -> None:
            if rows and step % max(1, every // 5):
                rows.pop()  # the last row is the present one until a tenth row stays
            rows.append(cells)
            shown = _output.table(heads, padding=(0, 1, 0, 0))
            for row in rows:
                shown.add_row(*row)
            live.update(shown)

        yield update
