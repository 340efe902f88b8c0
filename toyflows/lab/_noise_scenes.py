"""The first acts of the room of noise: the arrows of a score at one noise, and two Langevins."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from toyflows.diffusion.drawing import LANGEVIN
from toyflows.diffusion.methods.base import Model
from toyflows.diffusion.methods.langevin import langevin
from toyflows.diffusion.processes import VE, ExactScore, times
from toyflows.errors import InputError
from toyflows.lab._job import Job
from toyflows.lab._noise_act import (
    BLANK,
    LENGTH,
    NOTHING,
    PIXELS,
    Act,
    arrows,
    box,
    lattice,
    pixels,
    shade,
)
from toyflows.lab._noise_laws import REACH, Law, density, law
from toyflows.lab._room import Frame
from toyflows.seeds import stream

GUESSED = 500  # points by which the error of a guess is measured

# ---- the score at one noise ---------------------------------------------------------------------

AT = lattice(5.0, 2.8, 0.4)
WIDE = 5.2  # half the width of this picture; REACH is half its height


class Scores(Act):
    """Arrows of ∇log p_σ over p_σ, the law of X + σZ, and walkers that follow them by Langevin:
    x ← x + h ∇log p_σ + √(2h) z, from anywhere."""

    def __init__(self, values: Mapping[str, Any], job: Job):
        self.law, self.σ = law(values), float(values["noise"])
        super().__init__(values, tuple(sorted(values.items())))
        process = VE(self.σ, 2 * self.σ)  # of which only the end is asked for
        self.model = Model(ExactScore(self.law.mixture, process), process, 0.0)
        self.h = step_at(self.law, self.σ)
        rng = stream(values["seed"], "walkers")
        n = values["walkers"]
        self.state = {"x": rng.uniform((-WIDE, -REACH), (WIDE, REACH), (n, 2)), "rng": rng}

    def move(self, job: Job) -> None:
        """See Act."""
        s = self.state
        s["x"] = langevin(self.model, s["x"], 0.0, self.h, 1, s["rng"])

    def seen(self) -> Frame:
        """See Act."""
        walkers = self.state["x"].astype(np.float32) if self.step else NOTHING
        return self.still | {"left_dots": walkers}

    @cached_property
    def still(self) -> Frame:
        """The parts that do not change while the walkers move."""
        m, σ = self.law.mixture, self.σ
        x, y = pixels(WIDE, 2 * PIXELS), pixels(REACH, round(2 * PIXELS * REACH / WIDE))
        spread = math.sqrt(self.law.narrowest + σ**2)
        error = guess_error(self.law, σ, self.values["seed"])
        return {
            "title": f"At noise σ = {σ:.3g} the best guess x + σ²∇log p is off by {error:.3f}",
            "left_image": shade(density(m, x, y, 1.0, σ)),
            "left_arrows": arrows(AT, m.score(AT, 1.0, σ), spread, 0.46),
            "note": f"{self.law.name} · shading: exact density p of data + noise"
            " · arrows: exact ∇log p",
            "error": error,
        }


def guess_error(law: Law, σ: float, seed: int) -> float:
    """The root mean square, for each axis, of x_0 − E[X_0 | x_0 + σz], over GUESSED points."""
    rng = stream(seed, "guess")
    x = law.mixture.sample(GUESSED, rng)
    guess = law.mixture.denoised(x + σ * rng.standard_normal(x.shape), 1.0, σ)
    return float(np.sqrt(np.square(x - guess).mean()))


def step_at(law: Law, σ: float) -> float:
    """Langevin's h at the noise σ: as annealed Langevin takes it, with the variance of the law's
    narrowest Gaussian there for σ²."""
    return 0.5 * LANGEVIN * (law.narrowest + σ**2)


# ---- Langevin at one noise, and annealed ---------------------------------------------------------


class Langevins(Act):
    """Langevin at the last noise beside annealed Langevin, which comes down to it: the same start,
    noise and number of moves. After its last level annealed Langevin stays there."""

    def __init__(self, values: Mapping[str, Any], job: Job):
        self.law = law(values)
        super().__init__(values, tuple(sorted(values.items())))
        self.image = (-1, BLANK["right_image"])  # the last level that was drawn
        first, last = float(values["first"]), float(values["last"])
        if not last < first:
            raise InputError("last", last, f"must be less than the first noise, {first:g}")
        process = VE(last, first)
        self.model = Model(ExactScore(self.law.mixture, process), process, 0.0)
        self.below = box(self.law.mixture, 1.0, last)
        self.levels = times(process, values["levels"])[1:].tolist()
        self.each = LENGTH // values["levels"]
        self.σ = [self.model.sigma(t) for t in self.levels]
        ε = LANGEVIN * self.σ[-1] ** 2
        self.h = [ε * (σ / self.σ[-1]) ** 2 / 2 for σ in self.σ]
        self.plain = step_at(self.law, last)
        left, right = (stream(values["seed"], "sample") for _ in range(2))
        shape = (values["walkers"], 2)
        start = process.prior_sigma * left.standard_normal(shape)
        right.standard_normal(shape)
        self.state = {"left": start, "right": start, "rng": left, "other": right}

    def level(self, move: int) -> int:
        """The noise level at which annealed Langevin makes the move of this number."""
        return min(move // self.each, len(self.levels) - 1)

    def move(self, job: Job) -> None:
        """See Act."""
        s, k, model = self.state, self.level(self.step), self.model
        s["left"] = langevin(model, s["left"], 0.0, self.plain, 1, s["rng"])
        s["right"] = langevin(model, s["right"], self.levels[k], self.h[k], 1, s["other"])

    def seen(self) -> Frame:
        """See Act."""
        m, s = self.law.mixture, self.state
        k = self.level(max(min(self.step, LENGTH) - 1, 0))  # where the last move was made
        σ, last = self.σ[k], self.σ[-1]
        if self.image[0] != k:
            self.image = k, box(m, 1.0, σ)
        left, right = self.law.shares(s["left"], last), self.law.shares(s["right"], σ)
        exact, noisy = self.law.weights(last), self.law.weights(σ)
        off = [0.5 * float(np.abs(a - b).sum()) for a, b in ((left, exact), (right, noisy))]
        what = "weights of the modes" if self.law.classes > 1 else "shares of eight slices"
        said = f"The {what} are off by {off[0]:.2f} for Langevin, by {off[1]:.2f} annealed"
        if not self.step:  # two noises would tell the same walkers apart
            left = right = np.zeros(0)
        return {
            "title": said if self.step else "The same walkers left and right; none has moved yet",
            "left_name": f"Langevin, noise {last:.3g}",
            "right_name": f"annealed, noise {σ:.3g}: level {k + 1} of {len(self.σ)}",
            "left_image": self.below, "right_image": self.image[1],
            "left_dots": s["left"].astype(np.float32),
            "right_dots": s["right"].astype(np.float32), "left_shares": left,
            "right_shares": right, "weights": exact, "right_weights": noisy,
            "left_off": off[0], "right_off": off[1], "noise": σ,
            "note": f"{self.law.name} · shading: exact density · {what}: ━ exact, ■ walkers",
        }  # fmt: skip
