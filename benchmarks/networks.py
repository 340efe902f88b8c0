"""Milliseconds of an energy-based model's learning: the fast path and PyTorch, on the same network.

    python benchmarks/networks.py [--quick] [--rounds N] [--sizes 28,56] [--threads 1,2]
                                  [--only energy,mlp,unet] [--out FILE.md]

One Langevin step, one weight step (128 real and 128 sampled images, Adam) and a full iteration (60
Langevin steps and a weight step), batch 128, float32. All cases of a size take turns in one
process, in a new order each round; a turn is an iteration, 20 Langevin steps and 5 weight steps, so
that no case is timed with cold caches only. On one thread the clock is the process's CPU time,
which does not count a neighbour; on more it is the wall clock, which needs a quiet machine.
Building, compilation and warm-up are never timed. PyTorch runs eagerly, as a good user would write
it: no gradients of the weights while sampling, updates in place, the fused Adam; once with images
as they are (NCHW) and once with channels last. The parts mlp and unet are told in mlp.py, unet.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import mlp
import numpy as np
import report
import turns
import unet
from turns import ONE_THREAD, SEED, Jobs, in_fresh_process

BATCH, CHAIN, TURN = 128, 60, 20
STEP, NOISE, CLIP, RATE, SQUARES = 10.0, 0.005, 0.03, 1e-4, 0.1
GOALS = {"Langevin step 56 × 56": 2.2, "full iteration 56 × 56": 2.0}


def jobs(size: int, langevin: Callable[[int], Any], learn: Callable[[], Any]) -> Jobs:
    """`langevin(steps)` moves the batch; `learn()` makes one weight step from it."""

    def iteration() -> None:
        langevin(CHAIN)
        learn()

    def weight_steps() -> None:
        for _ in range(5):
            learn()

    found: Jobs = {"full iteration": (iteration, 1), "weight step": (weight_steps, 5)}
    found["Langevin step"] = partial(langevin, TURN), TURN
    return {f"{job} {size} × {size}": work for job, work in found.items()}


def images(size: int) -> np.ndarray[Any, Any]:
    """Smooth fields in [−1, 1] (BATCH, size, size)."""
    rough = np.random.default_rng(SEED).normal(size=(BATCH, size, size))
    for axis in (1, 2):
        rough = sum(np.roll(rough, k, axis) for k in range(-3, 4)) / 2.6
    return np.tanh(rough).astype(np.float32)


def ours(size: int, threads: int) -> Jobs:
    """toyflows.nn.compiled: the energy's mean over data less that over samples, and squares."""
    from toyflows.nn.compiled.energy import Fast
    from toyflows.nn.network import energy_network
    from toyflows.nn.optimise import Adam

    fast = Fast(energy_network(size))
    θ = fast.network.init(np.random.default_rng(SEED))
    adam, real, done = Adam.at(θ), images(size), 0
    state = {"x": real[::-1].copy()}
    sign = np.repeat(np.float32([1, -1]), BATCH)[:, None]

    def langevin(steps: int) -> None:
        nonlocal done
        state["x"] = fast.langevin(
            θ, state["x"], steps, STEP, NOISE, CLIP, SEED, done, threads=threads
        )
        done += steps

    def upstream(E: Any, here: slice) -> Any:
        return (sign[here] + 2 * SQUARES * E) / BATCH

    def learn() -> None:
        both = np.concatenate((real, state["x"]))
        adam.step(θ, fast.gradients(θ, both, upstream, threads), RATE)

    return jobs(size, langevin, learn)


def pytorch(size: int, threads: int, channels_last: bool) -> Jobs:
    """The same in eager PyTorch."""
    torch = turns.torch()
    torch.set_num_threads(threads)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    net = _torch_network(torch, size).to(memory_format=layout)
    adam = torch.optim.Adam(net.parameters(), lr=RATE, fused=True)
    real = torch.from_numpy(images(size))[:, None].contiguous(memory_format=layout)
    x = real.flip(0).contiguous(memory_format=layout)

    def langevin(steps: int) -> None:
        net.requires_grad_(False)
        for _ in range(steps):
            x.requires_grad_(True)
            (g,) = torch.autograd.grad(net(x).sum(), x)
            with torch.no_grad():
                x.requires_grad_(False)
                x.add_(g.clamp_(-CLIP, CLIP), alpha=-STEP)
                x.add_(torch.randn_like(x), alpha=NOISE).clamp_(-1, 1)

    def learn() -> None:
        net.requires_grad_(True)
        E = net(torch.cat((real, x)))
        loss = E[:BATCH].mean() - E[BATCH:].mean() + SQUARES * (E**2).sum() / BATCH
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()

    return jobs(size, langevin, learn)


def _torch_network(torch: Any, size: int) -> Any:
    nn = torch.nn
    layers, pixels = [nn.Conv2d(1, 16, 5, 2, 4), nn.SiLU()], (size + 3) // 2 + 1
    for a, b in ((16, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(a, b, 3, 2, 1), nn.SiLU()]
        pixels = (pixels - 1) // 2 + 1
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(64 * pixels**2, 64), nn.SiLU(), nn.Linear(64, 1)
    )


CASES: dict[str, Callable[[int, int], Jobs]] = {
    "ours": ours,
    "PyTorch": partial(pytorch, channels_last=False),
    "PyTorch channels last": partial(pytorch, channels_last=True),
}


def measure(sizes: list[int], rounds: int, threads: int) -> tuple[turns.Times, dict[str, str]]:
    """All cases in turns, and what could not run."""
    clock = turns.clock_of(threads)
    times: turns.Times = {}
    missing: dict[str, str] = {}
    for size in sizes:
        times |= turns.in_turns(turns.built(CASES, missing, size, threads), rounds, clock)
        print(f"measured {size} × {size} on {threads}", file=sys.stderr, flush=True)
    return times, missing


def table(times: turns.Times, threads: int) -> str:
    """The times, and the goals on one thread."""
    goals = GOALS if threads == 1 else {}
    return turns.table(f"ms, batch {BATCH}, threads: {threads}", times, goals, 2)


def main() -> int:
    """Measures, prints, and writes what was asked for."""
    parser = turns.arguments(__doc__, None)
    parser.add_argument("--quick", action="store_true", help="3 rounds of 28 × 28")
    parser.add_argument("--sizes", help="default 28,56")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--only", default="energy,mlp,unet", help="parts, default all")
    options = parser.parse_args()
    sizes = [int(s) for s in (options.sizes or ("28" if options.quick else "28,56")).split(",")]
    rounds = options.rounds or (3 if options.quick else 9)
    page = report.Page(__doc__, options.out)
    parts, missing = [], {}
    for threads in map(int, options.threads.split(",")) if "energy" in options.only else ():
        env = ONE_THREAD | {"OMP_NUM_THREADS": str(threads)}
        times, lost = in_fresh_process(measure, sizes, rounds, threads, env=env)
        parts.append(table(times, threads))
        missing |= lost
    if "mlp" in options.only:
        steps, lost = turns.without_crash(mlp.measure, rounds, env=ONE_THREAD)
        parts.append(mlp.table(steps))
        missing |= lost
    for threads in map(int, options.threads.split(",")) if "unet" in options.only else ():
        env = ONE_THREAD | {"OMP_NUM_THREADS": str(threads)}
        steps, lost = turns.without_crash(unet.measure, rounds, threads, env=env)
        parts.append(unet.table(steps, threads))
        missing |= lost
    page.publish(*parts, *report.missing(missing))
    return 0


if __name__ == "__main__":
    sys.exit(main())
