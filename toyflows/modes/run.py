"""The front door: one method among K modes on every backend that applies, judged and saved.

run = modes.flow("pcd", positions=[[0, 0], [6, 0], [3, 5]], theta_star=[0, 1, 0.5])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from toyflows.errors import InputError, nearest
from toyflows.files import available_cores, free_memory
from toyflows.flows import Flow
from toyflows.limits import check_ranges
from toyflows.modes.family import Modes
from toyflows.modes.follow import WITH_THEORY, Path, follow, grid_has, lecture, suited
from toyflows.modes.result import Run, Settings
from toyflows.modes.target import ModesTarget, numbers_of_modes, target_of
from toyflows.run import BACKENDS, RECORDS, Report


def flow(
    loss: str,
    *,
    positions: ArrayLike,
    spreads: ArrayLike = 1.0,
    theta_star: ArrayLike | None = None,
    q_star: ArrayLike | None = None,
    theta0: ArrayLike | None = None,
    time: float = 100.0,
    dt: float = 0.05,
    rate: float = 1.0,
    backends: Sequence[str] | None = None,
    walkers: int = 20_000,
    seed: int = 0,
    threads: int | None = None,
    report: Report | None = None,
    options: Mapping[str, Any] | None = None,
    **more: Any,
) -> Run:
    """Runs the training method `loss` among modes at `positions` (K, D) with `spreads`, one or K.

    The weights are softmax(−θ); of θ* and θ0 (K numbers each) only differences count. The exact law
    is followed on the line that holds the modes; in a plane it takes 10 ms a step and is asked for
    with backends=["grid"]. Raises InputError for whatever cannot be run, before it starts.
    """
    options = {**(options or {}), **more}
    method = suited(loss, options)
    modes = Modes(positions, spreads)
    target = target_of(modes, theta_star, q_star)
    start = numbers_of_modes("theta0", np.zeros(modes.K) if theta0 is None else theta0, modes)
    check_ranges(0.0, time, dt, rate, walkers, seed, threads)
    if dt >= 2 * modes.spreads.min() ** 2:
        raise InputError("dt", dt, f"must be dt < 2s² = {2 * modes.spreads.min() ** 2:g}, where "
                         "Langevin in the narrowest mode is stable")  # fmt: skip
    names = _backends(backends, method, target)
    s = Settings(loss, options, tuple((start - start[0]).tolist()), float(time), float(dt),
                 float(rate), int(walkers), int(seed))  # fmt: skip
    _check_memory(method, modes, walkers)
    count = threads or (1 if walkers * modes.D < 200_000 else min(available_cores(), 8))
    done = {
        name: _with_divergence(target, _path(name, s, target, method, count, report))
        for name in names
    }
    return Run(s, target, method, done)


def _with_divergence(target: ModesTarget, path: Path) -> Path:
    """The path that also shows KL(ρ_* | ρ_θ) and, where weights estimate log Z_θ, the KL that this
    estimate gives."""
    kl = target.divergence(path.θ)
    if kl is None:
        return path
    seen = path.seen | {"kl": kl}
    if "log_Z" in path.seen:
        log_Z = np.array([target.mixture.log_Z(θ) for θ in path.θ])
        seen["kl_from_log_Z"] = kl + (path.seen["log_Z"] - log_Z)
    return replace(path, seen=seen)


def _path(
    name: str, s: Settings, target: ModesTarget, method: Flow, threads: int, report: Report | None
) -> Path:
    θ0, every = np.array(s.theta0[1:]), max(1, s.steps // RECORDS)
    if name == "theory":
        told = lecture(method, target, θ0, s.dt, s.steps, s.rate, every)
        assert told is not None
        return told
    progress = None if report is None else (lambda k: report(name, k, s.steps))
    backend: Any
    if name == "grid":
        from toyflows.modes.plane import Plane

        backend = Plane(target, s.dt)
    else:
        from toyflows.modes.walkers import ModesWalkers

        backend = ModesWalkers(target, s.dt, s.walkers, s.seed, threads)
    return follow(method, backend, θ0, s.steps, s.rate, every, progress)


def _backends(asked: Sequence[str] | None, method: Flow, target: ModesTarget) -> list[str]:
    """Those asked for, or all that apply and are quick. Raises InputError."""
    for name in asked or ():
        if name not in BACKENDS:
            raise InputError("backend", name, f"unknown; {nearest(name, BACKENDS)}")
    flat = target.flat
    can = {"theory": method.name in WITH_THEORY,
           "grid": grid_has(method) and flat is not None, "walkers": True}  # fmt: skip
    why = {"theory": f"{method.name} has no closed form for K modes",
           "grid": f"has no exact law for {method.name} with these options" if flat else
           "needs modes on a line or in a plane, of one spread if D > 2"}  # fmt: skip
    for name in asked or ():
        if not can[name]:
            raise InputError("backend", name, why[name])
    if asked:
        return [name for name in BACKENDS if name in asked]
    quick = can | {"grid": can["grid"] and flat is not None and flat.D == 1}
    return [name for name in BACKENDS if quick[name]]


def _check_memory(method: Flow, modes: Modes, walkers: int) -> None:
    """Three sets of particles while a flow is moved step by step."""
    need = 8 * walkers * modes.D * (method.copies + 3) + (200 << 20)
    if need > (free := free_memory()):
        raise InputError("walkers", f"{walkers:,}", f"needs {need / 2**30:.1f} GiB of memory, "
                         f"there is {free / 2**30:.1f} GiB")  # fmt: skip
