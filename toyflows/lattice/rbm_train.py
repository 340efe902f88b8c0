"""Training an RBM: W ← W + rate (E_data[vhᵀ] − E_negatives[vhᵀ] − decay W), and so for a and b.

Where the negatives come from is the sampler; h → v → h is a sweep:

    cd          k sweeps from the data                     Hinton (2002)
    pcd         k sweeps from the last step's ends         Younes (1989); Tieleman (2008)
    tempering   the same at the temperatures 1 … ∞ at once, e^{−βE} with β from 1 down to 0 in equal
                steps; neighbours change places            Swendsen & Wang (1986); Desjardins (2010)
    exact       all states: maximum likelihood

As the weights grow, CD-1 turns back, and PCD runs away when its chains no longer cross between the
modes within a step's change; tempering does not (Fischer & Igel 2010; so do bars and stripes here).

All that is random is a function of (seed, step): a run that goes on from its checkpoint is the run
that was never stopped, bit for bit (with the same BLAS on the same number of its threads).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from toyflows import display
from toyflows.errors import Diverged, InputError
from toyflows.files import check_memory
from toyflows.lattice import belief
from toyflows.lattice.belief import Belief
from toyflows.lattice.binary import Bits, Data
from toyflows.lattice.rbm import RBM, Array, Statistics, mean_of
from toyflows.lattice.rbm_config import Config
from toyflows.nn import checkpoint
from toyflows.nn.optimise import Schedule
from toyflows.seeds import order, stream

KIND = "rbm"
CHAINED = ("pcd", "tempering")  # samplers whose chains go on from step to step
JUDGED = 500  # images of a part that the likelihood is reported for
EXACT = 16  # units of the smaller layer: up to here the likelihood on the way is exact


class Seen(NamedTuple):
    """A row of the history, for the first JUDGED images of a part (valid: nan if none).

    log_p: the mean of log p(v), exact up to 16 units of the smaller layer, else the mean of the
    pseudo-likelihood. error: the mean of (v − p(v|h))² with h set to p(h|v). On an RBM below, v are
    its hidden units, drawn, and log_p is the bound of the two, by one draw for each image.
    """

    step: float
    log_p: float
    valid: float
    error: float
    norm: float


class Record(NamedTuple):
    """The numbers of one step: the norm of its gradient; `seen` each `every` steps."""

    step: int
    norm: float
    seen: Seen | None


class TooFast(Diverged):
    """A rate at which the weights run away."""

    def __init__(self, step: int, size: float):
        super().__init__(step, step, "the squared weights' sum", size)
        self.args = (f"{self}; try a smaller rate (-p rate=…)",)


@dataclass
class State:
    """The state of a run at a step; the checkpoint holds all of it."""

    rbm: RBM
    h: Array  # (rows, m) ends of the chains; none but for pcd and tempering
    history: Array  # (rows, len(Seen)) float64
    step: int = 0
    lower: RBM | None = None  # the RBM below, which stays as it is

    @classmethod
    def new(cls, config: Config, data: Data, lower: RBM | None = None) -> State:
        """Before the first step. The chains begin at coin flips. Above another RBM the weights are
        those of that one turned over, where it has as many pixels as there are hidden units."""
        v = data.train if lower is None else belief.lift(lower, data.train, config.seed, 0)
        if lower is not None and config.hidden == len(lower.a):
            rbm = belief.turned(lower)
        else:
            rbm = RBM.new(v, config.hidden, stream(config.seed, "weights"))
        rows = len(config.β) if config.sampler in CHAINED else 0
        h = stream(config.seed, "chains").integers(0, 2, (rows, config.hidden))
        return cls(rbm, h.astype(np.float32), np.zeros((0, len(Seen._fields))), 0, lower)

    def arrays(self) -> dict[str, Array]:
        """The arrays, by their names in a checkpoint."""
        return {
            "W": self.rbm.W, "a": self.rbm.a, "b": self.rbm.b, "h": self.h.astype(np.uint8),
            "history": self.history, **_below(self.lower),
        }  # fmt: skip


def _below(lower: RBM | None) -> dict[str, Array]:
    return {} if lower is None else {"W1": lower.W, "a1": lower.a, "b1": lower.b}


def train(
    config: Config, state: State, data: Data, keep: Callable[[], Any] = lambda: None
) -> Iterator[Record]:
    """Steps `state` for as long as records are taken from it, or until the rate has fallen to 0;
    `keep` is called when a checkpoint is due. Raises Diverged where the weights are no longer
    finite."""
    rate = Schedule(config.rate, cosine=config.cosine)
    while not config.cosine or state.step < config.cosine:
        norm = advance(config, state, data.train, rate(state.step))
        seen = None
        if state.step % config.every == 0:
            seen = judge(config, state, data, norm)
            state.history = np.vstack([state.history, seen])
            keep()
        yield Record(state.step, norm, seen)


def advance(config: Config, state: State, v: Bits, rate: float) -> float:
    """One step of `state`, in place; the norm of its gradient."""
    batch, rbm = v[rows_of(len(v), config.batch, config.seed, state.step)], state.rbm
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        if state.lower is not None:
            batch = belief.lift(state.lower, batch, config.seed, state.step)
        p, h = rbm.up(batch, config.seed, state.step)
        gradient = mean_of(batch, p).minus(negatives(config, state, h))
        for θ, g in zip((rbm.W, rbm.a, rbm.b), gradient, strict=True):
            if config.decay and θ is rbm.W:
                θ *= 1 - rate * config.decay
            θ += rate * g
        if not math.isfinite(size := float(np.vdot(rbm.W, rbm.W))):
            raise TooFast(state.step, size)
    state.rbm = RBM(rbm.W, rbm.a, rbm.b)  # a new object drops the cached log Z
    state.step += 1
    return gradient.norm


def negatives(config: Config, state: State, h: Array) -> Statistics:
    """What stands for the model's expectations; h (batch, m) are draws given the data."""
    if config.sampler == "exact":
        return state.rbm.statistics()
    β = None if config.sampler == "cd" else config.β
    h = h if β is None else state.h
    for sweep in range(config.k):
        _, v = state.rbm.down(h, config.seed, state.step, sweep, β)
        if config.sampler == "tempering":
            exchange(config, state, v, h, sweep)
        p, h = state.rbm.up(v, config.seed, state.step, sweep + 1, β)
    if β is not None:
        state.h = h
        v, p = v[: config.chains], p[: config.chains]  # at β = 1
    return mean_of(v, p)


