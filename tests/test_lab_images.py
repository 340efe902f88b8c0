"""Room 4: what is seen follows from the settings and the step, and is what the library computes."""

from __future__ import annotations

import dataclasses
import io
import itertools
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lab_browser import Lab, Room, chromium, server
from PIL import Image
from typer.testing import CliRunner

from toyflows.cli.main import app
from toyflows.diffusion import methods
from toyflows.diffusion import shipped as diffusion
from toyflows.diffusion.drawing import Plan, guided
from toyflows.diffusion.methods.base import Model
from toyflows.errors import InputError
from toyflows.images import detection, glyphs, shipped, uses
from toyflows.lab import _controls, _images_canvas
from toyflows.lab import _images_models as models
from toyflows.lab._images_axis import Axis, sides
from toyflows.lab._images_chains import Chains, Memory
from toyflows.lab._images_denoising import Denoising
from toyflows.lab._images_judge import Judge, Verdict
from toyflows.lab._images_langevin import Langevin
from toyflows.lab._job import Cancelled
from toyflows.lab.rooms.images import ANY, ImagesRoom, walk
from toyflows.pictures import levels, pixels
from toyflows.seeds import stream

pytestmark = pytest.mark.browser

ROOM = ImagesRoom()


class Waiting:
    """A job that somebody waits for; after `patience` looks nobody does."""

    def __init__(self, patience: int = 1_000_000):
        self.looks, self.patience = 0, patience

    def check(self) -> None:
        self.looks += 1
        if self.looks > self.patience:
            raise Cancelled

    def tell(self, frame: Any) -> None: ...


def values(**given: Any) -> dict[str, Any]:
    """All values of an address with these settings; none of them may be refused."""
    query = {name: f"{value:d}" if isinstance(value, bool) else str(value)
             for name, value in given.items()}  # fmt: skip
    read, refused = _controls.read(ROOM.controls(query), query)
    assert not refused
    assert query.keys() <= read.keys()
    return read


def seen(step: int = 0, memory: Memory | None = None, **given: Any) -> Any:
    """The scene after so many steps."""
    v = values(**given)
    scene = Chains(walk(v), memory or Memory()) if "model" in v else ROOM.start(v, Waiting())
    scene.advance(step, Waiting())
    return scene


# ---- chains

WALKS: dict[str, Any] = {
    "ebm": Langevin("ebm28", seed=3),
    "hot jem of a class": Langevin("jem28", 5, pace=0.5, heat=30.0, seed=1),
    "ddim": Denoising("ddpm28", steps=9, seed=2),
    "ancestral, guided": Denoising("ddpm28", 4, 1.5, "ancestral", 9, 7),
}


@pytest.mark.parametrize("name", WALKS)
def test_a_way_in_pieces_is_the_way(name: str) -> None:
    """Bit for bit, across the marks, beyond the end of a diffusion, and from remembered states."""
    cut = {"ddim": (2, 5, 4), "ancestral, guided": (1, 8, 1)}.get(name, (33, 30, 4, 3))
    whole, parts = (Chains(WALKS[name], Memory()) for _ in range(2))
    whole.advance(sum(cut), Waiting())
    for steps in cut:
        parts.advance(steps, Waiting())
    again = Chains(WALKS[name], Memory(every=4))
    again.advance(sum(cut) + 9, Waiting())
    jumped = Chains(WALKS[name], again.memory)
    jumped.advance(sum(cut), Waiting())
    for other in (parts, jumped):
        assert other.step == whole.step
        assert np.array_equal(other.state.x, whole.state.x)
        assert other.state.marks == whole.state.marks
        assert np.array_equal(other.state.seen, whole.state.seen)
        a, b = other.frame(), whole.frame()
        assert all(np.array_equal(a[key], b[key]) for key in b)
    assert not np.array_equal(Chains(WALKS[name], Memory()).state.x, whole.state.x)


