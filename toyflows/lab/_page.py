"""One visitor's page of a room: the settings, the computation, and the picture.

The page's thread (Bokeh's) owns everything here; a scene belongs to the desk's thread while a job
has it. A slider that is being dragged asks faster than answers come: a job younger than PATIENCE
may finish and is shown, so that the picture moves with the hand; an older one is cancelled.
"""

from __future__ import annotations

import contextlib
import json
import time
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from bokeh.layouts import column

from toyflows.errors import Diverged, InputError, nearest
from toyflows.lab import _controls, _guess, _upload
from toyflows.lab._explain import explained
from toyflows.lab._job import Deliver, Desk, Job, Slot, Work
from toyflows.lab._keep import arrays, filmed
from toyflows.lab._lessons import LESSONS
from toyflows.lab._look import CALM, Look
from toyflows.lab._post import Post
from toyflows.lab._together import together
from toyflows.lab._transport import Transport, tools
from toyflows.lab._widgets import Panel

if TYPE_CHECKING:
    from bokeh.document import Document

    from toyflows.lab._room import Frame, Room, Scene

PATIENCE = 0.25  # seconds
AHEAD = 1
FRAME = 1 / 30  # seconds: no faster than eyes, or a projector


class Visit(Post):
    """A room as one visitor sees it."""

    def __init__(self, doc: Document | None, room: Room, query: Mapping[str, str], desk: Desk):
        lesson = LESSONS.get(query.get("lesson", ""))
        super().__init__(doc, room.name)
        self.room, self.slot = room, Slot(desk)
        self.given = (dict(lesson.query) if lesson else {}) | dict(query)
        self.lesson = query["lesson"] if lesson else ""
        self.look = Look(self.given.get("dark") == "1", self.given.get("large") == "1")
        self.hidden = tuple(self.given.get("hide", "").split(",")) if "hide" in self.given else ()
        self.values, refused = _controls.read(room.controls(self.given), self.given)
        self.step = min(self._number("step", room.steps, 0, room.most, refused), self.last)
        self.speed = self._number("speed", room.speed, 1, 100_000, refused)
        self.given, bad = _guess.read(self.given, room.staged)
        refused += bad
        self.scene: Scene | None = None
        self.frame: Frame = {}
        self.awaited: Job | None = None  # its answer has not come
        self.wish = object()  # the newest
        self.playing = self.stale = self.timed = self.waiting = False
        self.held: tuple[Frame, bool] | None = None  # a frame that waits for the browser
        self.shown_at = self.told_at = 0.0
        self.panel = Panel(self.said, self.hidden, self.wire)
        self.view = room.view(self.look, self.change)
        self.stage = column(self.view.layout, name="stage", sizing_mode="stretch_both")
        self.transport = Transport(room.speeds, self.speed, self.act, self._scrubbed, self._paced)
        self.tools = tools(self.wire, self.hidden, room.staged)
        self.wire.on_change("look", lambda attr, old, new: self.restyle(new))
        self.wire.on_change("seen", lambda attr, old, new: self._drawn())
        self.wire.on_change("asked", lambda attr, old, new: self.asked(new))
        self.wire.on_change("upload", lambda attr, old, new: self.uploaded(new))
        self._show_controls()
        if "lesson" in query and not lesson:
            known = nearest(query["lesson"][:20], LESSONS)
            refused.append(str(InputError("lesson", query["lesson"][:20], f"unknown; {known}")))
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
        self._show_controls()
        self.scene = None
        self.step = min(max(int(values.get("step", self.step)), 0), self.last)
        self.want()

    def _show_controls(self) -> None:
        """The controls, and what the page says of itself with them."""
        self.panel.show(self.controls, self.values)
        room, values = self.room, self.values
        said = explained(room.name, room.equation(values), room.marks(values), self.controls)
        if self.wire.about != said:
            self.wire.about = said

    def restyle(self, message: str) -> None:
        """The pictures in another look; a playing page plays on."""
        with contextlib.suppress(ValueError, AttributeError, RecursionError):
            asked = json.loads(message)
            on = {name: asked.get(name) is True for name in ("dark", "large", "narrow")}
            self.given |= {name: "1" if on[name] else "0" for name in ("dark", "large")}
            self.look = Look(**on, playing=self.playing)
            self.view = self.room.view(self.look, self.change)
            if self.frame:
                self.view.show(self.frame)
            self.stage.children = [self.view.layout]
            self.wire.worn = message
            self._tell_address()

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
            numbers = arrays(self.frame, {"room": self.room.name, "step": self.step, **self.values})
            self.give(f"{self.room.name}.npz", "application/octet-stream", numbers)
        elif what == "film":
            self.save_film()
        elif what == "guessed":
            self.play(False)
            self.step = 0
            self.play(True)
        elif (name := what.partition(":")[0]) in ("light", "guess") and self.room.staged:
            said = what.partition(":")[2]
            if name == "guess":
                self.given = _guess.told(self.given, said)
                self._tell_address()
            getattr(self.view, name)(said.partition(",")[0])

    def play(self, on: bool) -> None:
        """Runs on, a frame after the other, or stops."""
        if on and self.step >= self.last:
            self.go(0)
        elif on and self.step == self.room.complete > 0:  # it has stopped here: on, from the next
            self.go(self.step + 1)
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
        """A file of the visitor's becomes values of controls."""
        try:
            values = _upload.read(self.room, self.controls, message)
        except _upload.Unread as error:
            self.say(str(error), bad=True)
            return
        self.change(values)
        self.say(f"{_upload.named(message)}: read, and kept in the link")

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
        if self.waiting:
            self.waiting = False
            self.say("")
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
        if self.step in (self.last, self.room.complete or self.last) and self.awaited is None:
            return self.play(False)
        if self.playing and self.awaited is None and self.held is None:
            end = self.room.complete if self.step < self.room.complete else self.last
            self.step = min(self.step + self.speed, end)
            self._ask(quietly=True)
        return None

    def _tell_busy(self) -> None:
        self.wire.busy = (self.awaited is not None or self.stale) and not self.playing

    def _tell_waiting(self, job: Job) -> None:
        if self.slot.job is job and job.busy and job.began is None:
            self.waiting = True
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

    def _show_time(self) -> None:
        what, one = self.room.unit(self.values)
        shown = f"{self.step * one:.10g}"
        self.wire.clock = f"{what} = {shown}"
        if self.playing and self.shown_at < self.told_at + 1:
            return  # the slider follows a playing page slowly
        self.transport.show(self.step, self.last, self.room.usual)

    # ---------------------------------------------------------------- what can be kept
    def save_film(self) -> None:
        """Makes the film at the desk, like everything; the visitor's next setting cancels it."""
        self.play(False)
        try:
            film = self.room.film(self.values, max(self.step, 1))
        except InputError as error:
            return self.say(str(error), bad=True)
        if film is None:
            return self.say("there is no film of what is seen here", bad=True)
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

    def leave(self) -> None:
        """The visitor has gone."""
        self.playing = False
        self.slot.leave()
