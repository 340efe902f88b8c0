"""What a notebook shows of results: one line of text, and HTML that is whole, escaped, scriptless.

The pictures in it are decoded and compared with the numbers that they show.
"""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import toyflows
from toyflows import bench, display
from toyflows.diffusion import shipped as diffusions
from toyflows.diffusion.gaussians import song_ermon
from toyflows.diffusion.samplers import Sampled
from toyflows.flows import make
from toyflows.images import glyphs, shipped, uses
from toyflows.lattice import patterns
from toyflows.lattice.hopfield import hebb
from toyflows.lattice.ising import Ising
from toyflows.lattice.ising_chain import run as ising_run
from toyflows.lattice.rbm_config import Config
from toyflows.lattice.rbm_train import Model, train
from toyflows.pictures import levels, sheet
from toyflows.settings import RunSettings

VOID = {"img", "br"}
TAGS = VOID | {"div", "p", "b", "table", "tr", "th", "td"}


class Seen(HTMLParser):
    """What the HTML has: tags that close in order, text, cells by row, attributes of images."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.images: list[dict[str, str | None]] = []
        self.styles: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert {name for name, _ in attrs} <= {
            "style",
            "alt",
            "width",
            "src",
        }  # no handler, no link
        self.styles += [value for name, value in attrs if name == "style" and value]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.rows and self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def pixels(self, k: int) -> Any:
        """The k-th picture, decoded."""
        head, data = str(self.images[k]["src"]).split(",")
        assert head == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            return np.asarray(image)


def seen(thing: Any) -> Seen:
    return Seen(thing._repr_html_())


@pytest.fixture(scope="module")
def run() -> toyflows.Run:
    return toyflows.flow("pcd", theta_star=1.4, time=10.0, walkers=1000)


@pytest.fixture(scope="module")
def path() -> Any:
    letters = patterns.load(["letters"])
    start = letters.start("D")
    start[[0, 7, 21]] *= -1
    return hebb(letters.x).path(start)


@pytest.fixture(scope="module")
def rbm() -> Model:
    config = Config(size=2, hidden=3, every=1)
    model = Model.new(config, config.load())
    next(train(config, model.state, config.load()))
    return model


@pytest.fixture(scope="module")
def shown(run: toyflows.Run, path: Any, rbm: Model) -> dict[str, Any]:
    """One of each result that a user meets."""
    letters, jem = glyphs.load(28), shipped.load("jem28")
    rng = np.random.default_rng(0)
    cells = list(bench.table([make("ml")], [4.0], RunSettings(time=1.0)))
    return {
        "run": run, "verdict": run.verdict, "table": bench.rows(cells), "cell": cells[0],
        "path": path, "letters": patterns.load(["letters"]), "cities": patterns.load(["cities"]),
        "ising": ising_run(Ising(8, 2.0), "wolff", 50, 10), "rbm": rbm, "glyphs": letters,
        "images": letters.test, "jem": jem, "ddpm": diffusions.load("ddpm28"),
        "points": Sampled(song_ermon().sample(500, rng), 3),
        "pictures": Sampled(letters.test.x[:4], 3),
        "rows": uses.shown({"a": letters.test.x[:3]}),
    }  # fmt: skip


def test_html_is_whole_escaped_and_without_script(shown: dict[str, Any]) -> None:
    """Tags and attributes are of a short list, and close in order; each picture decodes and has a
    name. Colours are the page's: no background, no colour of text is set."""
    for name, thing in shown.items():
        found = seen(thing)
        assert found.text.strip() or found.images, name
        for style in found.styles:
            rules = dict(rule.split(":", 1) for rule in style.split(";"))
            assert rules.get("color", "inherit") == "inherit", name
            assert rules.get("background", "none") == "none", name
        for k, image in enumerate(found.images):
            assert image["alt"]
            assert found.pixels(k).size > 20


def test_text_is_one_short_line(shown: dict[str, Any], run: toyflows.Run) -> None:
    """No array is printed: what a prompt says of a result is a line."""
    more = {
        **run.backends, "target": run.target, "data": run.target.data,
        "state": run.backends["walkers"].state, "network": hebb(np.ones((1, 400))),
        "law": song_ermon(), "score": shown["ddpm"].score(), "machine": shown["rbm"].state.rbm,
    }  # fmt: skip
    for name, thing in ({k: v for k, v in shown.items() if k != "table"} | more).items():
        text = repr(thing)
        assert "\n" not in text, name
        assert "array(" not in text, name
        assert len(text) < 300, name


def test_a_run_says_its_numbers(run: toyflows.Run) -> None:
    found = seen(run)
    assert f"{run.verdict.kind}." in found.words
    assert run.verdict.says in found.text
    rows = {row[0]: row[1:] for row in found.rows}
    for name, tr in run.backends.items():
        θ = float(tr.θ[-1])
        q = run.target.mixture.weight_b(θ)
        assert rows[name] == [display.number(θ), display.number(q)]
    assert rows["target"] == ["1.4", "0.1978"]
    assert all(alarm in found.text for alarm in run.alarms)
    assert run.alarms


