"""Engine of processes: workers and the client are killed.

The truth of each test is the file that one process makes without interruption.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from processes import wait_for
from sweep_engine import (
    ASKED,
    CLIENT,
    PLAN,
    Here,
    in_the_middle,
    short_chunks,
    undisturbed,
)

from toyflows.errors import InputError
from toyflows.sweep import load, run
from toyflows.sweep.engines import WorkersLost, local, make_engine
from toyflows.sweep.engines.local import Local
from toyflows.sweep.plan import Plan
from toyflows.sweep.point import Rows
from toyflows.sweep.run import Cost, carry_out

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(sys.platform == "win32", reason="kills with signals"),
]


@pytest.fixture(autouse=True)
def _chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    short_chunks(monkeypatch)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return undisturbed(tmp_path_factory.mktemp("truth"))


# ------------------------------------------------------------------ processes
UNGUARDED = """
from toyflows import sweep
print("once")
found = sweep.sweep("ml", over={"separation": [4, 6]}, backend="grid", theta_star=1, time=1, jobs=2)
print(found["theta"].shape, __file__)
"""


def test_a_script_needs_no_guard(tmp_path: Path) -> None:
    """multiprocessing would run the script again in each worker, which then starts workers."""
    script = tmp_path / "study.py"
    script.write_text(UNGUARDED)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"once\n(1, 2, 1) {script}\n", "")


def test_processes_make_the_same_file_though_one_is_killed(tmp_path: Path, truth: bytes) -> None:
    engine = Local(2)
    victims: list[int] = []

    def kill() -> None:
        worker = next(w for w in engine._workers if w.tasks)
        assert worker.process.pid is not None
        victims.append(worker.process.pid)
        os.kill(worker.process.pid, signal.SIGKILL)

    carry_out(PLAN, tmp_path / "a.npz", engine, in_the_middle(kill))
    assert len(victims) == 1
    assert (tmp_path / "a.npz").read_bytes() == truth
    assert not alive(victims[0])


def alive(pid: int) -> bool:
    """Is there such a process, that has not ended?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def stillborn(dead: int, patch: pytest.MonkeyPatch) -> None:
    """The first `dead` processes are dead before they are given anything."""
    start, born = local._start, []

    def _start() -> object:
        worker = start()
        born.append(worker)
        if len(born) <= dead:
            worker.process.kill()
            worker.process.join()
        return worker

    patch.setattr(local, "_start", _start)


@pytest.mark.parametrize("dead", [1, 2])
def test_a_chunk_is_done_though_its_first_workers_are_dead(
    dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stillborn(dead, monkeypatch)
    with Local(1) as engine:
        answers = list(engine.run(run._chunks(PLAN, [np.arange(2), np.arange(2, 5)])))
    assert sorted(len(rows.keys) for rows in answers if isinstance(rows, Rows)) == [2, 3]


def test_a_chunk_that_kills_three_workers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    stillborn(3, monkeypatch)
    with Local(1) as engine, pytest.raises(WorkersLost, match="3 workers in turn died"):
        list(engine.run(run._chunks(PLAN, [np.arange(2)])))
    assert engine._workers == []


def test_kill_9_and_the_same_command_again_lose_nothing(tmp_path: Path) -> None:
    out = tmp_path / "a.npz"
    command = [*CLIENT, *ASKED, "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as client:
        parts = tmp_path / "a.npz.parts"
        wait_for(lambda: len(list(parts.glob("[!.]*.npz"))) >= 3)
        workers = children(client.pid)
        client.kill()
    assert not out.exists()
    assert len(workers) >= 2
    wait_for(lambda: not any(map(alive, workers)))  # nobody goes on alone
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    plan = load(out).plan
    assert f'"runs": {plan.runs}' in done.stdout
    assert '"reused": 0' not in done.stdout
    carry_out(plan, tmp_path / "b.npz", Here())
    assert out.read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def children(pid: int) -> list[int]:
    """Processes that this one has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(stat[1]) == pid:
                found.append(int(folder.name))
    return found


# ------------------------------------------------------------------ chunks
def test_chunks_cover_the_runs_and_take_about_the_same_time() -> None:
    plan = Plan.make(["pcd", "cd"], {"separation": "1:20:100", "walkers": [100, 1000]}, time=1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "SHORTEST", 0.25)
        cost = Cost(plan, np.array([1e-6, 5e-6]))
        runs = np.arange(plan.runs)
        assert cost.of(runs)[:2].tolist() == pytest.approx([2e-3, 2e-2])  # 20 steps
        pieces = cost.cut(runs, 2)
        assert np.concatenate(pieces).tolist() == runs.tolist()
        spans = [cost.of(piece).sum() for piece in pieces]
        whole, longest_run = 100 * (2e-3 + 2e-2 + 1e-2 + 1e-1), 0.1
        assert np.abs(np.array(spans[:-1]) - whole / (2 * run.CHUNKS)).max() <= longest_run
        assert cost.cut(runs[:0], 2) == []


def test_many_workers_get_chunks_that_one_client_can_take_in() -> None:
    assert run.BUSY == 0.5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "SHORTEST", 0.25)
        patch.setattr(run, "CARRIED", 0.01)
        assert run.span_of(1.0, 2) == 0.25
        assert run.span_of(32.0, 2) == 1.0
        assert run.span_of(1e6, 2) == run.LONGEST == 5.0
        for jobs in (1, 10, 100, 1000, 10_000):
            assert jobs / run.span_of(1e9, jobs) * 0.01 <= 0.5 + 1e-12
        assert run.span_of(100.0, 1000) == 1.0  # √(0.01·100), not the 20 s of a long sweep


# ------------------------------------------------------------------ refusals
def test_engines_are_refused_in_one_line() -> None:
    for asked, says in (
        ({"name": "daks"}, "did you mean dask"),
        ({"name": "local", "jobs": 0}, "jobs = 0: must be 1 to 256"),
        ({"name": "local", "scheduler": "tcp://x:1"}, "goes with --engine dask"),
    ):
        with pytest.raises(InputError, match=says):
            make_engine(**asked)
