"""Figures fitted to slides and papers: width, theme, one panel, no title."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from PIL import Image

import toyflows
from toyflows.errors import InputError
from toyflows.figures import _look, _make, _registry, _signature, _style
from toyflows.figures._look import Look

FIGURE = '''"""Two panels and a map.

A caption.
"""

def compute(scale, seed):
    return {"y": [0.0, 1.0, 0.5]}

def claim(data):
    return {"n": 3}

def draw(fig, data):
    left, right = fig.subplots(1, 2, sharey=True)
    left.plot(data["y"], color="#333333")
    left.set(xlabel="time", ylabel="height")
    right.plot(data["y"], color="#0072B2")
    right.set_title("right")
    right.set(xlabel="other time")
'''


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the one figure, and a gallery beside it."""
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "two.py").write_text(FIGURE, "utf-8")
    monkeypatch.setattr(_registry, "FOLDER", folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "gallery"


def made(out: Path, **asked: Any) -> str:
    """Makes the figure with this look; what is said of it."""
    [result] = _make.make(["two"], out, ("png", "pdf", "svg"), look=Look(**asked))
    return result.message


def drawn() -> Figure:
    """The figure, drawn in this process. Call inside a style."""
    figure = _style.new_figure()
    _registry.load("two").draw(figure, {"y": [0.0, 1.0, 0.5]})
    return figure


def box(path: Path) -> tuple[float, float]:
    """Width and height of a PDF's page in cm."""
    found = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", path.read_bytes())
    assert found is not None
    return float(found[1]) / 72 * 2.54, float(found[2]) / 72 * 2.54


def test_a_picture_is_as_wide_as_asked(two: Path) -> None:
    assert made(two, width=8.5) == "made"
    wide, high = box(two / "two.pdf")
    assert wide == pytest.approx(8.5)
    assert high == pytest.approx(8.5 * 6.2 / 12.8)
    with Image.open(two / "two.png") as image:
        assert image.width == pytest.approx(8.5 / 2.54 * 300, abs=1)
        assert image.info["dpi"][0] == pytest.approx(300, abs=0.1)
    found = re.search(r'<svg[^>]* width="([\d.]+)pt"', (two / "two.svg").read_text("utf-8"))
    assert found is not None
    assert float(found[1]) / 72 * 2.54 == pytest.approx(8.5, rel=1e-3)


def test_a_panel_has_its_neighbours_numbers_and_no_title(two: Path) -> None:
    with _look.style(Look()):
        figure = drawn()
        _look.fit(figure, Look(panel=2))
        left, right = figure.axes
    assert not left.get_visible()
    assert right.get_ylabel() == "height"
    assert any(tick.label1.get_visible() for tick in right.yaxis.get_major_ticks())
    assert made(two) == "made"
    whole = box(two / "two.pdf")
    assert made(two, panel=2) == "made"
    assert 0.4 < box(two / "two.pdf")[0] / whole[0] < 0.6
    assert "Two panels" not in (two / "two.svg").read_text("utf-8")


def test_one_panel_too_many_is_told(two: Path) -> None:
    with pytest.raises(InputError, match=r"must be 1 … 2"):
        made(two, panel=3)
    assert not (two / "two.png").exists()
    with pytest.raises(InputError, match=r"must be 1 … 2"):
        made(two / "new", panel=3)
    assert not (two / "new").exists()


def test_no_title_and_what_the_manifest_remembers(two: Path) -> None:
    assert made(two) == "made"
    assert "Two panels" in (two / "two.svg").read_text("utf-8")
    assert made(two, title=False) == "made"
    assert "Two panels" not in (two / "two.svg").read_text("utf-8")
    assert made(two, title=False) == "unchanged"
    assert json.loads((two / "manifest.json").read_text("utf-8"))["figures"]["two"]["look"] == {
        "title": False
    }
    assert "figures one two --no-title<" in (two / "index.html").read_text("utf-8")
    assert made(two) == "made"


def test_the_dark_theme_is_dark_and_can_be_read(two: Path) -> None:
    """Ground nearly black; ink, and the data's blue, at a contrast of 4.5 to it."""
    assert made(two, theme="dark") == "made"
    with Image.open(two / "two.png") as image:
        pixels = np.asarray(image.convert("RGB"), float) / 255
    ground = np.median(pixels.reshape(-1, 3), axis=0)
    assert ground.max() < 0.12
    for colour in (_style.INK, _style.DATA, _style.GREY, _style.EXACT, _style.WALKERS, "black"):
        assert contrast(np.array(_look.night(colour)[:3]), ground) > 4.5, colour


def contrast(one: Any, other: Any) -> float:
    """WCAG's ratio of luminances."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(rgb: Any) -> float:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_a_paper_has_serif_letters(two: Path) -> None:
    assert made(two, theme="paper") == "made"
    assert b"STIX" in (two / "two.pdf").read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--width", "0"], "toyflows: --width 0: must be 2 to 100 (cm)"),
        (["--theme", "blue"], "toyflows: --theme blue: must be light, dark, paper"),
        (["--panel", "0"], "toyflows: --panel 0: must be 1 or more"),
    ],
)
def test_what_cannot_be_is_refused(
    words: list[str], said: str, two: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from toyflows.cli.main import main

    monkeypatch.setattr(
        sys, "argv", ["toyflows", "figures", "one", "two", "--out", str(two), *words]
    )
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert said in capsys.readouterr().err
    assert not two.exists()


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=6), st.floats(0.1, 2))
def test_names_at_the_ends_of_lines_are_apart_and_on_the_axes(
    ends: list[float], gap: float
) -> None:
    low, high = -15.0, 15.0
    found = sorted(_signature._apart(ends, gap, low, high))
    assert found[0] >= low
    assert found[-1] <= high + 1e-9
    assert all(np.diff(found) >= gap - 1e-9)
    if len(ends) == 1 and low <= ends[0] <= high:
        assert found == ends


def test_the_target_of_a_success_is_named_above_the_axis() -> None:
    """All lines end at θ*, near the lowest of the picture: four names for one place."""
    figure = toyflows.flow("ml", q_star=0.8, time=20.0, walkers=1000).plot()
    figure.canvas.draw()
    axes = figure.axes[0]
    names = [t for t in axes.texts if isinstance(t, Annotation)]
    assert len(names) >= 3
    boxes = [t.get_window_extent() for t in names]
    assert min(box.y0 for box in boxes) > axes.get_window_extent().y0 - 2


def test_looks_are_checked() -> None:
    with pytest.raises(InputError):
        Look(width=float("nan"))
