"""Engine of a Dask cluster on loopback: a worker, the client and the scheduler are killed.

The truth of each test is the file that one process makes without interruption.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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
from toyflows.sweep import load
from toyflows.sweep.engines import WorkersLost, make_engine
from toyflows.sweep.run import carry_out, estimate

pytest.importorskip("distributed")
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


Cluster = tuple[str, list[subprocess.Popen[bytes]]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A scheduler and two worker processes: its address; the workers, then the scheduler."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    port = address.rpartition(":")[2]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "error",
    }
    with contextlib.ExitStack() as running:

        def start(*words: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [sys.executable, "-m", "distributed.cli." + words[0], *words[1:]],
                env=environment, **quiet,
            )  # fmt: skip
            running.callback(process.wait)
            running.callback(process.kill)
            return process

        scheduler = start("dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
        workers = [
            start("dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard",
                  "--host", "127.0.0.1", "--name", f"w{k}") for k in range(2)
        ]  # fmt: skip
        from distributed import Client

        wait_for(lambda: accepts(int(port)))
        with Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=120)
        yield address, [*workers, scheduler]


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_dask_makes_the_same_file_though_a_worker_is_killed(
    tmp_path: Path, truth: bytes, cluster: Cluster
) -> None:
    address, workers = cluster
    carry_out(PLAN, tmp_path / "a.npz", make_engine("dask", scheduler=address))
    assert (tmp_path / "a.npz").read_bytes() == truth
    told = estimate(PLAN, tmp_path / "c.npz", make_engine("dask", scheduler=address))
    assert told.jobs == 2
    engine = make_engine("dask", scheduler=address)
    carry_out(PLAN, tmp_path / "b.npz", engine, in_the_middle(workers[0].kill))
    assert workers[0].wait() == -signal.SIGKILL
    assert (tmp_path / "b.npz").read_bytes() == truth


def test_dask_s_client_is_killed_and_nothing_is_lost(tmp_path: Path, cluster: Cluster) -> None:
    out, (address, _) = tmp_path / "a.npz", cluster
    command = [*CLIENT, *ASKED[:-2], "--scheduler", address, "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as client:
        parts = tmp_path / "a.npz.parts"
        wait_for(lambda: len(list(parts.glob("[!.]*.npz"))) >= 3)
        client.kill()
    assert not out.exists()
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert '"reused": 0' not in done.stdout
    carry_out(load(out).plan, tmp_path / "b.npz", Here())
    assert out.read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_cluster_of_our_own_makes_the_same_file(tmp_path: Path, truth: bytes) -> None:
    carry_out(PLAN, tmp_path / "a.npz", make_engine("dask", 2))
    assert (tmp_path / "a.npz").read_bytes() == truth


def test_a_scheduler_that_is_not_there_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toyflows.sweep.engines.dask.PATIENCE", 0.5)
    with pytest.raises(InputError, match="no scheduler answers") as error:
        make_engine("dask", scheduler="tcp://127.0.0.1:9").__enter__()
    assert "\n" not in str(error.value)
    for address, jobs, says in (("nowhere", None, "an address"), ("tcp://x:1", 2, "own workers")):
        with pytest.raises(InputError, match=says):
            make_engine("dask", jobs, address)


def test_a_lost_scheduler_is_told_and_what_was_made_is_kept(
    tmp_path: Path, cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    """The last test: afterwards there is no cluster."""
    address, processes = cluster
    engine = make_engine("dask", scheduler=address)
    with pytest.raises(WorkersLost, match="the connection to the scheduler is lost"):
        carry_out(PLAN, tmp_path / "a.npz", engine, in_the_middle(processes[-1].kill))
    assert capfd.readouterr().err == ""
    rest = Here()
    carry_out(PLAN, tmp_path / "a.npz", rest)
    assert 0 < rest.runs < PLAN.runs
