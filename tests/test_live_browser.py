"""The live page in a real browser, offline and from a folder: what it computes is what the library
computes, and what it shows and says can be trusted."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser
from test_page_browser import Visit

import toyflows
from toyflows.kernels import random as kernel_random
from toyflows.kernels.langevin import langevin
from toyflows.pages import live
from toyflows.verdict import KINDS, MESSAGE

pytestmark = pytest.mark.browser

VARIANTS: dict[str, list[dict[str, Any]]] = {
    "ml": [{}], "score-matching": [{}],
    "nce": [{}, {"mu": 0.7}, {"normalised": True}, {"learn_c": True, "mu": -0.5}],
    "pcd": [{}, {"start": "data"}], "cd": [{}, {"k": 3}, {"k": 2, "h": 0.03}],
    "short-run": [{"k": 4}, {"k": 3, "noise": 2.5}],
    "replay-buffer": [{"k": 3, "buffer": 4, "fresh": 0.2}],
    "jarzynski": [{}, {"resample": 0.9}],
    "gan": [{}, {"penalty": 0.5}, {"dirac": True}, {"loss": "wasserstein"},
            {"loss": "non-saturating"}],
}  # fmt: skip
CASES = [(loss, options) for loss, many in VARIANTS.items() for options in many]
FIELDS = ("ml", "score-matching", "nce", "cd")  # whose verdicts are cheap to compare
GUIDE = Path(__file__).parent.parent / "docs/live.md"
SMALLEST = 1e-9  # a θ̇ below it is a difference of two means of order 1, whose digits are lost


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return live.write(tmp_path_factory.mktemp("live") / "live.html")


@pytest.fixture(scope="module")
def page(browser: Browser, file: Path) -> Iterator[Any]:
    """One page for all that only asks for numbers; nothing may go wrong on it."""
    opened = Visit(browser, file)
    yield opened.page
    wrong = [text for text in opened.said if not text.startswith(("file:", "data:", "blob:"))]
    assert not wrong, wrong
    opened.context.close()


def drawn(seed: int, loss: str, options: dict[str, Any]) -> dict[str, Any]:
    """Random settings of a run of 100 steps, the same in each test run."""
    draw = random.Random(f"{seed} {loss} {sorted(options.items())}")
    dt = draw.choice([0.02, 0.05, 0.1])
    return {
        "theta_star": round(draw.uniform(-3, 3), 3), "theta0": round(draw.uniform(-4, 4), 3),
        "separation": round(draw.uniform(1, 16), 2), "dt": dt, "time": 100 * dt,
        "rate": draw.choice([0.3, 1.0, 2.5]), "walkers": 1500, "seed": draw.randrange(10**6),
    }  # fmt: skip


RUN = """async jobs => {
  const plain = v => v instanceof Float64Array ? Array.from(v) : v;
  const out = [];
  for (const job of jobs) {
    const run = await toyflows.run(job);
    out.push(Object.fromEntries(Object.entries(run).map(([k, v]) => [k, plain(v)])));
  }
  return out; }"""


def asked(page: Any, backend: str, seeds: range, losses: Any = VARIANTS) -> Iterator[Any]:
    """(loss, run of the library, run of the page) of random settings."""
    cases = [(loss, options, drawn(seed, loss, options)) for seed in seeds
             for loss, options in CASES if loss in losses]  # fmt: skip
    jobs = [{"loss": loss, "options": o, "backend": backend} | s for loss, o, s in cases]
    for (loss, options, s), told in zip(cases, page.evaluate(RUN, jobs), strict=True):
        yield loss, toyflows.flow(loss, backends=[backend], options=options, threads=1, **s), told


def test_the_exact_law_is_the_librarys(page: Any) -> None:
    """θ(t) to 1e−10, at the same times; the share of mode b among the negatives too."""
    for loss, run, told in asked(page, "grid", range(1)):
        exact = run.backends["grid"]
        assert told["t"] == pytest.approx(exact.t.tolist(), abs=1e-12)
        assert np.max(np.abs(np.array(told["theta"]) - exact.θ)) < 1e-10, loss
        if np.isfinite(exact.mode_b[0]):
            assert np.max(np.abs(np.array(told["mode_b"]) - exact.mode_b)) < 1e-10, loss
        for name, values in exact.extra.items():
            assert told["extra"][name] == pytest.approx(values[-1], abs=1e-10)


def test_the_closed_form_is_the_librarys(page: Any) -> None:
    for loss, run, told in asked(page, "theory", range(1), set(VARIANTS) - {"cd", "replay-buffer"}):
        assert told["theta"] == pytest.approx(run.backends["theory"].θ.tolist(), abs=1e-11), loss


def test_walkers_are_the_librarys(page: Any) -> None:
    """Paths of θ to 1e−6 in 100 steps, and each persistent walker where the library has it."""
    for loss, run, told in asked(page, "walkers", range(1)):
        walkers = run.backends["walkers"]
        assert np.max(np.abs(np.array(told["theta"]) - walkers.θ)) < 1e-6, loss
        if told["x"] is not None and loss != "score-matching":
            x = walkers.state.chains.x
            assert np.max(np.abs(np.array(told["x"]) - x)) < 1e-6, loss
        if np.isfinite(walkers.crossings[-1]):
            assert told["crossings"] == walkers.crossings[-1]


def test_random_bits_are_the_librarys(page: Any) -> None:
    """Of the first words after places of the counter that carry, to the last bit."""
    for seed, step, stream, first in (
        (0, 0, 16, 0),
        (2**53 - 1, 7, 1, 5),
        (123, 10**8, 112, 2**20),
    ):
        told = page.evaluate(
            """([seed, step, stream, first]) => {
            const bits = new Uint32Array(1024), { core } = toyflows;
            core.fillBits(bits, first, core.streamKeys(seed, step, stream));
            return Array.from(bits); }""",
            [seed, step, stream, first],
        )
        words = np.array(told[::2], np.uint64) + (np.array(told[1::2], np.uint64) << np.uint64(32))
        assert np.array_equal(words, bits_of(seed, step, stream, first))


def bits_of(seed: int, step: int, stream: int, first: int) -> Any:
    """The same by the formula, in Python's whole numbers."""
    full = (1 << 64) - 1

    def mixed(z: int, key: int = 0) -> int:
        z = (z ^ z >> 30) * int(kernel_random.MIX_1) & full ^ key
        z = (z ^ z >> 27) * int(kernel_random.MIX_2) & full
        return z ^ z >> 31

    k = mixed((seed + 0xD1B54A32D192ED03) & full)
    k = mixed((k + step * 0x8CB92BA72F3D8DD7) & full)
    k = mixed(k ^ (stream * 0xE7037ED1A0B428DB & full))
    key = mixed(k ^ 0xA0761D6478BD642F)
    counters = [(k + (first + j) * int(kernel_random.GOLDEN)) & full for j in range(512)]
    return np.array([mixed(c, key) for c in counters], np.uint64)


