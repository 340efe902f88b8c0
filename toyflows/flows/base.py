"""What a flow must say. One file per flow; the file is the equation.

    θ_{k+1} = θ_k + rate·dt · velocity(θ_k, negatives_k),     chains_{k+1} = advance(chains_k)

Options of a method are the fields of its frozen dataclass: the command line (`-p name=value`), the
captions and the tests read them there. A new file in this folder is a new method everywhere.
"""

from __future__ import annotations

import functools
import inspect
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from toyflows.registry import found, made
from toyflows.state import Info, State

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Cloud
    from toyflows.state import Particles
    from toyflows.target import Target

# What verdicts (verdict.py) and the lines of `frontiers` both mean:
LEARNED = 0.1  # share of the way to θ* below which nothing was learned
NEAR = 0.03  # in θ: half a per cent of weight


class Course(NamedTuple):
    """How a run goes; `walkers` is inf for the exact law."""

    θ0: float
    time: float
    dt: float
    rate: float
    walkers: float


class Flow:
    """The base of every training method. Override `velocity` and whatever else differs."""

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    note: ClassVar[str] = ""  # whose definition it is, the factor to others', where it rests
    has_negatives: ClassVar[bool] = True
    fused: ClassVar[str] = ""  # the sweep of Walkers.persistent that step() is, if it is one
    sampled: ClassVar[bool] = True  # does it run on walkers? If not, it is a quadrature
    exact: ClassVar[bool] = True  # has it an exact law? If not, it runs on walkers alone
    kinked: ClassVar[bool] = False  # θ̇ does not fall at θ*, where a step that would pass it ends
    needs_density: ClassVar[bool] = False  # of the data: then it does not run on the user's points

    @property
    def copies(self) -> int:
        """Persistent particles per walker: more than one in a buffer."""
        return 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A flow that changes an inherited step is no longer the one the kernel knows."""
        super().__init_subclass__(**kwargs)
        steps = {"init", "negatives", "velocity", "store", "advance", "step", "extra", "watch"}
        steps |= {"memory"}
        if "fused" not in vars(cls) and steps & set(vars(cls)):
            cls.fused = ""
        asked = inspect.signature(cls.negatives).parameters.values()
        cls._sees_extra = len(asked) > 4 or any(p.kind is p.VAR_KEYWORD for p in asked)

    _sees_extra: ClassVar[bool] = False  # does `negatives` ask for the further coordinates?

    def extra(self, target: Target, θ0: float) -> dict[str, float]:
        """Start values of the coordinates beyond θ."""
        return {}

    def init(self, ops: Backend, θ0: float) -> Particles | None:
        """The persistent particles at t = 0: one cloud, or one a temperature."""
        return None

    def memory(self, ops: Backend, θ0: float, chains: Any) -> dict[str, Any]:
        """What the method keeps of its own, at t = 0: arrays or numbers by name (momenta, running
        averages). Each step finds them in `ops.memory`, and assigns the new ones there."""
        return {}

    def negatives(self, ops: Backend, θ: float, chains: Any) -> Cloud | None:
        """The particles that `velocity` averages over. A method with further coordinates may ask
        for them too: negatives(self, ops, θ, chains, **extra)."""
        return cast("Cloud | None", chains)

    def velocity(self, ops: Backend, θ: float, negatives: Any, **extra: float) -> Any:
        """θ̇, or the tuple (θ̇, then the rates of the extra coordinates in their order)."""
        raise NotImplementedError

    def store(self, ops: Backend, chains: Any, negatives: Cloud | None) -> Particles | None:
        """The persistent particles with this step's negatives put among them (a buffer)."""
        return cast("Particles | None", chains)

    def advance(self, ops: Backend, θ: float, θ_new: float, chains: Any) -> Particles | None:
        """How the persistent particles follow θ."""
        return cast("Particles | None", chains)

    def watch(self, ops: Backend, θ: float, chains: Any) -> dict[str, float]:
        """Further numbers to be recorded with θ, by name (log_Z, effective_size)."""
        return {}

    def chain_time(self, dt: float) -> float | None:
        """Langevin time that a chain has from its fresh start to its use; None: no such chains."""
        return None

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> Any:
        """The lecture's velocity for well-separated modes, formed as `velocity`; None: none."""
        return None

    def separated_error(self, target: Target, θ: float) -> float:
        """A bound on |velocity − separated| at θ, with the exact law at the start of a run."""
        return math.nan

    def fixed_point(self, target: Target) -> float | None:
        """Where θ comes to rest for well-separated modes; None: nowhere, or unknown."""
        return None

    def rest(self, target: Target) -> dict[str, float]:
        """The coordinates beyond θ at the fixed point; those not named rest where they start."""
        return {}

    def frontiers(self, target: Target, run: Course) -> dict[str, float]:
        """The curves that the theory draws in a phase diagram, by what they say: the log of a ratio
        that is 1 on the curve."""
        return {}

    def begin(self, ops: Backend, θ0: float) -> State:
        """The state at t = 0."""
        ops = ops.at(0)
        chains = self.init(ops, θ0)
        memory = kept(self.memory(ops, θ0, chains))
        return State(0, θ0, self.extra(ops.target, θ0), chains, memory)

    def step(self, ops: Backend, state: State, η: float) -> tuple[State, Info]:
        """One step of size η = rate·dt, and what was seen before it."""
        ops = at(ops, state)
        rates, info, negatives = self._look(ops, state)
        θ = state.θ + η * rates[0]
        moved = {k: v + η * r for (k, v), r in zip(state.extra.items(), rates[1:], strict=True)}
        chains = self.store(ops, state.chains, negatives)
        chains = self.advance(ops, state.θ, θ, chains)
        return State(state.step + 1, θ, moved, chains, _kept_on(ops, state)), info

    def displaced(self, ops: Backend, state: State, θ: float) -> State:
        """The state with another θ, as after a step of the method: its weights know of it."""
        ops, chains = at(ops, state), state.chains
        if chains is not None:
            chains = self.advance(ops, state.θ, θ, chains)
        memory = _kept_on(ops, state)
        return state._replace(step=state.step + 1, θ=θ, chains=chains, memory=memory)

    def observe(self, ops: Backend, state: State) -> Info:
        """What the next step will see."""
        return self._look(at(ops, state), state)[1]

    def drawn(self, ops: Backend, θ: float, chains: Any, extra: dict[str, float]) -> Cloud | None:
        """`negatives`, told the further coordinates if it asks for them."""
        draw: Any = self.negatives
        found: Cloud | None = draw(ops, θ, chains, **(extra if self._sees_extra else {}))
        return found

    def _look(self, ops: Backend, state: State) -> tuple[tuple[float, ...], Info, Cloud | None]:
        negatives = self.drawn(ops, state.θ, state.chains, state.extra)
        v = self.velocity(ops, state.θ, negatives, **state.extra)
        rates = tuple(map(plain, v)) if isinstance(v, tuple) else (plain(v),)
        mode_b = math.nan
        if self.has_negatives and negatives is not None:
            mode_b = plain(ops.mean(negatives, ops.mixture.in_b))
        seen = self.watch(ops, state.θ, state.chains)
        return rates, Info(rates[0], mode_b, seen), negatives


