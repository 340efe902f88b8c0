"""How fast the laboratory answers: a slider moved in the browser, until the numbers are drawn.

    python benchmarks/lab.py [--rounds N] [--out FILE.md]

The real server with one computing thread, and a real browser (chromium, no GPU). An answer is timed
in the browser, from setting the slider to the frame after which the page says that it has drawn:
*first* with the walkers' new run, *whole* with the exact law and the formula too. Beside it the
CPU that the server's process spent on it, which another program's load does not change. Then live
play, and visitors without browsers who all move sliders at once.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import report
import turns

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

STEPS = 600
GOALS = {10_000: 120.0, 100_000: 250.0}  # milliseconds of a whole answer
RATE = 20.0  # frames a second, at least
SECONDS = 4.0  # of play
CROWDS = (1, 5, 15, 30)

ANSWER = """async (value) => {
  const model = Bokeh.documents[0].get_model_by_name("theta_star"), { wire, state } = toyflows
  return await new Promise((done) => {
    let first = null
    const began = performance.now(), drawn = wire.properties.seen.change
    const look = () => {
      const seen = state(), now = performance.now() - began
      if (seen.θ_star !== value) return
      first ??= now
      if (!seen.whole || wire.busy) return
      wire.disconnect(drawn, look)
      done([first, now])
    }
    wire.connect(drawn, look)
    model.value = value
  })
}"""
PLAY = """async (seconds) => {
  const { wire } = toyflows, sent = wire.sent, began = performance.now()
  toyflows.act("play")
  await new Promise((done) => setTimeout(done, 1000 * seconds))
  const frames = wire.seen - sent, took = performance.now() - began
  toyflows.act("play")
  return 1000 * frames / took
}"""


def answers(lab: Any, n: int, rounds: int) -> tuple[float, float, float]:
    """Medians in ms at n walkers: first and whole answer by the clock, and the server's CPU."""
    first, whole, spent = [], [], []
    with lab.open(f"/two-modes?walkers={n}&step={STEPS}") as room:
        for k in range(rounds + 2):
            before = lab.address.work
            told = room.page.evaluate(ANSWER, round(1 + 0.01 * k, 2))
            if k >= 2:  # warm
                first.append(told[0])
                whole.append(told[1])
            spent.append(1000 * (lab.address.work - before))
    return median(first), median(whole), sum(spent[2:]) / rounds  # a tick of its clock is 10 ms


def play(lab: Any, n: int) -> tuple[float, float]:
    """Frames a second of live play at n walkers, and the server's CPU a frame in ms."""
    with lab.open(f"/two-modes?walkers={n}&step=0&speed=5") as room:
        room.page.evaluate(PLAY, 1.0)
        before, sent = lab.address.work, room.page.evaluate("toyflows.wire.sent")
        rate = room.page.evaluate(PLAY, SECONDS)
        frames = room.page.evaluate("toyflows.wire.sent") - sent
        return rate, 1000 * (lab.address.work - before) / frames


async def crowd(address: Any, many: int, moves: int) -> tuple[float, float]:
    """Median ms of an answer, at 10⁴ walkers × 100 steps, when `many` visitors all move sliders,
    and the server's memory in MiB."""
    from lab_client import Client

    people = [Client(address, f"/two-modes?walkers=10000&step=100&seed={k}") for k in range(many)]
    for visitor in people:
        await visitor.enter()
        await visitor.until(lambda s: s["whole"])

    async def use(visitor: Client) -> list[float]:
        took = []
        for k in range(moves):
            began, value = time.perf_counter(), round(1 + 0.01 * (k + 1), 2)
            await visitor.set("theta_star", "value", value)
            await visitor.until(lambda s, v=value: s["θ_star"] == v and s["whole"])
            took.append(1000 * (time.perf_counter() - began))
        return took

    found = await asyncio.gather(*(use(visitor) for visitor in people))
    memory = address.memory / 2**20
    for visitor in people:
        await visitor.leave()
    return median(t for took in found for t in took), memory


def measure(rounds: int) -> list[str]:
    """The tables."""
    from lab_browser import Lab, chromium, server

    with server("--threads", "1") as address:
        with chromium() as browser:
            lab = Lab(browser, address)
            head = ["walkers × 600 steps", "first, ms", "whole, ms", "server's CPU, ms", "goal", ""]
            rows = [head]
            for n, goal in GOALS.items():
                first, whole, spent = answers(lab, n, rounds)
                rows.append([f"{n:,}", f"{first:.0f}", f"{whole:.0f}", f"{spent:.0f}",
                             f"≤ {goal:.0f}", "yes" if whole <= goal else "NO"])  # fmt: skip
            live = [["walkers, 5 steps a frame", "frames a second", "server's CPU a frame, ms"]]
            for n in GOALS:
                rate, spent = play(lab, n)
                good = "yes" if rate >= RATE else "NO"
                live.append([f"{n:,}", f"{rate:.1f} (≥ {RATE:.0f}: {good})", f"{spent:.1f}"])
        many = [["visitors who all move sliders", "answer, ms", "server's memory, MiB"]]
        for visitors in CROWDS:
            took, memory = asyncio.run(crowd(address, visitors, max(3, rounds // 3)))
            many.append([str(visitors), f"{took:.0f}", f"{memory:.0f}"])
    return [report.table(rows), report.table(live), report.table(many)]


def main() -> int:
    """Measures, prints, and writes what was asked for."""
    options = turns.arguments(__doc__, 15).parse_args()
    page = report.Page(__doc__, options.out)
    page.publish(*measure(options.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
