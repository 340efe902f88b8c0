"""The page in a real browser (Debian's chromium), from a folder and with the network switched off:
what it says are the library's numbers, and every control does what it says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route

import toyflows
from toyflows import pages
from toyflows.figures import _style
from toyflows.mixture import Mixture
from toyflows.verdict import KINDS, MESSAGE

pytestmark = pytest.mark.browser

SETTING = {"theta_star": 1.4, "time": 12.0, "dt": 0.05, "walkers": 1000, "seed": 5}
WIDE, PHONE = (1280, 720), (390, 800)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods at three separations, 241 records and 61 frames a run."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    asked = pages.plan(["pcd", "nce mu=0.5"], ["separation=3,6,12"], **SETTING, frames=60)
    return pages.write(path, asked, title="Two modes <b>", jobs=1)


def only_itself(route: Route) -> None:
    """Lets a page have files and data, and nothing else."""
    if route.request.url.startswith(("file:", "data:")):
        route.continue_()
    else:
        route.abort()


class Visit:
    """A page that was opened, and what went wrong on it."""

    def __init__(self, browser: Browser, file: Path, hash: str = "", size: tuple[int, int] = WIDE,
                 **context: Any) -> None:  # fmt: skip
        width, height = size
        self.context = browser.new_context(viewport={"width": width, "height": height}, **context)
        self.context.set_offline(True)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.said.append(request.url))
        self.page.route("**/*", only_itself)
        self.page.goto(file.as_uri() + hash)

    def numbers(self) -> dict[str, Any]:
        return self.page.evaluate("toyflows.numbers()")

    def until(self, condition: str) -> None:
        """Looked at with each picture (the page forbids the strings of wait_for_function)."""
        self.page.evaluate(
            f"""() => new Promise((done, failed) => {{
            const look = () => {condition} ? done() : requestAnimationFrame(look);
            setTimeout(() => failed("never: {condition}"), 30000); look(); }})"""
        )

    def go(self, axis: int, value: int) -> None:
        self.page.evaluate(f"toyflows.choose({axis}, {value})")

    def see(self, frame: int) -> dict[str, Any]:
        self.page.evaluate(f"toyflows.go({frame})")
        return self.numbers()


@pytest.fixture
def visit(browser: Browser, file: Path) -> Iterator[Visit]:
    opened = Visit(browser, file)
    yield opened
    opened.context.close()


def address(file: Path) -> list[str]:
    """All that a page may ask for: itself, and the empty icon."""
    return [file.as_uri(), "data:,"]


def test_nothing_is_fetched_nothing_is_wrong(visit: Visit, file: Path) -> None:
    assert visit.page.title() == "Two modes <b>"
    visit.see(7)
    visit.go(0, 1)
    asked = [url.partition("#")[0] for url in visit.said]
    assert set(asked) <= set(address(file))
    refused = visit.page.evaluate("""() => new Promise(done => {
        const seen = [];
        document.addEventListener("securitypolicyviolation", e => {
            seen.push(e.effectiveDirective);
            if (seen.length === 2) done(seen.sort());
        });
        setTimeout(() => done(seen), 5000);
        new Image().src = "http://127.0.0.1:9/leak.png";
        fetch("http://127.0.0.1:9/leak").catch(() => 0); })""")
    assert refused == ["connect-src", "img-src"]  # the page itself forbids it


@pytest.mark.parametrize(("method", "words"), list(enumerate(["pcd", "nce"])))
@pytest.mark.parametrize(("place", "d"), list(enumerate([3.0, 6.0, 12.0])))
def test_numbers_are_those_of_the_library(
    visit: Visit, method: int, words: str, place: int, d: float
) -> None:
    """θ of each backend to the last bit, at the step that the time says; q, shares, verdict."""
    options = {"mu": 0.5} if words == "nce" else {}
    run = toyflows.flow(words, separation=d, options=options, **SETTING)
    visit.go(0, method)
    visit.go(1, place)
    for frame in (0, 1, 17, 60):
        told = visit.see(frame)
        step = 4 * frame
        assert told["t"] == step * 0.05
        assert set(told["theta"]) == set(run.backends)
        for backend, tr in run.backends.items():
            assert tr.t[step] == told["t"]
            assert told["theta"][backend] == tr.θ[step]
            q = run.target.mixture.weight_b(float(tr.θ[step]))
            assert told["q"][backend] == pytest.approx(q, rel=1e-12)
        share = run.backends["walkers"].mode_b[step]
        assert told["mode_b"]["walkers"] == share
        histogram = np.array(told["histogram"])
        assert histogram[histogram.size // 2 :].sum() == pytest.approx(share, abs=1e-9)
        assert told["q_star"] == pytest.approx(run.target.q_star, rel=1e-12)
    assert plain(visit.page.inner_text("#says")) == plain(run.verdict.says)
    assert told["kind"] == run.verdict.kind
    alarms = visit.page.locator("#alarms li").all_inner_texts()
    assert [plain(text) for text in alarms] == run.alarms


def test_no_verdict_before_the_last_frame(browser: Browser, file: Path) -> None:
    """While it plays, in every picture: the method's name and what is seen; at the end the words on
    the whole run, and nothing has moved for them."""
    opened = Visit(browser, file, "#separation=12")
    opened.page.evaluate("""() => {
        window.seen = [];
        const look = () => {
            const { frame } = toyflows.numbers(), last = toyflows.run().last;
            const place = document.getElementById("transport").getBoundingClientRect().top;
            if (frame < last) seen.push([document.body.innerText, place]);
            requestAnimationFrame(look);
        };
        look();
        toyflows.state.speed = 4;
        toyflows.play(true); }""")
    opened.until("toyflows.numbers().frame === toyflows.run().last")
    playing = opened.page.evaluate("window.seen")
    run = toyflows.flow("pcd", separation=12.0, **SETTING)
    message = MESSAGE[run.verdict.kind].format(run.flow.title)
    assert len(playing) > 5
    for text, _ in playing:
        assert not [
            word for word in (*KINDS, message, "Whole run", *run.alarms, " rest") if word in text
        ]
        assert run.flow.title in text
    ended = opened.page.inner_text("body")
    assert message in ended
    assert plain(run.verdict.says) in plain(ended)
    alarms = opened.page.locator("#alarms li").all_inner_texts()
    assert [plain(text) for text in alarms] == run.alarms
    top = opened.page.evaluate("document.getElementById('transport').getBoundingClientRect().top")
    assert {place for _, place in playing} == {top}
    opened.context.close()


def plain(text: str) -> str:
    """With the keyboard's minus."""
    return text.replace("−", "-")


