"""Calls of the command line at random: `python tests/fuzz.py [CALLS [SEED]]` (`make fuzz`).

Commands and options are those of the app itself. Each call gets required options with good values,
then some options with good, odd or extreme ones, in a folder of good, empty, odd and damaged files.
Whatever is asked, the answer is whole: `faults` says what is not. Calls run in processes forked
from one that has everything imported, each with its own limit of CPU time.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import random
import resource
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from toyflows.cli.main import app, main

SECONDS = 60  # of CPU time of a call
CODES = (0, 1, 2, 130)
PROGRESS = 100  # calls: of a run that is stopped it is known how far it came
# A minute (site: all notebooks), or no end by themselves.
SLOW = ("doctor", "figures all", "figures replay", "lab", "site")
NUMBERS = ("0", "-1", "1", "2", "3", "1e300", "1e-300", "nan", "inf", "-inf", "1e20", "7", "0.5",
           "99999999999", "100000000000000000000", "-0.0", "x", "", "1_0", "1e5")  # fmt: skip
WORDS = ("", "x", " ", "é", "θ", "-", "--", "a=b", "k=10 k=3", "../x", "nan", "0,1", ";", "\udcff",
         "[bold]x[/]", "%s", "{0}", "a" * 300)  # fmt: skip
FILES = ("empty", "text.txt", "good.csv", "rows.csv", "odd.csv", "noise.npz", "noise.png", "none",
         "folder", "plan.toml", "deep.toml", "method.py", "loop.py", "run.npz", "good.npz",
         "/dev/null", ".", "bars.npz", "roll.npz", "sweep.npz")  # fmt: skip
OUTS = ("o.png", "o.npz", "o.csv", "o.json", "o.html", "o.pdf", "o.svg", "o.md", "o.gif", "o",
        "none/o.png", "folder", "text.txt/o.png", "o.zarr")  # fmt: skip
ZARR = (".zarray", ".zattrs", ".zgroup", ".zmetadata")  # which that format hides itself
QUICK = ("time", "walkers", "steps", "sweeps", "minutes", "loss", "separation")  # or it takes long
# What makes a call quick and often good; options that are not here get any value.
GOOD = {
    "loss": ("ml", "pcd", "cd", "nce", "gan", "cd k=2"), "theta_star": ("1", "-2"),
    "q_star": ("0.5", "0.9"), "separation": ("3", "6"), "time": ("1",), "dt": ("0.1", "0.05"),
    "walkers": ("100",), "threads": ("1", "2"), "jobs": ("1",), "steps": ("1", "3"),
    "count": ("2", "5"), "sweeps": ("10", "20"), "burn": ("0", "5"), "backend": ("grid", "walkers"),
    "data": ("good.csv", "rows.csv", "old-faithful", "-", "german.csv", "units.csv"),
    "column": ("x", "1", "all", "Gewicht"), "columns": ("x,y", "1,2", "y,x"),
    "target": ("two-moons", "swiss-roll"),
    "exact": ("two-moons", "swiss-roll"), "positions": ("0,0; 3,3", "0; 2; 5"), "size": ("4", "8"),
    "kind": ("ebm", "ddpm", "jem"), "checkpoint": ("roll.npz", "bars.npz", "ebm28"),
    "minutes": ("0.001",), "hidden": ("4",), "seconds": ("0.2",), "fps": ("5",), "width": ("320",),
    "height": ("240",), "points": ("50",), "image": ("R", "noise.png"), "file": ("method.py",),
    "temperatures": ("5",), "chains": ("5",), "over": ("separation=3,4", "rate=0.5:1:2"),
    "result": ("sweep.npz",), "figures": ("ising",), "plan": ("plan.toml",), "name": ("mine",),
    "sampler": ("ddim", "wolff", "cd", "ode-heun"), "p": ("k=2", "mu=0.5", "langevin=2"),
    "patterns": ("letters", "cities", "good.csv"), "time_limit": ("5",), "scale": ("0.05",),
    "engine": ("local",), "formats": ("png",), "frames": ("10",), "temperature": ("1", "2.5"),
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What was not whole about a call."""

    words: tuple[str, ...]
    why: str