def test_a_step_of_langevin_has_the_kernels_noise(page: Any) -> None:
    """The normals to the last bit of a float32."""
    h, n = 0.05, 3000
    told = page.evaluate(
        "([n, h]) => Array.from(toyflows.core.normals(n, 5, 3, 16, Math.sqrt(2 * h)))", [n, h]
    )
    x = np.full(n, -3.0)
    langevin(x, 0, 3, 5, 3, 16, h, 1.0, -3.0, 3.0, 0.0)
    still = np.full(n, -3.0) - h * 0.0
    r = 1 / (1 + np.exp(18.0))
    assert x - still - h * 6.0 * r == pytest.approx(np.array(told), abs=1e-12)


def test_verdicts_are_the_librarys(page: Any) -> None:
    """The word of each field's run; the sentence and its number where they are no round-off."""
    seen = set()
    for loss, run, told in asked(page, "grid", range(1, 6), FIELDS):
        verdict, found = run.verdict, told["verdict"]
        if run.backends["grid"].extra:
            assert found is None
            continue
        seen.add(verdict.kind)
        assert found["kind"] == verdict.kind, (loss, run.settings)
        if np.max(np.abs(run.backends["grid"].velocity)) > SMALLEST:
            assert found["says"] == verdict.says
            assert found["number"] == pytest.approx(verdict.number, rel=1e-6, abs=1e-9)
    assert {"converges", "on its way", "biased", "no learning"} <= seen


def test_no_verdict_where_none_is_proved(page: Any) -> None:
    for loss in ("pcd", "jarzynski", "replay-buffer", "gan"):
        told = page.evaluate(RUN, [{"loss": loss, "time": 1.0}])[0]
        assert told["verdict"] is None
    told = page.evaluate(RUN, [{"loss": "ml", "time": 1.0, "backend": "walkers"}])[0]
    assert told["verdict"] is None