def rows_of(n: int, batch: int, seed: int, step: int) -> Array:
    """Rows of the data that a step takes: each of the n once in an epoch, in a random order."""
    first, begin = divmod(step * batch, n)
    last = (step * batch + batch - 1) // n
    epochs = [_shuffled(n, seed, epoch) for epoch in range(first, last + 1)]
    return np.concatenate(epochs)[begin : begin + batch]


@functools.lru_cache(maxsize=4)
def _shuffled(n: int, seed: int, epoch: int) -> Array:
    return order(n, n, seed, epoch)


def exchange(config: Config, state: State, v: Array, h: Array, sweep: int) -> None:
    """Neighbouring temperatures change their pairs (v, h) with probability
    min(1, e^{(β − β')(E − E')}), in place: each with the next hotter, or with the next colder."""
    C, E = config.chains, state.rbm.energy(v, h)
    turn = state.step * config.k + sweep
    u = stream(config.seed, "exchange", turn).random(len(h))
    cold = np.arange(len(h)).reshape(-1, C)[turn % 2 : -1 : 2].ravel()
    with np.errstate(divide="ignore"):
        rise = (config.β[cold] - config.β[cold + C]) * (E[cold] - E[cold + C])
    cold = cold[np.log(u[cold]) < rise]
    for x in (v, h):
        x[cold], x[cold + C] = x[cold + C], x[cold]


