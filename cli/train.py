"""`toyflows train` teaches images to an energy model, or to a JEM."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toyflows.cli._errors import refusing, say
from toyflows.cli.flow import named_values
from toyflows.errors import InputError, nearest

if TYPE_CHECKING:
    from toyflows.images.base import Parts
    from toyflows.images.train import Config, Model, Record

STEPS = 2000  # where neither --steps nor --minutes says when to stop
SHOWN = 12  # rows of the live table
SPELLED = ("kind", "size", "data", "sampler", "seed")  # options that are not given by -p


def register(app: typer.Typer) -> None:
    """Adds this family's command."""
    app.command()(train)


def train(
    kind: Annotated[str, typer.Argument(metavar="ebm|jem", help="Energy, or energy and classes.")],
    size: Annotated[int | None, typer.Option(help="Pixels a side. Default: 28.")] = None,
    data: Annotated[
        str | None, typer.Option(metavar="FOLDER|glyphs", help="Images; also an .npz.")
    ] = None,
    sampler: Annotated[
        str | None, typer.Option(help="contrastive-divergence, persistent or short-run.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Stop at this step. Default: 2000.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after this time.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all that is random.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads. Default: all cores.")] = None,
    p: Annotated[
        list[str] | None,
        typer.Option("-p", metavar="NAME=VALUE", help="A number of the training; repeatable."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the file --out.")] = False,
    out: Annotated[Path, typer.Option(help="The checkpoint.")] = Path("checkpoint.npz"),
) -> None:
    """Train on images; the checkpoint is written as the run goes, and --resume goes on with it.

    Example: toyflows train jem --size 28 --minutes 10 --out letters.npz
    """
    with refusing():
        given = {"kind": kind, "size": size, "data": data, "sampler": sampler, "seed": seed}
        given = _read({k: v for k, v in given.items() if v is not None}, named_values(p or []))
        _check(out, resume, steps, minutes, threads)
        if steps is None and minutes is None:
            steps = STEPS
        model, parts = _resumed(out, given) if resume else _begun(out, given)
        for file, why in getattr(parts, "skipped", ()):
            say(f"left out {file}: {why}")
        _run(model, parts, Clock(model, steps, minutes), threads, out)


def _read(given: dict[str, Any], pairs: dict[str, str]) -> dict[str, Any]:
    """The fields of Config that the user gave."""
    import dataclasses

    from toyflows.flows.base import read_option
    from toyflows.images.train import Config

    numbers = {f.name: f.default for f in dataclasses.fields(Config)}
    for name in (*SPELLED, "classes"):
        del numbers[name]
    for name in pairs:
        if name not in numbers:
            raise InputError("p", name, f"unknown option; {nearest(name, numbers)}")
    return given | {name: read_option(name, text, numbers[name]) for name, text in pairs.items()}


def _check(
    out: Path, resume: bool, steps: int | None, minutes: float | None, threads: int | None
) -> None:
    from toyflows.files import check_writable

    if threads is not None and threads < 1:
        raise InputError("threads", threads, "allowed is 1 or more")
    if steps is not None and steps < 1:
        raise InputError("steps", steps, "allowed is 1 or more")
    if minutes is not None and not minutes > 0:
        raise InputError("minutes", minutes, "allowed is a positive number")
    if out.suffix != ".npz":
        raise InputError("out", out, "allowed is a file name that ends with .npz")
    check_writable(out)
    if out.exists() and not resume:
        raise InputError("out", out, "is there already; --resume goes on with it")


def _begun(out: Path, given: dict[str, Any]) -> tuple[Model, Parts]:
    from toyflows.images.train import Config, Model

    config = Config(**given)
    parts = config.parts()
    model = Model.new(config, parts)
    model.save(out)
    return model, parts


def _resumed(out: Path, given: dict[str, Any]) -> tuple[Model, Parts]:
    """The run of the file; what is given again must be what it was begun with."""
    from toyflows.images.train import Model

    model = Model.load(out, given["kind"])
    for name, value in given.items():
        if (was := getattr(model.config, name)) != value:
            option, given_as = (name, value) if name in SPELLED else ("p", f"{name}={value}")
            raise InputError(option, given_as, f"the run was begun with {was}")
    return model, model.parts()


@dataclass
class Clock:
    """When a run is to stop, and how fast it is."""

    model: Model
    steps: int | None
    minutes: float | None
    began: float = field(default_factory=time.monotonic)
    done: int = 0

    def left(self) -> float:
        """Seconds to go at the speed so far; zero or less: stop."""
        ran, found = time.monotonic() - self.began, []
        if self.steps is not None:
            more = self.steps - self.model.state.step
            found.append(more * ran / max(self.done, 1) if more > 0 else 0.0)
        if self.minutes is not None:
            found.append(60 * self.minutes - ran)
        return min(found)

    def samples(self) -> float:
        """Samples drawn per second."""
        ran = time.monotonic() - self.began
        return self.done * self.model.config.batch / max(ran, 1e-9)


def _run(model: Model, parts: Parts, clock: Clock, threads: int | None, out: Path) -> None:
    """Trains until the clock says so; the last state is saved too."""
    import dataclasses

    from toyflows.images import train

    config, state = model.config, model.state
    engine = model.engine(threads)
    print(f"{config.kind} of {len(parts.train)} images {config.size} × {config.size} of "
          f"{len(config.classes)} classes, {state.θ.size} weights, {config.sampler}, "
          f"engine {engine.name}, from step {state.step}")  # fmt: skip

    def keep(kept: train.State) -> None:
        dataclasses.replace(model, state=kept).save(out)

    records = train.train(config, state, parts.train, engine, keep)
    with _table(config) as show:
        while clock.left() > 0:
            record = next(records)
            clock.done += 1
            if record.lost:
                say(f"diverged ({record.lost}): back to step {record.step}, "
                    f"rate now {config.rate / 2**state.rollbacks:g}")  # fmt: skip
            else:
                show(record, clock)
    model.save(out)
    print(f"saved   {out} at step {state.step}")


def _heads(config: Config) -> list[str]:
    heads = ["step", "loss", "E data", "E model", "gradient", "samples/s", "left"]
    return heads + ["log loss", "right"] * (config.kind == "jem")


def _cells(record: Record, clock: Clock, config: Config) -> list[str]:
    loss, left = record.loss, max(0, round(clock.left()))
    cells = [str(record.step), f"{loss.total:.4f}", f"{loss.data:+.4f}", f"{loss.model:+.4f}"]
    cells += [f"{record.norm:.3g}", f"{clock.samples():.0f}", f"{left // 60}:{left % 60:02d}"]
    if config.kind == "jem":
        cells += [f"{loss.entropy:.4f}", f"{loss.accuracy:.0%}"]
    return cells


@contextlib.contextmanager
def _table(config: Config) -> Iterator[Callable[[Record, Clock], None]]:
    """The live table on a terminal; elsewhere a line for each checkpoint."""
    if not sys.stderr.isatty():
        print("  ".join(f"{head:>10}" for head in _heads(config)))

        def line(record: Record, clock: Clock) -> None:
            if record.step % config.every == 0:
                cells = _cells(record, clock, config)
                print("  ".join(f"{cell:>10}" for cell in cells), flush=True)

        yield line
        return
    from rich import box
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    rows: deque[list[str]] = deque(maxlen=SHOWN)
    with Live(console=Console(stderr=True), refresh_per_second=4) as live:

        def update(record: Record, clock: Clock) -> None:
            if rows and record.step % max(1, config.every // 5):
                rows.pop()  # the last row is the present one until a tenth row stays
            rows.append(_cells(record, clock, config))
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
            for head in _heads(config):
                table.add_column(head, justify="right")
            for row in rows:
                table.add_row(*row)
            live.update(table)

        yield update
