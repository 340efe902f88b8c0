"""Runs and sweeps in the tools of the ecosystem: matplotlib's axes, pandas, xarray, Zarr."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import toyflows
from toyflows import modes, sweep
from toyflows.errors import InputError
from toyflows.verdict import KINDS


@pytest.fixture(scope="module")
def run() -> toyflows.Run:
    return toyflows.flow("nce", theta_star=1.4, walkers=2000, time=10.0, learn_c=True)


@pytest.fixture(scope="module")
def three() -> modes.Run:
    return modes.flow("ml", positions=[[0, 0], [6, 0], [3, 5]], theta_star=[0, 1, 0.5], time=2.0,
                      walkers=500)  # fmt: skip


def test_a_run_in_axes_of_ones_own(run: toyflows.Run) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    ax, other = figure.subplots(1, 2)
    assert run.plot(ax=ax) is figure
    drawn = [line.get_xydata() for line in ax.get_lines()]
    for path in run.backends.values():
        assert any(np.array_equal(xy, np.column_stack([path.t, path.θ])) for xy in drawn)
    assert not other.has_data()
    assert "converges" in ax.get_title() or run.verdict.kind in ax.get_title()


def test_a_run_in_pandas_has_every_record(run: toyflows.Run) -> None:
    pytest.importorskip("pandas")
    table = run.to_pandas()
    assert list(table["backend"].unique()) == list(run.backends)
    for name, path in run.backends.items():
        rows = table[table["backend"] == name]
        assert np.array_equal(rows["t"], path.t)
        assert np.array_equal(rows["theta"], path.θ)
        assert np.array_equal(rows["c"], path.extra["c"])
        assert rows["q"].to_numpy() == pytest.approx(1 / (1 + np.exp(path.θ)), rel=1e-14)
    assert table.attrs["theta_star"] == 1.4


def test_a_run_in_xarray_is_labelled(run: toyflows.Run) -> None:
    pytest.importorskip("xarray")
    data = run.to_xarray()
    assert dict(data.sizes) == {"backend": len(run.backends), "t": run.backends["grid"].t.size}
    assert np.array_equal(data["theta"].sel(backend="grid"), run.backends["grid"].θ)
    assert np.isnan(data["mode_b"].sel(backend="theory")).all()
    assert data["t"].attrs["units"] == "Langevin time"
    assert json.loads(data.attrs["toyflows"])["loss"] == "nce"


def test_k_modes_have_a_column_and_a_dimension_each(three: modes.Run) -> None:
    pytest.importorskip("xarray")
    table, data = three.to_pandas(), three.to_xarray()
    walkers = table[table["backend"] == "walkers"]
    assert np.array_equal(walkers[["theta_1", "theta_2", "theta_3"]], three.theta)
    assert np.array_equal(data["q"].sel(backend="walkers"), three.weights)
    assert three.theta_star.tolist() == [0.0, 1.0, 0.5]


@pytest.mark.parametrize("method", ["to_pandas", "to_xarray"])
def test_a_missing_library_is_one_line(
    run: toyflows.Run, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = method.removeprefix("to_")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=f"must be installed: pip install {library}"):
        getattr(run, method)()


def test_greek_names_have_plain_ones(run: toyflows.Run) -> None:
    path = run.backends["walkers"]
    assert path.theta is path.θ
    assert run.theta_star == run.target.theta_star == run.target.θ_star == 1.4
    assert path.state is not None
    assert path.state.theta == path.state.θ == path.θ[-1]
    with pytest.raises(AttributeError):
        run.target.theta_star = 1.0  # type: ignore[misc]


def test_a_stored_sweep_says_what_its_verdicts_mean(tmp_path: Path) -> None:
    """By the CF conventions, in a Zarr store whose metadata is consolidated."""
    xarray, _ = pytest.importorskip("xarray"), pytest.importorskip("zarr")
    out = tmp_path / "s.zarr"
    result = sweep.sweep("ml", over={"theta_star": (0.5, 1.0)}, time=1.0, backend="grid", out=out,
                         jobs=1)  # fmt: skip
    with xarray.open_zarr(out, consolidated=True) as data:
        told = data["verdict"].attrs
        words = dict(zip(told["flag_values"], told["flag_meanings"].split(), strict=True))
        codes = data["verdict"].values
    assert [words[k].replace("_", " ") for k in codes.ravel()] == result.words.ravel().tolist()
    assert len(words) == len(KINDS)
    assert np.array_equal(sweep.load(out)["theta"], result["theta"])
