"""Training an energy model, a JEM or a classifier on images: configuration, state, loop, files.

One step: a batch of data with a little noise; as many samples by Langevin chains; the gradient of
`energy.loss`, clipped; Adam. A classifier takes no samples and learns log q(y|x) alone; it is the
comparison for a JEM. The sampler says where the chains begin:

    contrastive-divergence   at the batch                              Hinton (2002)
    persistent               in a buffer of earlier chains' ends; a share of them afresh, at noise
    short-run                at noise, always                          Nijkamp et al. (2019)

All that is random is a function of (seed, step), so that a run that goes on from its checkpoint is
the run that was never stopped, bit for bit. The buffer is kept on the 256 levels of a picture: the
rounding is 2/255/√12 = 0.0023 of noise, less than a chain adds in one step.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from toyflows.errors import InputError, nearest
from toyflows.files import available_cores, check_memory
from toyflows.images import energy, folder, glyphs
from toyflows.images.base import SIZES, Images, Parts
from toyflows.images.engines import engine_of
from toyflows.images.sgld import Chain, Engine, noise
from toyflows.limits import FASTEST, Demanding, check_seed
from toyflows.nn import checkpoint, training
from toyflows.nn.layers import Array
from toyflows.nn.network import Network, energy_network
from toyflows.nn.optimise import EMA, Adam, Schedule, clip
from toyflows.pictures import Labels, Levels, Pixels, levels, pixels
from toyflows.seeds import order, stream

KINDS = ("ebm", "jem", "classifier")
SAMPLERS = ("contrastive-divergence", "persistent", "short-run")
WINDOW = 50  # steps over which E model − E data is averaged
DOUBT, APART = 0.05, 0.2  # of that mean: no state to come back to; a run that is lost
LIMIT = 1000.0  # of |E|, which the squares in the loss hold near 1/(2α): beyond, a run is lost
STEP = {"ebm": 10.0, "jem": 2.0}  # the exercise's 10; with it two of three jems ran away here


@dataclass(frozen=True)
class Config(Demanding):
    """All settings of a run except its length."""

    kind: str = "ebm"
    size: int = 28  # of the images
    data: str = "glyphs"  # or a folder, or an .npz
    seed: int = 0
    sampler: str = "persistent"
    conditional: bool = False  # of a jem: each chain samples q(x|y) of its own class
    langevin: int = 40  # steps of a chain
    step: float = 0.0  # of a chain; 0: that of the kind
    noise: float = 0.005  # of a step, and on the data
    clip: float = 0.03  # of ∂E/∂x
    batch: int = 128
    buffer: int = 8192
    fresh: float = 0.05
    alpha: float = 0.1
    weight: float = 1.0  # of log q(y|x) in the loss of a jem
    rate: float = 5e-4
    cosine: int = 0  # steps in which the rate falls to zero, as a half cosine; 0: it stays
    beta1: float = 0.0
    beta2: float = 0.999
    norm: float = 0.1  # of the gradient, at most
    average: float = 0.99  # decay of the mean θ that scores are taken with
    hidden: int = 64
    pool: int = 0
    every: int = 50  # steps between checkpoints
    engine: str = ""  # numpy or fast; empty: the fastest there is
    classes: tuple[str, ...] = ()  # of the data

    def __post_init__(self) -> None:
        for name, allowed in (("kind", KINDS), ("sampler", SAMPLERS)):
            if (value := getattr(self, name)) not in allowed:
                raise InputError(name, value, nearest(str(value), allowed))
        for name in ("langevin", "batch", "buffer", "every"):
            self._demand(name, getattr(self, name) >= 1, "1 or more")
        self._demand("rate", 0 < self.rate <= FASTEST, f"0 < rate ≤ {FASTEST:g}")
        for name in ("norm", "weight"):
            self._demand(name, 0 < getattr(self, name) < math.inf, "a positive number")
        for name in ("hidden", "pool"):
            self._demand(name, getattr(self, name) >= 0, "0 or more")
        for name in ("beta1", "beta2", "average"):
            self._demand(name, 0 <= getattr(self, name) < 1, f"0 ≤ {name} < 1")
        self._demand("cosine", self.cosine >= 0, "0 or more")
        self._demand("alpha", 0 <= self.alpha < math.inf, "0 or more")
        self._demand("fresh", 0 <= self.fresh <= 1, "0 ≤ fresh ≤ 1")
        self._demand("buffer", self.buffer >= self.batch, f"batch = {self.batch} or more")
        self._demand("conditional", not self.conditional or self.kind == "jem", "false for an ebm")
        if not self.step:
            object.__setattr__(self, "step", STEP.get(self.kind, STEP["ebm"]))
        check_seed(self.seed)
        if not 8 <= self.size <= SIZES[1]:
            raise InputError("size", self.size, f"must be 8 … {SIZES[1]} pixels")
        _ = self.chain

    @property
    def idle(self) -> dict[str, str]:
        """The options that have no effect here, and what each is for."""
        if not self.sampled:
            chains = ("langevin", "step", "clip", "buffer", "fresh", "alpha", "weight")
            return dict.fromkeys(chains, "is for ebm and jem; a classifier draws no samples")
        found = {} if self.labelled else {"weight": "is for jem; an ebm learns no classes"}
        if self.sampler != "persistent":
            why = f"is for --sampler persistent; {self.sampler} keeps no chains"
            found |= dict.fromkeys(("buffer", "fresh"), why)
        return found

    @property
    def chain(self) -> Chain:
        """The chain that gives the samples of a training step."""
        return Chain(self.langevin, self.step, self.noise, self.clip)

    @property
    def sampled(self) -> bool:
        """Whether chains are run."""
        return self.kind != "classifier"

    @property
    def labelled(self) -> bool:
        """Whether the classes of the images are learned."""
        return self.kind != "ebm"

    def network(self) -> Network:
        """One energy, or a logit for each class."""
        outputs = len(self.classes) if self.labelled else 1
        return energy_network(self.size, outputs, self.hidden, self.pool)

    def parts(self) -> Parts:
        """The data; where classes are learned there must be two."""
        if self.data == "glyphs":
            return glyphs.load(self.size)
        return folder.load(self.data, self.size, labelled=self.labelled, known=["glyphs"])


@dataclass
class State(training.State):
    """A training state whose chains are in `more`."""

    @classmethod
    def new(cls, config: Config) -> State:
        """The state before the first step."""
        θ = config.network().init(stream(config.seed, "network"))
        slots = config.buffer if config.sampler == "persistent" and config.sampled else 0
        shape = (slots, config.size, config.size)
        buffer = stream(config.seed, "buffer").integers(0, 256, shape, np.uint8)
        adam = Adam.at(θ, config.beta1, config.beta2)
        history = np.zeros((0, len(SEEN)), np.float32)
        return cls(θ, adam, EMA.of(θ, config.average), history, {"buffer": buffer})

    @property
    def buffer(self) -> Levels:
        """(slots, size, size); none but for the persistent sampler."""
        return self.more["buffer"]


SEEN = (*energy.Loss._fields, "norm")  # columns of the history


class Record(NamedTuple):
    """The numbers of one step: its loss, the norm of its gradient, the rate. `lost` says why the
    step was undone; the run is then back at `step`."""

    step: int
    loss: energy.Loss
    norm: float
    rate: float
    lost: str = ""


def train(
    config: Config,
    state: State,
    data: Images,
    engine: Engine,
    keep: Callable[[State], Any],
) -> Iterator[Record]:
    """The steps of `training.steps`. A step is lost if its loss or gradient is not finite, if its
    new weights give one of its images an energy beyond LIMIT, or after which the energy tells
    samples from data (`apart`)."""

    def step() -> Record:
        return advance(config, state, data, engine)

    def sound(state: State) -> bool:
        return apart(config, state) <= DOUBT

    return training.steps(state, step, config.every, keep, sound, config.cosine)


def advance(config: Config, state: State, data: Images, engine: Engine) -> Record:
    """One step of `state`, in place."""
    key = state.key(config.seed)
    rate = Schedule(config.rate, cosine=config.cosine)(state.step) / 2**state.rollbacks
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):  # judged by `_lost`
        batch = data[order(len(data), config.batch, key, state.step)]
        ξ = stream(key, "data", state.step).standard_normal(batch.x.shape, np.float32)
        x = real = np.clip(batch.x + config.noise * ξ, -1, 1)
        if config.sampled:
            model, slots = _samples(config, state, Images(real, batch.y), engine)
            x = np.concatenate([real, model])
        f = engine.outputs(state.θ, x)
        loss, g = _loss(config, f, batch.y)
        gradient = engine.gradients(state.θ, x, g)
        norm = clip(gradient, config.norm)
        state.adam.step(state.θ, gradient, rate)
        state.mean.update(state.θ)
        E, _ = energy.energy(engine.outputs(state.θ, x))
        if len(state.buffer):
            state.buffer[slots] = levels(model)
        state.seen(*loss, norm)
    lost = _lost(loss.total, norm, E)
    if not lost and (gap := apart(config, state)) > APART:
        lost = f"E model − E data = {gap:.2f} in the last {WINDOW} steps"
    return Record(state.step, loss, norm, rate, lost)


def _samples(config: Config, state: State, real: Images, engine: Engine) -> tuple[Pixels, Labels]:
    """The ends of this step's chains, and their slots in the buffer."""
    x, classes, slots = beginnings(config, state, real)
    start = state.step * config.langevin
    return engine.langevin(state.θ, x, config.chain, state.key(config.seed), start, classes), slots


