"""No command writes over what it reads: under its own name, by a hard link, by a symbolic one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.main import get_command

import toyflows
from toyflows import files
from toyflows.cli.main import app, main
from toyflows.errors import InputError

# The command's words with its input and its output, and the suffixes of the output.
CALLS = {
    "flow": ("flow --loss ml --backend grid --time 1 --data {} --out", "num.csv", ".csv .npz .png"),
    "flow of npz": ("flow --loss ml --backend grid --time 1 --data {} --out", "num.npz", ".npz"),
    "modes": ("modes --loss ml --time 1 --positions {} --out", "places.csv", ".csv .json"),
    "sample": ("sample {} --out", "points.npz", ".npz .csv"),
    "sample of its data": ("sample points.npz --count 20 --steps 2 --out", "points.csv", ".csv"),
    "sample of an energy": ("sample {} --steps 1 --count 1 --out", "energy.npz", ".npz .png"),
    "rbm sample": ("rbm sample {} --sweeps 1 --out", "bars.npz", ".npz .png"),
    "rbm score": ("rbm score {} --out", "bars.npz", ".csv"),
    "ising denoise": ("ising denoise {} --sweeps 1 --burn 0 --out", "grey.png", ".png .npz"),
    "hopfield": ("hopfield {} --out", "letters.txt", ".csv .npz"),
    "hopfield of a folder": ("hopfield folder --out", "folder/b.png", ".png"),
    "page": ("page {} --out", "run.npz", ".html"),
    "map": ("map {} --out", "sweep.npz", ".png .pdf"),
    "animate images": ("animate images {} --steps 2 --count 1 --out", "energy.npz", ".gif"),
    "ood": ("ood {} --out", "energy.npz", ".png"),
    "check": ("check {} --time 1 --separation 4 --out", "mine.py", ".json .html"),
    "train": ("train ddpm --resume --target {} --out", "points.csv", ".npz"),
    "rbm train": ("rbm train --resume --data {} --out", "images.npz", ".npz"),
    "sweep": ("sweep {} --out", "plan.toml", ".npz"),
}
LOST = "is read by this command, and would be lost"
OWN = {"train", "rbm train", "sweep"}  # go on with --out, if it is theirs: they may say what it is
# Those that read no file of the user's, and those whose --out is a folder of their own.
WITHOUT = {"verdicts", "ising", "animate flow", "animate cloud", "new flow", "figures one",
           "figures all", "figures replay", "site"}  # fmt: skip


def commands(group: object, name: str = "") -> dict[str, set[str]]:
    """The options of every command by its name."""
    found = {name.strip(): {p.name for p in group.params}} if name else {}
    for word, inner in getattr(group, "commands", {}).items():
        found |= commands(inner, f"{name} {word}")
    return found


def test_every_command_that_writes_is_tried_here() -> None:
    writing = {name for name, options in commands(get_command(app)).items() if "out" in options}
    tried = {name.partition(" of ")[0] for name in CALLS}
    assert writing == tried | WITHOUT


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an input of every kind."""
    from toyflows.diffusion import sources
    from toyflows.diffusion.train import Config
    from toyflows.diffusion.trained import Model
    from toyflows.images import train as energies
    from toyflows.lattice import rbm_train
    from toyflows.lattice.rbm_config import Config as Bars

    desk, rng = tmp_path_factory.mktemp("desk"), np.random.default_rng(0)
    x = np.where(rng.random(200) < 0.3, 7.0, 1.0) + 0.5 * rng.normal(size=200)
    np.savetxt(desk / "num.csv", x)
    np.savez(desk / "num.npz", x=x)
    np.savetxt(desk / "points.csv", rng.normal(size=(40, 2)), delimiter=",")
    np.savetxt(desk / "places.csv", [[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]], delimiter=",")
    levels = rng.integers(0, 256, (20, 16, 16), np.uint8)
    np.savez(desk / "images.npz", images=levels, labels=np.arange(20) % 2)
    (desk / "folder").mkdir()
    for name in ("grey", *(f"folder/{letter}" for letter in "abcdefgh")):
        Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(desk / f"{name}.png")
    (desk / "letters.txt").write_text("abc\nxyz\n")
    (desk / "mine.py").write_text("def velocity(data, model, theta):\n    return 0.0\n")
    (desk / "plan.toml").write_text('loss = ["ml"]\n')
    toyflows.flow("ml", theta_star=1.0, backends=["grid"], time=1.0).save(desk / "run.npz")
    config = Config(target=str(desk / "points.csv"), width=8)
    Model.new(config, sources.find(config.target, 0, False)).save(desk / "points.npz")
    tiny = energies.Config(size=16, data=str(desk / "images.npz"), buffer=4, batch=2)
    energies.Model.new(tiny, tiny.parts()).save(desk / "energy.npz")
    bars = Bars(size=2, hidden=2)
    rbm_train.Model.new(bars, bars.load()).save(desk / "bars.npz")
    from toyflows.sweep import sweep

    over = {"separation": "2:8:2", "rate": "0.5:1:2"}
    sweep("ml", over=over, backend="theory", time=1.0, theta_star=1.0, out=desk / "sweep.npz",
          jobs=1)  # fmt: skip
    return desk


