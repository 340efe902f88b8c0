"""The front door: `toyflows.flow`, saving, loading, resuming, refusing."""

from __future__ import annotations

import csv
import io
import json
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import toyflows
from toyflows import files
from toyflows.errors import InputError
from toyflows.run_files import SUFFIXES


def small(loss: str = "pcd", **options):
    options = {"theta_star": 1.4, "walkers": 2_000, "time": 10.0} | options
    return toyflows.flow(loss, **options)


@pytest.mark.parametrize("loss", ["ml", "score-matching", "nce", "pcd"])
def test_to_dict_has_the_documented_keys(loss: str) -> None:
    out = json.loads(json.dumps(small(loss, seed=3).to_dict(), allow_nan=False))
    assert list(out) == [
        "loss", "options", "theta_star", "q_star", "theta0", "separation", "time", "dt", "rate",
        "seed", "backends", "verdict", "eigenvalues", "alarms",
    ]  # fmt: skip
    assert set(out["backends"]) == {"theory", "grid", "walkers"}
    for name, columns in out["backends"].items():
        assert len(columns["t"]) == len(columns["theta"]) == 201
        assert ("walkers" in columns) == (name == "walkers")
        assert ("mode_b" in columns) == (name != "theory" and loss != "score-matching")
    assert set(out["verdict"]) == {"kind", "number", "says", "now", "so_far", "needs", "noise"}
    assert (out["q_star"], out["seed"]) == (pytest.approx(1 / (1 + math.exp(1.4))), 3)
    options = {
        "nce": {"mu": 0.0, "normalised": False, "learn_c": False},
        "pcd": {"kernel": "ula", "start": "model"},
    }
    assert out["options"] == options.get(loss, {})


def test_q_star_is_the_same_run() -> None:
    one, other = small(backends=["grid"]), small(theta_star=None, q_star=small().target.q_star,
                                                 backends=["grid"])  # fmt: skip
    assert one.backends["grid"].θ == pytest.approx(other.backends["grid"].θ, abs=1e-12)


def test_backends_are_chosen_and_ordered() -> None:
    assert list(small(backends=["walkers", "theory"]).backends) == ["theory", "walkers"]
    assert list(small(backends=["grid"]).backends) == ["grid"]


def test_long_runs_are_recorded_thinly() -> None:
    """About 2000 records, the last one at the end, whatever the number of steps."""
    run = small("score-matching", time=1000.0, dt=0.1, backends=["grid", "theory"])
    for tr in run.backends.values():
        assert 2000 <= tr.t.size <= 2002
        assert tr.t[-1] == pytest.approx(1000.0)


def test_more_walkers_extend_fewer() -> None:
    """Walker i sees the same noise whatever their number: but θ differs, so look at t = dt."""
    few, many = (small(walkers=n, time=0.05, backends=["walkers"]) for n in (500, 3_000))
    x, y = (r.backends["walkers"].state.chains.x for r in (few, many))
    assert np.array_equal(x, y[:500])


def test_csv_and_json_hold_the_same_numbers(tmp_path: Path) -> None:
    run = small()
    rows = list(csv.DictReader(io.StringIO(run.save(tmp_path / "run.csv").read_text("utf-8"))))
    told = json.loads(run.save(tmp_path / "run.json").read_text("utf-8"))
    for name, columns in told["backends"].items():
        mine = [r for r in rows if r["backend"] == name]
        assert [float(r["t"]) for r in mine] == columns["t"]
        assert [float(r["theta"]) for r in mine] == columns["theta"]
        assert [float(r["mode_b"]) for r in mine if r["mode_b"]] == columns.get("mode_b", [])
        assert all(0 <= float(r["q"]) <= 1 for r in mine)


@pytest.mark.parametrize(
    ("loss", "options"),
    [("pcd", {}), ("ml", {}), ("nce", {"learn_c": True}), ("score-matching", {}),
     ("pcd", {"theta_star": None, "data": "old-faithful"})],
    ids=str,
)  # fmt: skip
def test_a_saved_run_resumes_bit_for_bit(loss: str, options: dict, tmp_path: Path) -> None:
    """npz → load → resume equals the uninterrupted run in every array, also on real data."""
    half = small(loss, time=4.0, seed=5, **options)
    loaded = toyflows.load(half.save(tmp_path / "half.npz"))
    assert loaded.to_dict() == half.to_dict()
    resumed, whole = loaded.resume(10.0), small(loss, time=10.0, seed=5, **options)
    for name, tr in whole.backends.items():
        other = resumed.backends[name]
        for column in ("t", "θ", "velocity", "mode_b", "crossings"):
            assert np.array_equal(getattr(tr, column), getattr(other, column), equal_nan=True)
        if tr.state is not None and tr.state.chains is not None:
            assert np.array_equal(tr.state.chains.x, other.state.chains.x)
    assert resumed.verdict == whole.verdict
    with pytest.raises(InputError, match="time"):
        whole.resume(9.0)


def test_pictures_are_pictures(tmp_path: Path) -> None:
    run = small()
    for suffix, head in ((".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")):
        saved = run.save(tmp_path / f"run{suffix}")
        assert saved.read_bytes().startswith(head)
        again = run.save(tmp_path / f"again{suffix}")
        assert again.read_bytes() == saved.read_bytes(), "the same run draws the same bytes"
    data = (tmp_path / "run.png").read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert (width, height) == (1920, 930)
    assert zlib.crc32(data[12:29]) == struct.unpack(">I", data[29:33])[0]
    assert "<text" in (tmp_path / "run.svg").read_text("utf-8"), "text stays text"


