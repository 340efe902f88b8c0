"""The `toyflows` command. Each file beside this one is a command: it has `app` (a group of
commands) or a function with the file's name.

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
from toyflows import errors, files
from toyflows.cli import _ending, _output
from toyflows.cli._errors import Words, occurrences, refusing, say
from toyflows.errors import InputError

HELP = "Watch how generative models learn: two modes, one weight, every training method, judged."
# The groups of `toyflows --help`, each in the order in which a new user meets its commands.
PANELS = {
    "The two-mode laboratory": "flow flows verdicts sweep map modes new check",
    "Images": "train sample ood classify",
    "Diffusion": "likelihood",
    "Classical models": "hopfield ising rbm",
    "Classroom": "lab animate page site figures errata",
    "Tools": "doctor inspect",
}


class Ordered(Words):
    """The commands in the order of PANELS; further ones last."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands, in the order of PANELS."""
        order = " ".join(PANELS.values()).split()
        known = [name for name in order if name in self.commands]
        return known + [name for name in super().list_commands(ctx) if name not in order]


app = typer.Typer(cls=Ordered, help=HELP, no_args_is_help=True, pretty_exceptions_enable=False)


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
        if hasattr(family, "app"):
            app.add_typer(family.app, name=path.stem)
        else:
            app.command()(getattr(family, path.stem))
    _arrange()


def _arrange() -> None:
    """Gives each command its panel; a command that no panel names is a tool."""
    panel_of = {name: panel for panel, names in PANELS.items() for name in names.split()}
    infos: list[Any] = [*app.registered_commands, *app.registered_groups]
    for info in infos:
        name = info.name or getattr(info.callback, "__name__", "")
        info.rich_help_panel = panel_of.get(name, "Tools")


_assemble()


def _named(error: Any) -> str:
    """Typer's sentence, with the value that it refuses: of a repeated option the one to blame."""
    text: str = error.format_message()
    parameter = getattr(error, "param", None)
    given = occurrences(error.ctx, parameter) if parameter is not None else []
    blamed = [(name, words) for name, words in given if not _readable(error, words)] or given[-1:]
    return f"{blamed[0][0]} {' '.join(blamed[0][1])}: {text}" if blamed else text


def _readable(error: Any, words: list[str]) -> bool:
    """Whether the option's type can read these words."""
    one = words[0] if error.param.nargs == 1 and words else tuple(words)
    try:
        error.param.process_value(error.ctx, [one] if error.param.multiple else one)
    except Exception as again:  # typer's class of refusals has no fixed place, see _called
        return not hasattr(again, "format_message")
    return True


def _check_environment() -> None:
    """Raises InputError where Python runs in a way in which nothing here works."""
    if sys.flags.optimize > 1:
        why = "must be 0 or 1: without docstrings no method has its equation"
        raise InputError("PYTHONOPTIMIZE", sys.flags.optimize, why)
    files.compiled_networks()  # looks at the word
    files.sweeps_folder()
    importlib.import_module("toyflows.kernels")  # looks at what numba is told
    os.environ["MPLBACKEND"] = "agg"  # no window; a notebook's backend may not be installed here


def script() -> None:
    """The console script: main, and the end of its process."""
    try:
        main()
    except SystemExit as end:
        _ending.leave(end.code if isinstance(end.code, int) else 1)


def main() -> None:
    """Reads the command line and raises SystemExit: a wrong call gets one line and exit code 2,
    never a traceback."""
    errors.command_line = True
    _output.prepare()  # before any file is opened: it would get the number of a closed stream
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
        with refusing():
            _check_environment()
        code = app(prog_name="toyflows", standalone_mode=False)
        sys.stdout.flush()  # else a full disk is seen too late to be told
    except BrokenPipeError:  # `toyflows flows | head -1`
        return _deaf(141)
    except OSError as error:
        say(f"the system refuses: {error.strerror or error} ({error.filename or 'the output'})")
        return _deaf(1)
    except MemoryError as error:
        say(f"the system refuses: {error or 'there is not enough memory'}")
        return 1
    except typer.Exit as end:
        return int(end.exit_code)
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
