"""The page of the laboratory in a real browser: hands, keys, links, what is copied and saved."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest
from lab_browser import Lab, Room, chromium, server
from PIL import Image
from typer.testing import CliRunner

from toyflows.cli.main import app
from toyflows.lab._look import DARK, LIGHT

pytestmark = pytest.mark.browser

SMALL = "/two-modes?walkers=1000&seed=3"
CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"]}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with server("--threads", "1") as address, chromium() as browser:
        yield Lab(browser, address)


def paste(room: Room, what: str) -> str:
    """What the button puts on the clipboard."""
    room.page.locator(f"text={what}").first.click()
    room.page.wait_for_function("document.getElementById('status').textContent.includes('copied')")
    text: str = room.page.evaluate("navigator.clipboard.readText()")
    return text


# ---- sliders

DRAG = """async ([name, enough]) => {
  const model = Bokeh.documents[0].get_model_by_name(name), { wire, state } = window.toyflows
  const seen = [], pause = () => new Promise((done) => setTimeout(done, 10))
  wire.connect(wire.properties.sent.change, () => seen.push(state()))
  const limit = performance.now() + 60000
  let k = 0
  while (new Set(seen.map((s) => s.θ_star)).size < enough && performance.now() < limit) {
    model.value = ++k / 1000
    await pause()
  }
  const moved = seen.length
  const there = () => !wire.busy && seen.length && seen.at(-1).θ_star === k / 1000
  while (!there() && performance.now() < limit) await pause()
  return { last: k / 1000, moved, seen }
}"""


def test_while_a_slider_is_dragged_the_picture_moves_and_the_last_value_wins(lab: Lab) -> None:
    """The hand goes on until six of its values were answered: a page that answers only when the
    hand rests never ends the drag."""
    with lab.open(f"{SMALL}&step=40") as room:
        went = room.page.evaluate(DRAG, ["theta_star", 6])
        stars = [s["θ_star"] for s in went["seen"]]
        assert went["moved"] >= 6
        assert stars == sorted(stars)  # an old answer never comes after a new one
        assert stars[-1] == went["last"] == float(parse_qs(room.query)["theta_star"][0])
        assert went["last"] >= 0.006
        seen, link = room.until(lambda s: s["whole"]), room.query
    with lab.open(f"/two-modes?{link}") as again:
        assert again.seen == seen


def test_a_value_that_is_dragged_stays_where_the_hand_put_it(lab: Lab) -> None:
    """Whole numbers on a slider of decades: the page must not push the handle."""
    with lab.open(f"{SMALL}&step=5") as room:
        room.set(walkers=3.7001)
        room.until(lambda s: s["whole"] and "walkers=5013" in room.query)
        assert room.widget("walkers", "value") == 3.7001


# ---- a cold visit


def test_a_cold_visit_is_small_and_its_words_come_first(lab: Lab) -> None:
    """What goes over the wire: Bokeh's scripts, compressed (454 kB), and a page of a few kB. What
    follows is compressed. The lesson and the equation are read before the scripts are there."""
    visit = lab.browser.new_context()
    page = visit.new_page()
    line = visit.new_cdp_session(page)
    line.send("Network.enable")
    sizes: list[int] = []
    packed: list[str] = []
    held: list[Any] = []
    line.on("Network.loadingFinished", lambda e: sizes.append(int(e["encodedDataLength"])))
    line.on("Network.webSocketHandshakeResponseReceived",
            lambda e: packed.append(str(e["response"]["headers"])))  # fmt: skip
    page.route("**/*.js*", lambda request: held.append(request))
    page.goto(f"{lab.address}/?lesson=ml-learns&walkers=100&step=5", wait_until="commit")
    for words in ("#question", "#equation math", "#coming"):
        page.locator(words).first.wait_for()
    assert len(held) == 2
    for request in held:
        request.continue_()
    Room(page).until(lambda seen: seen.get("whole", False))
    assert page.locator("#coming").count() == 0
    assert 400_000 < sum(sizes) < 600_000
    assert "permessage-deflate" in packed[0]
    visit.close()


# ---- the address


def test_what_an_address_says_wrongly_is_told_and_the_rest_holds(lab: Lab) -> None:
    bad = (
        "theta_star=nan&theta0=1e999&method=pcdd&dt=&seed=%D9%A3&speed=0&walkers=1000&step=9999999"
    )
    with lab.open(f"/two-modes?{bad}&separation=6") as room:
        for name in ("theta_star", "theta0", "method", "seed", "speed", "step"):
            assert f"{name} = " in room.status, name
        assert "did you mean pcd" in room.status
        assert room.page.locator("#status.bad").count() == 1
        query = {name: values[0] for name, values in parse_qs(room.query).items()}
        assert (query["theta_star"], query["theta0"], query["method"]) == ("1.4", "0", "pcd")
        assert (query["walkers"], query["separation"], query["step"]) == ("1000", "6", "600")


def test_back_forward_reload_and_two_tabs(lab: Lab) -> None:
    """Each shows what the address says, and two tabs are two visitors."""
    with lab.open(f"{SMALL}&step=10") as room:
        page = room.page
        room.set(theta_star=0.7)
        here = room.until(lambda s: s["θ_star"] == 0.7 and s["whole"])
        with page.expect_navigation():
            page.locator("nav a", has_text="Hopfield").click()
        there = room.until(lambda s: s.get("whole", False))
        assert "overlap" in there
        for turn, shown in (
            (page.go_back, here), (page.reload, here), (page.go_forward, there),
            (page.reload, there), (page.go_back, here),
        ):  # fmt: skip
            turn()
            assert room.until(lambda s: s.get("whole", False)) == shown
        other = Room(page.context.new_page())
        other.page.goto(page.url)
        assert other.until(lambda s: s.get("whole", False)) == here
        other.set(theta_star=-1)
        other.until(lambda s: s["θ_star"] == -1 and s["whole"])
        room.act("step")
        assert room.until(lambda s: s["step"] == 11 and s["whole"])["θ_star"] == 0.7


def test_hidden_is_what_the_address_hides(lab: Lab) -> None:
    with lab.open(f"{SMALL}&step=2&hide=theta0,dt,header,film,transport") as room:
        page = room.page
        assert not page.locator("header").is_visible()
        assert not page.locator(".transport").is_visible()
        assert page.locator("aside").is_visible()
        shown = page.evaluate(
            "Bokeh.documents[0].get_model_by_name('controls').children.map((c) => c.name)"
        )
        assert "theta_star" in shown
        assert not {"theta0", "dt"} & set(shown)
        room.set(theta_star=0.5)  # what is hidden holds
        room.until(lambda s: s["θ_star"] == 0.5 and s["whole"])
        query = parse_qs(room.query)
        assert query["hide"] == ["theta0,dt,header,film,transport"]
        assert query["walkers"] == ["1000"]
    with lab.open(f"{SMALL}&step=2&hide=controls,film,data,%22%3E%3Cimg%20src=x%3E") as room:
        page = room.page
        assert not page.locator("aside").is_visible()
        assert page.locator("header").is_visible()
        assert page.locator("text=Copy link").is_visible()
        assert page.locator("button", has_text="Film").count() == 0
        assert page.locator("button", has_text="Data").count() == 0
        assert page.locator("img").count() == 0


# ---- time


def test_play_pause_step_scrub_and_reset(lab: Lab) -> None:
    with lab.open(f"{SMALL}&step=10&speed=2") as room:
        start = room.seen
        room.page.locator("button", has_text="Play").click()
        room.until(lambda s: s["step"] >= 20)
        paused = room.pause()
        assert f"&step={paused['step']}&" in room.query
        assert paused["step"] % 2 == 0  # two steps a frame, from ten on
        room.page.locator("button", has_text="One step").click()
        after = room.until(lambda s: s["step"] != paused["step"])
        assert after["step"] == paused["step"] + 1
        room.scrub(10)
        assert room.until(lambda s: s["step"] == 10 and s["whole"]) == start
        room.scrub(after["step"])
        assert room.until(lambda s: s["step"] == after["step"] and s["whole"]) == after
        room.page.locator("button", has_text="Reset").click()
        assert room.until(lambda s: s["step"] == 0 and s["whole"])["one.walkers"] == 0
        room.act("faster")
        room.page.wait_for_function("toyflows.wire.address.includes('speed=5')")
        room.act("slower")
        room.page.wait_for_function("toyflows.wire.address.includes('speed=2')")
    with lab.open(f"{SMALL}&step={after['step']}") as again:  # at one go
        assert {**again.seen} == after


def test_the_end_of_time_stops_and_playing_on_begins_anew(lab: Lab) -> None:
    end = "walkers=10&step=5990&speed=50&method=score-matching&dt=0.001"
    with lab.open(f"/two-modes?{end}") as room:
        room.act("play")
        room.until(lambda s: s["step"] == 6000 and s["whole"])
        room.page.locator("button", has_text="Play").wait_for()
        room.act("play")
        room.until(lambda s: s["step"] < 3000)
        room.act("reset")
        room.until(lambda s: s["step"] == 0 and s["whole"])


# ---- keys


def test_keys(lab: Lab) -> None:
    with lab.open(f"{SMALL}&step=10&speed=1") as room:
        page = room.page
        room.press(" ")
        step = room.pause("k")["step"]
        room.press("ArrowRight")
        room.until(lambda s: s["step"] == step + 1)
        room.press("ArrowLeft")
        room.until(lambda s: s["step"] == 0)
        room.press("ArrowUp")
        page.wait_for_function("toyflows.wire.address.includes('speed=2')")
        room.press("s")
        page.wait_for_function("toyflows.wire.address.includes('seed=4')")
        room.until(lambda s: s["whole"])
        room.press("c")
        page.locator("aside").wait_for(state="hidden")
        room.press("c")
        page.locator("aside").wait_for(state="visible")
        room.press("?")
        page.locator("#help").wait_for(state="visible")
        room.press("Escape")
        page.locator("#help").wait_for(state="hidden")
        room.press("m")
        page.locator("#lessons a").first.wait_for(state="visible")
        room.press("Escape")


def test_the_look_turns_while_the_page_plays_on(lab: Lab) -> None:
    """Dark and large, without a reload; the address has them, and so have the links."""
    with lab.open(f"{SMALL}&step=0&speed=1") as room:
        page = room.page
        page.evaluate("window.same = true")
        room.press(" ")
        for key, classes in (("d", "dark"), ("p", "dark large"), ("d", "large"), ("p", "")):
            before = room.seen["step"]
            room.press(key)
            room.until(lambda s, before=before: s["step"] > before + 1)
            assert page.locator("#page").get_attribute("class") == classes
        room.press("d")
        paper = page.wait_for_function(
            "toyflows.wire.address.includes('dark=1') && getComputedStyle(page).backgroundColor"
        )
        assert paper.json_value() == "rgb(17, 17, 17)"
        room.pause()
        assert page.evaluate("window.same")
        assert "dark=1" in str(page.locator("nav a").last.get_attribute("href"))


def test_keys_are_not_stolen_from_who_types_or_moves_a_handle(lab: Lab) -> None:
    with lab.open(f"{SMALL}&step=10") as room:
        page = room.page
        field = page.locator("input[type=text]").last
        field.click()
        for key in ("s", "r", "d", "?", "ArrowLeft", " "):
            room.press(key)
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type("17")
        room.press("Tab")
        page.wait_for_function("toyflows.wire.address.includes('seed=17')")
        assert room.until(lambda s: s["whole"])["step"] == 10
        page.locator(".noUi-handle").first.focus()
        room.press("ArrowRight")
        room.until(lambda s: s["θ_star"] == 1.5 and s["whole"])
        assert room.seen["step"] == 10
        room.press("ArrowLeft")
        room.until(lambda s: s["θ_star"] == 1.4 and s["whole"])
        assert room.seen["step"] == 10


# ---- what is copied and saved


def test_what_is_copied_gives_the_same_numbers(lab: Lab) -> None:
    with lab.open(f"{SMALL}&step=60&method=cd&p.k=3&theta_star=0.7", **CLIPBOARD) as room:
        seen = room.seen
        link, command, python = (paste(room, name) for name in ("Copy link", "CLI", "Python"))
        assert link == room.page.url
    names = ("theory", "grid", "walkers")
    shown = {name: seen[f"one.{name}"] for name in names if f"one.{name}" in seen}
    words = shlex.split(command)
    assert words[0] == "toyflows"
    told = CliRunner().invoke(app, [*words[1:], "--json"])
    backends = json.loads(told.stdout)["backends"]
    assert {name: path["theta"][-1] for name, path in backends.items()} == shown
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(python, {})
    assert out.getvalue().startswith(f"{shown}\n") or eval(out.getvalue().split("\n")[0]) == shown
    assert out.getvalue().split("\n")[1] == seen["one.says"]
    with lab.open(link.removeprefix(lab.address)) as again:
        assert again.seen == seen


def test_a_link_copied_while_it_plays_is_of_what_was_just_seen(lab: Lab) -> None:
    with lab.open(f"{SMALL}&step=10&speed=1") as room:
        room.act("play")
        room.page.wait_for_function("+/step=(\\d+)/.exec(location.search)[1] > 12")
        room.act("play")


def test_saved_data_are_what_is_seen(lab: Lab) -> None:
    with lab.open(f"{SMALL}&step=30&theta_star=0.7") as room:
        with room.page.expect_download() as kept:
            room.page.locator("button", has_text="Data").click()
        assert kept.value.suggested_filename == "two-modes.npz"
        with np.load(kept.value.path(), allow_pickle=False) as file:
            settings = json.loads(str(file["settings"]))
            assert settings["theta_star"] == 0.7
            assert (settings["room"], settings["step"], settings["seed"]) == ("two-modes", 30, 3)
            for name in ("walkers", "grid", "theory"):
                assert file[f"one.{name}_θ"][-1] == file[f"one.{name}"] == room.seen[f"one.{name}"]
                assert len(file[f"one.{name}_t"]) == 31
            assert file["one.bars"].sum() > 0


def test_a_large_file_reaches_the_visitor_whole(lab: Lab) -> None:
    """3 MB: more than a browser takes as an address."""
    content = np.random.default_rng(0).bytes(3 << 20)
    message = json.dumps({"name": "big.bin", "mime": "application/octet-stream",
                          "content": base64.b64encode(content).decode()})  # fmt: skip
    with lab.open(f"{SMALL}&step=1") as room:
        with room.page.expect_download() as kept:
            room.page.evaluate("message => { toyflows.wire.setv({file: message}) }", message)
        assert Path(kept.value.path()).read_bytes() == content


def near(picture: Any, colour: str) -> int:
    """How many pixels have this colour."""
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return int((np.abs(picture.astype(int) - wanted).max(axis=-1) <= 3).sum())


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_saved_picture_is_the_stage(lab: Lab, dark: bool) -> None:
    with lab.open(f"{SMALL}&step=300&dark={int(dark)}") as room:
        room.page.evaluate("document.fonts.ready")
        with room.page.expect_download() as kept:
            room.page.locator("button", has_text="Save picture").click()
        box = room.page.locator("#stage").bounding_box()
        assert box is not None
        with Image.open(kept.value.path()) as image:
            assert image.format == "PNG"
            picture = np.asarray(image.convert("RGB"))
    assert picture.shape[:2] == (round(box["height"]), round(box["width"]))
    look = DARK if dark else LIGHT
    for role in ("data", "exact", "walkers", "ink"):
        assert near(picture, look[role]) > 100, role
    assert near(picture, look["paper"]) > picture.shape[0] * picture.shape[1] / 3
    assert near(picture[:40], look["ink"]) > 100  # the message is in it


def test_the_saved_film_is_a_film(lab: Lab) -> None:
    with lab.open("/two-modes?walkers=100&step=4&separation=4") as room:
        room.page.set_default_timeout(120_000)
        with room.page.expect_download() as kept:
            room.act("film")
        with Image.open(kept.value.path()) as image:
            assert image.format == "GIF"
            assert getattr(image, "n_frames", 1) > 3
            image.seek(2)
            assert np.asarray(image.convert("RGB")).std() > 5
        assert "film saved" in room.status
        room.set(theta_star=0.5)
        room.until(lambda s: s["θ_star"] == 0.5 and s["whole"])


def test_a_wish_ends_the_film_and_is_answered(lab: Lab) -> None:
    with lab.open("/two-modes?walkers=100000&step=3000") as room:
        room.act("film")
        room.page.wait_for_function(
            "document.getElementById('status').textContent.includes('film')"
        )
        room.set(theta_star=0.5)
        room.set(walkers=2)
        room.until(lambda s: s["θ_star"] == 0.5 and s["whole"])
        assert "film" not in room.status
        room.act("film")  # in the middle of an answer: that comes after the film, or instead
        room.set(theta_star=0.6)
        room.until(lambda s: s["θ_star"] == 0.6 and s["whole"])


# ---- files that are opened


def open_file(room: Room, name: str, content: bytes) -> None:
    with room.page.expect_file_chooser() as chooser:
        room.page.locator("button", has_text="Open").first.click()
    file: Any = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    chooser.value.set_files(file)


def test_uploads_good_and_bad(lab: Lab) -> None:
    with lab.open("/noise") as room:
        before = room.query

        def refused(words: str) -> None:
            room.page.locator("#status.bad", has_text=words).wait_for()
            assert room.query == before
            room.page.evaluate("document.getElementById('status').textContent = ''")

        open_file(room, "program.py", b"print(1)")
        refused("must be")
        open_file(room, "large.csv", b"1,2\n" * (600 << 10))
        refused("MiB")
        noise = np.random.default_rng(0).bytes(5000)
        open_file(room, "noise.csv", noise)
        refused("")
        sent = {"name": "points", "file": "x.csv", "suffix": ".csv"}
        for content, words in (
            ("MSwyCjM", "could not be read"),  # cut off
            ("é", "could not be read"),
            (7, "could not be read"),
            (base64.b64encode(b"1,2\n" * (600 << 10)).decode(), "must be at most 2 MiB"),
        ):
            room.upload({**sent, "content": content})
            refused(words)
        good = base64.b64encode(b"1,2\n3,4\n5,1\n").decode()
        for wrong in ({"suffix": ".exe"}, {"name": "seed"}, {"name": "nobody"}, {"suffix": None}):
            room.upload({**sent, "content": good, **wrong})
            refused("")
        for garbage in ("[", "[]", "null", "[" * 5000, "{}"):
            room.upload(garbage)
            refused("could not be read")
        points = np.random.default_rng(1).normal(size=(60, 2))
        csv = "\n".join(f"{x:.4f},{y:.4f}" for x, y in points)
        open_file(room, "points.csv", csv.encode())
        room.page.wait_for_function("/points=[^&]/.test(toyflows.wire.address)")
        room.until(lambda s: s["whole"])
        assert room.query != before
        assert not room.page.locator("#status.bad").count()
