"""The live page in a real browser, offline and from a folder: what it computes is what the library
computes, and what it shows and says can be trusted."""

from __future__ import annotations

import json
import os
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
FIELDS = ("ml", "score-matching", "nce", "cd", "gan")  # whose verdicts are cheap to compare
PERSISTENT = ("pcd", "jarzynski", "replay-buffer")
MANY = 500 if "TOYFLOWS_THOROUGH" in os.environ else len(CASES)  # settings: minutes, or seconds
SHORT = 5.0  # for so long are persistent particles followed here, on both sides
SMALLEST = 1e-9  # a θ̇ below it is a difference of two means of order 1, whose digits are lost


@pytest.fixture(scope="module")
def page(browser: Browser, live_file: Path) -> Iterator[Any]:
    """One page for all that only asks for numbers; nothing may go wrong on it."""
    opened = Visit(browser, live_file)
    yield opened.page
    wrong = [text for text in opened.said if not text.startswith(("file:", "data:", "blob:"))]
    assert not wrong, wrong
    opened.context.close()


def drawn(
    seed: int, loss: str, options: dict[str, Any], lengths: tuple[int, ...] = (100,)
) -> dict[str, Any]:
    """Random settings of a run of so many steps, the same in each test run."""
    draw = random.Random(f"{seed} {loss} {sorted(options.items())}")
    dt = draw.choice([0.02, 0.05, 0.1])
    return {
        "theta_star": round(draw.uniform(-3, 3), 3), "theta0": round(draw.uniform(-4, 4), 3),
        "separation": round(draw.uniform(1, 16), 2), "dt": dt,
        "rate": draw.choice([0.3, 1.0, 2.5]), "walkers": 1500, "seed": draw.randrange(10**6),
        "time": draw.choice(lengths) * dt,
    }  # fmt: skip


RUN = """async jobs => {
  const plain = v => v instanceof Float64Array ? Array.from(v) : v;
  const out = [];
  for (const job of jobs) {
    const run = await toyflows.run(job);
    out.push(Object.fromEntries(Object.entries(run).map(([k, v]) => [k, plain(v)])));
  }
  return out; }"""


def asked(
    page: Any, backend: str, seeds: range, losses: Any = VARIANTS, verdict: bool = False
) -> Iterator[Any]:
    """(loss, run of the library, run of the page) of random settings."""
    for seed in seeds:
        for loss, options in CASES:
            if loss in losses:
                s = drawn(seed, loss, options)
                yield both(page, loss, options, s | {"backend": backend, "verdict": verdict})


def both(page: Any, loss: str, options: dict[str, Any], s: dict[str, Any]) -> Any:
    """(loss, run of the library, run of the page) of these settings."""
    [told] = page.evaluate(RUN, [{"loss": loss, "options": options} | s])
    s = {name: value for name, value in s.items() if name not in ("backend", "verdict")} | {
        "backends": [s["backend"]]
    }
    return loss, toyflows.flow(loss, options=options, threads=1, **s), told


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


@pytest.fixture
def followed_shortly(page: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The library and the page follow persistent particles for SHORT."""
    monkeypatch.setattr("toyflows.followed.LEAST", SHORT)
    data = page.inner_text("#data")
    told = json.loads(data)
    told["verdict"]["least"] = SHORT
    put = "text => { document.getElementById('data').textContent = text; }"
    page.evaluate(put, json.dumps(told))
    yield
    page.evaluate(put, data)


def same_verdict(loss: str, run: Any, told: dict[str, Any]) -> str:
    """The word; and the sentence and its number where they are no round-off."""
    verdict, found, exact = run.verdict, told["verdict"], run.backends["grid"]
    assert found["kind"] == verdict.kind, (loss, run.settings)
    if np.max(np.abs(exact.velocity)) > SMALLEST:
        assert said(found["says"], loss) == said(verdict.says, loss), run.settings
        assert found["number"] == pytest.approx(verdict.number, rel=1e-6, abs=1e-9)
    return str(verdict.kind)


@pytest.mark.usefixtures("followed_shortly")
def test_verdicts_are_the_librarys(page: Any) -> None:
    seen = {True: set(), False: set()}
    for seeds, losses in ((range(1, 6), FIELDS), (range(1, 4), PERSISTENT)):
        for loss, run, told in asked(page, "grid", seeds, losses, verdict=True):
            seen[loss in FIELDS].add(same_verdict(loss, run, told))
    assert {"converges", "on its way", "biased", "no learning"} <= seen[True]
    assert {"mode collapse", "on its way", "biased"} <= seen[False]


@pytest.mark.usefixtures("followed_shortly")
def test_verdicts_of_many_settings_are_the_librarys(page: Any) -> None:
    """All methods in turn, in runs of several lengths."""
    how = {"backend": "grid", "verdict": True}
    for k in range(MANY):
        loss, options = CASES[k % len(CASES)]
        s = drawn(1000 + k, loss, options, (50, 100, 400))
        same_verdict(*both(page, loss, options, s | how))


LIKELIHOOD = "[ops.meanOfR(negatives, θ) - ops.meanOfR(ops.data, θ)]"


@pytest.mark.parametrize(
    ("right", "wrong", "check"),
    [
        (LIKELIHOOD, LIKELIHOOD.replace("θ) -", "θ) +"), test_the_exact_law_is_the_librarys),
        (str(kernel_random.MIX_2), str(kernel_random.MIX_1), test_walkers_are_the_librarys),
    ],
    ids=["sign", "constant"],
)
def test_a_wrong_sign_or_constant_is_seen(
    browser: Browser, live_file: Path, tmp_path: Path, right: str, wrong: str, check: Any
) -> None:
    """The comparisons above turn red with it."""
    text = live_file.read_text("utf-8")
    assert right in text
    (tmp_path / "wrong.html").write_text(text.replace(right, wrong), "utf-8")
    opened = Visit(browser, tmp_path / "wrong.html")
    with pytest.raises(AssertionError, match="assert"):
        check(opened.page)
    opened.context.close()


def said(says: str, loss: str) -> str:
    """A sentence, without the time that jarzynski still needs: the page knows its law at any θ, the
    library's sums find it only where the modes mix, and reckon from the path elsewhere."""
    return re.sub("; it needs.*", "", says) if loss == "jarzynski" else says


def test_walkers_alone_have_no_verdict(page: Any) -> None:
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
