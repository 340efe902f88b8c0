"""The rooms beside the two modes in a real browser, offline: what they compute is what the library
computes, what they show fits, and their lessons are true."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accessible import faults
from playwright.sync_api import Browser
from test_page_browser import Visit

import toyflows
from toyflows.diffusion import samplers
from toyflows.diffusion.methods.base import make
from toyflows.diffusion.processes import VE
from toyflows.diffusion.targets import GAUSSIANS
from toyflows.kernels import random as bits
from toyflows.lattice import ising_chain
from toyflows.lattice.hopfield import hebb
from toyflows.lattice.ising import Ising
from toyflows.lattice.ising_exact import torus
from toyflows.lattice.patterns import load
from toyflows.pages import hall, lessons, rooms

pytestmark = pytest.mark.browser

Told = Callable[..., list[dict[str, Any]]]
PLAIN = """([given, every]) => toyflows.run(given).filter((_, k, all) => k % every === 0
  || k === all.length - 1).map(frame => Object.fromEntries(Object.entries(frame)
  .map(([k, v]) => [k, v?.length !== undefined ? Array.from(v) : v])))"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hall") / "live"
    rooms.write(out)
    return out


@pytest.fixture(scope="module")
def told(browser: Browser, folder: Path) -> Iterator[Told]:
    """told(room, {setting: value}) gives the frames that the page computes, each or every n-th and
    the last; `wrong` = (what, by what) is put into its script first."""
    context = browser.new_context()
    context.set_offline(True)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    def ask(
        room: str, given: dict[str, Any], wrong: tuple[str, str] | None = None, every: int = 1
    ) -> Any:
        path = folder / f"{room}.html"
        if wrong:
            text = path.read_text("utf-8")
            assert wrong[0] in text
            path = folder / "wrong.html"
            path.write_text(text.replace(*wrong), "utf-8")
        page.goto(path.as_uri())
        return page.evaluate(PLAIN, [given, every])

    yield ask
    assert said == []
    context.close()


LETTERS = load(["letters"])


def test_hopfield_is_the_librarys(told: Told) -> None:
    """Each state at the end of a sweep, with its energy; at T > 0 too."""
    for T, seed in ((0.0, 1), (6.0, 2)):
        frames = told("hopfield", {"T": T, "seed": seed, "letter": "J", "flips": 7})
        start = np.array(frames[0]["s"], float)
        assert np.sum(start != LETTERS.x[LETTERS.names.index("J")]) == 7
        path = hebb(LETTERS.x).path(start, seed=seed, T=T, sweeps=12)
        for k, state in enumerate(path.states):
            assert frames[25 * k]["s"] == state.tolist()
            assert frames[25 * k]["E"] == pytest.approx(path.energies[k])
    energies = [f["E"] for f in told("hopfield", {"flips": 10})]
    assert all(b <= a for a, b in itertools.pairwise(energies))
    bad = told("hopfield", {"flips": 10}, ("a > 0 ? 1 : -1", "a > 0 ? -1 : 1"))
    assert bad[-1]["s"] != frames[-1]["s"]
    assert max(f["E"] for f in bad) > bad[0]["E"]  # the wrong sign is seen


@pytest.mark.parametrize("sampler", ["heat-bath", "metropolis"])
def test_ising_is_the_librarys(told: Told, sampler: str) -> None:
    """Each m, each energy and the last spins, bit for bit."""
    given = {"T": 2.1, "h": 0.05, "L": 16, "sweeps": 60, "seed": 7, "sampler": sampler,
             "begin": "ordered"}  # fmt: skip
    frames = told("ising", given)
    found = ising_chain.run(Ising(16, 2.1, 0.05), sampler, 60, seed=7)
    assert [round(256 * f["m"]) for f in frames[1:]] == found.M.tolist()
    assert [f["e"] for f in frames[1:]] == pytest.approx((found.E / 256).tolist(), abs=1e-12)
    assert frames[-1]["x"] == found.spins.ravel().tolist()
    bad = told("ising", given, ("2 / T * (n + h)", "2 / T * (n - h)"))
    assert bad[-1]["x"] != frames[-1]["x"]


class Counted:
    """The page's normals, as a sampler of the library asks for them."""

    def __init__(self, seed: int) -> None:
        self.seed, self.calls = seed, 0

    def standard_normal(self, size: tuple[int, ...], dtype: Any) -> Any:
        out = np.empty(int(np.prod(size)), np.float32)
        bits.normals(out, self.seed, self.calls, bits.NOISE)
        self.calls += 1
        return out.astype(float).reshape(size)


OPTIONS: dict[str, dict[str, Any]] = {
    "langevin": {"h": hall.LANGEVIN}, "annealed-langevin": hall.ANNEALED, "euler-maruyama": {},
    "ode-heun": {},
}  # fmt: skip


