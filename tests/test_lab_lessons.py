"""The ten lessons open, and their sentences are true; docs/lab.md says what is so, and runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lab_browser import Lab, chromium, server
from typer.testing import CliRunner

from toyflows.cli.main import app
from toyflows.diffusion.drawing import quality
from toyflows.lab import _controls
from toyflows.lab._job import Job
from toyflows.lab._lessons import LESSONS, Lesson
from toyflows.lab._room import rooms
from toyflows.lab._transport import TOOLS as LABELS
from toyflows.stats import at_least, at_most, close

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "lab.md"
LAB = ROOT / "toyflows" / "lab"
PARTS = ("controls", "transport", "header", "tools")  # of the page, that `hide` may name
ROOMS = rooms()
Seen = dict[str, Any]


def job() -> Job:
    def nothing(_: Any) -> None:
        return None

    return Job(nothing, nothing, nothing, nothing)


def seen(name: str, step: int | None = None, /, **more: str) -> Seen:
    """What the lesson shows: as it opens, or at another step or with other settings."""
    lesson = LESSONS[name]
    room, query = ROOMS[lesson.room], lesson.query | more
    values, refused = _controls.read(room.controls(query), query)
    assert refused == []
    scene = room.start(values, job())
    scene.advance(int(query.get("step", room.steps)) if step is None else step, job())
    return scene.frame()


def tenths(name: str, last: int, /, **more: str) -> list[Seen]:
    """What the lesson shows at each tenth of its run, from its start."""
    lesson = LESSONS[name]
    room, query = ROOMS[lesson.room], lesson.query | more
    scene = room.start(_controls.read(room.controls(query), query)[0], job())
    frames = [scene.frame()]
    for _ in range(10):
        scene.advance(last // 10, job())
        frames.append(scene.frame())
    return frames


# ---- what the sentences say


def ml_learns() -> None:
    """At each tenth nearer to θ*, by the exact law; at the end there on every path."""
    for star in (-2.0, 0.7, 1.4):
        frames = tenths("ml-learns", 1000, theta_star=str(star))
        away = np.abs([frame["one.grid"] - star for frame in frames])
        assert np.all(np.diff(away) < 0)
        for path in ("theory", "grid", "walkers"):
            close(f"{path} at θ* = {star}", frames[-1][f"one.{path}"], star, atol=0.05)


def score_matching_stands_still() -> None:
    """At each tenth: nowhere an arrow, on the scale of shares."""
    for frame in tenths("score-matching-stands-still", 600):
        at_most("θ, far modes", abs(frame["one.grid"]), 1e-3)
        at_most("speed anywhere in the picture", np.abs(frame["one.phase_v"]).max(), 1e-3)
    near = seen("score-matching-stands-still", separation="3")["one.grid"]
    at_least("θ, near modes", near, 1.0)


def nce_wrong_place() -> None:
    """Its fixed point is θ* + log((1 + e^−θ*)/(1 + e^−μ)) (figures/nce_bias.py); nearer to it at
    each tenth, until it is there."""
    for μ in (0.0, 1.4, 2.0):
        frames = tenths("nce-wrong-place", 600, **{"p.mu": str(μ)})
        rest = 1.4 + np.log((1 + np.exp(-1.4)) / (1 + np.exp(-μ)))
        away = np.abs([frame["one.grid"] - frames[-1]["one.grid"] for frame in frames])
        assert np.all(np.diff(away) <= 1e-6)
        close(f"θ at μ = {μ}", frames[-1]["one.grid"], rest, atol=0.02)


def pcd_runs_away() -> None:
    """At each tenth: the walkers are in their modes, and θ has moved by its first speed."""
    frames = tenths("pcd-runs-away", 600)
    for k, frame in enumerate(frames):
        at_most("share of walkers that crossed", frame["one.crossed"] / 10_000, 0.01)
        close(f"PCD's θ at {k} tenths", frame["one.grid"], frame["one.theory"], atol=0.03)
    away = np.abs([frame["two.grid"] - 1.4 for frame in frames])
    assert np.all(np.diff(away) < 0)
    for path in ("grid", "walkers"):
        at_least(f"PCD, {path}", frames[-1][f"one.{path}"], 1.4 + 5)
        close(f"work weights, {path}", frames[-1][f"two.{path}"], 1.4, atol=0.05)


def pcd_hysteresis() -> None:
    """At each tenth the headline's direction is that of the exact law."""
    frames = tenths("pcd-hysteresis", 6000)
    for frame in frames[1:]:
        away = (frame["exact"] - frame["θ_star"]) * frame["speed"] > 0
        runs = "away" in frame["message"] or "runs" in frame["message"]
        assert runs == away or "basin is gone" in frame["message"], frame["message"]
    frame = frames[-1]
    assert len(frame["turns_θ"]) == 2
    at_most("turn ÷ where the basin is gone", abs(frame["turns_θ"]).max() / frame["bistable"], 0.7)
    at_least("share of b that has come back", frame["in_b_walkers"], 0.3)


