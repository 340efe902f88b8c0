"""Every room and lesson at five widths and in three looks, measured: nothing is clipped, nothing
lies on anything else, nothing scrolls sideways; every control has a name, a tooltip and a key; all
words can be read. Each is opened once, before a browser whose only font is wide, and turned in
place.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lab_browser import Lab, Room, chromium, server

from toyflows.lab._lessons import LESSONS
from toyflows.lab._room import rooms

pytestmark = pytest.mark.browser

HEIGHTS = {1920: 1080, 1280: 720, 768: 1024, 390: 844, 360: 740}  # by their widths
LOOKS = {"light": (False, False), "dark": (True, False), "large": (False, True)}  # dark, large
# Dark changes colours only, which differ by the layout at most; below 900 pixels nothing is large.
SEEN = {"light": [*HEIGHTS], "dark": [390, 1280], "large": [1280, 1920]}
# A lesson is a room with two lines more; with TOYFLOWS_THOROUGH it is seen in all looks, as a room.
OF_LESSON = SEEN if "TOYFLOWS_THOROUGH" in os.environ else {"light": [360, 1280], "large": [1920]}


def script(name: str) -> str:
    """A file of JavaScript beside this one: one function, below its comment."""
    lines = (Path(__file__).parent / name).read_text("utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("//"))


MEASURED, KEYS = script("lab_walk.js"), script("lab_keys.js")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with server("--threads", "1") as address, chromium("DejaVu Sans") as browser:
        yield Lab(browser, address)


def turn(room: Room, width: int, look: str) -> None:
    """The same page at another size, in another look."""
    page, wanted = room.page, LOOKS[look]
    page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
    has = "name => document.getElementById('page').classList.contains(name)"
    for name, on in zip(("dark", "large"), wanted, strict=True):
        if page.evaluate(has, name) != on:
            room.act(name)
    page.wait_for_function(
        "told => { const { dark, large, narrow } = JSON.parse(toyflows.wire.worn || '{}')\n"
        "return [dark, large, narrow].every((on, k) => Boolean(on) === told[k]) }",
        arg=[*wanted, width <= 900],
    )


def measured(room: Room, where: str) -> list[str]:
    """What is wrong on the page as it is, once it is drawn."""
    return [f"{where}: {wrong}" for wrong in room.page.evaluate(MEASURED)]


PLACES: dict[str, str] = {
    name: f"/{name}?" + ("walkers=1000&seed=3&step=300" if name == "two-modes" else "")
    for name in rooms()
}
PLACES |= {
    "far": "/two-modes?method=nce&walkers=1000&step=300&theta_star=-6&theta0=-6",
    "judge": "/images?show=judge",
    **{f"lesson {name}": f"/?lesson={name}" for name in LESSONS},
}


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_clipped_unnamed_or_pale(lab: Lab, place: str) -> None:
    with lab.open(PLACES[place]) as room:
        assert room.status == ""
        if place.startswith("lesson "):
            told(room, place.removeprefix("lesson "))
        wrong: list[str] = []
        for look, widths in (OF_LESSON if place.startswith("lesson ") else SEEN).items():
            for width in widths:
                turn(room, width, look)
                wrong += measured(room, f"{look}, {width}")
        turn(room, 1280, "light")
        assert wrong + by_keys(room) == []


def told(room: Room, name: str) -> None:
    """The lesson's words are on the page, its answer comes by a key, the next is a click away."""
    page, lesson, k = room.page, LESSONS[name], list(LESSONS).index(name)
    assert page.locator("#lesson").inner_text() == lesson.sentence
    assert page.locator("#question").inner_text() == lesson.question
    assert page.locator("#place").inner_text() == f"{k + 1} of {len(LESSONS)}"
    after = list(LESSONS)[(k + 1) % len(LESSONS)]
    assert page.locator("#path a").last.get_attribute("href") == f"/?lesson={after}"
    room.press("a")
    assert page.locator("#answer").inner_text() == lesson.answer
    assert page.locator("#lesson").is_hidden()
    room.press("a")
    assert f"/{lesson.room}?" in page.url
    for part in ("#lesson", "#stage", "footer"):
        box = page.locator(part).bounding_box()
        assert box is not None
        edges = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
        inside = np.array(edges) * (1, 1, -1, -1) >= (0, 0, -1280, -720)
        assert inside.all(), (part, edges)


def by_keys(room: Room) -> list[str]:
    """What Tab does not come to, or comes to unseen."""
    wrong: list[str] = []
    room.page.evaluate("document.activeElement.blur()")
    fresh, first = True, True
    while fresh:
        room.press("Tab")
        fresh, found, missed = room.page.evaluate(KEYS, first)
        wrong, first = wrong + found + missed, False
    return wrong


FAULTS = {  # what breaks the page, and what must be said of it
    "question.style.width = '3000px'; question.style.whiteSpace = 'nowrap'": "#page: 3",
    "document.querySelector('footer').style.cssText = 'min-height: 0; max-height: 9px'": "footer",
    "document.querySelector('#equation').style.width = '20px'": "equation is cut",
    "document.querySelector('nav a').textContent = ''": "no name",
    "document.querySelector('nav a').title = ''": "no tooltip",
    "document.querySelector('nav a').tabIndex = -1": "no key comes to it",
    "place.style.color = '#999'": "contrast 2",
    "find('Label').model.x = -50": "leaves its figure",
    "find('Figure').model.title.text = 'long '.repeat(60)": "the title",
    "find('Slider').el.style.translate = '0 30px'": "lies on",
    "find('Slider').el.style.translate = '-300px 0'": "theta_star leaves the window",
}
FIND = """const find = (type) => { const look = (v) => v.model.type === type ? v
  : [...(v.child_views ?? []), ...(v.renderer_views?.values() ?? [])].map(look).find(Boolean)
  return Bokeh.index.roots.map(look).find(Boolean) }; """


