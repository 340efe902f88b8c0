"""The server of the laboratory under load and under attack: bounded, and everyone else goes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from lab_browser import Address, Room, chromium, server
from lab_client import LONG, OPEN, Client, fetch
from tornado.httpclient import HTTPClientError
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

import toyflows

pytestmark = pytest.mark.browser

ENDLESS = "/two-modes?method=cd&p.k=50&walkers=1000000&step=6000"  # hours, if nobody cancels it
FULL = "places of this laboratory are taken"
MEMORY = 1 << 30  # bytes that the server may hold with thirty visitors


async def answers(lab: Address, theta_star: float = 0.7, seed: int = 5) -> None:
    """A visitor comes, moves a slider and sees what the library computes."""
    visitor = await Client(lab, f"/two-modes?walkers=1000&step=40&seed={seed}").enter()
    await visitor.set("theta_star", "value", theta_star)
    seen = await visitor.until(lambda s: s["θ_star"] == theta_star and s["whole"])
    run = toyflows.flow("pcd", theta_star=theta_star, separation=8, time=2, walkers=1000, seed=seed)
    assert {n: seen[f"one.{n}"] for n in run.backends} == {
        n: float(path.θ[-1]) for n, path in run.backends.items()
    }
    await visitor.leave()


async def idle(lab: Address, limit: float = LONG) -> None:
    """Waits until the server computes nothing: less than a tenth of a core for a second."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        began, work = time.monotonic(), lab.work
        await asyncio.sleep(1.0)
        if lab.work - work < 0.1 * (time.monotonic() - began):
            return
    raise AssertionError("the server goes on computing for nobody")


def run(what: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        try:
            await asyncio.wait_for(what(), 3 * LONG)
        finally:
            await asyncio.gather(*(visitor.leave() for visitor in OPEN), return_exceptions=True)

    asyncio.run(bounded())


# ---- many


VISITORS = 30 if "TOYFLOWS_THOROUGH" in os.environ else 12  # a class: a minute of one core


def test_a_class_plays_at_once_and_the_next_waits_for_a_place() -> None:
    """Each with a setting of its own; in the end each sees what a visitor alone would see."""

    async def visit(lab: Address, k: int) -> Client:
        visitor = await Client(lab, f"/two-modes?walkers=2000&step=40&seed={k}&speed=2").enter()
        await visitor.until(lambda s: s["whole"])
        return visitor

    async def use(visitor: Client) -> None:
        for n in range(1, 4):
            await visitor.set("theta_star", "value", n / 10)
            await visitor.until(lambda s, n=n: s["θ_star"] == n / 10 and s["whole"])
        frames = visitor.frames
        await visitor.act("play")
        while visitor.frames < frames + 5:
            assert not visitor.closed
            await asyncio.sleep(0.01)
        await visitor.act("play")
        await visitor.until(lambda s: s["whole"])

    async def scene() -> None:
        with server("--threads", "1", "--sessions", str(VISITORS)) as lab:
            people = await asyncio.gather(*(visit(lab, k) for k in range(VISITORS)))
            assert FULL.encode() in await asyncio.to_thread(read, f"{lab}/two-modes")
            await asyncio.gather(*(use(visitor) for visitor in people))
            assert lab.memory < MEMORY, f"{lab.memory / 2**20:.0f} MiB"
            print(f"{lab.memory / 2**20:.0f} MiB, {lab.work:.1f} s of CPU")
            assert sum(visitor.errors for visitor in people) == 0
            last = people[7]
            await last.act("reset")
            await last.until(lambda s: s["step"] == 0 and s["whole"])
            await last.set("time", "value", 40)
            seen = await last.until(lambda s: s["step"] == 40 and s["whole"])
            alone = toyflows.flow("pcd", theta_star=0.3, separation=8, time=2, walkers=2000, seed=7)
            assert seen["one.walkers"] == float(alone.backends["walkers"].θ[-1])
            await asyncio.gather(*(visitor.leave() for visitor in people))
            await idle(lab)
            await until_free(lab)
            await answers(lab)

    run(scene)


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=LONG) as answer:
        return bytes(answer.read())


async def until_free(lab: Address) -> None:
    end = time.monotonic() + LONG
    while FULL in await fetch(f"{lab}/two-modes"):
        assert time.monotonic() < end
        await asyncio.sleep(0.2)


