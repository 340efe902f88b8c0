"""For tests: processes that Ctrl-C reaches and that end with their test, and waiting for them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# A program begun in the background of a shell, as a test may be, ignores Ctrl-C.
HEEDFUL = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
MAIN = HEEDFUL + "from toyflows.cli.main import main; main()"
PATIENCE = 600.0  # seconds: a busy machine is slow, only what is broken never comes


def without_compiling(stderr: str) -> str:
    """What a command says beside the line on a cold cache of kernels, which a test may meet."""
    lines = stderr.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("toyflows: compiling "))


@contextmanager
def running(code: str, *words: object, **how: Any) -> Iterator[subprocess.Popen[str]]:
    """Python at work on the code. However the test goes on, the process ends and its pipes close,
    so that no later test is told of them."""
    call = [sys.executable, "-c", code, *map(str, words)]
    with subprocess.Popen(call, text=True, **how) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(done: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Until it is done; fails where the process has ended before."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert process is None or process.poll() is None, "it ended too early"
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)  # polling