def at(ops: Any, state: State) -> Any:
    """The backend at the state's step, with a copy of what the method keeps there."""
    ops = ops.at(state.step)
    if not state.memory:
        return ops
    return ops.remembering({name: array.copy() for name, array in state.memory.items()})


def _kept_on(ops: Any, state: State) -> dict[str, NDArray[Any]]:
    """What the step left in `ops.memory`; the names stay. Raises ValueError."""
    if not state.memory:
        return state.memory
    memory = kept(ops.memory)
    if memory.keys() != state.memory.keys():
        was, now = (", ".join(sorted(names)) for names in (state.memory, memory))
        raise ValueError(f"memory must keep its names: {was} became {now}")
    return memory


def kept(memory: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """The memory as arrays of numbers. Raises ValueError."""
    arrays = {name: np.asarray(value) for name, value in memory.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise ValueError(f"memory[{name!r}] must be a number, or an array of numbers")
    return arrays


def plain(value: Any) -> Any:
    """A float; or the array of a θ with several coordinates (toyflows/modes), as it is."""
    return value if getattr(value, "ndim", 0) else float(value)


def log_ratio(one: float, other: float) -> float:
    """log(one/other) for one, other ≥ 0, with infinities."""
    if one == other:
        return 0.0
    if other == 0 or one == math.inf:
        return math.inf
    return math.log(one / other) if one > 0 and other < math.inf else -math.inf


def tenth_of_the_way(speed: float, target: Target, run: Course) -> float:
    """log of rate·t·|θ̇| over a tenth of |θ* − θ0|: 0 where a run at this speed has just learned."""
    return log_ratio(run.rate * run.time * abs(speed), LEARNED * abs(target.θ_star - run.θ0))


@functools.cache
def registry() -> dict[str, type[Flow]]:
    """Every flow by its name: all Flow classes of the modules in this folder.

    Raises RuntimeError where two have one name, naming both modules.
    """
    return found(__package__ or "", Path(__file__).parent, Flow, "flow")


def equation(flow: type[Flow]) -> str:
    """The ODE: the first line of the class's docstring, "" where it has none of its own."""
    first = next(iter((flow.__doc__ or "").strip().splitlines()), "")
    return "" if first.startswith(f"{flow.__name__}(") else first  # dataclass's own


def make(name: str, /, **options: Any) -> Flow:
    """The flow of that name with its options; values given as text are read by the field's type.

    Raises InputError for an unknown name or option (naming the nearest) or a bad value.
    """
    return made("loss", registry(), name, options)