def test_the_last_histogram_is_that_of_the_chains(visit: Visit) -> None:
    run = toyflows.flow("pcd", separation=6.0, **SETTING)
    visit.go(1, 1)
    told = visit.see(60)
    low, high = visit.page.evaluate("[toyflows.run().low, toyflows.run().high]")
    edges = np.linspace(low, high, len(told["histogram"]) + 1)
    counts, _ = np.histogram(run.backends["walkers"].state.cold.x, edges)
    assert np.array_equal(np.array(told["histogram"]), counts / 1000)


def test_densities_are_the_mixture_s(visit: Visit) -> None:
    for d, θ in ((3.0, 1.4), (20.0, -30.0), (100.0, 650.0), (0.5, 0.0)):
        mix = Mixture.separated(d)
        x = np.linspace(mix.a - 5, mix.b + 5, 301)
        told = visit.page.evaluate(
            "([xs, θ, a, b]) => xs.map(x => toyflows.density(x, θ, a, b))",
            [x.tolist(), θ, mix.a, mix.b],
        )
        assert np.array(told) == pytest.approx(mix.density(x, θ), rel=1e-9, abs=1e-300)


def test_keys_scrub_and_play(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert visit.numbers()["frame"] == 1
    page.keyboard.press("End")
    assert visit.numbers()["t"] == 12.0
    page.keyboard.press("Home")
    assert visit.numbers()["t"] == 0.0
    page.keyboard.press("Space")
    visit.until("toyflows.numbers().frame > 3")
    assert page.inner_text("#play") == "Pause"
    page.keyboard.press("Space")
    stopped = visit.numbers()["frame"]
    page.evaluate("() => new Promise(go => requestAnimationFrame(() => requestAnimationFrame(go)))")
    assert visit.numbers()["frame"] == stopped
    page.focus("#scrubber")
    page.keyboard.press("ArrowRight")
    assert visit.numbers()["frame"] == stopped + 1


def test_play_ends_at_the_end_and_begins_anew(visit: Visit) -> None:
    visit.page.select_option("#speed", "4")
    visit.see(54)
    visit.page.click("#play")
    visit.until("!toyflows.state.playing")
    assert visit.numbers()["frame"] == 60
    visit.page.click("#play")
    visit.until("toyflows.numbers().frame < 30 && toyflows.numbers().frame > 0")


def test_choosing_keeps_the_time(visit: Visit) -> None:
    page = visit.page
    visit.see(10)
    page.select_option("#axis-loss", label="nce mu=0.5")
    told = visit.numbers()
    assert (told["loss"], told["t"]) == ("nce", 2.0)
    page.focus("#axis-separation")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#value-separation") == "d = 12"
    assert visit.numbers()["t"] == 2.0
    assert page.evaluate("[toyflows.run().a, toyflows.run().b]") == [-6, 6]
    assert "Noise-contrastive" in page.inner_text("#message")


def test_a_link_brings_back_what_was_seen(browser: Browser, file: Path, visit: Visit) -> None:
    visit.go(0, 1)
    visit.go(1, 2)
    told = visit.see(23)
    hash = visit.page.evaluate("location.hash")
    assert "t=4.6" in hash
    other = Visit(browser, file, hash)
    assert other.numbers() == told
    other.page.evaluate("location.hash = '#separation=6&t=1.4'")
    other.until("Math.abs(toyflows.numbers().t - 1.4) < 1e-9")
    assert other.page.evaluate("toyflows.run().b") == 3
    other.context.close()


@pytest.mark.parametrize("hash", ["#t=nan", "#loss=nope&separation=&t=1e999", "#%E0%A4%A", "#t=-5"])
def test_a_broken_link_shows_the_first_run(browser: Browser, file: Path, hash: str) -> None:
    opened = Visit(browser, file, hash)
    told = opened.numbers()
    assert (told["loss"], told["frame"]) == ("pcd", 0)
    opened.context.close()


def coloured(page: Page, canvas: str, name: str) -> int:
    """Pixels of a canvas in exactly the colour of the style sheet."""
    return page.evaluate(
        """([id, name]) => {
        const c = document.getElementById(id), probe = document.createElement("canvas");
        const wanted = getComputedStyle(document.documentElement).getPropertyValue("--" + name);
        const p = probe.getContext("2d"); p.fillStyle = wanted; p.fillRect(0, 0, 1, 1);
        const [r, g, b] = p.getImageData(0, 0, 1, 1).data;
        const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
        let n = 0;
        for (let i = 0; i < d.length; i += 4)
          if (d[i + 3] === 255 && d[i] === r && d[i + 1] === g && d[i + 2] === b) n++;
        return n; }""",
        [canvas, name],
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["projector", "phone"])
@pytest.mark.parametrize("scale", [1, 2])
def test_pictures_fill_with_time(
    browser: Browser, file: Path, scheme: Any, size: tuple[int, int], scale: int
) -> None:
    """At the end there is more of the walkers' curve than at the start; the data are there."""
    opened = Visit(browser, file, "#separation=12", size, color_scheme=scheme,
                   device_scale_factor=scale)  # fmt: skip
    page = opened.page
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    opened.see(0)
    before = coloured(page, "paths", "walkers")
    opened.see(60)
    assert coloured(page, "paths", "walkers") > before + 100 * scale
    assert coloured(page, "paths", "data") > 100
    for role in ("exact", "walkers"):
        assert coloured(page, "densities", role) > 20
    sides = page.evaluate("""[document.documentElement.scrollWidth - innerWidth,
        document.documentElement.scrollHeight - innerHeight]""")
    assert sides[0] <= 0
    assert sides[1] <= 0 or size == PHONE
    ratio = page.evaluate("paths.width / paths.getBoundingClientRect().width")
    assert math.isclose(ratio, scale, rel_tol=0.01)
    opened.context.close()


def test_nothing_is_cut_off(visit: Visit) -> None:
    """Every word lies in the window, and no two rows overlap."""
    boxes = visit.page.evaluate("""["message", "axes", "panels", "readout", "transport", "alarms"]
        .map(id => { const r = document.getElementById(id).getBoundingClientRect();
                     return [r.top, r.bottom, r.left, r.right]; })""")
    for (_, bottom, left, right), (top, *_) in pairwise(boxes):
        assert bottom <= top + 0.5
        assert left >= 0
        assert right <= WIDE[0]
    assert boxes[-1][1] <= WIDE[1]


def test_dark_and_light_by_button_and_link(visit: Visit) -> None:
    theme = "document.documentElement.dataset.theme"
    assert visit.page.evaluate(theme) == "light"
    assert visit.page.evaluate("getComputedStyle(document.documentElement)"
                               ".getPropertyValue('--exact')").strip() == _style.EXACT  # fmt: skip
    visit.page.click("#theme")
    assert visit.page.evaluate(theme) == "dark"
    assert "theme=dark" in visit.page.evaluate("location.hash")


def test_little_motion_is_stills(browser: Browser, file: Path) -> None:
    """A tenth of the run in each second."""
    opened = Visit(browser, file, reduced_motion="reduce")
    opened.page.evaluate("""() => { window.seen = []; setInterval(
        () => window.seen.push(toyflows.numbers().frame), 20); toyflows.play(true); }""")
    opened.until("toyflows.numbers().frame >= 12")
    assert {f % 6 for f in opened.page.evaluate("window.seen")} == {0}
    opened.context.close()


def test_controls_have_names(visit: Visit) -> None:
    named = visit.page.evaluate("""[...document.querySelectorAll("button, input, select, canvas")]
        .map(e => (e.getAttribute("aria-label") || e.closest("label")?.textContent
                   || e.textContent || "").trim().length)""")
    assert len(named) == 10
    assert min(named) > 1
    assert "exact law" in visit.page.get_attribute("#paths", "aria-label")
    assert visit.page.get_attribute("#scrubber", "aria-valuetext") == "t = 0.00"


def test_saved_runs_open_too(browser: Browser, tmp_path: Path) -> None:
    """One without particles, one on real numbers: both end with what they have."""
    path = pages.write_runs(
        tmp_path / "saved.html",
        [("blind", toyflows.flow("score-matching", theta_star=1.0, time=2.0, walkers=100)),
         ("geyser", toyflows.flow("pcd", data="old-faithful", time=2.0, walkers=100))],
    )  # fmt: skip
    opened = Visit(browser, path, "#run=geyser")
    assert opened.numbers()["histogram"] is None
    opened.page.keyboard.press("End")
    assert sum(opened.numbers()["histogram"]) == pytest.approx(1.0, abs=0.05)
    opened.page.select_option("#axis-run", label="blind")
    assert opened.numbers()["histogram"] is None
    assert not [text for text in opened.said if not text.startswith(("file:", "data:"))]
    opened.context.close()
