"""One visitor's page of a room: the settings, the computation, and the picture.

The page's thread (Bokeh's) owns everything here; a scene belongs to the desk's thread while a job
has it. A slider that is being dragged asks faster than answers come: a job younger than PATIENCE
may finish and is shown, so that the picture moves with the hand; an older one is cancelled.
"""

from __future__ import annotations

import base64
import contextlib
import json
import time
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tornado.ioloop import IOLoop

from toyflows.errors import Diverged, InputError
from toyflows.lab import _controls
from toyflows.lab._job import Deliver, Desk, Job, Slot, Work
from toyflows.lab._keep import arrays, filmed
from toyflows.lab._lessons import LESSONS
from toyflows.lab._look import CALM, Look
from toyflows.lab._together import together
from toyflows.lab._transport import Transport, tools
from toyflows.lab._widgets import MOST_BYTES, Panel
from toyflows.lab._wire import Wire

if TYPE_CHECKING:
    from bokeh.document import Document

    from toyflows.lab._room import Frame, Room, Scene

PATIENCE = 0.25  # seconds
AHEAD = 1
FRAME = 1 / 30  # seconds: no faster than eyes, or a projector


class Visit:
    """A room as one visitor sees it."""

    def __init__(self, doc: Document | None, room: Room, query: Mapping[str, str], desk: Desk):
        lesson = LESSONS.get(query.get("lesson", ""))
        self.doc, self.room, self.slot = doc, room, Slot(desk)
        self.given = (dict(lesson.query) if lesson else {}) | dict(query)
        self.lesson = lesson.sentence if lesson else ""
        self.look = Look(self.given.get("dark") == "1", self.given.get("large") == "1")
        self.hidden = tuple(self.given.get("hide", "").split(",")) if "hide" in self.given else ()
        self.values, refused = _controls.read(room.controls(self.given), self.given)
        self.step = self._number("step", room.steps, 0, room.most, refused)
        self.step = min(self.step, self.last)
        self.speed = self._number("speed", room.speed, 1, 100_000, refused)
        self.scene: Scene | None = None
        self.frame: Frame = {}
        self.awaited: Job | None = None  # its answer has not come
        self.wish = object()  # the newest
        self.playing = self.stale = self.timed = False
        self.held: tuple[Frame, bool] | None = None  # a frame that waits for the browser
        self.shown_at = self.told_at = 0.0
        self.loop = None if doc is None else IOLoop.current()
        self.wire = Wire(room=room.name)
        self.panel = Panel(self.said, self.hidden, self.wire)
        self.view = room.view(self.look, self.change)
        self.transport = Transport(room.speeds, self.speed, self.act, self._scrubbed, self._paced)
        self.tools = tools(self.wire, self.hidden)
        self.wire.on_change("seen", lambda attr, old, new: self._drawn())
        self.wire.on_change("asked", lambda attr, old, new: self.asked(new))
        self.wire.on_change("upload", lambda attr, old, new: self.uploaded(new))
        self.panel.show(self.controls, self.values)
        if refused:
            self.say("; ".join(refused), bad=True)
        self.want(quietly=bool(refused))

    def _number(self, name: str, default: int, low: int, high: int, refused: list[str]) -> int:
        control = _controls.Slider(
            name=name, label=name, default=default, low=low, high=high, integer=True
        )
        values, bad = _controls.read([control], self.given)
        refused += bad
        return int(values[name])

    @property
    def controls(self) -> tuple[_controls.Control, ...]:
        return self.room.controls(self.given)

    @property
    def last(self) -> int:
        """The number of steps that can be shown."""
        return self.room.last(self.values)

    # ---------------------------------------------------------------- what the visitor does
    def said(self, name: str, value: Any) -> None:
        """A hand moved a control."""
        self.change({name: value})

    def change(self, values: Mapping[str, Any]) -> None:
        """Sets controls; the scene is computed anew, up to the step that is shown, or to "step"."""
        known = {c.name: c for c in self.controls}
        try:
            read = {n: known[n].read(known[n].write(v)) for n, v in values.items() if n in known}
        except InputError as error:
            self.say(str(error), bad=True)
            return
        self.given |= {name: known[name].write(value) for name, value in read.items()}
        # Another choice may bring other controls: those that stay keep what was set.
        self.values, _ = _controls.read(self.controls, self.given)
        self.panel.show(self.controls, self.values)
        self.scene = None
        self.step = min(max(int(values.get("step", self.step)), 0), self.last)
        self.want()

    def asked(self, message: str) -> None:
        """Handles a message of page.js; ignores any other."""
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            self.act(str(json.loads(message)["what"]))

    def act(self, what: str) -> None:
        """A key or a button."""
        if what == "play":
            self.play(not self.playing)
        elif what == "step":
            self.play(False)
            self.go(self.step + 1)
        elif what == "reset":
            self.play(False)
            self.go(0)
        elif what in ("faster", "slower"):
            self.transport.faster(1 if what == "faster" else -1)
        elif what == "seed" and "seed" in self.values:
            self.change({"seed": (self.values["seed"] + 1) % 1_000_000})
        elif what == "data":
            settings = {"room": self.room.name, "step": self.step, **self.values}
            numbers = arrays(self.frame, settings)
            self.give(f"{self.room.name}.npz", "application/octet-stream", numbers)
        elif what == "film":
            self.save_film()

    def play(self, on: bool) -> None:
        """Runs on, a frame after the other, or stops."""
        if on and self.step >= self.last:
            self.go(0)
        self.playing = self.look.playing = on
        if self.held is not None and not on:
            self._show(*self.held)
        self._tell_busy()
        if on:
            self._next()
        else:
            self._tell_address()
            self._later(CALM, self._settle)
        # Last: when "Play" can be read, the picture already stands still.
        self.transport.play(self.playing)

    def _settle(self) -> None:
        """After a pause, shows what a playing page shows too seldom."""
        if not self.playing and self.frame:
            self.view.show(self.frame)
            self._show_time()

    def go(self, step: int) -> None:
        """Shows the scene after so many steps."""
        self.step = min(max(step, 0), self.last)
        self.want()

    def _scrubbed(self, step: int) -> None:
        if step != self.step:
            self.go(step)

    def _paced(self, speed: int) -> None:
        self.speed = speed
        if not self.playing:
            self._tell_address()

    def uploaded(self, message: str) -> None:
        """A file: numbers or an image, read in memory by the room; what it means is controls."""
        try:
            sent = json.loads(message)
            control = next(c for c in self.controls if c.name == sent["name"])
            content = base64.b64decode(sent["content"], validate=True)
            if len(content) > MOST_BYTES:
                raise InputError(
                    control.name, sent["file"], f"must be at most {MOST_BYTES >> 20} MiB"
                )
            if sent["suffix"] not in getattr(control, "accept", ()):
                raise InputError(control.name, sent["suffix"], "is not a kind that is read here")
            values = self.room.of_file(control.name, sent["suffix"], content)
        except InputError as error:
            self.say(f"{error.value}: {error.why}", bad=True)
            return
        except Exception:  # whatever a parser raises on whatever was sent
            self.say("the file could not be read", bad=True)
            return
        self.change(values)
        self.say(f"{sent['file']}: read, and kept in the link")

    # ---------------------------------------------------------------- what is computed for it
    def want(self, quietly: bool = False) -> None:
        """Asks for the scene at these settings and this step; cancels what is older."""
        running = self.awaited
        if running is not None and running.began is not None:
            age = time.monotonic() - running.began
            if running.over or age < PATIENCE:
                self.stale = True  # looked at again when it is done, or when patience ends
                self._later(PATIENCE - age, lambda: self._lose_patience(running))
                return
        self._ask(quietly)

    def _lose_patience(self, job: Job) -> None:
        if self.awaited is job and self.stale and not job.over:
            self._ask()

    def _ask(self, quietly: bool = False) -> None:
        self.stale = False
        room, values, step = self.room, dict(self.values), self.step
        scene, self.scene = self.scene, None
        if scene is not None and scene.step > step:
            scene = None

        def work(job: Job) -> tuple[Scene, Frame]:
            here = room.start(values, job) if scene is None else scene
            if here.step < step:
                here.advance(step - here.step, job)
            return here, here.frame()

        if not quietly:
            self.say("")
        self.awaited = job = self._wish(work, lambda part: self._show(part, False), self._take)
        self._tell_busy()
        if not self.playing:
            self._later(0.5, lambda: self._tell_waiting(job))

    def _wish(self, work: Work, told: Deliver, done: Deliver) -> Job:
        """Asks the desk instead of what was asked before. Its thread delivers to the page's, where
        an answer to an older wish is not heard: it may have been on its way."""
        self.wish = wish = object()

        def here(call: Deliver) -> Deliver:
            return lambda what: self._soon(lambda: call(what) if self.wish is wish else None)

        return self.slot.ask(work, here(told), here(done), here(self._lost))

    def _take(self, found: tuple[Scene, Frame]) -> None:
        self.awaited = None
        scene, frame = found
        if self.stale:
            self._show(frame, False)
            self._ask()
            return
        self.scene = scene
        self._show(frame, True)
        if self.playing:
            self._next()

    def _lost(self, error: Exception) -> None:
        self.awaited = None
        self.play(False)
        if isinstance(error, InputError | Diverged):
            self.say(str(error), bad=True)
        else:
            self.say("an error in toyflows: the terminal of toyflows lab shows it", bad=True)
            traceback.print_exception(error)
        if self.stale:
            self._ask()

    def _next(self) -> None:
        """The next frame of a playing page, once the browser has drawn the last."""
        if self.step >= self.last:
            return self.play(False)
        if self.playing and self.awaited is None and self.held is None:
            self.step = min(self.step + self.speed, self.last)
            self._ask(quietly=True)
        return None

    def _tell_busy(self) -> None:
        self.wire.busy = (self.awaited is not None or self.stale) and not self.playing

    def _tell_waiting(self, job: Job) -> None:
        if self.slot.job is job and job.busy and job.began is None:
            self.say(f"waiting: {self.slot.desk.before(job) + 1} before you")
            self._later(0.5, lambda: self._tell_waiting(job))

    # ---------------------------------------------------------------- what is shown
    def _show(self, frame: Frame, whole: bool) -> None:
        """Sends a frame when 1/30 s has passed and no more than AHEAD are on their way: a browser's
        word that it has one takes as long as drawing it."""
        wait = self.shown_at + FRAME - time.monotonic() if self.playing else 0.0
        if self.playing and (self.wire.sent - self.wire.seen > AHEAD or wait > 0):
            self.held = (frame, whole)
            if wait > 0 and not self.timed:  # else the browser's word wakes it
                self.timed = True
                self._later(wait, self._due)
            return
        self.held = None
        self.shown_at = time.monotonic()
        self.frame = dict(frame) if whole else self.frame | frame
        together(self.doc, lambda: self._draw(frame, whole))

    def _draw(self, frame: Frame, whole: bool) -> None:
        self.view.show(frame)
        self._show_time()
        self.wire.numbers = json.dumps({
            "step": self.step, "whole": whole,
            **{n: v for n, v in self.frame.items() if isinstance(v, int | float | str)},
        })  # fmt: skip
        self._tell_busy()  # in the frame's own message: when "done" can be read, so can the frame
        self.wire.sent += 1
        if not self.playing or self.shown_at - self.told_at > 1:
            self._tell_address()  # browsers take no more than a hundred addresses in 30 s

    def _due(self) -> None:
        self.timed = False
        self._drawn()

    def _drawn(self) -> None:
        """The browser is ready for another frame."""
        if self.held is not None:
            self._show(*self.held)
        if self.playing and self.held is None:
            self._next()

    def _tell_address(self) -> None:
        self.told_at = time.monotonic()
        own = {"step": str(self.step), "speed": str(self.speed)}
        own |= {n: self.given[n] for n in _controls.OWN[2:] if n in self.given}
        rest = urlencode(own, safe=",")
        self.wire.address = f"{_controls.write(self.controls, self.values)}&{rest}"
        self.wire.command = self.room.command(self.values, self.step) or ""
        self.wire.python = self.room.python(self.values, self.step)

    def say(self, text: str, bad: bool = False) -> None:
        """The line at the foot of the page."""
        self.wire.status = json.dumps({"text": text, "bad": bad, "at": time.monotonic()})

    def _show_time(self) -> None:
        what, one = self.room.unit(self.values)
        shown = f"{self.step * one:.10g}"
        self.wire.clock = f"{what} = {shown}"
        if self.playing and self.shown_at < self.told_at + 1:
            return  # the slider follows a playing page slowly
        self.transport.show(self.step, self.last)

    # ---------------------------------------------------------------- what can be kept
    def give(self, name: str, mime: str, content: bytes) -> None:
        """Gives the visitor a file to save."""
        self.wire.file = json.dumps(
            {"name": name, "mime": mime, "content": base64.b64encode(content).decode(),
             "at": time.monotonic()}
        )  # fmt: skip

    def save_film(self) -> None:
        """Makes the film at the desk, like everything; the visitor's next setting cancels it."""
        self.play(False)
        try:
            film = self.room.film(self.values, max(self.step, 1))
        except InputError as error:
            return self.say(str(error), bad=True)
        if film is None:
            return self.say("this room has no film", bad=True)
        self.stale = self.stale or self.awaited is not None  # asked for again after the film
        self.awaited = None
        self._tell_busy()
        says = "making the film …"
        self._wish(lambda job: filmed(film, job), lambda share: self.say(f"{says} {share:.0%}"),
                   self._keep_film)  # fmt: skip
        self.say(says)
        return None

    def _keep_film(self, content: bytes) -> None:
        self.give(f"{self.room.name}.gif", "image/gif", content)
        if self.stale:
            self._ask()
        self.say(f"film saved: {len(content) / 2**20:.1f} MiB")

    # ---------------------------------------------------------------- the threads
    def _soon(self, call: Callable[[], Any]) -> None:
        """From any thread: the call in the page's own, if the page is still there."""
        if self.loop is None:
            call()
        else:
            self.loop.add_callback(self._here, call)

    def _here(self, call: Callable[[], Any]) -> None:
        """In the page's thread, but without the lock of its document."""
        context = self.doc.session_context if self.doc is not None else None
        if self.doc is not None and context is not None and not context.destroyed:
            self.doc.add_next_tick_callback(call)

    def _later(self, seconds: float, call: Callable[[], Any]) -> None:
        if self.doc is not None:
            self.doc.add_timeout_callback(call, max(1, round(1000 * seconds)))

    def leave(self) -> None:
        """The visitor has gone."""
        self.playing = False
        self.slot.leave()
