"""Runs a user's file through the bench in a process of its own, which cannot harm ours.

The child gets its job as a line of JSON and answers with lines of JSON: one a cell of the bench. A
file that loops for ever, crashes or ends the process is told by the line it was at. Each cell may
take so much CPU time, and IDLE times as long by the clock: a busy machine stops nobody, a file that
sleeps is stopped. The child ends with its parent and at its limits, however busy it is; what the
file prints goes to stderr.
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import itertools
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from toyflows import bench
from toyflows.errors import InputError
from toyflows.method import methods, options_in_words
from toyflows.mixture import Mixture
from toyflows.own import OwnFileError, Place, load, of
from toyflows.settings import RunSettings, not_on

GRACE = 3.0  # seconds after the limit in which the child should end by itself
IDLE = 20.0  # seconds by the clock for a second of CPU time, at most
CPU_CLOCK = hasattr(signal, "setitimer")  # not on Windows: there the clock alone
CHILD = "import sys; sys.path[:] = {path!r}; from toyflows.apart import child; child()"
Record = dict[str, Any]  # one cell of the bench, in plain numbers and lists


class OutOfTime(Exception):
    """The file was still running at the time limit; the message is one line for the user."""


def records(
    path: Path,
    setting: RunSettings,
    separations: Sequence[float],
    name: str | None = None,
    limit: float = 300.0,
    options: Mapping[str, Any] | None = None,
    seeds: int = 1,
    report: Callable[[str], None] | None = None,
) -> Iterator[Record]:
    """Each cell of the file's methods, as it is done, on walkers with each of so many `seeds`;
    `options` go to the methods that have them; `report` is told what is being done.

    Raises InputError (OwnFileError where the file is to blame) and OutOfTime.
    """
    with tempfile.TemporaryDirectory(prefix="toyflows-") as folder:
        stack = Path(folder) / "stack"
        job = {
            "path": str(path), "setting": setting.to_dict(), "name": name, "seeds": seeds,
            "separations": list(separations), "limit": limit, "options": dict(options or {}),
            "longest": _longest(limit), "stack": str(stack),
        }  # fmt: skip
        with _child(job) as process:
            assert process.stdout is not None
            late, now = threading.Timer(0.0, _kill, [process]), ""
            try:
                for line in process.stdout:
                    told = json.loads(line)
                    if "ready" in told or "now" in told:
                        late.cancel()
                        late = threading.Timer(_longest(limit) + GRACE, _kill, [process])
                        late.start()
                    if "ready" in told:
                        continue
                    if "error" in told:
                        raise _raised(*told["error"])
                    elif "done" in told:
                        return
                    elif "now" in told:
                        now = told["now"]
                        if report is not None:
                            report(now)
                    else:
                        yield told
                process.wait()
                if late.finished.is_set():  # it did not end by itself
                    raise _late(path, limit, 0, now)
                seen = stack.read_text("utf-8", "replace") if stack.exists() else ""
                if CPU_CLOCK and process.returncode == -signal.SIGPROF:
                    seen = f"Timeout\n{seen}"
                raise _ended(path, process.returncode, seen, limit, now)
            finally:
                late.cancel()


@contextlib.contextmanager
def _child(job: Record) -> Iterator[subprocess.Popen[bytes]]:
    """The child at work, in a session of its own: Ctrl-C is the parent's, who ends them all."""
    code = CHILD.format(path=[p for p in sys.path if p])
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
        yield process
    finally:
        _kill(process)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends the child and what the file may have started; never waits."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _raised(kind: str, name: str, value: str, why: str) -> InputError:
    """The child's error, here."""
    return OwnFileError(value, why) if kind == "own" else InputError(name, value, why)


def book(path: Path, setting: RunSettings, done: Sequence[Record]) -> Record:
    """The whole check in plain numbers and lists: what the reports are made of."""
    p, s = Mixture().weight_b, setting
    θ_star = s.target.θ_star
    return {
        "file": path.name, "says": {m: sentence(done, m) for m in {r["method"]: 0 for r in done}},
        "theta_star": θ_star, "q_star": p(θ_star), "theta0": s.theta0, "q0": p(s.theta0),
        "time": s.steps * s.dt, "dt": s.dt, "rate": s.rate, "walkers": s.walkers, "seed": s.seed,
        "cells": list(done),
    }  # fmt: skip


def judged(done: Sequence[Record], method: str) -> dict[float, Record]:
    """The method's cell at each separation: on the exact law, else what most seeds' walkers say."""
    mine = [told for told in done if told["method"] == method]
    found: dict[float, Record] = {}
    for d in dict.fromkeys(told["separation"] for told in mine):
        cells = [told for told in mine if told["separation"] == d]
        exact = [told for told in cells if told["backend"] == "grid"]
        kinds = Counter(told["verdict"]["kind"] for told in cells)
        most = kinds.most_common(1)[0][0]
        found[d] = next(iter(exact), next(t for t in cells if t["verdict"]["kind"] == most))
    return found


