"""The Hopfield room: one unit at a time between the library's sweeps, words, drawings, links."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import shlex
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import lab_scenes
import numpy as np
import pytest
from lab_browser import Lab, Room, chromium, server
from lab_scenes import job, same
from PIL import Image
from typer.testing import CliRunner

from toyflows.cli.main import app
from toyflows.errors import InputError
from toyflows.images import glyphs
from toyflows.lab import _controls
from toyflows.lab import _memories as memories
from toyflows.lab._recall import Recall, after, described, mixture, order_of
from toyflows.lab.rooms.hopfield import HopfieldRoom, setting
from toyflows.lattice import hopfield, patterns

pytestmark = pytest.mark.browser

ROOM = HopfieldRoom()
values_of = partial(lab_scenes.values_of, ROOM)
scene_at = partial(lab_scenes.scene_at, ROOM)
LETTERS = patterns.load(["letters"])
SETTINGS: list[dict[str, str]] = [
    {},
    {"letter": "M", "flips": "24", "seed": "3", "order": "sequential"},
    {"letter": "what is drawn", "drawing": "1x5-AfgQhA", "T": "0.5", "seed": "11"},
    {"letter": "coins", "rule": "gradient", "order": "synchronous", "seed": "2"},
    {"patterns": "cities", "rule": "gradient", "city": "tokyo--------japan", "flips": "10"},
    {"patterns": "cities", "order": "synchronous", "unknown": "4", "T": "0.3"},
    {"patterns": "glyphs", "count": "3", "glyph": "Q", "rule": "gradient"},
    {"patterns": "drawn", "side": "5", "stored": "2x5-AfgQhAfgQg", "memory": "2", "flips": "8"},
]


# ---- one unit at a time


@pytest.mark.parametrize("update", hopfield.UPDATES)
@pytest.mark.parametrize("T", [0.0, 6.0])
@pytest.mark.parametrize("rule", [hopfield.hebb, hopfield.gradient_rule])
def test_whole_sweeps_are_the_librarys(rule: Any, T: float, update: str) -> None:
    """Bit for bit, and each update between them changes no unit but the announced one."""
    net = rule(LETTERS.x)
    N = LETTERS.x.shape[1]
    for seed in range(6):
        s = LETTERS.x[seed % 4].copy()
        s[np.random.default_rng(seed).permutation(N)[:7]] *= -1
        path = net.path(s, update, seed, T, 6)
        whole = 1 if update == "synchronous" else N
        for k, state in enumerate(path.states):
            assert np.array_equal(after(net, s, k * whole, update, seed, T), state)
        one, states = Recall(net, s, update, seed, T), [s]
        for _ in range(3 * N):
            unit = one.unit
            one.advance(1)
            moved = np.flatnonzero(one.state != states[-1])
            assert update == "synchronous" or set(moved) <= {unit}
            states.append(one.state)
        assert one.energies == pytest.approx(net.energy(np.array(states)), rel=1e-12)
        if T == 0 and update != "synchronous":
            assert np.all(np.diff(one.energies) <= 1e-9)


def test_every_update_is_the_rule() -> None:
    """At T = 0 the unit takes the sign of its activation in the state that it finds."""
    net, s = hopfield.gradient_rule(LETTERS.x), LETTERS.start("C")
    s[np.random.default_rng(5).permutation(25)[:9]] *= -1
    path = Recall(net, s, "asynchronous", seed=4)
    for _ in range(60):
        before, unit = path.state, path.unit
        path.advance(1)
        if unit >= 0:
            assert path.state[unit] == np.sign(net.activations(before)[unit])
    assert path.rests()
    assert path.unit == -1


def test_orders_are_permutations_and_new_each_sweep() -> None:
    orders = [order_of(sweep, 25, seed=1) for sweep in range(50)]
    assert all(np.array_equal(np.sort(order), np.arange(25)) for order in orders)
    assert len({tuple(order) for order in orders}) == 50
    assert np.array_equal(order_of(3, 25, 1, "sequential"), np.arange(25))


# ---- the scene


@pytest.mark.parametrize("query", SETTINGS, ids=str)
def test_a_frame_is_a_function_of_settings_and_step(query: dict[str, str]) -> None:
    for a, b in ((0, 1), (13, 24), (130, 7), (1, 300)):
        assert same(scene_at(query, a, b).frame(), scene_at(query, a + b).frame())
    assert scene_at(query, 5).step == 5


@pytest.mark.parametrize("query", SETTINGS, ids=str)
def test_a_link_restores_the_setting_and_the_seed_matters(query: dict[str, str]) -> None:
    values = values_of(query)
    text = _controls.write(ROOM.controls(query), values)
    again, refused = _controls.read(ROOM.controls(dict(parse_qsl(text))), dict(parse_qsl(text)))
    assert (again, refused) == (values, [])
    assert len(text) < 1500
    damaged = query | {"flips": "30"}
    starts = {tuple(setting(values_of(damaged | {"seed": str(k)}))[2]) for k in range(8)}
    assert len(starts) > 1


@pytest.mark.parametrize("query", SETTINGS, ids=str)
def test_the_copied_lines_compute_what_is_seen(query: dict[str, str]) -> None:
    for step in (0, 17, 150):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(ROOM.python(values_of(query), step), {})
        energy, m = out.getvalue().split(" ", 1)
        frame = scene_at(query, step).frame()
        assert float(energy) == pytest.approx(frame["energy"], rel=1e-12)
        assert json.loads(m) == frame["overlaps"].tolist()


@pytest.mark.parametrize("query", SETTINGS, ids=str)
def test_the_copied_command_computes_what_is_seen(query: dict[str, str]) -> None:
    """Its last sweep but what was cut off, from the same start to the same end."""
    values = values_of(query)
    command = ROOM.command(values, 3)
    if values["patterns"] in ("glyphs", "drawn"):
        assert command is None
        return
    N = 25 if values["patterns"] == "letters" else 126
    step = 3 if values["order"] == "synchronous" else 3 * N
    words = shlex.split(ROOM.command(values, step) or "")
    assert words[0] == "toyflows"
    done = CliRunner().invoke(app, [*words[1:], "--json"])
    assert done.exit_code == 0, done.output
    last = json.loads(done.stdout)["steps"][-1]
    frame = scene_at(query, step).frame()
    assert last["overlaps"] == frame["overlaps"].tolist()
    assert last["energy"] == pytest.approx(frame["energy"], rel=1e-12)


def test_frames_are_small_and_plain() -> None:
    for query in (*SETTINGS, {"patterns": "glyphs", "count": "26"}):
        frame = scene_at(query, 900).frame()
        assert sum(np.asarray(v).nbytes for v in frame.values()) < 60_000
        json.dumps({k: v for k, v in frame.items() if not isinstance(v, np.ndarray)})
        assert len(frame["message"]) <= 75
        assert len(frame["energies"]) <= 802
        assert frame["energies"][-1] == frame["energy"]
        assert frame["steps"][-1] == 900


def test_wrong_units_are_those_that_differ_from_the_nearest_memory() -> None:
    frame = scene_at({"letter": "J", "flips": "12"}, 0).frame()
    assert int(np.isin(frame["cells"], (2, 3)).sum()) == 3
    assert frame["overlaps"][1] == 1 - 2 * 3 / 25 == frame["overlap"]
    for share, wrong in ((1, 3), (37, 95), (49, 125)):
        half = scene_at({"patterns": "glyphs", "count": "1", "flips": str(share)}, 0).frame()
        assert half["overlap"] == 1 - 2 * wrong / 256
    inverse = scene_at({"letter": "J", "flips": "100"}, 0).frame()
    assert not np.isin(inverse["cells"], (2, 3)).any()
    assert inverse["overlap"] == -1
    unknown = scene_at({"patterns": "cities", "unknown": "3"}, 0).frame()
    assert int((unknown["cells"] == 4).sum()) == 21
    assert unknown["words"].endswith("rus???")


# ---- words


def test_words_say_where_it_rests() -> None:
    """Every state at rest of Hebb's net: each letter and inverse by name, the others as others."""
    net, x, names = hopfield.hebb(LETTERS.x), LETTERS.x, LETTERS.names
    said = []
    for s in net.rest_states():
        path = Recall(net, s, "asynchronous")
        assert path.rests()
        said.append(described(path, x, names))
    for name in names:
        assert said.count(f"At rest in {name}: overlap 1.00") == 1
        assert said.count(f"At rest in the inverse of {name}: overlap −1.00") == 1
    assert sum("nobody" in words for words in said) == len(said) - 8