def same(path: Path, suffix: str) -> Path:
    return path


def hard(path: Path, suffix: str) -> Path:
    other = path.with_name(f"other{suffix}")
    os.link(path, other)
    return other


def symbolic(path: Path, suffix: str) -> Path:
    other = path.with_name(f"other{suffix}")
    other.symlink_to(path)
    return other


CASES = [
    pytest.param(name, suffix, how, id=f"{name}{suffix} {how.__name__}")
    for name, (_, read, suffixes) in CALLS.items()
    for suffix in suffixes.split()
    for how in ((same,) if read.endswith(suffix) else (hard, symbolic))
]


@pytest.mark.parametrize(("name", "suffix", "how"), CASES)
def test_an_output_over_an_input_is_refused(
    name: str, suffix: str, how: Callable[[Path, str], Path], desk: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words, read, _ = CALLS[name]
    path = desk / read
    out, before = how(path, suffix), path.read_bytes()
    monkeypatch.chdir(desk)
    monkeypatch.setattr(sys, "argv", ["toyflows", *words.format(read).split(), str(out)])
    try:
        with pytest.raises(SystemExit) as end:
            main()
        told = capsys.readouterr()
        assert (end.value.code, told.err.count("\n")) == (2, 1), told.err
        if name in OWN:
            assert f"{out}" in told.err
        else:
            assert told.err == f"toyflows: --out {out}: {LOST}\n"
        assert path.read_bytes() == before
        assert not list(desk.glob(".*"))
    finally:
        if out != path:
            out.unlink()


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's <")
def test_an_output_over_what_stdin_is_redirected_from(desk: Path) -> None:
    """Python has not opened that file: the shell has."""
    words = f"-m toyflows {CALLS['flow'][0].format('-')} num.csv"
    before = (desk / "num.csv").read_bytes()
    with (desk / "num.csv").open() as given:
        done = subprocess.run([sys.executable, *words.split()], stdin=given, cwd=desk,
                              capture_output=True, text=True, check=False)  # fmt: skip
    told = "toyflows: --out num.csv: is read by this command, and would be lost\n"
    assert (done.returncode, done.stderr) == (2, told)
    assert (desk / "num.csv").read_bytes() == before


def test_a_command_may_write_twice_and_read_what_it_wrote(tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    out.write_text("old")
    with files.command():
        for word in ("a", "b"):
            with files.whole_file(out) as temporary:
                temporary.write_text(word)
            assert out.read_text() == word
            files.goes_on_with(out)  # else it would be an input from now on
    with files.command():
        out.read_text()
        with pytest.raises(InputError, match="would be lost"):
            files.check_writable(out)
    with files.whole_file(out) as temporary:  # no command: a script may do as it likes
        temporary.write_text("c")


def test_what_is_to_be_written_cannot_be_read(tmp_path: Path) -> None:
    """Refused before anything is computed."""
    (tmp_path / "x.csv").write_text("1")
    with files.command():
        files.check_writable(tmp_path / "x.csv")
        with pytest.raises(InputError, match="would be lost"):
            (tmp_path / "x.csv").open()
