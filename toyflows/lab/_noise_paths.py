"""Data become noise, and noise becomes data: an act of the room of noise.

    there    X_t = α_ts X_s + σ_ts Z, the exact noising in LENGTH/2 equal steps of t from 0 to 1
    back     from fresh noise N(0, σ(1)²) by a sampler in N equal steps, with the exact score or
             that of a network; the points, method by method, are those of `toyflows sample`

Everything is shown divided by √(α² + σ²): so the cloud keeps the spread of the data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.diffusion import methods
from toyflows.diffusion.drawing import quality
from toyflows.diffusion.methods.base import Model, Score
from toyflows.diffusion.processes import ExactScore, times
from toyflows.diffusion.train import Config
from toyflows.lab._job import Job
from toyflows.lab._noise_act import (
    BOX,
    LENGTH,
    MEMORY,
    PIXELS,
    Act,
    arrows,
    box,
    lattice,
    pixels,
    shade,
)
from toyflows.lab._noise_laws import law, marginal
from toyflows.lab._noise_training import KINDS, Training
from toyflows.lab._room import Frame
from toyflows.seeds import stream

HALF = LENGTH // 2
PATHS = 12  # points whose way is shown
SEEN = 100  # times of a way, at most
JUDGED = 1000  # points that are compared with fresh ones
COLUMNS = 60  # of the picture of all laws, from data to noise
SAMPLERS = ("euler-maruyama", "ancestral", "predictor-corrector", "ode-euler", "ode-heun", "ddim")
SCORES = ("exact", "network")
AT = lattice(3.0, 3.0, 0.5)  # places of arrows
ARROWS = {"exact": "left_arrows", "network": "left_learned"}  # whose they are


class Diffusion(Act):
    """See above. Between two steps of the sampler the points rest."""

    def __init__(self, values: Mapping[str, Any], job: Job):
        super().__init__(values, tuple(sorted(values.items())))
        self.law, self.N = law(values), int(values["steps"])
        process = Config(KINDS[values["process"]]).process
        self.mixture, self.units = self.law.mixture, self.law.units
        score: Score = ExactScore(self.mixture, process)
        if values["score"] == "network":
            score = self._learned(job)
        self.model, self.method = Model(score, process, 0.0), methods.make(values["sampler"])
        self.grid = times(process, self.N).tolist()
        rng, n = stream(values["seed"], "forward"), int(values["walkers"])
        x = self.mixture.sample(n, rng) * self.model.alpha(0.0)
        x = x + self.model.sigma(0.0) * rng.standard_normal(x.shape)
        self.state = {"x": x, "rng": rng, "done": 0, "ways": [], "times": [], "ratio": ()}
        self._note(0.0)
        key = ("laws", values["process"], tuple(sorted(self._of_law().items())))
        self.laws = MEMORY.once(key, lambda: self._laws(job))

    def _of_law(self) -> dict[str, Any]:
        names = ("target", "points", "kernel", "score")
        return {name: self.values[name] for name in names if name in self.values}

    def _learned(self, job: Job) -> Score:
        """The score of a network that is trained now; its units are those of the picture."""
        training = Training(self.law, self.values)

        def tell(step: int) -> None:
            job.tell({"title": f"Training the network: step {step} of {training.length}"})

        training.go(training.length, job, tell)
        self.mixture, self.units = training.mixture, training.model.units
        return training.score(training.state)

    def _laws(self, job: Job) -> NDArray[np.uint8]:
        """Shades (PIXELS, COLUMNS) of the second coordinate's law at times from 0 to 1."""
        out = []
        for t in (np.arange(COLUMNS) + 0.5) / COLUMNS:
            job.check()
            α, σ = self.model.alpha(t), self.model.sigma(t)
            scale = math.hypot(α, σ)
            out.append(shade(marginal(self.mixture, scale * pixels(BOX, PIXELS), α, σ)))
        return np.stack(out, axis=1)

    # ------------------------------------------------------------ moves
    def move(self, job: Job) -> None:
        """See Act."""
        if self.step < HALF:
            self._noise(self.step / HALF, (self.step + 1) / HALF)
        else:
            if self.step == HALF:
                self._turn()
            for k in range(self.state["done"], (self.step + 1 - HALF) * self.N // HALF):
                job.check()
                self._back(k)

    def _noise(self, s: float, t: float) -> None:
        state = self.state
        α, variance, _ = self.model.transition(t, s)
        z = state["rng"].standard_normal(state["x"].shape)
        state["x"] = α * state["x"] + math.sqrt(variance) * z
        if round(t * HALF) % (HALF // SEEN) == 0:
            self._note(t)

    def _turn(self) -> None:
        """Drops the points: the way back begins at fresh noise."""
        state = self.state
        rng = stream(self.values["seed"], "sample")
        shape = (int(self.values["walkers"]), 2)
        state["x"], state["rng"] = self.model.process.prior_sigma * rng.standard_normal(shape), rng
        state["ways"], state["times"] = [], []
        self._note(1.0)

    def _back(self, k: int) -> None:
        state, (t, s) = self.state, self.grid[k : k + 2]
        state["x"] = self.method.step(self.model, state["x"], t, s, state["rng"])
        state["done"] = k + 1
        if (k + 1) % max(1, self.N // SEEN) == 0 or k + 1 == self.N:
            self._note(2.0 - s)
        if k + 1 == self.N:
            sample, seed = self.mixture.sample, self.values["seed"]
            x = state["x"][:JUDGED]
            found = quality(x, sample, ("sliced W2",), seed, replicas=4)["sliced W2"]
            state["ratio"] = found.distance, found.floor

    def _note(self, when: float) -> None:
        """The places of a few points; `when` is t on the way there and 2 − t on the way back."""
        α, σ = self._at(min(when, 2 - when))
        self.state["ways"].append((self.state["x"][:PATHS] / math.hypot(α, σ)).astype(np.float32))
        self.state["times"].append(when)

    def _at(self, t: float) -> tuple[float, float]:
        return self.model.alpha(t), self.model.sigma(t)

    # ------------------------------------------------------------ what is seen
    @property
    def t(self) -> float:
        """The time at which the points are."""
        if self.step <= HALF:
            return self.step / HALF
        return float(self.grid[self.state["done"]])

    def seen(self) -> Frame:
        """See Act."""
        state, (α, σ) = self.state, self._at(self.t)
        scale = math.hypot(α, σ)
        ways = [*state["ways"], (state["x"][:PATHS] / scale).astype(np.float32)]
        when = 2 - self.t if self.step > HALF else self.t
        by = self.values["sampler"]
        return {
            "title": self._title(α, σ),
            "left_name": f"t = {self.t:.3g}: {α:.2f} of the data, noise {σ:.2f}",
            "right_name": "the height of a few points",
            "left_image": box(self.mixture, α, σ, scale), "right_image": self.laws,
            "left_dots": (state["x"] / scale).astype(np.float32),
            "paths": np.stack(ways, axis=1), "now": when,
            "path_times": np.array([*state["times"], when], np.float32), "t": self.t,
            ARROWS[self.values["score"]]: self._arrows(α, σ),
            "note": f"{self.law.name} · shading: exact density · arrows:"
            f" {self.values['score']} score · {by}, {self.N} steps",
        }  # fmt: skip

    def _arrows(self, α: float, σ: float) -> Array:
        """Those of the score that leads back from here; none where nothing uses it."""
        if self.step < HALF or self.state["done"] == self.N:
            return np.zeros((0, 4))
        spread = math.hypot(α * float(self.mixture.spreads.min()), σ)
        field = self.model.function(math.hypot(α, σ) * AT, self.t)
        return arrows(AT, np.asarray(field, float), spread, 0.6)

    def _title(self, α: float, σ: float) -> str:
        if self.step <= HALF:
            return f"Data become noise: {α / math.hypot(α, σ):.0%} of each point is left"
        if not self.state["ratio"]:
            return f"Noise becomes data: step {self.state['done']} of {self.N}, from fresh noise"
        distance, floor = self.state["ratio"]
        return (
            f"Made of noise: {distance:.3f} from the data, data from data {floor:.3f} (sliced W2)"
        )
