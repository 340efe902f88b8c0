"""train, sample, ood, classify and inspect as a user meets them; files that are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from toyflows.cli.main import app
from toyflows.images.train import Model

TINY = [w for pair in ("langevin=2", "batch=8", "buffer=32", "every=2", "engine=numpy")
        for w in ("-p", pair)]  # fmt: skip
SMALL = ["--size", "16", *TINY]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of twenty pictures, and two files that are none."""
    home, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for k, name in enumerate(("lying", "upright")):
        (home / name).mkdir()
        for i in range(20):
            x = rng.integers(0, 40, (16, 16)).astype(np.uint8)
            place = int(rng.integers(4, 11))
            (x.T if k else x)[place : place + 2, 2:14] = 220
            Image.fromarray(x).save(home / name / f"{i:02}.png")
    (home / "lying" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    return home


def call(*words: object) -> Result:
    """In this process; a refusal must be one line, a traceback fails here."""
    done = CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)
    if done.exit_code == 2:
        assert done.stderr.startswith("toyflows: ")
        assert done.stderr.count("\n") == 1, done.stderr
    return done


def train(folder: Path, out: Path, steps: int, kind: str = "jem", *more: object) -> Result:
    done = call("train", kind, "--data", folder, "--steps", steps, "--out", out, *SMALL, *more)
    assert done.exit_code == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def jem(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("jem") / "jem.npz"
    train(folder, out, 160, "jem", "-p", "rate=3e-3")
    return out


@pytest.fixture(scope="module")
def ebm(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ebm") / "ebm.npz"
    train(folder, out, 4, "ebm")
    return out


# ------------------------------------------------------------------ train
def test_training_tells_what_it_does(folder: Path, tmp_path: Path) -> None:
    done = train(folder, tmp_path / "a.npz", 4)
    head, titles, *rows, last = done.stdout.splitlines()
    assert head.startswith("jem of 28 images 16 × 16 of 2 classes, ")
    for word in ("step", "loss", "E data", "E model", "gradient", "samples/s", "left",
                 "log loss", "right"):  # fmt: skip
        assert word in titles
    assert [row.split()[0] for row in rows] == ["2", "4"]
    assert last == f"saved   {tmp_path / 'a.npz'} at step 4"
    assert "left out lying/bad.png: " in done.stderr


@pytest.mark.parametrize("cut", [1, 3])
def test_resumed_is_uninterrupted_bit_for_bit(folder: Path, tmp_path: Path, cut: int) -> None:
    """The whole file: weights, optimiser, buffer and header."""
    train(folder, tmp_path / "a.npz", 6)
    train(folder, tmp_path / "b.npz", cut)
    assert Model.load(tmp_path / "b.npz").state.step == cut
    train(folder, tmp_path / "b.npz", 6, "jem", "--resume")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again = call("train", "jem", "--resume", "--out", tmp_path / "b.npz", "--steps", 6)
    assert again.exit_code == 0  # nothing is left to do, and nothing changes
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_minutes_end_a_run(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.npz"
    done = call("train", "ebm", "--data", folder, "--minutes", 0.01, "--out", out, *SMALL)
    assert done.exit_code == 0, done.stderr
    assert Model.load(out).state.step >= 1


def test_divergence_is_told_and_undone(folder: Path, tmp_path: Path) -> None:
    """A rate that is far too large goes down until the run holds; one without hope ends with 1."""
    done = train(folder, tmp_path / "a.npz", 6, "ebm", "-p", "rate=0.5")
    told = [line for line in done.stderr.splitlines() if "diverged" in line]
    assert told
    assert "back to step 0, rate now 0.25" in told[0]
    state = Model.load(tmp_path / "a.npz").state
    assert (state.step, state.rollbacks) == (6, len(told))
    out = tmp_path / "b.npz"
    done = call("train", "ebm", "--data", folder, "--out", out, *SMALL, "-p", "rate=1000")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1].startswith("toyflows: diverged 9 times, at last with ")
    assert Model.load(out).state.step == 0


def test_the_compiled_engine_is_the_default(folder: Path, tmp_path: Path) -> None:
    for name, steps, threads, more in (
        ("a", 4, 1, []), ("b", 2, 2, []), ("b", 4, 1, ["--resume"])
    ):  # fmt: skip
        done = call("train", "ebm", "--data", folder, "--size", 16, "--steps", steps, "-p",
                    "langevin=2", "-p", "batch=8", "-p", "buffer=32", "--threads", threads,
                    "--out", tmp_path / f"{name}.npz", *more)  # fmt: skip
        assert done.exit_code == 0, done.stderr
    assert Model.load(tmp_path / "a.npz").config.engine == "fast"
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


# ------------------------------------------------------------------ the other commands
def test_inspect(jem: Path) -> None:
    done = call("inspect", jem)
    assert done.stdout.startswith("jem at step 160, seed 0, data ")
    for words in ("size        16", "classes     lying upright", "buffer      32 × 16 × 16"):
        assert words in done.stdout
    told = json.loads(call("inspect", jem, "--json").stdout)
    assert told["kind"] == "jem"
    assert told["configuration"]["rate"] == 3e-3


def test_classify(jem: Path, folder: Path) -> None:
    told = json.loads(call("classify", jem, "--json").stdout)
    model = Model.load(jem)
    test = model.parts().test
    right = model.engine().outputs(model.state.mean.mean, test.x).argmax(axis=1) == test.y
    assert told["images"] == len(test) == 6
    assert told["accuracy"] == right.mean()
    assert told["linear"] > 0.8
    own = json.loads(call("classify", jem, "--data", folder, "--json").stdout)
    assert own["images"] == 40
    assert own["accuracy"] > 0.8
    assert bool(own["confused"]) == (own["accuracy"] < 1)
    assert told["fitted"] == "fitted to the validation images"
    given = json.loads(call("classify", jem, "--temperature", 1, "--json").stdout)
    assert given["calibration_error_at_temperature"] == given["calibration_error"]
    assert "divided by the temperature" in call("classify", jem).stdout


def test_ood(jem: Path, ebm: Path, folder: Path, tmp_path: Path) -> None:
    rows = json.loads(call("ood", jem, "--json", "--outside", folder).stdout)
    assert [row["score"] for row in rows] == ["energy", "gradient", "probability"]
    assert all(row["low"] <= row["auroc"] <= row["high"] for row in rows)
    assert {(row["insiders"], row["outsiders"]) for row in rows} == {(6, 40)}
    done = call("ood", ebm, "--score", "energy", "--count", 6, "--out", tmp_path / "ood.svg")
    assert "AUROC" in (tmp_path / "ood.svg").read_text("utf-8")
    for name in ("uniform noise", "quarter turn", "held-out fonts"):
        assert name in done.stdout
    both = [call("ood", jem, "--json", "--outside", folder, "--score", s).stdout
            for s in ("gradient", "approximate-mass")]  # fmt: skip
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("words", "names"),
    [([], ["step 0", "step 4", "step 8"]),
     (["--class", "lying"], ["step 0", "step 4", "step 8"]),
     (["--class", "lying", "--class", "upright"], ["step 0", "step 4", "step 8"]),
     (["--buffer"], ["step 0", "step 4", "step 8"]),
     (["--inpaint", "left"], ["image", "step 0", "step 4", "step 8"]),
     (["--denoise", "0.3"], ["image", "step 0", "step 4", "step 8"])],
)  # fmt: skip
def test_sample(jem: Path, tmp_path: Path, words: list[str], names: list[str]) -> None:
    base = ["sample", jem, "--count", 3, "--steps", 8, "--snapshots", 2, *words]
    done = call(*base, "--out", tmp_path / "a.npz")
    assert done.exit_code == 0, done.stderr
    with np.load(tmp_path / "a.npz") as file:
        assert file.files == names
        assert all(file[n].shape == (3, 16, 16) for n in names)
        if "--inpaint" in words:
            assert np.array_equal(file["image"][:, :, 8:], file["step 8"][:, :, 8:])
            assert not np.array_equal(file["image"][:, :, :8], file["step 8"][:, :, :8])
    assert call(*base, "--out", tmp_path / "a.png").exit_code == 0
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (3 * (3 * 18 + 2), 3 * (len(names) * 18 + 2))


# ------------------------------------------------------------------ refusals
def test_damaged_checkpoints_get_one_line(jem: Path, tmp_path: Path) -> None:
    raw = jem.read_bytes()
    flipped = bytearray(raw)
    flipped[len(raw) // 2] ^= 4
    bad = {"cut": raw[: len(raw) // 2], "empty": b"", "flipped": bytes(flipped),
           "foreign": b"PK\x03\x04 no checkpoint"}  # fmt: skip
    for name, content in bad.items():
        (tmp_path / f"{name}.npz").write_bytes(content)
    files = [tmp_path / f"{name}.npz" for name in [*bad, "missing"]] + [tmp_path]
    for path in files:
        for words in (["inspect", path], ["classify", path], ["ood", path],
                      ["sample", path, "--out", tmp_path / "x.png"]):  # fmt: skip
            done = call(*words)
            assert done.exit_code == 2, words
            assert str(path) in done.stderr
        if path.is_file():
            assert call("train", "jem", "--resume", "--out", path).exit_code == 2
    assert not (tmp_path / "x.png").exists()


def test_wrong_training_calls_get_one_line(folder: Path, jem: Path, tmp_path: Path) -> None:
    one, empty, text = (tmp_path / name for name in ("one", "empty", "text"))
    for path in (one / "a", empty, text / "a"):
        path.mkdir(parents=True)
    for i in range(8):
        (one / "a" / f"{i}.png").write_bytes((folder / "lying" / f"{i:02}.png").read_bytes())
        (text / "a" / f"{i}.png").write_bytes(b"not a picture")
    out = ["--out", tmp_path / "c.npz"]
    for words, why in (
        (["gan", *out], "toyflows: kind gan"),
        (["jem", "--data", one, *out], "--data"),
        (["ebm", "--data", empty, *out], "is empty"),
        (["ebm", "--data", text, *out], "no readable"),
        (["ebm", "--data", tmp_path / "none", *out], "no such folder"),
        (["ebm", "--size", 7, *out], "--size 7"),
        (["ebm", "--seed", -1, *out], "--seed -1"),
        (["ebm", "--sampler", "nuts", *out], "--sampler nuts"),
        (["ebm", "--steps", 0, *out], "--steps 0"),
        (["ebm", "--minutes", 0, *out], "--minutes 0"),
        (["ebm", "--minutes", "nan", *out], "--minutes nan"),
        (["ebm", "--threads", 0, "--data", one, *out], "--threads 0"),
        (["ebm", "-p", "alpha", *out], "-p alpha"),
        (["ebm", "-p", "alfa=1", *out], "did you mean alpha"),
        (["ebm", "-p", "alpha=x", *out], "-p alpha=x"),
        (["ebm", "-p", "alpha=nan", *out], "-p alpha=nan"),
        (["ebm", "-p", "batch=1.5", *out], "-p batch=1.5"),
        (["ebm", "-p", "engine=gpu", "--data", one, *out], "-p engine=gpu"),
        (["ebm", "-p", "conditional=true", *out], "-p conditional=True"),
        (["ebm", "-p", "buffer=1000000000000", "--data", one, *out], "memory"),
        (["ebm", "--out", tmp_path / "c.txt"], ".npz"),
        (["ebm", "--out", tmp_path / "no" / "c.npz"], "there is no folder"),
        (["jem", "--out", jem], "--resume goes on with it"),
        (["ebm", "--resume", "--out", jem], "is of kind jem"),
        (["jem", "--resume", "--out", jem, "--size", 28], "--size 28"),
        (["jem", "--resume", "--out", jem, "-p", "alpha=0.5"], "-p alpha=0.5"),
        (["jem", "--resume", "--out", tmp_path / "none.npz"], "cannot be read"),
    ):
        done = call("train", "--steps", 1, *words)
        assert done.exit_code == 2, words
        assert why in done.stderr, done.stderr
        assert not (tmp_path / "c.npz").exists(), words


def test_wrong_calls_of_the_others_get_one_line(jem: Path, ebm: Path, tmp_path: Path) -> None:
    out = ["--out", tmp_path / "x.png"]
    for words, why in (
        (["sample", ebm, "--class", "lying", *out], "--class lying"),
        (["sample", jem, "--class", "z", *out], "choose from lying upright"),
        (["sample", jem, "--steps", 0, *out], "--steps 0"),
        (["sample", jem, "--count", 0, *out], "--count 0"),
        (["sample", jem, "--snapshots", 0, *out], "--snapshots 0"),
        (["sample", jem, "--inpaint", "up", *out], "--inpaint up"),
        (["sample", jem, "--inpaint", "left", "--buffer", *out], "must be one of the two"),
        (["sample", jem, "--denoise", -1, *out], "--denoise -1"),
        (["sample", jem, "--denoise", 0.1, "--pull", -1, *out], "--pull -1"),
        (["sample", jem, "--seed", -1, *out], "--seed -1"),
        (["sample", jem, "--out", tmp_path / "x.gif"], "must be a .png or an .npz"),
        (["sample", jem, "--threads", 0, *out], "--threads 0"),
        (["ood", ebm, "--score", "probability"], "an ebm knows no classes"),
        (["ood", ebm, "--score", "entropy"], "--score entropy"),
        (["ood", ebm, "--outside", tmp_path], "--outside"),
        (["ood", ebm, "--count", 0], "--count 0"),
        (["classify", jem, "--temperature", 0], "--temperature 0"),
        (["ood", ebm, "--seed", -1], "--seed -1"),
        (["classify", ebm], "is of kind ebm; must be jem"),
    ):
        done = call(*words)
        assert done.exit_code == 2, words
        assert why in done.stderr, done.stderr
    assert not (tmp_path / "x.png").exists()


def test_data_that_changed_are_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    own, out = tmp_path / "own", tmp_path / "a.npz"
    shutil.copytree(folder, own)
    train(own, out, 2)
    next((own / "lying").glob("*.png")).unlink()
    for words in (["train", "jem", "--resume", "--out", out], ["classify", out], ["ood", out]):
        done = call(*words)
        assert done.exit_code == 2
        assert "has changed since the run began" in done.stderr
