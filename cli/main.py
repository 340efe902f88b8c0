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
    """The console script: a wrong call gets one line and exit code 2, never a traceback.

    Typer's own refusals (an option that does not exist, a word for a number) are told apart by
    what they can do, because the class has moved between its versions.
    """
    try:
        code = app(prog_name="toyflows", standalone_mode=False)
    except BrokenPipeError:  # `toyflows flows | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except Exception as error:  # re-raised unless it is one of typer's refusals
        if not hasattr(error, "format_message"):
            raise
        if text := _named(error):  # empty where typer has just printed the help
            say(text)
        code = 2
    gc.freeze()  # the interpreter's last collection would look at numba's million objects: 0.3 s
    sys.exit(code if isinstance(code, int) else 0)
