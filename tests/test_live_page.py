"""The live page in a real browser: what it shows and says can be trusted, its lessons too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accessible import faults
from playwright.sync_api import Browser
from test_page_browser import Visit

import toyflows
from toyflows.pages.lessons import LESSONS
from toyflows.verdict import KINDS, MESSAGE

pytestmark = pytest.mark.browser

GUIDE = Path(__file__).parent.parent / "docs/live.md"
DONE = "toyflows.shown()?.done && toyflows.shown().verdict !== undefined"


@pytest.fixture
def visit(browser: Browser, live_file: Path) -> Iterator[Visit]:
    opened = Visit(browser, live_file, "#loss=nce&time=20&separation=8&rate=2&walkers=100")
    opened.until(DONE)
    yield opened
    opened.context.close()


def settled(visit: Visit) -> None:
    """Two pictures later."""
    visit.page.evaluate(
        "() => new Promise(go => requestAnimationFrame(() => requestAnimationFrame(go)))"
    )


def test_the_three_tenses(visit: Visit) -> None:
    """The verdict is said at the end alone; before it, what is and what was."""
    run = toyflows.flow("nce", time=20.0, separation=8.0, rate=2.0, walkers=100,
                        theta_star=-np.log(4))  # fmt: skip
    settled(visit)
    page = visit.page
    assert page.inner_text("#message") == MESSAGE[run.verdict.kind].format(run.flow.title)
    assert page.inner_text("#says").replace("−", "-") == f"{run.verdict.kind}. {run.verdict.says}"
    assert page.inner_text("#now").replace("−", "-") == run.verdict.now
    assert page.inner_text("#sofar") == run.verdict.so_far
    page.keyboard.press("ArrowLeft")
    settled(visit)
    text = page.inner_text("body")
    assert not [word for word in KINDS if word in text]
    assert page.inner_text("#message") == run.flow.title
    assert "of the way to θ*" in page.inner_text("#sofar")


def test_sliders_and_address(browser: Browser, live_file: Path, visit: Visit) -> None:
    page = visit.page
    page.focus("#set-theta_star")
    page.keyboard.press("End")
    visit.until(f"toyflows.shown().theta_star === 4 && {DONE}")
    page.select_option("#set-loss", "cd")
    visit.until(f"toyflows.shown().loss === 'cd' && {DONE}")
    page.click("#more summary")
    page.focus("#set-p\\.k")
    page.keyboard.press("ArrowRight")
    visit.until(f"toyflows.shown().s.options.k === 2 && {DONE}")
    page.evaluate("toyflows.go(50)")
    settled(visit)
    hash, numbers = page.evaluate("location.hash"), visit.numbers()
    assert "loss=cd" in hash
    assert "p.k=2" in hash
    assert "t=" in hash
    other = Visit(browser, live_file, hash)
    other.until(DONE)
    assert other.numbers() == numbers
    other.context.close()


@pytest.mark.parametrize("hash", ["#loss=nope&dt=7&walkers=x", "#%E0%A4%A", "#loss=nce&p.mu=1e9"])
def test_a_broken_link_shows_a_run(browser: Browser, live_file: Path, hash: str) -> None:
    opened = Visit(browser, live_file, f"{hash}&time=2")
    opened.until(DONE)
    assert opened.page.is_hidden("#refused")
    opened.context.close()


EXAMPLES = {"maximum likelihood": ("ml", {}), "PCD": ("pcd", {}), "CD-5": ("cd", {"k": 5}),
            "score matching": ("score-matching", {}),
            "short-run": ("short-run", {"k": 10, "noise": 3.0})}  # fmt: skip


def test_your_own_method(visit: Visit) -> None:
    """The examples are the methods that they are called by; bad code is told with its line, and the
    method before it stays."""
    page = visit.page
    s = {"theta_star": -1.0, "separation": 5.0, "time": 4.0, "rate": 1.0, "walkers": 100}
    page.evaluate("s => toyflows.set(s)", s)
    page.click("#own summary")
    for name, (loss, options) in EXAMPLES.items():
        page.click(f"#examples button:text-is('{name}')")
        visit.until(f"fault.textContent === 'It runs.' && {DONE}")
        exact = loss in ("cd", "score-matching")  # which average over sampled data
        backends = ["grid"] if exact else ["grid", "walkers"]
        run = toyflows.flow(loss, options=options, backends=backends, **s)
        for backend, tr in run.backends.items():
            told = page.evaluate(f"Array.from(toyflows.shown().theta.{backend})")
            assert told == pytest.approx(tr.θ.tolist(), abs=1e-9), (name, backend)
        assert page.evaluate("toyflows.shown().verdict.kind") == run.verdict.kind, name
    for code, why in BAD:
        page.fill("#code", code)
        page.click("#adopt")
        visit.until("fault.textContent.length > 1")
        assert page.inner_text("#fault").startswith(why), code
        assert page.evaluate("toyflows.state.code").startswith("// Ten steps")
    said = re.search(r"```js\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert said is not None
    assert page.evaluate("code => toyflows.adopt(code)", said[1]) == "It runs."


BAD = [
    ("const velocity = θ =>\n  E.model(r - ", "line 2: SyntaxError"),
    ("const velocity = 3", "velocity must be a function"),
    ("const velocity = θ => NaN", "velocity must return a number; at θ = 0 it is NaN"),
    ("\nconst velocity = θ => 0\nconst start = () => bogus()", "line 3: bogus is not defined"),
    ("const velocity = θ => 0\nconst start = () => 1", "start must return points"),
    ("const velocity = θ => { while (true); }", "the code did not come back within 3 s"),
    ("}}}", "line 1: SyntaxError"),
]


@pytest.mark.parametrize(
    ("size", "scheme"), [((1280, 720), "light"), ((360, 740), "dark")], ids=["projector", "phone"]
)
def test_it_fits(browser: Browser, live_file: Path, size: tuple[int, int], scheme: Any) -> None:
    """No sideways scrolling, and nothing that axe finds: names, contrast, headings, landmarks."""
    opened = Visit(
        browser, live_file, "#loss=replay-buffer&time=1&walkers=100", size, color_scheme=scheme
    )
    opened.until("toyflows.shown()?.done")
    page = opened.page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    settled(opened)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.select_option("#set-loss", "score-matching")  # the widest equation
    settled(opened)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert faults(page) == []
    opened.context.close()


# ---- hands, and walkers that can be followed

RANGE = "toyflows.shown().held ?? null"


def test_the_target_and_the_start_are_moved_in_the_picture(visit: Visit) -> None:
    """A grip moves its slider, and the run with it; the scale stands still while it is held."""
    page = visit.page
    for name, box in (("theta_star", "#grip-theta_star"), ("theta0", "#grip-theta0")):
        at = page.locator(box).bounding_box()
        x, y = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        way = 1 if name == "theta0" else -1  # towards the other
        page.mouse.move(x, y + 8 * way)
        scale = page.evaluate(RANGE)
        page.mouse.move(x, y + 16 * way)
        assert page.evaluate(RANGE) == scale is not None
        page.mouse.up()
        settled(visit)
        assert page.evaluate(RANGE) is None
        v = page.evaluate(f"toyflows.state.given.{name}")
        assert abs(v * 10 - round(v * 10)) < 1e-9
        assert v > -1.386 if name == "theta_star" else v < 0
        assert float(page.input_value(f"#set-{name}")) == v
        visit.until(f"toyflows.shown().s.{name} === {v} && {DONE}")
        page.focus(box)
        page.keyboard.press("ArrowUp")
        page.keyboard.press("PageDown")
        assert page.evaluate(f"toyflows.state.given.{name}") == pytest.approx(v - 0.9)
        assert page.get_attribute(box, "aria-valuenow") is not None


def test_walkers_can_be_followed(visit: Visit) -> None:
    """Six of those that stay and move: the library's own; none where they are drawn anew."""
    page = visit.page
    assert page.evaluate("toyflows.shown().followed") is None
    assert "samples" in page.inner_text("#readout")
    page.evaluate("toyflows.choose('pcd')")
    visit.until(f"toyflows.shown().loss === 'pcd' && {DONE}")
    run = toyflows.flow("pcd", time=20.0, separation=8.0, rate=2.0, walkers=100, threads=1,
                        theta_star=-np.log(4), backends=["walkers"])  # fmt: skip
    x = run.backends["walkers"].state.chains.x
    told = np.array(page.evaluate("Array.from(toyflows.shown().followed.x)")).reshape(-1, 6)
    assert np.all(np.isfinite(told))
    assert told[-1] == pytest.approx(x[:6], abs=1e-5)
    assert np.all(np.array(page.evaluate("Array.from(toyflows.shown().followed.w)")) == 1)
    assert "6 walkers" in page.inner_text("#time")
    assert "walkers" in page.inner_text("#readout")


