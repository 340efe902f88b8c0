"""The room of noise in a real browser: what is seen is what the library computes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest
from lab_browser import Lab, Room, chromium, server

from toyflows.lab import _noise_laws as laws
from toyflows.lab import _noise_scenes as scenes
from toyflows.lab._packed import unpack_points

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with server("noise") as address, chromium() as browser:
        yield Lab(browser, address)


def drawn(room: Room) -> np.ndarray:
    return unpack_points(parse_qs(room.query).get("points", [""])[0], laws.REACH)


def opened(room: Room, file: Path) -> None:
    with room.page.expect_file_chooser() as chooser:
        room.page.get_by_text("Open points").click()
    chooser.value.set_files(file)


def test_the_noise_slider_is_answered_by_what_the_library_computes(lab: Lab) -> None:
    law = laws.law({"target": "rings", "points": "", "kernel": 0.1})
    with lab.open("/noise?target=rings&seed=7&noise=0.1") as room:
        assert room.seen["error"] == scenes.guess_error(law, 0.1, 7)
        room.set(noise=math.log10(0.4))
        seen = room.until(lambda s: s["whole"] and "σ = 0.4 " in s["title"])
        assert seen["error"] == scenes.guess_error(law, 0.4, 7)
        room.set(target="song-ermon")
        assert "song-ermon" in room.until(lambda s: s["target"] == "song-ermon")["note"]


@pytest.mark.parametrize(
    "query",
    ["show=langevin&target=song-ermon&walkers=100&step=333",
     "show=diffusion&score=network&train=100&walkers=100&steps=20&step=777",
     "show=train&train=100&process=ve&step=600&noise=0.5"],
    ids=["langevin", "diffusion", "train"],
)  # fmt: skip
def test_a_link_opens_the_same_state(lab: Lab, query: str) -> None:
    with lab.open(f"/noise?{query}") as room:
        link, seen = room.query, room.seen
    with lab.open(f"/noise?{link}&dark=1") as again:
        assert again.seen == seen


def test_play_pause_step_and_back(lab: Lab) -> None:
    with lab.open("/noise?show=diffusion&walkers=200&steps=50") as room:
        room.set(show="langevin")
        room.until(lambda s: s["act"] == "langevin")
        room.press(" ")
        room.until(lambda s: s["step"] >= 30)
        at = room.pause(" ")["step"]
        assert at >= 30
        room.press("ArrowRight")
        assert room.until(lambda s: s["step"] == at + 1)["whole"]
        room.act("reset")
        room.until(lambda s: s["step"] == 0)
        assert room.page.evaluate("window.toyflows.wire.python").startswith("from toyflows")


def stroke(room: Room, *points: tuple[float, float]) -> None:
    """Along points in pixels from the middle of the stage."""
    box: Any = room.page.locator("#stage").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse = room.page.mouse
    for k, (x, y) in enumerate(points):
        mouse.move(middle[0] + x, middle[1] + y, steps=8)
        if k == 0:
            mouse.down()
    mouse.up()


def test_a_target_is_drawn_with_the_mouse(lab: Lab) -> None:
    with lab.open("/noise?target=points&walkers=100") as room:
        assert room.seen["fresh"] == 1
        stroke(room, (-150, 0), (150, 0), (150, -100))
        room.until(lambda s: s["fresh"] == 0)
        first = drawn(room)
        assert len(first) > 15
        assert np.ptp(first, axis=0) == pytest.approx([3.4, 1.15], abs=0.3)  # 88 pixels a spread
        stroke(room, (0, 120))  # a tap
        room.until(lambda s: f"on {len(first) + 1} points" in s["note"])
        link, seen = room.query, room.seen
        room.page.wait_for_timeout(600)  # a double tap is two taps that follow no other at once
        room.page.locator("#stage").dblclick(position={"x": 300, "y": 300})
        room.until(lambda s: s["fresh"] == 1)
    with lab.open(f"/noise?{link}") as again:
        assert again.seen == seen
        assert np.array_equal(drawn(again)[:-1], first)


def test_a_file_is_read_and_a_bad_one_refused(lab: Lab, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    x = np.random.default_rng(1).standard_normal((30, 2))
    np.savetxt(good, x, delimiter=",", header="x,y", comments="")
    bad.write_text("1,2,3\n4,5,6\n")
    with lab.open("/noise?walkers=100") as room:
        opened(room, good)
        room.until(lambda s: s["target"] == "points" and "on 30 points" in s["note"])
        before = room.query
        opened(room, bad)
        room.page.wait_for_function("document.getElementById('status').innerText.includes('3 col')")
        assert room.query == before