@pytest.mark.parametrize("name", ["ebm28", "ebm56", "jem28"])
def test_the_trained_numbers_are_the_trained_ones(name: str) -> None:
    """At pace = heat = 1 the chain is that of `toyflows sample`; h and T scale as named."""
    trained = models.model(name)[0].config.chain
    assert Langevin(name).chain(40) == dataclasses.replace(trained, steps=40)
    other = Langevin(name, pace=0.5, heat=9.0).chain(1)
    assert other.step == 0.5 * trained.step
    assert other.temperature == pytest.approx(9 * trained.temperature, rel=1e-12)


def test_energies_are_seen_where_the_marks_say() -> None:
    """Each number of the path is E of the library's chain of that length."""
    scene = seen(step=75, model="jem28", seed=11)
    model = shipped.load("jem28")
    state = scene.state
    assert state.marks == (*range(65), 68, 72)
    for k in (0, 1, 17, 72):
        chain = dataclasses.replace(model.config.chain, steps=k)
        x = uses.last(uses.Sampler(model.engine(), model.θ, chain, 11).from_noise(16, 28))
        E = uses.scores(model.engine(), model.θ, x)["energy"]
        assert np.array_equal(state.seen[state.marks.index(k)], E.astype(np.float32))


def test_heat_keeps_chains_above_the_letters() -> None:
    """At the trained temperature nearly all come down to them, at a thousand times that none."""
    cold, hot = (seen(step=256, model="ebm28", heat=heat).frame() for heat in (1, 1000))
    assert cold["among"] >= 12
    assert hot["among"] == 0
    assert hot["energy"] > 20 * cold["energy"]
    assert cold["message"] == f"Step 256: {cold['among']} of 16 chains have a letter's energy"
    assert hot["message"] == "Step 256: no chain has a letter's energy yet"


def test_a_class_is_drawn() -> None:
    """Chains of E(x|A), and a diffusion asked for R with guidance, are read as that."""
    assert seen(step=160, model="jem28", **{"class": "A"}).frame()["read"].count("A") >= 14
    drawn = seen(step=10, model="ddpm28", steps=10, w=1, **{"class": "R"}).frame()
    assert drawn["read"].count("R") >= 14
    assert drawn["message"] == "t = 0: no noise is left"


@pytest.mark.parametrize(("sampler", "letter", "w"), [("ancestral", ANY, 0), ("ddim", "g", 2.0)])
def test_a_diffusion_is_the_librarys(sampler: str, letter: str, w: float) -> None:
    """Every x_t of the way, bit for bit; and the guess is where one step of DDIM to t = 0 leads."""
    model = diffusion.load("ddpm28")
    label = None if letter == ANY else glyphs.CLASSES.index(letter)
    score = guided(model, label, w)
    path: list[Any] = []
    plan, rng = Plan(sampler, 5), stream(4, "sample")
    plan.draw(score, model.process, (16, 28, 28), rng, "float32", lambda *at: path.append(at))
    given = {"class": letter} | ({"w": w} if w else {})
    scene = seen(model="ddpm28", sampler=sampler, steps=5, seed=4, **given)
    for k, t, x in path:
        assert scene.step == k
        assert scene.frame()["t"] == t
        assert np.array_equal(scene.state.x, x)
        if t > 0:
            asked = Model(score, model.process, 0.0)
            end = methods.make("ddim").step(asked, x, t, 0.0, rng)
            assert np.allclose(scene.state.guess, np.clip(end, -1, 1), atol=2e-4)
        scene.advance(1, Waiting())


def test_guesses_begin_alike_and_end_apart() -> None:
    """At t = 1 nothing is known of the letter: guesses are nearer to the mean letter than nineteen
    of twenty letters are, and to each other; at the end they are letters."""
    scene = seen(model="ddpm28", steps=10)
    first = scene.frame()
    scene.advance(10, Waiting())
    last = scene.frame()
    assert first["far"][0].max() < first["band"][0]
    assert np.mean((last["far"][-1] > last["band"][0]) & (last["far"][-1] < last["band"][1])) > 0.5
    assert last["distance"] > 1.5 * first["distance"]


