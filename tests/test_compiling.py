"""The command line says that kernels are compiled, once, and how far it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
from toyflows import errors, kernels
errors.command_line = True
heard = []
kernels.report = lambda *words: heard.append(words)
from toyflows.kernels import compiling
compiling.PATIENCE = 0.0
from toyflows.kernels.langevin import tree_sum
import numpy as np
assert tree_sum(np.ones(32)) == 32.0
print(heard)
"""


def test_a_cold_cache_is_told_and_a_warm_one_is_not(tmp_path: Path) -> None:
    env = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    call = [sys.executable, "-c", SCRIPT]
    cold, warm = (
        subprocess.run(call, env=env, capture_output=True, text=True, check=True) for _ in "12"
    )
    assert cold.stderr == "toyflows: compiling the kernels (once on this machine)\n"
    assert cold.stdout == "[('compiling', 1, 1)]\n"
    assert (warm.stderr, warm.stdout) == ("", "[]\n")
