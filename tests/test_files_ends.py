"""How commands end before their time: Ctrl-C, SIGTERM, a full disk, names that cannot be."""

from __future__ import annotations

import gc
import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import HEEDFUL, PATIENCE, running, wait_for

from toyflows import files
from toyflows.cli import main as command_line
from toyflows.errors import InputError

CODES = {signal.SIGINT: (130, "interrupted"), signal.SIGTERM: (143, "terminated")}
BOTH = pytest.mark.parametrize("number", CODES, ids=lambda n: n.name)
# A command that tells when it is at work, as `body` says; `cli._ending` is what is tried.
COMMAND = """
import sys, time, threading
from pathlib import Path
from toyflows import files
from toyflows.cli import _errors, main
@main.app.command()
def at_work():
    with _errors.refusing():
        {body}
sys.argv = ["toyflows", "at-work"]
main.script()
"""
ORDERLY = """with files.whole_file(Path("film.gif")):
            print("now", flush=True)
            while True:
                time.sleep(0.01)"""
# As in compiled code, the main thread does not come back to Python until it is done.
DEAF = """with files.whole_file(Path("film.gif")):
            print("now", flush=True)
            import ctypes
            ctypes.CDLL(None).sleep(1000)"""

# The signal meets a finaliser, where Python drops what is raised, and a long wait after it.
DROPPED = """with files.whole_file(Path("film.gif")):
            class Last:
                def __del__(self):
                    print("now", flush=True)
                    while True:
                        time.sleep(0.01)
            try:
                Last()
                while True:
                    time.sleep(0.01)
            finally:
                print("in order", flush=True)"""

# A thread that goes on while Python is taken down would meet the end of the libraries below it.
COMPUTING = """with files.whole_file(Path("film.gif")):
            import ctypes
            libraries = ctypes.CDLL(None)  # abort stands for the end of C++'s static objects
            libraries.__cxa_atexit(libraries.abort, None, None)
            threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
            print("now", flush=True)
            while True:
                time.sleep(0.01)"""
BODIES = [ORDERLY, DEAF, DROPPED, COMPUTING]
NAMES = ["orderly", "deaf", "dropped", "computing"]