def test_an_interrupted_save_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "run.json"
    small().save(path)
    before = path.read_bytes()
    monkeypatch.setattr("toyflows.run_files.json.dumps", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        small().save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04garbage", b"not a run"])
def test_a_broken_file_is_not_a_run(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InputError, match="not a saved run"):
        toyflows.load(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", a=np.ones(3))
    with pytest.raises(InputError, match="not a saved run"):
        toyflows.load(tmp_path / "y.npz")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_unwritable_places_are_named(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        small().save(tmp_path / "none" / f"x{suffix}")
    (tmp_path / f"d{suffix}").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        small().save(tmp_path / f"d{suffix}")


def test_real_data_is_learned_by_maximum_likelihood_alone() -> None:
    """On Old Faithful ML agrees with EM to 1e−6; on every backend the data are the same points."""
    run = toyflows.flow("ml", data="old-faithful", time=200.0, walkers=20_000)
    assert run.backends["grid"].θ[-1] == pytest.approx(run.target.θ_star, abs=1e-6)
    assert run.target.q_star == pytest.approx(0.640081, abs=1e-6)
    told = run.to_dict()["data"]
    assert (told["source"], told["points"], told["name"]) == ("old-faithful", 272, "eruptions")
    assert told["read"] == "272 points of eruptions: modes 2.05 and 4.30, spread 0.364"
    biased = toyflows.flow("nce", data="old-faithful", backends=["grid"], time=200.0)
    assert biased.verdict.kind == "biased"


def test_given_modes_are_held() -> None:
    run = toyflows.flow("ml", data="old-faithful", modes=(2.0, 4.3), backends=["grid"], time=1.0)
    assert run.target.mixture.d == pytest.approx(2.3 / 0.365043, rel=1e-5)


def test_theory_has_only_some_methods(monkeypatch) -> None:
    from toyflows.flows import registry

    monkeypatch.setattr(registry()["ml"], "separated", lambda *a, **k: None)
    assert list(small("ml").backends) == ["grid", "walkers"]
    with pytest.raises(InputError, match="no closed form"):
        small("ml", backends=["theory"])


@settings(max_examples=25, deadline=None)
@given(
    method=st.sampled_from(
        [("ml", {}), ("score-matching", {}), ("pcd", {}), ("nce", {"mu": -300.0, "learn_c": True}),
         ("nce", {"mu": 300.0}), ("nce", {"normalised": True})]
    ),
    theta_star=st.sampled_from([0.0, 1e-9, -1.4, 700.0, -700.0]) | st.floats(-30, 30),
    theta0=st.sampled_from([0.0, 700.0, -700.0]) | st.floats(-300, 300),
    separation=st.sampled_from([0.01, 1.0, 20.0, 100.0]) | st.floats(0.1, 60),
    dt=st.sampled_from([1e-3, 0.05, 1.0, 1.99]),
    rate=st.sampled_from([1e-6, 1.0, 3.9]),
    walkers=st.sampled_from([1, 2, 1023, 1024, 1025]),
    steps=st.integers(1, 40),
)  # fmt: skip
@example(method=("ml", {}), theta_star=700.0, theta0=0.0, separation=1.0, dt=1e-3, rate=1e-6,
         walkers=1, steps=1)  # its eigenvalue is denormal  # fmt: skip
def test_every_allowed_run_ends_in_a_verdict(method, steps, dt, **numbers) -> None:
    """No traceback, no floating-point error, nothing that JSON cannot say, at any extreme."""
    loss, options = method
    run = toyflows.flow(loss, dt=dt, time=steps * dt, **numbers, **options)
    told = json.loads(json.dumps(run.to_dict(), allow_nan=False))
    assert told["verdict"]["kind"]
    assert len(told["backends"]["grid"]["t"]) == steps + 1


def test_memory_is_asked_first(monkeypatch) -> None:
    monkeypatch.setattr("toyflows.files.free_memory", lambda: 1 << 30)
    with pytest.raises(InputError, match=r"needs 7\.\d GiB of memory, there is 1\.0 GiB"):
        small(walkers=1_000_000_000)
    monkeypatch.undo()
    assert files.free_memory() > 1 << 20


@pytest.mark.parametrize(
    ("asked", "cores"),
    [(None, 6), ("1", 1), (" 4 ", 4), ("64", 6), ("0", 6), ("-2", 6), ("4,2", 6), ("", 6)],
)
def test_cores_are_at_most_omp_num_threads(asked: str | None, cores: int, monkeypatch) -> None:
    monkeypatch.setattr(files.os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert files.available_cores() == cores
    assert small(walkers=100_000, time=0.1, backends=["walkers"]).threads == cores


def test_memory_of_walkers_is_flat() -> None:
    """Twenty times the steps take no more memory: paths are not stored."""
    import tracemalloc

    peaks = []
    for steps in (20, 400):
        tracemalloc.start()
        small(walkers=300_000, dt=0.05, time=steps * 0.05, backends=["walkers"])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000
    assert peaks[0] < 300_000 * 8 * 1.3 + 2_000_000


def test_a_file_is_replaced_at_once_or_not_at_all(tmp_path: Path) -> None:
    """Who reads the old file goes on reading it whole; a failed block leaves it, and no other."""
    path = tmp_path / "x.txt"
    path.write_text("old" * 1000)
    with path.open() as reader:
        with files.whole_file(path) as temporary:
            temporary.write_text("new")
            assert path.read_text() == "old" * 1000
            assert temporary.suffix == ".txt"
        assert reader.read() == "old" * 1000
    assert path.read_text() == "new"

    def interrupted() -> None:
        with files.whole_file(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]
