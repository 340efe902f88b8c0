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
import inspect
import itertools
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from toyflows.cloud import Array, Cloud
from toyflows.errors import Diverged, InputError, nearest
from toyflows.files import reads
from toyflows.flows.base import Flow

if TYPE_CHECKING:
    from toyflows.backends.base import Backend

# The truth, θ*, is not among them: a method that learns does not know it.
OFFERED = ("theta", "data", "negatives", "weights", "rng", "mixture", "dt", "step", "memory")
OFFERED_TO_ADVANCE = (
    "theta", "theta_new", "walkers", "logw", "rng", "mixture", "dt", "step", "memory",
)  # fmt: skip
OFFERED_TO_MEMORY = ("theta", "walkers", "rng", "mixture", "dt")
NEGATIVES = ("model", "data", "persistent", "noise")
NUMBER = "a number is needed"
LONGEST = 300  # characters of somebody else's error message


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
    def blamed(self) -> Iterator[None]:
        """Whatever goes wrong inside is told as an OwnFileError at the last line of the user's file
        that was running, else at this place."""
        try:
            yield
        except OwnFileError:
            raise
        except BaseException as error:  # the file may raise anything, SystemExit too
            if isinstance(error, InputError) and not self._own_lines(error):
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
class Method:
    """A method of the user's file: its name, and where it is defined."""

    name: str
    flow: Flow
    place: Place
    equation: str

    @property
    def backends(self) -> tuple[str, ...]:
        """Where it runs: what asks for single walkers has no exact law."""
        if not self.flow.exact:
            return ("walkers",)
        return ("grid", "walkers") if self.flow.sampled else ("grid",)

    def guarded(self) -> Flow:
        """The flow for one run: what `velocity` returns is looked at before it is used."""
        steps, told = itertools.count(), self.flow.velocity
        flow = copy.copy(self.flow)

        def velocity(ops: Backend, θ: float, negatives: Any, **extra: float) -> Any:
            step = next(steps)
            try:
                value = told(ops, θ, negatives, **extra)
            except OverflowError:  # Python's own numbers leave float64 by this error
                raise Diverged(step, step * ops.h, "θ̇", np.inf) from None
            rates = value if isinstance(value, tuple) else (value,)
            if len(rates) != 1 + len(extra):
                names = ", ".join(["θ", *extra])
                needed = f"a tuple of {1 + len(extra)} is needed ({names})" if extra else NUMBER
                raise self.place.error(f"velocity returned {_described(value)}, {needed}")
            at = f"θ = {θ:.6g}, t = {step * ops.h:g}"
            return tuple(self._number(rate, at) for rate in rates)

        flow.__dict__["velocity"] = velocity
        return flow

    def _number(self, value: Any, at: str) -> float:
        """float(value), or OwnFileError where it is no number, or nan."""
        try:
            array = np.asarray(value)
        except Exception:  # another library's array may refuse in its own way
            array = np.empty(0, object)
        if array.ndim or array.dtype.kind not in "iuf":
            raise self.place.error(f"velocity returned {_described(value)}, {NUMBER}")
        if np.isnan(array):
            raise self.place.error(f"velocity returned nan at {at}")
        return float(array)


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
    keeper: Callable[..., Any] | None = None
    keeper_asks: tuple[str, ...] = ()
    keeper_place: Place = Place(Path())

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
    with Place(path).blamed():
        source = path.read_bytes()
        module = _run(path, source)
        lines = {
            node.name: node.lineno
            for node in reversed(list(ast.walk(ast.parse(source))))
            if isinstance(node, ast.ClassDef)
        }
    found = _classes(path, module, lines) + _functions(path, module)
    if not found:
        raise Place(path).error("holds no method: neither a function `velocity` nor a subclass of "
                                "toyflows.flows.Flow with a velocity of its own")  # fmt: skip
    names = [method.name for method in found]
    for one, other in itertools.combinations(found, 2):
        if one.name == other.name:
            raise other.place.error(f"two methods are named {one.name!r}")
    if name is not None and name not in names:
        raise InputError("name", name, f"unknown; {nearest(name, names)}")
    return [method for method in found if name in (None, method.name)]


def _run(path: Path, source: bytes) -> ModuleType:
    """The file as a module. Its folder comes last in sys.path: it may hold helpers, and shadows
    nothing."""
    module = ModuleType(f"own_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    sys.path.append(str(path.parent.resolve()))
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
        equation = next(iter((cls.__doc__ or "").strip().splitlines()), "")
        equation = "" if equation.startswith(f"{cls.__name__}(") else equation  # dataclass's own
        place = _place(path, cls.velocity, place.line)
        methods.append(Method(named.get(cls, cls.__name__), flow, place, equation))
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
    own: dict[str, Any] = {"name": path.stem, "has_negatives": "negatives" in asks}
    cls: Any = type("Own", (Plain,), own)
    flow = cls(function, asks, kind, mover, mover_asks, mover_place, keeper, keeper_asks,
               keeper_place)  # fmt: skip
    equation = next(iter((function.__doc__ or "").strip().splitlines()), "")
    return [Method(path.stem, flow, place, equation)]


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
