"""A method, however it is named: in words, by a file of one's own, as a Flow or as its class.

    method("cd k=10"), method("my.py:Name k=3"), method(MyFlow(k=3)), method(MyFlow, {"k": 3})

`named` says it again, in words that a file or another process understands.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from toyflows import own
from toyflows.errors import InputError, near, nearest
from toyflows.flows.base import Flow, registry
from toyflows.limits import SETTINGS
from toyflows.own import OwnFileError, Source
from toyflows.registry import changed, made, named_values, options_of

Given = str | Flow | type[Flow]  # what may stand for a method
# A file may have spaces in its name, and then its function has them too.
WORDS = re.compile(r"(.*?\.py(?::[^=]*?)?(?=\s+\w+=|\s*$)|\S+)(\s.*)?$", re.DOTALL)
TWO_FILES = "two files have this name: rename one of them"
NO_SETTINGS = ("loss", "losses", "options", "more", "report")
FILE = re.compile(r"(.*\.py)(?::(.+))?$", re.DOTALL)


def method(
    given: Given | object,
    options: Mapping[str, Any] | None = None,
    option: str = "loss",
    source: Source | None = None,
) -> Flow:
    """The flow that is given, with these options. A file is read, or taken from `source`.

    Raises InputError(option) for a name, InputError("p") for an option, and OwnFileError where a
    user's file is to blame.
    """
    if isinstance(given, str):
        name, said = split(given, option)
        for key, value in (options or {}).items():
            if key in said:
                raise InputError("p", f"{key}={value}", f"is said by {given!r} too")
        said |= options or {}
        if file := FILE.match(name):
            return _of_file(file[1], file[2], said, option, source)
        return made(option, registry(), name, said)
    if isinstance(given, type) and issubclass(given, Flow):
        return made(option, {given.__name__: given}, given.__name__, options or {})
    if not isinstance(given, Flow):
        why = "must be a method's name, a Python file, a Flow or its class"
        raise InputError(option, repr(given), why)
    if not options:
        return given
    if (found := own.of(given)) is not None:
        return found.with_options(changed(given) | dict(options)).guarded()
    return made(option, {_name(given): type(given)}, _name(given), changed(given) | dict(options))


def methods(
    given: Given | Sequence[Given], options: Mapping[str, Any] | None = None
) -> dict[str, Flow]:
    """The flows by their labels, each with those of the options that it has and does not say.

    Raises InputError for an option that none has, and for a method that is given twice.
    """
    listed = _listed(given)
    if not listed:
        raise InputError("loss", "(none)", "must be a method; `toyflows flows` lists them")
    flows, found = [method(one) for one in listed], dict[str, Flow]()
    known = {f.name for flow in flows for f in options_of(type(flow))}
    for name in options or {}:
        if name not in known:
            hint = nearest(name, known) if known else "these methods have none"
            raise InputError("p", name, f"unknown option; {hint}")
    for one, flow in zip(listed, flows, strict=True):
        free = {f.name for f in options_of(type(flow))}
        free -= set(split(one)[1]) if isinstance(one, str) else set()
        flow = method(one, {name: v for name, v in (options or {}).items() if name in free})
        if (words := label(flow)) in found:
            same = source_of(flow) == source_of(found[words])
            raise InputError("loss", words, "is given twice" if same else TWO_FILES)
        found[words] = flow
    return found


def _listed(given: Given | Sequence[Given]) -> list[Given]:
    return [given] if isinstance(given, str | Flow | type) else list(given)


def with_more(
    given: Given | Sequence[Given],
    options: Mapping[str, Any] | None,
    more: Mapping[str, Any],
    front: Any,
) -> dict[str, Any]:
    """The options together with those that were given as further arguments of the function `front`.
    Raises InputError for a name that is neither a setting nor an option of a method."""
    if more:
        flows = map(method, _listed(given))
        known = [f.name for flow in flows for f in options_of(type(flow))]
        mine = [n for n in inspect.signature(front).parameters if n not in NO_SETTINGS]
        settings = dict.fromkeys([*mine, *SETTINGS])
        for name, value in more.items():
            if name not in known:
                raise unknown(name, value, settings, known)
    return {**(options or {}), **more}


def unknown(name: str, value: Any, settings: Iterable[str], known: Sequence[str]) -> InputError:
    """What to say of an argument that is neither a setting nor an option of the method."""
    hint = near(name, [*settings, *known]) or f"; must be {' or '.join(known) or 'a setting'}"
    return InputError(name, value, f"is no setting, and no option of the method{hint}")


def split(words: str, option: str = "loss") -> tuple[str, dict[str, Any]]:
    """The name, or the file, and the options behind it. Raises InputError(option)."""
    told = WORDS.match(words.strip())
    try:
        return (told[1], {**named_values((told[2] or "").split())}) if told else (words, {})
    except InputError as error:
        raise InputError(option, words, error.why) from None


def label(flow: Flow) -> str:
    """The method's name and those of its options that are not the default: "cd k=10"."""
    return _name(flow) + options_in_words(flow)


