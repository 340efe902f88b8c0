"""A small network that learns a score while it is watched: the last act of the room of noise.

The run is that of `toyflows train ddpm|ncsn --target NAME -p every=50`, bit for bit, one thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np

from toyflows.cloud import Array
from toyflows.diffusion import methods, train
from toyflows.diffusion.denoisers import LearnedScore
from toyflows.diffusion.gaussians import Gaussians
from toyflows.diffusion.processes import ExactScore, Process, log_snr, times
from toyflows.diffusion.samplers import run
from toyflows.diffusion.train import Config
from toyflows.diffusion.trained import Model
from toyflows.lab._job import Job
from toyflows.lab._noise_act import BLANK, EVERY, LENGTH, MEMORY, Act, arrows, box, lattice
from toyflows.lab._noise_laws import DRAWN, Law, law
from toyflows.lab._room import Frame
from toyflows.nn.training import State
from toyflows.seeds import stream

KINDS = {"vp": "ddpm", "ve": "ncsn"}
AT = lattice(3.0, 3.0, 0.4)
SAMPLES, DRAW_STEPS = 400, 25  # that are drawn of the network as it learns, by DDIM
JUDGED = 4096  # points by which the exact score's loss is measured
AT_ONCE = 256
CURVE = 400  # points of the loss curve, at most


class Training:
    """A run of so many steps, that goes on from the nearest state that is remembered."""

    def __init__(self, law: Law, values: Mapping[str, Any]):
        self.length = int(values["train"])
        config = Config(KINDS[values["process"]], law.name, seed=values["seed"],
                        cosine=self.length, every=EVERY)  # fmt: skip
        self.law, self.model = law, Model.new(config, law.source)
        self.net = config.net(1)
        names = ("target", "process", "train", "seed")
        drawn = ("points", "kernel") if law.name == DRAWN else ()
        self.key: Hashable = ("network", *((n, values[n]) for n in (*names, *drawn)))
        self.records = self._from(self.model.state)

    def _from(self, state: State) -> Any:
        """The run from a state whose step is a multiple of EVERY."""
        self.state, self.last = state, state.copy()  # `last` is at the last such step
        return train.train(self.model.config, state, self.law.source.batch, self.net, self._keep)

    def _keep(self, state: State) -> None:
        """`state` is a copy that the loop changes no more."""
        self.last = state
        size = sum(a.nbytes for a in state.arrays().values())
        MEMORY.put(self.key, state.step, state, size)

    def go(self, step: int, job: Job, tell: Callable[[int], Any] = lambda step: None) -> None:
        """Goes on to this step, at most to the last one."""
        step = min(step, self.length)
        if found := MEMORY.latest(self.key, self.state.step + 1, step):
            self.records = self._from(found[1].copy())
        while self.state.step < step:
            job.check()
            next(self.records)
            if self.state.step % EVERY == 0:
                tell(self.state.step)

    def score(self, state: State) -> LearnedScore:
        """The score with the mean weights, as samples are drawn."""
        c, θ = self.model.config, state.mean.mean if state.step else state.θ
        return LearnedScore(self.net, θ, c.process, c.first_time)

    @property
    def mixture(self) -> Gaussians:
        """The law in the model's units."""
        return self.law.in_units(self.model.units)


