"""Every room at a phone's, a tablet's and a projector's size, measured: nothing is clipped, nothing
lies on anything else, every control has a name and a tooltip, and all words can be read.

Each room is opened once, before a browser whose only font is wide, and turned in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_browser import Lab, Room, chromium, server

from toyflows.lab._room import rooms

pytestmark = pytest.mark.browser

LOOKS = {  # (width, height), dark, large
    "phone": ((390, 844), False, False), "small phone": ((360, 740), True, False),
    "tablet": ((768, 1024), False, False), "lectern": ((1280, 720), False, False),
    "projector": ((1280, 720), True, True), "hall": ((1920, 1080), False, True),
}  # fmt: skip
MEASURED = (Path(__file__).parent / "lab_walk.js").read_text("utf-8").partition("\n")[2]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with server("--threads", "1") as address, chromium("DejaVu Sans") as browser:
        yield Lab(browser, address)


def turn(room: Room, look: str) -> None:
    """The same page at another size, in another look; waits until it is drawn."""
    (width, height), *wanted = LOOKS[look]
    page = room.page
    page.set_viewport_size({"width": width, "height": height})
    for name, on in zip(("dark", "large"), wanted, strict=True):
        if (
            page.evaluate("name => document.getElementById('page').classList.contains(name)", name)
            != on
        ):
            room.act(name)
    told = [*wanted, width <= 900]
    page.wait_for_function(
        "told => { const { dark, large, narrow } = JSON.parse(toyflows.wire.worn || '{}')\n"
        "return [dark, large, narrow].every((on, k) => Boolean(on) === told[k]) }", arg=told,
    )  # fmt: skip
    page.wait_for_timeout(300)  # the pictures are drawn anew


def measured(room: Room, where: str) -> list[str]:
    """What is wrong on the page as it is."""
    return [f"{where}: {wrong}" for wrong in room.page.evaluate(MEASURED)]


PLACES: dict[str, str] = {
    name: f"/{name}?" + ("walkers=1000&seed=3&step=300" if name == "two-modes" else "")
    for name in rooms()
}
PLACES |= {
    "two methods": "/?lesson=pcd-runs-away&walkers=1000",
    "far": "/two-modes?method=nce&walkers=1000&step=300&theta_star=-6&theta0=-6",
    "judge": "/images?show=judge",
}


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_clipped_unnamed_or_pale(lab: Lab, place: str) -> None:
    with lab.open(PLACES[place]) as room:
        wrong: list[str] = []
        for look in LOOKS:
            turn(room, look)
            wrong += measured(room, look)
        assert wrong == []


def test_one_update_slowly(lab: Lab) -> None:
    """By keys: each stage lights its term, and the last one makes the step."""
    with lab.open("/two-modes?method=ml&walkers=500&step=40&seed=3") as room:
        page = room.page
        before = room.seen
        lit: list[Any] = []
        for _ in range(4):
            room.press("u")
            page.locator("#stages .lit").wait_for()
            lit.append(page.locator("#equation .lit").get_attribute("class")
                       if page.locator("#equation .lit").count() else "")  # fmt: skip
            assert measured(room, f"stage {len(lit)}") == []
        assert ["term-data" in lit[0], "term-model" in lit[1], *lit[2:]] == [True, True, "", ""]
        told = page.locator("#stages .stage b").all_inner_texts()
        names = ("term_data", "term_model", "term_speed", "term_step")
        shown = [f"{before[f'one.{name}']:+.5f}".replace("-", "−") for name in names]
        assert told == shown
        room.press("u")
        after = room.until(lambda s: s["step"] == 41 and s["whole"])
        step = before["one.term_step"]
        assert after["one.θ"] == pytest.approx(before["one.θ"] + step, abs=1e-12)
        assert page.locator("#stages").is_hidden()


# [where the line of the guess is, the lower end of its axis, a place of the picture in pixels: x, and
# y of θ = 0 and θ = 1]
GUESSED = """() => {
  const find = (v) => v.model.name == "θ of one" ? v : v.child_views?.map(find).find(Boolean)
  const { model, el, frame } = Bokeh.index.roots.map(find).find(Boolean)
  const { x, y } = el.getBoundingClientRect()
  const line = model.center.find((m) => m.type == "Span" && m.line_dash.length)
  return [line.location, model.y_range.start,
          x + frame.bbox.hcenter, ...[0, 1].map((θ) => y + frame.y_scale.compute(θ))]
}"""


def test_the_class_guesses_and_the_run_tells(lab: Lab) -> None:
    """The line is dragged in the picture, whose answer is gone; the run stops where it is whole."""
    with lab.open("/two-modes?method=ml&walkers=500&seed=3&speed=50") as room:
        page = room.page
        room.press("g")
        room.until(lambda s: s["step"] == 0 and s["whole"])
        x, zero, one = page.evaluate(GUESSED)[2:]
        page.mouse.move(x, zero)
        page.mouse.down()
        page.mouse.move(x, (zero + one) / 2)
        page.mouse.move(x, one)
        page.mouse.up()
        slider = page.get_by_label("guess of θ")
        guess = float(slider.input_value())
        assert guess == pytest.approx(1, abs=0.06)
        page.wait_for_function(f"({GUESSED})()[0] == {guess}")
        turn(room, "projector")
        page.wait_for_function(f"({GUESSED})()[0] == {guess}")
        assert measured(room, "guess") == []
        page.get_by_text("Run it").click()
        room.until(lambda s: s["step"] == 600 and s["one.verdict"] != "")
        off = abs(room.seen["one.θ"] - guess)
        page.get_by_text(f"off by {off:.2f}").wait_for()
        page.locator("button", has_text="Play").wait_for()
        slider.fill("-8")
        page.wait_for_function(f"({GUESSED})()[0] == -8 && ({GUESSED})()[1] < -8")
