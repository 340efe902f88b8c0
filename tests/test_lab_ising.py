"""The Ising room: its lattice is the library's, bit for bit, however the page came to it."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import lab_scenes
import numpy as np
import pytest
from lab_browser import Lab, Room, chromium, server
from lab_scenes import job, same
from typer.testing import CliRunner

from toyflows.cli.main import app
from toyflows.errors import InputError
from toyflows.lab import _controls, _lattice_track
from toyflows.lab._job import Cancelled
from toyflows.lab._lattice_track import PLACES, TRACKS, first, track
from toyflows.lab.rooms.ising import IsingRoom, pixels
from toyflows.lattice import ising_exact
from toyflows.lattice.ising import Ising
from toyflows.lattice.ising_chain import run
from toyflows.lattice.ising_exact import T_c, onsager_curve
from toyflows.lattice.ising_observables import estimates

pytestmark = pytest.mark.browser

ROOM = IsingRoom()
values_of = partial(lab_scenes.values_of, ROOM)
scene_at = partial(lab_scenes.scene_at, ROOM)
SETTINGS: list[dict[str, str]] = [
    {"L": "32"},
    {"L": "16", "T": "2.269185314", "sampler": "heat-bath", "start": "half", "burn": "0"},
    {"L": "64", "T": "1.7", "h": "-0.13", "start": "cold", "burn": "50", "seed": "7"},
    {"L": "32", "T": "2.3", "sampler": "wolff", "start": "hot", "burn": "50", "seed": "1"},
    {"L": "16", "T": "1.9", "sampler": "wolff", "start": "cold", "burn": "0", "seed": "2"},
]


@pytest.fixture(autouse=True)
def _forget() -> None:
    _lattice_track._tracks.clear()


# ---- the lattice


@pytest.mark.parametrize("query", SETTINGS, ids=str)
def test_the_lattice_is_the_librarys(query: dict[str, str]) -> None:
    """Spins, M and E of every sweep of `run` with this seed, start and burn-in."""
    values = values_of(query)
    model = Ising(int(values["L"]), values["T"], values.get("h", 0.0))
    sampler, seed, burn = values["sampler"], values["seed"], values["burn"]
    scene = scene_at(query, 3, burn + 58)
    start = first(values["start"], model.L, seed)
    record = run(model, sampler, 61, burn, seed, start=start)
    mine = scene.track.record(scene.step, scene.place.spins)
    assert np.array_equal(record.spins, scene.place.spins)
    assert np.array_equal(record.M, mine.M)
    assert np.array_equal(record.E, mine.E)
    frame, known = scene.frame(), estimates(record)
    assert frame["measured"]
    for name, e in (("m", known["magnetisation"]), ("e", known["energy"])):
        assert frame[f"{name}_mean"] == e.value
        assert frame[f"{name}_error"] == (e.believed or 0.0)
        assert frame[f"{name}_tau"] == e.τ
    assert frame["e_now"] == pytest.approx(model.energy(scene.place.spins) / model.N, abs=1e-13)


@pytest.mark.parametrize("query", SETTINGS, ids=str)
def test_a_frame_is_a_function_of_settings_and_step(query: dict[str, str]) -> None:
    """Also where it was computed afresh, or from what another visitor has left."""
    ahead = scene_at(query, 260)
    back = scene_at(query, 30, 101)
    _lattice_track._tracks.clear()
    fresh = scene_at(query, 131)
    assert same(back.frame(), fresh.frame())
    back.advance(129, job())
    assert same(back.frame(), ahead.frame())
    assert not same(back.frame(), fresh.frame())


def test_starts() -> None:
    assert first("cold", 16, 0).sum() == 256
    half = first("half", 16, 0)
    assert half.sum() == 0
    assert np.all(half[:, :8] == 1)
    hot = first("hot", 64, 3)
    assert np.array_equal(hot, first("hot", 64, 3))
    assert not np.array_equal(hot, first("hot", 64, 4))
    # 6 standard deviations of 4096 coins: fails once in 5e8 seeds
    assert abs(int(hot.sum())) < 6 * 64


def test_a_track_is_bounded_and_shared() -> None:
    for k in range(TRACKS + 3):
        scene = scene_at({"L": "16", "seed": str(k)}, 700)
        assert len(scene.track.places) <= PLACES
        sweeps = [place.sweep for place in scene.track.places]
        assert sweeps == list(range(0, sweeps[-1] + 1, scene.track.apart))
        assert 700 - sweeps[-1] < scene.track.apart <= 2 * 700 / PLACES  # none is far to go back
    assert len(_lattice_track._tracks) == TRACKS
    again = scene_at({"L": "16", "seed": str(TRACKS + 2)}, 1)
    assert again.track is scene.track
    largest = sum(place.spins.nbytes for place in scene.track.places)
    assert largest <= PLACES * 16 * 16 // 8
    assert len(track(Ising(512, 2.0), "metropolis", "cold", 0, 0).places[0].spins) == 512**2 // 8


def test_visitors_of_one_setting_do_not_disturb_each_other() -> None:
    alone = {n: scene_at(SETTINGS[3], n).frame() for n in (40, 90, 170)}
    _lattice_track._tracks.clear()
    found: dict[int, Any] = {}

    def visit(n: int) -> None:
        with np.errstate(all="raise"):
            found[n] = scene_at(SETTINGS[3], 11, n - 11).frame()

    threads = [threading.Thread(target=visit, args=(n,)) for n in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(alone[n], found[n]) for n in alone)


def test_work_is_given_up_when_nobody_waits() -> None:
    scene, gone = scene_at({"L": "512"}), job()
    gone.cancelled = True
    with pytest.raises(Cancelled):
        scene.advance(1000, gone)
    assert scene.step == 0


# ---- what is said of it


def test_what_is_exact_is_exact() -> None:
    frame = scene_at({"L": "64", "T": "2.1"}, 5).frame()
    assert frame["m_exact"] == ising_exact.onsager_magnetisation(2.1)
    assert frame["e_exact"] == ising_exact.torus(64, 2.1)[0]
    T, m = onsager_curve()
    assert m[0] == pytest.approx(1, abs=1e-6)
    assert (m[T_c <= T] == 0).all()
    assert np.all(np.diff(m[T_c >= T]) <= 0)
    # (1 − sinh^−4)^{1/8} falls as ((T_c − T) 8√2/T_c²)^{1/8}: the last points are that close
    near = (T_c > T) & (T_c - 1e-4 < T)
    law = ((T_c - T[near]) * 8 * np.sqrt(2) / T_c**2) ** 0.125
    assert m[near] == pytest.approx(law, rel=1e-3)


def test_the_error_bar_holds_the_exact_energy() -> None:
    """Kaufman's energy of this lattice is within 5 standard errors of 2000 sweeps (a false alarm in
    2 million); a temperature that is 0.05 off is seen as more than 10."""
    frame = scene_at({"L": "64", "T": "3", "start": "cold", "burn": "200"}, 2200).frame()
    away = abs(frame["e_mean"] - frame["e_exact"]) / frame["e_error"]
    assert away < 5
    assert abs(frame["e_mean"] - ising_exact.torus(64, 3.05)[0]) > 10 * frame["e_error"]


@pytest.mark.parametrize(
    ("query", "step", "words"),
    [({"T": "1.8", "start": "cold"}, 100, "Below T_c: magnetised"),
     ({"T": "1.8", "start": "half"}, 100, "two phases share"),
     ({"T": "2.27", "sampler": "wolff", "burn": "0"}, 30, "At T_c"),
     ({"T": "3"}, 100, "Above T_c"),
     ({"T": "1.5", "start": "cold", "h": "-0.05"}, 60, "Against the field"),
     ({"T": "2.5", "start": "cold", "h": "-0.5"}, 60, "The field has its way: m = −")],
    ids=str,
)  # fmt: skip
def test_words(query: dict[str, str], step: int, words: str) -> None:
    frame = scene_at({"L": "64", **query}, step).frame()
    assert words in frame["message"]
    assert len(frame["message"]) <= 75
    json.dumps({k: v for k, v in frame.items() if not isinstance(v, np.ndarray)}, allow_nan=False)
    assert sum(np.asarray(v).nbytes for v in frame.values()) < 100_000


def test_pixels_count_spins() -> None:
    s = first("hot", 512, 0)
    assert pixels(s).shape == (256, 256)
    assert pixels(s)[3, 5] == (s[6:8, 10:12] > 0).sum()
    assert set(np.unique(pixels(first("hot", 256, 0)))) == {0, 4}


def test_measuring_waits_for_the_burn_in() -> None:
    assert not scene_at({"L": "16", "burn": "100"}, 119).frame()["measured"]
    scene = scene_at({"L": "16", "burn": "100"}, 120)
    assert scene.frame()["measured"]
    assert scene.frame()["note"].startswith("sweeps: only 18 of 20 changed anything")


# ---- links, lines, commands


@pytest.mark.parametrize("query", SETTINGS, ids=str)
def test_a_link_restores_the_setting(query: dict[str, str]) -> None:
    values = values_of(query)
    again = dict(parse_qsl(_controls.write(ROOM.controls(query), values)))
    assert _controls.read(ROOM.controls(again), again) == (values, [])


@pytest.mark.parametrize("query", SETTINGS, ids=str)
@pytest.mark.parametrize("step", [0, 9, 50, 133])
def test_the_copied_lines_compute_what_is_seen(query: dict[str, str], step: int) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(ROOM.python(values_of(query), step), {})
    first_line, *rest = out.getvalue().splitlines()
    m, e = map(float, first_line.split())
    frame = scene_at(query, step).frame()
    assert (m if query.get("h") else abs(m)) == frame["m_now"]
    assert e == pytest.approx(frame["e_now"], abs=1e-12)
    assert bool(rest) == bool(frame["measured"])
    if rest:
        assert f"value={frame['m_mean']!r}" in rest[0].replace("np.float64(", "").replace(")", "")


@pytest.mark.parametrize("query", SETTINGS, ids=str)
def test_the_copied_command_computes_what_is_seen(query: dict[str, str]) -> None:
    values = values_of(query)
    step = values["burn"] + 64
    command = ROOM.command(values, step)
    assert (command is None) == (values["start"] != "cold")
    assert ROOM.command(values, values["burn"] + 9) is None
    if command is None:
        return
    done = CliRunner().invoke(app, [*shlex.split(command)[1:], "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["temperatures"][0]["observables"]
    frame = scene_at(query, step).frame()
    assert found["magnetisation"]["value"] == frame["m_mean"]
    assert (found["magnetisation"]["error"] or 0.0) == frame["m_error"]
    assert found["energy"]["value"] == frame["e_mean"]


def test_bounds() -> None:
    for bad in ({"T": "0.4"}, {"T": "nan"}, {"L": "31"}, {"sampler": "x"}, {"burn": "5001"}):
        _, refused = _controls.read(ROOM.controls(bad), bad)
        assert len(refused) == 1
    assert "h" not in {c.name for c in ROOM.controls({"sampler": "wolff", "h": "1"})}
    with pytest.raises(InputError):
        track(Ising(16, 2.0, 0.1), "wolff", "cold", 0, 0)
    assert ROOM.most == _lattice_track.MOST


# ---- in a browser


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with server() as address, chromium() as browser:
        yield Lab(browser, address)


def numbers(query: Mapping[str, str], step: int) -> dict[str, Any]:
    """What is shown, but for the pictures."""
    frame = scene_at(query, step).frame()
    return {k: v for k, v in frame.items() if isinstance(v, int | float | str)}


def shows(room: Room, query: Mapping[str, str], step: int) -> None:
    """The page shows what is computed here."""
    expected = numbers(query, step) | {"step": step, "whole": True}
    room.until(lambda s: s == expected)


def test_the_page_shows_the_librarys_lattice(lab: Lab) -> None:
    links = [""]

    def linked(s: dict[str, Any]) -> bool:
        links[0] = room.query
        return f"step={s['step']}" in links[0].split("&")

    with lab.open("/ising?L=32&step=150&seed=4&speed=25") as room:
        query = {"L": "32", "seed": "4"}
        shows(room, query, 150)
        room.set(T=1.4, start="cold")
        query |= {"T": "1.4", "start": "cold"}
        shows(room, query, 150)
        room.act("step")
        shows(room, query, 151)
        room.press("Space")
        room.until(lambda s: s["step"] > 220)
        room.press("Space")
        seen = room.until(linked)
        assert seen.items() >= numbers(query, seen["step"]).items()
        room.act("reset")
        shows(room, query, 0)
        room.set(sampler="wolff")
        shows(room, {**query, "sampler": "wolff"}, 0)
        room.until(lambda s: "sampler=wolff" in room.query and "&h=" not in room.query)
    with lab.open(f"/ising?{links[0]}") as again:
        assert again.seen == seen
