"""The `toyflows` command. Each file beside this one is a command family: it has `app` (a group of
commands) or `register(app)` (commands of the top level).

Nothing heavy is imported here or at the head of those files, so that `--help` is instant.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import toyflows
from toyflows import files
from toyflows.cli import _ending
from toyflows.cli._errors import say

HELP = "How generative models learn: two modes, one weight, every training method, judged."
app = typer.Typer(
    help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


def _version(asked: bool) -> None:
    if asked:
        print(f"toyflows {toyflows.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """See the module's docstring."""


def _assemble() -> None:
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        if path.stem == "main":
            continue
        family = importlib.import_module(f"toyflows.cli.{path.stem}")
        if hasattr(family, "register"):
            family.register(app)
        else:
            app.add_typer(family.app, name=path.stem)


_assemble()


def _named(error: Any) -> str:
    """Typer's sentence, with the value that it refuses."""
    text: str = error.format_message()
    names = getattr(getattr(error, "param", None), "opts", [])
    for k, word in enumerate(sys.argv):
        name, equals, value = word.partition("=")
        if name in names:
            given = value if equals else " ".join(sys.argv[k + 1 : k + 2])
            return f"{name} {given}: {text}"
    return text


def main() -> None:
    """The console script: a wrong call gets one line and exit code 2, never a traceback."""
    with files.command(), _ending.heeding():
        code = _called()
        gc.freeze()  # the last collection would look at numba's million objects: 0.3 s
        sys.exit(code)


def _called() -> int:
    """The exit code.

    Typer's own refusals (an option that does not exist, a word for a number) are told apart by
    what they can do, because the class has moved between its versions.
    """
    try:
        code = app(prog_name="toyflows", standalone_mode=False)
        sys.stdout.flush()  # else a full disk is seen too late to be told
    except BrokenPipeError:  # `toyflows flows | head -1`
        return _deaf(141)
    except OSError as error:
        say(f"the system refuses: {error.strerror or error} ({error.filename or 'the output'})")
        return _deaf(1)
    except Exception as error:  # re-raised unless it is one of typer's refusals
        if isinstance(stop := error.__cause__, KeyboardInterrupt):  # of a command that waits not
            say(str(stop) or "interrupted")
            return getattr(stop, "code", 130)
        if not hasattr(error, "format_message"):
            raise
        if text := _named(error):  # empty where typer has just printed the help
            say(text)
        return 2
    return code if isinstance(code, int) else 0


def _deaf(code: int) -> int:
    """Nothing that is still to be printed can fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