def _loss(config: Config, f: Array, y: Labels) -> tuple[energy.Loss, Array]:
    """The loss from outputs on data, then on samples; and ∂L/∂f of all outputs."""
    if config.sampled:
        real, model = np.split(f, 2)
        loss, *g = energy.loss(real, model, y, config.alpha, config.weight)
        return loss, np.concatenate(g)
    entropy, slope = energy.cross_entropy(f, y)
    E, right = float(energy.energy(f)[0].mean()), float(np.mean(f.argmax(axis=1) == y))
    return energy.Loss(entropy, E, E, entropy, right), slope


def _lost(loss: float, norm: float, E: Array) -> str:
    """What is wrong with a step whose new weights give the energies E; empty if nothing is."""
    for name, value in (("loss", loss), ("gradient norm", norm)):
        if not math.isfinite(value):
            return f"{name} = {value}"
    worst = float(E[np.argmax(np.abs(E))])
    return "" if abs(worst) <= LIMIT else f"an energy = {worst:.3g}"


def apart(config: Config, state: State) -> float:
    """Mean of E model − E data over the last WINDOW steps: persistent chains follow the energy, so
    that it stays near 0 (within 0.03 in a sound run; first steps aside). Chains that are stuck end
    where the energy is high, the loss falls with the gap for ever, and samples are no letters any
    more; without the squares in the loss (α = 0) energies have no scale that it could be held to.
    """
    if config.sampler != "persistent" or not config.alpha or state.step < 5 * WINDOW:
        return 0.0
    data, model = state.history[-WINDOW:, 1:3].mean(axis=0, dtype=np.float64)
    return float(model - data)


