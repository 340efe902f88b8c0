"""Where compiled kernels are kept, and the line that says that they are not there yet.

Imported before Numba, which takes half a second by itself.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import tempfile
from importlib.metadata import version
from pathlib import Path

from toyflows import errors, kernels
from toyflows.files import user_cache


def _source_hash() -> str:
    text = b"".join(p.read_bytes() for p in sorted(Path(__file__).parent.glob("*.py")))
    return hashlib.sha256(text + version("numba").encode()).hexdigest()[:16]


def _folder() -> Path | None:
    """A folder numba can write to, or None."""
    try:
        folder = user_cache() / f"kernels-{_source_hash()}"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, RuntimeError):  # read-only, full, or no home directory
        return None


def say_once(what: str) -> None:
    """Says that `what` is compiled, if nothing was said before."""
    if not kernels.said:
        often = "once on this machine" if FOLDER else "at every start: no cache is writable"
        errors.say(f"compiling {what} ({often})")
    kernels.said = True


FOLDER = _folder()
# By one process of a command.
TOLD = errors.command_line and multiprocessing.parent_process() is None
if TOLD and not (FOLDER and any(FOLDER.rglob("*.nbi"))):
    say_once("the kernels")
