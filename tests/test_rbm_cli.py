"""`toyflows rbm`: training, resuming, drawing and scoring; every refusal is one line."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from toyflows.cli.main import app
from toyflows.lattice.binary import patterns
from toyflows.lattice.rbm_train import Model
from toyflows.nn import checkpoint

SMALL = ["--size", 3, "--hidden", 6, "-p", "every=5"]


def call(*words: object) -> Result:
    """In this process; a refusal must be one line, a traceback fails here."""
    done = CliRunner().invoke(app, ["rbm", *map(str, words)], catch_exceptions=False)
    if done.exit_code == 2:
        assert done.stderr.startswith("toyflows: ")
        assert done.stderr.count("\n") == 1, done.stderr
    return done


def train(out: Path, steps: int, *more: object) -> Result:
    done = call("train", "--steps", steps, "--out", out, *SMALL, *more)
    assert done.exit_code == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rbm") / "bars.npz"
    with np.errstate(all="raise"):
        train(out, 1500, "--sampler", "exact", "-p", "cosine=1500", "-p", "rate=0.8")
    return out


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty strokes of 16 × 16, light or dark, and a file that is none."""
    home, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for i in range(40):
        x = rng.integers(0, 40, (16, 16)).astype(np.uint8)
        place = int(rng.integers(3, 12))
        (x.T if i % 2 else x)[place : place + 2, 2:14] = 220
        Image.fromarray(x).save(home / f"{i:02}.png")
    (home / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    return home


# ------------------------------------------------------------------ train
def test_training_tells_what_it_does(tmp_path: Path) -> None:
    head, titles, *rows, last = train(tmp_path / "a.npz", 12).stdout.splitlines()
    assert head == "rbm of 16 images 3 × 3, 6 hidden units, cd, from step 0"
    for word in ("step", "log p", "held out", "error", "gradient", "images/s", "left"):
        assert word in titles
    assert [row.split()[0] for row in rows] == ["5", "10"]
    assert last == f"saved   {tmp_path / 'a.npz'} at step 12"


def test_pictures_are_made_binary_and_said_so(pictures: Path, tmp_path: Path) -> None:
    done = call("train", "--data", pictures, "--size", 16, "--hidden", 20, "-p", "every=2",
                "-p", "threshold=0.4", "--steps", 4, "--out", tmp_path / "a.npz")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "left out bad.png: " in done.stderr
    assert "a pixel is 1 where its grey is above 0.4 (-p threshold=), 9% of them are" in done.stdout
    assert "pseudo" in done.stdout  # min(256, 20) units are more than 16
    state = Model.load(tmp_path / "a.npz").state
    assert np.isfinite(state.history).all()
    told = json.loads(call("score", tmp_path / "a.npz", "--json").stdout)
    assert told["method"] == "exact"
    assert -256 < told["held_out"] < 0


@pytest.mark.parametrize("sampler", ["cd", "tempering"])
def test_resumed_is_uninterrupted_bit_for_bit(tmp_path: Path, sampler: str) -> None:
    train(tmp_path / "a.npz", 12, "--sampler", sampler)
    train(tmp_path / "b.npz", 7, "--sampler", sampler)
    train(tmp_path / "b.npz", 12, "--resume")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    train(tmp_path / "b.npz", 12, "--resume")  # nothing is left to do, and nothing changes
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_json_is_one_object(tmp_path: Path) -> None:
    told = json.loads(train(tmp_path / "a.npz", 10, "--json").stdout)
    assert told["step"] == 10
    assert told["exact"]
    assert told["held_out"] is None
    assert [row[0] for row in told["history"]] == [5, 10]
    assert told["history"][-1][1] == told["log_p"]


def test_minutes_end_a_run(tmp_path: Path) -> None:
    done = call("train", "--minutes", 0.005, "--out", tmp_path / "m.npz", *SMALL)
    assert done.exit_code == 0, done.stderr
    assert Model.load(tmp_path / "m.npz").state.step >= 1


def test_a_lost_run_ends_with_one_line(tmp_path: Path) -> None:
    done = call("train", "--out", tmp_path / "a.npz", *SMALL, "-p", "rate=1000", "-p", "decay=1000")
    assert done.exit_code == 1
    assert done.stderr.startswith("toyflows: diverged at step ")
    assert Model.load(tmp_path / "a.npz").state.step == 0


# ------------------------------------------------------------------ sample and score
def test_samples(bars: Path, tmp_path: Path) -> None:
    base = ["sample", bars, "--count", 30, "--sweeps", 40, "--snapshots", 2]
    done = call(*base, "--out", tmp_path / "a.npz")
    assert done.exit_code == 0, done.stderr
    with np.load(tmp_path / "a.npz") as file:
        assert file.files == ["sweep 0", "sweep 20", "sweep 40", "probability"]
        assert all(file[name].shape == (30, 3, 3) for name in file.files)
        last = (file["sweep 40"] + 1) / 2
        assert set(np.unique(last)) == {0, 1}
    right = int(patterns(last, 3).sum())
    assert f"right   {right} of 30 are bars or stripes" in done.stdout
    assert right >= 15  # the model has three quarters of its mass there, noise 3 %
    assert call(*base, "--out", tmp_path / "a.png").exit_code == 0
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (18 * (30 * 5 + 2), 18 * (4 * 5 + 2))
    drawn = ["--start", "exact", "--out", tmp_path / "b.npz", "--json"]
    told = json.loads(call(*base[:4], *drawn).stdout)
    assert told["rows"] == ["exact"]
    assert told["right"] >= 15
    hot = ["--temperature", 50, "--json", "--out", tmp_path / "c.npz"]
    assert json.loads(call(*base, "--start", "data", *hot).stdout)["right"] < 15


def test_scores(bars: Path, tmp_path: Path) -> None:
    exact = json.loads(call("score", bars, "--json").stdout)
    model = Model.load(bars)
    data = model.load_data()
    assert exact["log_Z"] == pytest.approx(model.state.rbm.log_Z, abs=1e-12)
    KL = -data.entropy() - exact["log_p"]
    assert exact["kl"] == pytest.approx(KL, abs=1e-12)
    assert 0 < exact["kl"] < 1
    words = ["score", bars, "--method", "ais", "--chains", 200]
    ais = json.loads(call(*words, "--json").stdout)
    assert ais["low"] < exact["log_Z"] < ais["high"]
    assert ais["high"] - ais["low"] < 0.2
    out = tmp_path / "c.csv"
    done = call(*words, "--out", out)
    assert "three standard errors" in done.stdout
    assert f"log p   {ais['log_p']:.4f}" in done.stdout
    head, *rows = out.read_text().splitlines()
    assert head == "step,log_p,valid,error,norm"
    assert len(rows) == 300
    assert math.isclose(float(rows[-1].split(",")[1]), exact["log_p"], rel_tol=1e-9)
    assert "KL " in call("score", bars).stdout


# ------------------------------------------------------------------ two layers
@pytest.fixture(scope="module")
def deep(bars: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("deep") / "deep.npz"
    words = ["--on", bars, "-p", "rate=0.4", "-p", "cosine=600", "-p", "every=50"]
    done = call("train", "--steps", 600, "--sampler", "exact", *words, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert "on 6 hidden units, 9 hidden units, exact, from step 0" in done.stdout
    assert "turned over: the bound begins at that one's log p" in done.stdout
    assert "bound" in done.stdout
    return out


def test_a_second_layer_raises_the_bound_and_the_likelihood(bars: Path, deep: Path) -> None:
    told = json.loads(call("score", deep, "--json").stdout)
    alone = json.loads(call("score", bars, "--json").stdout)
    assert told["below"] == pytest.approx(alone["log_p"], abs=1e-9)
    assert told["below"] < told["bound"] < told["log_p"]
    assert told["kl"] < alone["kl"]
    assert "log p is at least this" in call("score", deep).stdout
    ais = json.loads(call("score", deep, "--method", "ais", "--json").stdout)
    assert ais["low"] < told["log_Z"] < ais["high"]


def test_two_layers_draw_and_go_on_bit_for_bit(bars: Path, deep: Path, tmp_path: Path) -> None:
    base = ["sample", deep, "--count", 30, "--sweeps", 40, "--snapshots", 2, "--json"]
    for start in ("noise", "data", "exact"):
        words = base if start != "exact" else [*base[:4], "--json"]
        told = json.loads(call(*words, "--start", start, "--out", tmp_path / f"{start}.npz").stdout)
        assert told["right"] >= 15
        with np.load(tmp_path / f"{start}.npz") as file:
            assert all(file[name].shape == (30, 3, 3) for name in file.files)
    for hidden in (5, 9):  # 9: begun as the lower one, turned over
        files = [tmp_path / f"{name}{hidden}.npz" for name in "ab"]
        for file, steps in zip(files, (12, 7), strict=True):
            assert train_on(bars, file, steps, "--hidden", hidden).exit_code == 0
        done = call("train", "--steps", 12, "--resume", "--out", files[1])
        assert done.exit_code == 0, done.stderr
        assert files[0].read_bytes() == files[1].read_bytes()


def train_on(below: Path, out: Path, steps: int, *more: object) -> Result:
    words = ["--on", below, "--steps", steps, "-p", "every=5", *more]
    return call("train", *words, "--out", out)


def test_what_two_layers_cannot_be_is_refused(bars: Path, deep: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.npz"
    for done, why in (
        (train_on(deep, out, 1), "stands on another RBM already"),
        (train_on(tmp_path / "none.npz", out, 1), "cannot be read"),
        (train_on(bars, out, 1, "--size", 3), "--size 3"),
        (train_on(bars, out, 1, "--data", "glyphs"), "--data glyphs"),
        (train_on(bars, out, 1, "-p", "below=3"), "unknown option"),
        (call("train", "--resume", "--on", bars, "--out", deep), "in the checkpoint already"),
    ):
        assert done.exit_code == 2
        assert why in done.stderr, done.stderr
        assert not out.exists()


# ------------------------------------------------------------------ refusals
def test_damaged_checkpoints_get_one_line(bars: Path, tmp_path: Path) -> None:
    raw = bars.read_bytes()
    flipped = bytearray(raw)
    flipped[len(raw) // 2] ^= 4
    bad = {"cut": raw[: len(raw) // 2], "empty": b"", "flipped": bytes(flipped),
           "foreign": b"PK\x03\x04 no checkpoint"}  # fmt: skip
    for name, content in bad.items():
        (tmp_path / f"{name}.npz").write_bytes(content)
    for path in [tmp_path / f"{name}.npz" for name in [*bad, "missing"]]:
        for words in (["sample", path, "--out", tmp_path / "x.png"], ["score", path],
                      ["train", "--resume", "--out", path]):  # fmt: skip
            done = call(*words)
            assert done.exit_code == 2, words
            assert str(path) in done.stderr
    assert not (tmp_path / "x.png").exists()
    arrays, header = checkpoint.load(bars)
    arrays["W"] = arrays["W"][:, :-1]
    checkpoint.save(tmp_path / "other.npz", arrays, header)
    assert "W: is float32 (9, 5), must be" in call("score", tmp_path / "other.npz").stderr
    del arrays["h"]
    checkpoint.save(tmp_path / "other.npz", arrays, header)
    assert call("score", tmp_path / "other.npz").exit_code == 2


def test_wrong_training_calls_get_one_line(bars: Path, pictures: Path, tmp_path: Path) -> None:
    out = ["--out", tmp_path / "c.npz"]
    for words, why in (
        (["--sampler", "nuts", *out], "--sampler nuts"),
        (["--size", 9, *out], "must be 2 … 8"),
        (["--data", "glyphs", "--size", 9, *out], "--size 9"),
        (["--data", tmp_path / "none", *out], "no such folder"),
        (["--data", pictures, "--size", 16, "-p", "threshold=0.99", *out], "one side"),
        (["--hidden", -2, *out], "--hidden -2"),
        (
            ["--size", 5, "--hidden", 30, "--sampler", "exact", *out],
            "must be at most 20 units (2^20)",
        ),
        (["--hidden", 10**12, *out], "memory"),
        (["-p", "k=0", *out], "-p k=0"),
        (["-p", "temperatures=1", *out], "-p temperatures=1"),
        (["-p", "raet=1", *out], "did you mean rate"),
        (["-p", "rate=x", *out], "-p rate=x"),
        (["--seed", -1, *out], "--seed -1"),
        (["--steps", 0, *out], "--steps 0"),
        (["--minutes", 0, *out], "--minutes 0"),
        (["--out", tmp_path / "c.txt"], ".npz"),
        (["--out", tmp_path / "no" / "c.npz"], "there is no folder"),
        (["--out", bars], "--resume goes on with it"),
        (["--resume", "--out", bars, "--hidden", 7], "--hidden 7"),
        (["--resume", "--out", bars, "-p", "k=3"], "-p k=3"),
    ):
        done = call("train", "--steps", 1, *words)
        assert done.exit_code == 2, words
        assert why in done.stderr, done.stderr
        assert not (tmp_path / "c.npz").exists(), words


def test_wrong_calls_of_the_others_get_one_line(bars: Path, tmp_path: Path) -> None:
    out = ["--out", tmp_path / "x.png"]
    big = tmp_path / "big.npz"
    done = call("train", "--size", 5, "--hidden", 22, "--steps", 1, "--out", big)
    assert done.exit_code == 0
    for words, why in (
        (["sample", bars, "--temperature", 0, *out], "--temperature 0"),
        (["sample", bars, "--temperature", "nan", *out], "--temperature nan"),
        (["sample", bars, "--start", "here", *out], "choose from noise, data, exact"),
        (["sample", bars, "--count", 0, *out], "--count 0"),
        (["sample", bars, "--sweeps", 0, *out], "--sweeps 0"),
        (["sample", bars, "--seed", -1, *out], "--seed -1"),
        (["sample", bars, "--out", tmp_path / "x.gif"], "must be a .png or an .npz"),
        (["sample", big, "--start", "exact", *out], "too many states to enumerate: 2^22"),
        (["score", big, "--method", "exact"], "must be at most 20 units (2^20)"),
        (["score", bars, "--method", "guess"], "--method guess"),
        (["score", bars, "--method", "ais", "--chains", 1], "--chains 1"),
        (["score", bars, "--method", "ais", "--temperatures", 0], "--temperatures 0"),
        (["score", bars, "--seed", -1], "--seed -1"),
        (["score", bars, "--out", tmp_path / "x.txt"], "must be a .csv"),
    ):
        done = call(*words)
        assert done.exit_code == 2, words
        assert why in done.stderr, done.stderr
    assert not list(tmp_path.glob("x.*"))
    assert json.loads(call("score", big, "--json").stdout)["method"] == "ais"
