"""Training DDPM and NCSN, on points or on images: configuration, state, loop.

One step: data x_0, times t spread evenly on [t_1, 1] from a random start, noise ε; the gradient of
(ε − ε̂(αx_0 + σε, t))², clipped; Adam; the mean of the weights, with which samples are drawn.

    ddpm    X_t = √ᾱ X_0 + √(1 − ᾱ) Z, variance preserving, ᾱ of a schedule       Ho et al. 2020
    ncsn    X_t = X_0 + σ(t) Z, variance exploding, σ geometric              Song & Ermon 2019

Times are continuous, so that a sampler may use any time: t_1 = 1/levels, and the chain of `levels`
steps has its times k/levels among them. Points are learned in units in which they have mean 0 and
spread 1. All that is random is a function of (seed, step): a run that goes on from its checkpoint
is the run that was never stopped, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from toyflows.diffusion import denoisers
from toyflows.diffusion.denoisers import Floats, ImageNet, Labels, Net, PointNet
from toyflows.diffusion.processes import VE, Process, process
from toyflows.errors import InputError, nearest
from toyflows.files import available_cores
from toyflows.images.base import checked_size
from toyflows.limits import FASTEST, Demanding, check_seed, check_workers
from toyflows.nn import compiled, training
from toyflows.nn.layers import Array
from toyflows.nn.network import Network, mlp
from toyflows.nn.optimise import EMA, Adam, Schedule, clip
from toyflows.nn.training import State
from toyflows.nn.unet import unet
from toyflows.seeds import stream

KINDS = ("ddpm", "ncsn")
LIMIT = 100.0  # of the loss, which is 1 where nothing is learned: beyond, a run is lost
SEEN = ("loss", "norm")  # columns of the history
POINTS = {"batch": 512, "rate": 4e-3, "average": 0.995, "width": 128, "levels": 200, "every": 500}
IMAGES = {"batch": 64, "rate": 1e-3, "average": 0.999, "width": 32, "levels": 1000, "every": 100}


@dataclass(frozen=True)
class Config(Demanding):
    """All settings of a run except its length. A number 0 means the default of points or images:
    see POINTS and IMAGES."""

    kind: str = "ddpm"
    target: str = "swiss-roll"  # a law, a file of points, a drawn shape; glyphs, a folder of images
    size: int = 0  # of the images; 0: points
    seed: int = 0
    labels: bool = False  # whether classes are learned
    unlabelled: float = 0.1  # share of the data whose class is withheld
    schedule: str = "linear"  # of a ddpm
    first: float = 0.0  # β(0) of it; 0: its own
    last: float = 0.0  # β(1) of it; 0: its own
    sigma_min: float = 0.01  # of an ncsn
    sigma_max: float = 20.0
    levels: int = 0
    batch: int = 0
    rate: float = 0.0
    cosine: int = 0  # steps in which the rate falls to zero, as a half cosine; 0: it stays
    average: float = 0.0  # decay of the mean θ that samples are drawn with
    norm: float = 1.0  # of the gradient, at most
    width: int = 0  # of a layer; of a U-Net's channels at full size
    depth: int = 3  # layers, of points
    every: int = 0  # steps between checkpoints
    columns: str = ""  # of a file of points: the two that are read, A,B
    skip_missing: bool | None = None  # of a file of points
    classes: tuple[str, ...] = ()  # of the data; none unless they are learned
    centre: tuple[float, ...] = (0.0,)  # of the data
    spread: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError("kind", self.kind, nearest(self.kind, KINDS))
        for name, value in (IMAGES if self.size else POINTS).items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)
        for name in ("levels", "batch", "width", "depth", "every"):
            self._demand(name, getattr(self, name) >= 1, "1 or more")
        self._demand("rate", 0 < self.rate <= FASTEST, f"0 < rate ≤ {FASTEST:g}")
        self._demand("norm", 0 < self.norm < math.inf, "a positive number")
        self._demand("levels", 2 <= self.levels <= 100_000, "2 … 100000")
        self._demand("depth", self.depth <= 100, "100 or less")
        self._demand("spread", 0 < self.spread < math.inf, "a positive number")
        self._demand("average", 0 <= self.average < 1, "0 ≤ average < 1")
        self._demand("unlabelled", 0 < self.unlabelled < 1, "0 < unlabelled < 1")
        self._demand("cosine", self.cosine >= 0, "0 or more")
        if self.size:
            checked_size(self.size)
            self._demand("width", self.width % 32 == 0, "a multiple of 32 for images")
        check_seed(self.seed)
        _ = self.process

    @property
    def idle(self) -> dict[str, str]:
        """The options that have no effect here, and what each is for."""
        names: tuple[str, ...] = ("schedule", "first", "last")
        other = "ddpm"
        if self.kind == "ddpm":
            names, other = ("sigma_min", "sigma_max"), "ncsn"
        found = dict.fromkeys(names, f"is for {other}, not for {self.kind}")
        if not self.labels:
            found["unlabelled"] = "goes with -p labels=true"
        if self.size:
            found["depth"] = "is for points, not for images"
        return found

    @property
    def asked(self) -> tuple[str, int, bool, str, bool | None]:
        """The arguments of sources.find."""
        return self.target, self.size, self.labels, self.columns, self.skip_missing

    @property
    def process(self) -> Process:
        """The process, in the units in which the data have spread 1."""
        if self.kind == "ncsn":
            return VE(self.sigma_min, self.sigma_max)
        given = {"first": self.first, "last": self.last}
        return process("vp", self.schedule, **{k: v for k, v in given.items() if v})

    @property
    def first_time(self) -> float:
        """t_1, the smallest that is learned: 1/levels, or 0 where there is noise at 0 already."""
        return 0.0 if self.kind == "ncsn" else 1 / self.levels

    def network(self) -> Network:
        """A U-Net or a dense network; an output for each input."""
        if self.size:
            return unet(self.size, (self.width, 2 * self.width), classes=len(self.classes))
        return mlp(2, 2, self.width, self.depth, 32, len(self.classes))

    def net(self, threads: int | None = 1) -> Net:
        """What answers for the network: compiled, if that is wanted. None: all cores."""
        check_workers(threads=threads)
        if self.size:
            return ImageNet(compiled.of_images(self.network()), threads or available_cores())
        return PointNet(compiled.of_points(self.network()))


def begin(config: Config) -> State:
    """A run before its first step."""
    θ = config.network().init(stream(config.seed, "network"))
    history = np.zeros((0, len(SEEN)), np.float32)
    return State(θ, Adam.at(θ), EMA.of(θ, config.average), history)


class Record(NamedTuple):
    """The numbers of one step: its loss, the norm of its gradient, the rate. `lost` says why the
    step was undone; the run is then back at `step`."""

    step: int
    loss: float
    norm: float
    rate: float
    lost: str = ""


# Data: batch(count, key, step) is x_0 (count, …) float32 in the units of the process, and classes.
Batch = Callable[[int, int, int], tuple[Floats, Labels]]


def train(
    config: Config, state: State, batch: Batch, net: Net, keep: Callable[[State], Any]
) -> Iterator[Record]:
    """The steps of `training.steps`. A step is lost if its loss or gradient is not finite, or if
    its loss is beyond LIMIT."""
    return training.steps(
        state, lambda: advance(config, state, batch, net), config.every, keep, end=config.cosine
    )


def advance(config: Config, state: State, batch: Batch, net: Net) -> Record:
    """One step of `state`, in place."""
    key = state.key(config.seed)
    rate = Schedule(config.rate, cosine=config.cosine)(state.step) / 2**state.rollbacks
    x0, y = batch(config.batch, key, state.step)
    rng = stream(key, "noise", state.step)
    t = times(config, rng)
    ε = rng.standard_normal(x0.shape, np.float32)
    labels = np.where(rng.random(len(y)) < config.unlabelled, net.classes, y)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):  # judged by `_lost`
        loss, gradient = denoisers.loss_and_gradient(
            net, state.θ, config.process, x0, ε, t, labels if net.classes else None
        )
        norm = clip(gradient, config.norm)
        state.adam.step(state.θ, gradient, rate)
        state.mean.update(state.θ)
        state.seen(loss, norm)
    return Record(state.step, loss, norm, rate, _lost(loss, norm))


def times(config: Config, rng: np.random.Generator) -> Array:
    """Times (batch,), each uniform on [t_1, 1], all together evenly spread: less noise in the loss.
    Source: Kingma et al., Variational diffusion models (2021), appendix I.1."""
    even = (rng.random() + np.arange(config.batch) / config.batch) % 1.0
    return np.asarray(config.first_time + (1 - config.first_time) * even)


def _lost(loss: float, norm: float) -> str:
    """What is wrong with a step; empty if nothing is."""
    for name, value in (("loss", loss), ("gradient norm", norm)):
        if not math.isfinite(value):
            return f"{name} = {value}"
    return "" if loss <= LIMIT else f"loss = {loss:.3g}"
