"""For tests of the laboratory: the real server in a process of its own, and a watched browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from matplotlib import get_data_path
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 60_000  # milliseconds: a loaded machine is slow, a broken page never answers


class Address(str):
    """Of a running server."""

    process: subprocess.Popen[str]

    @property
    def memory(self) -> int:
        """Bytes that the server holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024

    @property
    def work(self) -> float:
        """Seconds of CPU that the server has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def server(*arguments: str, quiet: bool = True) -> Iterator[Address]:
    """The address of a running `toyflows lab`, which ends by Ctrl-C; `quiet`: nothing may have
    gone wrong in it."""
    program = str(Path(sys.executable).parent / "toyflows")
    command = [program, "lab", "--port", "0", "--no-browser", *arguments]
    with (
        tempfile.TemporaryFile("w+") as log,  # a pipe that nobody reads would stop it when full
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as run,
    ):
        try:
            assert run.stdout is not None
            line = run.stdout.readline()
            address = re.match(r"(http://[\d.]+:\d+)/", line)
            assert address, line
            found = Address(address[1])
            found.process = run
            yield found
        finally:
            run.send_signal(signal.SIGINT)
            try:
                run.communicate(timeout=PATIENCE / 1000)
            except subprocess.TimeoutExpired:
                run.kill()
                raise
        log.seek(0)
        complaints = log.read()
        assert run.returncode in (130, 143, -9), complaints  # the last two: of a test that ended it
        assert not quiet or "Traceback" not in complaints, complaints


FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<dir>{}</dir><cachedir>{}</cachedir><match target="pattern">
<edit name="family" mode="assign" binding="strong"><string>{}</string></edit>
</match></fontconfig>"""


@contextmanager
def chromium(font: str = "DejaVu Sans") -> Iterator[Browser]:
    """The browser on a machine where this font of matplotlib's is the only one, whatever this
    machine has: a page must look the same test to all who run it."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        config = Path(folder) / "fonts.conf"
        config.write_text(FONTS.format(Path(get_data_path()) / "fonts/ttf", folder, font), "utf-8")
        browser = play.chromium.launch(
            executable_path=CHROMIUM, args=FLAGS, env=os.environ | {"FONTCONFIG_FILE": str(config)}
        )
        yield browser
        browser.close()


@dataclass
class Lab:
    """A browser at a server: opens pages, and tells what goes wrong on them."""

    browser: Browser
    address: str

    @contextmanager
    def open(self, path: str, **context: Any) -> Iterator[Room]:
        """The page at this path once it shows its first whole frame; nothing may go wrong on it."""
        size = {"width": 1280, "height": 720}
        visit = self.browser.new_context(viewport=size, accept_downloads=True, **context)  # type: ignore[arg-type]
        visit.set_default_timeout(PATIENCE)
        page = visit.new_page()
        wrong: list[str] = []
        page.on("console", lambda m: None if OWN.match(m.text) else wrong.append(m.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda r: None if _ours(r.url, self.address) else wrong.append(r.url))
        page.goto(self.address + path)
        room = Room(page)
        room.until(lambda seen: seen.get("whole", False))
        yield room
        assert not wrong, wrong
        visit.close()


OWN = re.compile(r"\[bokeh .*setting log level|Bokeh items were rendered")  # in any visit


def _ours(url: str, address: str) -> bool:
    return url.startswith((address, address.replace("http", "ws"), "data:", "blob:"))


@dataclass
class Room:
    """An open page."""

    page: Page

    @property
    def seen(self) -> dict[str, Any]:
        """The numbers of what is shown."""
        return dict(self.page.evaluate(LOOK)[1])

    def until(self, good: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Waits for numbers that are good, and for the page to be done with them."""
        for _ in range(0, PATIENCE, 20):
            # In one look: between two, a frame may come that ends the waiting.
            busy, seen = self.page.evaluate(LOOK)
            if good(seen) and not busy:
                return dict(seen)
            self.page.wait_for_timeout(20)  # lets the browser work; the test waits for `good`
        raise AssertionError(f"never: {seen} {self.status}")

    def pause(self, key: str = "") -> dict[str, Any]:
        """Stops a playing page, by a key or its button; the numbers it then stands at."""
        button = self.page.locator("button", has_text="Pause")
        button.wait_for()
        if key:
            self.press(key)
        else:
            button.click()
        self.page.locator("button", has_text="Play").wait_for()
        return self.until(lambda seen: seen["whole"])

    @property
    def status(self) -> str:
        return self.page.locator("#status").inner_text()

    @property
    def query(self) -> str:
        return self.page.url.partition("?")[2]

    def set(self, **values: Any) -> None:
        """Moves widgets as a hand would: the change goes through the browser to the server."""
        for name, value in values.items():
            self.page.evaluate(SET, [name, value])

    def act(self, what: str) -> None:
        """A button or a key: play, step, reset, seed, data, film, …"""
        self.page.evaluate("what => window.toyflows.act(what)", what)

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def widget(self, name: str, what: str) -> Any:
        """A property of a control's widget as the browser has it."""
        return self.page.evaluate(
            "([name, what]) => Bokeh.documents[0].get_model_by_name(name)[what]", [name, what]
        )

    def scrub(self, step: int) -> None:
        """Moves the slider of time."""
        self.page.evaluate("v => { Bokeh.documents[0].get_model_by_name('time').value = v }", step)

    def upload(self, message: Any) -> None:
        """Sends the page what page.js would send of a file, or anything else."""
        sent = message if isinstance(message, str) else json.dumps(message)
        self.page.evaluate("sent => { window.toyflows.wire.upload = sent }", sent)


LOOK = "window.toyflows ? [window.toyflows.wire.busy, window.toyflows.state()] : [true, {}]"

# Finds the widget's model by its name and sets what a hand sets.
SET = """([name, value]) => {
  const name_ = name.replaceAll("__", ".")
  const model = window.Bokeh.documents[0].get_model_by_name(name_)
  if (!model) throw new Error("no control " + name_)
  if ("active" in model) model.active = value
  else model.value = value
}"""
