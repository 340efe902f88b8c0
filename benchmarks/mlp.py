"""The MLP part of networks.py: training steps and sampling steps of a denoiser of points.

The network is `mlp()`: x (N, 2) and a time embedded in 30 numbers → 128 → 128 → 128 → 2, swished.
A training step is the weighted squared error of N points, its gradient and Adam; a sampling step
moves 2048 points of one common time along the network's output. All embed their times. PyTorch runs
eagerly and compiled, with the fused Adam. A turn is 100 training steps of 512 points, 25 of 2048,
or 50 sampling steps.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import turns
from turns import SEED, Jobs

RATE, MOVE, SAMPLED = 1e-3, 1e-3, 2048
GOALS = {"training step, 512 points": 1.35, "sampling step, 2048 points": 1.2}


class Batch(NamedTuple):
    """x (N, 2), t (N,), target (N, 2), weight (N,)."""

    x: Any
    t: Any
    target: Any
    weight: Any


BATCHES, SAMPLING = {512: 100, 2048: 25}, 50  # training steps of a turn; sampling steps


def jobs(learn: dict[int, Callable[[], Any]], sample: Callable[[float], Any]) -> Jobs:
    """`learn[N]()` is a training step with N points, `sample(t)` a step of the points at time t."""

    def learned(n: int) -> None:
        for _ in range(BATCHES[n]):
            learn[n]()

    def sampled() -> None:
        for k in range(SAMPLING):
            sample(1 - k / SAMPLING)

    found: Jobs = {f"training step, {n} points": (partial(learned, n), BATCHES[n]) for n in learn}
    return found | {f"sampling step, {SAMPLED} points": (sampled, SAMPLING)}


def batch(n: int) -> Batch:
    """The same for all."""
    rng = np.random.default_rng(SEED)
    numbers = rng.normal(size=(n, 2)), rng.random(n), rng.normal(size=(n, 2)), rng.random(n)
    return Batch(*(a.astype(np.float32) for a in numbers))


def ours() -> Jobs:
    """toyflows.nn.compiled.mlp."""
    from toyflows.nn.compiled.mlp import FastMLP
    from toyflows.nn.network import mlp
    from toyflows.nn.optimise import Adam

    fast = FastMLP(mlp())
    θ = fast.network.init(np.random.default_rng(SEED))
    adam, x = Adam.at(θ), batch(SAMPLED).x

    def learn(b: Batch) -> None:
        adam.step(θ, fast.loss_and_gradient(θ, b.x, b.t, b.target, b.weight)[1], RATE)

    def sample(t: float) -> None:
        x[:] -= MOVE * fast.forward(θ, x, t)

    return jobs({n: partial(learn, batch(n)) for n in BATCHES}, sample)


def layers() -> Jobs:
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

    return jobs({n: partial(learn, batch(n)) for n in BATCHES}, sample)


def pytorch(compiled: bool) -> Jobs:
    """The same in PyTorch; a sampling step embeds its one time once."""
    torch = turns.torch()
    torch.set_num_threads(1)
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
    return jobs({n: partial(learn, b) for n, b in tensors.items()}, sample)


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


CASES: dict[str, Callable[[], Jobs]] = {
    "ours": ours,
    "NumPy layers": layers,
    "PyTorch": partial(pytorch, compiled=False),
    "PyTorch compiled": partial(pytorch, compiled=True),
}


def measure(rounds: int, without: str = "") -> tuple[turns.Times, dict[str, str]]:
    """All cases in turns but the one named, and what could not run."""
    clock = turns.clock_of(1)
    missing: dict[str, str] = {}
    cases = {name: case for name, case in CASES.items() if name != without}
    times = turns.in_turns(turns.built(cases, missing), rounds, clock)
    print("measured the MLP", file=sys.stderr, flush=True)
    return times, missing


def table(times: turns.Times) -> str:
    """The times and the goals."""
    return turns.table("ms, threads: 1", times, GOALS, 3)