REFUSED = [
    ({"loss": "pdc"}, "loss = pdc: unknown; choose from ml"),
    ({"loss": "ml", "dt": 2}, "dt = 2: must be 0 < dt < 2"),
    ({"loss": "ml", "separation": 101}, "separation = 101: must be 0 < d ≤ 100"),
    ({"loss": "ml", "theta0": "1"}, "theta0 = 1: must be |θ0| ≤ 700"),
    ({"loss": "ml", "walkers": 1.5}, "walkers = 1.5: must be 1 to 1,000,000"),
    ({"loss": "ml", "colour": 1}, "colour = 1: unknown; choose from theta_star"),
    ({"loss": "ml", "rate": 200}, "rate = 200: must be 0 < rate < 160"),
    ({"loss": "ml", "time": 0.01}, "time = 0.01: must be at least one step"),
    ({"loss": "ml", "options": {"k": 1}}, "options = k: ml has none here"),
    ({"loss": "cd", "options": {"k": 0}}, "options = k=0: must be k ≥ 1"),
    ({"loss": "cd", "options": {"kernel": "mala"}}, "options = kernel: unknown option here"),
    ({"loss": "nce", "options": {"normalised": True, "learn_c": True}}, "options = normalised and"),
    ({"loss": "cd", "backend": "theory"}, "backend = theory: cd has no closed form"),
    ({"loss": "cd", "backend": "gpu"}, "backend = gpu: unknown"),
]  # fmt: skip


def test_what_cannot_be_run_is_refused(page: Any) -> None:
    for given, why in REFUSED:
        told = page.evaluate("given => toyflows.run(given).then(() => '', e => e.message)", given)
        assert told.startswith(why), told


def test_python_prints_numbers_so(page: Any) -> None:
    """pyFormat is f"{v:.ng}": of random numbers, and of halves that round to even."""
    draw = random.Random(3)
    numbers = [draw.uniform(-1, 1) * 10 ** draw.uniform(-9, 9) for _ in range(300)]
    numbers += [0.125, 0.375, 2.5, 1e5, 123456.5, 0.00012345, 9.9995, 1e22, 0.0, -0.5, 1e-5]
    for n in (1, 2, 3, 4, 6):
        told = page.evaluate("([vs, n]) => vs.map(v => toyflows.core.pyFormat(v, n))", [numbers, n])
        assert told == [f"{v:.{n}g}" for v in numbers]


# ---- the page ----
DONE = "toyflows.shown()?.done && toyflows.shown().verdict !== undefined"


@pytest.fixture
def visit(browser: Browser, file: Path) -> Iterator[Visit]:
    opened = Visit(browser, file, "#loss=nce&time=20&separation=8&rate=2&walkers=100")
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


def test_sliders_and_address(browser: Browser, file: Path, visit: Visit) -> None:
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
    other = Visit(browser, file, hash)
    other.until(DONE)
    assert other.numbers() == numbers
    other.context.close()


@pytest.mark.parametrize("hash", ["#loss=nope&dt=7&walkers=x", "#%E0%A4%A", "#loss=nce&p.mu=1e9"])
def test_a_broken_link_shows_a_run(browser: Browser, file: Path, hash: str) -> None:
    opened = Visit(browser, file, f"{hash}&time=2")
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
def test_it_fits(browser: Browser, file: Path, size: tuple[int, int], scheme: Any) -> None:
    """No sideways scrolling, nothing unnamed, and words whose contrast is 4.5 or more."""
    opened = Visit(
        browser, file, "#loss=replay-buffer&time=1&walkers=100", size, color_scheme=scheme
    )
    opened.until(DONE)
    page = opened.page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    settled(opened)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.select_option("#set-loss", "score-matching")  # the widest equation
    settled(opened)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    named = page.evaluate("""[...document.querySelectorAll(
        "button, input, select, canvas, textarea")].filter(e => !(e.getAttribute("aria-label")
        || e.closest("label")?.textContent || e.textContent || "").trim()).map(e => e.id)""")
    assert named == []
    assert min(page.evaluate(CONTRAST)) >= 4.5
    opened.context.close()


CONTRAST = """() => {
  const light = text => {
    const probe = document.createElement("canvas").getContext("2d");
    probe.fillStyle = text;
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...probe.getImageData(0, 0, 1, 1).data].map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const under = e => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
    return "#fff"; };
  const words = "h1, h2, p, summary, label, button, select, textarea, output, #readout div";
  return [...document.querySelectorAll(words)].map(e => {
    const both = [light(getComputedStyle(e).color), light(under(e))].sort((u, v) => v - u);
    return (both[0] + 0.05) / (both[1] + 0.05); }); }"""
