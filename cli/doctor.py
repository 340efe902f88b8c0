"""`toyflows doctor`: what this machine runs, and whether it gives the right numbers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toyflows.cli._errors import refusing

if TYPE_CHECKING:
    from toyflows.state import Trajectory


def doctor(
    warm: Annotated[
        bool,
        typer.Option("--warm", help="First compile all kernels, once on a machine (minutes)."),
    ] = False,
) -> None:
    """Print versions, threads, SIMD and speed, and check known answers (2 seconds once compiled).

    Example: toyflows doctor --warm
    """
    with refusing():
        if warm:
            _warm()
        for name, value in _facts():
            print(f"{name:12}{value}")
        failed = 0
        for name, passed, numbers in _checks():
            print(f"{'ok' if passed else 'WRONG':12}{name}: {numbers}")
            failed += not passed
        if failed:
            raise typer.Exit(1)


def _facts() -> list[tuple[str, str]]:
    import platform
    from importlib.metadata import version

    import toyflows
    from toyflows.files import available_cores, free_memory
    from toyflows.kernels.cache import FOLDER

    packages = ("numpy", "scipy", "numba", "matplotlib", "typer")
    return [
        ("toyflows", toyflows.__version__),
        ("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        ("packages", ", ".join(f"{p} {version(p)}" for p in packages)),
        ("threads", f"{available_cores()} (used from 100,000 walkers on)"),
        ("SIMD", _simd()),
        ("speed", _speed()),
        ("memory", f"{free_memory() / 2**30:.1f} GiB free"),
        ("cache", str(FOLDER or "none is writable: kernels compile at every start")),
    ]


def _simd() -> str:
    """The widest registers that LLVM uses for the processor that numba compiles for."""
    from toyflows.kernels.jit import processor
    from toyflows.kernels.machine import HERE

    # Numba has it so: another name alone leaves it the instructions of this machine.
    named = os.environ.get("NUMBA_CPU_NAME", "generic") != "generic"
    mixed = named and "NUMBA_CPU_FEATURES" not in os.environ
    own = ", with this machine's features as NUMBA_CPU_FEATURES is not set" if mixed else ""
    return f"{HERE.name} ({processor()[0]}{own}): {HERE.many} registers of {HERE.bits} bits"


def _speed() -> str:
    """What the energy network's convolutions reach, and what the registers could do."""
    import numpy as np

    from toyflows.images import shipped
    from toyflows.kernels import peak, tiles
    from toyflows.nn.compiled import energy, passes

    net = energy.Fast(shipped.load("ebm28").config.network())
    space, weights = energy.aligned(net.plan.size), np.zeros(net.plan.index.size, np.float32)
    numbers, many = np.zeros(peak.ROOM, np.float32), 100_000
    most = peak.OPERATIONS * many / _seconds(lambda: peak.rounds(numbers, many))
    plan, done = net.plan.forward, passes.operations(net.plan.forward)
    ours = done / _seconds(lambda: tiles.run(plan, space, weights))
    return (f"convolutions {ours / 1e9:.0f} GFLOP/s, the registers {most / 1e9:.0f} "
            f"({100 * ours / most:.0f} %), one thread")  # fmt: skip


def _seconds(call: Callable[[], object]) -> float:
    """The shortest of 20 calls; the first, which compiles, does not count."""
    import timeit

    call()
    return min(timeit.repeat(call, number=1, repeat=20))


def _warm() -> None:
    """Compiles what the figures use, by making them all small."""
    import tempfile

    from toyflows.cli.figures import shown
    from toyflows.figures import _make, _registry
    from toyflows.files import available_cores

    names = _registry.ids()
    with tempfile.TemporaryDirectory() as folder, shown(len(names), quiet=True) as progress:
        _make.make(names, Path(folder) / "gallery", ["png"], 0.05, 0, available_cores(), progress)


def _checks() -> list[tuple[str, bool, str]]:
    import time

    import toyflows

    t0 = time.perf_counter()
    ml = toyflows.flow("ml", theta_star=1.4, backends=["grid"], time=150)
    gap = abs(float(ml.backends["grid"].θ[-1]) - 1.4)
    runs = [
        toyflows.flow("pcd", theta_star=1.4, backends=["walkers"], time=20, threads=n)
        for n in (1, 2)
    ]
    t1 = time.perf_counter()
    toyflows.flow("pcd", theta_star=1.4, backends=["walkers"], time=50, threads=1)
    ns = (time.perf_counter() - t1) / (1000 * 100_000) * 1e9
    one, two = (r.backends["walkers"] for r in runs)
    same = one.θ.tobytes() == two.θ.tobytes() and _chains(one) == _chains(two)
    return [
        ("maximum likelihood reaches θ* on the grid", gap < 1e-6, f"|θ − θ*| = {gap:.1e}"),
        ("one and two threads give the same bits", same, f"θ = {float(one.θ[-1]):.15g}"),
        ("walkers", ns < 100, f"{ns:.2f} ns a walker-step, one thread"),
        ("self-check", True, f"{time.perf_counter() - t0:.1f} s on Python {sys.version_info[1]}"),
    ]


def _chains(run: Trajectory) -> bytes:
    """Every bit of the walkers at the end."""
    assert run.state is not None
    assert run.state.cold is not None
    return run.state.cold.x.tobytes()
