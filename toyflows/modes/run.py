"""The front door: one method among K modes on every backend that applies, judged and saved.

run = modes.flow("pcd", positions=[[0, 0], [6, 0], [3, 5]], theta_star=[0, 1, 0.5])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from toyflows.errors import InputError
from toyflows.flows import Flow
from toyflows.limits import check_workers
from toyflows.method import Given, with_more
from toyflows.method import method as method_of
from toyflows.modes.among import Among
from toyflows.modes.follow import built_in, check_suited, grid_has, has_theory
from toyflows.modes.result import Run, follow_all
from toyflows.modes.target import ModesTarget
from toyflows.run import Report, of_method
from toyflows.settings import RunSettings, backends_of, check_number, check_particles, threads_for


def flow(
    loss: Given,
    /,
    *,
    positions: ArrayLike,
    spreads: ArrayLike = 1.0,
    theta_star: ArrayLike | None = None,
    q_star: ArrayLike | None = None,
    theta0: ArrayLike | None = None,
    time: float = 100.0,
    dt: float = 0.05,
    rate: float = 1.0,
    backends: str | Sequence[str] | None = None,
    walkers: int = 20_000,
    seed: int = 0,
    threads: int | None = None,
    report: Report | None = None,
    options: Mapping[str, Any] | None = None,
    **more: Any,
) -> Run:
    """Runs the training method `loss` (as toyflows.flow) among modes at `positions` (K, D) with
    `spreads`, one or K.

    The weights are softmax(−θ); of θ* and θ0 (K numbers each) only differences count. The exact law
    is followed on the line that holds the modes; in a plane it takes 10 ms a step and is asked for
    with backends=["grid"]. Raises InputError for whatever cannot be run, before it starts.
    """
    method = method_of(loss, with_more(loss, options, more, flow))
    among = Among.make(positions, spreads, theta_star, q_star)
    start = among.start(theta0)
    said = {"time": time, "dt": dt, "rate": rate, "walkers": walkers, "seed": seed}
    numbers = {name: check_number(name, value) for name, value in said.items()}
    check_workers(threads=threads)
    s = RunSettings(theta0=start, theta_star=None, **numbers)
    names = check(method, among.target, s, backends)
    count = threads or threads_for(s.walkers, among.target.mixture.D)
    return follow_all(of_method(s, method), among.target, method, names, count, report)


def check(
    method: Flow, target: ModesTarget, s: RunSettings, backends: str | Sequence[str] | None
) -> list[str]:
    """The backends on which the run is made. Raises InputError for what cannot be run."""
    check_suited(method)
    narrow = float(target.mixture.spreads.min())
    if s.dt >= 2 * narrow**2:
        raise InputError("dt", s.dt, f"must be dt < 2s² = {2 * narrow**2:g}, where Langevin in the "
                         "narrowest mode is stable")  # fmt: skip
    check_particles(method, s.walkers, target.mixture.D)
    return _backends(backends, method, target)


def _backends(asked: str | Sequence[str] | None, method: Flow, target: ModesTarget) -> list[str]:
    """Those asked for, or all that apply and are quick. Raises InputError."""
    names, flat = backends_of(asked), target.flat
    can = {"theory": has_theory(method), "grid": grid_has(method) and flat is not None,
           "walkers": True}  # fmt: skip
    why = {"theory": f"{method.name} has no closed form for K modes",
           "grid": f"has no exact law for {method.name} with these options" if flat else
           "needs modes on a line or in a plane, of one spread if D > 2"}  # fmt: skip
    if asked:
        for name in names:
            if not can[name]:
                raise InputError("backend", name, why[name])
        return names
    quick = can | {"grid": can["grid"] and built_in(method) and flat is not None and flat.D == 1}
    return [name for name in names if quick[name]]
