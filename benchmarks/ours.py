"""Our own kernel as a case of the benchmark: the only file here that knows `toyflows`."""

from __future__ import annotations

from typing import Literal

import numpy as np
from setting import STANDARD, MissingPeer, Run, Setting

Kind = Literal["mixed", "float32", "jarzynski"]


def ours(n: int, dtype: Kind, threads: int, seed: int, setting: Setting = STANDARD) -> Run:
    """Our walkers: `run(steps)` moves n of them and θ, θ updated every step, and returns θ.

    "mixed" is what the walkers backend runs: float64 state and drift with float32-accurate normals;
    "float32" is the same kernel on a float32 state. Both also count the walkers in mode b and those
    that cross, which no peer does. The data law is q* itself, as the peers have it: one point so
    far to the right that r = 1, of weight q*.
    """
    if dtype == "jarzynski":
        raise MissingPeer("the kernel with work weights comes with the flow `jarzynski`")
    from toyflows.kernels import team
    from toyflows.kernels.langevin import persistent

    s = setting
    x = s.start(n, seed, np.float32 if dtype == "float32" else np.float64)
    blocks = -(-n // 1024)
    far, q = np.array([1e6]), np.array([s.qstar])
    tail = np.append(q, 0.0)
    done, θ = 0, s.theta

    def run(steps: int) -> float:
        nonlocal done, θ
        sync, sums, path = team.new_sync(threads), np.empty((2, blocks, 3)), np.empty((steps, 4))

        def part(rank: int, of: int) -> float:
            return float(persistent(
                rank, of, sync, sums, x, steps, seed, done, s.h, s.eta, s.a, s.b, θ, far, q, tail,
                path,
            ))  # fmt: skip

        θ = team.run(part, threads)
        done += steps
        return θ

    return run
