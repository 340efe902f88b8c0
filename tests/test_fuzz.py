"""A few random calls of every command, and that the fuzzer sees what is wrong: tests/fuzz.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).parent / "fuzz.py"
CALLS, SEED = "25", "4"
BROKEN = """
import sys; sys.path.insert(0, {folder!r})
import random, tempfile, typer, fuzz
from pathlib import Path
from toyflows.cli.main import app

@app.command()
def broken(how: str) -> None:
    if how == "raises":
        raise ZeroDivisionError
    if how == "loops":
        while True: pass
    if how == "writes":
        Path("good.csv").write_text("")
    Path("." + how).write_text("")
    raise typer.Exit(2)

fuzz.SECONDS = 1
with tempfile.TemporaryDirectory() as desk:
    (Path(desk) / "good.csv").write_text("1")
    for how in ("raises", "loops", "writes"):
        print(how, list(fuzz.faults(("broken", how), Path(desk))))
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=env, check=False
    )


def test_random_calls_are_answered_or_refused() -> None:
    """The calls are those of one seed: this fails always or never."""
    done = run(str(FUZZ), CALLS, SEED)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


def test_the_fuzzer_sees_what_is_wrong() -> None:
    """Negative controls: a traceback, a loop, an input that is changed."""
    told = dict(
        line.split(" ", 1)
        for line in run("-c", BROKEN.format(folder=str(FUZZ.parent))).stdout.splitlines()
    )
    assert "a traceback" in told["raises"]
    assert "exit code -" in told["loops"]
    for why in ("changed ['good.csv']", "left ['.writes']", "refused, and wrote"):
        assert why in told["writes"]
