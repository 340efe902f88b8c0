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


NETWORKS = """
import hashlib, json
import numpy as np
from toyflows import solve
from toyflows.backends.walkers import Walkers
from toyflows.flows import make
from toyflows.kernels.machine import HERE
from toyflows.nn.compiled.energy import Fast
from toyflows.nn.compiled.mlp import FastMLP
from toyflows.nn.compiled.unet import FastUNet
from toyflows.nn.network import energy_network, mlp
from toyflows.nn.optimise import Adam
from toyflows.nn.unet import unet
from toyflows.target import Target

def bits(*arrays):
    assert all(np.isfinite(a).all() for a in arrays)
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()

def learnt(fast, x, target):  # a training step
    θ = fast.network.init(np.random.default_rng(0))
    Adam.at(θ).step(θ, fast.loss_and_gradient(θ, x, 3.0, target)[1], 1e-3)
    return bits(θ)

rng = np.random.default_rng(1)
points = Target.of_points(rng.normal(size=501) * 3, -2.0, 3.0, 0.5)
run = solve.run(make("pcd"), Walkers(points, 0.1, 2000, 7), 0.0, 50)
cnn = Fast(energy_network(12, 3))
θ, x = cnn.network.init(rng), rng.uniform(-1, 1, (19, 12, 12)).astype(np.float32)
x = cnn.langevin(θ, x, 3, 1000.0, 0.05, 1.0)
small = [rng.normal(size=(2, 600, 2)), rng.normal(size=(2, 3, 8, 8, 1))]
print(json.dumps({
    "registers": HERE[1:],
    "pcd": bits(run.θ, run.state.chains.x),
    "cnn": bits(x, cnn.gradients(θ, x, np.ones((19, 3), np.float32))),
    "mlp": learnt(FastMLP(mlp()), *small[0].astype(np.float32)),
    "unet": learnt(FastUNet(unet(8, (32, 32))), *small[1].astype(np.float32)),
}))
"""


def told(script: str, **env: str) -> dict[str, Any]:
    """What the script says."""
    call = [sys.executable, "-c", script]
    done = subprocess.run(call, env=os.environ | env, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def compiled_for(name: str) -> dict[str, str]:
    """Environment in which Numba compiles for a processor: its features too, for the name alone
    leaves Numba those of this machine."""
    return {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": ""}


def lower(core: str, kept: set[str]) -> dict[str, str]:
    """Environment in which NumPy has but the `kept` of this machine's SIMD, and all are `core`."""
    there = [name for name in build.__cpu_dispatch__ if build.__cpu_features__[name]]
    env = {"NPY_DISABLE_CPU_FEATURES": " ".join(name for name in there if name not in kept)}
    if platform.machine() in ("x86_64", "AMD64"):
        env |= compiled_for(core.lower()) | {"OPENBLAS_CORETYPE": core}
    return env


@pytest.fixture(scope="module")
def here() -> dict[str, Any]:
    return told(SCRIPT)


@pytest.mark.parametrize(("core", "kept"), [("Haswell", AVX2), ("Nehalem", set())])
def test_classes_of_cpu_agree_as_they_are_said_to(
    core: str, kept: set[str], here: dict[str, Any]
) -> None:
    """Kernels to the bit; what NumPy's exponentials and BLAS's sums enter to NEAR."""
    there = told(SCRIPT, **lower(core, kept))
    assert there["ours"] == here["ours"]
    for name, numbers in here["near"].items():
        np.testing.assert_allclose(there["near"][name], numbers, NEAR, NEAR, err_msg=name)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names x86 processors")
@pytest.mark.skipif(not build.__cpu_features__["AVX2"], reason="runs code for AVX2")
def test_tiles_of_every_shape_give_the_same_bits() -> None:
    """A run, a Langevin chain and its gradients, and training steps: for 16 registers of 256 bits
    twice, for 16 of 128 without an fma instruction, and for those that this machine has."""
    here = told(NETWORKS)
    del here["registers"]
    for name, registers in (("haswell", [256, 16]), ("znver3", [256, 16]), ("generic", [128, 16])):
        there = told(NETWORKS, **compiled_for(name))
        assert there.pop("registers") == registers
        assert there == here, name
