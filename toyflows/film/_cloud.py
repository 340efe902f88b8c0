"""The film of a cloud: points that become noise, or noise that becomes points by exact scores."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.film._reel import SIZE, Check, Draw, Film, Reel, at_most
from toyflows.limits import check_seed

if TYPE_CHECKING:
    from toyflows.diffusion.drawing import Exact, Plan
    from toyflows.diffusion.gaussians import Gaussians
    from toyflows.diffusion.processes import Process
    from toyflows.diffusion.samplers import Watch
    from toyflows.figures._film_cloud import Moment, Story

DIRECTIONS = ("forward", "reverse")
POINTS, STEPS = 20_000, 2_000  # at most
FINE = 49  # points a side at which an exact density is computed
REACH = 2.8  # what is seen of the plane, in units of √(α² + σ²)
JUDGED, REPLICAS = 2000, 4  # points whose distance from fresh data is taken, and how often


def cloud(
    target: str | Gaussians,
    *,
    process: str | Process = "vp",
    direction: str = "reverse",
    sampler: str = "euler-maruyama",
    steps: int = 0,
    spacing: str = "log-snr",
    options: Mapping[str, Any] | None = None,
    points: int = 2000,
    seed: int = 0,
    seconds: float = 6.0,
    fps: int = 20,
    size: tuple[int, int] = SIZE,
) -> Film:
    """Points of a 2-D law that become noise (forward), or noise that becomes points of the law
    (reverse), by a sampler with the exact score.

    The target is the name of a law that is a mixture of Gaussians, or such a mixture; `options`
    are the sampler's, `steps` = 0 its own number. Raises InputError.
    """
    from toyflows.diffusion import processes
    from toyflows.diffusion.drawing import Plan

    reel = Reel(seconds, fps, size)
    if direction not in DIRECTIONS:
        raise InputError("direction", direction, f"must be {' or '.join(DIRECTIONS)}")
    at_most("points", points, POINTS)
    if steps:
        at_most("steps", steps, STEPS)
    check_seed(seed)
    chosen = processes.process(process) if isinstance(process, str) else process
    subject, plan = _exact(target, chosen), Plan(sampler, steps, spacing, dict(options or {}))
    if not steps and plan.steps == 1:  # one that chooses its own: it stops where it is looked at
        plan = dataclasses.replace(plan, steps=reel.moves)
    processes.times(chosen, plan.steps, spacing)  # refuses what cannot be
    shown = reel.steps(plan.steps)

    def begin(check: Check) -> Draw:
        from toyflows.figures._film_cloud import Cloud

        tell = _backward if direction == "reverse" else _forward
        return Cloud(tell(subject, plan, points, seed, frozenset(shown), check), size)

    return Film(reel, shown, begin)


def _exact(target: str | Gaussians, process: Process) -> Exact:
    from toyflows.diffusion.drawing import Exact

    if not isinstance(target, str):
        return Exact(target, process, labelled=False)
    try:
        return Exact.of(target, process)
    except InputError as error:
        raise InputError("target", target, error.why) from None


def _backward(
    subject: Exact, plan: Plan, points: int, seed: int, shown: Collection[int], check: Check
) -> Story:
    """What the sampler draws from noise, and how far its points are from fresh ones."""
    from toyflows.diffusion.drawing import quality
    from toyflows.seeds import stream

    watch, moments = _watch(subject, plan, shown, check)
    shape, rng = (points, *subject.shape), stream(seed, "sample")
    end = subject.units.outward(
        plan.draw(subject.score(), subject.process, shape, rng, watch=watch).x
    )
    name = "sliced W2"
    found = quality(end[:JUDGED], lambda n, rng: subject.fresh(n, rng)[0], (name,), seed, REPLICAS)[
        name
    ]
    proof = f"{name} to fresh data {found.distance:.2f},\nof data to data {found.floor:.2f}"
    words = f"{points} points,\n{plan.told}, exact score"
    return _story("Noise run backward becomes data", words, proof, subject, moments)


def _forward(
    subject: Exact, plan: Plan, points: int, seed: int, shown: Collection[int], check: Check
) -> Story:
    """The noising itself, in the units in which the law has mean 0 and spread 1."""
    from toyflows.diffusion import samplers
    from toyflows.diffusion.processes import times
    from toyflows.seeds import stream

    process, rng = subject.process, stream(seed, "forward")
    watch, moments = _watch(subject, plan, shown, check)
    law = subject.units.mixture(subject.law)
    x = law.at(float(process.alpha(0.0)), float(process.sigma(0.0))).sample(points, rng)
    samplers.forward(process, x, times(process, plan.steps, plan.spacing)[::-1], rng, watch)
    words = f"{points} points of the data,\n{plan.steps} steps of dX = f X dt + g dW"
    return _story("Noise makes the data forget what they were", words, "", subject, moments)


def _watch(
    subject: Exact, plan: Plan, shown: Collection[int], check: Check
) -> tuple[Watch, dict[int, Moment]]:
    """What sees a sampler's points, and where it keeps those of the steps that are shown."""
    from toyflows.figures._film_cloud import Moment

    process, law = subject.process, subject.units.mixture(subject.law)
    moments: dict[int, Moment] = {}

    def watch(k: int, t: float, x: Array) -> None:
        check()
        if k in shown or k == plan.steps - 1:  # a sampler may leave out the last, where σ = 0
            α, σ = float(process.alpha(t)), float(process.sigma(t))
            scale = math.hypot(α, σ)
            moments[k] = Moment(t, x.copy(), σ / α, scale, _density(law, α, σ, REACH * scale))

    return watch, moments


def _density(law: Gaussians, α: float, σ: float, reach: float) -> Array:
    """The density of αX + σZ on FINE × FINE points of [−reach, reach]², its largest value 1."""
    side = np.linspace(-reach, reach, FINE)
    log = law.log_density(np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2), α, σ)
    with np.errstate(under="ignore"):
        return np.asarray(np.exp(log - log.max()).reshape(FINE, FINE))


def _story(
    message: str, words: str, proof: str, subject: Exact, moments: dict[int, Moment]
) -> Story:
    from toyflows.figures._film_cloud import Story

    t = np.linspace(1e-3, 1, 300)
    level = subject.process.sigma(t) / subject.process.alpha(t)
    return Story(message, words, proof, REACH, np.stack([t, level]), moments)
