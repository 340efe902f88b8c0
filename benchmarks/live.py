"""How fast the live rooms are on a slow machine: chromium with its clock throttled 4 times.

    python benchmarks/live.py

For each room: the bytes of its page, compressed too; the time to the first picture, to the whole
run, and from a moved slider to the next picture (of room 1). Needs chromium
and playwright (extra "test").
"""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from toyflows.pages import rooms

SLOWER = 4
# Until a picture of a run is shown, and until all of it is; 10⁴ walkers of 2000 steps in room 1.
ADDRESS = {"two-modes": "#loss=pcd&separation=6&walkers=10000&time=100"}
WAIT = """condition => new Promise(done => {
  const look = () => (condition() ? done(performance.now()) : requestAnimationFrame(look));
  look(); })"""
SHOWN = "() => document.getElementById('clock')?.textContent"
DONE = """() => window.toyflows && (toyflows.done ? toyflows.done()
  : toyflows.shown()?.done)"""
JUDGED = "() => !toyflows.shown?.() || toyflows.shown().verdict !== undefined"
SLIDE = """() => new Promise(done => {
  const slider = document.querySelector('#set-theta_star'), began = performance.now();
  const now = document.getElementById('clock').textContent;
  slider.value = Number(slider.value) + Number(slider.step || 0.1);
  slider.dispatchEvent(new Event('input'));
  const look = () => (document.getElementById('clock').textContent !== now
    ? done(performance.now() - began) : requestAnimationFrame(look));
  look(); })"""


def until(page: Any, condition: str) -> float:
    """The time of the page, in seconds, at which this holds."""
    return float(page.evaluate(f"({WAIT})({condition})")) / 1000


def measured(browser: Any, path: Path) -> str:
    """A row of the table."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.goto(path.as_uri() + ADDRESS.get(path.stem, ""), wait_until="commit")
    first, whole = until(page, SHOWN), until(page, DONE)
    until(page, JUDGED)
    slide = f"{page.evaluate(SLIDE):.0f} ms" if path.stem == "two-modes" else "–"
    context.close()
    data = path.read_bytes()
    size = f"{len(data) / 1e3:.0f} kB | {len(gzip.compress(data)) / 1e3:.0f} kB"
    return f"| {path.stem} | {size} | {first:.2f} s | {whole:.2f} s | {slide} |"


def main() -> None:
    """Prints the table, and how busy the machine was, as all of these are times on the wall."""
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| room | page | compressed | first picture | whole run | a slider answers |")
    print("| --- | --- | --- | --- | --- | --- |")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as place, sync_playwright() as play:
        rooms.write(folder := Path(place) / "live")
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for room in rooms.ROOMS:
            print(measured(browser, folder / room.file), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
