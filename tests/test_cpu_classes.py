"""What is the same on every class of CPU, and how near the rest is: README, docs/architecture.md.

The same script runs in processes of three classes: this machine as it is, without AVX-512, and with
the least that NumPy and Numba know of x86 (elsewhere: with the least that NumPy knows).
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy._core import _multiarray_umath as build

SCRIPT = """
import hashlib, json
import numpy as np
from toyflows import solve
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.flows import make
from toyflows.target import Target

def bits(run):
    assert np.isfinite(run.θ).all() and len(set(run.θ)) > 100
    chains = run.state.chains
    parts = [run.θ, run.crossings, chains.x, *([] if chains.logw is None else [chains.logw])]
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()

points = Target.of_points(np.random.default_rng(0).normal(size=501) * 3, -2.0, 3.0, 0.5)
ours = {}
for options in ({}, {"kernel": "mala"}):
    run = solve.run(make("pcd", **options), Walkers(points, 0.1, 5000, 7), 0.0, 400)
    ours[str(options)] = bits(run)
run = solve.run(make("jarzynski"), Walkers(points, 0.1, 3000, 7), 0.0, 200)
ours["jarzynski"] = bits(run)

target, near = Target.exact(1.4, 6.0), {}
for name in ("pcd", "nce", "bregman"):
    for backend in (Grid(target, 0.1), Walkers(target, 0.1, 1000, 3)):
        run = solve.run(make(name), backend, 0.0, 1000)
        near[f"{name}, {backend.name}"] = [*run.θ[::50], *run.mode_b[::50]]
near["data law"] = [*target.data.weights, *target.mixture.density(target.data.x, 0.3)]
print(json.dumps({"ours": ours, "near": near}))
"""
# NumPy has vectors of its own for exp and log where there is AVX-512, and takes the C library's
# elsewhere: either is right to an ulp or two. A step adds a few ulp of numbers near 1 to θ, and so
# 1000 steps at most 1e−12; what that grew to where θ is unstable: less than tenfold in these runs.
NEAR = 1e-11
AVX2 = {"SSE", "SSE2", "SSE3", "SSSE3", "SSE41", "POPCNT", "SSE42", "AVX", "F16C", "FMA3", "AVX2",
       "X86_V2", "X86_V3"}  # fmt: skip


def told(**env: str) -> dict[str, Any]:
    """What the script says."""
    call = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(call, env=os.environ | env, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def lower(core: str, kept: set[str]) -> dict[str, str]:
    """Environment in which NumPy has but the `kept` of this machine's SIMD, and all are `core`."""
    there = [name for name in build.__cpu_dispatch__ if build.__cpu_features__[name]]
    env = {"NPY_DISABLE_CPU_FEATURES": " ".join(name for name in there if name not in kept)}
    if platform.machine() in ("x86_64", "AMD64"):
        env |= {"NUMBA_CPU_NAME": core.lower(), "OPENBLAS_CORETYPE": core}
    return env


@pytest.fixture(scope="module")
def here() -> dict[str, Any]:
    return told()


@pytest.mark.parametrize(("core", "kept"), [("Haswell", AVX2), ("Nehalem", set())])
def test_classes_of_cpu_agree_as_they_are_said_to(
    core: str, kept: set[str], here: dict[str, Any]
) -> None:
    """Kernels to the bit; what NumPy's exponentials and BLAS's sums enter to NEAR."""
    there = told(**lower(core, kept))
    assert there["ours"] == here["ours"]
    for name, numbers in here["near"].items():
        np.testing.assert_allclose(there["near"][name], numbers, NEAR, NEAR, err_msg=name)
