"""The figure framework, on tiny figures dropped into a folder of the test's own."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import HEEDFUL, PATIENCE, wait_for

from toyflows import stats
from toyflows.errors import InputError
from toyflows.figures import _cache, _gallery, _make, _manifest, _registry, _replay
from toyflows.figures._registry import NotAFigure

# A figure that notes each call of compute in a file, so that calls in other processes are seen.
GOOD = '''"""{title}.

Two <numbers> & a line.

    y = x²
"""
import numpy as np
from pathlib import Path
from toyflows.stats import close
{head}

def compute(scale, seed):
    with open(Path(__file__).with_suffix(".calls"), "a") as calls:
        calls.write("x")
    {pause}
    return {{"y": np.random.default_rng(seed).random(8) * scale, "text": np.array("ä")}}

def claim(data):
    total = np.sum(data["y"])
    return {{"total": close("the total", total, {expected}, atol=1e-9),
            "first": data["y"][0], "n": data["y"].size, "text": str(data["text"]),
            "far": float("inf")}}

def draw(fig, data):
    fig.add_subplot().plot(data["y"])
'''

Drop = Callable[..., Path]
RUN = f"""{HEEDFUL}
import sys
from pathlib import Path
from toyflows.figures import _registry
_registry.FOLDER = Path(sys.argv.pop(1))
from toyflows.cli.main import main
main()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of figures, and a cache of the test's own."""
    folder = tmp_path / "figures"
    folder.mkdir()
    monkeypatch.setattr(_registry, "FOLDER", folder)
    monkeypatch.setenv("TOYFLOWS_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def drop(folder: Path) -> Drop:
    """Writes a figure file; `expected` is what its claim says the total is."""

    def write(name: str, title: str = "A line", head: str = "", pause: str = "",
              expected: str = "total") -> Path:  # fmt: skip
        path = folder / f"{name}.py"
        path.write_text(GOOD.format(title=title, head=head, pause=pause, expected=expected))
        return path

    return write


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "gallery"


def calls(path: Path) -> int:
    noted = path.with_suffix(".calls")
    return len(noted.read_text()) if noted.exists() else 0


def cli(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """`toyflows figures …` in this process; its exit code."""
    from toyflows.cli import main

    monkeypatch.setattr(sys, "argv", ["toyflows", "figures", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        main.main()
    return int(left.value.code or 0)


def start(folder: Path, *words: object) -> subprocess.Popen[str]:
    """The same in a process and a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder), "figures", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def manifest(out: Path) -> dict[str, Any]:
    book: dict[str, Any] = json.loads((out / "manifest.json").read_text())
    return book


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# ------------------------------------------------------------------ which figures there are
def test_a_dropped_file_is_found_listed_and_made(
    drop: Drop, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drop("beta", "Second")
    drop("alpha", "First sentence. And more")
    drop("_shared")
    assert _registry.ids() == ["alpha", "beta"]
    assert cli(monkeypatch, "list") == 0
    assert capsys.readouterr().out == "alpha  First sentence\nbeta   Second\n"
    assert cli(monkeypatch, "all", "--out", out, "--jobs", 1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["alpha", "beta", "gallery:"]
    assert lines[-1] == f"gallery: {out / 'index.html'}"
    assert sorted(p.name for p in out.iterdir()) == [
        "alpha.png", "beta.png", "index.html", "manifest.json", "sources",
    ]  # fmt: skip


def test_figures_are_in_the_order_of_the_lecture(
    drop: Drop, folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """By ORDER, then by name, also in the manifest and the gallery."""
    drop("alpha")
    drop("beta", head="ORDER = 30")
    drop("gamma", head="ORDER = 4", expected="0")
    drop("delta", head="ORDER = 30")
    drop("epsilon", head="ORDER = 1001")
    drop("gone", head="ORDER = 1")
    ids = ["gamma", "beta", "delta", "alpha", "epsilon"]
    assert _registry.ids() == ["gone", *ids]
    _make.make(["epsilon", "gone", "beta"], out)
    (folder / "gone.py").unlink()
    assert cli(monkeypatch, "list") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ids
    assert cli(monkeypatch, "all", "--out", out, "--jobs", 1) == 1
    assert list(manifest(out)["figures"]) == ["beta", "delta", "alpha", "epsilon", "gone"]
    page = Page((out / "index.html").read_text())
    assert [s["id"] for s in page.all("section") if "id" in s] == [*ids, "gone"]


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("ORDER = 7\nraise SystemExit", 7),  # read, never imported
        ("A = ORDER = 7", 7),
        ("", 1000),
        ("def f():\n    ORDER = 7", 1000),
        ('"""\nORDER = 7\n"""', 1000),
        ("ORDER = True", 1000),
        ("ORDER = '7'", 1000),
        ("ORDER = 7\nif:", 1000),
        ("ORDER = 7\n\0", 1000),
    ],
)
def test_the_order_is_read_from_the_source(text: str, order: int, folder: Path) -> None:
    for place in (order - 1, order + 1):
        (folder / f"at_{place}.py").write_text(f"ORDER = {place}\n")
    (folder / "x.py").write_text(text)
    assert _registry.ids() == [f"at_{order - 1}", "x", f"at_{order + 1}"]


def test_the_lectures_own_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "FOLDER", Path(_registry.__file__).parent)
    first = ["mixture", "max_likelihood", "no_learning", "nce_bias", "mode_collapse"]
    known = [*first, "pcd_long_run", "old_faithful"]
    assert [figure for figure in _registry.ids() if figure in known] == known


def test_a_figure_may_define_a_dataclass(drop: Drop) -> None:
    """dataclasses looks an annotation that is text up in sys.modules."""
    head = '\nfrom dataclasses import dataclass\n@dataclass\nclass Pair:\n    x: "float"\n'
    drop("has_a_dataclass", head=head)
    module = _registry.load("has_a_dataclass")
    assert module.Pair(0.5).x == 0.5
    assert sys.modules.pop("toyflows.figures.has_a_dataclass") is module


def test_describe_reads_without_importing(folder: Path) -> None:
    text = (
        '"""A title\nin two lines! Then more.\n\nCaption.\n\n    formula\n"""\nraise SystemExit\n'
    )
    (folder / "x.py").write_text(text)
    description = _registry.describe("x")
    assert description.title == "A title in two lines!"
    assert description.caption == "Then more.\n\nCaption.\n\n    formula"


@pytest.mark.parametrize("words", [["list"], ["one", "nothing"], ["all", "--scale", "0"]])
def test_listing_and_refusing_import_nothing_heavy(words: list[str], drop: Drop) -> None:
    path = drop("alpha")
    heavy = ["numpy", "numba", "scipy", "matplotlib", "rich.progress"]
    code = (
        f"import sys; sys.argv = ['toyflows', {str(path.parent)!r}, 'figures', *{words!r}]\n"
        "import atexit\n"
        f"atexit.register(lambda: print('heavy:', [n for n in {heavy} if n in sys.modules]))\n{RUN}"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout.endswith("heavy: []\n"), ran.stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            '"""T."""\ndef compute(scale, seed): ...\ndef claim(data): ...\n',
            "has no draw: a figure",
        ),
        ('"""T."""\ncompute = 3\ndef draw(fig, data): ...\n', "has no compute and no claim"),
        ("x = 1\n", "has no docstring"),
        ('"""T."""\nif:\n', "is not Python"),
    ],
)
def test_a_file_that_is_no_figure_is_named(
    text: str, why: str, folder: Path, drop: Drop, out: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    drop("good")
    (folder / "bad.py").write_text(text)
    with pytest.raises(NotAFigure, match=rf"^toyflows\.figures\.bad {why}"):
        _registry.load("bad")
    assert cli(monkeypatch, "list") == 0
    assert cli(monkeypatch, "all", "--out", out, "--jobs", 1) == 1
    said = capsys.readouterr()
    assert f"toyflows.figures.bad {why}" in said.out
    assert "Traceback" not in said.err
    assert list(manifest(out)["figures"]) == ["good"]


# ------------------------------------------------------------------ compute, claim, draw
def test_the_manifest_has_everything_and_names_no_machine(drop: Drop, out: Path) -> None:
    drop("alpha")
    (result,) = _make.make(["alpha"], out, ["svg", "png"], scale=0.5, seed=7)
    book = manifest(out)
    assert book["versions"]["numpy"] == np.__version__
    assert set(book["versions"]) == {
        "toyflows", "numpy", "numba", "scipy", "matplotlib", "python",
    }  # fmt: skip
    entry = book["figures"]["alpha"]
    assert entry == result.entry
    assert (entry["scale"], entry["seed"], entry["title"]) == (0.5, 7, "A line")
    assert entry["files"] == {f"alpha.{f}": _cache.sha(out / f"alpha.{f}") for f in ("png", "svg")}
    y = np.random.default_rng(7).random(8) * 0.5
    total = {"value": y.sum(), "expected": y.sum(), "margin": 1e-9, "false_fail": 0.0}
    assert entry["claim"] == {
        "total": total | {"detects": 1e-9, "kind": "="},
        "first": y[0], "n": 8, "text": "ä", "far": "inf",
    }  # fmt: skip
    for word in (str(out), os.uname().nodename, "/root", str(Path.home())):
        assert word not in (out / "manifest.json").read_text()


def test_a_failed_claim_is_reported_and_the_others_are_made(
    drop: Drop, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drop("alpha")
    drop("beta", expected="total + 1")
    drop("gamma", pause="raise OSError(__file__)")
    drop("zeta")
    assert cli(monkeypatch, "all", "--out", out, "--format", "png,svg", "--jobs", 1) == 1
    said = capsys.readouterr()
    assert "claim fails: the total: " in said.out
    assert said.err.count("Traceback") == 1  # of gamma, whose author needs it
    pictures = sorted(p.name for p in out.iterdir() if p.suffix in (".png", ".svg"))
    assert pictures == ["alpha.png", "alpha.svg", "zeta.png", "zeta.svg"]
    book = manifest(out)
    assert list(book["figures"]) == ["alpha", "zeta"]
    assert book["failed"]["beta"].startswith("claim fails: the total")
    assert book["failed"]["gamma"] == "OSError"  # its words would name a folder of this machine


def test_an_earlier_picture_of_a_failed_figure_is_marked(drop: Drop, out: Path) -> None:
    drop("alpha")
    _make.make(["alpha"], out)
    before = (out / "alpha.png").read_bytes()
    drop("alpha", expected="0")
    (result,) = _make.make(["alpha"], out)
    assert result.entry is None
    assert (out / "alpha.png").read_bytes() == before
    assert "The picture below is from before" in (out / "index.html").read_text()
    drop("alpha")
    _make.make(["alpha"], out)
    assert manifest(out)["failed"] == {}
    assert "from before" not in (out / "index.html").read_text()


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ("", "claim gives a list as 'n'"),
        ("object_array", "compute gives objects as 'y'"),
    ],
)
def test_what_cannot_be_kept_is_refused(head: str, why: str, folder: Path, out: Path) -> None:
    y = "np.array([{}])" if head else "np.ones(2)"
    (folder / "x.py").write_text(
        f'"""T."""\nimport numpy as np\ndef compute(scale, seed): return {{"y": {y}}}\n'
        'def claim(data): return {"n": [1, 2]}\ndef draw(fig, data): ...\n'
    )
    (result,) = _make.make(["x"], out)
    assert why in result.message
    assert result.message.startswith("toyflows.figures.x: ")


@pytest.mark.parametrize(
    ("formats", "files"),
    [
        (["png"], {"png"}),
        (["svg"], {"svg"}),
        (["pdf"], {"pdf", "png"}),  # the gallery needs something to show
        (["svg", "pdf", "svg"], {"pdf", "svg"}),
        (["png", "pdf", "svg"], {"png", "pdf", "svg"}),
    ],
)
def test_formats(formats: list[str], files: set[str], drop: Drop, out: Path) -> None:
    drop("alpha")
    _make.make(["alpha"], out, formats)
    assert {p.suffix[1:] for p in out.glob("alpha.*")} == files
    heads = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    for suffix in files:
        assert (out / f"alpha.{suffix}").read_bytes().startswith(heads[suffix])


def test_a_pdf_says_what_it_is(drop: Drop, out: Path) -> None:
    """Sentence, caption, command and version; what is not ASCII stands there as UTF-16."""
    drop("alpha", "A line for θ")
    _make.make(["alpha"], out, ["pdf"], seed=3)
    text = (out / "alpha.pdf").read_bytes()
    for words in (b"toyflows figures one alpha --scale 1 --seed 3", b"toyflows 0."):
        assert words in text
    assert "line for ".encode("utf-16-be") in text
    assert "Two <numbers> & a line.".encode("utf-16-be") in text


# ------------------------------------------------------------------ cache and resuming
def test_files_are_reproducible_for_any_number_of_jobs(
    drop: Drop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes from one process and from two, from the cache and without."""
    formats = ["png", "pdf", "svg"]
    for name in ("alpha", "beta", "gamma"):
        drop(name)
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    ids = ["gamma", "alpha", "beta"]
    made = _make.make(ids, first, formats)
    _make.make(ids, second, formats)
    monkeypatch.setenv("TOYFLOWS_CACHE", str(tmp_path / "another cache"))
    again = _make.make(ids, third, formats, jobs=2)
    assert [r.figure for r in made] == [r.figure for r in again] == ids
    pictures = {name: text for name, text in contents(first).items() if name[0] in "abg"}
    assert len(pictures) == 9
    for other in (second, third):
        assert {n: t for n, t in contents(other).items() if n in pictures} == pictures
        assert list(manifest(other)["figures"]) == sorted(ids)


def test_compute_is_cached_by_everything_it_depends_on(
    drop: Drop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop("alpha")
    counts = []

    def make(folder: str, **how: Any) -> None:
        (result,) = _make.make(["alpha"], tmp_path / folder, **how)
        assert result.message == "made"
        counts.append(calls(path))

    make("1")
    make("2")  # hit: another folder
    make("1", formats=["svg"])  # hit: another format
    make("1", seed=1)
    make("1", scale=0.5)
    path.write_text(path.read_text() + "# an edit\n")
    make("1", scale=0.5)
    make("2", scale=0.5)  # hit
    monkeypatch.setattr(_cache, "sources", lambda: "the library was edited")
    make("3", scale=0.5)
    assert counts == [1, 1, 1, 2, 3, 4, 4, 5]
    kept = list((tmp_path / "cache" / "figures").iterdir())
    assert len(kept) == _cache.KEPT
    kept[0].write_bytes(b"PK torn")
    for damaged in kept:
        damaged.write_bytes(kept[0].read_bytes())
    make("4", scale=0.5)
    assert counts[-1] == 6


def test_library_and_shared_code_are_in_the_key(
    drop: Drop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies of both trees: an edit of any file that a figure can depend on changes the hash."""
    library, figures = tmp_path / "toyflows", tmp_path / "shared"
    shutil.copytree(Path(_cache.toyflows.__file__).parent, library)
    shutil.copytree(Path(_cache.__file__).parent, figures)
    (library / "figures").mkdir(exist_ok=True)  # where an installed package has them
    monkeypatch.setattr(_cache.toyflows, "__file__", str(library / "__init__.py"))
    monkeypatch.setattr(_cache, "__file__", str(figures / "_cache.py"))
    seen = {_cache.sources()}
    edited = ("mixture.py", "kernels/jit.py", "datasets/old_faithful.csv")
    shared = ("_style.py", "toyflows.mplstyle")
    for path in [library / e for e in edited] + [figures / s for s in shared]:
        path.write_bytes(path.read_bytes() + b"\n")
        seen.add(_cache.sources())
    assert len(seen) == 6
    (library / "figures" / "other.py").write_text("x = 1\n")  # another figure
    assert _cache.sources() in seen


def test_an_edit_while_a_figure_is_made_is_not_kept_under_the_old_key(
    drop: Drop, out: Path
) -> None:
    edit = "Path(__file__).write_text(Path(__file__).read_text() + '# edited\\n')"
    path = drop("alpha", pause=edit)
    text = path.read_text()
    assert _make.make(["alpha"], out)[0].entry is not None
    path.write_text(text)  # the key is the old one again
    assert _make.make(["alpha"], out)[0].message == "made"
    assert calls(path) == 2


def test_finished_figures_stay_until_touched(drop: Drop, out: Path) -> None:
    drop("alpha")
    drop("beta")

    def messages(ids: list[str] | None = None, **how: Any) -> list[str]:
        return [r.message for r in _make.make(ids or ["alpha", "beta"], out, **how)]

    assert messages() == ["made", "made"]
    when = (out / "alpha.png").stat().st_mtime_ns
    assert messages() == ["unchanged", "unchanged"]
    assert (out / "alpha.png").stat().st_mtime_ns == when
    (out / "alpha.png").write_bytes(b"scribble")
    (out / "index.html").unlink()
    assert messages() == ["made", "unchanged"]
    assert messages(["alpha"], seed=3, formats=["svg"]) == ["made"]
    entries = manifest(out)["figures"]
    assert {name: e["seed"] for name, e in entries.items()} == {"alpha": 3, "beta": 0}
    assert set(entries["alpha"]["files"]) == {"alpha.png", "alpha.svg"}  # both of seed 3
    assert 'id="beta"' in (out / "index.html").read_text()


def test_without_a_writable_cache_figures_are_made(
    drop: Drop, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TOYFLOWS_CACHE", str(tmp_path / "file" / "cache"))
    drop("alpha")
    assert _make.make(["alpha"], out)[0].message == "made"


@pytest.mark.parametrize("jobs", [1, 2])
def test_kill_9_loses_nothing_finished_and_leaves_no_half_file(
    jobs: int, drop: Drop, folder: Path, out: Path, tmp_path: Path
) -> None:
    """Killed while `beta` computes and after `alpha` is in the manifest."""
    gate = tmp_path / "gate"
    hold = f"import time\n    while not Path({str(gate)!r}).exists(): time.sleep(0.01)"
    alpha, beta = drop("alpha"), drop("beta", pause=hold)
    words = ("all", "--out", out, "--jobs", jobs, "--format", "png,svg")
    run = start(folder, *words)
    book = out / "manifest.json"
    wait_for(lambda: calls(beta) == 1 and book.exists() and "alpha" in manifest(out)["figures"])
    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=PATIENCE)  # a worker that outlived its parent would hold the pipes open
    (out / ".alpha-abcd1234.png").write_bytes(b"half a picture")  # killed while it was written
    when = {name: (out / name).stat().st_mtime_ns for name in ("alpha.png", "alpha.svg")}
    assert set(manifest(out)["figures"]) == {"alpha"}
    gate.touch()
    again = start(folder, *words)
    said, wrong = again.communicate(timeout=PATIENCE)
    assert (again.returncode, wrong) == (0, "")
    assert [line.split(" s  ")[-1] for line in said.splitlines()[:2]] == ["unchanged", "made"]
    assert (calls(alpha), calls(beta)) == (1, 2)
    assert {name: (out / name).stat().st_mtime_ns for name in when} == when
    assert {p.name for p in out.iterdir()} == {
        "alpha.png", "alpha.svg", "beta.png", "beta.svg", "index.html", "manifest.json",
        "sources",
    }  # fmt: skip
    whole = tmp_path / "whole"  # without interruption, nor anything of the cache
    shutil.rmtree(tmp_path / "cache")
    start(folder, "all", "--out", whole, *words[3:]).communicate(timeout=PATIENCE)
    for picture in ("alpha.png", "alpha.svg", "beta.png", "beta.svg"):
        assert (out / picture).read_bytes() == (whole / picture).read_bytes()


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_keeps_what_is_finished(jobs: int, drop: Drop, folder: Path, out: Path) -> None:
    drop("alpha")
    beta = drop("beta", pause="import time; time.sleep(600)")
    run = start(folder, "all", "--out", out, "--jobs", jobs)
    book = out / "manifest.json"
    wait_for(lambda: calls(beta) == 1 and book.exists() and "alpha" in manifest(out)["figures"])
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    _, wrong = run.communicate(timeout=PATIENCE)
    assert run.returncode == 130
    assert wrong == "toyflows: interrupted\n"
    assert {p.name for p in out.iterdir()} == {
        "alpha.png", "index.html", "manifest.json", "sources",
    }  # fmt: skip


def test_two_runs_in_one_folder_are_kept_apart(drop: Drop, out: Path) -> None:
    drop("alpha")
    _make.make(["alpha"], out)
    with _manifest.own(out), pytest.raises(InputError, match="another run is writing"):
        _make.make(["alpha"], out, seed=1)
    assert _make.make(["alpha"], out, seed=1)[0].message == "made"


def test_a_worker_that_dies_is_reported(drop: Drop, out: Path) -> None:
    drop("alpha", pause="import os; os._exit(9)")
    drop("beta", pause="import os; os._exit(9)")
    results = _make.make(["alpha", "beta"], out, jobs=2)
    assert {r.message for r in results} == {"not made: a worker process died (BrokenProcessPool)"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_figure_has_one_thread(
    jobs: int, drop: Drop, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    for name in ("alpha", "beta"):
        drop(name, head="from toyflows.files import available_cores",
             pause="assert available_cores() == 1")  # fmt: skip
    assert [r.message for r in _make.make(["alpha", "beta"], out, jobs=jobs)] == ["made", "made"]
    assert os.environ["OMP_NUM_THREADS"] == "2"


# ------------------------------------------------------------------ replay
def test_replay_same(
    drop: Drop, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    alpha = drop("alpha")
    drop("beta")
    _make.make(["alpha"], out, seed=5, scale=0.3)
    _make.make(["beta"], out)
    before = contents(out)
    assert cli(monkeypatch, "replay", out / "manifest.json", "--jobs", 1) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "same: 2 figures, 18 numbers"
    assert calls(alpha) == 2  # the cache was not used
    kept = tmp_path / "again"
    assert cli(monkeypatch, "replay", out / "manifest.json", "--out", kept, "--jobs", 1) == 0
    assert (kept / "alpha.png").read_bytes() == before["alpha.png"]
    assert contents(out) == before


def test_replay_names_what_moved(
    drop: Drop, folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in ("alpha", "beta", "gamma", "delta"):
        drop(name)
    _make.make(_registry.ids(), out)
    book = manifest(out)
    was = book["figures"]["alpha"]["claim"]["first"]
    nearly = math.nextafter(was, 1.0)  # one bit
    book["figures"]["alpha"]["claim"]["first"] = nearly
    del book["figures"]["alpha"]["claim"]["text"]
    book["figures"]["alpha"]["claim"]["gone"] = {"value": 0.5, "kind": "≤"}
    book["figures"]["alpha"]["claim"]["total"] |= {"kind": "≥", "false_fail": -0.0}
    book["figures"]["delta"]["versions"]["numpy"] = "1.0"
    (out / "manifest.json").write_text(json.dumps(book))
    drop("beta", expected="total + 1")
    (folder / "gamma.py").unlink()
    assert cli(monkeypatch, "replay", out / "manifest.json", "--jobs", 1) == 1
    said = capsys.readouterr().out.splitlines()
    lines = [line for line in said if line.startswith(("moved", "version", "same"))]
    relative = abs(was - nearly) / nearly
    assert lines[0] == f"version: numpy was 1.0, is {np.__version__}"
    assert lines[1] == "moved: gamma: there is no such figure any more"
    assert lines[2:8] == [
        "moved: alpha total false_fail -0.0 → 0.0",
        "moved: alpha total kind ≥ → =",
        f"moved: alpha first {nearly!r} → {was!r} (relative {relative:.1e})",
        "moved: alpha gone 0.5 → nothing",
        "moved: alpha gone kind ≤ → nothing",
        "moved: alpha text nothing → ä",
    ]
    assert lines[8].startswith("moved: beta: claim fails: the total")
    assert len(lines) == 9


def entry(**changes: Any) -> str:
    good: dict[str, Any] = {
        "title": "T", "caption": "", "key": "k", "scale": 1.0, "seed": 0, "seconds": 1.0,
        "claim": {}, "files": {}, "versions": {},
    }  # fmt: skip
    figure = changes.pop("figure", "alpha")
    book = {"made_by": "toyflows figures", "versions": {}, "failed": {}}
    return json.dumps(book | {"figures": {figure: good | changes}})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a manifest of toyflows figures"),
        ('{"name": "an app"}', "is not a manifest of toyflows figures"),
        ('{"made_by": "toyflows figures"}', "has no table of figures"),
        (entry(scale="1"), "its entry of alpha is damaged"),
        (entry(scale=math.nan), "its entry of alpha is damaged"),
        (entry(seed=-1), "its entry of alpha is damaged"),
        (entry(seed=0.5), "its entry of alpha is damaged"),
        (entry(claim=[1]), "its entry of alpha is damaged"),
        (entry(claim={"n": [1]}), "its entry of alpha is damaged"),
        (entry(files={"../secret.png": ""}), "its entry of alpha is damaged"),
        (entry(figure="../secret", files={"../secret.png": ""}), "its entry of ../secret is"),
    ],
)
def test_a_broken_or_foreign_manifest_is_refused(
    text: str | bytes | None, why: str, out: Path, tmp_path: Path, drop: Drop,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    drop("alpha")
    path = tmp_path / "manifest.json"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert cli(monkeypatch, "replay", path, "--out", out) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"toyflows: manifest {path}: {why}")
    assert said.err.count("\n") == 1
    assert not out.exists()


def test_replay_into_the_manifests_own_folder_is_refused(drop: Drop, out: Path) -> None:
    drop("alpha")
    _make.make(["alpha"], out)
    before = contents(out)
    with pytest.raises(InputError, match="another folder"):
        _replay.replay(out / "manifest.json", out)
    assert contents(out) == before


# ------------------------------------------------------------------ the gallery
class Page(HTMLParser):
    """Collects the attributes of each element, and complains about one that is left open."""

    VOID = ("meta", "img", "link", "br", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_the_gallery_needs_nothing_but_itself(drop: Drop, out: Path) -> None:
    drop("alpha", 'A <b>bold</b> & "quoted" title')
    drop("beta", "Second")
    _make.make(["alpha"], out, ["png", "pdf"])
    _make.make(["beta"], out, ["svg"], seed=4)
    text = (out / "index.html").read_text()
    page = Page(text)
    assert {"iframe", "b"}.isdisjoint(tag for tag, _ in page.found)
    assert [link["href"] for link in page.all("link")] == ["data:,"]  # no icon is asked for
    assert all("src" not in script for script in page.all("script"))
    assert "@import" not in text
    assert "url(" not in text
    pictures = page.all("img")
    titles = ['A <b>bold</b> & "quoted" title', "Second"]
    assert [p["alt"] for p in pictures] == ["", "", *titles]  # small ones beside their titles first
    assert [p["src"] for p in pictures] == ["alpha.png", "beta.svg"] * 2
    assert all((out / str(p["src"])).is_file() for p in pictures)
    assert (pictures[2]["width"], pictures[2]["height"]) == ("1920", "930")
    links = [str(a["href"]) for a in page.all("a")]
    assert links == ["#alpha", "#beta", "alpha.png", "alpha.pdf", "sources/alpha.txt", "beta.svg",
                     "sources/beta.txt"]  # fmt: skip
    assert all((out / link).is_file() for link in links[2:])
    assert [s["id"] for s in page.all("section") if "id" in s] == ["alpha", "beta"]
    for words in (
        "Two <numbers> & a line.",
        "y = x²",
        "total",
        "toyflows figures one beta --seed 4",
        "ä",
    ):
        assert words in page.text
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize(
    ("value", "html"),
    [
        (3, "3"),
        (-0.25, "−0.25"),
        (1e-6, "10<sup>−6</sup>"),
        (-1.5e-21, "−1.5 × 10<sup>−21</sup>"),
        (2e12, "2 × 10<sup>12</sup>"),
        ("<i>", "&lt;i&gt;"),
        (True, "True"),
    ],
)
def test_numbers_in_the_gallery(value: Any, html: str) -> None:
    assert _gallery.shown(value) == html


def test_prose_in_the_gallery() -> None:
    text = "d < 2: e^{−d²/8}\n\nnext^{&}\n\n    e^{−t}"
    low = "ρ_θ, ∂_xU_θ, ᾱ_T, x_{k+1}, W_p^p, E_*[U], mode_collapse, `nce learn_c=True`"
    assert _gallery._paragraphs(text).splitlines() == [
        "<p>d &lt; 2: e<sup>−d²/8</sup></p>",
        "<p>next<sup>&amp;</sup></p>",
        '<pre tabindex="0">    e^{−t}</pre>',
    ]
    assert _gallery._prose(low) == (
        "ρ<sub>θ</sub>, ∂<sub>x</sub>U<sub>θ</sub>, ᾱ<sub>T</sub>, x<sub>k+1</sub>, "
        "W<sub>p</sub><sup>p</sup>, E<sub>*</sub>[U], mode_collapse, <code>nce learn_c=True</code>"
    )


def test_the_gallery_has_the_lectures_groups(drop: Drop, out: Path) -> None:
    """In their order, each with its figures in contents and page; those without ORDER last."""
    for name, order in (("alpha", 500), ("beta", 60), ("gamma", 1000), ("delta", 299)):
        drop(name, head=f"ORDER = {order}")
    _make.make(_registry.ids(), out)
    text = (out / "index.html").read_text()
    heads = [text.index(f"<h2>{group}</h2>") for group in _registry.GROUPS.values()
             if f"<h2>{group}</h2>" in text]  # fmt: skip
    assert heads == sorted(heads)
    assert list(_registry.grouped(_registry.ids()).values()) == [
        ["beta"], ["delta"], ["alpha"], ["gamma"],
    ]  # fmt: skip


def test_bounds_are_shown_as_bounds() -> None:
    rows = [
        (stats.at_most("", 1.0, 2.0), ("1", "≤ 2", "")),
        (stats.at_most("", 2.0, 2.0), ("2", "≤ 2", "")),
        (stats.at_least("", 3.0, 2.0), ("3", "≥ 2", "")),
        (stats.at_least("", 2.0, 2.0), ("2", "≥ 2", "")),
        (stats.close("", 2.0, 2.0), ("2", "2", "0")),
        (stats.close("", 2.0, 2.5, atol=1.0), ("2", "2.5", "1")),
        (stats.mean("", [1.0, 2.0, 3.0], 2.0, bias=1.0), None),
    ]
    for checked, cells in rows:
        shown = _gallery._compared(checked.numbers())
        assert shown == cells or (cells is None and shown[2] != "")
    assert _gallery._compared({"value": 1, "expected": "inf", "kind": "≤"}) == ("1", "≤ inf", "")
    assert _gallery._compared({"value": 1, "kind": "<i>"})[1] == "&lt;i&gt; "


# ------------------------------------------------------------------ bad input
BAD = [
    (["all", "--scale", "0"], "--scale 0: must be 0 < scale ≤ 10"),
    (["all", "--scale", "nan"], "--scale nan: must be 0 < scale ≤ 10"),
    (["all", "--scale", "-1"], "--scale -1: must be 0 < scale ≤ 10"),
    (["all", "--scale", "10.5"], "--scale 10.5: must be 0 < scale ≤ 10"),
    (["all", "--seed", "-1"], "--seed -1: must be 0 ≤ seed < 2^63"),
    (["all", "--seed", str(2**63)], f"--seed {2**63}: must be 0 ≤ seed < 2^63"),
    (["all", "--jobs", "0"], "--jobs 0: must be 1 to 256"),
    (["all", "--format", "gif"], "--format gif: must be png, pdf, svg"),
    (["all", "--format", "png,"], "--format '': must be png, pdf, svg"),
    (["all", "--format", ""], "--format '': must not be empty"),
    (["one", "alpa"], "figure alpa: unknown; did you mean alpha?"),
    (["one", "alpha", "zzz"], "figure zzz: unknown; choose from alpha"),
    (["one", "../alpha"], "figure ../alpha: unknown; did you mean alpha?"),
    (["one", "_style"], "figure _style: unknown; choose from alpha"),
    (["all", "--seed", "x"], "--seed x: "),
    (["all", "--unknown"], ""),
    (["one"], ""),
]


@pytest.mark.parametrize(("words", "says"), BAD)
def test_bad_input(
    words: list[str], says: str, drop: Drop, out: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    drop("alpha")
    before = contents(tmp_path)
    assert cli(monkeypatch, *words, "--out", out) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"toyflows: {says}")
    assert said.err.count("\n") == 1
    assert contents(tmp_path) == before
    assert not out.exists()


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("file", "is a file, must be a folder"),
        ("file/below", "cannot be written (Not a directory)"),
        ("/proc/toyflows", "cannot be written (No such file or directory)"),
        ("app", "its manifest.json is not a manifest of toyflows figures"),
        ("site", "has an index.html that toyflows did not write"),
    ],
)
def test_bad_folders(
    place: str, why: str, drop: Drop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = drop("alpha")
    for folder, name in (("app", "manifest.json"), ("site", "index.html")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("{}")
    (tmp_path / "file").write_text("precious")
    before = contents(tmp_path)
    assert cli(monkeypatch, "all", "--out", tmp_path / place) == 2
    assert capsys.readouterr().err == f"toyflows: --out {tmp_path / place}: {why}\n"
    assert contents(tmp_path) == before
    assert calls(path) == 0


def test_no_figures_at_all(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli(monkeypatch, "all", "--out", out) == 2
    assert capsys.readouterr().err == "toyflows: figure all: there are no figure files\n"
    assert not out.exists()
