"""The two ways in which a run is refused or stopped; every message is one line for the user."""

from __future__ import annotations

import contextlib
import difflib
import sys
from collections.abc import Collection

# The command line sets this: what takes long is told on stderr.
command_line = False


def printable(text: str) -> str:
    """No command to a terminal: what cannot be printed is written out, as \\x1b."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(text: str) -> None:
    """One line on stderr, where that takes one."""
    with contextlib.suppress(OSError):  # as of a full disk: the exit code says it still
        print("toyflows: " + printable(" ".join(text.split())), file=sys.stderr, flush=True)


def nearest(word: str, known: Collection[str]) -> str:
    """What to say of a word that is not known: those near it, or all there are."""
    near = difflib.get_close_matches(word, known, n=2, cutoff=0.4)
    return f"did you mean {' or '.join(near)}?" if near else "choose from " + ", ".join(known)


def near(word: str, known: Collection[str]) -> str:
    """What to add where the word may be a wrong spelling of one of these; nothing where not."""
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    return f"; did you mean {found[0]}?" if found else ""


class InputError(ValueError):
    """A value the user gave cannot be used: `name` is the option's Python name, `why` what must
    hold (one line). The command line turns `theta_star` into `--theta-star`."""

    def __init__(self, name: str, value: object, why: str):
        super().__init__(f"{name} = {value}: {why}")
        self.name, self.value, self.why = name, value, why


class NoExactLaw(InputError):
    """The method asks the exact law for what it has not: it runs on walkers alone."""

    def __init__(self, why: str):
        super().__init__("backend", "grid", f"{why}; take walkers")


class Diverged(ArithmeticError):
    """A coordinate left the finite numbers: carries the step at which it happened. `stable` is the
    largest rate·dt at which Euler's steps of the method are stable, where it is known."""

    def __init__(
        self, step: int, time: float, coordinate: str, value: float, stable: float | None = None
    ):
        limit = "" if stable is None else f"; Euler's steps are stable up to rate·dt = {stable:.4g}"
        super().__init__(f"diverged at step {step} (t = {time:g}): {coordinate} = {value:g}{limit}")
        self.step, self.time, self.coordinate, self.value = step, time, coordinate, value

    def with_limit(self, stable: float | None) -> Diverged:
        """The same, with what a smaller step would have to be."""
        return Diverged(self.step, self.time, self.coordinate, self.value, stable)


class Unsolved(Diverged):
    """The solver of an ordinary differential equation gave up: its steps became too small."""

    def __init__(self, what: str, time: float, message: str):
        ArithmeticError.__init__(self, f"{what} stopped at t = {time:.4g}: {message}")
