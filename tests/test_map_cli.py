"""`toyflows map`: its dimensions, what it counts, its lines, its refusals, its picture."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from picture_checks import problems
from sweep_engine import Here

from toyflows.cli.main import main
from toyflows.errors import InputError
from toyflows.figures import _map, _raster, _style
from toyflows.flows.base import NEAR
from toyflows.sweep.chart import MISSING, Chart, Panel, chart
from toyflows.sweep.plan import Plan
from toyflows.sweep.point import Chunk
from toyflows.sweep.result import Result
from toyflows.sweep.run import carry_out
from toyflows.sweep.store import load, load_so_far
from toyflows.verdict import KINDS

PLAN = Plan.make(
    ["pcd", "score-matching"], {"separation": "2:6:3", "rate": [0.5, 5.0], "theta0": [0.0, 1.0]},
    walkers=50, time=1.0, repeats=3, keep=["verdict", "theta", "bias"],
)  # fmt: skip


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "a.npz"
    with np.errstate(under="ignore"):
        carry_out(PLAN, path, Here())
    return path


def test_bias_is_theta_less_the_true_one_of_each_run() -> None:
    plan = Plan.make(["ml"], {"q_star": "0.2,0.5,0.8", "separation": "4,8"}, backend="theory")
    θ = np.arange(6.0).reshape(plan.shape)
    seen = chart(Result(plan, {"theta": θ}, {}), x="separation", y="q_star", show="bias")
    q = np.array([0.2, 0.5, 0.8])[:, None]
    np.testing.assert_allclose(seen.panels[0].values, θ[0, ..., 0] - np.log(1 / q - 1), atol=1e-12)


def test_the_share_of_the_way_and_the_distance_come_of_theta() -> None:
    plan = Plan.make(["ml"], {"q_star": "0.2,0.8", "separation": "4,8"}, backend="theory", theta0=3)
    θ = np.array([0.0, 3.0, -math.log(4), 10.0]).reshape(plan.shape)
    star = np.array([[math.log(4)], [-math.log(4)]])
    far, share = (
        chart(Result(plan, {"theta": θ}, {}), x="separation", y="q_star", show=show)
        .panels[0]
        .values
        for show in ("distance", "share")
    )
    np.testing.assert_allclose(far, abs(θ[0, ..., 0] - star), atol=1e-12)
    np.testing.assert_allclose(share, 1 - far / abs(3 - star), atol=1e-12)
    assert share[0, 1] == pytest.approx(0.0)
    assert share[1, 0] == 1.0
    assert share[1, 1] < 0  # farther off than at the start


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["toyflows", "map", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def made(verdict: np.ndarray, **over: object) -> Result:
    """A sweep of pcd with these verdicts (separation, rate, repeat) and θ = place."""
    x, y, repeats = verdict.shape
    plan = Plan.make(["pcd"], {"separation": f"2:9:{x}", "rate": f"0.1:10:{y}:log"},
                     walkers=10, repeats=repeats)  # fmt: skip
    θ = np.arange(verdict.size, dtype=float).reshape(1, *verdict.shape)
    values = {"verdict": verdict[None].astype(np.int8), "number": θ, "theta": θ}
    return Result(plan, values, {})


# ------------------------------------------------------------------ which numbers
def test_a_panel_has_the_sweeps_numbers_in_their_places(swept: Path) -> None:
    result = load(swept)
    seen = chart(result, x="rate", y="separation", over="loss", at={"theta0": 1.0}, show="theta")
    assert (seen.xs, seen.ys) == ((0.5, 5.0), (2.0, 4.0, 6.0))
    for k, loss in enumerate(PLAN.losses):
        assert seen.panels[k].name == loss
        for j, d in enumerate(seen.ys):
            for i, rate in enumerate(seen.xs):
                told = result.select(loss=loss, separation=d, rate=rate, theta0=1.0)["theta"]
                assert seen.panels[k].values[j, i] == pytest.approx(told.mean(), rel=1e-15)


def test_the_dimensions_are_those_of_the_plan_unless_asked(swept: Path) -> None:
    result = load(swept)
    seen = chart(result, at={"loss": "pcd"})
    assert (seen.x, seen.y, seen.over) == ("separation", "rate", "theta0")
    seen = chart(result, y="loss", at={"theta0": 0.0})
    assert (seen.x, seen.y, seen.over) == ("separation", "loss", "rate")
    assert all(panel.lines == {} for panel in seen.panels)  # words are on no line
    figure = _map.picture(seen)
    assert figure.axes[0].yaxis.get_inverted()
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == list(PLAN.losses)


def test_repeats_give_the_most_frequent_verdict_and_the_mean() -> None:
    verdict = np.array([[[0, 4, 4], [1, 1, 0]], [[3, 4, 3], [2, 1, 0]]])
    seen = chart(made(verdict))
    assert seen.panels[0].values.tolist() == [[4, 3], [1, 0]]  # a tie is the first in KINDS
    done = np.ones((1, 2, 2, 3), bool)
    done[0, 0, 0, 1:] = done[0, 1, 1] = False
    seen = chart(made(verdict), done)
    assert seen.panels[0].values.tolist() == [[0, 3], [1, MISSING]]
    assert seen.panels[0].there.tolist() == [[True, True], [True, False]]
    assert (seen.missing, seen.runs) == (5, 12)
    assert seen.to_dict()["panels"][0]["values"][1] == ["biased", None]
    numbers = chart(made(verdict), done, show="theta").panels[0].values
    np.testing.assert_array_equal(numbers, [[0.0, 7.0], [4.0, math.nan]])


def test_lines_are_the_methods_own(swept: Path) -> None:
    """t e^{−d²/8} = 1 at the rate: log(rate·t) − d²/8."""
    seen = chart(load(swept), x="rate", y="separation", over="loss", at={"theta0": 0.0})
    field = seen.panels[1].lines["t e^{−d²/8} = 1"]
    wanted = np.log(np.array(seen.xs)[None, :]) - np.array(seen.ys)[:, None] ** 2 / 8
    np.testing.assert_allclose(field, wanted, rtol=1e-14)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"x": "speed"}, "x = speed: no dimension"),
        ({"x": "rate", "y": "rate"}, "y = rate: is taken twice"),
        ({"show": "drift"}, "show = drift: was not kept; must be verdict"),
        ({"show": "path"}, "show = path: no map"),
        ({}, "at = loss=: is left over; choose one of pcd, score-matching"),
        ({"at": {"loss": "ml"}}, "at = loss=ml: must be one of"),
        ({"at": {"rate": 0.5}, "x": "rate"}, "x = rate: is fixed by --at"),
        ({"at": {"rate": 0.5, "theta0": 0.0, "loss": "pcd"}}, "a map needs two dimensions"),
    ],
)
def test_what_is_no_map_is_refused(swept: Path, how: dict, says: str) -> None:
    with pytest.raises(InputError) as error:
        chart(load(swept), **how)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


# ------------------------------------------------------------------ the command
def test_the_command_draws_and_says(
    swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / f"map{suffix}" for suffix in (".png", ".pdf", ".svg")]
    outs = [word for path in paths for word in ("--out", path)]
    assert call(monkeypatch, swept, "--at", "theta0=0", *outs) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.splitlines()[1:] == [f"saved   {path}" for path in paths]
    heads = [b"\x89PNG", b"%PDF", b"<?xml"]
    assert all(p.read_bytes().startswith(h) for p, h in zip(paths, heads, strict=True))
    first = paths[0].read_bytes()
    assert call(monkeypatch, swept, "--at", "theta0=0", "--out", paths[0]) == 0
    assert paths[0].read_bytes() == first
    capsys.readouterr()
    assert call(monkeypatch, swept, "--at", "theta0=0", "--json", "--panel", "loss") == 0
    said = json.loads(capsys.readouterr().out)
    assert [panel["name"] for panel in said["panels"]] == ["pcd", "score-matching"]
    assert np.shape(said["panels"][0]["values"]) == (2, 3)
    assert {w for p in said["panels"] for row in p["values"] for w in row} <= set(KINDS)
    assert said["missing"] == 0
    assert not swept.with_suffix(".png").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nope.npz"], "file nope.npz: there is no such file"),
        (["pyproject.toml"], "file pyproject.toml: the suffix must be one of .npz .nc .zarr"),
        (["RESULT", "--out", "a.gif"], "--out a.gif: the suffix must be one of .png .pdf .svg"),
        (["RESULT", "--out", "no/a.png"], "--out no/a.png: there is no folder no"),
        (["RESULT", "--at", "rate"], "--at rate: must be NAME=VALUE"),
        (["RESULT", "--panel", "sigma"], "--panel sigma: no dimension"),
    ],
)
def test_the_command_refuses_in_one_line(
    swept: Path, words: list[str], says: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, *(str(swept) if word == "RESULT" else word for word in words)) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"toyflows: {says}")
    assert told.err.count("\n") == 1
    assert told.out == ""
    assert list(tmp_path.iterdir()) == []


class Stop(Exception):
    """The plug is pulled."""


def test_an_unfinished_sweep_is_drawn_with_blanks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan.make(
        ["pcd"], {"separation": "2:6:5", "rate": [0.5, 1.0, 5.0]}, walkers=50, time=1.0
    )
    pulled: list[Chunk] = []

    def before(chunk: Chunk) -> None:
        pulled.append(chunk)
        if len(pulled) > 1:
            raise Stop

    with pytest.raises(Stop):
        carry_out(plan, tmp_path / "a.npz", Here(before))
    result, done = load_so_far(tmp_path / "a.npz")
    assert done.sum() == 5  # the pilots
    whole = carry_out(plan, tmp_path / "b.npz", Here())
    assert np.array_equal(result["theta"][done], whole["theta"][done])
    out = tmp_path / "m.png"
    assert call(monkeypatch, tmp_path / "a.npz", "--out", out) == 0
    assert "missing 10 of 15 runs, left blank" in capsys.readouterr().out
    figure = _map.picture(chart(result, done))
    assert any("10 of 15 runs are still to be done" in t.get_text() for t in figure.texts)
    shown = figure.axes[0].collections[0].get_array()
    assert int(np.ma.count_masked(shown)) == 10
    assert load_so_far(tmp_path / "b.npz")[1].all()


# ------------------------------------------------------------------ the picture
def regions(kinds: np.ndarray, lines: dict[str, np.ndarray] | None = None) -> Chart:
    y, x = kinds.shape
    panel = Panel(None, kinds.astype(np.int8), np.ones(kinds.shape, bool), lines or {})
    xs, ys = tuple(range(1, x + 1)), tuple(float(v) for v in np.geomspace(0.1, 10, y))
    return Chart("separation", "rate", None, "verdict", xs, ys, (panel,), kinds.size, 0)


def kind_at(seen: Chart, axes: object, text: object) -> set[int]:
    """The kinds under the corners and the middle of a text's box."""
    box = text.get_window_extent()
    corners = [(x, y) for x in (box.x0, box.x1) for y in (box.y0, box.y1)]
    found = set()
    for point in [*corners, ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)]:
        x, y = axes.transData.inverted().transform(point)
        i = np.searchsorted(_raster.edges(seen.xs), x) - 1
        j = np.searchsorted(_raster.edges(seen.ys), y) - 1
        found.add(int(seen.panels[0].values[j, i]))
    return found


