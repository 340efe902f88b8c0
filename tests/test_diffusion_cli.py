"""train, sample and likelihood of diffusion models as a user meets them; wrong calls."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from toyflows.cli.main import app
from toyflows.diffusion.trained import Model

SMALL = ["-p", "width=32", "-p", "depth=1", "-p", "batch=32", "-p", "every=2", "-p", "levels=5"]


def call(*words: object) -> Result:
    """In this process; a refusal must be one line, a traceback fails here."""
    done = CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)
    if done.exit_code == 2:
        assert done.stderr.startswith("toyflows: ")
        assert done.stderr.count("\n") == 1, done.stderr
    return done


def train(out: Path, steps: int, *more: object) -> Result:
    done = call("train", "ddpm", "--target", "8-gaussians", "--steps", steps, "--out", out, *SMALL,
                "-p", "labels=true", "-p", "cosine=8", *more)  # fmt: skip
    assert done.exit_code == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "m.npz"
    train(out, 8)
    return out


def test_training_tells_what_it_does(tmp_path: Path) -> None:
    done = train(tmp_path / "a.npz", 4)
    head, titles, *rows, saved, judged, w2, energy = done.stdout.splitlines()
    assert head.startswith("ddpm of 8-gaussians, points, 8 classes, ")
    for word in ("step", "loss", "gradient", "rate", "points/s", "left"):
        assert word in titles
    assert [row.split()[0] for row in rows] == ["2", "4"]
    assert saved == f"saved   {tmp_path / 'a.npz'} at step 4"
    assert judged.startswith("judged  2000 samples of ancestral in 5 steps")
    assert w2.split()[:2] == ["sliced", "W2"]
    assert energy.split()[:2] == ["energy", "distance"]
    assert "data from data" in w2
    assert done.stderr == ""


def test_a_schedule_that_ends_early_is_told(tmp_path: Path) -> None:
    done = train(tmp_path / "a.npz", 1, "-p", "last=2")
    assert "the schedule ends at ᾱ_T = 0.35" in done.stderr


def test_resumed_is_uninterrupted_bit_for_bit(tmp_path: Path) -> None:
    train(tmp_path / "a.npz", 6)
    train(tmp_path / "b.npz", 3)
    train(tmp_path / "b.npz", 6, "--resume")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("kind", ["ddpm", "ncsn"])
def test_a_run_that_goes_on_is_that_of_the_larger_length(tmp_path: Path, kind: str) -> None:
    """--steps does not decide the rate: 2 + 4 steps are 6, and the last ones learn."""
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    for out, steps, more in ((a, 6, []), (b, 2, []), (b, 6, ["--resume"])):
        done = call("train", kind, "--out", out, "--steps", steps, *SMALL, *more)
        assert done.exit_code == 0, done.stderr
    assert a.read_bytes() == b.read_bytes()


def test_no_run_goes_on_where_its_rate_is_zero(tmp_path: Path) -> None:
    out = tmp_path / "a.npz"
    words = ("train", "ncsn", "--out", out, "-p", "cosine=4", *SMALL)
    done = call(*words, "--steps", 5)
    assert done.exit_code == 2
    assert "--steps 5: must be at most 4" in done.stderr
    assert not out.exists()
    assert call(*words, "--steps", 4).exit_code == 0
    before = out.read_bytes()
    done = call(*words, "--steps", 8, "--resume")
    assert done.exit_code == 2
    assert "begin a run with -p cosine=8" in done.stderr
    assert out.read_bytes() == before
    done = call(*words, "--minutes", 60, "--resume")
    assert "stopped at step 4: there the rate has fallen to 0" in done.stderr


def test_points_of_a_file_are_learned_and_their_change_is_told(tmp_path: Path) -> None:
    data, out = tmp_path / "p.csv", tmp_path / "m.npz"
    x = 50 + 3 * np.random.default_rng(0).standard_normal((40, 2))
    np.savetxt(data, x, delimiter=",")
    done = call("train", "ddpm", "--target", data, "--steps", 2, "--out", out, *SMALL)
    assert done.exit_code == 0, done.stderr
    assert Model.load(out).config.spread == pytest.approx(3, rel=0.2)
    np.savetxt(data, x + 1, delimiter=",")
    done = call("train", "ddpm", "--resume", "--steps", 4, "--out", out)
    assert done.exit_code == 2
    assert "has changed since the run began" in done.stderr


def test_images_of_a_folder_are_learned_and_drawn(tmp_path: Path) -> None:
    rng, out = np.random.default_rng(0), tmp_path / "m.npz"
    for name in "ab":
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(8):
            x = rng.integers(0, 256, (16, 16)).astype(np.uint8)
            Image.fromarray(x).save(tmp_path / "set" / name / f"{i}.png")
    done = call("train", "ddpm", "--target", tmp_path / "set", "--size", 16, "--steps", 2, "--out",
                out, "-p", "batch=4", "-p", "labels=true", "-p", "levels=3")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    done = call("sample", out, "--count", 3, "--class", "b", "--guidance", 1, "--snapshots", 1,
                "--out", tmp_path / "x.npz")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    with np.load(tmp_path / "x.npz") as file:
        assert file.files == ["t = 1", "t = 0"]
        assert all(file[n].shape == (3, 16, 16) and np.abs(file[n]).max() <= 1 for n in file.files)
    assert call("sample", out, "--out", tmp_path / "x.csv").exit_code == 2
    assert call("likelihood", out).exit_code == 2


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".png"])
@pytest.mark.parametrize("words", [[], ["--sampler", "ddim", "--steps", 3, "-p", "eta=1"],
                                   ["--class", 3, "--guidance", 2], ["--sampler", "backward-chain"],
                                   ["--sampler", "annealed-langevin", "--steps", 3]])  # fmt: skip
def test_sample(model: Path, tmp_path: Path, suffix: str, words: list[object]) -> None:
    out = tmp_path / f"x{suffix}"
    done = call("sample", model, "--count", 20, *words, "--json", "--out", out)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["count"] == 20
    assert set(told["quality"]) == {"sliced W2", "energy distance"}
    if suffix == ".csv":
        assert np.loadtxt(out, delimiter=",", skiprows=1).shape == (20, 2)
    elif suffix == ".npz":
        with np.load(out) as file:
            assert file["x"].shape == (20, 2)
    else:
        with Image.open(out) as picture:
            assert np.asarray(picture).min() == 0


@pytest.mark.parametrize(("process", "doubted"), [("vp", True), ("ve", False), ("ou", False)])
def test_sampling_from_what_is_no_noise_is_told(
    tmp_path: Path, process: str, doubted: bool
) -> None:
    """√ᾱ_T = e^{−½·(0.1 + 2)/2} = 0.59 of a point is left by vp with last=2."""
    words = ["sample", "--exact", "8-gaussians", "--process", process, "--count", 20,
             "--steps", 5, "--out", tmp_path / "x.csv"]  # fmt: skip
    words += ["-p", "last=2"] * (process == "vp")
    assert ("59% of each data point is still in x_T" in call(*words).stderr) is doubted
    told = json.loads(call(*words, "--json").stdout)
    assert ("59%" in told["doubt"]) is doubted


def test_sampling_with_the_exact_score_is_as_near_as_data(tmp_path: Path) -> None:
    done = call("sample", "--exact", "8-gaussians", "--sampler", "ode-heun", "--steps", 40,
                "--count", 2000, "--json", "--out", tmp_path / "x.npz")  # fmt: skip
    for found in json.loads(done.stdout)["quality"].values():
        assert found["distance"] < 2 * found["floor"]


@pytest.mark.parametrize("words", [["song-ermon"], ["8-gaussians", "--class", "1"],
                                   ["two-modes", "--process", "ou", "-p", "time=6"]])  # fmt: skip
def test_the_exact_likelihood_is_the_closed_form(words: list[str]) -> None:
    done = call("likelihood", "--exact", *words, "--count", 20, "--json")
    told = json.loads(done.stdout)
    assert told["nats"] == pytest.approx(told["closed_form"], abs=1e-2)
    assert told["largest_difference"] < 0.05  # p_1 is not quite noise


def test_likelihood_of_a_model_and_of_a_file(model: Path, tmp_path: Path) -> None:
    call("sample", model, "--count", 20, "--out", tmp_path / "x.csv")
    done = call("likelihood", model, "--data", tmp_path / "x.csv", "--json")
    assert json.loads(done.stdout)["points"] == 20
    assert "bits a dimension" in call("likelihood", model, "--count", 5).stdout


def test_wrong_calls_get_one_line_and_write_nothing(model: Path, tmp_path: Path) -> None:
    new, x = tmp_path / "n.npz", tmp_path / "x.csv"
    for words, why in (
        (["train", "ddpm", "--target", "swis-roll", "--out", new], "did you mean swiss-roll"),
        (["train", "ddpm", "--target", "glyphs", "--size", 7, "--out", new], "--size 7"),
        (["train", "ddpm", "--target", "pinwheel", "--size", 28, "--out", new], "--target"),
        (["train", "ddpm", "--data", "glyphs", "--out", new], "--data glyphs"),
        (["train", "ddpm", "--sampler", "ddim", "--out", new], "--sampler ddim"),
        (["train", "ddpm", "-p", "widht=1", "--out", new], "did you mean width"),
        (["train", "ddpm", "-p", "classes=1", "--out", new], "unknown option"),
        (["train", "ddpm", "-p", "levels=1", "--out", new], "levels=1"),
        (["train", "ddpm", "-p", "batch=1000000000000", "--out", new], "memory"),
        (["train", "ddpm", "-p", "width=1000000", "--out", new], "memory"),
        (["train", "ddpm", "-p", "labels=true", "--target", "checkerboard", "--out", new],
         "no classes"),
        (["train", "ncsn", "-p", "sigma_min=9", "-p", "sigma_max=1", "--out", new], "sigma_min"),
        (["train", "ncsn", "--resume", "--out", model], "is of kind ddpm"),
        (["train", "ddpm", "--resume", "--target", "rings", "--out", model], "--target rings"),
        (["train", "ebm", "--target", "rings", "--out", new], "--target rings"),
        (["train", "gan", "--out", new], "kind gan"),
        (["sample", model, "--sampler", "ddmi", "--out", x], "did you mean ddim"),
        (["sample", model, "--steps", 0, "--out", x], "--steps 0"),
        (["sample", model, "--spacing", "odd", "--out", x], "--spacing odd"),
        (["sample", model, "-p", "eta=1", "--out", x], "eta"),
        (["sample", model, "--class", "z", "--out", x], "--class z"),
        (["sample", model, "--guidance", 1, "--out", x], "--class says which"),
        (["sample", model, "--inpaint", "left", "--out", x], "energy models only"),
        (["sample", model, "--process", "ve", "--out", x], "--process ve"),
        (["sample", model, "--exact", "rings", "--out", x], "not both"),
        (["sample", model, "--seed", -1, "--out", x], "--seed -1"),
        (["sample", model, "--count", 10**9, "--out", x], "--count"),
        (["sample", model, "--out", tmp_path / "x.txt"], "--out"),
        (["sample", "--out", x], "--exact NAME"),
        (["sample", "--exact", "checkerboard", "--out", x], "has no exact score"),
        (["sample", "--exact", "rings", "--class", "1", "--out", x], "--class 1"),
        (["sample", "--exact", "song-ermon", "--process", "vq", "--out", x], "--process vq"),
        (["sample", "--exact", "song-ermon", "--process", "ve", "--sampler", "backward-chain",
          "--out", x], "backward-chain"),
        (["likelihood", model, "--data", tmp_path / "no.csv"], "--data"),
        (["likelihood", model, "--count", 1], "--count 1"),
        (["likelihood", "--exact", "pinwheel"], "has no exact score"),
    ):  # fmt: skip
        done = call(*words)
        assert done.exit_code == 2, (words, done.stdout)
        assert why in done.stderr, done.stderr
        assert list(tmp_path.iterdir()) == [], words
