"""Targets: moments, classes and densities in closed form; files and drawings; what is refused.

Random assertions have a false-fail rate of 1e-6 each, over independent points.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.special import i0e

from toyflows import stats
from toyflows.cloud import Array
from toyflows.diffusion import targets
from toyflows.diffusion.targets import CURVES, TARGETS, find, target
from toyflows.errors import InputError

N = 20_000
π = math.pi

# E x, E y, E|·|² and E xy of the formulas in the module's docstring.
MOMENTS = {
    "swiss-roll": (2, 2 / (3 * π), 9.75 * π**2 + 0.5, 1.5 * π),
    "two-moons": (0.5, 0.25, (3.25 - 2 / π) / 2 + 0.02, 0.25 - 1 / π),
    "8-gaussians": (0, 0, 8.25, 0),
    "rings": (0, 0, (0.75**2 + 1.5**2 + 2.25**2 + 9) / 4 + 2 * 0.08**2, 0),
    "spirals": (0, 0, π**2 / 2 + 0.02, (3 * π - 1 / (2 * π)) / 18),
    "checkerboard": (0, 0, 32 / 3, 1),
    "pinwheel": (0, 0, 4.4, 0),
    "song-ermon": (3, 3, 52, 25),
}


def drawn_points(name: str) -> tuple[Array, np.ndarray]:
    return TARGETS[name].sample_with_labels(N, np.random.default_rng([7, *name.encode()]))


def test_every_law_has_its_moments_here() -> None:
    assert set(MOMENTS) == set(TARGETS)


@pytest.mark.parametrize("name", sorted(MOMENTS))
def test_moments(name: str) -> None:
    """Detected is a fifteenth of the spread, or of the moment."""
    (x, y), wanted = drawn_points(name)[0].T, MOMENTS[name]
    size = math.sqrt(wanted[2])
    for what, values, moment, unit in zip(
        ("x", "y", "|x|²", "xy"), (x, y, x * x + y * y, x * y), wanted,
        (size, size, size**2, size**2), strict=True,
    ):  # fmt: skip
        assert stats.mean(f"{name} E {what}", values, moment).detects < unit / 15


@pytest.mark.parametrize("name", sorted(MOMENTS))
def test_classes_are_as_likely_as_the_formula_says(name: str) -> None:
    label, classes = drawn_points(name)[1], TARGETS[name].classes
    share = {"song-ermon": [0.2, 0.8]}.get(name, [1 / classes] * classes)
    assert label.min() >= 0
    assert label.max() < classes
    for k in range(classes if classes > 1 else 0):
        stats.proportion(f"{name} {k}", int((label == k).sum()), N, share[k])


def test_each_class_is_where_it_belongs() -> None:
    for k, r in enumerate((0.75, 1.5, 2.25, 3.0)):
        x, label = drawn_points("rings")
        stats.mean("r²", np.sum(x[label == k] ** 2, axis=1), r * r + 2 * 0.08**2)
    x, label = drawn_points("8-gaussians")
    for k in range(8):
        for axis, f in enumerate((math.cos, math.sin)):
            stats.mean("centre", x[label == k, axis], 4 / math.sqrt(2) * f(k * π / 4))
    x, label = drawn_points("two-moons")
    stats.mean("upper", x[label == 0, 1], 2 / π)
    stats.mean("lower", x[label == 1, 1], 0.5 - 2 / π)
    x, label = drawn_points("pinwheel")  # an arm's mean, over e^{f₁}/4 by Gauss–Hermite
    z, w = np.polynomial.hermite_e.hermegauss(60)
    f = 1 + 0.3 * z
    for k in range(5):
        a = 2 * π * k / 5 + np.exp(f) / 4
        for axis, g in enumerate((np.cos(a), -np.sin(a))):
            stats.mean("arm", x[label == k, axis], 2 * float(w @ (f * g)) / math.sqrt(2 * π))


def test_numbers_of_the_formulas() -> None:
    """At both ends and in the middle: scikit-learn's roll is t = 1.5π(1 + 2u), t (cos t, sin t)."""
    roll = CURVES["swiss-roll"].curves[0](np.array([0.0, 0.5, 1.0]))
    assert np.allclose(roll, [[0, -1.5 * π], [-3 * π, 0], [0, 4.5 * π]], atol=1e-13)
    law = TARGETS["8-gaussians"].mixture
    assert law is not None
    assert np.allclose(np.linalg.norm(law.means, axis=1), 2 * math.sqrt(2), rtol=1e-14)
    assert np.allclose(law.spreads, math.sqrt(2) / 4, rtol=1e-14)
    upper, lower = CURVES["two-moons"].curves
    assert np.allclose(upper(np.array([0.0, 0.5, 1.0])), [[1, 0], [0, 1], [-1, 0]], atol=1e-15)
    assert np.allclose(lower(np.array([0.0, 0.5, 1.0])), [[0, 0.5], [1, -0.5], [2, 0.5]])


