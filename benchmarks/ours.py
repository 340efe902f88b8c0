"""Our own kernel as a case of the benchmark: the only file here that knows `toyflows`."""

from __future__ import annotations

from typing import Literal

from setting import STANDARD, MissingPeer, Run, Setting

Kind = Literal["mixed", "float32", "jarzynski"]


def ours(n: int, dtype: Kind, threads: int, seed: int, setting: Setting = STANDARD) -> Run:
    """Our walkers: `run(steps)` moves n of them and θ, θ updated every step, and returns θ.

    "mixed" is float64 state and drift with float32-accurate normals, "float32" is float32
    throughout, "jarzynski" is "mixed" with the work weights, which also weigh the mean of r.
    Start from `setting.start(n, seed, dtype)`; `threads` is 1 in the first phase.
    """
    raise MissingPeer("the adapter to toyflows is not written yet")
