"""Lessons and stages of the two-mode room in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from test_live_browser import DONE, settled
from test_page_browser import Visit

import toyflows
from toyflows.pages import live

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return live.write(tmp_path_factory.mktemp("live") / "live.html")


@pytest.fixture
def visit(browser: Browser, file: Path) -> Iterator[Visit]:
    opened = Visit(browser, file, "#loss=nce&time=20&separation=8&rate=2&walkers=100")
    opened.until(DONE)
    yield opened
    opened.context.close()


def test_a_lesson_asks_before_it_shows(browser: Browser, file: Path) -> None:
    """Nothing of the run is seen before an answer; then it plays, and says what was right."""
    opened = Visit(browser, file, "#lesson=nce-wrong-place&walkers=100")
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
    assert "You said: θ stops at θ*. But θ stops beside θ*." in page.inner_text("#tells")
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