# ---- densities ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(CURVES))
def test_a_noisy_curve_is_a_mixture_of_gaussians(name: str) -> None:
    """Against quadrature in 500 panels of 12 nodes, on the curve and 4 spreads off it."""
    curves = CURVES[name]
    x = curves.draw(12, np.random.default_rng(1))[0]
    away = 4 * curves.spread * np.eye(2)
    x = np.concatenate([x, x + away[0], x - away[1]])
    u, w = np.polynomial.legendre.leggauss(12)
    v = ((np.arange(500)[:, None] + (1 + u) / 2) / 500).ravel()
    w = np.tile(w / 1000, 500) * curves.p * v ** (curves.p - 1)
    assert w.sum() == pytest.approx(1, rel=1e-13)
    s, expected = curves.spread, np.zeros(len(x))
    with np.errstate(under="ignore"):
        for curve in curves.curves:
            d2 = np.sum((x[:, None] - curve(v)) ** 2, axis=2)
            expected += np.exp(-d2 / (2 * s * s)) @ w / (2 * π * s * s) / len(curves.curves)
    assert np.allclose(TARGETS[name].density(x), expected, rtol=1e-9, atol=0)


def test_rings_in_closed_form() -> None:
    """A circle of radius r and noise σ: e^{−(ρ − r)²/2σ²} I₀(ρr/σ²) e^{−ρr/σ²}/(2πσ²)."""
    ρ, σ = np.linspace(0.0, 3.4, 60), 0.08
    radii = np.array([0.75, 1.5, 2.25, 3.0])[:, None]
    with np.errstate(under="ignore"):
        each = np.exp(-((ρ - radii) ** 2) / (2 * σ * σ)) * i0e(ρ * radii / σ**2)
    expected = each.mean(axis=0) / (2 * π * σ * σ)
    x = np.stack([ρ * math.cos(1.0), ρ * math.sin(1.0)], axis=1)
    assert np.allclose(TARGETS["rings"].density(x), expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", [k for k, t in sorted(TARGETS.items()) if t.mixture])
def test_points_are_drawn_from_the_density(name: str) -> None:
    """E p(X) = ∫ p² = Σ w_i w_j N(μ_i − μ_j; s_i² + s_j²)."""
    law = TARGETS[name].mixture
    assert law is not None
    v = law.spreads[:, None] ** 2 + law.spreads**2
    d2 = np.sum((law.means[:, None] - law.means) ** 2, axis=2)
    with np.errstate(under="ignore"):
        expected = law.weights @ (np.exp(-d2 / (2 * v)) / (2 * π * v)) @ law.weights
    found = TARGETS[name].density(drawn_points(name)[0][:4000])
    assert found is not None
    assert stats.mean("E p(X)", found, expected).detects < 0.1 * expected


def test_checkerboard_is_uniform_on_its_squares() -> None:
    board = TARGETS["checkerboard"]
    x = drawn_points("checkerboard")[0]
    assert (board.density(x) == 1 / 32).all()
    middle = (np.arange(-60, 60) + 0.5) / 10
    grid = np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2)
    assert board.density(grid).sum() / 100 == pytest.approx(1, rel=1e-12)
    cells, counts = np.unique(np.floor(x / 2), axis=0, return_counts=True)
    assert len(cells) == 8
    for count in counts:
        stats.proportion("cell", int(count), N, 1 / 8)
    inside = x / 2 - np.floor(x / 2)
    stats.mean("x in its cell", inside[:, 0], 0.5)
    stats.mean("y in its cell", inside[:, 1] ** 2, 1 / 3)


