"""What the command line refuses, how it says so, and that it can say it on any terminal."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from toyflows.cli import _output
from toyflows.cli.main import main
from toyflows.limits import MOST_THREADS, check_seed, check_workers

GRID = ["flow", "--loss", "ml", "--theta-star", "1", "--time", "1", "--backend", "grid"]


def call(*words: str, shell: str = "", cwd: Path | None = None, **env: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr, with what the shell does to the streams."""
    line = ["bash", "-c", f'"$@" {shell}', "-", sys.executable, "-m", "toyflows", *words]
    done = subprocess.run(line, capture_output=True, env=os.environ | env, check=False, cwd=cwd)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def refused(monkeypatch, capsys, tmp_path):
    """The one line that a call in this process is refused with; nothing is written."""

    def line(*words: str) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["toyflows", *words])
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert (end.value.code, said.out, said.err.count("\n")) == (2, "", 1), said
        assert sorted(tmp_path.rglob("*")) == before
        return str(said.err)

    return line


# ------------------------------------------------------------------ any terminal
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("words", [GRID, ["flows"], ["flow", "--help"], [*GRID, "--json"]], ids=str)
def test_output_in_any_encoding(words: list[str], encoding: str) -> None:
    env = {"PYTHONIOENCODING": encoding}
    line = [sys.executable, "-m", "toyflows", *words]
    done = subprocess.run(line, capture_output=True, env=os.environ | env, check=False)
    out = done.stdout.decode(encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "theta" in out
    assert "\\u03b8" not in out or json.loads(out)["loss"] == "ml"


def test_a_refusal_in_ascii() -> None:
    code, _, err = call(*GRID, "--theta0", "1e9", PYTHONIOENCODING="ascii")
    assert (code, err) == (2, "toyflows: --theta0 1e9: must be |theta0| <= 700\n")


def test_json_is_the_same_in_any_encoding() -> None:
    wide, narrow = (call(*GRID, "--json", PYTHONIOENCODING=e)[1] for e in ("utf-8", "ascii"))
    assert json.loads(wide) == json.loads(narrow)
    assert narrow.isascii()
    assert not wide.isascii()


@pytest.mark.parametrize(
    ("character", "said"),
    [("θ", "theta"), ("Σ", "Sigma"), ("−", "-"), ("²", "^2"), ("₁", "1"), ("ᾱ", "alpha_bar"),
     ("½", "1/2"), ("é", "e"), ("≤", "<="), ("─", "\\u2500"), ("\udcff", "\\udcff")],
)  # fmt: skip
def test_a_character_is_spelled(character: str, said: str) -> None:
    assert _output.spelled(character) == said


@pytest.mark.parametrize(
    ("shell", "heard"), [("2>&-", True), ("<&-", True), (">&-", False), ("<&- >&- 2>&-", False)]
)
def test_closed_streams(shell: str, heard: bool) -> None:
    code, out, err = call(*GRID, shell=shell)
    assert (code, "verdict" in out, err) == (0, heard, "")


def test_a_full_stderr_changes_no_exit_code() -> None:
    """A refusal that nobody can hear is one."""
    assert call("flow", "--loss", "xx", shell="2>/dev/full")[0] == 2


def test_what_is_closed_gets_no_file_of_ours(tmp_path: Path) -> None:
    """The next file opened would have the stream's number, and get what is printed."""
    code, _, _ = call(*GRID, "--out", "a.json", shell="2>&- >&-", cwd=tmp_path)
    assert code == 0
    assert json.loads((tmp_path / "a.json").read_text("utf-8"))["loss"] == "ml"


def test_a_notebooks_backend_is_no_matter(tmp_path: Path) -> None:
    env = {"MPLBACKEND": "module://no.such.backend"}
    code, out, err = call(*GRID, "--out", "a.png", cwd=tmp_path, **env)
    assert (code, err) == (0, "")
    assert "saved   a.png" in out


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PYTHONOPTIMIZE", "2", "must be 0 or 1: without docstrings no method has its equation"),
        ("NUMBA_DISABLE_JIT", "1", "must be 0: the kernels are compiled"),
        ("NUMBA_NUM_THREADS", "0", "must be 1 or more"),
        ("NUMBA_NUM_THREADS", "two", "must be 1 or more"),
        ("TOYFLOWS_NETWORKS", "torch", "must be compiled or numpy"),
        ("TOYFLOWS_SWEEPS", "none", "there is no such folder"),
    ],
)
def test_an_environment_in_which_nothing_works(name: str, value: str, said: str) -> None:
    assert call(*GRID, **{name: value}) == (2, "", f"toyflows: {name} {value}: {said}\n")