class Learning(Act):
    """The network's arrows over the exact ones at one noise, samples drawn of it at every EVERY-th
    step, and the loss beside that of the exact score, below which none can come."""

    def __init__(self, values: Mapping[str, Any], job: Job):
        super().__init__(values, None)
        self.training = Training(law(values), values)
        self.mixture = self.training.mixture
        process = self.training.model.process
        self.t = time_of(process, float(values["noise"]))
        self.α, self.σ = float(process.alpha(self.t)), float(process.sigma(self.t))
        seed = values["seed"]
        key = (self.training.key, "floor")
        self.floor = float(MEMORY.once(key, lambda: floor(self.training, seed, job)))
        exact = ExactScore(self.mixture, process)
        self.exact = self.α * exact(self.α * AT, self.t)
        noise = self.σ / self.α
        self.spread = math.sqrt(float(self.mixture.spreads.min()) ** 2 + noise**2)
        self.image = box(self.mixture, 1.0, noise)
        self.clean = box(self.mixture)
        with np.errstate(under="ignore"):
            self.near = np.exp(self.mixture.log_density(AT, 1.0, noise))
        self.drawn = (-1, BLANK["right_dots"])

    def advance(self, steps: int, job: Job) -> None:
        """See Scene. LENGTH steps of the page are the whole training."""
        self.step += steps
        self.training.go(min(self.step, LENGTH) * self.training.length // LENGTH, job)

    def seen(self) -> Frame:
        """See Act."""
        state = self.training.state
        score = self.training.score(state)
        learned = np.asarray(self.α * score(self.α * AT, self.t), float)
        gap = np.square(learned - self.exact).sum(axis=1)
        with np.errstate(under="ignore"):
            off = math.sqrt(self.near @ gap / (self.near @ np.square(self.exact).sum(axis=1)))
        curve = smoothed(state.history[:, 0])
        loss = float(curve[-1, 1]) if len(curve) else 1.0
        return {
            "title": f"Step {state.step}: loss {loss:.3f}, of the exact score {self.floor:.3f};"
            f" the arrows are off by {off:.0%}",
            "left_name": f"noise {self.σ / self.α:.2g}: exact ∇log p",
            "left_second": "the network's",
            "right_name": f"drawn of the network in {DRAW_STEPS} steps",
            "left_image": self.image, "right_image": self.clean,
            "left_arrows": arrows(AT, self.exact, self.spread, 0.6),
            "left_learned": arrows(AT, learned, self.spread, 0.6),
            "right_dots": self._samples(), "loss": curve, "floor": self.floor,
            "length": self.training.length, "trained": state.step, "off": off,
            "note": f"{self.training.law.name} · loss: mean (ε − ε̂)²",
        }  # fmt: skip

    def _samples(self) -> Array:
        """Points that the network of the last EVERY-th step makes of noise."""
        last = self.training.last
        if self.drawn[0] != last.step:
            process = self.training.model.process
            rng = stream(self.values["seed"], "sample")
            x = process.prior_sigma * rng.standard_normal((SAMPLES, 2))
            grid = times(process, DRAW_STEPS)
            x = run(methods.make("ddim"), self.training.score(last), process, x, grid, rng).x
            self.drawn = last.step, x.astype(np.float32)
        return self.drawn[1]


def time_of(process: Process, noise: float) -> float:
    """t with σ/α = noise, by halving; the ends of [0, 1] where there is none."""
    low, high = 0.0, 1.0
    for _ in range(60):
        t = 0.5 * (low + high)
        quiet = log_snr(process, t) > -2 * math.log(noise)
        low, high = (t, high) if quiet else (low, t)
    return 0.5 * (low + high)


def floor(training: Training, seed: int, job: Job) -> Array:
    """The mean of (ε − ε̂)² for the exact score, over JUDGED points at times as in training."""
    config, law = training.model.config, training.mixture
    process, rng = config.process, stream(seed, "floor")
    t = config.first_time + (1 - config.first_time) * (np.arange(JUDGED) + 0.5) / JUDGED
    x, ε = law.sample(JUDGED, rng), rng.standard_normal((JUDGED, 2))
    total = 0.0
    for k in range(0, JUDGED, AT_ONCE):
        job.check()
        here = slice(k, k + AT_ONCE)
        α, σ = process.alpha(t[here]), process.sigma(t[here])
        noised = α[:, None] * x[here] + σ[:, None] * ε[here]
        total += float(np.square(ε[here] + σ[:, None] * law.score(noised, α, σ)).sum())
    return np.array(total / (2 * JUDGED))


def smoothed(loss: Array) -> Array:
    """Steps and losses (≤ CURVE, 2): the means of pieces of equal length."""
    each = max(1, -(-len(loss) // CURVE))
    n = len(loss) // each
    mean = loss[: n * each].reshape(n, each).mean(axis=1)
    return np.stack([each * (np.arange(n) + 0.5), mean], axis=1).astype(np.float32)
