"""How the command line refuses: one line on stderr, exit code 2; stopped by the user: 130 (143)."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import typer

from toyflows.errors import Diverged, InputError
from toyflows.errors import say as say  # for the commands

ALIASES = {"path": "file"}  # name in the library of a command's argument


def refuse(error: InputError) -> NoReturn:
    """Names the option as it is typed, the value and what must hold; exit code 2."""
    say(f"{_option(error.name)} {error.value}".rstrip() + f": {error.why}")
    raise typer.Exit(2)


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Turns InputError into exit 2, a diverged run into 1, Ctrl-C into 130, SIGTERM into 143, each
    with one line."""
    try:
        _refuse_empty()
        yield
    except InputError as error:
        refuse(error)
    except Diverged as error:
        say(str(error))
        raise typer.Exit(1) from None
    except KeyboardInterrupt as stop:
        say(str(stop) or "interrupted")
        raise typer.Exit(getattr(stop, "code", 130)) from None


def typed() -> dict[str, Any]:
    """The options and arguments of this command that the user typed, by their Python names."""
    context = _context()
    if context is None:
        return {}
    source = context.get_parameter_source
    return {n: v for n, v in context.params.items() if getattr(source(n), "name", "") == TYPED}


def refuse_typed(names: Iterable[str], why: str) -> None:
    """Raises InputError for the first of these options that was typed: here it has no effect."""
    given = typed()
    for name in names:
        if name in given:
            value = given[name]
            raise InputError(name, value[0] if isinstance(value, list) else value, why)


def refuse_swept(names: Iterable[str]) -> None:
    """Raises InputError where an option has a value of its own, and --over gives it others."""
    swept = {name.strip().replace("-", "_") for name in names} - {"loss", "over"}
    if swept & TARGET:
        swept |= TARGET
    refuse_typed(sorted(swept), "is given by --over too; must be one of the two")


TARGET = {"theta_star", "q_star"}  # one of them is given
TYPED = "COMMANDLINE"  # of typer's ParameterSource, whose module has moved between its versions


def _context() -> Any:
    """The command that is running, None outside of one."""
    core = typer.Context.__mro__[1].__module__  # click's, or typer's own copy of it
    return importlib.import_module(core.replace("core", "globals")).get_current_context(silent=True)


def _refuse_empty() -> None:
    """No option has an empty value that means anything, but a page's title."""
    for name, value in typed().items():
        words = value if isinstance(value, list) else [value]
        if name != "title" and any(isinstance(word, str) and not word.strip() for word in words):
            raise InputError(name, "''", "must not be empty")


def _option(name: str) -> str:
    """`--theta-star` for theta_star; an argument, and what is no option here, by its plain name."""
    context = _context()
    if context is None:
        return name if name.isupper() else "--" + name.replace("_", "-")
    for parameter in context.command.params:
        for option in (*parameter.opts, *parameter.secondary_opts):  # as --no-skip-missing
            if name.replace("_", "-") == option.lstrip("-"):
                return str(option) if option.startswith("-") else name
        if name == parameter.name:
            return str(parameter.opts[0]) if parameter.opts[0].startswith("-") else name
    return ALIASES.get(name, name)