@pytest.mark.parametrize("size", [(390, 844), (360, 740)], ids=["390", "360"])
def test_a_lesson_is_on_the_first_screen_of_a_phone(
    browser: Browser, live_file: Path, size: tuple[int, int]
) -> None:
    """Question, answers and both pictures; after the answer, what came of it and the pictures."""
    opened = Visit(browser, live_file, "#lesson=pcd-runs-away&walkers=100", size)
    for lesson in (one for one in LESSONS if one.room == "two-modes"):
        opened.page.evaluate(f"location.hash = 'lesson={lesson.name}&walkers=100'")
        title = "document.getElementById('lesson-title').textContent"
        opened.until(f"{title}.includes({lesson.title!r})")
        settled(opened)
        assert below(opened) == [], lesson.name
    opened.until(DONE)
    opened.page.click("#choices button >> nth=0")
    opened.page.evaluate("toyflows.play(false); toyflows.go(1e9)")
    settled(opened)
    assert below(opened) == []
    opened.context.close()


def below(visit: Visit) -> list[str]:
    """What of a lesson reaches beyond the first screen."""
    return visit.page.evaluate("""() => ['lesson', 'paths', 'densities'].filter(id =>
        document.getElementById(id).getBoundingClientRect().bottom > innerHeight)""")


