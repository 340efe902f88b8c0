"""Where a user's file fails: the line, and why in one sentence."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toyflows.errors import Diverged, InputError

LONGEST = 300  # characters of somebody else's error message


class OwnFileError(InputError):
    """The user's file cannot be used: where (file:line), and why in one line."""

    def __init__(self, where: str, why: str):
        super().__init__("path", where, " ".join(why.split())[:LONGEST])


@dataclass(frozen=True)
class Place:
    """A line of the user's file (0: none), for messages."""

    path: Path
    line: int = 0

    def error(self, why: str) -> OwnFileError:
        """The OwnFileError at this place, to be raised."""
        return OwnFileError(f"{self.path}:{self.line}" if self.line else str(self.path), why)

    @contextlib.contextmanager
    def blamed(self, *ours: type[BaseException]) -> Iterator[None]:
        """Turns what is raised inside into an OwnFileError at the last line of the user's file that
        was running, or at this place. Errors of the classes `ours`, Diverged, and an InputError
        that is not the file's pass unchanged."""
        try:
            yield
        except (OwnFileError, Diverged):
            raise
        except BaseException as error:  # the file may raise anything, SystemExit too
            if isinstance(error, ours) or (
                isinstance(error, InputError) and not self._own_lines(error)
            ):
                raise
            raise self._told(error) from None

    def _told(self, error: BaseException) -> OwnFileError:
        kind = type(error).__name__
        if isinstance(error, SyntaxError) and error.filename is not None:
            return Place(Path(error.filename), error.lineno or 0).error(f"{kind}: {error.msg}")
        own = self._own_lines(error)
        why = traceback.format_exception_only(error)[-1]
        if isinstance(error, SystemExit):
            why = f"{why.strip()}: the file ends the program"
        return Place(self.path, own[-1] if own else self.line).error(why)

    def _own_lines(self, error: BaseException) -> list[int]:
        """The lines of the user's file in the error's traceback, the innermost last."""
        frames = traceback.extract_tb(error.__traceback__)
        return [f.lineno or 0 for f in frames if f.filename == str(self.path)]


def place_of(path: Path, function: Any, line: int = 0) -> Place:
    """The line of the file where a function is defined; `line` if it comes from elsewhere."""
    code = getattr(function, "__code__", None)
    return Place(path, code.co_firstlineno if code and code.co_filename == str(path) else line)


def described(value: Any) -> str:
    """What a function of the user returned, for messages."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return f"a value of type {type(value).__name__}"
