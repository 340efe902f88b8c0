"""An epoch of an RBM: CD-1 and PCD of toyflows, and scikit-learn's BernoulliRBM (which is PCD).

    python benchmarks/rbm.py [--rounds N] [--out FILE.md]

Ten thousand random binary images of 28 × 28 and 256 hidden units in batches of 100; 2000 of 8 × 8
and 100 units in batches of 10. An epoch sees each image once: one Gibbs sweep a batch, and what its
public interface does (`fit` with n_iter=1; `advance`, once a batch). float32 for all, and float64,
scikit-learn's own for float64 data. All cases of a size take turns in one process, in a new order
each round; the clock is the process's CPU time. What is compiled is warm.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import report
import turns
from turns import ONE_THREAD, SEED, in_fresh_process

RATE = 0.05
GOAL = 1.0  # scikit-learn's float32 epoch over ours with CD-1, at least


class Size(NamedTuple):
    """N images of side × side, m hidden units, batches."""

    N: int
    side: int
    m: int
    batch: int


NAMES = "ours CD-1", "ours PCD", "scikit-learn float32", "scikit-learn float64"
SIZES = (Size(10_000, 28, 256, 100), Size(2000, 8, 100, 10))
Epoch = Callable[[], Any]


def images(size: Size) -> np.ndarray[Any, Any]:
    """Bits (N, side²), a fifth of them on."""
    x = np.random.default_rng(SEED).random((size.N, size.side**2)) < 0.2
    return x.astype(np.float32)


def ours(size: Size, sampler: str) -> Epoch:
    """toyflows.lattice.rbm_train."""
    from toyflows.lattice.binary import Data
    from toyflows.lattice.rbm_config import Config
    from toyflows.lattice.rbm_train import State, advance

    v = images(size)
    config = Config("none", max(16, size.side), size.m, SEED, sampler, batch=size.batch, rate=RATE)
    state = State.new(config, Data(v, v[:0], size.side))

    def epoch() -> None:
        for _ in range(size.N // size.batch):
            advance(config, state, v, RATE)

    return epoch


def peer() -> bool:
    """Whether there is something to compare with; a ratio is all that this file is for."""
    return find_spec("sklearn") is not None


def sklearn(size: Size, dtype: type) -> Epoch:
    """sklearn.neural_network.BernoulliRBM."""
    from sklearn.neural_network import BernoulliRBM

    v = images(size).astype(dtype)
    rbm = BernoulliRBM(size.m, learning_rate=RATE, batch_size=size.batch, n_iter=1,
                       random_state=SEED)  # fmt: skip
    return lambda: rbm.fit(v)


def cases(size: Size) -> list[Epoch]:
    """All that take turns, in the order of NAMES."""
    peers = [sklearn(size, dtype) for dtype in (np.float32, np.float64)]
    return [ours(size, "cd"), ours(size, "pcd"), *peers]


def measure(rounds: int) -> list[list[str]]:
    """Median (minimum) milliseconds of an epoch, and the ratio to ours."""
    rows = []
    for size in SIZES:
        made: dict[str, turns.Jobs] = {}
        for name, epoch in zip(NAMES, cases(size), strict=True):
            epoch()
            made[name] = {"epoch": (epoch, 1)}
        times = turns.in_turns(made, rounds)["epoch"]
        ratio = median(times["scikit-learn float32"]) / median(times["ours CD-1"])
        told = [f"{median(times[n]):.0f} ({min(times[n]):.0f})" for n in NAMES]
        rows.append([f"{size.N} × {size.side}², {size.m} units, batch {size.batch}", *told,
                     f"{ratio:.2f}", f"≥ {GOAL:g}", "yes" if ratio >= GOAL else "NO"])  # fmt: skip
    return rows


def main() -> None:
    """Prints the table; --out writes it."""
    options = turns.arguments(__doc__, 9).parse_args()
    page = report.Page(__doc__, options.out)
    # On one thread: CPU time counts all.
    rows = in_fresh_process(measure, options.rounds, env=ONE_THREAD) if peer() else None
    heads = ["ms of CPU an epoch", *NAMES, "times faster", "goal", "holds"]
    absent = report.missing({} if rows else {"scikit-learn": "it is not installed"})
    page.publish(*([report.table([heads, *rows])] if rows else []), *absent)


if __name__ == "__main__":
    main()
