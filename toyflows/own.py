"""A method in a file of the user's own: loaded, made a Flow, its mistakes told by their line.

The file holds subclasses of `toyflows.flows.Flow`, or a plain function

    velocity(theta, data, negatives, rng)  →  θ̇

which asks by name for any of OFFERED and runs on walkers: `data` and `negatives` are points (n,),
fresh at each step. Which negatives: the constant NEGATIVES of the file, or its own sampler
`advance(theta, walkers, rng)` → the walkers' new positions, with their log weights if it asks for
`logw`. What it keeps of its own begins as `memory(walkers)` → {name: array} (docs/add_a_method.md).
"""

from __future__ import annotations

import ast
import contextlib
import copy
import functools
import hashlib
import importlib.util
import inspect
import itertools
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, cast
from weakref import WeakKeyDictionary

import numpy as np

from toyflows.cloud import Array, Cloud
from toyflows.errors import Diverged, InputError, nearest
from toyflows.files import reads
from toyflows.flows.base import Flow, equation
from toyflows.registry import made

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.state import State

# The truth, θ*, is not among them: a method that learns does not know it.
OFFERED = ("theta", "data", "negatives", "weights", "rng", "mixture", "dt", "step", "memory")
OFFERED_TO_ADVANCE = (
    "theta", "theta_new", "walkers", "logw", "rng", "mixture", "dt", "step", "memory",
)  # fmt: skip
OFFERED_TO_MEMORY = ("theta", "walkers", "rng", "mixture", "dt")
NEGATIVES = ("model", "data", "persistent", "noise")
NUMBER = "a number is needed"
LONGEST = 300  # characters of somebody else's error message
GUARDED = ("extra", "init", "memory", "negatives", "store", "advance", "watch")  # and velocity


class OwnFileError(InputError):
    """The user's file cannot be used: where (file:line), and why in one line."""

    def __init__(self, where: str, why: str):
        super().__init__("path", where, " ".join(why.split())[:LONGEST])


@dataclass(frozen=True)
class Place:
    """A line of the user's file (0: none), for messages."""

    path: Path
    line: int = 0

    def error(self, why: str) -> OwnFileError:
        return OwnFileError(f"{self.path}:{self.line}" if self.line else str(self.path), why)

    @contextlib.contextmanager
    def blamed(self, *ours: type[BaseException]) -> Iterator[None]:
        """Whatever goes wrong inside, but for `ours`, is told as an OwnFileError at the last line
        of the user's file that was running, else at this place."""
        try:
            yield
        except (OwnFileError, Diverged):
            raise
        except BaseException as error:  # the file may raise anything, SystemExit too
            if isinstance(error, ours) or (
                isinstance(error, InputError) and not self._own_lines(error)
            ):
                raise
            raise self._told(error) from None

    def _told(self, error: BaseException) -> OwnFileError:
        kind = type(error).__name__
        if isinstance(error, SyntaxError) and error.filename is not None:
            return Place(Path(error.filename), error.lineno or 0).error(f"{kind}: {error.msg}")
        own = self._own_lines(error)
        why = traceback.format_exception_only(error)[-1]
        if isinstance(error, SystemExit):
            why = f"{why.strip()}: the file ends the program"
        return Place(self.path, own[-1] if own else self.line).error(why)

    def _own_lines(self, error: BaseException) -> list[int]:
        """The lines of the user's file in the error's traceback, the innermost last."""
        frames = traceback.extract_tb(error.__traceback__)
        return [f.lineno or 0 for f in frames if f.filename == str(self.path)]


@dataclass(frozen=True)
class Source:
    """A user's file as it was read, `path` and all: what a plan or a saved run keeps of it and what
    worker processes get. Only what is `trusted` is run: what this user has on his own disk or in
    his session, and never what a file brings that somebody else may have made."""

    file: str
    text: str = field(repr=False)
    path: str = field(default="", compare=False)
    trusted: bool = field(default=False, compare=False, repr=False)

    @classmethod
    def read(cls, path: Path) -> Source:
        """The file of that name. Raises OwnFileError."""
        with Place(path).blamed():
            ast.parse(path.read_bytes(), str(path))  # names the line where it is no text
            text = importlib.util.decode_source(path.read_bytes())
        return cls(path.name, text, str(path)).known()

    @classmethod
    def from_dict(cls, told: Mapping[str, str], trust: bool = False) -> Source:
        """What `to_dict` said; trusted if `trust`, or if it is what is on disk or in use here."""
        found = cls(str(told["file"]), str(told["text"]), str(told["path"]))
        here = Path(found.path) if found.path else Path(found.file)
        same = False
        if here.is_file():
            with contextlib.suppress(OSError, SyntaxError, ValueError):
                same = importlib.util.decode_source(here.read_bytes()) == found.text
        return found.known() if trust or same or found.sha256 in _KNOWN else found

    def to_dict(self) -> dict[str, str]:
        """For JSON."""
        return {"file": self.file, "path": self.path, "sha256": self.sha256, "text": self.text}

    def known(self) -> Source:
        """The same, trusted."""
        _KNOWN.add(self.sha256)
        return replace(self, trusted=True)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def methods(self, name: str | None = None) -> list[Method]:
        """Its methods, or the one called `name`. Raises InputError, OwnFileError."""
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
    """The method of a file that this flow is; None for any other."""
    return _OF.get(type(flow))


