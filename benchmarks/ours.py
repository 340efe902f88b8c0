"""Our own kernel as a case of the benchmark: the only file here that knows `toyflows`."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from setting import STANDARD, Run, Setting

Kind = Literal["mixed", "float32", "mala", "jarzynski"]


def ours(n: int, dtype: Kind, threads: int, seed: int, setting: Setting = STANDARD) -> Run:
    """Our walkers: `run(steps)` moves n of them and θ, θ updated every step, and returns θ.

    "mixed" is what the walkers backend runs: float64 state and drift with float32-accurate normals;
    "float32" is the same kernel on a float32 state, "mala" the same with Metropolis' acceptance,
    "jarzynski" with work weights, which also records log Z and the effective size. All count the
    walkers in mode b and those that cross, which no peer does. The data law is q* itself, as the
    peers have it: one point so far to the right that r = 1, of weight q*.
    """
    from toyflows.kernels import team
    from toyflows.kernels.chains import persistent
    from toyflows.kernels.weighted import weighted

    s = setting
    x = s.start(n, seed, np.float32 if dtype == "float32" else np.float64)
    logw, P = s.start(n, seed), s.start(n, seed)  # memory that starts on a cache line
    logw[:] = 0.0
    far, q = np.array([1e6]), np.array([s.qstar])
    data = far, q, np.append(q, 0.0)
    done, θ, sums = 0, s.theta, np.empty((2, -(-n // 1024), 6))

    def run(steps: int) -> float:
        nonlocal done, θ
        sync, path = team.new_sync(threads), np.empty((steps, 6))
        model = s.h, s.eta, s.a, s.b, θ

        def part(rank: int, of: int) -> Any:
            rest = steps, seed, done, *model, *data
            if dtype == "jarzynski":
                return weighted(rank, of, sync, sums, x, logw, P, *rest, 0.0, path)[0]
            metropolis = True if dtype == "mala" else None
            return persistent(rank, of, sync, sums, x, *rest, path, metropolis)

        θ = float(team.run(part, threads))
        done += steps
        return θ

    return run