def test_a_mixture_is_the_majority_of_three() -> None:
    x = np.where(np.random.default_rng(0).random((5, 64)) < 0.5, 1.0, -1.0)
    for three, signs in itertools.product(
        itertools.combinations(range(5), 3), ((1, 1, 1), (1, -1, 1))
    ):
        s = np.sign(np.array(signs) @ x[list(three)])
        assert dict(mixture(s, x)) == dict(zip(three, signs, strict=True))
    assert mixture(x[0], x) == ()


def test_all_at_once_a_pair_may_swap_for_ever() -> None:
    """W = [[0, −1], [−1, 0]]·(−1) swaps (1, −1) and (−1, 1); one at a time it rests."""
    net = hopfield.hebb(np.array([[1.0, 1.0]]))
    path = Recall(net, np.array([1.0, -1.0]), "synchronous")
    path.advance(4)
    assert path.cycle
    assert not path.rests()
    assert "Two states for ever" in described(path, np.array([[1.0, 1.0]]), ("a",))
    one = Recall(net, np.array([1.0, -1.0]), "asynchronous")
    one.advance(4)
    assert one.rests()


# ---- drawings and files


def test_drawings_come_back_from_their_text() -> None:
    rng = np.random.default_rng(0)
    for k, side in itertools.product((1, 6), (5, 11, 16)):
        x = rng.random((k, side, side)) < 0.5
        text = memories.write_drawing(x)
        assert np.array_equal(memories.read_drawing(text, "stored"), x)
        control = next(c for c in ROOM.controls({"patterns": "drawn"}) if c.name == "stored")
        assert control.read(text) == text
        assert np.array_equal(memories.fitted(memories.fitted(x, 3 * side), side), x)
    for bad in ("x", "7x5-AAAA", "1x17-AAAA", "2x5-AfgQhA", "1x5-AfgQh", "0x5-", "1x5-AfgQhB"):
        with pytest.raises(InputError):
            memories.read_drawing(bad, "stored")