@pytest.mark.parametrize("name", WALKS)
def test_work_that_nobody_waits_for_stops(name: str) -> None:
    """It is looked at least every 8 steps (8 × 4 ms of the largest energy), and then ends."""
    scene = Chains(WALKS[name], Memory())
    with pytest.raises(Cancelled):
        scene.advance(400, Waiting(patience=3))
    assert scene.step <= 3 * 8
    job, at = Waiting(), Chains(Langevin("ebm28", seed=9), Memory())
    if name == "ebm":
        at.advance(400, job)
        assert job.looks >= 400 / 8


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    memory = Memory(walks=2, every=4)
    for seed in range(3):
        Chains(Langevin("ebm28", seed=seed), memory).advance(9, Waiting())
    assert [walk.seed for walk in memory.kept] == [1, 2]  # type: ignore[attr-defined]
    assert all(list(states) == [4, 8] for states in memory.kept.values())


def test_frames_are_small_and_finite() -> None:
    frames = [
        seen(step=512, model="ebm28").frame(), seen(step=3, model="ebm56").frame(),
        seen(step=12, model="ddpm28", steps=10).frame(), seen(show="judge").frame(),
    ]  # fmt: skip
    for frame in frames:
        arrays = [v for v in frame.values() if isinstance(v, np.ndarray)]
        assert sum(v.nbytes for v in arrays) < 200_000
        assert all(np.isfinite(v).all() for v in arrays)


# ---- the axis


def test_the_axis_is_linear_near_zero_and_logarithmic_far_away() -> None:
    axis = Axis(0.01)
    v = np.array([-3.0, -1e-4, 0, 1e-4, 3.0, 30.0])
    at = axis.at(v)
    assert np.allclose(np.diff(at[1:4]), 0.01, rtol=1e-4)
    assert at[-1] - at[-2] == pytest.approx(np.log(10), rel=1e-5)
    assert np.array_equal(Axis().at(v), v)
    assert axis.ticks(-0.5, 20) == {float(axis.at(v)): word for v, word in [
        (-0.1, "−0.1"), (-0.01, "−0.01"), (0, "0"), (0.01, "0.01"), (0.1, "0.1"), (1, "1"),
        (10, "10")]}  # fmt: skip
    assert list(Axis(0.4).ticks(0.05, 2.4).values()) == ["0.2", "0.5", "1", "2"]
    assert list(Axis().ticks(-1, -0.3).values()) == ["−1", "−0.8", "−0.6", "−0.4"]
    found = sides(axis, v[:3], 2.0)
    assert found["low"] < at[0]
    assert found["high"] > axis.at(2.0)
    assert len(found["tick words"].split("|")) == len(found["ticks"])


# ---- the sheet


def sheets(n: int = 4) -> Any:
    return stream(0, "sheets").integers(0, 8, (n, 28, 28), np.uint8)


def letter() -> Any:
    """An L, drawn by hand."""
    sheet = _images_canvas.blank()
    for start, end in itertools.pairwise([(9.5, 6.5), (9.5, 21.5), (18.5, 21.5)]):
        sheet = _images_canvas.stroke(sheet, start, end)
    return sheet


def test_a_sheet_goes_through_a_link() -> None:
    (control,) = (c for c in ROOM.controls({"show": "judge"}) if c.name == "pattern")
    for sheet in (*sheets(), _images_canvas.blank(), letter()):
        text = _images_canvas.pack(sheet)
        assert control.read(text) == text
        assert np.array_equal(_images_canvas.unpack(text), sheet)
        assert np.array_equal(_images_canvas.of_pixels(_images_canvas.pixels(sheet)), sheet)
    assert max(len(_images_canvas.pack(s)) for s in sheets()) == _images_canvas.LONGEST == 392
    edges = np.array([[-1.0, 1.0]], np.float32)
    assert _images_canvas.of_pixels(edges).tolist() == [[0, 7]]
    for bad in ("AAA", "A" * 392 + "A", "é"):
        with pytest.raises(InputError):
            _images_canvas.unpack(bad)
    with pytest.raises(InputError):
        control.read("A" * 393)


