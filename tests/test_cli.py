"""The command line as a user meets it: good calls, and bad ones that change nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from processes import MAIN, PATIENCE, running, wait_for, without_compiling

import toyflows
from toyflows.cli.main import main

FAST = ["--walkers", "2000", "--time", "5"]


def call(*words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    script = "from toyflows.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *words],
        cwd=cwd, capture_output=True, text=True, env=os.environ | env, check=False,
    )  # fmt: skip


def test_flow_prints_a_table_and_the_verdict() -> None:
    done = call("flow", "--loss", "pcd", "--theta-star", "1.4", *FAST)
    assert done.returncode == 0, done.stderr
    assert without_compiling(done.stderr) == ""
    for words in ("θ* = +1.4000", "q* = 0.1978", "θ > 0 makes mode b light", "θ theory", "θ grid",
                  "θ walkers", "verdict mode collapse", "p_b(θ0) − q* = +0.3022"):  # fmt: skip
        assert words in done.stdout, done.stdout


def test_json_is_one_object_and_equals_the_library() -> None:
    words = ("--loss", "nce", "--q-star", "0.8", "-p", "mu=0.5", "-p", "learn_c=true", *FAST)
    done = call("flow", *words, "--seed", "7", "--json")
    told = json.loads(done.stdout)
    run = toyflows.flow("nce", q_star=0.8, mu=0.5, learn_c=True, walkers=2000, time=5.0, seed=7)
    assert told == json.loads(json.dumps(run.to_dict()))
    assert told["options"] == {"mu": 0.5, "normalised": False, "learn_c": True}
    assert len(told["backends"]["walkers"]["c"]) == 101


def test_out_writes_every_suffix(tmp_path: Path) -> None:
    names = [f"run.{s}" for s in ("png", "pdf", "svg", "json", "csv", "npz")]
    outs = [word for name in names for word in ("--out", name)]
    done = call("flow", "--loss", "ml", "--theta-star", "1", *FAST, *outs, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    assert toyflows.load(tmp_path / "run.npz").settings.walkers == 2000


def test_flows_lists_each_equation_and_option() -> None:
    done = call("flows")
    assert done.returncode == 0
    for words in ("ml ", "score-matching ", "pcd ", "θ̇ = E_{ρ_θ}[∂_θU_θ]", "-p mu=0.0",
                  "-p learn_c=False"):  # fmt: skip
        assert words in done.stdout


def test_doctor_says_that_all_is_well() -> None:
    done = call("doctor")
    assert done.returncode == 0, done.stdout
    for words in ("toyflows ", "numba ", "threads", "SIMD", "cache", "ok "):
        assert words in done.stdout
    reached = re.search(r"convolutions (\d+) GFLOP/s, the registers (\d+) ", done.stdout)
    assert reached, done.stdout
    assert 0 < int(reached[1]) < 1.2 * int(reached[2])  # a clock that rises between the two
    assert "WRONG" not in done.stdout


@pytest.mark.parametrize("opens", [True, False])
def test_show_opens_the_picture_or_says_where_it_is(opens: bool, monkeypatch, capsys) -> None:
    from toyflows.cli import flow

    asked = []
    monkeypatch.setattr("webbrowser.open", lambda uri: asked.append(uri) or opens)
    flow._show(toyflows.flow("ml", theta_star=1.0, backends=["grid"], time=1.0))
    picture = Path(asked[0].removeprefix("file://"))
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert (str(picture) in capsys.readouterr().err) != opens
    picture.unlink()


def test_a_closed_pipe_is_no_error() -> None:
    script = f"{sys.executable} -c 'from toyflows.cli.main import main; main()' flows | head -1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""


PCD = ["flow", "--loss", "pcd"]
ONE = [*PCD, "--theta-star", "1.4"]
NCE = ["flow", "--loss", "nce", "--theta-star", "1"]
BAD = [
    ([*ONE[:2], "pdc", *ONE[3:]], "--loss pdc: unknown; did you mean pcd"),
    (["flow", "--loss", "maximum", "--theta-star", "1"], "--loss maximum: unknown; choose from "),
    (["flow", "--theta-star", "1"], "--loss"),
    (PCD, "--theta-star and --q-star: neither is given"),
    ([*ONE, "--q-star", "0.5"], "--theta-star and --q-star: both are given"),
    ([*PCD, "--theta-star", "nan"], "--theta-star nan: must be a finite number"),
    ([*PCD, "--theta-star", "one"], "--theta-star one: "),
    ([*PCD, "--theta-star", "1000"], "--theta-star 1000: must be |θ*| ≤ 700"),
    ([*PCD, "--q-star", "1"], "--q-star 1: must be 0 < q* < 1"),
    ([*PCD, "--q-star", "-0.2"], "--q-star -0.2: must be 0 < q* < 1"),
    ([*ONE, "--theta0", "inf"], "--theta0 inf: must be a finite number"),
    ([*ONE, "--theta0", "1e4"], "--theta0 1e4: must be |θ0| ≤ 700"),
    ([*ONE, "--separation", "0"], "--separation 0: must be 0 < d ≤ 100"),
    ([*ONE, "--separation", "-3"], "--separation -3: must be"),
    ([*ONE, "--dt", "2"], "--dt 2: must be 0 < dt < 2"),
    ([*ONE, "--dt", "0"], "--dt 0: must be 0 < dt < 2"),
    ([*ONE, "--time", "-1"], "--time -1: must be at least one step"),
    ([*ONE, "--time", "1e12"], "--time 1e12: must be at most 100,000,000 steps"),
    ([*ONE, "--rate", "0"], "--rate 0: must be 0 < rate < 160"),
    ([*ONE, "--rate", "1e9"], "--rate 1e9: must be 0 < rate < 160"),
    ([*ONE, "--walkers", "0"], "--walkers 0: must be 1 or more"),
    ([*ONE, "--walkers", "9000000000000"], "GiB of memory, there is"),
    ([*ONE, "--walkers", "1e5"], "--walkers 1e5: "),
    ([*ONE, "--seed", "-1"], "--seed -1: must be 0 ≤ seed < 2^63"),
    ([*ONE, "--threads", "0"], "--threads 0: must be 1 to 256"),
    ([*ONE, "--backend", "gird"], "--backend gird: unknown; did you mean grid?"),
    ([*ONE, "-p", "mu=1"], "-p mu: unknown option; choose from kernel"),
    ([*NCE, "-p", "nu=1"], "-p nu: unknown option; did you mean mu"),
    ([*NCE, "-p", "mu"], "-p mu: must be NAME=VALUE"),
    ([*NCE, "-p", "mu=x"], "-p mu=x: must be a number"),
    ([*PCD, "--data", "none.csv"], "--data none.csv: "),
    ([*PCD, "--data", "empty.csv"], "--data empty.csv: "),
    ([*PCD, "--data", "same.csv"], "--data same.csv: "),
    ([*PCD, "--data", "words.csv"], "line 3"),
    ([*PCD, "--data", "inf.csv"], "line 2"),
    ([*PCD, "--data", "."], "--data .: "),
    ([*ONE, "--data", "old-faithful"], "--theta-star 1.4: is fitted when --data is given"),
    ([*PCD, "--data", "old-faithful", "--separation", "5"],
     "--separation 5: is fitted when --data is given"),
    ([*PCD, "--data", "old-faithful", "--column", "x"], "--data old-faithful: has the columns"),
    ([*ONE, "--column", "2"], "--column 2: goes with"),
    ([*ONE, "--skip-missing"], "--skip-missing: goes with"),
    ([*ONE, "--no-skip-missing"], "--no-skip-missing: goes with"),
    (["train", "ddpm", "--target", "two-moons", "--columns", "1,2", "--out", "c.npz"],
     "--columns 1,2: goes with"),
    (["train", "ebm", "--columns", "1,2", "--out", "c.npz"], "--columns 1,2: is for points"),
    (["likelihood", "--exact", "two-moons", "--skip-missing"], "--skip-missing: goes with"),
    ([*ONE, "--modes", "1", "2"], "--modes 1 2: goes with --data"),
    ([*PCD, "--data", "old-faithful", "--modes", "4", "2"], "--modes 4 2: "),
    ([*ONE, "--out", "run.xyz"], "--out run.xyz: the suffix must be one of .png"),
    ([*ONE, "--out", "none/run.png"], "--out none/run.png: there is no folder none"),
    ([*ONE, "--out", "locked/run.png"], "--out locked/run.png: "),
    ([*ONE, "--nope"], "--nope"),
    (["nope"], "nope"),
]  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with bad data and a file where a folder is expected."""
    desk = tmp_path_factory.mktemp("desk")
    (desk / "empty.csv").write_text("")
    (desk / "same.csv").write_text("x\n" + "2.0\n" * 9)
    (desk / "words.csv").write_text("x\n1.0\nabc\n3.0\n")
    (desk / "inf.csv").write_text("1.0\ninf\n3.0\n4.0\n5.0\n")
    (desk / "locked").write_text("a file, not a folder")
    return desk


