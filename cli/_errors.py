"""How the command line refuses: one line on stderr, exit code 2; stopped by the user: 130 (143)."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import typer
import typer.core

from toyflows import files
from toyflows.errors import Diverged, InputError
from toyflows.errors import say as say  # for the commands

ALIASES = {"path": "file"}  # name in the library of a command's argument


def refuse(error: InputError) -> NoReturn:
    """Names the option as it is typed, the value and what must hold; exit code 2."""
    option, value = _as_typed(error.name, error.value)
    say(f"{option} {value}".rstrip() + f": {error.why}")
    raise typer.Exit(2)


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Turns InputError into exit 2, a diverged run into 1, Ctrl-C into 130, SIGTERM into 143, each
    with one line."""
    try:
        _refuse_empty()
        yield
    except InputError as error:
        refuse(files.refusal() or error)
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


def refuse_walkers(backends: Iterable[str] | None) -> None:
    """Raises InputError for an option of walkers that was typed where no backend has any."""
    if backends and not set(backends) - {"grid", "theory"}:
        named = " and ".join(dict.fromkeys(backends))
        refuse_typed(("walkers", "seed", "threads"), f"is for walkers; {named} has none")


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
        if name != "title" and any(map(_empty, words)):
            raise InputError(name, "''", "must not be empty")


def _empty(word: object) -> bool:
    """Whether nothing was typed; an empty path has become the folder where we are."""
    if word == Path():
        line = _context().meta.get(WRITTEN, [])
        return "." not in line and any(w == "" or w.endswith("=") for w in line)
    return isinstance(word, str | Path) and not str(word).strip()


def _as_typed(name: str, value: object) -> tuple[str, object]:
    """`--theta-star` for theta_star, an argument and what is no option here by its plain name; and
    the value as the user wrote it: 5, not 5.0, for the number that was read."""
    context = _context()
    if context is None:
        return (name if name.isupper() else "--" + name.replace("_", "-")), value
    parameter, option = _parameter(context, name)
    written = [] if parameter is None else occurrences(context, parameter)
    return option, next((w for _, words in written for w in words if _same(w, value)), value)


def _parameter(context: Any, name: str) -> tuple[Any, str]:
    """The parameter of the command that has this name, if any, and how it is typed."""
    for parameter in context.command.params:
        for option in (*parameter.opts, *parameter.secondary_opts):  # as --no-skip-missing
            if name.replace("_", "-") == option.lstrip("-"):
                return parameter, str(option) if option.startswith("-") else name
        if name == parameter.name:
            return parameter, str(parameter.opts[0]) if parameter.opts[0].startswith("-") else name
    return None, ALIASES.get(name, name)


class Words(typer.core.TyperGroup):
    """The command line, which remembers how it was written."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses as typer does, and remembers the words."""
        ctx.meta[WRITTEN] = list(args)
        return list(super().parse_args(ctx, args))


WRITTEN = "toyflows.written"


def occurrences(context: Any, parameter: Any) -> list[tuple[str, list[str]]]:
    """Each time that the option was written, and its values."""
    line, found = context.meta.get(WRITTEN, []), []
    for k, word in enumerate(line):
        name, equals, value = word.partition("=")
        if name in parameter.opts and name.startswith("-"):
            found.append((name, [value] if equals else line[k + 1 : k + 1 + parameter.nargs]))
    return found


def _same(written: str, value: object) -> bool:
    """Whether this text is the value, or was read as it; of NAME=NUMBER too."""
    name, _, number = written.rpartition("=")
    told, _, other = str(value).rpartition("=")
    try:
        return name == told and float(number) == float(other)
    except ValueError:
        return False