def test_samplers_are_the_librarys(told: Told) -> None:
    """Points of each sampler to 1e−6 from the same start with the same noise."""
    process = VE(0.05, 20.0)
    for name, options in OPTIONS.items():
        law = GAUSSIANS["8-gaussians" if name == "ode-heun" else "song-ermon"]
        target = next(n for n, other in GAUSSIANS.items() if other is law)
        frames = told("noise", {"sampler": name, "target": target, "steps": 20, "points": 100,
                                "seed": 3})  # fmt: skip
        start = np.array(frames[0]["x"]).reshape(-1, 2)
        times = np.linspace(1, 0, 21)
        end = samplers.run(make(name, **options), lambda x, t, law=law: law.score(
            x, 1.0, process.sigma(t)), process, start, times, Counted(3)).x  # fmt: skip
        assert np.array(frames[-1]["x"]) == pytest.approx(end.ravel(), abs=1e-6), name
    bad = told("noise", {"sampler": "ode-heun", "steps": 20, "points": 100, "seed": 3},
               ("s * s + σ * σ", "s * s - σ * σ"))  # fmt: skip
    assert not np.allclose(bad[-1]["x"], frames[-1]["x"])


def test_the_long_view_is_the_librarys(told: Told) -> None:
    given = {"separation": 5.0, "theta_star": -1.0, "rate": 2.0, "time": 300, "dt": 0.1}
    frames = told("long-view", given, every=10)
    exact = toyflows.flow("pcd", backends=["grid"], **given).backends["grid"]
    at = {round(t, 6): k for k, t in enumerate(exact.t)}
    places = [at[round(f["t"], 6)] for f in frames]
    assert [f["θ"] for f in frames] == pytest.approx(exact.θ[places].tolist(), abs=1e-9)
    assert [f["q"] for f in frames] == pytest.approx(exact.mode_b[places].tolist(), abs=1e-9)
    assert exact.θ.min() < -1.5 < exact.θ[-1]


# ---- lessons and looks


def settings_of(lesson: lessons.Lesson) -> dict[str, Any]:
    """What the lesson's address sets."""
    words = dict(pair.split("=") for pair in lesson.settings.split("&"))
    kinds = {c.name: type(c.value) for c in hall.HALLS[lesson.room].controls}
    return {name: kinds[name](float(v) if kinds[name] is int else v) for name, v in words.items()}


def test_the_lessons_are_true(told: Told) -> None:
    """What each says of its run, by numbers of the run."""
    here = [x for x in lessons.LESSONS if x.room in hall.HALLS]
    runs = {x.name: told(x.room, settings_of(x), every=25) for x in here}
    D = LETTERS.x[LETTERS.names.index("D")].tolist()
    assert runs["hopfield-recall"][-1]["s"] == D
    assert runs["hopfield-too-much"][-1]["s"] == runs["hopfield-too-much"][-2]["s"]
    assert runs["hopfield-too-much"][-1]["s"] == [-v for v in D]
    assert abs(runs["ising-cold"][-1]["m"] - 0.957) < 0.05
    assert abs(runs["ising-hot"][-1]["m"]) < 0.15
    found = np.mean([f["e"] for f in runs["ising-hot"][2:]])
    assert abs(found - hall.energies()["64"][200]) < 0.03  # 11 sweeps, each ± 0.02
    θ = [f["θ"] for f in runs["pcd-comes-back"]]
    assert min(θ) < -2.4 < -1.4 < max(θ[θ.index(min(θ)) :])
    right = {"langevin-wrong-weights": 0.5, "annealed-right-weights": 0.2}
    for name, share in right.items():
        x = np.array(runs[name][-1]["x"]).reshape(-1, 2)
        assert abs(np.mean(x.sum(axis=1) < 0) - share) < 0.07, name


@pytest.mark.parametrize("room", hall.HALLS)
def test_a_room_fits_and_asks_first(browser: Browser, folder: Path, room: str) -> None:
    """A lesson shows its run after the answer alone; words can be read, all is named, nothing is
    wider than a phone; a link brings back what was seen; a broken one is a room."""
    lesson = next(x for x in lessons.LESSONS if x.room == room)
    visit = Visit(browser, folder / f"{room}.html", f"#lesson={lesson.name}", (360, 740),
                  color_scheme="dark")  # fmt: skip
    page = visit.page
    visit.until("toyflows.done() && document.getElementById('now').textContent")
    assert page.is_disabled("#play")
    first = page.inner_text("#now")
    page.click(f"#choices button >> nth={lesson.right}")
    page.evaluate("toyflows.play(false); toyflows.go(1e9)")
    visit.until("document.getElementById('tells').textContent.includes('So it is')")
    assert page.inner_text("#now") != first
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert faults(page) == []
    if room == "ising":
        settings = page.evaluate("toyflows.state.given")
        exact = torus(settings["L"], settings["T"])[0]
        assert page.evaluate("toyflows.numbers()")["exact"] == pytest.approx(exact, abs=1e-8)
    page.evaluate("toyflows.go(7)")
    seen, link = page.evaluate("toyflows.numbers()"), page.evaluate("location.hash")
    wrong = [t for t in visit.said if not t.startswith(("file:", "data:", "blob:"))]
    assert wrong == []
    visit.context.close()
    again = Visit(browser, folder / f"{room}.html", link.replace(f"lesson={lesson.name}&", ""))
    again.until("toyflows.done()")
    settings = dict(p.split("=") for p in lesson.settings.split("&"))
    assert again.page.evaluate("toyflows.state.frame") == 7
    assert link.startswith(f"#lesson={lesson.name}")
    assert settings.keys() <= again.page.evaluate("toyflows.state.given").keys()
    assert again.page.evaluate("toyflows.numbers()").keys() == seen.keys()
    again.context.close()
    broken = Visit(browser, folder / f"{room}.html", "#seed=x&T=1e9&steps=7&%E0%A4%A&k=-3")
    broken.until("toyflows.done()")
    broken.context.close()