def test_a_stroke_is_full_in_its_middle_and_soft_at_its_rim() -> None:
    """The level is that of the nearest point of the stroke: in two pieces it is the same stroke,
    mirrored it is the mirrored one, and a rubber takes all of it away."""
    blank = _images_canvas.blank()
    once = _images_canvas.stroke(blank, (4.5, 9.5), (20.5, 9.5))
    assert once[9, 4:21].min() == 7
    assert once[10, 10] == round(7 * (1 - (1 - _images_canvas.RADIUS) / _images_canvas.SOFT))
    assert once[[7, 11]].max() == 0
    half = _images_canvas.stroke(blank, (4.5, 9.5), (11.5, 9.5))
    assert np.array_equal(_images_canvas.stroke(half, (11.5, 9.5), (20.5, 9.5)), once)
    slanted = _images_canvas.stroke(blank, (3.0, 5.0), (19.0, 23.0))
    assert np.array_equal(_images_canvas.stroke(blank, (5.0, 3.0), (23.0, 19.0)), slanted.T)
    gone = _images_canvas.stroke(once, (4.5, 9.5), (20.5, 9.5), erase=True)
    assert gone.max() == 0


def test_fitted_ink_is_where_letters_are() -> None:
    """Wherever it was drawn, and however large: in the middle, as long as a letter."""
    small = letter()
    moved = np.roll(small, (-4, 5), axis=(0, 1))
    a, b = (_images_canvas.boxed(sheet / 7) for sheet in (small, moved))
    assert np.allclose(a, b, atol=1e-5)
    for ink in (a, _images_canvas.boxed(np.pad(small[4:24, 4:24], ((0, 8), (8, 0))) / 7)):
        rows, columns = (np.flatnonzero((ink >= 0.5).any(axis=axis)) for axis in (1, 0))
        assert abs(np.ptp(rows) + 1 - _images_canvas.LETTER) <= 1
        assert abs(rows[[0, -1]].mean() - 13.5) <= 0.5
        assert abs(columns[[0, -1]].mean() - 13.5) <= 0.5
    assert np.array_equal(_images_canvas.boxed(np.zeros((28, 28))), np.zeros((28, 28)))


# ---- uploads


def picture(grey: Any, format_: str = "PNG", mode: str | None = None) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(np.asarray(grey, np.uint8))
    (image.convert(mode) if mode else image).save(file, format_)
    return file.getvalue()


def test_pictures_of_every_kind_are_read() -> None:
    """Dark on light or light on dark, with colours or without: the same sheet, in no file."""
    sheet = letter()
    light = np.kron(sheet, np.ones((4, 4))) * 36
    files = [
        (".png", picture(light)), (".png", picture(255 - light)),
        (".bmp", picture(light, "BMP")), (".tif", picture(255 - light, "TIFF", "RGB")),
        (".png", picture(40 + 0.5 * light)),
    ]  # fmt: skip
    for suffix, content in files:
        found = ROOM.of_file("pattern", suffix, content)
        assert found["image"] == "drawn"
        got = _images_canvas.unpack(found["pattern"])
        assert np.abs(got.astype(int) - sheet).max() <= 1
    jpeg = _images_canvas.unpack(ROOM.of_file("pattern", ".jpg", picture(light, "JPEG"))["pattern"])
    assert np.mean(np.abs(jpeg.astype(int) - sheet)) < 0.2


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is as large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(
            ">I", zlib.crc32(kind + data))  # fmt: skip

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"0"))
            + chunk(b"IEND", b""))  # fmt: skip


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is no PNG"), (b"#!/bin/sh", "is no PNG"), (b"GIF89a" + bytes(50), "is no PNG"),
        (picture(np.full((40, 40), 99)), "has only one grey"),
        (picture(np.eye(40) * 255)[:55], "is damaged"),
        (claiming(4097, 2), "has more than 4096"), (claiming(60_000, 60_000), "has more than"),
        (claiming(30, 30), "is damaged"),
    ],
    ids=["empty", "script", "gif", "grey", "cut", "wide", "bomb", "no pixels"],
)  # fmt: skip
def test_what_is_no_picture_is_refused_in_one_line(content: bytes, why: str) -> None:
    with pytest.raises(InputError) as refused:
        ROOM.of_file("pattern", ".png", content)
    assert refused.value.why.startswith(why)
    assert "\n" not in str(refused.value)


# ---- the judge


