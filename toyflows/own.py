"""A method in a file of the user's own: loaded, made a Flow, its mistakes told by their line.

The file holds subclasses of `toyflows.flows.Flow`, or plain functions (`plain`).
"""

from __future__ import annotations

import ast
import contextlib
import copy
import functools
import hashlib
import importlib.util
import itertools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from toyflows.errors import Diverged, InputError, nearest
from toyflows.files import reads
from toyflows.flows.base import Flow, equation
from toyflows.places import OwnFileError, Place, described, place_of
from toyflows.plain import plain
from toyflows.registry import made

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.state import State

__all__ = ["Method", "OwnFileError", "Place", "Source", "check_path", "load", "of"]

NUMBER = "a number is needed"
GUARDED = ("extra", "init", "memory", "negatives", "store", "advance", "watch")  # and velocity


@dataclass(frozen=True)
class Source:
    """The text of a user's file, as it was read from `path`. A plan or a saved run keeps it, and
    worker processes get it.

    Only a `trusted` source is run: one that stands on this user's disk or in his session. What a
    plan or a saved run brings along may be somebody else's; it is not run.
    """

    file: str
    text: str = field(repr=False)
    path: str = field(default="", compare=False)
    trusted: bool = field(default=False, compare=False, repr=False)

    @classmethod
    def read(cls, path: Path) -> Source:
        """Reads the file. Raises OwnFileError where it is missing or is no Python."""
        with Place(path).blamed():
            ast.parse(path.read_bytes(), str(path))  # names the line where it is no text
            text = importlib.util.decode_source(path.read_bytes())
        return cls(path.name, text, str(path)).known()

    @classmethod
    def from_dict(cls, told: Mapping[str, str], trust: bool = False) -> Source:
        """The source that `to_dict` told. It is trusted if `trust` says so, and if the same text is
        on disk or in use here."""
        found = cls(str(told["file"]), str(told["text"]), str(told["path"]))
        here = Path(found.path) if found.path else Path(found.file)
        same = False
        if here.is_file():
            with contextlib.suppress(OSError, SyntaxError, ValueError):
                same = importlib.util.decode_source(here.read_bytes()) == found.text
        return found.known() if trust or same or found.sha256 in _KNOWN else found

    def to_dict(self) -> dict[str, str]:
        """The source as plain text, for JSON."""
        return {"file": self.file, "path": self.path, "sha256": self.sha256, "text": self.text}

    def known(self) -> Source:
        """The same source, trusted from now on in this process."""
        _KNOWN.add(self.sha256)
        return replace(self, trusted=True)

    @property
    def sha256(self) -> str:
        """The hash of the text, in hexadecimal. It is part of the key of a sweep's run."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def methods(self, name: str | None = None) -> list[Method]:
        """The methods of the text, or the one called `name`. The text is run, once in a process.

        Raises OwnFileError where the source is not trusted or the text fails, InputError("name")
        where it has no such method.
        """
        if not self.trusted:
            why = "is not here as it was when this was saved; load(…, trust=True) runs the copy"
            raise OwnFileError(self.path or self.file, why)
        found = _methods(self.path or self.file, self)
        names = [method.name for method in found]
        if name is not None and name not in names:
            raise InputError("name", name, f"unknown; {nearest(name, names)}")
        return [method for method in found if name in (None, method.name)]


_KNOWN: set[str] = set()  # sha256 of what was trusted in this process
_OF: WeakKeyDictionary[type[Flow], Method] = WeakKeyDictionary()


def of(flow: Flow) -> Method | None:
    """The method of a user's file that this flow was made of; None for any other flow."""
    return _OF.get(type(flow))