# ---- lessons and stages


def test_a_lesson_asks_before_it_shows(browser: Browser, live_file: Path) -> None:
    """Nothing of the run is seen before an answer; then it plays, and says what was right."""
    opened = Visit(browser, live_file, "#lesson=nce-wrong-place&walkers=100")
    page = opened.page
    opened.until(DONE)
    settled(opened)
    assert page.inner_text("#clock") == "t = 0.00"
    assert page.is_disabled("#play")
    page.keyboard.press("End")
    settled(opened)
    assert page.inner_text("#clock") == "t = 0.00"
    assert "biased" not in page.inner_text("body")
    page.click("#choices button >> nth=0")
    assert page.evaluate("toyflows.state.playing")
    page.evaluate("toyflows.play(false); toyflows.go(1e9)")
    settled(opened)
    assert page.inner_text("#tells").startswith("You said: θ stops at θ*. That is not so. ")
    assert page.inner_text("#says").startswith("biased")
    assert page.evaluate("location.hash").startswith("#lesson=nce-wrong-place&loss=nce")
    page.click("#later")
    opened.until("toyflows.shown().s.options.normalised")
    assert "Noise contrast, cured" in page.inner_text("#lesson-title")
    opened.context.close()


def test_predict_and_stages(visit: Visit) -> None:
    """Each run waits for an answer if the reader wants it; a step in stages is the run's own."""
    page = visit.page
    page.click("#more summary")
    page.check("#predict")
    assert page.is_disabled("#next")
    page.click("#choices button >> nth=1")
    page.evaluate("toyflows.play(false); toyflows.go(1e9)")
    settled(visit)
    assert page.inner_text("#tells").startswith("You said: θ stops beside θ*. So it is.")
    page.evaluate("toyflows.set({theta_star: -2})")
    visit.until(DONE)
    assert page.is_disabled("#next")
    page.uncheck("#predict")
    page.select_option("#set-loss", "cd")
    visit.until(f"toyflows.shown().loss === 'cd' && {DONE}")
    page.click("#stages summary")
    page.evaluate("toyflows.go(3)")
    settled(visit)
    run = toyflows.flow("cd", time=20.0, separation=8.0, rate=2.0, theta_star=-2.0,
                        backends=["grid"]).backends["grid"]  # fmt: skip
    k = page.evaluate("Math.round(toyflows.numbers().t / 0.05)")
    told = page.inner_text("#stage-list").replace("−", "-")
    assert f"= {run.velocity[k]:.4g}." in told
    assert f"= {run.θ[k + 1]:.4g}." in told
    for _ in range(4):
        page.click("#stage")
    settled(visit)
    assert page.evaluate("toyflows.state.frame") == 4
