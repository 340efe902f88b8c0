"""How the command line refuses: one line on stderr, exit code 2; stopped by the user: 130."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import NoReturn

import typer

from toyflows.errors import Diverged, InputError

# Options whose name on the command line is not the Python name with dashes.
SPELLING = {"p": "-p", "path": "file"} | {
    word: word
    for word in ("figure", "manifest", "checkpoint", "image", "kind", "patterns", "plan", "room")
}


def say(text: str) -> None:
    """One line on stderr."""
    print("toyflows: " + " ".join(text.split()), file=sys.stderr)


def refuse(error: InputError) -> NoReturn:
    """Names the option, the value and what is allowed; exit code 2."""
    option = SPELLING.get(error.name, "--" + error.name.replace("_", "-"))
    say(f"{option} {error.value}".rstrip() + f": {error.why}")
    raise typer.Exit(2)


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Turns InputError into exit 2, a diverged run into 1, Ctrl-C into 130, each with one line."""
    try:
        yield
    except InputError as error:
        refuse(error)
    except Diverged as error:
        say(str(error))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        say("interrupted")
        raise typer.Exit(130) from None