def test_a_law_without_a_density_says_so() -> None:
    assert TARGETS["pinwheel"].density(np.zeros((1, 2))) is None
    assert TARGETS["pinwheel"].mixture is None


def test_points_are_of_the_seed() -> None:
    x = target("two-moons", 50, 3)
    assert x.shape == (50, 2)
    assert (x == target("two-moons", 50, 3)).all()
    assert (x != target("two-moons", 50, 4)).all()


# ---- files of points ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "1,2\n3,4\n-5e1,6\n",  # whole numbers in two columns are no decimal commas here
        "x;y\n1;2\n3;4\n-50;6\n",
        "# made by hand\n1 2\n\n3   4\n-50 6",
        '"","east","north"\n"1",1,2\n"2",3,4\n"3",-50,6\n',  # row numbers of R
    ],
)
def test_a_table_of_two_columns(text: str, tmp_path: Path) -> None:
    """Rows are drawn with equal chances, for any number of points."""
    path = tmp_path / "my points.csv"
    path.write_text(text)
    made = find(str(path))
    assert made.name == "my points"
    x = target(str(path), 3000, 1)
    rows, counts = np.unique(x, axis=0, return_counts=True)
    assert rows.tolist() == [[-50, 6], [1, 2], [3, 4]]
    for count in counts:
        stats.proportion("row", int(count), 3000, 1 / 3)


def test_numpy_files_of_points(tmp_path: Path) -> None:
    rows = np.array([[1, 2], [3, 4]], np.int16)
    np.save(tmp_path / "a.npy", rows)
    np.savez(tmp_path / "b.npz", x=rows, y=np.zeros(2))
    for name in ("a.npy", "b.npz"):
        assert np.unique(target(str(tmp_path / name), 99), axis=0).tolist() == rows.tolist()


# ---- drawings -----------------------------------------------------------------------------------


def picture(path: Path, levels: list[list[int]]) -> str:
    Image.fromarray(np.array(levels, np.uint8)).save(path)
    return str(path)


def test_a_drawing(tmp_path: Path) -> None:
    """Three pixels wide and two high, grey 0 and 127.5: y points up, the pixel's side is 4/3."""
    made = find(picture(tmp_path / "shape.png", [[0, 255, 255], [255, 255, 102]]))
    x = made.sample(N, np.random.default_rng(8))
    left = x[:, 0] < 0
    stats.proportion("black and 60 %", int(left.sum()), N, 1 / 1.6)
    for points, (low_x, low_y) in ((x[left], (-2, 0)), (x[~left], (2 / 3, -4 / 3))):
        place = (points - [low_x, low_y]) / (4 / 3)
        assert 0 <= place.min() <= place.max() <= 1
        for u in place.T:
            stats.mean("uniform", u, 0.5)
            stats.mean("uniform", u**2, 1 / 3)
        stats.mean("independent", place[:, 0] * place[:, 1], 0.25)
    step = 4 / 30
    middle = (np.arange(-30, 30) + 0.5) * step
    grid = np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2)
    p = made.density(grid)
    assert p.sum() * step**2 == pytest.approx(1, rel=1e-12)
    assert made.density(np.array([[-1.0, 1.0]]))[0] == pytest.approx(9 / 16 / 1.6, rel=1e-12)
    assert (made.density(x) > 0).all()


def test_paper_is_no_ink(tmp_path: Path) -> None:
    """A scan's paper is not quite white, and what is transparent is: neither is drawn."""
    grey = np.full((50, 50), 235, np.uint8)
    grey[:2, :2] = 10
    x = target(picture(tmp_path / "scan.png", grey.tolist()), 1000)
    assert (x[:, 0] < -1.8).all()
    assert (x[:, 1] > 1.8).all()
    clear = np.zeros((2, 2, 4), np.uint8)
    clear[1, 0, 3] = 255
    Image.fromarray(clear).save(tmp_path / "clear.png")
    x = target(str(tmp_path / "clear.png"), 1000)
    assert (x < 0).all()