def annealed_langevin() -> None:
    """At each tenth the headline's two numbers are the distances of the shares from the exact ones;
    Langevin's never fall, annealed Langevin's are small at the end."""
    frames = tenths("annealed-langevin", 1000)
    assert "none has moved" in frames[0]["title"]
    assert len(frames[0]["left_shares"]) == len(frames[0]["right_shares"]) == 0
    for frame in frames[1:]:
        off = [0.5 * float(np.abs(frame[f"{side}_shares"] - frame[exact]).sum())
               for side, exact in (("left", "weights"), ("right", "right_weights"))]  # fmt: skip
        told = re.findall(r"by (\d\.\d\d)", frame["title"])
        assert told == [f"{x:.2f}" for x in off]
        at_least("Langevin's weights are off", off[0], 0.08)
    at_most("annealed Langevin's", off[1], 0.05)


def diffusion_reverse() -> None:
    """At each tenth the points are, as nearly as fresh ones, of the law that is shaded: that of
    αX + σZ, there and back; and the first half ends at noise."""
    lesson = LESSONS["diffusion-reverse"]
    room = ROOMS[lesson.room]
    scene: Any = room.start(_controls.read(room.controls(lesson.query), lesson.query)[0], job())
    for k in range(11):
        α, σ = scene.model.alpha(scene.t), scene.model.sigma(scene.t)

        def fresh(n: int, rng: np.random.Generator, α: float = α, σ: float = σ) -> Any:
            x = α * scene.mixture.sample(n, rng)
            return (x + σ * rng.standard_normal(x.shape)) / np.hypot(α, σ)

        frame = scene.frame()
        found = quality(frame["left_dots"].astype(float), fresh, ("sliced W2",), 1, replicas=4)
        ratio = found["sliced W2"].distance / found["sliced W2"].floor
        at_most(f"distance ÷ that of fresh points, {k} tenths", ratio, 2)
        assert k != 5 or "1% of each point" in frame["title"]
        assert (len(frame["left_arrows"]) > 0) == (5 <= k < 10)
        scene.advance(100, job())


def letters_from_noise() -> None:
    frames = tenths("letters-from-noise", 510)
    start, end = frames[0], frames[-1]
    energies = np.array([frame["energy"] for frame in frames])
    assert np.all(np.diff(energies) < 0.05 * energies[0])  # falls, or rests
    assert start["named"] == 0
    at_most("letters at the start", start["among"], 0)
    at_least("letters at the end", end["among"], 14)
    at_most("energy ÷ that of noise", end["energy"] / start["energy"], 0.1)


def hopfield_recall() -> None:
    start, end = seen("hopfield-recall", 0), seen("hopfield-recall", 75)
    at_most("overlap at the start", start["overlap"], 0.6)
    assert end["overlap"] == 1.0
    assert np.all(np.diff(end["energies"]) <= 0)


