"""A plain function of the user's file as a Flow:

    velocity(theta, data, negatives, rng)  →  θ̇

It asks by name for any of OFFERED and runs on walkers: `data` and `negatives` are points (n,),
fresh at each step. Which negatives: the constant NEGATIVES of the file, or its own sampler
`advance(theta, walkers, rng)` → the walkers' new positions, with their log weights if it asks for
`logw`. What it keeps of its own begins as `memory(walkers)` → {name: array} (docs/add_a_method.md).
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from toyflows.cloud import Array, Cloud
from toyflows.flows.base import Flow
from toyflows.places import Place, described, place_of

if TYPE_CHECKING:
    from toyflows.backends.base import Backend

# The truth, θ*, is not among them: a method that learns does not know it.
OFFERED = ("theta", "data", "negatives", "weights", "rng", "mixture", "dt", "step", "memory")
OFFERED_TO_ADVANCE = (
    "theta", "theta_new", "walkers", "logw", "rng", "mixture", "dt", "step", "memory",
)  # fmt: skip
OFFERED_TO_MEMORY = ("theta", "walkers", "rng", "mixture", "dt")
NEGATIVES = ("model", "data", "persistent", "noise")


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
            raise self.keeper_place.error(f"memory returned {described(told)}, {needed}")
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
            raise self.mover_place.error(f"advance returned {described(moved)}, {needed}")
        told = zip(moved, ("positions", "log weights"), strict=True)
        return Cloud(*(self._checked(part, chains.x.shape, what, θ) for part, what in told))

    def _checked(self, moved: Any, shape: tuple[int, ...], what: str, θ: float) -> Array:
        """A copy, or OwnFileError where the array has not the walkers' shape, or is not finite."""
        x = np.asarray(moved, dtype=np.float64)
        if x.shape != shape:
            needed = f"the walkers' shape {shape} is needed"
            raise self.mover_place.error(f"advance returned {described(moved)}, {needed}")
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


def plain(path: Path, module: ModuleType) -> tuple[Plain, Place] | None:
    """The function `velocity` of the file as a Flow with the file's name, and where it is defined;
    None if there is none. Raises OwnFileError where the functions ask for what is not offered, or
    contradict each other."""
    function, mover, keeper = (vars(module).get(n) for n in ("velocity", "advance", "memory"))
    place, mover_place, keeper_place = (place_of(path, f) for f in (function, mover, keeper))
    if function is None:
        return None
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
    return flow, place


def _asked(function: Any, offered: tuple[str, ...], name: str, place: Place) -> tuple[str, ...]:
    """The names of the arguments that the function asks for."""
    if not callable(function):
        raise place.error(f"{name} is {described(function)}, a function is needed")
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