def test_a_run_has_its_picture_for_sharp_screens(run: toyflows.Run, tmp_path: Path) -> None:
    """The pixels are those of the file that `save` writes, shown at half their number."""
    found = seen(run)
    with Image.open(run.save(tmp_path / "run.png")) as image:
        np.testing.assert_array_equal(found.pixels(0), np.asarray(image))
        assert image.width == 2 * int(str(found.images[0]["width"]))


def test_a_path_is_its_states(path: Any) -> None:
    """From the start to the rest, black is +1."""
    found = seen(path)
    assert len(found.images) == len(path.states)
    for k in range(len(path.states)):
        np.testing.assert_array_equal(found.pixels(k).ravel(), 255 * (path.states[k] < 0))
    assert f"E = {display.number(path.energies[-1])}" in found.text


def test_a_path_of_another_shape_is_a_row_a_sweep() -> None:
    cities = patterns.load(["cities"])
    start = cities.x[0].copy()
    start[:9] *= -1
    path = hebb(cities.x).path(start)
    np.testing.assert_array_equal(seen(path).pixels(0), 255 * (path.states < 0))


def test_a_long_path_shows_its_ends() -> None:
    letters = patterns.load(["letters"])
    path = hebb(letters.x).path(letters.x[0], T=20.0, sweeps=40)
    found = seen(path)
    assert len(found.images) == 9
    for k, state in ((0, path.states[0]), (-1, path.states[-1])):
        np.testing.assert_array_equal(found.pixels(k).ravel(), 255 * (state < 0))


def test_a_lattice_is_its_spins() -> None:
    record = ising_run(Ising(8, 2.5), "heat-bath", 20, 0)
    found = seen(record)
    np.testing.assert_array_equal(found.pixels(0), 255 * (record.spins < 0))
    assert found.rows[1][1] == display.number(float(np.mean(np.abs(record.M)) / 64))


def test_images_are_sheets(shown: dict[str, Any]) -> None:
    x = shown["images"].x
    np.testing.assert_array_equal(seen(shown["images"]).pixels(0), sheet([x[:16]]))
    np.testing.assert_array_equal(seen(shown["rows"]).pixels(0), sheet([x[:3]]))
    np.testing.assert_array_equal(seen(shown["pictures"]).pixels(0), sheet([x[:4]]))


def test_points_are_drawn_where_they_are() -> None:
    """(1, 0) is right of (−1, 0); (0, 1) is above: as many dark pixels as places."""
    x = np.repeat([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], 50, axis=0)
    drawn = display.density(x, 30)
    rows, columns = np.nonzero(drawn < 255)
    assert len(rows) == 3
    assert columns[rows.argmin()] == 15 or columns[rows.argmin()] == 14
    assert set(columns[rows != rows.min()].tolist()) == {1, 28}


def test_a_table_of_verdicts() -> None:
    """The cells in HTML are those in Markdown, each in its column."""
    flows, setting = [make("ml"), make("score-matching")], RunSettings(time=20.0)
    cells = list(bench.table(flows, [3.0, 12.0], setting))
    rows = bench.rows(cells)
    lines = [line.strip("| ").split(" | ") for line in repr(rows).splitlines()]
    assert seen(rows).rows == [lines[0], *lines[2:]]
    assert lines[0] == ["method", "d = 3", "d = 12"]
    kinds = {(c.method, c.separation): c.verdict.kind for c in cells}
    assert kinds["score-matching", 3.0] != kinds["score-matching", 12.0]
    assert {line[0]: line[1:] for line in lines[2:]} == {
        flow.name: [kinds[flow.name, d] for d in (3.0, 12.0)] for flow in flows
    }


def test_words_of_a_user_are_escaped() -> None:
    rude = '<script>alert(1)</script> & "x"'
    text = display.page(
        display.words(rude, rude), display.table([[rude, -1.5]], [rude]),
        display.gallery({rude: np.zeros((2, 2), np.uint8)}),
    )  # fmt: skip
    found = Seen(text)  # would refuse a script
    assert found.text.count(rude) == 5
    assert found.images[0]["alt"] == rude
    assert found.rows[1] == [rude, "−1.5"]


@pytest.mark.parametrize(("shape", "width"), [((5, 5), 60), ((64, 64), 300), ((32, 482), 720)])
def test_a_picture_is_seen_and_fits(shape: tuple[int, int], width: int) -> None:
    """Few pixels are made large, a square stays below 300 of the page, a row below 720."""
    found = Seen(display.gallery({"x": levels(np.zeros(shape))}))
    assert found.images[0]["width"] == str(width)
