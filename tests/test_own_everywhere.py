"""A method of one's own wherever a method is named: a file in every command and call, a class in
every call; and the one parser of words like "cd k=10" behind them all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import toyflows
from toyflows import bench, film, modes, pages
from toyflows.cli.main import main
from toyflows.errors import InputError
from toyflows.flows import Flow, make
from toyflows.method import label, method, methods, named
from toyflows.own import OwnFileError
from toyflows.pages.record import Order, entry
from toyflows.settings import RunSettings
from toyflows.sweep import Plan, load, sweep
from toyflows.sweep.chart import chart
from toyflows.sweep.store import Store

HALF = '''
from dataclasses import dataclass

from toyflows.flows import Flow


@dataclass(frozen=True)
class Half(Flow):
    """θ̇ = E_{ρ_θ}[∂_θU_θ] − κ E_data[∂_θU_θ]"""

    kappa: float = 0.5

    def negatives(self, ops, θ, chains):
        return ops.model(θ)

    def velocity(self, ops, θ, negatives, **extra):
        r = ops.mixture.responsibility
        return ops.mean(negatives, r, θ) - self.kappa * ops.mean(ops.data(), r, θ)
'''
PLAIN = '''
import numpy as np


def velocity(theta, data, negatives, mixture):
    """θ̇ = E_model[∂_θU] − E_data[∂_θU]"""
    r = mixture.responsibility
    return np.mean(r(negatives, theta) - r(data, theta), axis=-1)
'''
SHORT = {"theta_star": 1.4, "time": 2.0, "separation": 6.0, "walkers": 200}
WORDS = [f"--{name.replace('_', '-')}={value}" for name, value in SHORT.items()]
POINT = {name: value for name, value in SHORT.items() if name != "theta_star"}


@dataclass(frozen=True)
class Twice(Flow):
    """θ̇ = κ (E_{ρ_θ}[∂_θU_θ] − E_data[∂_θU_θ])"""

    kappa: float = 2.0

    def negatives(self, ops: Any, θ: float, chains: Any) -> Any:
        return ops.model(θ)

    def velocity(self, ops: Any, θ: float, negatives: Any, **extra: float) -> Any:
        r = ops.mixture.responsibility
        return self.kappa * (ops.mean(negatives, r, θ) - ops.mean(ops.data(), r, θ))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with half.py and plain.py, in which we are."""
    (tmp_path / "half.py").write_text(HALF, "utf-8")
    (tmp_path / "plain.py").write_text(PLAIN, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words: str, code: int = 0, capsys: Any) -> str:
    """What the command prints; of one that is refused, its line."""
    sys.argv = ["toyflows", *words]
    with pytest.raises(SystemExit) as end:
        main()
    out = capsys.readouterr()
    assert (end.value.code or 0) == code, out
    if code:
        assert out.err.count("\n") == 1, out.err
        assert out.out == ""
    return str(out.err if code else out.out)


# ------------------------------------------------------------------ one name
def test_words_a_file_a_flow_and_a_class_are_one_method(here: Path) -> None:
    assert method("cd k=3 h=0.1") == method("cd", {"k": 3, "h": 0.1}) == make("cd", k=3, h=0.1)
    assert method(make("cd", k=3), {"h": 0.1}) == method(type(make("cd")), {"k": 3, "h": 0.1})
    half = method("half.py:Half kappa=0.7")
    assert half == method("half.py", {"kappa": "0.7"})
    assert label(half) == "half.py kappa=0.7"
    assert label(Twice(kappa=3.0)) == "Twice.py kappa=3.0"
    assert list(methods(["pcd", "cd k=3", "half.py"], {"h": 0.1, "kappa": 0.6})) == [
        "pcd", "cd k=3 h=0.1", "half.py kappa=0.6",
    ]  # fmt: skip


BAD = [
    ("pdc", {}, "loss", "did you mean pcd"),
    ("half.py:Hafl", {}, "loss", "unknown; did you mean Half"),
    ("none.py", {}, "loss", "there is no such file"),
    ("half.py kapa=1", {}, "p", "did you mean kappa"),
    ("half.py kappa=x", {}, "p", "must be a number"),
    ("half.py kappa", {}, "loss", "must be NAME=VALUE"),
    ("cd k=3", {"k": 4}, "p", "is said by 'cd k=3' too"),
    ("plain.py k=3", {}, "p", "unknown option; plain has none"),
    (7, {}, "loss", "must be a method's name, a Python file, a Flow or its class"),
]