def test_names_stand_in_their_regions_and_off_the_lines() -> None:
    """Three regions, one of them a strip in which only an upright word has room, one too small."""
    kinds = np.zeros((20, 20), int)
    kinds[:, 12:] = 4
    kinds[:, :1] = 2
    kinds[3, 15] = 5
    x = np.arange(1, 21.0)
    level = np.tile(x - 12.5, (20, 1))
    seen = regions(kinds, {"a line": level})
    figure = _map.picture(seen)
    figure.canvas.draw()
    axes = figure.axes[0]
    named = {text.get_text().replace("\n", " "): text for text in axes.texts}
    assert set(named) == {"converges", "oscillates", "no learning", "diverges", "a line"}
    for word in ("converges", "oscillates", "no learning"):
        assert kind_at(seen, axes, named[word]) == {KINDS.index(word)}, word
    assert named["no learning"].get_rotation() == 90
    assert named["diverges"].get_position()[1] > 1.0  # above the map
    curve = axes.lines[0]
    np.testing.assert_allclose(curve.get_xdata(), 12.5, rtol=1e-12)
    across = axes.transData.transform((12.5, 1.0))[0]
    for word, text in named.items():
        box = text.get_window_extent()
        assert not box.x0 < across < box.x1, word
    beside = named["a line"].get_window_extent()
    assert min(abs(beside.x0 - across), abs(beside.x1 - across)) < 40
    assert problems(figure) == []


