"""kill −9 at any moment, and --resume: the file of the run that was never stopped, byte for byte.
Sweeps and figures have theirs in test_sweep_engines and test_make_figures."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from toyflows.cli.main import app
from toyflows.diffusion.trained import Model as Diffusion
from toyflows.images.train import Model as Energy
from toyflows.nn import checkpoint

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")

# Dies as checkpoint number argv[1] of the run is written whole but has not its name yet: what the
# file has is the one before, the steps since are lost, and a temporary file stays.
RUN = """
import os, signal, sys
left = [int(sys.argv.pop(1))]
def hear(event, about):
    if event == "os.rename" and str(about[1]).endswith("a.npz"):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hear)
from toyflows.cli.main import main
main()
"""
IMAGES = ["--size", "16", "-p", "langevin=2", "-p", "batch=8", "-p", "buffer=32", "-p", "every=3",
          "-p", "engine=numpy"]  # fmt: skip
POINTS = ["--target", "8-gaussians", "-p", "width=32", "-p", "depth=1", "-p", "batch=32",
          "-p", "levels=5", "-p", "every=3"]  # fmt: skip
BITS = ["--size", "3", "--hidden", "6", "-p", "every=3"]
# Rates at which a step is lost on the way: the run goes back to its last checkpoint.
KINDS = {
    "ebm": ["train", "ebm", *IMAGES],
    "ebm that diverges": ["train", "ebm", *IMAGES, "-p", "rate=0.5"],
    "jem": ["train", "jem", *IMAGES],
    "ddpm": ["train", "ddpm", *POINTS],
    "ddpm that diverges": ["train", "ddpm", *POINTS, "-p", "rate=10"],
    "ncsn": ["train", "ncsn", *POINTS],
    "rbm": ["rbm", "train", "--sampler", "pcd", *BITS],
}
LAST = 20
# Those whose --steps grow also stop between two checkpoints, just before a step that is lost.
STORIES = {
    "the same --steps": [(LAST, 4), (LAST, 0)],
    "--steps grows": [(4, 0), (13, 0), (16, 2), (16, 0), (LAST, 0)],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of twelve pictures."""
    home, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for k, name in enumerate(("lying", "upright")):
        (home / name).mkdir()
        for i in range(12):
            x = rng.integers(0, 40, (16, 16)).astype(np.uint8)
            place = int(rng.integers(4, 11))
            (x.T if k else x)[place : place + 2, 2:14] = 220
            Image.fromarray(x).save(home / name / f"{i:02}.png")
    return home


def run(out: Path, words: list[str], steps: int, dies: int) -> None:
    """Begins the run, or goes on with it; in this process unless it dies."""
    more = ["--resume"] if out.exists() else []
    call = [*words, "--steps", str(steps), "--out", str(out), *more]
    if not dies:
        lived = CliRunner().invoke(app, call, catch_exceptions=False)
        assert lived.exit_code == 0, lived.stderr
        return
    died = subprocess.run(
        [sys.executable, "-c", RUN, str(dies), *call], capture_output=True, text=True, check=False
    )
    assert died.returncode == -signal.SIGKILL, died.stderr


Whole = dict[str, tuple[list[str], bytes]]


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Of each kind its command, and the file of the run that is never stopped."""
    found = {}
    for kind, words in KINDS.items():
        data = ["--data", str(folder)] if kind.split()[0] in ("ebm", "jem") else []
        out = tmp_path_factory.mktemp("whole") / "a.npz"
        run(out, [*words, *data], LAST, 0)
        found[kind] = ([*words, *data], out.read_bytes())
    return found


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_run_is_the_uninterrupted_one(
    kind: str, story: str, whole: Whole, tmp_path: Path
) -> None:
    words, wanted = whole[kind]
    for steps, dies in STORIES[story]:
        run(tmp_path / "a.npz", words, steps, dies)
    assert (tmp_path / "a.npz").read_bytes() == wanted


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "diverges" in kind])
def test_these_runs_do_go_back(kind: str, whole: Whole, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(whole[kind][1])
    _, header = checkpoint.load(tmp_path / "a.npz")
    assert header.step == LAST
    model = Diffusion if kind.startswith("ddpm") else Energy
    assert model.load(tmp_path / "a.npz").state.rollbacks > 0