def options_in_words(flow: Flow) -> str:
    """ " k=10 h=0.1" of those that are not the default."""
    return "".join(f" {name}={value}" for name, value in changed(flow).items())


def named(flow: Flow) -> tuple[str, dict[str, Any], Source | None]:
    """Name, options and source by which another process can make it (`method`).

    Raises InputError("loss") for a class of Python's whose text is not to be found.
    """
    source = source_of(flow)
    if source is None and registry().get(flow.name) is not type(flow):
        why = "has no text that can be stored: define its class in a file, not in a function"
        raise InputError("loss", _name(flow), why)
    return _name(flow), changed(flow), source


def source_for(words: str, sources: Iterable[Source]) -> Source | None:
    """That of the sources which holds the method of these words."""
    file = FILE.match(split(words)[0])
    return next((s for s in sources if file and Path(file[1]).name == s.file), None)


def source_of(flow: Flow) -> Source | None:
    """The user's file that holds the method, or what of it a class in Python needs; None for a
    built-in method and where nothing is to be found."""
    found = own.of(flow)
    cls: Any = type(flow)
    return found.source if found else _excerpt(cls)


def _name(flow: Flow) -> str:
    """As `method` reads it."""
    if (found := own.of(flow)) is not None and found.source is not None:
        alone = len(found.source.methods()) == 1
        return found.source.file + ("" if alone else f":{found.name}")
    if registry().get(flow.name) is type(flow):
        return flow.name
    return type(flow).__name__ + (".py" if source_of(flow) else "")


def _of_file(
    path: str, name: str | None, options: Mapping[str, Any], option: str, source: Source | None
) -> Flow:
    words = f"{path}:{name}" if name else path
    try:
        if source is None:
            own.check_path(Path(path))
            source = Source.read(Path(path))
        found = source.methods(name)
    except InputError as error:
        if isinstance(error, OwnFileError) or error.name not in ("path", "name"):
            raise
        raise InputError(option, words, error.why) from None
    if len(found) > 1:
        names = ", ".join(f"{Path(path).name}:{one.name}" for one in found)
        raise InputError(option, words, f"holds several methods; choose from {names}")
    return found[0].with_options(options).guarded()


# ------------------------------------------------------------------ the text of a class in Python
@functools.cache
def _excerpt(cls: Any) -> Source | None:
    """The top-level statements of its file, script or notebook cell that the class needs."""
    if registry().get(cls.name) is cls or "<locals>" in cls.__qualname__:
        return None
    module = sys.modules.get(cls.__module__)
    codes = [getattr(f, "__code__", None) for f in vars(cls).values()]
    files = [code.co_filename for code in codes if code and code.co_filename[0] != "<"]
    file = getattr(module, "__file__", None) or next(iter(files), "")
    text = "".join(linecache.getlines(file))
    kept = list(_needed(text, cls.__name__)) if text else []
    if not kept or module is None:
        return None
    kept = [*_from_elsewhere(module, "\n".join(kept)), *kept]
    future = "from __future__ import annotations"
    return Source(f"{cls.__name__}.py", "\n\n\n".join([future, *kept]) + "\n").known()


def _needed(text: str, name: str) -> Iterator[str]:
    """The statement that binds the name, and all that it needs, in the order of the text."""
    tree, lines = ast.parse(text), text.splitlines()
    todo, kept = [name], list[ast.stmt]()
    while todo:
        wanted = todo.pop()
        for node in tree.body:
            if wanted in _bound(node) and node not in kept:
                kept.append(node)
                todo += [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
    for node in sorted(kept, key=lambda node: node.lineno):
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        yield "\n".join(lines[first - 1 : node.end_lineno])


def _bound(node: ast.stmt) -> set[str]:
    """The names that a top-level statement gives a value."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and type(n.ctx) is ast.Store}
    aliases = [n for n in ast.walk(node) if isinstance(n, ast.alias)]
    return found | {(a.asname or a.name).partition(".")[0] for a in aliases}


def _from_elsewhere(module: ModuleType, text: str) -> Iterable[str]:
    """Imports of what the text uses and another cell of the notebook has imported."""
    tree = ast.parse(text)
    here = set().union(*(_bound(node) for node in tree.body))
    for name in sorted({n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} - here):
        value: Any = vars(module).get(name)
        home = getattr(value, "__module__", None) or ""
        if isinstance(value, ModuleType):
            yield f"import {value.__name__} as {name}"
        elif hasattr(value, "__qualname__") and home not in ("", "__main__", "builtins"):
            yield f"from {home} import {value.__qualname__} as {name}"