@pytest.mark.parametrize(
    ("words", "said"), BAD, ids=lambda w: " ".join(w) if isinstance(w, list) else ""
)
def test_bad_input_gets_one_line_and_changes_nothing(
    words: list[str], said: str, desk: Path, monkeypatch, capsys
) -> None:
    before = {p.name: p.read_bytes() for p in desk.iterdir()}
    monkeypatch.chdir(desk)
    monkeypatch.setattr(sys, "argv", ["toyflows", *words])
    monkeypatch.setattr("gc.freeze", lambda: None)
    with pytest.raises(SystemExit) as end:
        main()
    told = capsys.readouterr()
    assert (end.value.code, told.out, told.err.count("\n")) == (2, "", 1), told
    assert said in told.err
    assert {p.name: p.read_bytes() for p in desk.iterdir()} == before


def test_bad_data_is_refused_before_an_out_file_is_touched(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("mine")
    done = call(*PCD, "--data", "none.csv", "--out", "run.json", cwd=tmp_path)
    assert done.returncode == 2
    assert (tmp_path / "run.json").read_text() == "mine"


def test_real_data_from_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = np.where(rng.random(3000) < 0.3, 7.0, 1.0) + 0.5 * rng.normal(size=3000)
    (tmp_path / "x.txt").write_text("\n".join(map(str, x)))
    done = call(
        "flow", "--loss", "ml", "--data", "x.txt", "--json", "--backend", "grid", cwd=tmp_path
    )
    told = json.loads(done.stdout)
    assert told["separation"] == pytest.approx(12.0, rel=0.05)
    assert told["q_star"] == pytest.approx(0.3, abs=0.04)
    assert told["verdict"]["kind"] == "converges"


def test_interrupting_ends_cleanly(tmp_path: Path) -> None:
    """Ctrl-C in a run of minutes: one line, exit code 130, no file."""
    words = [*ONE, "--time", "1e6", "--backend", "grid", "--out", str(tmp_path / "run.png")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with running(MAIN, *words, **pipes) as run:
        wait_for(lambda: cpu_seconds(run.pid) > 1.5, run)  # it is in its loop
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=PATIENCE)
    assert (run.returncode, said) == (130, "toyflows: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