def test_nothing_stored_and_nothing_drawn_is_at_rest() -> None:
    frame = scene_at({"patterns": "drawn"}, 40).frame()
    assert frame["nearest"] == -1
    assert frame["energy"] == 0
    assert frame["places"] == 6
    assert "Nothing is stored" in frame["message"]
    assert not frame["cells"].any()
    for rule in ("hebb", "gradient"):
        scene_at({"patterns": "drawn", "rule": rule, "T": "1"}, 40).frame()


def test_printed_capitals_fit_and_the_gradient_rule_holds_all() -> None:
    every = memories.printed()
    assert every.x.shape == (26, 256)
    assert set(np.unique(every.x)) == {-1.0, 1.0}
    for letter in every.names:  # nothing is cut off
        rim = glyphs.master(letter, memories.FONT)
        rim[16:112, 16:112] = 0
        assert not rim.any()
    held = {rule: scene_at({"patterns": "glyphs", "count": "26", "rule": rule}, 0).frame()["note"]
            for rule in ("hebb", "gradient")}  # fmt: skip
    assert held["gradient"].startswith("26 of 26")
    assert held["hebb"].startswith("0 of 26")


def png(x: np.ndarray, **how: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(x).save(file, **({"format": "PNG"} | how))
    return file.getvalue()


def test_a_picture_becomes_the_drawing() -> None:
    x = memories.printed().x[17].reshape(16, 16) > 0
    large = np.kron(x, np.ones((8, 8), bool))
    for grey in (np.where(large, 0, 255), np.where(large, 250, 30)):  # dark on light, and back
        for kind in ("PNG", "BMP", "TIFF"):
            content = png(grey.astype(np.uint8), format=kind)
            values = ROOM.of_file("drawing", f".{kind.lower()}", content)
            assert np.array_equal(memories.read_drawing(values["drawing"], "drawing")[0], x)
    frame = scene_at({"patterns": "glyphs", "glyph": values["glyph"], "count": "20",
                      "drawing": values["drawing"], "flips": "0"}, 0).frame()  # fmt: skip
    assert frame["overlap"] == 1
    assert frame["names"][frame["nearest"]] == "R"


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n", b"GIF89a" + bytes(40), png(np.zeros((9, 9), np.uint8)),
     png(np.zeros((2, 5000), np.uint8)), png(np.eye(40, dtype=np.uint8) * 255)[:-30]],
    ids=["empty", "head", "gif", "flat", "large", "cut"],
)  # fmt: skip
def test_bad_files_are_refused_in_a_line(content: bytes) -> None:
    with pytest.raises(InputError) as error:
        ROOM.of_file("drawing", ".png", content)
    assert "\n" not in str(error.value)
    assert error.value.name == "drawing"


def test_work_is_given_up_when_nobody_waits() -> None:
    from toyflows.lab._job import Cancelled

    gone = job()
    gone.cancelled = True
    with pytest.raises(Cancelled):
        scene_at({}).advance(30, gone)
    with pytest.raises(Cancelled):
        ROOM.start(values_of({"patterns": "glyphs", "count": "7", "rule": "gradient"}), gone)


# ---- in a browser


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with server() as address, chromium() as browser:
        yield Lab(browser, address)