@pytest.mark.parametrize("name", ["ebm28", "jem28", "classifier28"])
def test_the_scores_are_the_librarys(name: str) -> None:
    model, x = shipped.load(name), glyphs.load(28).test.x[[77]]
    truth = uses.scores(model.engine(), model.θ, x)
    scores = ("energy", "gradient", "probability")[: 3 if name != "ebm28" else 2]
    letters = uses.scores(model.engine(), model.θ, glyphs.load(28).test.x[:1000])
    for score in scores:
        frame = seen(show="judge", number=77, judge=name, score=score).frame()
        assert frame["value"] == truth[score][0]
        assert frame[f"{score}, {name}"] == truth[score][0]
        assert frame["stranger"] == np.mean(letters[score] >= truth[score][0])
        assert frame["limit"] in letters[score]


def test_the_limit_lets_as_few_letters_pass_as_it_may() -> None:
    """By counting; and the share of outsiders that pass is the field's FPR at a TPR of 95 %."""
    rng = stream(0, "limit")
    letters, outsiders = rng.normal(20, 9, 300), rng.normal(40, 9, 200)
    v = Verdict(31.0, letters, outsiders)
    assert v.limit in letters
    assert np.mean(letters <= v.limit) >= detection.FOUND > np.mean(letters < v.limit)
    assert v.passing == np.mean(outsiders <= v.limit)
    assert 0 < v.passing < 1
    assert v.stranger == np.mean(letters >= 31)
    assert v.letter == (v.limit >= 31)


def test_the_verdicts_are_those_of_the_figures() -> None:
    """Noise never passes, digits do (the energy was learned without classes); a black-for-white
    letter is none; a drawn L is read as L, and a hand's wandering line is none."""
    noise = seen(show="judge", image="outsider", number=5).frame()
    assert noise["passing"] == 0
    assert noise["message"] == "No letter: stranger than 100.0 % of letters"
    assert seen(show="judge", outsiders="digits").frame()["passing"] > 0.9
    black = seen(show="judge", image="outsider", outsiders="inverted").frame()
    assert black["message"].startswith("No letter")
    text = _images_canvas.pack(letter())
    drawn = seen(show="judge", image="drawn", pattern=text).frame()
    assert drawn["top, jem28"][0] == drawn["top, classifier28"][0] == "L"
    assert drawn["message"].startswith("A letter: ")
    turns = stream(0, "scribble").uniform(2, 26, (30, 2))
    scribble = _images_canvas.blank()
    for a, b in itertools.pairwise(turns.tolist()):
        scribble = _images_canvas.stroke(scribble, tuple(a), tuple(b))
    lost = seen(show="judge", image="drawn", pattern=_images_canvas.pack(scribble), fit=False)
    assert lost.frame()["message"].startswith("No letter")


def test_an_outsider_can_be_drawn_on() -> None:
    """What the pen begins with is the image that is shown, on the sheet's levels."""
    scene = seen(show="judge", image="letter", number=3)
    assert isinstance(scene, Judge)
    frame = scene.frame()
    sheet = _images_canvas.unpack(frame["editable"])
    shown = pixels(frame["canvas"])
    near = np.abs(_images_canvas.pixels(sheet) - np.clip(shown, glyphs.PAPER, glyphs.INK))
    assert near.max() <= (glyphs.INK - glyphs.PAPER) / 14 + 0.01


# ---- what can be copied

SETTINGS: list[dict[str, Any]] = [
    {"model": "ebm28", "seed": 5},
    {"model": "jem28", "class": "k", "heat": 20, "pace": 0.35, "seed": 1},
    {"model": "ddpm28", "class": "A", "w": 1.5, "steps": 5, "sampler": "ancestral"},
    {"model": "ddpm28", "steps": 5, "seed": 3},
]


@pytest.mark.parametrize("given", SETTINGS, ids=str)
def test_the_lines_of_python_print_what_is_seen(given: dict[str, Any], capsys: Any) -> None:
    for step in (0, 4):
        frame = seen(step=step, **given).frame()
        exec(ROOM.python(values(**given), step), {})
        printed = [float(word) for word in capsys.readouterr().out.split()]
        names = ["energy"] if frame["kind"] == "energy" else ["t", "mean x", "spread x"]
        assert printed == [frame[name] for name in names]


