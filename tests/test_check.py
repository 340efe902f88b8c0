"""`toyflows check` and `toyflows new flow`: a user's own file gets the right verdict, or one line
that says what is wrong with it and where; it cannot harm, hang or fool the bench."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from picture_checks import problems
from processes import MAIN, PATIENCE, running, wait_for
from test_cli import call
from test_gallery_page import CHROMIUM, FLAGS, PROBE

from toyflows import apart, bench, own, places, plain, solve, stats
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.errors import InputError
from toyflows.figures import _report, _style
from toyflows.flows import Flow, make
from toyflows.mixture import theta_of
from toyflows.settings import RunSettings
from toyflows.target import Target

ML = """
import numpy as np
def velocity(theta, data, negatives, mixture):
    r = mixture.responsibility
    return np.mean(r(negatives, theta)) - {} * np.mean(r(data, theta))
"""
SCORE = """
def velocity(theta, data, mixture):
    return mixture.hyvärinen(data, theta).mean()
"""
QUICK = RunSettings(time=0.5, dt=0.1, walkers=500)


@pytest.fixture(autouse=True)
def _same_path(monkeypatch) -> None:
    """Loading a file adds its folder to sys.path: not for the next test."""
    monkeypatch.setattr(sys, "path", list(sys.path))


def written(folder: Path, text: str, name: str = "my_method.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, text: str) -> own.Method:
    (method,) = own.load(written(folder, text))
    return method


# ------------------------------------------------------------------ verdicts
@pytest.mark.parametrize(
    ("text", "d", "kind"),
    [
        (ML.format(1), 20.0, "converges"),
        (ML.format(1), 3.0, "converges"),
        (ML.format(0.7), 20.0, "biased"),
        ("def velocity(theta):\n    return 0\n", 8.0, "no learning"),
        ("def velocity(theta):\n    return -1e-9\n", 8.0, "no learning"),
        ("NEGATIVES = 'persistent'\n" + ML.format(1), 20.0, "mode collapse"),
        ("def velocity(theta):\n    return 1 + theta * theta\n", 8.0, "diverges"),
        ("import math\ndef velocity(theta):\n    return math.exp(theta)\n", 8.0, "diverges"),
        (SCORE, 20.0, "no learning"),
    ],
    ids=["correct", "d = 3", "biased", "frozen", "slow", "pcd", "diverges", "overflows", "noise"],
)
def test_a_plain_function_gets_its_verdict(text, d, kind, tmp_path) -> None:
    cell = bench.cell(loaded(tmp_path, text).guarded(), d, RunSettings(walkers=1_000), "walkers")
    assert cell.verdict.kind == kind, cell.verdict
    if kind == "biased":  # p_b(θ) = 0.7 q*
        assert cell.verdict.number == pytest.approx(theta_of(0.7 * 0.8), abs=0.1)


def test_a_flow_class_gets_the_built_in_verdicts(tmp_path) -> None:
    """The file of a built-in method under another name: the same paths bit for bit, grid and
    walkers; the fused kernel is still used where the class does not change the step."""
    text = "from toyflows.flows.pcd import PCD\nclass Mine(PCD):\n    name = 'mine'\n"
    method = loaded(tmp_path, text)
    assert (method.name, method.backends) == ("mine", ("grid", "walkers"))
    for backend in method.backends:
        ours = bench.cell(method.guarded(), 4.0, QUICK, backend).run
        theirs = bench.cell(make("pcd"), 4.0, QUICK, backend).run
        assert np.array_equal(ours.θ, theirs.θ)
    assert "velocity" not in vars(method.flow)  # a guard is for one run
    text = Path(own.__file__).with_name("flows").joinpath("ml.py").read_text("utf-8")
    method = loaded(tmp_path, text)
    ours = bench.cell(method.guarded(), 4.0, QUICK, "walkers").run
    assert np.array_equal(ours.θ, bench.cell(make("ml"), 4.0, QUICK, "walkers").run.θ)


class Sampled(Flow):
    """θ̇ = E_{ρ_θ}[∂_θU_θ] − E_data[∂_θU_θ], both of particles."""

    kind = "model"

    def init(self, ops, θ0):
        return ops.model(θ0) if self.kind == "persistent" else None

    def negatives(self, ops, θ, chains):
        fresh = {"model": lambda: ops.model(θ), "data": ops.data_particles}
        return chains if self.kind == "persistent" else fresh.get(self.kind, lambda: ops.noise(1))()

    def velocity(self, ops, θ, negatives, **extra):
        r = ops.mixture.responsibility
        return float(ops.mean(negatives, r, θ) - ops.mean(ops.data_particles(), r, θ))

    def advance(self, ops, θ, θ_new, chains):
        return None if chains is None else ops.move(chains, θ)


@pytest.mark.parametrize("kind", plain.NEGATIVES)
def test_each_kind_of_negatives_is_what_it_says(kind, tmp_path, monkeypatch) -> None:
    """The same θ as a Flow that asks the backend for them, up to the order of sums; and works in
    place on its copies, which harms nothing."""
    harm = "    negatives += 1e3\n    data *= 0\n    return v\n"
    text = f"NEGATIVES = {kind!r}\n" + ML.format(1).replace("return", "v =") + harm
    monkeypatch.setattr(Sampled, "kind", kind)
    backend = Walkers(Target.exact(1.4, 4.0), 0.1, 2_000, seed=3)
    ours = solve.run(loaded(tmp_path, text).guarded(), backend, 0.5, 30)
    theirs = solve.run(Sampled(), backend, 0.5, 30)
    assert ours.θ == pytest.approx(theirs.θ, abs=1e-12)
    assert np.array_equal(ours.mode_b, theirs.mode_b)
    assert np.max(np.abs(np.diff(ours.θ))) > (1e-3 if kind != "data" else 0) - 1e-12


ADVANCE = """
import numpy as np
def advance(theta, walkers, rng, mixture, dt):
    noise = np.sqrt(2 * dt) * rng.normal(size=walkers.size)
    return walkers - dt * mixture.dU_dx(walkers, theta) + noise