@BOTH
@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("body", BODIES, ids=NAMES)
def test_a_signal_ends_a_command_and_leaves_nothing(
    body: str, number: signal.Signals, tmp_path: Path
) -> None:
    """Also where the main thread hears of no signal: sleep() of C begins again after each."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": tmp_path}
    code = HEEDFUL + COMMAND.format(body=body)
    with running(code, **pipes) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "now\n"
        assert len(list(tmp_path.glob(".film-*.gif"))) == 1
        run.send_signal(number)
        told, said = run.communicate(timeout=PATIENCE)
    status, word = CODES[number]
    assert ("in order" in told) == ("in order" in body)
    assert (run.returncode, said) == (status, f"toyflows: {word}\n")
    assert list(tmp_path.iterdir()) == []


@BOTH
@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_a_sweep_leaves_no_process_and_no_warning(number: signal.Signals, tmp_path: Path) -> None:
    words = ["sweep", "--loss", "ml", "--over", "separation=2:8:400", "--backend", "grid",
             "--theta-star", "1", "--time", "500", "--jobs", "2",
             "--out", tmp_path / "s.npz"]  # fmt: skip
    code = HEEDFUL + "from toyflows.cli.main import main; main()"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with running(code, *words, **pipes) as run:
        wait_for(lambda: (tmp_path / "s.npz.parts").exists(), run)
        run.send_signal(number)
        _, said = run.communicate(timeout=PATIENCE)  # the workers have closed their ends too
    status, word = CODES[number]
    assert run.returncode == status, said
    told = [line for line in said.splitlines() if "compiling" not in line]  # on a cold cache
    assert told[1:] == [f"toyflows: {word}"]
    assert "the same command goes on" in said
    assert not list(tmp_path.rglob(".*"))


def test_a_chain_comes_back_to_python_with_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    from toyflows.images import shipped
    from toyflows.nn.compiled import energy as fast

    model, calls = shipped.load("ebm28"), []
    net, walk = fast.Fast(model.config.network()), fast.walk
    x = np.random.default_rng(0).random((2, 28, 28), np.float32)

    def counted(images, labels, block, steps, *rest):
        calls.append(steps)
        return walk(images, labels, block, steps, *rest)

    monkeypatch.setattr(fast, "walk", counted)
    many = net.langevin(model.θ, x, 150)
    assert (calls, sum(calls)) == ([64, 64, 22], 150)
    monkeypatch.setattr(fast, "HEARING", 150)
    assert net.langevin(model.θ, x, 150).tobytes() == many.tobytes()


# ---- what the system refuses


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
@pytest.mark.parametrize("words", [["flows"], ["--help"], ["flows", "--markdown"]], ids=" ".join)
def test_an_output_without_room_is_one_line(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from toyflows.cli.main import main; main()", *words],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    said = "toyflows: the system refuses: No space left on device (the output)\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_too_little_memory_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def large(**_: object) -> None:
        raise MemoryError("Unable to allocate 745. GiB")

    monkeypatch.setattr(command_line, "app", large)
    monkeypatch.setattr(sys, "argv", ["toyflows"])
    with pytest.raises(SystemExit) as end:
        command_line.main()
    said = "toyflows: the system refuses: Unable to allocate 745. GiB\n"
    assert (end.value.code, capsys.readouterr().err) == (1, said)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of Unix")
def test_a_file_without_room_is_refused_and_the_old_one_stays(tmp_path: Path) -> None:
    (tmp_path / "run.csv").write_text("old")
    code = (
        "import resource\nfrom toyflows.cli.main import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\nmain()"
    )
    words = ["flow", "--loss", "ml", "--theta-star", "1", "--time", "5", "--backend", "theory"]
    words += ["--out", "run.csv"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False,
        cwd=tmp_path,
    )  # fmt: skip
    said = "toyflows: --out run.csv: cannot be written (File too large)\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("run.csv", "old")]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_folder_that_takes_no_files_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="cannot be written"):
        files.check_writable(Path("/proc/a.csv"))


def test_names_that_are_too_long(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be written \(File name too long\)"):
        files.check_writable(tmp_path / ("a" * 300 + ".csv"))
    longest = tmp_path / ("a" * 250 + ".csv")
    with files.whole_file(longest) as temporary:  # its temporary name must not be too long
        temporary.write_text("x")
    assert longest.read_text() == "x"


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names")
def test_what_is_no_ordinary_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match="is no ordinary file"):
        files.check_writable(tmp_path / "pipe.csv")


@pytest.mark.filterwarnings("ignore")  # of a file that was open at the interrupt
def test_a_signal_at_any_line_leaves_no_hidden_file(tmp_path: Path) -> None:
    """An interrupt at each line of `whole_file` in turn, as a signal may come at any."""
    out = tmp_path / "a.txt"

    def at(line: int) -> Callable[..., Any]:
        seen = 0

        def trace(frame: Any, event: str, _: Any) -> Any:
            nonlocal seen
            if frame.f_code is not inspect.unwrap(files.whole_file).__code__:
                return trace if event == "call" else None
            if event == "line" and (seen := seen + 1) == line:
                raise KeyboardInterrupt
            return trace

        return trace

    for line in range(1, 60):
        sys.settrace(at(line))
        try:
            with files.whole_file(out) as temporary:
                temporary.write_text("whole")
        except KeyboardInterrupt:
            pass
        else:
            break
        finally:
            sys.settrace(None)
        gc.collect()
        assert list(tmp_path.glob(".*")) == []
        assert not out.exists() or out.read_text() == "whole"
    assert 8 < line < 59
