"""What the command line prints: text that any terminal can show, JSON, streams that are open."""

from __future__ import annotations

import codecs
import contextlib
import json
import math
import os
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# What stands for a character where the terminal's encoding has none; further ones by their names.
PLAIN = {
    "−": "-", "→": "->", "…": "...", "×": "x", "·": "*", "≤": "<=", "≥": ">=", "±": "+-", "∂": "d",
    "∇": "grad ", "√": "sqrt", "∞": "inf", "∈": " in ", "∫": "int ", "≈": "~", "≠": "!=", "∓": "-+",
    "–": "-", "—": "-", "’": "'", "‘": "'", "“": '"', "”": '"', "⟨": "<", "⟩": ">", "∥": "||",
    "⁄": "/",
    "\u0304": "_bar", "\u0307": "_dot", "\u0302": "_hat", "\u0303": "_tilde",
}  # fmt: skip
STREAMS = ("stdin", "stdout", "stderr")


def prepare() -> None:
    """Every stream is open and can take every character: what its encoding has not is spelled."""
    codecs.register_error("spelled", _spelled)
    for number, name in enumerate(STREAMS):
        if getattr(sys, name) is None:  # closed, as by `2>&-`
            sink = os.open(os.devnull, os.O_RDWR)
            if sink != number:  # else the next file that is opened would get what is printed
                os.dup2(sink, number)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, "r+", encoding="utf-8", closefd=False))  # noqa: SIM115  (for good)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="spelled")


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """The handler of the encoders' errors: ASCII for what cannot be encoded."""
    assert isinstance(error, UnicodeEncodeError)
    return "".join(map(spelled, error.object[error.start : error.end])), error.end


def spelled(character: str) -> str:
    """In ASCII: θ is theta, ᾱ alpha_bar, ² ^2, é e; an escape where nothing is better."""
    if character in PLAIN or character.isascii():
        return PLAIN.get(character, character)
    name = unicodedata.name(character, "").split()
    if name[:1] == ["GREEK"] and name[2:3] == ["LETTER"] and len(name) == 4:
        return name[3].lower() if name[1] == "SMALL" else name[3].capitalize()
    parts = unicodedata.normalize("NFKD", character)
    if parts != character:
        raised = "^" * unicodedata.decomposition(character).startswith("<super>")
        return raised + "".join(map(spelled, parts))
    if unicodedata.combining(character):
        return ""
    return character.encode("ascii", "backslashreplace").decode()


def print_json(found: Any) -> None:
    """One line; nan, which JSON does not know, is null; escapes where the stream is not UTF-8."""
    wide = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    print(json.dumps(_finite(found), ensure_ascii=not wide, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def screen(**how: Any) -> Console:
    """What is printed in bold or colour; lines are as long as their words."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True, **how)


def table(heads: Iterable[str], left: Collection[str] = (), **how: Any) -> Table:
    """A table of columns with these heads, the numbers to the right, those named to the left."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, **how)
    for head in heads:
        made.add_column(head, justify="left" if head in left else "right")
    return made


def say_saved(paths: Iterable[Path]) -> None:
    """A line for each file."""
    for path in paths:
        print(f"saved   {path}")


@contextlib.contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[float], None]]:
    """A progress bar of `total` sweeps or the like, on stderr and only where that is a terminal.

    It shows when the first is done: what needs none, as an exact sum, shows no bar.
    """
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=total, visible=False)
        yield lambda done: bars.update(task, completed=done, visible=True)