""" + ML.format(1)


def test_a_sampler_of_ones_own_has_the_law_of_its_kernel(tmp_path) -> None:
    """Langevin written in NumPy against PCD's exact law after 5 steps at d = 3: mean over 24
    replicas, false-fail rate 1e−6, detects 1 % of r; a run is repeated bit for bit."""
    target, steps = Target.exact(0.9, 3.0), 5
    flow = loaded(tmp_path, ADVANCE).guarded()
    exact = solve.run(make("pcd"), Grid(target, 0.1), 0.3, steps)
    runs = [solve.run(flow, Walkers(target, 0.1, 20_000, s), 0.3, steps) for s in range(24)]
    for k in range(1, steps + 1):
        checked = stats.mean("θ̇", [r.velocity[k] for r in runs], exact.velocity[k], bias=2e-5)
        assert checked.detects < 0.01
    again = solve.run(flow, Walkers(target, 0.1, 20_000, 0), 0.3, steps)
    assert np.array_equal(again.θ, runs[0].θ)
    half = solve.run(flow, Walkers(target, 0.1, 20_000, 0), 0.3, 2)
    rest = solve.run(flow, Walkers(target, 0.1, 20_000, 0), steps=3, state=half.state)
    assert rest.θ[-1] == runs[0].θ[-1]
    assert len({r.θ[-1] for r in runs}) == 24


def test_noise_is_a_function_of_seed_step_and_purpose(tmp_path) -> None:
    """The same for the same seed; correlations of 1000 draws of velocity and of advance, of two
    steps, of two seeds: below 5/√1000 (false-fail rate 6e−7 each)."""
    text = (
        "seen = []\n"
        "def velocity(negatives, rng):\n    seen.append(rng.normal(size=1000))\n    return 0\n"
        "def advance(walkers, rng):\n    seen.append(rng.normal(size=1000))\n    return walkers\n"
    )
    flow = loaded(tmp_path, text).guarded()
    for seed in (0, 0, 1):
        solve.run(flow, Walkers(Target.exact(1.4, 4.0), 0.1, 10, seed), 0.0, 1)
    seen = sys.modules["own_my_method"].seen  # velocity, advance, velocity at the next step
    assert np.array_equal(seen[:3], seen[3:6])
    correlations = np.corrcoef(np.concatenate([seen[:3], seen[6:]]))
    assert np.max(np.abs(correlations - np.eye(6))) < 5 / np.sqrt(1000)


def test_only_classes_with_a_name_are_methods_and_name_picks_one(tmp_path) -> None:
    text = (
        "from toyflows.flows import Flow\nfrom toyflows.flows.pcd import PCD\n"
        "class Base(Flow):\n    '''θ̇ = 0'''\n    def velocity(self, ops, θ, negatives): return 0\n"
        "class One(Base):\n    '''θ̇ = one'''\n    name = 'one'\n"
        "class Two(Base):\n    name = 'two'\n"
        "def velocity(theta): return 1.0\n"
    )
    path = written(tmp_path, text)
    assert [m.name for m in own.load(path)] == ["one", "two", "my_method"]
    assert own.load(path)[0].equation == "θ̇ = one"
    (two,) = own.load(path, "two")
    assert two.name == "two"
    with pytest.raises(InputError, match="did you mean two"):
        own.load(path, "tow")
    nameless = text.replace("    name = 'one'\n", "").replace("    name = 'two'\n", "    pass\n")
    assert [m.name for m in own.load(written(tmp_path, nameless))] == [
        "Base", "One", "Two", "my_method",
    ]  # fmt: skip


# ------------------------------------------------------------------ files that cannot be used
FLOW = "from toyflows.flows import Flow\nclass A(Flow):\n    name = 'a'\n"
BROKEN = {
    "syntax": ("x = 1\ndef f(:\n", r"my_method.py:2: SyntaxError: invalid syntax"),
    "encoding": (b"x = '\xff'\n", r"my_method.py:1: SyntaxError: .*utf-8"),
    "null": (b"x = 1\0\n", r"my_method.py(:\d)?: \w+Error: source code .* null bytes"),
    "import": ("\nimport nothing_at_all\n", r":2: ModuleNotFoundError: No module named 'nothing"),
    "raises": ("\n\n1 / 0\n", r":3: ZeroDivisionError: division by zero"),
    "long": ("raise ValueError('a\\nb' * 999)", r":1: ValueError: a ba b"),
    "unprintable": ("class E(Exception):\n    def __str__(self): 1/0\nraise E\n", r":3: .*E: <"),
    "exits": ("import sys\nsys.exit(3)\n", r":2: SystemExit: 3: the file ends the program"),
    "interrupts": ("raise KeyboardInterrupt\n", r":1: KeyboardInterrupt"),
    "empty": ("", r"my_method.py: holds no method"),
    "no velocity": (FLOW, r"my_method.py: holds no method"),
    "not a function": ("velocity = 3.0\n", r": velocity is a value of type float, a function"),
    "signature": ("\ndef velocity(theta, noise): return 1\n", r":2: velocity asks for 'noise'; by"),
    "truth": ("def velocity(theta, target): return 1\n", r"asks for 'target'"),
    "positional": ("def velocity(theta, /): return 1\n", r"asks for 'theta'"),
    "advance": ("def velocity(theta): return 1\ndef advance(x): return x\n", r":2: advance asks"),
    "negatives": ("NEGATIVES = 'pcd'\ndef velocity(theta): return 1\n", r"NEGATIVES = 'pcd': must"),
    "unhashable": ("NEGATIVES = []\ndef velocity(theta): return 1\n", r"NEGATIVES = \[\]: must be"),
    "both": (
        "NEGATIVES = 'model'\ndef velocity(theta): return 1\ndef advance(walkers): return 1\n",
        r":3: advance moves persistent particles",
    ),
    "two of a name": (
        FLOW + "    def velocity(self, *a): return 1\n"
        "class B(A):\n    name = 'a'\n",
        r"two methods are named 'a'",
    ),
    "no default": (
        FLOW.replace("class", "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass")
        + "    x: float\n    def velocity(self, *a): return 1\n",
        r":4: TypeError: .*missing 1 required positional argument: 'x'",
    ),
    "its own check": (
        FLOW + "    def __init__(self):\n        raise ValueError('k = 0')\n"
        "    def velocity(self, *a): return 1\n",
        r":5: ValueError: k = 0",
    ),
    "exception": ("def velocity(theta):\n    x = 1\n    return x / 0\n", r":3: ZeroDivisionError"),
    "inner": (
        "def f(): return 1 / 0\n\ndef velocity(theta):\n    return f()\n",
        r"my_method.py:1: ZeroDivisionError",
    ),
    "recursion": ("def velocity(theta):\n    return velocity(theta)\n", r":2: RecursionError: max"),
    "array": ("def velocity(theta, data):\n    return data[:3]\n", r":1: .* of shape \(3,\), a nu"),
    "one": ("def velocity(theta, data):\n    return data[:1]\n", r":1: .* of shape \(1,\), a num"),
    "list": ("def velocity(theta):\n    return [1.0]\n", r"a value of type list, a number"),
    "word": ("def velocity(theta):\n    return '1'\n", r"a value of type str, a number"),
    "none": ("def velocity(theta):\n    pass\n", r":1: velocity returned None, a number is needed"),
    "complex": ("def velocity(theta):\n    return 1j\n", r"a value of type complex, a number"),
    "pair": ("def velocity(theta):\n    return 1.0, 2.0\n", r"a tuple of 2, a number is needed"),
    "coroutine": ("def velocity(theta):\n    yield 1\n", r"a value of type generator, a number"),
    "nan": (
        "def velocity(theta, step):\n    return 1.0 if step < 2 else float('nan')\n",
        r":1: velocity returned nan at θ = 0.2, t = 0.2",
    ),
    "walkers": (
        "def velocity(theta, negatives): return 0\ndef advance(walkers): return walkers[1:]\n",
        r":2: advance returned an array of shape \(499,\), the walkers' shape \(500,\) is needed",
    ),
    "lost walkers": (
        "def velocity(theta, negatives): return 0\ndef advance(walkers): return walkers * 1e999\n",
        r":2: advance returned 500 positions that are not finite at θ = 0",
    ),
    "rates": (
        FLOW + "    def extra(self, target, θ0): return {'c': 0.0}\n"
        "    def velocity(self, *a, c): return 1.0\n",
        r":5: velocity returned a value of type float, a tuple of 2 is needed \(θ, c\)",
    ),
    "class": (FLOW + "    def velocity(self, ops, θ, negatives):\n        ops.nope\n", r":5: A"),
    "our frames": (
        FLOW + "    def init(self, ops, θ0): return 5\n    def velocity(self, *a): return 1.0\n",
        r"my_method.py:5: AttributeError: 'int' object",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("text", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_told_in_one_line_with_its_place(text, said, tmp_path) -> None:
    path = tmp_path / "my_method.py"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def judged() -> None:
        for method in own.load(path):
            for backend in method.backends:
                with method.place.blamed():
                    bench.cell(method.guarded(), 4.0, QUICK, backend)

    with pytest.raises(own.OwnFileError) as caught:
        judged()
    assert re.search(said, f"{caught.value.value}: {caught.value.why}"), caught.value
    assert "\n" not in str(caught.value)
    assert len(caught.value.why) <= places.LONGEST


def test_a_helper_beside_the_file_is_found_and_shadows_nothing(tmp_path) -> None:
    (tmp_path / "my_helper.py").write_text("def one(): return 1.0\n")
    (tmp_path / "colorsys.py").write_text("1 / 0\n")
    text = "import colorsys, my_helper\ndef velocity(theta): return my_helper.one()\n"
    path = written(tmp_path, text)
    (told,) = apart.records(path, QUICK, (8.0,))
    assert told["theta"][-1] == pytest.approx(0.5)


# ------------------------------------------------------------------ a process of its own
LOOP = "def velocity(theta):\n    while True:\n        pass\n"
DEADLY = {
    "loop": (LOOP, "still running after 5 s at d = 4, walkers; raise --time-limit", (2, 3)),
    "loop at import": ("while True:\n    pass\n", "still running after 5 s; raise", (1, 2)),
    "sleep": ("import time\ntime.sleep(1e4)\n", "still running after 5 s; raise", (2, 2)),
    "leaves": ("import os\nos._exit(0)\n", "the process ended with exit code 0, before", (0, 0)),
    "segfault": ("import ctypes\nctypes.string_at(0)\n", "the process died of SIGSEGV", (2, 2)),
    "killed": ("import os\nos.kill(os.getpid(), 9)\n", "the process died of SIGKILL", (0, 0)),
    "aborts": (
        "import os\ndef velocity(theta):\n    os.abort()\n",
        "the process died of SIGABRT at d = 4, walkers, before it was judged", (3, 3),
    ),
    "reads": ("input()\n", "EOFError: EOF when reading a line", (1, 1)),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said", "lines"), DEADLY.values(), ids=DEADLY)
def test_a_file_that_hangs_or_dies_is_told_by_its_line(
    text, said, lines, tmp_path, monkeypatch
) -> None:
    path = written(tmp_path, text, "méthode à moi.py")
    limit = 5.0 if "still running" in said else 600.0  # those that hang reach their line in 5 s
    monkeypatch.setattr(apart, "IDLE", 1.0)
    with pytest.raises((own.OwnFileError, apart.OutOfTime)) as caught:
        list(apart.records(path, QUICK, (4.0,), limit=limit))
    error = caught.value
    text = f"{error.value}: {error.why}" if isinstance(error, InputError) else str(error)
    assert said in text
    assert isinstance(error, apart.OutOfTime) == ("still running" in said)
    line = re.search(r"\.py:(\d+):", text)
    assert lines[0] <= (int(line[1]) if line else 0) <= lines[1], text


def test_a_file_that_switches_the_alarm_off_is_killed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(apart, "GRACE", 0.5)
    monkeypatch.setattr(apart, "IDLE", 1.0)
    text = "import faulthandler, signal\nfaulthandler.cancel_dump_traceback_later()\n"
    text += "signal.setitimer(signal.ITIMER_PROF, 0)\nwhile True: pass\n"
    with pytest.raises(apart.OutOfTime, match="still running after 1 s"):
        list(apart.records(written(tmp_path, text), QUICK, (4.0,), limit=1.0))


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_child_goes_with_its_parent(how, tmp_path) -> None:
    """Ctrl-C: one line, exit code 130; and however the parent ends, so does the file."""
    text = "import os\nopen('pid.part', 'w').write(str(os.getpid()))\n"
    text += "os.rename('pid.part', 'pid')\nwhile True: pass\n"
    written(tmp_path, text)
    words = ["check", "my_method.py", "--out", "r.json", "--time-limit", "3600"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with running(MAIN, *words, cwd=tmp_path, **pipes) as parent:
        wait_for((tmp_path / "pid").exists, parent)
        child = int((tmp_path / "pid").read_text())
        try:
            assert alive(child)
            parent.send_signal(how)
            wait_for(lambda: not alive(child))
        finally:
            if alive(child):
                os.kill(child, signal.SIGKILL)
        out, said = parent.communicate(timeout=PATIENCE)
    if how is signal.SIGINT:
        assert (parent.returncode, out, said) == (130, "", "toyflows: interrupted\n")
    assert not (tmp_path / "r.json").exists()


def test_what_the_file_leaves_behind_is_ended(tmp_path) -> None:
    """Threads and processes that it started neither delay the answer nor outlive it."""
    text = (
        "import subprocess, sys, threading, time\n"
        "threading.Thread(target=time.sleep, args=(1e4,)).start()\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1e4)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n" + ML.format(1)
    )
    path = written(tmp_path, text)
    done = list(apart.records(path, QUICK, (8.0,)))
    assert len(done) == 1
    started = int((tmp_path / "pid").read_text())
    try:
        wait_for(lambda: not alive(started))
    finally:
        if alive(started):
            os.kill(started, signal.SIGKILL)


# ------------------------------------------------------------------ the command
def test_json_is_one_object_whatever_the_file_prints(tmp_path) -> None:
    text = "import os\nprint('hello')\nos.system('echo shell')\n" + ML.format(1)
    written(tmp_path, text.replace("    r =", "    print('step')\n    r ="))
    words = ["--time", "2", "--walkers", "1000", "--q-star", "0.3", "--seed", "5", "--dt", "0.1"]
    done = call("check", "my_method.py", *words, "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    for word in ("hello", "shell", "step"):
        assert word in done.stderr
    assert (told["file"], told["q_star"], told["seed"]) == ("my_method.py", pytest.approx(0.3), 5)
    assert [(c["separation"], c["backend"]) for c in told["cells"]] == [
        (d, "walkers") for d in (4, 10, 20)
    ]
    target = RunSettings(theta_star=theta_of(0.3), time=2, dt=0.1, walkers=1000, seed=5)
    method = loaded(tmp_path, ML.format(1))
    here = bench.cell(method.guarded(), 10.0, target, "walkers")
    assert told["cells"][1]["theta"] == here.run.θ.tolist()
    assert told["cells"][1]["verdict"] == dataclasses.asdict(here.verdict)


def test_the_defaults_are_those_of_the_bench(tmp_path) -> None:
    """And the θ of a JSON report starts where it should."""
    written(tmp_path, "def velocity(theta): return 1\n")
    told = json.loads(call("check", "my_method.py", "--json", cwd=tmp_path).stdout)
    said = {name: told[name] for name in ("time", "dt", "rate", "walkers", "seed", "theta0")}
    s = RunSettings()
    wanted = {"time": s.time, "dt": s.dt, "rate": s.rate, "walkers": s.walkers, "seed": s.seed}
    assert said == wanted | {"theta0": s.theta0}
    assert told["theta_star"] == pytest.approx(s.theta_star, abs=1e-12)
    assert told["cells"][0]["theta"][0] == s.theta0


def test_the_sentence_names_each_verdict_once() -> None:
    def record(d: float, kind: str, backend: str = "grid") -> apart.Record:
        verdict = {"kind": kind, "says": "", "number": 0.0}
        return {"method": "m", "separation": d, "backend": backend, "verdict": verdict}

    done = [
        record(4, "biased", "walkers"), record(4, "converges"), record(4, "biased", "walkers"),
        record(8, "biased"), record(10, "biased", "walkers"), record(20.5, "biased"),
    ]  # fmt: skip
    assert apart.sentence(done, "m") == "converges at d = 4, biased at d = 8, 10 and 20.5"


@pytest.mark.parametrize("suffix", [".png", ".html", ".json"])
def test_a_broken_file_leaves_the_old_report(suffix, tmp_path) -> None:
    written(tmp_path, "1 / 0\n")
    (tmp_path / f"r{suffix}").write_text("mine")
    done = call("check", "my_method.py", "--out", f"r{suffix}", cwd=tmp_path)
    said = "toyflows: file my_method.py:1: ZeroDivisionError: division by zero\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["my_method.py", f"r{suffix}"]
    assert (tmp_path / f"r{suffix}").read_text() == "mine"


def test_out_of_time_is_exit_code_1(tmp_path) -> None:
    written(tmp_path, LOOP)
    done = call("check", "my_method.py", "--time-limit", "0.5", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("toyflows: file my_method.py:")


def test_cells_that_are_done_are_told_when_a_later_one_is_late(tmp_path) -> None:
    """The limit is a cell's own: a hundred seconds in all are no matter."""
    written(
        tmp_path, "def velocity(theta, mixture):\n    while mixture.d > 5: pass\n    return 0\n"
    )
    words = ["my_method.py", "--separation", "4", "--separation", "6", "--time", "1", "--json"]
    done = call("check", *words, "--time-limit", "2", "--out", "r.json", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "still running after 2 s at d = 6" in done.stderr
    told = json.loads(done.stdout)
    assert [cell["separation"] for cell in told["cells"]] == [4.0]
    assert "still running" in told["stopped"]
    assert not (tmp_path / "r.json").exists()


def test_a_busy_machine_stops_nobody(tmp_path) -> None:
    """The clock goes on, the CPU time does not: three cells that wait longer than the limit."""
    text = (
        "import time\ndef velocity(theta, step):\n    time.sleep(0.7 * (step == 0))\n    return 0\n"
    )
    path = written(tmp_path, text)
    assert len(list(apart.records(path, QUICK, (4.0, 5.0, 6.0), limit=0.5))) == 3


BAD = [
    (["none.py"], "file none.py: there is no such file"),
    (["."], "file .: is a folder, must be a Python file"),
    (["data.csv"], "file data.csv: must be a Python file, NAME.py"),
    ([], "Missing argument 'FILE'"),
    (["ok.py", "--name", "okay"], "--name okay: unknown; did you mean ok?"),
    (["ok.py", "--separation", "0"], "--separation 0: must be 0 < d ≤ 100"),
    (["ok.py", "--separation", "nan"], "--separation nan: must be a finite number"),
    (["ok.py", "--theta-star", "1", "--q-star", "0.5"], "both are given"),
    (["ok.py", "--q-star", "1"], "--q-star 1: must be 0 < q* < 1"),
    (["ok.py", "--theta-star", "nan"], "--theta-star nan: must be a finite number"),
    (["ok.py", "--dt", "2"], "--dt 2: must be 0 < dt < 2"),
    (["ok.py", "--time", "0"], "--time 0: must be at least one step"),
    (["ok.py", "--walkers", "0"], "--walkers 0: must be 1 or more"),
    (["ok.py", "--walkers", "9000000000000"], "GiB of memory, there is"),
    (["ok.py", "--time-limit", "0"], "--time-limit 0: must be 0 to 86400 seconds"),
    (["ok.py", "--time-limit", "nan"], "--time-limit nan: must be"),
    (["ok.py", "--out", "r.pdf"], "--out r.pdf: the suffix must be one of .png .html .json"),
    (["ok.py", "--out", "none/r.png"], "--out none/r.png: there is no folder none"),
]


@pytest.mark.parametrize(("words", "said"), BAD, ids=lambda w: " ".join(w) if w else "")
def test_a_wrong_call_is_refused_before_the_file_runs(words, said, tmp_path) -> None:
    ran = "" if "--name" in words else "open('ran', 'w')\n"
    written(tmp_path, ran + "def velocity(theta): return 1\n", "ok.py")
    (tmp_path / "data.csv").write_text("1\n")
    done = call("check", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert said in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data.csv", "ok.py"]


# ------------------------------------------------------------------ reports
@pytest.fixture(scope="module")
def book(tmp_path_factory) -> dict:
    """A check of two methods, of which one diverges; a file name with mathtext and markup."""
    folder = tmp_path_factory.mktemp("reports")
    text = (
        "from toyflows.flows.pcd import PCD\n"
        "class Mine(PCD):\n    '''θ̇ = a < b & $c'''\n    name = 'mine'\n"
        "class Wild(PCD):\n    name = 'wild'\n"
        "    def velocity(self, ops, θ, negatives, **extra): return 1 + θ * θ\n"
    )
    path = written(folder, text, "$a<b>&_$.py")
    setting = RunSettings(walkers=1_000)
    done = list(apart.records(path, setting, (3.0, 6.0, 10.0, 20.0)))
    return json.loads(json.dumps(apart.book(path, setting, done), allow_nan=False))


def test_the_picture_is_legible(book) -> None:
    with _style.style():
        for figure in (_report.picture(book), _report.picture(_alone(book))):
            figure.canvas.draw()
            assert problems(figure) == []


def _alone(book: dict) -> dict:
    """The first method alone, with an alarm of many words."""
    cells = [dict(c) for c in book["cells"] if c["method"] == "mine"]
    cells[0]["alarms"] = ["a long alarm " * 20]
    return book | {"says": {"mine": book["says"]["mine"]}, "cells": cells}


def test_the_same_book_gives_the_same_picture(book, tmp_path) -> None:
    _report.save(book, tmp_path / "1.png")
    _report.save(book, tmp_path / "2.png")
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()


def test_the_page_says_what_the_book_says(book) -> None:
    page = _report.page(book)
    rows = re.findall(r'<tr><th scope="row">([\d.]+)</th>(.*?)</tr>', page)
    assert len(rows) == len(book["cells"]) == 16
    for (d, row), told in zip(rows, book["cells"], strict=True):
        assert float(d) == told["separation"]
        assert f"</span>{told['verdict']['kind']}</td>" in row
    assert "<b>&_" not in page
    assert "θ̇ = a &lt; b &amp; $c" in page
    for told in book["cells"]:
        for alarm in told["alarms"]:
            assert alarm.replace("&", "&amp;") in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [480, 1280])
def test_the_page_in_a_browser(book, width, tmp_path) -> None:
    """Pictures decode and fit, no sideways scrolling, nothing fetched, no complaint."""
    page = tmp_path / "page.html"
    page.write_text(_report.page(book).replace("</body>", PROBE + "</body>"), "utf-8")
    done = subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}",
         f"--window-size={width},900", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=PATIENCE, check=True,
    )  # fmt: skip
    title = re.search(r"<title>(\{.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None
    seen = json.loads(title[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    assert [natural for _, natural, _ in seen["images"]] == [1920, 1920]
    assert all(alt and shown < width for alt, _, shown in seen["images"])
    assert not seen["wide"]
    assert seen["requests"] == []
    assert "CONSOLE" not in done.stderr, done.stderr


# ------------------------------------------------------------------ toyflows new flow
@pytest.mark.parametrize("plain", [False, True])
def test_a_new_flow_is_accepted_at_once_and_converges(plain, tmp_path) -> None:
    words = ["--plain"] if plain else []
    done = call("new", "flow", "my-method", *words, cwd=tmp_path)
    assert done.stdout == "wrote my_method.py; next: toyflows check my_method.py\n"
    (method,) = own.load(tmp_path / "my_method.py")
    assert method.name == ("my_method" if plain else "my-method")
    assert method.equation.startswith("θ̇ =")
    for backend in method.backends:
        cell = bench.cell(method.guarded(), 10.0, RunSettings(), backend)
        assert cell.verdict.kind == "converges"
    again = call("new", "flow", "my-method", *words, cwd=tmp_path)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == "toyflows: NAME my-method: my_method.py exists already\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("3d", "must be letters, digits and dashes"),
        ("class", "must be letters"),
        ("_mine", "must be letters"),
        ("../mine", "must be letters"),
        ("thêta", "must be letters"),
        ("a b", "must be letters"),
        ("pcd", "there is a method of that name"),
        ("score_matching", "there is a method of that name"),
    ],
)
def test_a_bad_name_is_refused(name, said, tmp_path) -> None:
    done = call("new", "flow", name, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"NAME {name}: {said}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_new_flow_goes_to_its_folder(tmp_path) -> None:
    (tmp_path / "sub").mkdir()
    done = call("new", "flow", "mine", "--out", "sub", cwd=tmp_path)
    assert done.stdout == f"wrote sub{os.sep}mine.py; next: toyflows check sub{os.sep}mine.py\n"
    done = call("new", "flow", "mine", "--out", "none", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