def commands(of: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of the app with its words, groups that run by themselves too."""
    of = of or typer.main.get_command(app)
    inner = getattr(of, "commands", {})
    if path and (not inner or getattr(of, "invoke_without_command", False)):
        yield path, of
    for name, command in inner.items():
        yield from commands(command, (*path, name))


def calls(rng: random.Random) -> Iterator[tuple[str, ...]]:
    """Random calls without end."""
    known = [(path, of) for path, of in commands() if " ".join(path) not in SLOW]
    while True:
        path, command = rng.choice(known)
        words = list(path)
        daring = rng.choice((0.0, 0.1, 0.3))  # share of values that are not good
        for parameter in command.params:
            needed = parameter.required or parameter.name in QUICK
            if parameter.name != "help" and rng.random() < (0.97 if needed else 0.25):
                words += _given(parameter, rng, daring)
        yield tuple(words)


def _given(parameter: Any, rng: random.Random, daring: float) -> list[str]:
    """The option with a value, sometimes twice."""
    option = [o for o in parameter.opts if o.startswith("-")][:1]
    if getattr(parameter, "is_flag", False) or getattr(parameter, "is_bool_flag", False):
        return option
    said = []
    for _ in range(1 + (rng.random() < 0.1)):
        values = [_value(parameter.name, rng, daring) for _ in range(parameter.nargs or 1)]
        joined = option and option[0].startswith("--") and len(values) == 1 and rng.random() < 0.1
        said += [f"{option[0]}={values[0]}"] if joined else option + values
    return said


def _value(name: str, rng: random.Random, daring: float) -> str:
    if rng.random() < daring:
        return rng.choice(rng.choice((NUMBERS, WORDS, FILES, OUTS)))
    if name == "out":
        return rng.choice(OUTS)
    return rng.choice(GOOD.get(name, (*NUMBERS[:5], *FILES[:4])))


def furnish(desk: Path) -> None:
    """Good, empty, odd and damaged files."""
    import_all()
    rng = random.Random(0)
    (desk / "folder").mkdir()
    points = [rng.gauss(6.0 * (k % 2), 1) for k in range(60)]
    texts = {
        "empty": "", "text.txt": "one two\nthree\n", "good.csv": "\n".join(map(repr, points)),
        "rows.csv": "x,y\n" + "\n".join(f"{p},{-p}" for p in points), "odd.csv": "a;b\n1,5;nan\n",
        "german.csv": "Tag;Gewicht\n1.1.2024;1.234,5\n2.1.2024;k.A.\n3.1.2024;987,5\nSumme;2\n",
        "units.csv": "n,x\n" + "".join(f"{i},{p:.3f} min\n" for i, p in enumerate(points)),
        "plan.toml": 'loss = "ml"\ntime = 1\nbackend = "grid"\n', "deep.toml": "a = " + "[" * 9999,
        "method.py": "def velocity(theta, data, negatives):\n    return -theta\n",
        "loop.py": "while True:\n    pass\n",
    }  # fmt: skip
    for name, text in texts.items():
        (desk / name).write_text(text)
    for name in ("noise.npz", "noise.png"):
        (desk / name).write_bytes(rng.randbytes(500))
    for words in (
        "flow --loss ml --theta-star 1 --time 1 --backend grid --out run.npz",
        "rbm train --steps 5 --out bars.npz",
        "train ddpm --target two-moons --steps 2 -p levels=10 -p width=8 --out roll.npz",
        "sweep plan.toml --jobs 1 --out sweep.npz",
    ):
        code, told = run(tuple(words.split()), desk)
        assert code == 0, (words, told)
    shutil.copy(desk / "run.npz", desk / "good.npz")


def import_all() -> None:
    """So that no call has to: numba alone takes a second."""
    import toyflows.kernels

    toyflows.kernels.own_process = True
    for module in pkgutil.walk_packages(toyflows.__path__, "toyflows."):
        if "dask" not in module.name and "__main__" not in module.name:
            importlib.import_module(module.name)


def run(words: tuple[str, ...], desk: Path) -> tuple[int, str]:
    """Exit code, and what was printed, of the command in a forked process."""
    with tempfile.TemporaryFile() as out:
        child = os.fork()
        if child == 0:
            _child(words, desk, out.fileno())
        _, status = os.waitpid(child, 0)
        out.seek(0)
        return os.waitstatus_to_exitcode(status), out.read().decode("utf-8", "replace")


def _child(words: tuple[str, ...], desk: Path, out: int) -> None:
    """Runs main() as a process of its own would; never returns."""
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
        os.setsid()
        os.chdir(desk)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        for name, number in (("stdout", 1), ("stderr", 2)):
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115  (for good)
        sys.argv[:] = ["toyflows", *words]
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def faults(words: tuple[str, ...], desk: Path) -> Iterator[str]:
    """What is not as it should be after this call in a copy of the desk."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder) / "desk"
        shutil.copytree(desk, here)
        before = _contents(here)
        code, told = run(words, here)
        after = _contents(here)
    last = told.strip().splitlines()[-1:]
    if code not in CODES:
        yield f"exit code {code}: {last}"
    if "Traceback" in told or "Warning" in told:
        yield f"a traceback or a warning: {last}"
    if code == 2 and not told.strip():
        yield "refused without a word"
    if (
        not any(word.startswith("--out") for word in words)
        and (new := {n for n in after if n not in before})
        and code
    ):
        yield f"left {sorted(new)}"
    if hidden := sorted(n for n in after if Path(n).name.startswith(".") and n not in before and
                        Path(n).name not in ZARR):  # fmt: skip
        yield f"left {hidden}"
    if code == 2 and (new := sorted(set(after) - set(before))):
        yield f"refused, and wrote {new}"
    if changed := sorted(n for n in before if before[n] != after.get(n)):
        yield f"changed {changed}"
    if code == 0 and "--json" in words and "--help" not in words:
        try:
            json.loads(told.strip().splitlines()[-1])
        except (ValueError, IndexError):
            yield f"--json printed {last}"


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def found(count: int, seed: int, desk: Path) -> Iterator[Fault]:
    """The faults of so many calls."""
    rng = random.Random(seed)
    for k, words in zip(range(count), calls(rng), strict=False):
        if k and not k % PROGRESS:
            print(f"{k} calls", flush=True)
        for why in faults(words, desk):
            yield Fault(words, why)


if __name__ == "__main__":
    count, seed = (int(word) for word in (*sys.argv[1:], *("2000", "0")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        desk = Path(folder)
        furnish(desk)
        known = 0
        for fault in found(count, seed, desk):
            known += 1
            print("toyflows", *map(repr, fault.words), "\n   ", fault.why, flush=True)
    print(f"{count} calls of seed {seed}: {known} faults")
    sys.exit(known > 0)