def test_python_m_and_completion() -> None:
    assert call("--version")[1].startswith("toyflows ")
    code, out, _ = call(
        _TOYFLOWS_COMPLETE="complete_bash", COMP_WORDS="toyflows verd", COMP_CWORD="1"
    )
    assert (code, out.split()) == (0, ["verdicts"])


# ------------------------------------------------------------------ the option as typed
NAMED = [
    ("verdicts --separation 4 --separation abc", "--separation abc: "),
    ("verdicts --separation abc --separation 4", "--separation abc: "),
    ("verdicts --separation=abc --separation=4", "--separation abc: "),
    ("flow --loss ml --data x --modes 1 b", "--modes 1 b: "),
    ("sample --exact swiss-roll --inpaint left --out a.npz", "--inpaint left: is for energy"),
    ("animate flow --loss ml --theta-star 1 --versus foo --out a.gif", "--versus foo: unknown"),
    ("train ddpm -p rate=1e300 --out x.npz", "-p rate=1e300: must be 0 < rate ≤ 1000"),
    ("train ebm -p rate=1e300 --out x.npz", "-p rate=1e300: must be 0 < rate ≤ 1000"),
    ("rbm train -p rate=1e300 --out x.npz", "-p rate=1e300: must be 0 < rate ≤ 1000"),
    ("sample ebm28 --class A --out a.png", "--class A: an ebm knows no classes"),
    ("flow --loss ml --separation 500 --theta-star 1", "--separation 500: must be 0 < d"),
    ("flow --loss ml --theta-star 1 --dt=3.00", "--dt 3.00: must be 0 < dt < 2"),
    ("verdicts --separation 4 --separation 1e3", "--separation 1e3: must be 0 < d"),
    ("flow --loss ml --theta-star 1 --walkers 007 --threads 0999", "--threads 0999: must be"),
    ("train ddpm -p rate=1e300 -p norm=-0.10 --out x.npz", "-p rate=1e300: must be"),
    ("train ddpm -p norm=-0.10 --out x.npz", "-p norm=-0.10: must be"),
]  # fmt: skip
DROPPED = [
    ("flow --loss ml --theta-star 1 --backend grid --walkers 10", "--walkers 10: is for walkers;"),
    ("flow --loss ml --theta-star 1 --backend theory --seed 1", "--seed 1: is for walkers;"),
    ("flow --loss ml --theta-star 1 --backend theory --backend grid --threads 1", "--threads 1: "),
    ("modes --loss ml --positions 0;3 --backend theory --threads 2", "--threads 2: is for walk"),
    ("sweep --loss ml --backend grid --walkers 10 --out s.npz", "--walkers 10: is for walkers;"),
    ("verdicts --loss ml --seed 3", "--seed 3: is for walkers; grid has none"),
    ("train ebm --columns a,b --out x.npz", "--columns a,b: is for points of ddpm and ncsn"),
    ("train jem --skip-missing --out x.npz", "--skip-missing: is for points of ddpm and ncsn"),
    ("train classifier --sampler short-run --out x.npz", "--sampler short-run: is for ebm and"),
    ("train classifier --size 16 -p langevin=2 --out x.npz", "-p langevin=2: is for ebm and jem"),
    ("train ebm --size 16 -p weight=2 --out x.npz", "-p weight=2: is for jem; an ebm learns no"),
    ("train ebm --size 16 --sampler short-run -p buffer=999 --out x.npz", "-p buffer=999: is for"),
    ("train ncsn -p schedule=cosine --out x.npz", "-p schedule=cosine: is for ddpm, not for ncsn"),
    ("train ddpm -p sigma_max=3 --out x.npz", "-p sigma_max=3: is for ncsn, not for ddpm"),
    ("train ddpm -p unlabelled=.2 --out x.npz", "-p unlabelled=.2: goes with -p labels=true"),
    ("rbm train -p threshold=.4 --out x.npz", "-p threshold=.4: is for pictures; bars-and-stripes"),
    ("rbm train -p temperatures=3 --out x.npz", "-p temperatures=3: is for other samplers; cd"),
    ("rbm train --sampler exact -p k=3 --out x.npz", "-p k=3: is for other samplers; exact has"),
    ("flow --loss bregman -p alpha=.7 --theta-star 1", "-p alpha=.7: is for generator=power; l2"),
    ("sweep --loss ml --over separation=2,4 --separation 5 --out s.npz", "--separation 5: is"),
    ("sweep --loss ml --over theta_star=2,4 --q-star 0.5 --out s.npz", "--q-star 0.5: is given"),
    ("page --loss ml --theta-star 1 --over separation=2,3 --separation 4 --out p.html",
     "--separation 4: is given by --over too"),
    ("page run.npz --theta-star 3 --out p.html", "--theta-star 3: run.npz is a saved run"),
    ("page run.npz --frames 20 --out p.html", "--frames 20: run.npz is a saved run"),
    ("verdicts --loss cd§k=10§k=3 --separation 4", "--loss cd k=10 k=3: k is given twice"),
    ("sample --exact swiss-roll --process § --out q.csv", "--process '': must not be empty"),
    ("sample --exact swiss-roll --snapshots 3 --out q.csv", "--snapshots 3: is for images"),
    ("sample ebm28 --guidance 0 --out q.png", "--guidance 0: is for diffusion models"),
    ("sample ebm28 --pull 3 --out q.png", "--pull 3: goes with --denoise"),
    ("sample ebm28 --inpaint left --denoise 2 --out q.png", "--denoise 2: --inpaint is given"),
    ("likelihood --exact swiss-roll --data x.csv --seed 3", "--seed 3: is for fresh points"),
    ("animate cloud --target swiss-roll --direction forward --sampler ddim --out a.gif",
     "--sampler ddim: is for --direction reverse"),
    ("hopfield --decay 3", "--decay 3: is for --rule gradient"),
    ("hopfield cities --size 9", "--size 9: is for a folder or an .npz"),
    ("ising --size 8 denoise R", "--size 8: is not for denoise"),
    ("map .", "result .: must be a file that toyflows sweep wrote"),
    ("lab --list --port 3", "--port 3: is not for --list"),
]  # fmt: skip
MEANT = [
    ("flow --loss ml --data old-faithfull", "--data old-faithfull: no such file", "old-faithful?"),
    ("train ebm --data glyhps --out y.npz", "--data glyhps: there is no such folder", "glyphs?"),
    (
        "rbm train --data bars-and-stripe --out y.npz",
        "--data bars-and-stripe: ",
        "bars-and-stripes?",
    ),
    ("hopfield leters", "patterns leters: there is no such file", "letters or cities?"),
    ("train ddpm --target swis-roll --out y.npz", "--target swis-roll: ", "swiss-roll or spirals?"),
    ("sample ebm27 --out y.png", "checkpoint ebm27: ", "ebm28 or jem28?"),
]
ODD = [
    ("modes --loss ml --positions 0;3 --theta-star 0,1 --spreads 1e300", "--spreads 1e300: must"),
    ("likelihood --exact swiss-roll --count 100000000000000000000",
     "--count 100000000000000000000: must be 2 to 1000000"),
    ("sample ebm28 --denoise 1e300 --out d.png", "--denoise 1e300: must be 1e-06 to 1e+06"),
    ("sample ebm28 --denoise 2 --pull inf --out d.png", "--pull inf: must be 0 to"),
    ("sample --exact swiss-roll --steps 99999999999 --out q.csv",
     "--steps 99999999999: must be 1 to 100000000"),
    ("sweep --loss ml --out .", "--out .: the suffix must be one of"),
    *((f"hopfield --gain {v}", f"--gain {v}: must be 1e-06 to 1e+06") for v in ("inf", "0", "1e9")),
    ("hopfield --temperature inf", "--temperature inf: must be 0 to 1e+06"),
    ("classify jem28 --temperature inf", "--temperature inf: must be 1e-06 to 1e+06"),
    ("classify ebm28", "checkpoint ebm28: is of kind ebm; must be jem or classifier"),
    ("site --out=", "--out '': must not be empty"),
    ("map § --out a.png", "result '': must not be empty"),
    ("sweep deep.toml --out s.npz", "plan deep.toml: is nested too deeply"),
    ("flow --loss ml --theta-star 1 --threads 257", "--threads 257: must be 1 to 256"),
    ("verdicts --jobs 257", "--jobs 257: must be 1 to 256"),
    ("page --loss ml --jobs 257 --out p.html", "--jobs 257: must be 1 to 256"),
    ("sweep --loss ml --jobs 257 --out s.npz", "--jobs 257: must be 1 to 256"),
    ("ising --threads 257", "--threads 257: must be 1 to 256"),
    ("lab --threads 257", "--threads 257: must be 1 to 256"),
    ("train ddpm --threads 257 --out x.npz", "--threads 257: must be 1 to 256"),
    ("ood ebm28 --threads 257", "--threads 257: must be 1 to 256"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "said"), NAMED + DROPPED + ODD, ids=str)