def judge(config: Config, state: State, data: Data, norm: float) -> Seen:
    """How well the model does now."""
    step, rbm = state.step, state.rbm
    rng = stream(config.seed, "judge", step)
    exact = config.smaller <= EXACT

    def lifted(v: Bits) -> Bits:
        return v if state.lower is None else belief.lift(state.lower, v, config.seed, step)

    def mean_log(v: Bits) -> float:
        if not len(v):
            return math.nan
        if exact and state.lower is not None:
            return float(Belief(state.lower, rbm).drawn_bound(v, 1, config.seed + step).mean())
        v = lifted(v)
        return float((rbm.log_likelihood(v) if exact else rbm.pseudo_likelihood(v, rng)).mean())

    with np.errstate(under="ignore"):
        v = lifted(data.train[:JUDGED])
        p, _ = rbm.up(v, config.seed, step)
        p, _ = rbm.down(p, config.seed, step)
        error = float(np.mean((v - p) ** 2, dtype=np.float64))
        learned, held_out = mean_log(data.train[:JUDGED]), mean_log(data.valid[:JUDGED])
        return Seen(step, learned, held_out, error, norm)


# ---- files


@dataclass(frozen=True, eq=False)
class Model:
    """A run as its checkpoint has it."""

    config: Config
    state: State
    data_hash: str

    def __repr__(self) -> str:
        c, step = self.config, self.state.step
        on = f"on {c.below} hidden units, " if c.below else ""
        return f"Model({KIND} of {c.data}, {on}{c.hidden} hidden units, {c.sampler}, step {step})"

    def _repr_html_(self) -> str:
        last = dict(zip(Seen._fields, self.state.history[-1:].T.ravel().tolist(), strict=False))
        return display.page(display.words(repr(self)), display.table(last.items()))

    @classmethod
    def new(cls, config: Config, data: Data, lower: RBM | None = None) -> Model:
        """A run that begins, on the RBM `lower` where config.below says so."""
        rows, need = len(config.β) + 4 * config.batch, 16 * config.hidden * config.visible
        need += 4 * rows * (config.hidden + config.visible)
        check_memory("hidden", config.hidden, need)
        return cls(config, State.new(config, data, lower), data.data_hash)

    def load_data(self) -> Data:
        """The data. Raises InputError("data") if they are no longer those it learned from."""
        data = self.config.load()
        if data.data_hash != self.data_hash:
            raise InputError("data", self.config.data, "has changed since the run began")
        return data

    def save(self, path: str | Path) -> Path:
        """Writes the checkpoint, whole or not at all."""
        c, s = self.config, self.state
        return checkpoint.save_run(path, KIND, c, s.arrays(), s.step, self.data_hash)

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """The run that `save` wrote. Raises InputError("checkpoint") for anything else."""
        arrays, header = checkpoint.load(path, [KIND])
        config = checkpoint.configured(Config, header, arrays, path)
        n, m, low = config.visible, config.hidden, config.below
        kept = len(config.β) if config.sampler in CHAINED else 0
        rows = len(arrays.get("history", ()))
        below = _zeros(config.size**2, low) if low else None
        like = State(
            _zeros(n, m), np.zeros((kept, m)), np.zeros((rows, len(Seen._fields))), 0, below
        )
        checkpoint.load(path, [KIND], like.arrays())
        rbm = RBM(arrays["W"], arrays["a"], arrays["b"])
        lower = RBM(arrays["W1"], arrays["a1"], arrays["b1"]) if low else None
        h = arrays["h"].astype(np.float32)
        return cls(config, State(rbm, h, arrays["history"], header.step, lower), header.data)


def _zeros(n: int, m: int) -> RBM:
    """Of these shapes, without their memory."""
    return RBM(*(np.broadcast_to(np.float32(0), shape) for shape in ((n, m), n, m)))