def test_a_browser_that_waits_comes_in_by_itself() -> None:
    with server("--threads", "1", "--sessions", "1") as lab, chromium() as browser:
        first, second = browser.new_page(), browser.new_page()
        wrong: list[str] = []
        second.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        second.on("pageerror", lambda error: wrong.append(str(error)))
        first.goto(f"{lab}/two-modes?walkers=100&step=2")
        Room(first).until(lambda s: s.get("whole", False))
        second.goto(f"{lab}/two-modes?walkers=100&step=2&seed=9")
        second.locator(f"text={FULL}").wait_for()
        assert "All 1 places" in second.inner_text("body")
        first.close()
        second.wait_for_function("window.toyflows && toyflows.state().whole", timeout=1000 * LONG)
        assert "seed=9" in second.url
        assert not wrong


def test_a_killed_server_is_told_in_our_words_and_found_again() -> None:
    """The page says so, and comes back by itself as it was, at another server on the same port."""
    with chromium() as browser:
        page = browser.new_page()
        with server("--threads", "1") as lab:
            page.goto(f"{lab}/two-modes?walkers=100&step=7&theta_star=0.7")
            before = Room(page).until(lambda s: s.get("whole", False))
            lab.process.kill()
            page.locator("#status.bad", has_text="looks for it").wait_for()
            assert page.get_by_text("Client connection").count() == 0
        with server("--threads", "1", "--port", lab.rpartition(":")[2]):
            page.wait_for_function("!document.querySelector('#page.lost')", timeout=1000 * LONG)
            page.wait_for_function("window.toyflows", timeout=1000 * LONG)
            assert Room(page).until(lambda s: s.get("whole", False)) == before


def test_nobody_keeps_the_core_and_who_leaves_frees_it() -> None:
    async def scene() -> None:
        with server("--threads", "1") as lab:
            greedy = await Client(lab, ENDLESS).enter()
            patient = await Client(lab, "/two-modes?walkers=100&step=2").enter()
            await patient.until(lambda s: s["whole"])  # nobody keeps the only core
            assert greedy.state["busy"]
            await greedy.leave()
            await idle(lab)
            changeable = await Client(lab, ENDLESS).enter()
            await changeable.set("method", "value", "pcd")
            await changeable.set("walkers", "value", 2)
            await changeable.until(lambda s: s["whole"] and s["one.title"].startswith("Persistent"))
            await idle(lab)

    run(scene)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_also_in_the_middle_of_work(number: signal.Signals) -> None:
    async def scene() -> None:
        with server() as lab:
            for _ in range(4):
                await Client(lab, ENDLESS).enter()
            before = lab.work
            while lab.work < before + 0.5:
                await asyncio.sleep(0.05)
            began = time.monotonic()
            lab.process.send_signal(number)
            await asyncio.to_thread(lab.process.wait, 15)
            assert lab.process.returncode == 128 + number
            print(f"ended in {time.monotonic() - began:.2f} s")

    run(scene)


# ---- bad


@pytest.fixture(scope="module")
def lab() -> Iterator[Address]:
    with server("--threads", "1", quiet=False) as address:
        yield address


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null"])
def test_pages_of_others_may_not_talk_to_it(lab: Address, origin: str) -> None:
    async def scene() -> None:
        with pytest.raises(HTTPClientError, match="403"):
            await Client(lab, "/two-modes?walkers=100&step=2").enter(origin)

    run(scene)


def test_its_own_pages_may(lab: Address) -> None:
    async def scene() -> None:
        port = lab.rpartition(":")[2]
        visitor = Client(lab, "/two-modes?walkers=100&step=2")
        await visitor.enter(f"http://localhost:{port}")
        await visitor.until(lambda s: s["whole"])
        await visitor.leave()

    run(scene)


NUMBERS = [{"type": "number", "value": "nan"}, {"type": "number", "value": "inf"}, 1e308, -1e308,
           "text", None, [], {}, True, {"type": "ndarray"}, {"type": "object", "name": "Div"},
           {"type": "object", "name": "os.system", "id": "x", "attributes": {}},
           {"id": "nobody"}, "x" * 10_000]  # fmt: skip


def test_whatever_a_visitor_sets_harms_nobody_else(lab: Address) -> None:
    """All values of the wrong kind in all the properties that the page listens to."""

    async def scene() -> None:
        visitor = await Client(lab, "/two-modes?walkers=100&step=2").enter()
        for name, attribute in (
            ("theta_star", "value"), ("walkers", "value"), ("seed", "value"), ("method", "value"),
            ("time", "value"), ("pace", "value"), ("wire", "asked"), ("wire", "upload"),
            ("wire", "seen"), ("wire", "sent"), ("wire", "busy"), ("theta_star", "end"),
            ("stage", "children"), ("controls", "children"), ("method", "options"),
        ):  # fmt: skip
            for value in NUMBERS:
                await visitor.set(name, attribute, value)
        for what in ("nothing", "__init__", "data", "reset", "step", "slower", "play", "play"):
            await visitor.act(what)
        await visitor.set("wire", "asked", "[" * 100_000)
        await visitor.set("wire", "asked", json.dumps({"what": ["play"]}))
        await answers(lab)
        assert not visitor.closed
        await visitor.leave()

    run(scene)