def beginnings(config: Config, state: State, batch: Images) -> tuple[Pixels, Labels | None, Labels]:
    """Where this step's chains begin (batch, size, size), their classes (batch, 1) or None, and
    the slots of the buffer that they come from. The class of a slot is its place modulo K."""
    rng = stream(state.key(config.seed), "chains", state.step)
    n, K = config.batch, len(config.classes)
    slots = np.zeros(0, np.int64)
    if config.sampler == "contrastive-divergence":
        x, y = batch.x, batch.y
    elif config.sampler == "persistent":
        slots = rng.choice(len(state.buffer), n, replace=False)
        x, y = pixels(state.buffer[slots]), slots % max(K, 1)
        new = rng.random(n) < config.fresh
        x[new] = noise(rng, int(new.sum()), config.size)
    else:
        x, y = noise(rng, n, config.size), rng.integers(max(K, 1), size=n)
    return x, y[:, None] if config.conditional else None, slots


# ---- files


@dataclass(frozen=True, eq=False)
class Model:
    """A run as its checkpoint has it; `data_hash` is that of the parts it learned from."""

    config: Config
    state: State
    data_hash: str

    def __repr__(self) -> str:
        c = self.config
        return f"Model({c.kind} of {c.data}, {c.size} × {c.size} pixels, step {self.state.step})"

    @classmethod
    def new(cls, config: Config, parts: Parts) -> Model:
        """A run that begins: with the classes of the data, and the engine there is."""
        config = dataclasses.replace(config, classes=parts.classes)
        engine = engine_of(config.network(), config.engine).name
        config = dataclasses.replace(config, engine=engine)
        _check_memory(config)
        return cls(config, State.new(config), parts.data_hash)

    def engine(self, threads: int | None = 1) -> Engine:
        """The engine that the run was begun with, as others round differently. None: all cores."""
        threads = available_cores() if threads is None else threads
        return engine_of(self.config.network(), self.config.engine, threads)

    def parts(self) -> Parts:
        """The data. Raises InputError("data") if they are no longer those it learned from."""
        parts = self.config.parts()
        if parts.data_hash != self.data_hash:
            raise InputError("data", self.config.data, "has changed since the run began")
        return parts

    def save(self, path: str | Path) -> Path:
        """Writes the checkpoint, whole or not at all."""
        c, s = self.config, self.state
        return checkpoint.save_run(path, c.kind, c, s.arrays(), s.step, self.data_hash)

    @classmethod
    def load(cls, path: str | Path, *kinds: str) -> Model:
        """The run that `save` wrote. Raises InputError("checkpoint") for anything else, and for a
        run of none of these kinds."""
        arrays, header = checkpoint.load(path, kinds or KINDS)
        config = checkpoint.configured(Config, header, arrays, path)
        like = State.new(dataclasses.replace(config, sampler="short-run"))
        if config.sampler == "persistent" and config.sampled:
            shape = (config.buffer, config.size, config.size)
            like.more["buffer"] = np.broadcast_to(np.uint8(0), shape)
        history = np.broadcast_to(np.float32(0), (header.step, len(SEEN)))
        wanted = training.with_kept(like.arrays() | {"history": history}, arrays)
        checkpoint.load(path, kinds or KINDS, wanted)
        return cls(config, State.of(arrays, like.adam, like.mean), header.data)


def _check_memory(config: Config) -> None:
    """The buffer, the copy to go back to and that being written; a batch's arrays in float32."""
    for name, images, bytes_ in (("buffer", config.buffer, 3), ("batch", config.batch, 40)):
        check_memory("p", f"{name}={images}", images * config.size**2 * bytes_)