@dataclass(frozen=True)
class Method:
    """A method of the user's file: its name, and where it is defined."""

    name: str
    flow: Flow
    place: Place
    equation: str
    source: Source | None = None

    def with_options(self, options: Mapping[str, Any]) -> Method:
        """The same with these options. Raises InputError("p")."""
        if not options:
            return self
        with self.place.blamed():
            flow = made("loss", {self.name: type(self.flow)}, self.name, options)
        return replace(self, flow=flow)

    @property
    def backends(self) -> tuple[str, ...]:
        """Where it runs: what asks for single walkers has no exact law."""
        if not self.flow.exact:
            return ("walkers",)
        return ("grid", "walkers") if self.flow.sampled else ("grid",)

    def guarded(self) -> Flow:
        """The flow, whose mistakes are told by their line, and whose `velocity` is looked at before
        it is used."""
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
                raise self.place.error(f"velocity returned {_described(value)}, {needed}")
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
            raise self.place.error(f"velocity returned {_described(value)}, {needed}")
        if np.isnan(array).any():
            at = f"θ = {θ:.6g}" if not np.ndim(θ) else f"θ = {np.round(θ, 6)}"
            raise self.place.error(f"velocity returned nan at {at}, t = {t:g}")
        return np.asarray(array, float) if array.ndim else float(array)