@pytest.mark.parametrize(("given", "options", "name", "why"), BAD, ids=lambda v: str(v)[:30])
def test_what_is_no_method_is_refused(
    given: Any, options: dict[str, Any], name: str, why: str, here: Path
) -> None:
    with pytest.raises(InputError, match=why.replace("(", r"\(")) as refused:
        method(given, options)
    assert refused.value.name == name


def test_the_stored_text_of_a_class_is_what_it_needs() -> None:
    """It makes the same run in a process that has never seen this file."""
    name, options, source = named(Twice(kappa=3.0))
    assert source is not None
    assert (name, options) == ("Twice.py", {"kappa": 3.0})
    assert "def call" not in source.text
    script = (
        "import sys, json\nfrom toyflows.method import method\nfrom toyflows.own import Source\n"
    )
    script += "import toyflows\nflow = method('Twice.py', {'kappa': 3.0}, "
    script += "source=Source('Twice.py', sys.stdin.read()).known())\n"
    script += f"run = toyflows.flow(flow, backends='grid', **{SHORT!r})\n"
    script += "print(repr(float(run.backends['grid'].θ[-1])))"
    done = subprocess.run(
        [sys.executable, "-c", script], input=source.text, capture_output=True, text=True,
        check=True, cwd="/", env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    mine = toyflows.flow(Twice(kappa=3.0), backends="grid", **SHORT).backends["grid"].θ[-1]
    assert float(done.stdout) == mine


# ------------------------------------------------------------------ each command and call
def test_flow_takes_them_all(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(call("flow", "--loss", "half.py", "-p", "kappa=0.7", *WORDS, "--json",
                           capsys=capsys))  # fmt: skip
    run = toyflows.flow("half.py kappa=0.7", **SHORT)
    assert told == json.loads(json.dumps(run.to_dict()))
    assert (told["loss"], told["options"]) == ("half.py", {"kappa": 0.7})
    assert list(run.backends) == ["grid", "walkers"]
    assert list(toyflows.flow("plain.py", **SHORT).backends) == ["walkers"]
    both = [toyflows.flow(given, **SHORT) for given in (Twice, Twice())]
    for a, b in zip(*(run.backends.values() for run in both), strict=True):
        assert np.array_equal(a.θ, b.θ)
    told = json.loads(call("flow", "--loss", "cd k=3", *WORDS, "--json", capsys=capsys))
    assert told["options"]["k"] == 3


def test_saved_runs_keep_the_file_and_go_on(here: Path) -> None:
    whole = toyflows.flow("half.py kappa=0.7", **SHORT | {"time": 4.0})
    toyflows.flow("half.py kappa=0.7", **SHORT).save("half.npz")
    for θ, on in zip(whole.backends.values(), _resumed("half.npz").backends.values(), strict=True):
        assert θ.θ[-1] == on.θ[-1]
    toyflows.flow(Twice(), **SHORT).save("twice.npz")
    assert _resumed("twice.npz").flow.kappa == 2.0
    script = (
        "import toyflows, sys; toyflows.load('half.npz', trust='trust' in sys.argv); print('ran')"
    )
    for what, words, says in (
        ("", [], "ran"),  # the file is here as it was
        ("\nprint('changed')\n", [], "is not here as it was"),
        ("", ["trust"], "ran"),
    ):
        with (here / "half.py").open("a", encoding="utf-8") as file:
            file.write(what)
        done = subprocess.run(
            [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False
        )
        assert says in done.stdout + done.stderr
        assert "changed" not in done.stdout


def _resumed(path: str) -> Any:
    run: Any = toyflows.load(path)
    return run.resume(4.0)


def test_nobody_elses_code_is_run_by_looking_at_a_file(here: Path) -> None:
    """A sweep can be looked at without its file; its method is not run."""
    sweep("half.py", over={"separation": "4,6", "rate": "1,2"}, out="half.npz", jobs=1, **SHORT)
    toyflows.flow("half.py", **SHORT).save("run.npz")
    (here / "half.py").unlink()
    script = ("from toyflows import load as run; from toyflows.sweep import load\n"
              "from toyflows.sweep.chart import chart\n"
              "r = load('half.npz'); print(r.counts(), len(chart(r).panels), r.plan.keys().size)\n"
              "run('run.npz')")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "'half.py': {" in done.stdout
    assert "1 4" in done.stdout
    assert "half.py: is not here as it was when this was saved" in done.stderr


def test_verdicts_take_them(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["verdicts", "--loss", "half.py", "--loss", "plain.py", "--loss", "cd", "-p", "k=2",
             "--separation", "6", "--time", "2", "--walkers", "200", "--json"]  # fmt: skip
    told = [json.loads(call(*words, "--jobs", n, capsys=capsys))["cells"] for n in ("1", "2")]
    assert told[0] == told[1]
    assert {(c["method"], c["backend"]) for c in told[0]} == {
        ("half.py", "grid"), ("plain.py", "walkers"), ("cd k=2", "grid"),
    }  # fmt: skip
    setting = RunSettings(**SHORT)
    cells = list(bench.table([Twice, Twice(kappa=3.0)], [6.0], setting, jobs=2))
    assert {c.method for c in cells} == {"Twice.py", "Twice.py kappa=3.0"}


def test_a_sweep_has_the_same_bits_on_each_engine(here: Path) -> None:
    asked: dict[str, Any] = {"over": {"separation": "4,6", "kappa": "0.5,1.0"}, "repeats": 2}
    losses = ["half.py", "plain.py", Twice, "pcd"]
    told = [
        sweep(losses, engine=engine, jobs=2, keep=["theta"], **asked, **SHORT)
        for engine in ("local", "dask")
    ]
    assert np.array_equal(told[0]["theta"], told[1]["theta"])
    assert np.isfinite(told[0]["theta"]).all()
    assert told[0].plan.losses == ("half.py", "plain.py", "Twice.py", "pcd")
    assert len(np.unique(told[0]["theta"][0])) == 8
    run = toyflows.flow("half.py kappa=0.5", **SHORT | {
        "separation": 4.0, "seed": int(told[0].seeds[0, 0, 0, 0]), "backends": "walkers"
    })  # fmt: skip
    assert run.backends["walkers"].θ[-1] == told[0]["theta"][0, 0, 0, 0]


def test_a_changed_file_is_another_sweep(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", "--loss", "half.py", "-p", "kappa=0.6", "--over", "separation=4,6", *WORDS,
             "--jobs", "1", "--out", "half.npz"]  # fmt: skip
    words.remove("--separation=6.0")
    call(*words, capsys=capsys)
    assert "4 were there" not in call(*words, capsys=capsys)
    result = load("half.npz")
    assert result.plan.sources[0].text == HALF
    assert result.plan.losses == ("half.py kappa=0.6",)
    call("map", "half.npz", "--x", "separation", "--y", "loss", "--json", capsys=capsys, code=0)
    (here / "half.py").write_text(HALF + "\n# another\n", "utf-8")
    assert "holds another sweep: half.py with sha256" in call(*words, capsys=capsys, code=2)
    (here / "other").mkdir()
    (here / "other" / "half.py").write_text(HALF + "\n# a third\n", "utf-8")
    with pytest.raises(InputError, match="two files have this name"):
        Plan.make(["half.py", "other/half.py"])


def test_a_sweep_that_was_stopped_goes_on_from_its_parts(here: Path) -> None:
    plan = Plan.make(["half.py"], {"separation": "4,6"}, **SHORT)
    again = Plan.from_dict(json.loads(json.dumps(plan.to_dict())))
    assert again == plan
    assert (again.keys() == plan.keys()).all()
    assert Store(here / "x.npz", again, again.keys()).total == 2


def test_a_map_is_drawn_of_them(here: Path) -> None:
    result = sweep(["half.py", Twice], over={"separation": "4,6"}, jobs=1, **SHORT)
    assert chart(result).y == "loss"


def test_pages_take_them(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["page", "--loss", "half.py", "--loss", "plain.py", "--over", "separation=4:6:2",
             "--theta-star", "1", "--time", "2", "--walkers", "200"]  # fmt: skip
    call(*words, "--jobs", "2", "--out", "page.html", capsys=capsys)
    assert "plain" in Path("page.html").read_text("utf-8")
    asked = pages.plan([Twice, "half.py"], {"kappa": [0.5, 1.0]}, theta_star=1.0, time=1.0)
    assert [s.options.get("kappa") for s in asked.runs] == [0.5, 1.0, None, 1.0]
    told = entry(Order(asked.runs[0], 20))
    assert told["again"].startswith("toyflows flow --loss Twice.py ")


def test_films_take_them(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["animate", "flow", "--loss", "half.py", "--versus", "plain.py", *WORDS, "--out",
             "film.gif", "--seconds", "0.2", "--fps", "10", "--width", "320", "--height",
             "240"]  # fmt: skip
    call(*words, capsys=capsys)
    assert Path("film.gif").stat().st_size > 1000
    film.two_modes(Twice, versus=Twice(kappa=3.0), seconds=0.2, fps=10, **SHORT)
    with pytest.raises(InputError, match="unknown") as refused:
        film.two_modes("pcd", versus="nope", **SHORT)
    assert refused.value.name == "versus"


def test_check_prints_cells_options_and_seeds(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", "half.py:Half", "-p", "kappa=0.7", "--seeds", "2", "--separation", "4",
             "--separation", "6", "--time", "2", "--walkers", "200"]  # fmt: skip
    told = json.loads(call(*words, "--json", capsys=capsys))
    assert [(c["separation"], c["backend"], c["seed"]) for c in told["cells"]] == [
        (4.0, "grid", 0), (4.0, "walkers", 0), (4.0, "walkers", 1),
        (6.0, "grid", 0), (6.0, "walkers", 0), (6.0, "walkers", 1),
    ]  # fmt: skip
    ends = [c["theta_end"] for c in told["cells"] if c["backend"] == "walkers"]
    assert len(set(ends)) == 4
    shown = call(*words, capsys=capsys)
    assert "Half kappa=0.7   θ̇ = E_{ρ_θ}[∂_θU_θ] − κ E_data[∂_θU_θ]" in shown
    assert shown.count("seed 1\n") == 2
    assert "did you mean kappa" in call("check", "half.py", "-p", "kapa=1", capsys=capsys, code=2)


K_MODES: dict[str, Any] = {"positions": [[0.0, 0.0], [6.0, 0.0], [3.0, 5.0]],
                           "theta_star": [0.0, 1.0, 0.5], "time": 2.0, "walkers": 200}  # fmt: skip


def test_modes_take_them(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(call(
        "modes", "--loss", "half.py", "-p", "kappa=0.7", "--positions", "0,0; 6,0; 3,5",
        "--theta-star", "0,1,0.5", "--time", "2", "--walkers", "200", "--json", capsys=capsys,
    ))  # fmt: skip
    assert told["options"] == {"kappa": 0.7}
    assert list(modes.flow("plain.py", **K_MODES).backends) == ["walkers"]
    ml, twice = (modes.flow(given, **K_MODES) for given in ("ml", Twice(kappa=1.0)))
    assert np.allclose(ml.backends["walkers"].θ, twice.backends["walkers"].θ, rtol=1e-12)
    exact = [modes.flow(given, backends="grid", **K_MODES) for given in ("ml", Twice(kappa=1.0))]
    assert np.allclose(*(run.backends["grid"].θ for run in exact), rtol=1e-12)
    assert json.loads(call(
        "modes", "--loss", "cd k=3", "--positions", "0,0; 6,0", "--theta-star", "0,1", "--time",
        "1", "--walkers", "50", "--json", capsys=capsys))["options"]["k"] == 3  # fmt: skip


@pytest.mark.parametrize("loss", ["pcd", "jarzynski", "tempering", "replay-buffer", "half.py"])
def test_runs_among_modes_are_loaded_and_go_on(loss: str, here: Path) -> None:
    """Bit for bit the uninterrupted run, and the same verdict, table and alarms."""
    run = modes.flow(loss, **K_MODES)
    run.save("k.npz")
    again: Any = toyflows.load("k.npz")
    assert again.to_dict() == run.to_dict()
    whole, later = modes.flow(loss, **K_MODES | {"time": 3.0}), again.resume(3.0)
    for name, path in whole.backends.items():
        assert np.array_equal(path.θ, later.backends[name].θ), name
        assert np.array_equal(path.crossings, later.backends[name].crossings, equal_nan=True)
    with pytest.raises(InputError, match="must be more than the 2 done"):
        again.resume(1.0)


def test_the_command_line_goes_on_with_saved_runs(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--theta-star", "0,1", "--positions", "0; 6"]
    for command, words in (("flow", ["--theta-star", "1.4"]), ("modes", line)):
        begin = [command, "--loss", "half.py", "--walkers", "200", *words]
        call(*begin, "--time", "2", "--out", "run.npz", capsys=capsys)
        on = call(command, "--resume", "run.npz", "--time", "3", "--json", "--out", "run.npz",
                  capsys=capsys)  # fmt: skip
        whole = call(*begin, "--time", "3", "--json", capsys=capsys)
        assert json.loads(on) == json.loads(whole)
        assert toyflows.load("run.npz").settings.time == 3.0
        refused = call(command, "--resume", "run.npz", "--dt", "0.1", capsys=capsys, code=2)
        assert "--dt 0.1: is said by the saved run" in refused
        other = {"flow": "modes", "modes": "flow"}[command]
        refused = call(other, "--resume", "run.npz", capsys=capsys, code=2)
        assert f"--resume run.npz: is a run of toyflows {command}" in refused


def test_modes_carry_alarms() -> None:
    far = modes.flow("pcd", positions=[[0.0], [20.0]], theta_star=[0.0, 1.0], time=20.0,
                     walkers=500)  # fmt: skip
    assert far.alarms == ["none of the 500 walkers changed mode in a time of 20"]
    assert far.to_dict()["alarms"] == far.alarms


def test_the_laboratory_offers_them(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from toyflows.lab import _methods
    from toyflows.lab.rooms.two_modes import TwoModes, flows_of

    monkeypatch.setattr(_methods, "OWN", {})
    assert _methods.offer("half.py") == "half.py"
    with pytest.raises(InputError, match="the room shows a Flow class"):
        _methods.offer("plain.py")
    controls = TwoModes().controls({"method": "half.py"})
    values = {c.name: c.default for c in controls} | {"method": "half.py", "p.kappa": 0.7}
    assert flows_of(values) == {"one": method("half.py kappa=0.7")}
    assert "half.py" not in {c.default for c in TwoModes().controls({"method": "other.py"})}


# ------------------------------------------------------------------ mistakes in the file
@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("    return 1 / (step - 3)\n", "bad.py:2: ZeroDivisionError: division by zero"),
        ("    return data\n", "bad.py:1: velocity returned an array of shape (200,)"),
        ("    return float('nan')\n", "bad.py:1: velocity returned nan at θ = 0, t = 0"),
        ("    return nothing\n", "bad.py:2: NameError: name 'nothing' is not defined"),
    ],
)
def test_a_mistake_is_a_line_of_the_file(
    body: str, says: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "bad.py").write_text("def velocity(theta, data, step):\n" + body, "utf-8")
    for words in (
        ["flow", "--loss", "bad.py", "--out", "x.npz"],
        ["sweep", "--loss", "bad.py", "--out", "x.npz", "--jobs", "1"],
        ["verdicts", "--loss", "bad.py", "--jobs", "1", "--out", "x.csv"],
    ):
        size = [w for w in WORDS if not (words[0] == "verdicts" and "separation" in w)]
        told = call(*words, *size, capsys=capsys, code=2)
        assert says in told
        assert not list(here.glob("x.*"))


# ------------------------------------------------------------------ mistyped settings
@pytest.mark.parametrize(
    ("more", "name", "why"),
    [
        ({"walker": 3}, "walker", "did you mean walkers?"),
        ({"thetastar": 3}, "thetastar", "did you mean theta_star?"),
        ({"kernl": "ula"}, "kernl", "did you mean kernel?"),
        ({"theta_star": "1.4"}, "theta_star", "must be a number"),
        ({"walkers": 1.5}, "walkers", "must be a whole number"),
        ({"backends": "gird"}, "backend", "did you mean grid?"),
    ],
)
def test_a_mistyped_setting_is_named_as_a_setting(
    more: dict[str, Any], name: str, why: str
) -> None:
    with pytest.raises(InputError) as refused:
        toyflows.flow("pcd", **{"theta_star": 1.4} | more)
    assert (refused.value.name, why in refused.value.why) == (name, True), refused.value
    if "backends" not in more and "kernl" not in more:
        with pytest.raises(InputError) as refused:
            sweep("pcd", over={"separation": "4,6"}, **more)
        assert why in refused.value.why


def test_a_str_is_one_backend_and_loss_can_be_an_option() -> None:
    run = toyflows.flow("gan", loss="wasserstein", backends="grid", theta_star=1.0, time=1.0)
    assert list(run.backends) == ["grid"]
    assert run.to_dict()["options"]["loss"] == "wasserstein"


def test_an_error_of_a_file_is_no_other_error(here: Path) -> None:
    (here / "bad.py").write_text("import nothing_of_this_name\n", "utf-8")
    with pytest.raises(OwnFileError, match=r"bad\.py:1: ModuleNotFoundError"):
        toyflows.flow("bad.py", theta_star=1.0)
