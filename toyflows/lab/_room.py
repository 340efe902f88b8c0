"""A room of the laboratory: its settings, its computation, and its picture.

What is seen is a function of the settings and of a number of steps, both of which stand in the
address: a link gives the same numbers again. Computing (`Scene`) knows nothing of the page and runs
in a worker's thread; drawing (`View`) computes nothing and runs in the page's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from toyflows.errors import InputError
from toyflows.lab._controls import Control, Values
from toyflows.registry import found

if TYPE_CHECKING:
    from toyflows.lab._explain import Mark
    from toyflows.lab._job import Job
    from toyflows.lab._look import Look

Frame = dict[str, Any]  # arrays, numbers and words by name
Change = Callable[[Mapping[str, Any]], None]  # sets some of the controls, as a hand would


class Scene(Protocol):
    """The state of a room after `step` steps."""

    step: int

    def advance(self, steps: int, job: Job) -> None:
        """Goes on so many steps. Calls job.check() at least every 50 ms, job.tell(frame) where a
        part of the answer is worth showing before the rest is there."""

    def frame(self) -> Frame:
        """All that the view shows, copied: the scene goes on while it is drawn."""


class View(Protocol):
    """The room's part of the page."""

    @property
    def layout(self) -> Any:
        """A Bokeh model for the stage, 980 × 600 pixels at least, that grows with it."""

    def show(self, frame: Frame) -> None:
        """Draws a frame; parts that it has not stay as they are."""


class Room:
    """Base of all rooms: a file in rooms/ with a subclass is a new room."""

    name: ClassVar[str] = ""  # in the address
    title: ClassVar[str] = ""
    order: ClassVar[int] = 0
    steps: ClassVar[int] = 0  # shown where the address does not say
    most: ClassVar[int] = 100_000  # steps
    usual: ClassVar[int] = 200  # steps that the slider of time has at first
    complete: ClassVar[int] = 0  # where a run is whole, and a playing page stops; 0: nowhere
    tall: ClassVar[int] = 900  # pixels of the pictures where they stand one above the other
    about: ClassVar[str] = ""  # a sentence on the room
    staged: ClassVar[bool] = False  # are updates followed term by term?
    speeds: ClassVar[Sequence[int]] = (1, 2, 5, 10, 20, 50)  # steps a frame
    speed: ClassVar[int] = 5

    def controls(self, given: Mapping[str, str]) -> tuple[Control, ...]:
        """The controls for the address `given`: a method's own options depend on it.

        The seed is one of them in each room.
        """
        raise NotImplementedError

    def unit(self, values: Values) -> tuple[str, float]:
        """What a step is called on the page, and how much of it one step is: ("t", dt)."""
        return "step", 1.0

    def last(self, values: Values) -> int:
        """The last step at these settings."""
        return self.most

    def start(self, values: Values, job: Job) -> Scene:
        """The scene at step 0. Raises InputError where the settings do not go together."""
        raise NotImplementedError

    def view(self, look: Look, change: Change) -> View:
        """The empty drawing; `change` is called when the audience draws on it."""
        raise NotImplementedError

    def of_file(self, name: str, suffix: str, content: bytes) -> Mapping[str, Any]:
        """The values of controls that an uploaded file for the control `name` means.

        The content is parsed as numbers or as an image, never run, never written. Raises
        InputError(name, …).
        """
        raise InputError(name, suffix, "this room takes no files")

    def equation(self, values: Values) -> str:
        """What the room computes, as HTML with MathML; terms have the colours of the pictures."""
        return ""

    def marks(self, values: Values) -> Sequence[Mark]:
        """What each colour of the pictures means."""
        return ()

    def command(self, values: Values, step: int) -> str | None:
        """The command line that computes what is shown; None where there is none."""
        return None

    def python(self, values: Values, step: int) -> str:
        """The lines of Python that compute what is shown, and print its numbers."""
        raise NotImplementedError

    def film(self, values: Values, step: int) -> Any:
        """A film of the scene from step 0 to here (toyflows.film.Film), or None."""
        return None


def rooms() -> dict[str, Room]:
    """All rooms by name, in their order."""
    known = found("toyflows.lab.rooms", Path(__file__).parent / "rooms", Room, "room")
    return {room.name: room for room in sorted((cls() for cls in known.values()), key=_order)}


def _order(room: Room) -> tuple[int, str]:
    return room.order, room.name