# ---- what is refused ----------------------------------------------------------------------------

TEXTS = {
    "1\n2\n3\n": "2 rows or more of 2",
    "1,2,3\n4,5,6\n": "has 3 columns of numbers (1, 2, 3); say which: --columns A,B",
    "1,2\n": "1 rows of 2",
    "1,2\nnan,4\n": "line 2: a value is missing",
    "1,2\n3,inf\n": "line 2: inf is not finite",
    "1,2\n3,4\n5\n": "line 3: 1 columns",
    "1,2\n3,four\n": "is 1, 2 a row of numbers or of names? Write 1.0 for a number 1",
    "1.0,2.0\n3,four\n": "'four' is not a number",
    "": "is empty",
    "x,y\n": "holds only a header",
    "1,2\n1,2\n": "equal",
    "1,2\n1e200,2\n": "too large",
}


def refusal(source: object) -> str:
    with pytest.raises(InputError) as refused:
        target(str(source), 5)
    assert refused.value.name == "target"
    assert "\n" not in str(refused.value)
    return refused.value.why


@pytest.mark.parametrize("text", TEXTS)
def test_bad_tables(text: str, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text(text)
    assert TEXTS[text] in refusal(path)


def test_bad_numpy_files(tmp_path: Path) -> None:
    np.save(tmp_path / "line.npy", np.zeros(4))
    assert "(n, columns)" in refusal(tmp_path / "line.npy")
    np.save(tmp_path / "none.npy", np.zeros((0, 2)))
    assert "0 rows" in refusal(tmp_path / "none.npy")
    np.save(tmp_path / "nan.npy", np.array([[0.0, 1.0], [np.nan, 2.0]]))
    assert "row [1]: a value is missing" in refusal(tmp_path / "nan.npy")


def test_what_is_not_there(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "points.csv")
    assert "no such file" in refusal(tmp_path / "shape.png")
    assert "did you mean swiss-roll" in refusal("swissroll")
    assert "choose from swiss-roll" in refusal("zzz")
    assert "director" in refusal(tmp_path)
    with pytest.raises(InputError, match="n = 0"):
        target("two-moons", 0)


def test_bad_drawings(tmp_path: Path) -> None:
    assert "nothing is drawn" in refusal(picture(tmp_path / "white.png", [[255, 240]]))
    (tmp_path / "text.png").write_text("no picture")
    assert "is no PNG" in refusal(tmp_path / "text.png")
    (tmp_path / "empty.png").write_bytes(b"")
    assert "is empty" in refusal(tmp_path / "empty.png")
    whole = Path(picture(tmp_path / "whole.png", (np.arange(2500) % 251).reshape(50, 50).tolist()))
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert "is damaged" in refusal(tmp_path / "cut.png")
    (tmp_path / "folder.png").mkdir()
    assert "not a file" in refusal(tmp_path / "folder.png")


@pytest.mark.parametrize("side", [4100, 60_000])
def test_a_picture_of_too_many_pixels_is_not_unpacked(side: int, tmp_path: Path) -> None:
    """Its header is enough: this file has no pixels at all."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    (tmp_path / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )
    assert "has more than 16,000,000 pixels" in refusal(tmp_path / "bomb.png")


@pytest.mark.parametrize(("u", "height"), [(0.0, 1.98), (1 - 2**-53, -1.98)])
def test_the_ends_of_the_stream_draw_dark_pixels(u: float, height: float, tmp_path: Path) -> None:
    """0 and the largest number below 1 are the first and the last dark pixel, and no paper."""

    class Fixed(np.random.Generator):
        def random(self, size=None):  # in the middle of the pixel
            return np.full(size, 0.5 if isinstance(size, tuple) else u)

    levels = [[255, k, 255] for k in range(100)]
    made = targets.drawn(picture(tmp_path / "a.png", levels))
    x = made.sample(3, Fixed(np.random.PCG64(0)))
    assert np.allclose(x, [0.0, height])
    assert (made.density(x) > 0).all()