def test_the_walk_sees_what_is_wrong(lab: Lab) -> None:
    """Each kind of fault, made on purpose; and a warning and a request elsewhere."""
    with lab.open("/?lesson=ml-learns&walkers=100&step=5&hide=dt") as room:
        said = "; ".join(measured(room, "") + by_keys(room))
        assert said == ""
        for fault, expected in FAULTS.items():
            assert expected not in said, fault
            room.page.evaluate(f"() => {{ {FIND} {fault} }}")
            said = "; ".join(measured(room, ""))
            assert expected in said, fault
        room.page.evaluate("document.querySelector('#tell').style.outline = 'none'")
        said = "; ".join(by_keys(room))
        assert "Tab does not come to" in said
        assert "Answer shows no focus" in said
    for fault in ("console.warn('x')", "void fetch('http://127.0.0.1:9/').catch(() => 0)"):
        with pytest.raises(AssertionError), lab.open("/hopfield?step=0") as room:
            room.page.evaluate(fault)


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


# [where the line of the guess is, the lower end of its axis, and in pixels a place of the picture:
# x, and the y of θ = 0 and of θ = 1]
GUESSED = """() => {
  const find = (v) => v.model.name == "θ of one" ? v : v.child_views?.map(find).find(Boolean)
  const { model, el, frame } = Bokeh.index.roots.map(find).find(Boolean)
  const { x, y } = el.getBoundingClientRect()
  const line = model.center.find((m) => m.type == "Span" && m.line_dash.length)
  return [line.location, model.y_range.start,
          x + frame.bbox.hcenter, ...[0, 1].map((θ) => y + frame.y_scale.compute(θ))]
}"""

AT_REST = """() => {
  const before = window.guessed, now = +document.querySelector('#guess input').value
  window.guessed = now
  return before === now && Math.abs(now - 1) < 0.25
}"""


def test_the_class_guesses_and_the_run_tells(lab: Lab) -> None:
    """The line is dragged in the picture, whose answer is gone; the run stops where it is whole."""
    with lab.open("/two-modes?method=ml&walkers=500&seed=3&speed=50") as room:
        page = room.page
        room.press("g")
        room.until(lambda s: s["step"] == 0 and s["whole"])
        assert measured(room, "before the guess") == []
        x, zero, one = page.evaluate(GUESSED)[2:]
        page.mouse.move(x, zero)
        page.mouse.down()
        page.mouse.move(x, (zero + one) / 2)
        page.mouse.move(x, one)
        page.mouse.up()
        slider = page.get_by_label("guess of θ")
        # The scale may make room for the guess meanwhile: 1 is then a little elsewhere.
        page.wait_for_function(AT_REST, polling=300)
        guess = float(slider.input_value())
        page.wait_for_function(f"({GUESSED})()[0] == {guess}")
        turn(room, 1280, "large")
        page.wait_for_function(f"({GUESSED})()[0] == {guess}")
        assert measured(room, "guess") == []
        page.get_by_text("Run it").click()
        room.until(lambda s: s["step"] == 600 and s["one.verdict"] != "")
        off = abs(room.seen["one.θ"] - guess)
        page.get_by_text(f"off by {off:.2f}").wait_for()
        page.locator("button", has_text="Play").wait_for()
        slider.fill("-8")
        page.wait_for_function(f"({GUESSED})()[0] == -8 && ({GUESSED})()[1] < -8")


def test_the_class_picks_a_word_and_the_verdict_answers(lab: Lab) -> None:
    """By keyboard, on a phone; the word stands in the address, and a reload says the same again."""
    with lab.open("/two-modes?method=ml&walkers=500&seed=3&speed=50&theta0=-2&word=learns") as room:
        page = room.page
        assert "word = learns: unknown" in page.inner_text("#status")
        turn(room, 390, "light")
        room.press("g")
        room.until(lambda s: s["step"] == 0 and s["whole"])
        page.get_by_label("guess of the verdict").focus()
        page.keyboard.type("comes")
        page.wait_for_function("location.search.includes('word=biased')")
        assert "guess=" not in page.url
        assert measured(room, "a word") == []
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        told = "but it learns the weight: the verdict is “converges”."
        page.get_by_text(f"You said that it comes to rest at the wrong weight, {told}").wait_for()
        page.reload()
        page.get_by_text(told).wait_for()
        page.get_by_label("guess of the verdict").select_option("converges")
        page.get_by_label("guess of θ").fill("1.2")
        page.wait_for_function("location.search.includes('guess=1.2&word=converges')")
        page.get_by_text("Run it").click()
        page.get_by_text("and so it is: the verdict is “converges”.").wait_for()
        off = abs(room.seen["one.θ"] - 1.2)
        assert f"You said 1.2. θ is {room.seen['one.θ']:.2f}: your guess is off by {off:.2f}." in (
            page.inner_text("#guess b")
        )
