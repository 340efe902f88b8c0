"""A film: which step of a computation each frame shows, its pixels, and the file of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toyflows.errors import InputError
from toyflows.files import check_writable, whole_file
from toyflows.film import _encode as encode
from toyflows.film._encode import Pixels

SIZE = (1280, 720)
SECONDS, FPS = (0.2, 60.0), (1, 50)  # a browser shows a GIF of more than 50 frames a second slowly
WIDTH, HEIGHT = (320, 1920), (240, 1080)
HOLD = 0.1  # share of the frames that stay at the end
SAMPLES = 6  # frames whose colours are those of a GIF
Check = Callable[[], None]
Draw = Callable[[int], Pixels]  # the frame of a step


class Cancelled(Exception):
    """The caller cancelled the film."""


@dataclass(frozen=True)
class Reel:
    """How long a film is, frames a second, and (width, height) in pixels."""

    seconds: float = 6.0
    fps: int = 20
    size: tuple[int, int] = SIZE

    def __post_init__(self) -> None:
        low, high = SECONDS
        if not low <= self.seconds <= high:
            raise InputError("seconds", self.seconds, f"must be {low:g} … {high:g}")
        _whole("fps", self.fps, *FPS)
        for name, value, limits in zip(
            ("width", "height"), self.size, (WIDTH, HEIGHT), strict=True
        ):
            _whole(name, value, *limits)
            if value % 2:
                raise InputError(name, value, "must be an even number of pixels")

    @property
    def frames(self) -> int:
        """How many, two at least."""
        return max(2, round(self.seconds * self.fps))

    @property
    def moves(self) -> int:
        """The frame that is the first to show the end."""
        return max(1, self.frames - 1 - round(HOLD * self.frames))

    def steps(self, last: int, every: int = 1) -> tuple[int, ...]:
        """The step that each frame shows: frame k that of round(k · last/moves), to a multiple of
        `every` before the last."""
        share = np.minimum(np.arange(self.frames) / self.moves, 1.0)
        shown = every * np.rint(share * (last / every)).astype(int)
        shown[share == 1.0] = last
        return tuple(np.minimum(shown, last).tolist())


def _whole(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high or value != int(value):
        raise InputError(name, value, f"must be a whole number, {low} … {high}")


@dataclass(frozen=True, eq=False)
class Film:
    """`steps` are those that the frames show. `begin(check)` computes all that is shown, calling
    check() now and then, and gives what draws the frame of a step."""

    reel: Reel
    steps: tuple[int, ...]
    begin: Callable[[Check], Draw]

    @property
    def frames(self) -> int:
        """How many."""
        return len(self.steps)

    @property
    def fps(self) -> int:
        """Frames a second."""
        return self.reel.fps

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.reel.size

    def images(self, cancelled: Callable[[], bool] | None = None) -> Iterator[Pixels]:
        """The frames (h, w, 3), 0 … 255. Raises Cancelled soon after `cancelled()` says so."""
        check = _check(cancelled)
        yield from self._drawn(self.begin(check), check)

    def save(
        self,
        path: str | Path,
        progress: Callable[[int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Path:
        """Writes a .gif, .mp4 or .webm, whole or not at all; `progress` gets the frames done.

        Raises InputError("out") for another suffix, a place that cannot be written, or where there
        is no ffmpeg for it; Cancelled soon after `cancelled()` says so.
        """
        path, check = Path(path), _check(cancelled)
        check_out(path)
        tell = progress or (lambda done: None)
        with whole_file(path) as temporary:
            tell(0)
            draw = self.begin(check)
            frames = _told(self._drawn(draw, check), tell)
            if path.suffix.lower() == ".gif":
                places = np.linspace(0, self.frames - 1, SAMPLES).astype(int).tolist()
                steps = dict.fromkeys(self.steps[k] for k in places)
                with temporary.open("wb") as file:
                    encode.gif(file, frames, map(draw, steps), self.fps)
            else:
                encode.video(temporary, frames, self.size, self.fps)
        return path

    def _drawn(self, draw: Draw, check: Check) -> Iterator[Pixels]:
        """Frames that show the same step are drawn once."""
        shown: tuple[int, Pixels] | None = None
        for step in self.steps:
            check()
            if shown is None or shown[0] != step:
                shown = step, draw(step)
            yield shown[1]


def check_out(path: Path) -> None:
    """Raises InputError("out") unless a film can be saved there."""
    encode.check(path)
    check_writable(path)


def _check(cancelled: Callable[[], bool] | None) -> Check:
    def check() -> None:
        if cancelled is not None and cancelled():
            raise Cancelled

    return check


def _told(frames: Iterator[Pixels], tell: Callable[[int], None]) -> Iterator[Pixels]:
    """The frames; `tell` hears of each when it has been taken."""
    for done, frame in enumerate(frames, 1):
        yield frame
        tell(done)


def at_most(name: str, value: int, most: int) -> None:
    """Raises InputError unless 1 ≤ value ≤ most."""
    if not 1 <= value <= most:
        raise InputError(name, value, f"for a film must be 1 … {most:,}")