def _described(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return f"a value of type {type(value).__name__}"


@dataclass(frozen=True)
class Plain(Flow):
    """θ̇ = velocity(theta, data, negatives, rng, …), the function of a user's file.

    Both functions get copies: they may work in place.
    """

    title: ClassVar[str] = "A function of one's own"
    exact: ClassVar[bool] = False
    function: Callable[..., Any]
    asks: tuple[str, ...]
    kind: str
    mover: Callable[..., Any] | None
    mover_asks: tuple[str, ...]
    mover_place: Place
    keeper: Callable[..., Any] | None
    keeper_asks: tuple[str, ...]
    keeper_place: Place

    @property
    def weighted(self) -> bool:
        """Does its sampler give the walkers weights?"""
        return "logw" in self.mover_asks

    def init(self, ops: Backend, θ0: float) -> Cloud | None:
        if not self.has_negatives or self.kind != "persistent":
            return None
        return ops.model(θ0).of_mass(ops.mixture.log_Z(θ0)) if self.weighted else ops.model(θ0)

    def memory(self, ops: Backend, θ0: float, chains: Any) -> dict[str, Any]:
        if self.keeper is None:
            return {}
        points = None if chains is None else chains.x
        told = self.keeper(**_given(self.keeper_asks, ops, θ0, 2, walkers=points))
        if not isinstance(told, dict):
            needed = "a dict of arrays by name is needed"
            raise self.keeper_place.error(f"memory returned {_described(told)}, {needed}")
        return told

    def negatives(self, ops: Backend, θ: float, chains: Any) -> Cloud | None:
        if not self.has_negatives or self.kind == "persistent":
            return cast("Cloud | None", chains)
        if self.kind == "noise":
            return ops.noise(1.0)
        return ops.model(θ) if self.kind == "model" else ops.data_particles()

    def velocity(self, ops: Backend, θ: float, negatives: Any, **extra: float) -> Any:
        points = None if negatives is None else negatives.x
        weights = negatives.weights if negatives is not None and "weights" in self.asks else None
        return self.function(**_given(self.asks, ops, θ, 0, negatives=points, weights=weights))

    def watch(self, ops: Backend, θ: float, chains: Any) -> dict[str, float]:
        if not self.weighted:
            return {}
        return {"log_Z": chains.log_mass, "effective_size": ops.effective_size(chains)}

    def advance(self, ops: Backend, θ: float, θ_new: float, chains: Any) -> Any:
        if chains is None or self.mover is None:
            return chains if chains is None else ops.move(chains, θ)
        moved = self.mover(**_given(self.mover_asks, ops, θ, 1, walkers=chains.x,
                                    logw=chains.logw, theta_new=θ_new))  # fmt: skip
        if not self.weighted:
            return Cloud(self._checked(moved, chains.x.shape, "positions", θ))
        if not isinstance(moved, tuple) or len(moved) != 2:
            needed = "it asks for logw: a tuple (walkers, logw) is needed"
            raise self.mover_place.error(f"advance returned {_described(moved)}, {needed}")
        told = zip(moved, ("positions", "log weights"), strict=True)
        return Cloud(*(self._checked(part, chains.x.shape, what, θ) for part, what in told))

    def _checked(self, moved: Any, shape: tuple[int, ...], what: str, θ: float) -> Array:
        """A copy, or OwnFileError where the array has not the walkers' shape, or is not finite."""
        x = np.asarray(moved, dtype=np.float64)
        if x.shape != shape:
            needed = f"the walkers' shape {shape} is needed"
            raise self.mover_place.error(f"advance returned {_described(moved)}, {needed}")
        if not np.isfinite(x).all():
            bad = f"{np.count_nonzero(~np.isfinite(x)):,} {what} that are not finite"
            raise self.mover_place.error(f"advance returned {bad} at θ = {θ:.6g}")
        return x.copy()


def _given(
    asks: tuple[str, ...], ops: Any, θ: float, stream: int, **more: Array | float | None
) -> dict[str, Any]:
    """The arguments a function asks for; its rng is a function of (seed, step, stream)."""
    made: dict[str, Callable[[], Any]] = {
        "theta": lambda: θ,
        "data": lambda: ops.data_particles().x.copy(),
        "rng": lambda: ops.rng(stream),
        "mixture": lambda: ops.mixture,
        "dt": lambda: ops.h,
        "step": lambda: ops.step,
        "memory": lambda: ops.memory,
    }
    made |= {name: functools.partial(copy.copy, x) for name, x in more.items() if x is not None}
    return {name: made[name]() for name in asks}


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
    """The methods of the file, or the one called `name`. Raises InputError, OwnFileError."""
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
    found = _classes(path, module, lines) + _functions(path, module)
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
        place = _place(path, cls.velocity, place.line)
        methods.append(Method(named.get(cls, cls.__name__), flow, place, equation(cls)))
    return methods


def _functions(path: Path, module: ModuleType) -> list[Method]:
    """The function `velocity` of the file, as a Flow named as the file."""
    function, mover, keeper = (vars(module).get(n) for n in ("velocity", "advance", "memory"))
    place, mover_place, keeper_place = (_place(path, f) for f in (function, mover, keeper))
    if function is None:
        return []
    asks = _asked(function, OFFERED, "velocity", place)
    mover_asks = () if mover is None else _asked(mover, OFFERED_TO_ADVANCE, "advance", mover_place)
    keeper_asks = () if keeper is None else _asked(keeper, OFFERED_TO_MEMORY, "memory",
                                                   keeper_place)  # fmt: skip
    if keeper is None and "memory" in (*asks, *mover_asks):
        raise place.error("memory is asked for, but the file has no function `memory` that returns "
                          "what it begins with")  # fmt: skip
    kind = vars(module).get("NEGATIVES", "model" if mover is None else "persistent")
    if kind not in NEGATIVES:
        allowed = "must be " + ", ".join(map(repr, NEGATIVES))
        raise Place(path).error(f"NEGATIVES = {kind!r}: {allowed}")
    if mover is not None and kind != "persistent":
        raise mover_place.error(f"advance moves persistent particles, NEGATIVES = {kind!r} has "
                                "none: keep one of the two")  # fmt: skip
    own: dict[str, Any] = {"name": path.stem, "has_negatives": "negatives" in asks,
                           "__doc__": function.__doc__}  # fmt: skip
    cls: Any = type("Own", (Plain,), own)
    flow = cls(function, asks, kind, mover, mover_asks, mover_place, keeper, keeper_asks,
               keeper_place)  # fmt: skip
    return [Method(path.stem, flow, place, equation(cls))]


def _place(path: Path, function: Any, line: int = 0) -> Place:
    """Where a function of the file is defined; `line` where it comes from elsewhere."""
    code = getattr(function, "__code__", None)
    return Place(path, code.co_firstlineno if code and code.co_filename == str(path) else line)


def _asked(function: Any, offered: tuple[str, ...], name: str, place: Place) -> tuple[str, ...]:
    """The names of the arguments that the function asks for."""
    if not callable(function):
        raise place.error(f"{name} is {_described(function)}, a function is needed")
    with place.blamed():
        parameters = inspect.signature(function).parameters.values()
    asks = []
    for p in parameters:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        if p.name in offered and p.kind is not p.POSITIONAL_ONLY:
            asks.append(p.name)
        elif p.default is p.empty:
            raise place.error(f"{name} asks for {p.name!r}; by name it may ask for "
                              + ", ".join(offered))  # fmt: skip
    return tuple(asks)
