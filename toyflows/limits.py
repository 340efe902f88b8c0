"""The limits of what a run may ask for."""

from __future__ import annotations

import math

from toyflows.errors import InputError

NUMBERS = (  # that a run is made of
    "theta_star", "theta0", "separation", "time", "dt", "rate", "walkers", "seed",
)  # fmt: skip
WHOLE = ("walkers", "seed")
SETTINGS = (*NUMBERS, "q_star")
ONE_RUN, MANY_RUNS = 100_000, 10_000  # walkers, where nothing is said
MOST_STEPS = 100_000_000
FASTEST = 1000.0  # rate of a training
MOST_THREADS = 256  # also processes
STEEPEST = 1e6  # gain of a unit, and largest temperature of anything but spins


def check_ranges(
    theta0: float,
    time: float,
    dt: float,
    rate: float,
    walkers: int,
    seed: int,
    threads: int | None = None,
    **others: float,
) -> None:
    """Raises InputError unless a run can have these settings; `others` need only be finite."""
    from toyflows.target import LARGEST_THETA  # NumPy: the other checks do without

    numbers = {"theta0": theta0, "time": time, "dt": dt, "rate": rate} | others
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise InputError(name, value, "must be a finite number")
    if not abs(theta0) <= LARGEST_THETA:
        raise InputError("theta0", theta0, f"must be |θ0| ≤ {LARGEST_THETA:g}")
    if not 0 < dt < 2:
        raise InputError("dt", dt, "must be 0 < dt < 2, where Langevin in a mode is stable")
    if not time >= dt:
        raise InputError("time", time, f"must be at least one step, dt = {dt:g}")
    if not time / dt <= MOST_STEPS:
        raise InputError("time", time, f"must be at most {MOST_STEPS:,} steps of dt = {dt:g}")
    if not 0 < rate * dt < 8:
        raise InputError("rate", rate, f"must be 0 < rate < {8 / dt:g}: beyond it Euler's "
                         "steps of maximum likelihood are unstable")  # fmt: skip
    if walkers < 1:
        raise InputError("walkers", walkers, "must be 1 or more")
    check_seed(seed)
    check_workers(threads=threads)


def check_seed(seed: int) -> None:
    """Raises InputError for a seed that no stream of random numbers has."""
    if not 0 <= seed < 2**63:
        raise InputError("seed", seed, "must be 0 ≤ seed < 2^63")


def check_workers(**counts: int | None) -> None:
    """Raises InputError for numbers of threads or processes that cannot be."""
    for name, count in counts.items():
        if count is not None:
            check_whole(name, count, 1, MOST_THREADS)


def check_whole(name: str, value: int, least: int, most: int) -> None:
    """Raises InputError unless least ≤ value ≤ most."""
    if not least <= value <= most:
        raise InputError(name, value, f"must be {least} to {most}")


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Raises InputError unless low ≤ value ≤ high: for real numbers, inf and nan included."""
    if not low <= value <= high:
        raise InputError(name, value, f"must be {low:g} to {high:g}")


class Demanding:
    """Settings of a training, whose numbers are options -p."""

    def _demand(self, name: str, good: bool, allowed: str) -> None:
        """Raises InputError("p") unless the number of this name is good."""
        if not good:
            raise InputError("p", f"{name}={getattr(self, name)}", f"must be {allowed}")