# Where a place of a figure is on the screen.
AT = """([name, x, y]) => {
  const view = Bokeh.index.find_one(Bokeh.documents[0].get_model_by_name(name))
  const box = view.el.getBoundingClientRect(), {x_scale, y_scale} = view.frame
  return [box.left + x_scale.compute(x), box.top + y_scale.compute(y)]
}"""


def at(room: Room, name: str, x: float, y: float) -> tuple[float, float]:
    left, top = room.page.evaluate(AT, [name, x, y])
    return left, top


def seen_of(query: Mapping[str, str], step: int) -> dict[str, Any]:
    frame = scene_at(query, step).frame()
    return {k: v for k, v in frame.items() if isinstance(v, int | float | str)}


def shows(room: Room, query: Mapping[str, str], step: int) -> None:
    """The page shows what is computed here."""
    expected = seen_of(query, step) | {"step": step, "whole": True}
    room.until(lambda s: s == expected)


def test_the_page_falls_step_by_step(lab: Lab) -> None:
    with lab.open("/hopfield?letter=C&seed=5&speed=10") as room:
        shows(room, {"letter": "C", "seed": "5"}, 0)
        room.act("step")
        room.act("step")
        room.until(lambda s: s["step"] == 2)
        room.set(flips=24, order="sequential")
        query = {"letter": "C", "seed": "5", "flips": "24", "order": "sequential"}
        shows(room, query, 2)
        room.press("Space")
        room.until(lambda s: s["step"] > 40)
        room.press("Space")
        links = [""]

        def linked(s: dict[str, Any]) -> bool:
            links[0] = room.query
            return f"step={s['step']}" in links[0].split("&")

        seen = room.until(linked)
        assert seen["message"].startswith("At rest")
        assert seen["energy"] == scene_at(query, seen["step"]).frame()["energy"]
        room.act("reset")
        shows(room, query, 0)
    with lab.open(f"/hopfield?{links[0]}") as again:
        assert again.seen == seen


def test_the_audience_draws_stores_and_recalls(lab: Lab) -> None:
    """A stroke is drawn and stored, a second pattern too; one of its pixels is taken away, and the
    network gives it back; a memory tapped twice is forgotten."""
    with lab.open("/hopfield?patterns=drawn&side=6") as room:
        mouse = room.page.mouse
        mouse.move(*at(room, "state", 0.5, 5.5))
        mouse.down()
        mouse.move(*at(room, "state", 5.5, 0.5), steps=5)  # down the diagonal
        mouse.up()
        room.until(lambda s: "drawing" in room.query and "1x6" in room.query)
        first_memory = np.eye(6, dtype=bool)
        drawing = memories.write_drawing(first_memory[None])
        assert f"drawing={drawing}" in room.query
        mouse.click(*at(room, "memories", 0.5, -0.5))  # the first empty frame
        room.until(lambda s: s["stored"] == drawing and s["overlap"] == 1)
        mouse.click(*at(room, "state", 2.5, 3.5))  # inside: a pixel of the diagonal
        query = {"patterns": "drawn", "side": "6", "stored": drawing}
        damaged = first_memory.copy()
        damaged[2, 2] = False
        query["drawing"] = memories.write_drawing(damaged[None])
        shows(room, query, 0)
        room.act("step")
        for _ in range(5):
            room.act("faster")
        room.act("play")
        room.until(lambda s: s["message"] == "At rest in 1: overlap 1.00")
        room.act("play")
        mouse.dblclick(*at(room, "memories", 0.5, -0.5))
        room.until(lambda s: s["stored"] == "" and s["nearest"] == -1)


def test_a_picture_is_opened_and_a_bad_one_refused(lab: Lab, tmp_path: Path) -> None:
    x = memories.printed().x[4].reshape(16, 16) > 0
    good, bad = tmp_path / "e.png", tmp_path / "bad.png"
    good.write_bytes(png(np.where(np.kron(x, np.ones((8, 8))) > 0, 0, 255).astype(np.uint8)))
    bad.write_bytes(b"this is no picture")
    with lab.open("/hopfield?patterns=glyphs&count=8&rule=gradient") as room:
        before = room.seen
        for file in (bad, good):
            with room.page.expect_file_chooser() as chooser:
                room.page.get_by_role("button", name="Open a picture").click()
            chooser.value.set_files(str(file))
            if file == bad:
                room.page.wait_for_function("document.querySelector('#status').className == 'bad'")
                assert "is no picture" in room.status
                assert room.seen == before
        seen = room.until(lambda s: s["message"] == "At rest in E: overlap 1.00")
        assert seen["overlap"] == 1
