"""The file of a sweep: whole, resumable, extensible, never another plan's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sweep_engine import Here, small

from toyflows.errors import InputError
from toyflows.sweep import Result, load, run
from toyflows.sweep.plan import Plan
from toyflows.sweep.point import Chunk
from toyflows.sweep.run import Estimate, carry_out, estimate
from toyflows.sweep.store import Store


@pytest.fixture(autouse=True)
def _short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "SHORTEST", 1e-9)
    monkeypatch.setattr(run, "CARRIED", 0.0)


def made(folder: Path, plan: Plan, name: str = "whole.npz") -> bytes:
    """The bytes of an uninterrupted sweep."""
    carry_out(plan, folder / name, Here())
    return (folder / name).read_bytes()


class Stop(Exception):
    """The plug is pulled."""


def stopping(after: int) -> Here:
    """An engine that stops before its chunk number `after`."""
    seen: list[Chunk] = []

    def before(chunk: Chunk) -> None:
        seen.append(chunk)
        if len(seen) > after:
            raise Stop

    return Here(before)


def test_the_file_has_the_runs_in_their_places(tmp_path: Path) -> None:
    plan = small()
    result = carry_out(plan, tmp_path / "a.npz", Here())
    alone = {run.key: k for k in range(plan.runs) for run in [plan.run(k)]}
    assert len(alone) == plan.runs
    from toyflows.sweep.point import measure

    for k in (0, 7, 23):
        place = np.unravel_index(k, plan.shape)
        told = measure(plan.run(k))
        for name, array in result.values.items():
            np.testing.assert_array_equal(array[place], told[name])
        assert result.seeds[place] == plan.run(k).seed
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz"]


@pytest.mark.parametrize("suffix", [".npz", ".nc", ".zarr"])
def test_a_file_is_read_as_it_was(tmp_path: Path, suffix: str) -> None:
    if suffix != ".npz":
        pytest.importorskip("xarray")
        pytest.importorskip("h5netcdf" if suffix == ".nc" else "zarr")
    first = carry_out(small(), tmp_path / f"a{suffix}", Here())
    again = load(tmp_path / f"a{suffix}")
    assert again.plan == first.plan
    assert again.versions == first.versions
    assert list(again.values) == ["verdict", "number", "theta", "crossings", "path"]
    for name, array in first.values.items():
        assert array.dtype == again[name].dtype
        np.testing.assert_array_equal(array, again[name])
    assert (
        repr(again)
        == repr(first)
        == (
            "Result(verdict, number, theta, crossings, path on walkers: "
            "2 loss × 3 separation × 2 rate × 2 repeat)"
        )
    )
    data = first.to_xarray() if suffix != ".npz" else None
    if data is not None:
        assert (
            data["theta"].sel(loss="pcd", separation=8.0, rate=5.0, repeat=1)
            == (first.select(loss="pcd", separation=8.0, rate=5.0, repeat=1)["theta"])
        )
        assert data["separation"].attrs["units"] == "spreads of a mode"


@pytest.mark.parametrize("after", [0, 1, 5])
def test_a_stopped_sweep_goes_on_to_the_same_bytes(tmp_path: Path, after: int) -> None:
    plan, out = small(), tmp_path / "a.npz"
    with pytest.raises(Stop):
        carry_out(plan, out, stopping(after))
    assert not out.exists()
    kept = Store(out, plan, plan.keys()).saved
    assert (kept > 0) == (after > 0)
    rest = Here()
    carry_out(plan, out, rest)
    assert rest.runs == plan.runs - kept
    assert out.read_bytes() == made(tmp_path, plan)
    assert not (tmp_path / "a.npz.parts").exists()


def test_a_stopped_sweep_that_grows_goes_on_to_the_bytes_of_the_larger(tmp_path: Path) -> None:
    out, narrow, wide = tmp_path / "a.npz", small("pcd", repeats=1), small("pcd", repeats=2)
    with pytest.raises(Stop):
        carry_out(narrow, out, stopping(1))
    kept, rest = Store(out, narrow, narrow.keys()).saved, Here()
    carry_out(wide, out, rest)
    assert rest.runs == wide.runs - kept < wide.runs
    assert out.read_bytes() == made(tmp_path, wide)


def test_an_extended_sweep_computes_only_what_is_new(tmp_path: Path) -> None:
    out = tmp_path / "a.npz"
    carry_out(small(), out, Here())
    wide = small("ml", "jarzynski", "pcd", over={"separation": "2,5,8,14", "rate": [0.5, 5]})
    engine = Here()
    with pytest.raises(Stop):  # a part of the new is there, too
        carry_out(wide, out, stopping(3))
    assert load(out).plan == small()
    carry_out(wide, out, engine)
    assert engine.runs < wide.runs - small().runs
    assert out.read_bytes() == made(tmp_path, wide)
    again = Here()
    carry_out(wide, out, again)
    assert again.runs == 0


def test_a_run_that_occurs_twice_is_made_once(tmp_path: Path) -> None:
    engine = Here()
    plan = Plan.make(["pcd", "cd"], {"k": [1, 2, 3]}, walkers=100, time=1.0, separation=3.0)
    result = carry_out(plan, tmp_path / "a.npz", engine)
    assert engine.runs == 4
    assert np.unique(result["theta"][0]).size == 1
    assert np.unique(result["theta"][1]).size == 3


@pytest.mark.parametrize("stopped", [True, False])
def test_the_file_of_another_plan_is_refused_and_stays(tmp_path: Path, stopped: bool) -> None:
    out = tmp_path / "a.npz"
    if stopped:
        with pytest.raises(Stop):
            carry_out(small(), out, stopping(2))
    else:
        carry_out(small(), out, Here())
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    for other, says in (
        (small(time=3.0), "time = 2.0, here 3.0"),
        (small("pcd"), "the loss jarzynski"),
        (small(keep=["theta"]), "keep = "),
    ):
        with pytest.raises(InputError, match="holds another sweep") as error:
            carry_out(other, out, Here())
        assert says in str(error.value)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_numbers_of_other_versions_are_not_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_out(small(), tmp_path / "a.npz", Here())
    from toyflows.sweep import store

    monkeypatch.setattr(store, "versions", lambda: {"toyflows": "9", "numpy": "9", "numba": "9"})
    with pytest.raises(InputError, match=r"toyflows 0\.\S+, here 9"):
        carry_out(small(repeats=3), tmp_path / "a.npz", Here())


def test_what_is_no_sweep_is_not_touched(tmp_path: Path) -> None:
    for name in ("a.npz", "b.nc"):
        (tmp_path / name).write_bytes(b"mine")
        with pytest.raises(InputError, match="no sweep"):
            carry_out(small(), tmp_path / name, Here())
        assert (tmp_path / name).read_bytes() == b"mine"
    (tmp_path / "c.npz.parts").mkdir()
    (tmp_path / "c.npz.parts" / "mine").write_text("mine")
    with pytest.raises(InputError, match="no sweep"):
        carry_out(small(), tmp_path / "c.npz", Here())
    for name, says in (("a.txt", "suffix must be one of"), ("no/a.npz", "no folder")):
        with pytest.raises(InputError, match=says):
            carry_out(small(), tmp_path / name, Here())
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "nope.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(InputError, match="no sweep"):
        load(tmp_path / "other.npz")


FULL = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from sweep_engine import Here, small
from toyflows.errors import InputError
from toyflows.sweep import run
run.SHORTEST, run.CARRIED = 1e-9, 0.0
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
seen = []
def before(chunk):
    seen.append(chunk)
    if len(seen) > 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    run.carry_out(small(), Path({out!r}), Here(before))
except InputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit")
def test_a_full_disk_is_one_line_and_keeps_what_was_saved(tmp_path: Path) -> None:
    """Files larger than 100 bytes fail from the fourth chunk on, as a full disk does."""
    out = tmp_path / "a.npz"
    script = FULL.format(tests=str(Path(__file__).parent), out=str(out))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr == ""
    plan = small()
    saved = Store(out, plan, plan.keys()).saved
    assert 0 < saved < plan.runs
    says = f"{saved} of {plan.runs} runs are kept in a.npz.parts, and the same command goes on"
    assert says in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert not [p for p in (tmp_path / "a.npz.parts").iterdir() if p.name.startswith(".")]
    carry_out(plan, out, Here())
    assert out.read_bytes() == made(tmp_path, plan)


def test_a_dry_run_measures_and_writes_nothing(tmp_path: Path) -> None:
    plan = small(walkers=3000)
    told = estimate(plan, tmp_path / "a.npz", Here())
    assert isinstance(told, Estimate)
    assert (told.runs, told.missing, told.jobs) == (24, 24, 1)
    assert 0 < told.seconds < 60
    assert told.memory > 10 << 20
    assert list(tmp_path.iterdir()) == []
    carry_out(plan, tmp_path / "a.npz", Here())
    assert estimate(plan, tmp_path / "a.npz", Here()).missing == 0


def test_a_refusal_in_a_worker_comes_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from toyflows.sweep import point

    def refuse(*_: object) -> None:
        raise InputError("dt", 3, "too large")

    monkeypatch.setattr(point, "_trajectory", refuse)
    with pytest.raises(InputError, match=r"too large \(pcd at separation = 2"):
        carry_out(small(), tmp_path / "a.npz", Here())


def test_results_answer_by_name(tmp_path: Path) -> None:
    result = carry_out(small(), tmp_path / "a.npz", Here())
    assert isinstance(result, Result)
    assert result.select(loss="pcd", repeat=1)["path"].shape == (3, 2, 200)
    assert result.words.shape == result.plan.shape
    assert sum(sum(kinds.values()) for kinds in result.counts().values()) == 24
    assert json.loads(json.dumps(result.meta()))["plan"] == result.plan.to_dict()
    assert "pcd" in result._repr_html_()
    for where, says in (({"los": "pcd"}, "did you mean loss"), ({"loss": "ml"}, "must be one")):
        with pytest.raises(InputError, match=says):
            result.select(**where)
    with pytest.raises(InputError, match="was not kept"):
        result["drift"]
