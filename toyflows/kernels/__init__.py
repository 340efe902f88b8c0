"""The only home of numba. Reading order: cache, compiling, jit, polynomials, random, team,
langevin, metropolis, chains, weighted, sample, banded, swap; for K modes modes, modes_chains,
plane; for networks machine, lanes, tiles, energy_chain.

Every kernel has a NumPy twin that a test pins it to (mixture.py, backends/grid.py, nn/). Nothing is
imported by `toyflows --help`, by listing or by refusing: import it where a run starts.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from toyflows.errors import InputError

# The command line sets this before a run: see jit.without_blas.
own_process = False
# Whether it was said that kernels are compiled, and who draws how far it is (name, done, of).
said = False
report: Callable[[str, int, int], None] | None = None


def _check_environment() -> None:
    """Raises InputError for what the user told numba, and with which no kernel would run."""
    for name, least, most, why in (
        ("NUMBA_DISABLE_JIT", 0, 0, "must be 0: the kernels are compiled"),
        ("NUMBA_NUM_THREADS", 1, 1 << 20, "must be 1 or more"),
    ):
        told = os.environ.get(name, "").strip()
        if told and not (told.isdecimal() and least <= int(told) <= most):
            raise InputError(name, told, why)


_check_environment()
