"""Warnings about a run, whatever its verdict: reasons why its particles may mislead.

An alarm looks at the recorded path and at what the method says of its chains, not at its name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from toyflows import linear
from toyflows.backends.exact import exact_law
from toyflows.flows.base import Flow
from toyflows.state import Trajectory
from toyflows.target import Target

LOW_EFFECTIVE_SIZE = 0.1  # of the walkers


def alarms(flow: Flow, target: Target, run: Trajectory) -> list[str]:
    """One sentence for each thing that is wrong with the run's particles."""
    found = (_short_chains, _no_basin, _unstable_step)
    τ = target.mixture.mixing_time(float(run.θ[-1]))
    crossed = never_crossed(flow, run, run.walkers or 0, f" (they need about {τ:.2g})")
    told = [text for check in found for text in check(flow, target, run)]
    return [*crossed, *few_count(run), *told]


def never_crossed(flow: Flow, run: Any, walkers: int, needed: str = "") -> Iterator[str]:
    """Of a Trajectory, or of a path among K modes."""
    persistent = run.state is not None and run.state.chains is not None and flow.has_negatives
    if walkers and persistent and run.t[-1] > 0 and run.crossings[-1] == 0:
        yield f"none of the {walkers:,} walkers changed mode in a time of {run.t[-1]:.4g}{needed}"


def few_count(run: Any) -> Iterator[str]:
    """Of a Trajectory, or of a path among K modes."""
    size = run.seen.get("effective_size", np.full(1, math.nan))
    k = int(np.argmin(size))
    if size[k] < LOW_EFFECTIVE_SIZE:
        yield (
            f"the effective sample size fell to {size[k]:.2g} of the walkers at t = {run.t[k]:.4g}:"
            " their weighted mean is that of a few"
        )


def _short_chains(flow: Flow, target: Target, run: Trajectory) -> Iterator[str]:
    time = flow.chain_time(run.dt)
    if time is None:
        return
    τ = target.mixture.mixing_time(float(run.θ[-1]))
    if time < τ:
        yield f"chains of time {time:.3g} are shorter than the mixing time {τ:.2g}"


def _unstable_step(flow: Flow, target: Target, run: Trajectory) -> Iterator[str]:
    limit, step = linear.stable_step(flow, exact_law(target, run.dt)), run.rate * run.dt
    if limit is not None and step >= limit:
        yield (
            f"rate·dt = {step:.4g} is above {limit:.4g}, the largest stable step of this method: "
            "what is seen is the steps' doing, not the equation's"
        )


def _no_basin(flow: Flow, target: Target, run: Trajectory) -> Iterator[str]:
    limit = target.mixture.bistable_up_to
    beyond = np.flatnonzero(np.abs(run.θ) > limit)
    if limit > 0 and beyond.size and flow.has_negatives:
        yield (
            f"|θ| passed {limit:.4g} at t = {run.t[beyond[0]]:.4g}: there the lighter mode "
            "no longer has a basin"
        )
