"""The MLP part of networks.py: training steps and sampling steps of a denoiser of points.

The network is `mlp()`: x (N, 2) and a time embedded in 30 numbers → 128 → 128 → 128 → 2, swished.
A training step is the weighted squared error of N points, its gradient and Adam; a sampling step
moves 2048 points of one common time along the network's output. All embed their times. PyTorch runs
eagerly and compiled, with the fused Adam. A turn is 100 training steps of 512 points, 25 of 2048,
or 50 sampling steps.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import report
from setting import MissingPeer

RATE, MOVE, SEED, SAMPLED = 1e-3, 1e-3, 20240229, 2048
GOALS = {"training step, 512 points": 1.35, "sampling step, 2048 points": 1.0}


class Case(NamedTuple):
    """`learn[N]()` is a training step with N points, `sample(t)` a step of the points at time t."""

    learn: dict[int, Callable[[], Any]]
    sample: Callable[[float], Any]


class Batch(NamedTuple):
    """x (N, 2), t (N,), target (N, 2), weight (N,)."""

    x: Any
    t: Any
    target: Any
    weight: Any


Times = dict[str, dict[str, list[float]]]  # by job and case

BATCHES = 512, 2048
TURNS = {"training step, 512 points": 100, "training step, 2048 points": 25,
         "sampling step, 2048 points": 50}  # fmt: skip


def batch(n: int) -> Batch:
    """The same for all."""
    rng = np.random.default_rng(SEED)
    numbers = rng.normal(size=(n, 2)), rng.random(n), rng.normal(size=(n, 2)), rng.random(n)
    return Batch(*(a.astype(np.float32) for a in numbers))


def ours() -> Case:
    """toyflows.nn.fast_mlp."""
    from toyflows.nn.fast_mlp import FastMLP
    from toyflows.nn.network import mlp
    from toyflows.nn.optimise import Adam

    fast = FastMLP(mlp())
    θ = fast.network.init(np.random.default_rng(SEED))
    adam, x = Adam.at(θ), batch(SAMPLED).x

    def learn(b: Batch) -> None:
        adam.step(θ, fast.loss_and_gradient(θ, b.x, b.t, b.target, b.weight)[1], RATE)

    def sample(t: float) -> None:
        x[:] -= MOVE * fast.forward(θ, x, t)

    return Case({n: partial(learn, batch(n)) for n in BATCHES}, sample)


def layers() -> Case:
    """The NumPy layers, its reference."""
    from toyflows.nn.network import mlp
    from toyflows.nn.optimise import Adam

    net = mlp()
    θ = net.init(np.random.default_rng(SEED))
    adam, x = Adam.at(θ), batch(SAMPLED).x

    def learn(b: Batch) -> None:
        f, memory = net.forward(θ, b.x, b.t)
        g = 2 / len(f) * b.weight[:, None] * (f - b.target)
        adam.step(θ, net.gradients(θ, memory, g), RATE)

    def sample(t: float) -> None:
        x[:] -= MOVE * net.forward(θ, x, np.full(SAMPLED, t))[0]

    return Case({n: partial(learn, batch(n)) for n in BATCHES}, sample)


def pytorch(compiled: bool) -> Case:
    """The same in PyTorch; a sampling step embeds its one time once."""
    try:
        import torch
    except ImportError as error:
        raise MissingPeer("torch is not installed") from error
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    net = _torch_network(torch)
    adam = torch.optim.Adam(net.parameters(), lr=RATE, fused=True)
    x = torch.from_numpy(batch(SAMPLED).x)

    def squares(b: Batch) -> Any:
        return (b.weight[:, None] * (net(b.x, b.t) - b.target) ** 2).sum(1).mean()

    loss, forward = (torch.compile(f) if compiled else f for f in (squares, net))

    def learn(b: Batch) -> None:
        adam.zero_grad(set_to_none=True)
        loss(b).backward()
        adam.step()

    def sample(t: float) -> None:
        with torch.inference_mode():
            x.sub_(forward(x, torch.full((1,), t)), alpha=MOVE)

    tensors = {n: Batch(*map(torch.from_numpy, batch(n))) for n in BATCHES}
    return Case({n: partial(learn, b) for n, b in tensors.items()}, sample)


def _torch_network(torch: Any) -> Any:
    nn = torch.nn

    class Denoiser(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("ω", 1000.0 ** -torch.linspace(0, 1, 15))
            stack = [nn.Linear(32, 128), nn.SiLU()]
            for _ in range(2):
                stack += [nn.Linear(128, 128), nn.SiLU()]
            self.stack = nn.Sequential(*stack, nn.Linear(128, 2))

        def forward(self, x: Any, t: Any) -> Any:
            phase = t[:, None] * self.ω
            embedded = torch.cat((phase.sin(), phase.cos()), 1)
            return self.stack(torch.cat((x, embedded.expand(len(x), -1)), 1))

    return Denoiser()


CASES: dict[str, Callable[[], Case]] = {
    "ours": ours,
    "NumPy layers": layers,
    "PyTorch": partial(pytorch, compiled=False),
    "PyTorch compiled": partial(pytorch, compiled=True),
}


def measure(rounds: int) -> tuple[Times, dict[str, str]]:
    """All cases in turns; milliseconds of CPU by job and case, and what could not run."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    times: Times = {job: {} for job in TURNS}
    turns, missing = _cases()
    shuffle = random.Random(SEED).shuffle
    for _ in range(rounds):
        shuffle(turns)
        for name, case in turns:
            for (job, steps), work in zip(TURNS.items(), _jobs(case), strict=True):
                start = time.process_time()
                for k in range(steps):
                    work(k)
                times[job].setdefault(name, []).append((time.process_time() - start) / steps * 1e3)
    print("measured the MLP", file=sys.stderr, flush=True)
    return times, missing


def _jobs(case: Case) -> list[Callable[[int], Any]]:
    steps: list[Callable[[int], Any]] = [lambda _, f=f: f() for f in case.learn.values()]  # type: ignore[misc]
    return [*steps, lambda k: case.sample(1 - k / 50)]


def _cases() -> tuple[list[tuple[str, Case]], dict[str, str]]:
    """Those that can run here, compiled and warm."""
    found, missing = [], {}
    for name, make in CASES.items():
        try:
            case = make()
            for work in _jobs(case):
                for k in range(3):
                    work(k)
        except Exception as reason:  # a compiler of PyTorch's may fail in any way
            if name == "ours":
                raise
            missing[name] = str(reason).strip().splitlines()[0]
            continue
        found.append((name, case))
    return found, missing


def table(times: Times) -> str:
    """Median (minimum) by job, the ratio to the best of PyTorch, and the goals."""
    names = [name for name in CASES if any(name in series for series in times.values())]
    rows = [["ms, threads: 1", *names, "times faster", "goal", "holds"]]
    for job, series in times.items():
        row = [job, *(f"{median(series[n]):.3f} ({min(series[n]):.3f})" for n in names)]
        peers = [median(t) for name, t in series.items() if name.startswith("PyTorch")]
        ratio, goal = min(peers, default=0) / median(series["ours"]), GOALS.get(job)
        row += [f"{ratio:.2f}" if peers else "", f"≥ {goal:g}" if goal and peers else ""]
        rows.append([*row, ("yes" if ratio >= goal else "NO") if goal and peers else ""])
    return report.table(rows)
