"""`toyflows page` as a user meets it: one file, or one line and nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import toyflows
from toyflows import kernels
from toyflows.cli.main import main

FAST = ["--walkers", "200", "--time", "2", "--jobs", "1", "--theta-star", "1.4"]


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """call(words) -> exit code, stdout, stderr; in an empty folder."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(kernels, "own_process", kernels.own_process)  # put back afterwards
        monkeypatch.setattr(sys, "argv", ["toyflows", "page", *words])
        monkeypatch.setattr("gc.freeze", lambda: None)
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    monkeypatch.chdir(tmp_path)
    return run


def test_a_page_is_written(call) -> None:
    code, out, err = call("--loss", "pcd", "--loss", "cd k=2", "--over", "separation=4,6",
                          "-p", "kernel=mala", "--title", "Two <modes>", "--out", "page.html",
                          *FAST)  # fmt: skip
    assert (code, err) == (0, "")
    assert out.startswith("saved   page.html (0.")
    assert "4 runs)" in out
    text = Path("page.html").read_text("utf-8")
    assert "<title>Two &lt;modes&gt;</title>" in text
    assert text.count('"kernel=mala"') == 0
    assert "cd k=2 kernel=mala" in text
    assert [p.name for p in Path().iterdir()] == ["page.html"]


def test_a_page_of_saved_runs(call) -> None:
    for seed in (1, 2):
        toyflows.flow("ml", theta_star=1.0, time=1.0, walkers=100, seed=seed).save(f"s{seed}.npz")
    code, out, _ = call("s1.npz", "s2.npz", "--out", "saved.htm")
    assert code == 0
    assert "2 runs)" in out
    assert '"values":["s1","s2"]' in Path("saved.htm").read_text("utf-8")


def test_a_live_page_is_written(call) -> None:
    code, out, err = call("--live", "--title", "Two modes", "--out", "live.html")
    assert (code, err) == (0, "")
    assert out.startswith("saved   live.html (")
    assert "computes in the browser" in out
    assert "<title>Two modes</title>" in Path("live.html").read_text("utf-8")


REFUSED = [
    (["--live"], "--theta-star 1.4: cannot be said with --live"),
    (["--loss", "pcd", "--out", "page.pdf"], "--out page.pdf: the suffix must be one of .html"),
    (["--loss", "pcd", "--out", "no/page.html"], "--out no/page.html: there is no folder no"),
    (["--loss", "pdc"], "--loss pdc: unknown; did you mean pcd"),
    ([], "--loss (none): must be a method"),
    (["--loss", "pcd", "--over", "separation="], "--over separation=: a value is missing"),
    (["--loss", "pcd", "--over", "colour=1"], "--over colour: is no parameter of pcd"),
    (["--loss", "pcd", "--over", "theta-star=1,2"], "--theta-star 1.4: is given by --over too"),
    (["--loss", "pcd", "--jobs", "0"], "--jobs 0: must be 1 to 256"),
    (["--loss", "pcd", "--over", "separation=4:20:50", "--over", "seed=1,2,3"],
     "--over 150 runs (methods × values): the page would have"),
    (["--loss", "pcd", "--frames", "1000", "--over", "separation=4:20:20"],
     "--frames 1000: the page would have"),
    (["none.npz"], "--theta-star 1.4: none.npz is a saved run, with settings of its own"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "why"), REFUSED, ids=lambda v: str(v)[:50])
def test_one_line_and_nothing_written(call, words: list[str], why: str) -> None:
    rest = [] if "--jobs" in words else ["--jobs", "1"]
    if "--out" not in words:
        rest += ["--out", "page.html"]
    code, out, err = call("--theta-star", "1.4", *words, *rest)
    assert (code, out) == (2, "")
    assert err.startswith("toyflows: " + why), err
    assert err.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_a_file_that_is_no_run(call) -> None:
    code, out, err = call("none.npz", "--out", "page.html")
    assert (code, out) == (2, "")
    assert err.startswith("toyflows: file none.npz: is not a saved run")


def test_a_page_needs_a_place(call) -> None:
    code, _, err = call("--loss", "pcd", "--theta-star", "1")
    assert code == 2
    assert "--out" in err
