"""Classifiers on pixels and features: slopes, convexity, and what the RBM's start is worth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.optimize import approx_fprime
from typer.testing import CliRunner

from toyflows.cli.main import app
from toyflows.errors import InputError
from toyflows.lattice import features, rbm_train
from toyflows.lattice.features import Labelled, Part
from toyflows.lattice.rbm import RBM
from toyflows.lattice.rbm_config import Config
from toyflows.lattice.rbm_train import Model, State

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def strokes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 20: a stroke across, a stroke down, at places that vary."""
    home, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for k, name in enumerate(("across", "down")):
        (home / name).mkdir()
        for i in range(20):
            x = np.zeros((16, 16), np.uint8)
            place = int(rng.integers(3, 12))
            (x.T if k else x)[place : place + 2, 2:14] = 255
            Image.fromarray(x).save(home / name / f"{i:02}.png")
    return home


@pytest.fixture(scope="module")
def model(strokes: Path) -> Model:
    config = Config(data=str(strokes), size=16, hidden=12, cosine=0, batch=10, rate=0.1)
    found = Model.new(config, config.load())
    records = rbm_train.train(config, found.state, config.load())
    for _ in range(60):
        next(records)
    return found


@pytest.mark.parametrize("layers", [1, 2])
def test_slopes_are_those_of_the_loss(layers: int) -> None:
    shapes = [(5, 4), (4,), (4, 3), (3,)][2 * (2 - layers) :]
    v = RNG.integers(0, 2, (7, shapes[0][0])).astype(np.float64)
    part = Part(v, RNG.integers(0, 3, 7))
    sizes = np.cumsum([int(np.prod(s)) for s in shapes])

    def unpacked(θ: np.ndarray) -> list[np.ndarray]:
        pieces = np.split(θ, sizes[:-1])
        return [x.reshape(s) for x, s in zip(pieces, shapes, strict=True)]

    θ = 0.5 * RNG.standard_normal(sizes[-1])
    slope = np.concatenate([g.ravel() for g in features._loss(unpacked(θ), part)[1]])
    numeric = approx_fprime(θ, lambda t: features._loss(unpacked(t), part)[0], 1e-7)
    np.testing.assert_allclose(slope, numeric, atol=1e-6)


def test_the_penalty_holds_the_weights_at_their_start() -> None:
    """By a large λ the pre-trained W stays, and pixels are read as at the start: all alike."""
    v = RNG.integers(0, 2, (30, 6)).astype(np.float32)
    part = Part(v, (v[:, 0]).astype(np.int64))
    free = features.fit([np.zeros((6, 2)), np.zeros(2)], part, 1e-4)
    held = features.fit([np.zeros((6, 2)), np.zeros(2)], part, 1e6)
    assert (free(v).argmax(axis=1) == part.y).all()
    assert np.ptp(held(v)[:, 0] - held(v)[:, 1]) < 1e-3


def test_features_go_up_both_layers(model: Model) -> None:
    v = model.load_data().train[:5]
    rbm = model.state.rbm
    h = 1 / (1 + np.exp(-(v @ rbm.W + rbm.b)))
    np.testing.assert_allclose(features.features(model, v), h, atol=1e-6)
    upper = RBM(*(RNG.standard_normal(s).astype(np.float32) for s in ((12, 3), 12, 3)))
    config = Config(data=model.config.data, size=16, hidden=3, below=12)
    deep = Model(config, State(upper, np.zeros((0, 3)), np.zeros((0, 5)), 0, rbm), "")
    k = 1 / (1 + np.exp(-(h @ upper.W + upper.b)))
    np.testing.assert_allclose(features.features(deep, v), k, atol=1e-6)


def test_labels_are_drawn_and_judged_by_others(model: Model) -> None:
    data = Labelled.of(model)
    part = data.some(2, np.random.default_rng(1))
    assert np.bincount(part.y).tolist() == [2, 2]
    with pytest.raises(InputError, match="must be 1 to 14 of each class"):
        data.check((2, 15))
    scores = list(features.compare(model, data, (1, 8), 2))
    assert len(scores) == 2 * 2 * len(features.WAYS)
    rows = features.summary(scores)
    assert {(row["way"], row["labels"]) for row in rows} == {
        (way, n) for way in features.WAYS for n in (1, 8)
    }
    by = {(row["way"], row["labels"]): row["error"] for row in rows}
    assert all(by[way, 8] <= by[way, 1] for way in features.WAYS)
    assert by["pixels", 8] < 0.2
    again = features.summary(list(features.compare(model, data, (1, 8), 2)))
    assert again == rows


def test_the_command_tells_errors_and_refuses_in_one_line(model: Model, tmp_path: Path) -> None:
    path = model.save(tmp_path / "strokes.npz")
    words = ["rbm", "classify", str(path), "--labels", "1,2", "--seeds", "2"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    head, *_ = done.stdout.splitlines()
    assert head == "share of 6 test images misread, mean of 2 draws of the labelled images"
    assert all(way in " ".join(done.stdout.split()) for way in ("pixels", "features", "labels"))
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert len(told["errors"]) == 2 * len(features.WAYS)
    assert told["classes"] == 2
    for wrong, why in (
        (["--labels", "x"], "--labels x: must be whole numbers"),
        (["--labels", "0"], "--labels 0: must be 1 to 14"),
        (["--labels", "15"], "--labels 15: must be 1 to 14"),
        (["--seeds", "1"], "--seeds 1: must be 2 to 100"),
    ):
        bad = CliRunner().invoke(app, ["rbm", "classify", str(path), *wrong])
        assert bad.exit_code == 2
        assert bad.stderr.startswith("toyflows: ")
        assert why in bad.stderr
        assert bad.stderr.count("\n") == 1


def test_bars_have_no_classes() -> None:
    config = Config(size=2, hidden=2)
    with pytest.raises(InputError, match="no classes"):
        Labelled.of(Model.new(config, config.load()))
