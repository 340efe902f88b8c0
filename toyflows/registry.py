"""Things chosen by name: classes that a folder's files define, made with options given as text.

A class is a frozen dataclass whose fields are its options. A new file in the folder is a new choice
everywhere.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from toyflows.errors import InputError, nearest

T = TypeVar("T")
WORDS: dict[type, str] = {
    float: "a number", int: "a whole number", bool: "true or false", str: "a word",
}  # fmt: skip


def found(package: str, folder: Path, base: type[T], what: str) -> dict[str, type[T]]:
    """Every subclass of `base` with a name that the modules in this folder define, by name.

    Raises RuntimeError where two have one name, naming both modules.
    """
    out: dict[str, type[T]] = {}
    for path in sorted(folder.glob("[!_]*.py")):
        module = importlib.import_module(f"{package}.{path.stem}")
        for cls in vars(module).values():
            own = isinstance(cls, type) and cls.__module__ == module.__name__
            if not (own and issubclass(cls, base) and (name := cast(Any, cls).name)):
                continue
            if name in out:
                raise RuntimeError(
                    f"two {what}s are named {name!r}: {out[name].__module__} and {module.__name__}"
                )
            out[name] = cls
    return dict(sorted(out.items()))


def options_of(cls: type) -> tuple[dataclasses.Field[Any], ...]:
    """Its own options: the fields of the dataclass that have a default."""
    fields = dataclasses.fields(cast(Any, cls)) if dataclasses.is_dataclass(cls) else ()
    return tuple(f for f in fields if f.default is not f.default_factory)  # both are MISSING


def changed(made: object) -> dict[str, Any]:
    """The options that are not the default."""
    fields = [f for f in options_of(type(made)) if f.init]
    return {f.name: v for f in fields if (v := getattr(made, f.name)) != f.default}


def one_of(default: str, words: Collection[str]) -> Any:
    """A field of a dataclass whose value is one of these words, so that a page can list them."""
    return dataclasses.field(default=default, metadata={"one_of": tuple(words)})


def made(option: str, known: Mapping[str, type[T]], name: str, options: Mapping[str, Any]) -> T:
    """The known class of that name with these options; text is read by the field's type.

    Raises InputError(option) for an unknown name and InputError("p") for an unknown option, naming
    the nearest, a bad value, or text for an option that has no effect (`idle`).
    """
    if name not in known:
        raise InputError(option, name, f"unknown; {nearest(name, known)}")
    fields = {f.name: f for f in options_of(known[name]) if f.init}
    for key in options:
        if key not in fields:
            near = nearest(key, fields) if fields else f"{name} has none"
            raise InputError("p", key, f"unknown option; {near}")
    built = known[name](**{k: read_option(k, v, fields[k].default) for k, v in options.items()})
    for key, why in getattr(built, "idle", {}).items():
        if isinstance(options.get(key), str):  # text is what somebody typed
            raise InputError("p", f"{key}={options[key]}", why)
    return built


def named_values(pairs: Iterable[str]) -> dict[str, str]:
    """From words "name=value". Raises InputError("p") for other words, or a name given twice."""
    options: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError("p", pair, "must be NAME=VALUE")
        if name in options:
            raise InputError("p", pair, f"{name} is given twice")
        options[name] = value
    return options


def read_option(name: str, value: Any, default: Any) -> Any:
    """The option's value in the type of its default."""
    kind = type(default)
    must = f"must be {WORDS.get(kind, kind.__name__)}"
    if isinstance(value, str) and kind is not str:
        try:
            value = ast.literal_eval({"true": "True", "false": "False"}.get(value.lower(), value))
        except (ValueError, SyntaxError):
            raise InputError("p", f"{name}={value}", must) from None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InputError("p", f"{name}={value}", must)
    if kind is float and not math.isfinite(value):
        raise InputError("p", f"{name}={value}", "must be a finite number")
    return value