def test_a_name_without_room_beside_its_line_is_led_to_it() -> None:
    """A line in a corner, with another at its side: no room is nearer to it than to the other."""
    kinds, (y, x) = np.zeros((20, 20), int), np.mgrid[0:20, 0:20]
    seen = regions(kinds, {"the name of this line": x + y - 1.0, "b": x + y - 2.5})
    figure = _map.picture(seen)
    axes = figure.axes[0]
    lead = [line for line in axes.lines if line.get_linewidth() == 1]
    named = {text.get_text().replace("\n", " "): text for text in axes.texts}
    assert len(lead) == 1
    far = lead[0].get_transform().transform(lead[0].get_xydata())[1]
    i, log_j = axes.transData.inverted().transform(far)
    j = np.log(log_j / 0.1) / np.log(100) * 19
    assert i - 1 + j == pytest.approx(1.0, abs=0.3)
    assert "the name of this line" in named
    assert problems(figure) == []


def test_lines_are_found_where_a_field_is_zero() -> None:
    """log y = x²/8 − 1 on a logarithmic axis: linear interpolation between x, exact in log y."""
    xs, ys = tuple(np.linspace(2, 4, 41).tolist()), tuple(np.geomspace(0.1, 10, 11).tolist())
    level = np.log(np.array(ys))[:, None] - np.array(xs)[None, :] ** 2 / 8 + 1
    (curve,) = _raster.zeros(xs, ys, level)
    h = xs[1] - xs[0]
    off = np.abs(np.log(curve[:, 1]) - curve[:, 0] ** 2 / 8 + 1)
    assert off.max() <= h**2 / 8 / 4 * 1.001  # h²/8 × the second derivative
    level[level > 1] = math.inf
    assert all(np.isfinite(c).all() for c in _raster.zeros(xs, ys, level))