def ising_critical() -> None:
    cold, here, warm = (seen("ising-critical", T=T) for T in ("2", "2.27", "2.6"))
    words = {"2": "magnetised", "2.27": "patches of every size", "2.6": "no side wins"}
    for T, said in words.items():
        start, *frames = tenths("ising-critical", 400, T=T)
        assert "|m| = 1.00" in start["message"]
        assert said not in start["message"] or T == "2"
        assert all(said in frame["message"] for frame in frames), T
    at_least("|m| below T_c", cold["m_mean"], 0.85)
    at_most("|m| above T_c", warm["m_mean"], 0.1)
    close("|m| at T_c, of a finite lattice", here["m_mean"], here["finite"], atol=0.05)
    assert (cold["finite"], warm["finite"]) == (0, 0)
    at_most("share of spins in patches of one size, at T_c", largest_share(here["spins"]), 0.6)


def largest_share(spins: np.ndarray) -> float:
    """The largest share that one decade of sizes has of the spins in minority patches' area."""
    from scipy.ndimage import label

    minority = spins != np.bincount(spins.ravel()).argmax()
    areas = np.bincount(label(minority)[0].ravel())[1:]
    decades = np.bincount(np.log10(areas).astype(int), weights=areas)
    return float(decades.max() / areas.sum())


CLAIMS: dict[str, Callable[[], None]] = {
    f.__name__.replace("_", "-"): f
    for f in (ml_learns, score_matching_stands_still, nce_wrong_place, pcd_runs_away,
              pcd_hysteresis, annealed_langevin, diffusion_reverse, letters_from_noise,
              hopfield_recall, ising_critical)
}  # fmt: skip


@pytest.mark.parametrize("name", LESSONS)
def test_the_sentence_is_true(name: str) -> None:
    """At the lesson's own seed: nothing is left to chance."""
    CLAIMS[name]()


# ---- the lessons themselves


def test_ten_lessons_in_all_rooms() -> None:
    assert len(LESSONS) == 10
    assert list(CLAIMS) == list(LESSONS)
    assert {lesson.room for lesson in LESSONS.values()} == set(ROOMS)


@pytest.mark.parametrize("lesson", LESSONS.values(), ids=LESSONS)
def test_a_lesson_is_well_made(lesson: Lesson) -> None:
    """Its settings are the room's, and what it hides is there to be hidden."""
    room = ROOMS[lesson.room]
    controls = room.controls(lesson.query)
    names = {control.name for control in controls}
    values, refused = _controls.read(controls, lesson.query)
    assert refused == []
    assert set(lesson.query) <= names | {"step", "speed", "hide"}
    hidden = set(lesson.query["hide"].split(","))
    assert hidden <= names | set(PARTS)
    assert names - hidden, "nothing is left to move"
    assert len(lesson.sentence) <= 110
    assert lesson.question.endswith("?")
    assert len(lesson.answer) <= 130
    assert len(lesson.notes) >= 3
    assert int(lesson.query.get("step", room.steps)) <= room.most
    assert room.python(values, room.steps)


# ---- in the browser


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with server() as address, chromium() as browser:
        yield Lab(browser, address)


# ---- docs/lab.md


def table() -> str:
    """The lessons as docs/lab.md has them."""
    rows = [f"| `{name}` | {it.room} | {it.sentence} |" for name, it in LESSONS.items()]
    return "\n".join(["| lesson | room | watch |", "| --- | --- | --- |", *rows])


TEXT = PAGE.read_text("utf-8")
CALLS = re.findall(r"^\$ toyflows lab ?(.*)$", TEXT, re.MULTILINE)


def rows(heading: str) -> list[list[str]]:
    """The first table under the heading, without its head."""
    part = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_page_has_the_lessons() -> None:
    """`python tests/test_lab_lessons.py` writes them."""
    assert table() in TEXT


