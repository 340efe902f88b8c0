"""`toyflows animate` as a user meets it: films, one line for what cannot be, nothing left over."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from processes import MAIN, running, wait_for, without_compiling
from typer.testing import CliRunner, Result

from toyflows import film
from toyflows.cli.main import app

SMALL = ["--seconds", 0.5, "--fps", 8, "--width", 320, "--height", 240]
FLOW = ["flow", "--loss", "pcd", "--theta-star", 1.4]
RUN = ["--time", 2, "--separation", 6, "--walkers", 500]
CLOUD = ["cloud", "--target", "8-gaussians"]
TOYFLOWS = [sys.executable, "-c", "from toyflows.cli.main import main; main()", "animate"]


def call(*words: object) -> Result:
    """In this process; a refusal must be one line, a traceback fails here."""
    done = CliRunner().invoke(app, ["animate", *map(str, words)], catch_exceptions=False)
    if done.exit_code == 2:
        assert done.stderr.startswith("toyflows: ")
        assert done.stderr.count("\n") == 1, done.stderr
    return done


def first_and_last(path: Path) -> list[np.ndarray]:
    found = []
    with Image.open(path) as opened:
        for k in (0, opened.n_frames - 1):
            opened.seek(k)
            found.append(np.asarray(opened.convert("RGB")).astype(int))
    return found


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ([*FLOW, *RUN, "-p", "kernel=mala", "--seed", 4],
         lambda **short: film.two_modes("pcd", theta_star=1.4, time=2, separation=6, walkers=500,
                                        options={"kernel": "mala"}, seed=4, **short)),
        ([*FLOW, *RUN, "--versus", "cd", "--theta0", 1, "--rate", 2, "--dt", 0.04, "--threads", 1],
         lambda **short: film.two_modes("pcd", theta_star=1.4, time=2, separation=6, walkers=500,
                                        versus="cd", theta0=1, rate=2, dt=0.04, **short)),
        ([*CLOUD, "--points", 30, "--sampler", "ddim", "-p", "eta=1", "--process", "ou", "-p",
          "time=4", "--steps", 9, "--seed", 4, "--spacing", "uniform"], None),
        ([*CLOUD, "--points", 30, "--direction", "forward", "--steps", 9],
         lambda **short: film.cloud("8-gaussians", points=30, direction="forward", steps=9,
                                    **short)),
        (["images", "jem28", "--count", 2, "--class", "A", "--steps", 4, "--temperature", 1e-3],
         lambda **short: film.chain("jem28", count=2, letter="A", steps=4, temperature=1e-3,
                                    **short)),
        (["images", "ddpm28", "--count", 1, "--sampler", "ddim", "--steps", 3, "--class", "A",
          "--guidance", 1, "-p", "eta=0.5", "--spacing", "uniform"],
         lambda **short: film.chain("ddpm28", count=1, sampler="ddim", steps=3, letter="A",
                                    guidance=1.0, options={"eta": 0.5}, spacing="uniform",
                                    **short)),
    ],
    ids=["flow", "versus", "reverse", "forward", "jem", "ddpm"],
)  # fmt: skip
def test_every_option_reaches_the_film(words: list[object], made: object, tmp_path: Path) -> None:
    """The file is that of the Python call with the same settings, byte for byte."""
    out = tmp_path / "a.gif"
    done = call(*words, *SMALL, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("4 frames, 0.5 s, ")
    assert done.stdout.splitlines()[-1] == f"saved   {out}"
    assert without_compiling(done.stderr) == ""  # no bar where there is no terminal
    if made is None:
        from toyflows.diffusion.processes import OU

        again = film.cloud("8-gaussians", points=30, sampler="ddim", options={"eta": "1"},
                           process=OU(4.0), steps=9, seed=4, spacing="uniform", seconds=0.5,
                           fps=8, size=(320, 240))  # fmt: skip
    else:
        assert callable(made)
        again = made(seconds=0.5, fps=8, size=(320, 240))
    assert again.save(tmp_path / "b.gif").read_bytes() == out.read_bytes()
    first, last = first_and_last(out)
    assert np.abs(first - last).max() > 100


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ([*FLOW, "--out", "a.avi"], "--out a.avi: the suffix must be one of .gif .mp4 .webm"),
        ([*FLOW, "--out", "none/a.gif"], "--out none/a.gif: there is no folder none"),
        ([*FLOW, "--fps", 51], "--fps 51: must be a whole number, 1 … 50"),
        ([*FLOW, "--seconds", "nan"], "--seconds nan: must be 0.2 … 60"),
        ([*FLOW, "--width", 333], "--width 333: must be an even number of pixels"),
        ([*FLOW, "--height", 2000], "--height 2000: must be a whole number, 240 … 1080"),
        ([*FLOW, "--walkers", 10**7], "--walkers 10000000: for a film must be 1 … 1,000,000"),
        ([*FLOW, "--time", 10**5], "--time 100000: for a film must be 200,000 steps"),
        ([*FLOW, "--versus", "nce2"], "--versus nce2: unknown; did you mean"),
        ([*FLOW, "-p", "k=2"], "-p k: unknown option"),
        ([*CLOUD, "--target", "checkerboard"], "--target checkerboard: has no exact score"),
        ([*CLOUD, "--process", "vq"], "--process vq: unknown"),
        ([*CLOUD, "-p", "nope=1"], "-p nope: unknown option"),
        ([*CLOUD, "--sampler", "nope"], "--sampler nope: unknown"),
        ([*CLOUD, "--steps", 0], "--steps 0: must be 1 or more"),
        ([*CLOUD, "--points", 10**6], "--points 1000000: for a film must be 1 … 20,000"),
        (["images", "nope"], "checkpoint nope: there is no such file"),
        (["images", "classifier28"], "is of kind classifier"),
        (["images", "ebm28", "--class", "A"], "--class A: an ebm knows no classes"),
        (["images", "ddpm28", "--class", "?"], "--class ?: "),
        (["images", "ebm28", "--sampler", "ddim"], "--sampler ddim: not for ebm28"),
        (["images", "ddpm28", "--temperature", 1], "--temperature 1: not for ddpm28"),
        (["images", "ebm28", "--count", 500], "--count 500: for a film must be 1 … 100"),
        (["images", "ebm28", "--threads", 0], "--threads 0: must be 1 to 256"),
    ],
)
def test_what_cannot_be_is_one_line(
    words: list[object], option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = call(*words, *([] if "--out" in words else ["--out", "a.gif"]))
    assert done.exit_code == 2
    assert option in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_ffmpeg_it_says_so_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = call(*FLOW, *RUN, *SMALL, "--out", tmp_path / "a.mp4")
    assert done.exit_code == 2
    assert "mp4 needs ffmpeg, which is not on the PATH; .gif does without" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_says_the_limits() -> None:
    told = CliRunner().invoke(app, ["animate", "flow", "--help"], env={"COLUMNS": "200"}).stdout
    for word in ("0.2 to 60", "1 to 50", "320 to 1920", "240 to 1080", ".gif, .mp4 or .webm"):
        assert word in told


def until_closed(terminal: int) -> bytes:
    """All that is written to it, until the last process that had it has ended; closes it."""
    said = b""
    try:
        while part := os.read(terminal, 4096):
            said += part
    except OSError:  # no process has it any more
        pass
    finally:
        os.close(terminal)
    return said


def test_ctrl_c_leaves_nothing_and_says_one_line(tmp_path: Path) -> None:
    """On a terminal, where the bar shows; stopped as soon as the film's file has been begun."""
    words = [*FLOW, "--time", 9000, "--seconds", 60, "--out", tmp_path / "a.gif"]
    ours, theirs = pty.openpty()
    pipes = {"stdout": subprocess.PIPE, "stderr": theirs}
    with running(MAIN, "animate", *words, cwd=tmp_path, **pipes) as process:
        os.close(theirs)
        wait_for(lambda: any(tmp_path.glob(".a-*.gif")), process)
        process.send_signal(signal.SIGINT)
        said = until_closed(ours)
        assert process.wait() == 130
        assert process.stdout is not None
        assert process.stdout.read() == ""
    assert said.decode().strip().endswith("toyflows: interrupted")
    assert b"Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_bar_on_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    words = [*FLOW, *RUN, *SMALL, "--out", tmp_path / "a.gif"]
    with running(MAIN, "animate", *words, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        said = until_closed(ours)
        process.wait()
    assert process.returncode == 0
    assert b"frames" in said