def sentence(done: Sequence[Record], method: str) -> str:
    """ "converges at d = 4, biased at d = 10 and 20 (2 of 3 seeds)"."""
    where: dict[str, list[str]] = {}
    for d, told in judged(done, method).items():
        kind = told["verdict"]["kind"]
        seeds = [t["verdict"]["kind"] for t in done if (t["method"], t["separation"]) == (method, d)
                 and t["backend"] == told["backend"]]  # fmt: skip
        few = f" ({seeds.count(kind)} of {len(seeds)} seeds)" * (seeds.count(kind) < len(seeds))
        where.setdefault(kind, []).append(f"{d:g}{few}")
    return ", ".join(
        f"{kind} at d = {' and '.join(filter(None, [', '.join(ds[:-1]), ds[-1]]))}"
        for kind, ds in where.items()
    )


def _ended(path: Path, code: int, stack: str, limit: float, now: str) -> Exception:
    """Why the child gave no answer: out of time, or a crash; with the file's line if it is known.

    `stack` is faulthandler's: the innermost call comes first, names are in ASCII.
    """
    name = str(path).encode("ascii", "backslashreplace").decode()
    found = re.search(rf'File "{re.escape(name)}", line (\d+)', stack)
    line = int(found[1]) if found else 0
    if "Timeout" in stack:
        return _late(path, limit, line, now)
    how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return Place(path, line).error(f"the process {how}{now and f' at {now}'}, before it was judged")


def _longest(limit: float) -> float:
    """Seconds by the clock for a cell."""
    return IDLE * limit if CPU_CLOCK else limit


def _late(path: Path, limit: float, line: int, now: str) -> OutOfTime:
    where = f"{path}:{line}" if line else f"{path}"
    doing = f" at {now}" if now else ""
    return OutOfTime(f"file {where}: still running after {limit:g} s{doing}; raise --time-limit")


# ------------------------------------------------------------------ in the child
def child() -> NoReturn:
    """Reads the job, works, answers."""
    job, answers = json.loads(sys.stdin.buffer.readline()), _detached()

    def say(told: Record) -> None:
        answers.write(json.dumps(told, allow_nan=False) + "\n")
        answers.flush()

    from toyflows.backends import walkers  # noqa: F401  (numba takes its time before ours begins)

    say({"ready": True})
    with Path(job["stack"]).open("w") as stack:
        faulthandler.enable(stack)
        if CPU_CLOCK:  # first the lines, then the signal's own end of the process
            faulthandler.register(signal.SIGPROF, stack, chain=True)

        def begin() -> None:
            """The limits begin anew."""
            if CPU_CLOCK:
                signal.setitimer(signal.ITIMER_PROF, max(job["limit"], 1e-3))
            faulthandler.dump_traceback_later(job["longest"], exit=True, file=stack)

        try:
            begin()
            _work(job, say, begin)
            say({"done": True})
        except InputError as error:
            kind = "own" if isinstance(error, OwnFileError) else "input"
            say({"error": [kind, error.name, str(error.value), error.why]})
        sys.stdout.flush()
        os._exit(0)  # whatever threads the file has left


def _detached() -> Any:
    """Standard output becomes stderr and standard input is empty, for the file and all it calls;
    returns where answers go. When the parent is gone, so is this process."""
    parent, answers = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  (for as long as we are)

    def leave() -> None:
        while os.read(parent, 1):
            pass
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()
    return open(answers, "w", encoding="utf-8")  # noqa: PTH123


def _work(job: Record, say: Callable[[Record], None], begin: Callable[[], None]) -> None:
    """Every method at every separation on every backend it has."""
    path, setting = Path(job["path"]), RunSettings.from_dict(job["setting"])
    names = [f"{path}:{method.name}" for method in load(path, job["name"])]
    for flow in methods(names, job["options"]).values():
        found = of(flow)
        assert found is not None
        words = {"method": found.name + options_in_words(flow), "equation": found.equation}
        for d, backend in itertools.product(job["separations"], ("grid", "walkers")):
            for k in range(job["seeds"] if backend == "walkers" else 1):
                if not_on(flow, backend):
                    continue
                s = dataclasses.replace(setting, seed=setting.seed + k)
                begin()
                say({"now": f"d = {d:g}, {backend}" + (f", seed {s.seed}" if k else "")})
                with found.place.blamed():
                    cell = bench.cell(flow, d, s, backend)
                say(_record(cell) | words | {"seed": s.seed})


def _record(cell: bench.Cell) -> Record:
    """The cell in plain numbers and lists; a path's numbers that are not finite are left out."""
    out: Record = {
        "separation": cell.separation, "backend": cell.backend,
        "verdict": bench.plain(cell.verdict), "alarms": list(cell.alarms),
    }  # fmt: skip
    if cell.run is not None:
        run = cell.run
        out |= {"theta_end": float(run.θ[-1]), "q_end": Mixture().weight_b(float(run.θ[-1]))}
        columns = {"t": run.t, "theta": run.θ} | run.extra | run.seen | {"mode_b": run.mode_b}
        out |= {name: c.tolist() for name, c in columns.items() if all(map(math.isfinite, c))}
    return out
