"""`toyflows sweep`: one line where it cannot, nothing written by --dry-run, JSON, plan files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from sweep_engine import Here

from toyflows.cli.main import main
from toyflows.sweep import load

ASKED = ["--loss", "pcd", "--loss", "cd k=2", "--over", "separation=2:6:2", "--walkers", "100",
         "--time", "1"]  # fmt: skip


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No processes."""
    from toyflows.sweep import engines

    real = engines.make_engine

    def make(name: str, jobs: int | None = None, scheduler: str | None = None) -> object:
        return Here() if (name, scheduler) == ("local", None) and jobs != 0 else real(
            name, jobs, scheduler)  # fmt: skip

    monkeypatch.setattr(engines, "make_engine", make)


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["toyflows", "sweep", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_a_sweep_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.npz"
    assert call(monkeypatch, *ASKED, "--out", str(out), "--dry-run") == 0
    told = capsys.readouterr().out
    assert "runs    4, of which 4 are still to be done" in told
    assert "time    about" in told
    assert "memory" in told
    assert list(tmp_path.iterdir()) == []
    assert call(monkeypatch, *ASKED, "--out", str(out)) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith("runs    4 in ")
    assert f"saved   {out}" in shown.out
    result = load(out)
    assert result.plan.losses == ("pcd", "cd k=2")
    assert result.plan.base.walkers == 100
    assert call(monkeypatch, *ASKED, "--out", str(out), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["runs"], said["computed"], said["reused"]) == (4, 0, 4)
    assert said["shape"] == {"loss": 2, "separation": 2, "repeat": 1}
    assert said["verdicts"] == result.counts()


def test_a_plan_file_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('loss = ["pcd", "cd k=2"]\nwalkers = 100\ntime = 1\n'
                    '[over]\nseparation = "2:6:2"\n')  # fmt: skip
    assert call(monkeypatch, str(plan), "--out", str(tmp_path / "a.npz")) == 0
    assert call(monkeypatch, *ASKED, "--out", str(tmp_path / "b.npz")) == 0
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    capsys.readouterr()
    assert call(monkeypatch, str(plan), "--time", "2", "--out", str(tmp_path / "a.npz")) == 2
    assert "is said by the plan" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "--loss (none): must be a method"),
        (["--loss", "pdc"], "did you mean pcd"),
        (["--loss", "pcd", "--over", "seperation=2:4:2"], "--over seperation: "),
        (["--loss", "pcd", "--over", "separation=2:4:0"], "the range is empty"),
        (["--loss", "pcd", "--keep", "teta"], "--keep teta: unknown; did you mean theta"),
        (["--loss", "pcd", "--jobs", "0"], "--jobs 0: must be 1"),
        (["--loss", "pcd", "--engine", "ray"], "--engine ray: unknown"),
        (["--loss", "pcd", "--out", "nowhere/a.npz"], "--out nowhere/a.npz: there is no folder"),
        (["--loss", "pcd", "--out", "a.txt"], "the suffix must be one of .npz .nc .zarr"),
        (["--loss", "pcd", "--over", "separation=1:20:1001", "--over", "rate=0.1:7:1001"],
         "1,002,001 runs: must be at most 1,000,000"),
        (["nope.toml"], "toyflows: plan nope.toml: No such file"),
        (["--loss", "pcd", "--scheduler", "nowhere"], "--scheduler nowhere: must be an address"),
    ],
    ids=str,
)  # fmt: skip
def test_a_bad_plan_is_one_line_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], says: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    if "--scheduler" in words:
        pytest.importorskip("distributed")
    out = [] if "--out" in words else ["--out", "a.npz"]
    assert call(monkeypatch, *words, *out) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_says_what_is_kept_and_the_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from toyflows.sweep import engines

    seen: list[object] = []

    def stop(chunk: object) -> None:
        seen.append(chunk)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(engines, "make_engine", lambda *_: Here(stop))
        assert call(patch, *ASKED, "--out", str(tmp_path / "a.npz")) == 130
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("toyflows: 2 of 4 runs are kept in ")
    assert told[0].endswith("a.npz.parts; the same command goes on")
    assert told[1:] == ["toyflows: interrupted"]
    assert call(monkeypatch, *ASKED, "--out", str(tmp_path / "a.npz"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["reused"] == 2