@pytest.mark.parametrize(
    "given",
    [
        {"number": 41, "judge": "jem28", "score": "probability"},
        {"image": "outsider", "outsiders": "blobs", "number": 4, "score": "gradient"},
        {"image": "drawn", "pattern": _images_canvas.pack(letter())},
        {"image": "drawn", "pattern": _images_canvas.pack(letter()), "fit": False},
    ],
    ids=str,
)
def test_the_judges_lines_of_python_print_what_is_seen(given: dict[str, Any], capsys: Any) -> None:
    frame = seen(show="judge", **given).frame()
    exec(ROOM.python(values(show="judge", **given), 0), {})
    value, stranger = (float(word) for word in capsys.readouterr().out.split())
    assert (value, stranger) == (frame["value"], frame["stranger"])


@pytest.mark.parametrize("given", [*SETTINGS[2:], {"model": "jem28", "class": "B", "seed": 8}],
                         ids=str)  # fmt: skip
def test_the_command_line_makes_the_same_images(
    given: dict[str, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    scene = seen(step=4, **given)
    command = ROOM.command(values(**given), 4)
    assert command is not None
    run = CliRunner().invoke(app, command.split()[1:])
    assert run.exit_code == 0, run.output
    with np.load("letters.npz") as file:
        name = f"t = {scene.frame()['t']:.3g}" if given["model"] == "ddpm28" else "step 4"
        assert np.array_equal(file[name], np.clip(scene.state.x, -1, 1))


def test_what_no_command_line_does_has_none() -> None:
    assert ROOM.command(values(model="ebm28", heat=10), 4) is None
    assert ROOM.command(values(), 0) is None
    assert ROOM.command(values(show="judge"), 0) is None


@pytest.mark.parametrize(
    "given",
    [{"model": "jem28", "class": "A", "heat": 4, "seed": 2},
     {"model": "ddpm28", "class": "g", "w": 1, "sampler": "ancestral", "steps": 5, "seed": 1}],
    ids=str,
)  # fmt: skip
def test_the_film_ends_with_what_is_seen(given: dict[str, Any]) -> None:
    made = ROOM.film(values(**given), 5)
    assert made.steps[0] == 0
    assert made.steps[-1] == 5
    moments = made.begin(lambda: None).story.moments
    for k in (0, 5):
        shown, here = moments[k].images.astype(int), levels(seen(step=k, **given).state.x)
        # An energy's noise √(2hT) is rounded otherwise: by less than a grey level.
        assert np.abs(shown - here).max() <= (0 if given["model"] == "ddpm28" else 1)


def test_what_has_no_film_says_so() -> None:
    assert ROOM.film(values(pace=0.5), 5) is None
    assert ROOM.film(values(show="judge"), 5) is None


# ---- the controls


@pytest.mark.parametrize(
    "given",
    [{}, {"model": "jem28"}, {"model": "ddpm28", "class": "A"}, {"show": "judge"},
     {"show": "judge", "image": "drawn", "judge": "jem28"}, {"model": "nope", "show": "nope"}],
    ids=str,
)  # fmt: skip
def test_controls_are_few_and_go_through_an_address(given: dict[str, str]) -> None:
    controls = ROOM.controls(given)
    assert len(controls) <= 9
    assert len({c.name for c in controls}) == len(controls)
    defaults = {c.name: c.read(c.write(c.default)) for c in controls}
    assert defaults == {c.name: c.default for c in controls}
    ROOM.start(_controls.read(controls, given)[0], Waiting())


@pytest.mark.parametrize(
    "bad", [{"heat": "1e6"}, {"pace": "0"}, {"seed": "-1"}, {"model": "classifier28"},
            {"heat": "nan"}],
    ids=str,
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(bad: dict[str, str]) -> None:
    _, refused = _controls.read(ROOM.controls(bad), bad)
    assert len(refused) == 1


# ---- in a browser


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with server() as address, chromium() as browser:
        yield Lab(browser, address)


# Where a place of the sheet (x, y of [0, 28]², y upwards) is on the screen.
AT = """([x, y]) => {
  const view = Bokeh.index.find_one(Bokeh.documents[0].get_model_by_name("sheet"))
  const box = view.el.getBoundingClientRect(), {x_scale, y_scale} = view.frame
  return [box.x + x_scale.compute(x), box.y + y_scale.compute(y)]
}"""


def energy(step: int, **given: Any) -> float:
    return float(seen(step=step, **given).frame()["energy"])


def test_the_page_goes_and_stops(lab: Lab) -> None:
    """A slider, a class, a step, play, pause, reset, a link: always the library's numbers."""
    with lab.open("/images?step=20&seed=6") as room:
        assert room.seen["energy"] == energy(20, model="ebm28", seed=6)
        room.set(heat=3.0)
        room.until(lambda s: s["note"].startswith("h = 10,  T = 1.3·10⁻³"))
        room.act("step")
        assert room.until(lambda s: s["step"] == 21)["energy"] == energy(21, heat=1000, seed=6)
        room.set(model="jem28")
        room.until(lambda s: s["note"].startswith("h = 2,"))
        room.set(**{"class": "A"})
        got = room.until(lambda s: s["of"] == "E(x|A)")
        assert got["energy"] == energy(21, model="jem28", heat=1000, seed=6, **{"class": "A"})
        room.act("play")
        room.until(lambda s: s["step"] > 30)
        stopped = room.pause()
        given = {"model": "jem28", "heat": 1000, "seed": 6, "class": "A"}
        assert stopped["energy"] == energy(stopped["step"], **given)
        with lab.open("/images?" + room.query) as other:
            same = other.until(lambda s: s["step"] == stopped["step"])
            assert same["energy"] == stopped["energy"]
        room.act("reset")
        assert room.until(lambda s: s["step"] == 0)["energy"] == energy(0, **given)


def test_a_diffusion_runs_on_the_page(lab: Lab) -> None:
    with lab.open("/images?model=ddpm28&steps=5&step=3") as room:
        frame = seen(step=3, model="ddpm28", steps=5).frame()
        assert room.seen["t"] == frame["t"]
        for name in ("mean x", "spread x", "distance"):  # the server's BLAS has one thread
            assert room.seen[name] == pytest.approx(frame[name], rel=1e-5)


def drag(room: Room, *points: tuple[float, float]) -> None:
    places = [room.page.evaluate(AT, list(point)) for point in points]
    room.page.mouse.move(*places[0])
    room.page.mouse.down()
    for place in places[1:]:
        room.page.mouse.move(*place, steps=8)
    room.page.mouse.up()


def test_the_audience_draws_and_opens_pictures(lab: Lab, tmp_path: Path) -> None:
    """A drawn L is read, and stands in the link; Clear takes it away; a picture of it is read too,
    and a file that is none is refused."""
    with lab.open("/images?show=judge&image=drawn") as room:
        assert room.seen["message"] == "Draw a letter here; blank paper passes as one"
        drag(room, (9.5, 21.5), (9.5, 6.5), (18.5, 6.5))
        drawn = room.until(lambda s: s["top, jem28"][0] == "L")
        pattern = room.query.split("pattern=")[1].split("&")[0]
        alike = _images_canvas.unpack(pattern) == letter()
        assert alike.mean() > 0.98
        assert drawn["value"] == seen(show="judge", image="drawn", pattern=pattern).frame()["value"]
        room.page.get_by_role("button", name="Clear").click()
        room.until(lambda s: s["message"].startswith("Draw a letter"))
        bad, good = tmp_path / "bad.png", tmp_path / "good.png"
        bad.write_bytes(b"no picture")
        good.write_bytes(picture(255 - np.kron(letter(), np.ones((4, 4))) * 36))
        for file in (bad, good):
            with room.page.expect_file_chooser() as chooser:
                room.page.get_by_role("button", name="Open a picture").click()
            chooser.value.set_files(file)
            if file is bad:
                room.page.wait_for_function(
                    "document.getElementById('status').innerText.includes('is no PNG')"
                )
        room.until(lambda s: s["top, jem28"][0] == "L")
