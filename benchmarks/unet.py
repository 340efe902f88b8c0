"""The U-Net part of networks.py: training steps and sampling steps of 64 letters of 28 × 28.

The network is `unet()`: 32 and 64 channels, a time embedded in 32 numbers. A training step is the
squared error of the batch, its gradient and Adam; a sampling step moves the images, all of one
time, along the network's output. PyTorch has the same shapes and runs eagerly, with images as they
are (NCHW) and with channels last, and compiled; its Adam is the fused one. A turn is 6 training
steps and 12 sampling steps.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import turns
from turns import SEED, Jobs

BATCH, SIDE, RATE, MOVE = 64, 28, 1e-4, 1e-3
TURNS = {"training step": 6, "sampling step": 12}
GOALS = {"training step": 1.6, "sampling step": 1.3}


def jobs(*works: Callable[[], Any]) -> Jobs:
    """A training step and a sampling step, as many as a turn has."""

    def turn(work: Callable[[], Any], steps: int) -> None:
        for _ in range(steps):
            work()

    named = zip(TURNS.items(), works, strict=True)
    return {job: (partial(turn, work, steps), steps) for (job, steps), work in named}


def batch() -> tuple[Any, Any, Any]:
    """x, target (BATCH, SIDE, SIDE) and t (BATCH,), the same for all."""
    rng = np.random.default_rng(SEED)
    x, target = rng.normal(size=(2, BATCH, SIDE, SIDE)).astype(np.float32)
    return x, target, rng.uniform(0, 1000, BATCH).astype(np.float32)


def ours(threads: int) -> Jobs:
    """toyflows.nn.compiled.unet."""
    from toyflows.nn.compiled.unet import FastUNet
    from toyflows.nn.optimise import Adam
    from toyflows.nn.unet import unet

    fast = FastUNet(unet(SIDE))
    θ = fast.network.init(np.random.default_rng(SEED))
    adam, (x, target, t) = Adam.at(θ), batch()
    x, target = x[..., None], target[..., None]
    moved = x.copy()

    def learn() -> None:
        adam.step(θ, fast.loss_and_gradient(θ, x, t, target, threads=threads)[1], RATE)

    def sample() -> None:
        moved[:] -= MOVE * fast.forward(θ, moved, 500.0, threads=threads)

    return jobs(learn, sample)


def pytorch(threads: int, channels_last: bool, compiled: bool = False) -> Jobs:
    """The same in PyTorch."""
    torch = turns.torch()
    torch.set_num_threads(threads)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    net = _torch_network(torch).to(memory_format=layout)
    adam = torch.optim.Adam(net.parameters(), lr=RATE, fused=True)
    x, target, t = map(torch.from_numpy, batch())
    x, target = (a[:, None].contiguous(memory_format=layout) for a in (x, target))
    moved, now = x.clone(memory_format=layout), torch.full((1,), 500.0)
    forward = torch.compile(net) if compiled else net

    def learn() -> None:
        adam.zero_grad(set_to_none=True)
        ((forward(x, t) - target) ** 2).mean().backward()
        adam.step()

    def sample() -> None:
        with torch.inference_mode():
            moved.sub_(forward(moved, now), alpha=MOVE)

    return jobs(learn, sample)


def _torch_network(
    torch: Any, a: int = 32, b: int = 64, time: int = 32, embedding: int = 64
) -> Any:
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
            super().__init__()
            self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1)
            self.bias, self.norm = nn.Linear(embedding, outputs), nn.GroupNorm(8, outputs)

        def forward(self, h: Any, e: Any) -> Any:
            return nn.functional.silu(self.norm(self.conv(h) + self.bias(e)[:, :, None, None]))

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("ω", 1000.0 ** -torch.linspace(0, 1, time // 2))
            self.embed = nn.Linear(time, embedding)
            self.first, self.skip1, self.up1 = Block(1, a), Block(a, a), Block(a + b, a)
            self.down1, self.skip2, self.up2 = Block(a, b, 2), Block(b, b), Block(2 * b, b)
            self.down2, self.middle = Block(b, b, 2), Block(b, b)
            self.doubled, self.last = nn.Upsample(scale_factor=2), nn.Conv2d(a, 1, 3, 1, 1)

        def forward(self, x: Any, t: Any) -> Any:
            phase = t[:, None] * self.ω
            e = nn.functional.silu(self.embed(torch.cat((phase.sin(), phase.cos()), 1)))
            skip1 = self.skip1(self.first(x, e), e)
            skip2 = self.skip2(self.down1(skip1, e), e)
            h = self.doubled(self.middle(self.down2(skip2, e), e))
            h = self.doubled(self.up2(torch.cat((h, skip2), 1), e))
            return self.last(self.up1(torch.cat((h, skip1), 1), e))

    return UNet()


CASES: dict[str, Callable[[int], Jobs]] = {
    "ours": ours,
    "PyTorch": partial(pytorch, channels_last=False),
    "PyTorch channels last": partial(pytorch, channels_last=True),
    "PyTorch compiled": partial(pytorch, channels_last=True, compiled=True),
}


def measure(rounds: int, threads: int, without: str = "") -> tuple[turns.Times, dict[str, str]]:
    """All cases in turns but the one named, and what could not run."""
    clock = turns.clock_of(threads)
    missing: dict[str, str] = {}
    cases = {name: case for name, case in CASES.items() if name != without}
    times = turns.in_turns(turns.built(cases, missing, threads), rounds, clock)
    print(f"measured the U-Net on {threads}", file=sys.stderr, flush=True)
    return times, missing


def table(times: turns.Times, threads: int) -> str:
    """The times, and the goals on one thread."""
    goals = GOALS if threads == 1 else {}
    return turns.table(f"U-Net, ms, batch {BATCH}, threads: {threads}", times, goals, 1)