def test_a_value_out_of_bounds_is_never_computed_with(lab: Address) -> None:
    async def scene() -> None:
        visitor = await Client(lab, "/two-modes?walkers=100&step=2").enter()
        await visitor.until(lambda s: s["whole"])
        await visitor.set("theta_star", "value", 1e300)
        seen = await visitor.until(lambda s: s["whole"] and s["θ_star"] != 1.4)
        assert seen["θ_star"] == 6.0
        await visitor.set("walkers", "value", 300)
        await visitor.until(lambda s: s["whole"] and "walkers=1000000" in visitor.state["address"])
        await visitor.set("walkers", "value", -300)
        await visitor.until(lambda s: s["whole"] and "walkers=10&" in visitor.state["address"])
        await visitor.set("method", "value", "../../etc/passwd")
        await visitor.until(lambda s: "unknown" in visitor.state["status"])
        await visitor.set("time", "value", 1e18)
        await visitor.until(lambda s: s["whole"] and s["step"] == 6000)
        await visitor.leave()

    run(scene)


GARBAGE: list[Any] = [
    "", "{", "null", "[]", "0", b"\x00\xff" * 100, '{"msgtype": "PATCH-DOC"}', "[" * 50_000,
    '{"msgid": "1", "msgtype": "NOBODY"}', "\ud7ff" * 1000, "x" * 100_000,
    '{"msgid": "1", "msgtype": "PATCH-DOC", "num_buffers": 1000000000}',
]  # fmt: skip


def test_garbage_costs_its_sender_the_line(lab: Address) -> None:
    async def scene() -> None:
        for frame in GARBAGE:
            visitor = await Client(lab, "/hopfield").enter()
            with contextlib.suppress(WebSocketClosedError):  # at the first, or at a later one
                for _ in range(3):
                    await visitor.line.write_message(frame, binary=isinstance(frame, bytes))
            await visitor.leave()
        await answers(lab)

    run(scene)


def test_patches_of_unknown_things_and_new_documents_harm_only_their_sender(lab: Address) -> None:
    async def scene() -> None:
        visitor = await Client(lab, "/two-modes?walkers=100&step=2").enter()
        wire = visitor.ids["wire"]
        for event in (
            {"kind": "ModelChanged", "model": {"id": wire}, "attr": "nobody", "new": 1},
            {"kind": "ModelChanged", "model": {"id": "p0"}, "attr": "value", "new": 1},
            {"kind": "ColumnDataChanged", "model": {"id": wire}, "attr": "data", "data": {}},
            {"kind": "RootRemoved", "model": {"id": visitor.ids["stage"]}},
            {"kind": "TitleChanged", "title": "<script>alert(1)</script>"},
            {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": 1},
            {"kind": "Nothing"}, {}, [], None, 3,
        ):  # fmt: skip
            await visitor.patch(event)
        await visitor.send("PUSH-DOC", {"doc": {"version": "3.9.2", "title": "", "roots": []}})
        await visitor.send("PUSH-DOC", {"doc": None})
        await visitor.send("PATCH-DOC", None)
        await answers(lab)
        await visitor.leave()

    run(scene)


async def chatter(visitor: Client) -> None:
    """Goes on talking, for a while."""
    for _ in range(int(LONG / 0.05)):
        await visitor.act("nothing")
        await asyncio.sleep(0.05)


def test_a_message_that_is_too_large_ends_the_line_and_keeps_no_memory(lab: Address) -> None:
    async def scene() -> None:
        visitor = await Client(lab, "/two-modes?walkers=100&step=2").enter()
        await visitor.until(lambda s: s["whole"])
        before = lab.memory
        with contextlib.suppress(WebSocketClosedError, StreamClosedError):
            await visitor.set("wire", "upload", "x" * (64 << 20))
        with pytest.raises((WebSocketClosedError, StreamClosedError)):
            await chatter(visitor)
        await answers(lab)
        assert lab.memory - before < 50 << 20

    run(scene)


def test_paths_that_are_none(lab: Address) -> None:
    async def scene() -> None:
        for path in ("/nowhere", "/static/../../../etc/passwd", "/two-modes/..%2f..%2fetc/passwd"):
            with pytest.raises(HTTPClientError, match="40"):
                await fetch(lab + path)
        page = await fetch(f"{lab}/?lesson=%22%3E%3Cscript%3E&hide=%22%3E%3Cscript%3Ex")
        assert "<script>x" not in page
        assert '"><script>' not in page

    run(scene)
