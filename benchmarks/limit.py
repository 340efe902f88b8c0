"""Builds and loads `limit.c`, the hand-written AVX-512 code that ours is measured against.

It is compiled at run time for the CPU at hand, into a folder that goes away with the process; a
machine without gcc or without AVX-512 has no limit to show, and says so.
"""

from __future__ import annotations

import atexit
import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from setting import MissingPeer, Run, Setting

# -fschedule-insns interleaves the two halves of a turn: 10 % faster than plain -O3 (gcc 12, Zen 5).
FLAGS = ["-O3", "-march=native", "-fschedule-insns", "-shared", "-fPIC"]
NEEDED = {"avx512f", "avx512dq"}


class _Model(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_double) for name in ("a", "b", "h", "eta", "qstar"))


def cpu_flags() -> set[str]:
    """Instruction sets that the operating system reports; empty where it has no /proc/cpuinfo."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


@cache
def library() -> ctypes.CDLL:
    """The compiled limit.c, or MissingPeer with the reason."""
    gcc = shutil.which("gcc")
    if gcc is None:
        raise MissingPeer("gcc not found")
    if not cpu_flags() >= NEEDED:
        raise MissingPeer("this CPU does not report AVX-512 (f, dq)")
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    target = folder / "limit.so"
    command = [gcc, *FLAGS, str(Path(__file__).with_name("limit.c")), "-o", str(target), "-lm"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        raise MissingPeer(f"gcc could not build limit.c: {built.stderr.strip()[:200]}")
    return ctypes.CDLL(str(target))


def c_limit(n: int, seed: int, s: Setting, dtype: type) -> Run:
    """C with AVX-512 intrinsics: float64 state and float32-accurate normals, or float32."""
    lib = library()
    step = lib.pcd_f32 if dtype is np.float32 else lib.pcd_mixed
    step.restype = ctypes.c_double
    model = _Model(s.a, s.b, s.h, s.eta, s.qstar)
    lanes = np.empty(32, np.uint64)
    lib.seed_lanes(ctypes.c_void_p(lanes.ctypes.data), ctypes.c_uint64(seed))
    x = s.start(n, seed, dtype)
    theta = s.theta

    def run(steps: int) -> float:
        nonlocal theta
        at, rng = ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(lanes.ctypes.data)
        sizes = ctypes.c_int64(n), ctypes.c_int64(steps)
        theta = step(at, *sizes, ctypes.c_double(theta), ctypes.byref(model), rng)
        return theta

    return run