@pytest.mark.parametrize("values", [(1.0, 2.0, 3.0), (0.1, 1.0, 10.0), ("a", "b"), (3.0, 1.0)])
def test_cells_reach_half_way_to_their_neighbours(values: tuple) -> None:
    x, log = _raster.positions(values)
    ends = _raster.edges(values)
    middle = np.sqrt(x[1:] * x[:-1]) if log else (x[1:] + x[:-1]) / 2
    assert log == (values == (0.1, 1.0, 10.0))
    np.testing.assert_allclose(ends[1:-1], middle, rtol=1e-14)
    np.testing.assert_array_equal(_raster.cell(ends, x), np.arange(len(values)))


@pytest.mark.parametrize("show", ["theta", "number"])
def test_numbers_are_a_colour_map_with_its_scale(show: str) -> None:
    result = made(np.zeros((4, 5, 1), int))
    result.values["theta"] = result["theta"] - 7.0
    result.values["number"] = np.where(result["number"] == 3, math.nan, result["number"])
    figure = _map.picture(chart(result, show=show))
    figure.canvas.draw()
    mesh = figure.axes[0].collections[0]
    signed = show == "theta"
    assert mesh.get_cmap().name == ("PuOr" if signed else "cividis")
    assert mesh.norm.vmin == (-mesh.norm.vmax if signed else 0.0)
    assert figure.axes[-1].get_ylabel() == ("θ" if signed else "verdict's number")
    dark = figure.axes[0].collections[1].get_array()
    assert int(dark.count()) == (0 if signed else 1)  # diverged
    assert problems(figure) == []


@pytest.mark.parametrize(("least", "ends"), [(-5.0, "min"), (0.5, "neither"), (-1e-9, "neither")])
def test_the_share_of_the_way_has_its_own_colours(least: float, ends: str) -> None:
    """Blue to yellow; red where θ is farther off than at the start, round-off not counted."""
    result = made(np.zeros((4, 5, 1), int))
    result.values["theta"] = np.full_like(result["theta"], -math.log(4))
    result.values["theta"][0, 0, 0, 0] *= least
    figure = _map.picture(chart(result, show="share"))
    bar = figure.axes[-1]
    assert bar.get_ylabel().startswith("share of the way done")
    assert ("red" in bar.get_ylabel()) == (ends == "min")
    assert bar._colorbar.extend == ends
    assert problems(figure) == []


def test_distances_are_yellow_up_to_what_counts_as_at_the_true_one() -> None:
    figure = _map.picture(chart(made(np.zeros((4, 5, 1), int)), show="distance"))
    mesh = figure.axes[0].collections[0]
    assert (mesh.norm.vmin, mesh.get_cmap().name) == (NEAR, "cividis_r")
    assert figure.axes[-1].get_ylabel() == "distance |θ − θ*|"
    assert problems(figure) == []


def test_the_style_of_the_page_is_the_houses() -> None:
    with _style.style():
        figure = _map.picture(regions(np.zeros((5, 5), int)))
    assert figure._suptitle.get_text() == "The weight is learned at 100 % of the map"