def test_the_page_has_the_rooms_and_what_they_read() -> None:
    named = {cells[0].strip("`"): cells[2] for cells in rows("Rooms")}
    assert list(named) == list(ROOMS)
    for name, room in ROOMS.items():
        given: list[Mapping[str, str]] = [{}, {"show": "judge"}, {"target": "points"}]
        accepted = {s for q in given for c in room.controls(q) for s in getattr(c, "accept", ())}
        assert set(re.findall(r"\.[a-z]{3,4}\b", named[name])) == accepted, name


def test_the_page_has_the_keys_the_tools_and_the_parts() -> None:
    script, html = (LAB / "page.js").read_text("utf-8"), (LAB / "page.html").read_text("utf-8")
    keys = re.search(r"const keys = \{(.*?)\}", script, re.DOTALL)
    assert keys is not None
    assert len(rows("Time and keys")) == html.count("<p><kbd>")
    for key, what in rows("Time and keys"):
        assert what in html, what
        for letter in re.findall(r"\b[A-Z]\b", key):
            assert re.search(rf"\b{letter.lower()}: ", keys[1]), letter
    others = ("lessons", "slow", "guess", "dark", "large", "help")
    buttons = [label for name, (label, _) in LABELS.items() if name not in others]
    assert [name for name, _ in rows("What you can save")] == buttons
    css = (LAB / "page.css").read_text("utf-8")
    assert set(re.findall(r"\.hide-(\w+)", css)) == set(PARTS)
    assert all(f"`{part}`" in TEXT for part in PARTS)


@cache
def listed() -> str:
    done = CliRunner().invoke(app, ["lab", "--list"])
    assert done.exit_code == 0
    return done.output


@pytest.mark.parametrize("words", CALLS)
def test_a_command_of_the_page_runs(words: str) -> None:
    if words == "--list":
        assert all(name in listed() for name in (*ROOMS, *LESSONS))
        return
    with server(*shlex.split(words)) as address, urllib.request.urlopen(address) as answer:
        assert answer.status == 200
        assert "toyflows" in answer.read().decode()


def test_notes_and_a_link_that_is_made(lab: Lab) -> None:
    """Notes in a second window; a lesson's link by boxes, without the address's grammar; and an
    unknown lesson is told."""
    with lab.open("/?lesson=ml-learns&walkers=100&step=5") as room:
        page = room.page
        with page.expect_popup() as opened:
            room.press("n")
        notes = opened.value
        for line in LESSONS["ml-learns"].notes:
            notes.get_by_text(line, exact=True).wait_for()
        notes.close()
        room.act("make")
        for name in ("separation", "header"):
            page.locator(f"#hideable input[value={name}]").check()
        link = str(page.locator("#made").get_attribute("href"))
        page.locator("#made").wait_for()
    with lab.open(link.removeprefix(str(lab.address))) as room:
        assert not room.page.locator("header").is_visible()
        assert "separation" in room.query
    with lab.open("/two-modes?lesson=ml-lerns&walkers=100&step=5") as room:
        assert "did you mean ml-learns" in room.status


def test_the_link_of_the_page_opens(lab: Lab) -> None:
    link = re.search(r"http://127.0.0.1:5006(/two-modes\S+)", TEXT)
    assert link is not None
    with lab.open(link[1]) as room:
        assert room.status == ""
        assert not room.page.locator("header").is_visible()


def test_the_python_of_the_page_runs() -> None:
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert code is not None
    more = "assert room.values['p.k'] == 10\nassert 'toyflows.flow' in room.python()"
    done = subprocess.run(
        [sys.executable, "-c", code[1] + more], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    made = re.sub(r"(by tests/test_lab_lessons\.py -->\n).*?(<!-- end -->)",
                  lambda m: m[1] + table() + "\n" + m[2], TEXT, flags=re.DOTALL)  # fmt: skip
    PAGE.write_text(made, encoding="utf-8")