@dataclass(frozen=True)
class Method:
    """A method of a user's file: its name, its flow, its equation, and the line that defines it."""

    name: str
    flow: Flow
    place: Place
    equation: str
    source: Source | None = None

    def with_options(self, options: Mapping[str, Any]) -> Method:
        """The method with these options of its flow. Raises InputError("p") for one that it has
        not."""
        if not options:
            return self
        with self.place.blamed():
            flow = made("loss", {self.name: type(self.flow)}, self.name, options)
        return replace(self, flow=flow)

    @property
    def backends(self) -> tuple[str, ...]:
        """The backends it runs on. A method that asks for single walkers has no exact law, one that
        needs the density of the data has no walkers."""
        if not self.flow.exact:
            return ("walkers",)
        return ("grid", "walkers") if self.flow.sampled else ("grid",)

    def guarded(self) -> Flow:
        """The flow, with its functions wrapped: a mistake inside is an OwnFileError that names its
        line, and so is a `velocity` that is no number, nan, or of another shape than θ. The flow
        raises Diverged where Python's numbers overflow."""
        flow, told, now = copy.copy(self.flow), self.flow.velocity, [0]

        def look(ops: Backend, state: State) -> Any:
            now[0] = state.step
            return type(flow)._look(flow, ops, state)

        def velocity(ops: Backend, θ: float, negatives: Any, **extra: float) -> Any:
            t = now[0] * ops.h
            try:
                value = told(ops, θ, negatives, **extra)
            except OverflowError:  # Python's own numbers leave float64 by this error
                raise Diverged(now[0], t, "θ̇", np.inf) from None
            rates = value if isinstance(value, tuple) else (value,)
            if len(rates) != 1 + len(extra):
                names = ", ".join(["θ", *extra])
                needed = f"a tuple of {1 + len(extra)} is needed ({names})" if extra else NUMBER
                raise self.place.error(f"velocity returned {described(value)}, {needed}")
            seen = tuple(self._number(rate, θ, t) for rate in rates)
            return seen if extra else seen[0]

        flow.__dict__.update(velocity=self._blamed(velocity), _look=look)
        for name in GUARDED:
            if getattr(type(flow), name) is not getattr(Flow, name):
                flow.__dict__[name] = self._blamed(getattr(self.flow, name))
        return flow

    def _blamed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*given: Any, **named: Any) -> Any:
            with self.place.blamed(KeyboardInterrupt):
                return function(*given, **named)

        return inner

    def _number(self, value: Any, θ: Any, t: float) -> Any:
        """A float, or the array of a θ with several coordinates (toyflows/modes); OwnFileError
        where it is no number, or nan."""
        try:
            array = np.asarray(value)
        except Exception:  # another library's array may refuse in its own way
            array = np.empty(0, object)
        if array.shape != np.shape(θ) or array.dtype.kind not in "iuf":
            needed = f"an array of shape {np.shape(θ)} is needed" if np.ndim(θ) else NUMBER
            raise self.place.error(f"velocity returned {described(value)}, {needed}")
        if np.isnan(array).any():
            at = f"θ = {θ:.6g}" if not np.ndim(θ) else f"θ = {np.round(θ, 6)}"
            raise self.place.error(f"velocity returned nan at {at}, t = {t:g}")
        return np.asarray(array, float) if array.ndim else float(array)


# ------------------------------------------------------------------ loading
def check_path(path: Path) -> None:
    """Raises InputError unless there is a Python file at `path`."""
    if path.is_dir():
        raise InputError("path", path, "is a folder, must be a Python file")
    if path.suffix != ".py":
        raise InputError("path", path, "must be a Python file, NAME.py")
    if not path.is_file():
        raise InputError("path", path, "there is no such file")
    reads(path)  # in a process of its own


def load(path: Path, name: str | None = None) -> list[Method]:
    """Runs the user's file and returns its methods, or the one called `name`.

    Raises OwnFileError where the file cannot be read, fails, or holds no method; InputError("name")
    where it has no method of that name.
    """
    return Source.read(path).methods(name)


@functools.lru_cache(64)
def _methods(where: str, source: Source) -> list[Method]:
    """The file is run once a process, so that one text gives one class."""
    path = Path(where)
    with Place(path).blamed():
        module = _run(path, source.text)
        lines = {
            node.name: node.lineno
            for node in reversed(list(ast.walk(ast.parse(source.text))))
            if isinstance(node, ast.ClassDef)
        }
    found = _classes(path, module, lines)
    if (own := plain(path, module)) is not None:
        found.append(Method(path.stem, *own, equation(type(own[0]))))
    if not found:
        raise Place(path).error("holds no method: neither a function `velocity` nor a subclass of "
                                "toyflows.flows.Flow with a velocity of its own")  # fmt: skip
    for one, other in itertools.combinations(found, 2):
        if one.name == other.name:
            raise other.place.error(f"two methods are named {one.name!r}")
    found = [replace(method, source=source) for method in found]
    for method in found:
        cls: Any = type(method.flow)
        cls.name, cls.title = method.name, vars(cls).get("title") or method.name
        _OF[cls] = method
    return found


def _run(path: Path, source: str) -> ModuleType:
    """The file as a module. Its folder comes last in sys.path: it may hold helpers, and shadows
    nothing."""
    module = ModuleType(f"own_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    if (folder := str(path.parent.resolve())) not in sys.path:
        sys.path.append(folder)
    exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    return module


def _classes(path: Path, module: ModuleType, lines: dict[str, int]) -> list[Method]:
    """Every Flow of the file that has a name of its own; where none has, every Flow."""
    flows = {
        cls: vars(cls).get("name")
        for cls in vars(module).values()
        if isinstance(cls, type) and issubclass(cls, Flow) and cls.__module__ == module.__name__
        and cls.velocity is not Flow.velocity
    }  # fmt: skip
    named = {cls: name for cls, name in flows.items() if name}
    methods = []
    for cls in named or [cls for cls, name in flows.items() if name is None]:
        place = Place(path, lines.get(cls.__name__, 0))
        with place.blamed():
            flow = cls()
        place = place_of(path, cls.velocity, place.line)
        methods.append(Method(named.get(cls, cls.__name__), flow, place, equation(cls)))
    return methods