def test_the_option_as_typed_and_why(words: str, said: str, refused, tmp_path: Path) -> None:
    """§ is a blank inside a word."""
    (tmp_path / "deep.toml").write_text("a = " + "[" * 20_000)
    assert f"toyflows: {said}" in refused(*(word.replace("§", " ") for word in words.split()))


@pytest.mark.parametrize(("words", "said", "meant"), MEANT, ids=str)
def test_a_name_that_is_nearly_one_of_ours(words: str, said: str, meant: str, refused) -> None:
    line = refused(*words.split())
    assert line.startswith(f"toyflows: {said}")
    assert line.endswith(f"did you mean {meant}\n")


@pytest.mark.parametrize("wrong", [0, -1, MOST_THREADS + 1])
def test_one_set_of_limits(wrong: int) -> None:
    for name in ("threads", "jobs"):
        with pytest.raises(ValueError, match=f"{name} = {wrong}: must be 1 to {MOST_THREADS}"):
            check_workers(**{name: wrong})
    with pytest.raises(ValueError, match="must be 0 ≤ seed"):
        check_seed(2**63 if wrong > 0 else -1)
    check_workers(threads=None, jobs=MOST_THREADS)


def test_no_message_says_what_is_allowed() -> None:
    """One form for all: what must be."""
    root = Path(__file__).parent.parent
    for folder in ("toyflows", "cli", "figures"):
        for path in (root / folder).rglob("*.py"):
            assert not re.search(r'"[^"\n]*allowed (is|are) ', path.read_text("utf-8")), path


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"NUMBA_CPU_NAME": "generic"}, "(SSE|NEON) \\(generic\\): .*"),
        (
            {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2"},
            "AVX \\(haswell\\): 16 .* 256 .*",
        ),
        ({"NUMBA_CPU_NAME": "haswell"}, "\\S+ \\(haswell, with this machine's features as .*"),
    ],
    ids=str,
)
def test_doctor_tells_the_processor_that_numba_compiles_for(env: dict[str, str], said: str) -> None:
    """Numba takes the machine's own features with a name alone, AVX-512 for a haswell too."""
    if "haswell" in env.values() and platform.machine() != "x86_64":
        pytest.skip("a processor of x86")
    code = "from toyflows.cli.doctor import _simd; print(_simd())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | env,
        check=True,
    )  # fmt: skip
    assert re.fullmatch(said, done.stdout.strip())
