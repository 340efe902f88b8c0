"""The weights that ship are what their headers say, and the figures made of them can fail."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from toyflows import files
from toyflows.diffusion import shipped as diffusion
from toyflows.errors import InputError
from toyflows.figures import ebm_generation, ebm_ood, ebm_training
from toyflows.files import SHIPPED
from toyflows.images import curves, glyphs, shipped, train
from toyflows.images.train import Config, Model, Record
from toyflows.stats import ClaimError

NAMES = sorted(shipped.RECIPES)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_gives_its_recorded_scores(name: str) -> None:
    model = shipped.load(name)
    parts = glyphs.load(model.config.size)
    assert parts.data_hash == model.data_hash
    found = shipped.scores(model.config, model.engine(), model.θ, parts)
    assert found == pytest.approx(model.scores, abs=1e-3)
    assert (SHIPPED / f"{name}.npz").stat().st_size < 1.5e6
    assert model.θ.dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
def test_training_begins_with_the_recorded_losses(name: str) -> None:
    """The first 20 steps of the run in the header, from its seed."""
    model = shipped.load(name)
    again = shipped.first_losses(model.config, glyphs.load(model.config.size))
    assert len(again) == shipped.FIRST
    assert again == pytest.approx(model.losses, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_command_is_that_of_the_configuration(name: str) -> None:
    """What a user types has the configuration that the file was made with."""
    model, recipe = shipped.load(name), shipped.RECIPES[name]
    assert model.command == recipe.command
    assert model.step == recipe.steps
    words = recipe.command.split()[3:]
    pairs = dict(words[k + 1].split("=") for k, word in enumerate(words) if word == "-p")
    given = {k: type(getattr(model.config, k))(float(v)) for k, v in pairs.items()}
    typed = Config(recipe.kind, recipe.size, classes=model.config.classes,
                   engine=model.config.engine, **given)  # fmt: skip
    assert typed == model.config


def test_other_names_are_refused() -> None:
    with pytest.raises(InputError, match="did you mean ebm28"):
        shipped.load("ebm29")
    with pytest.raises(InputError, match="there is no such file; did you mean ebm28"):
        shipped.find("ebm29")
    with pytest.raises(InputError, match="is of kind ebm; must be jem or classifier"):
        shipped.find("ebm28", "jem", "classifier")


def test_a_name_is_a_run_that_has_ended() -> None:
    model, s = shipped.find("ebm28"), shipped.load("ebm28")
    assert np.array_equal(model.state.θ, s.θ)
    assert np.array_equal(model.state.mean.mean, s.θ)
    assert len(model.state.buffer) == 0
    assert model.parts().data_hash == s.data_hash


# ------------------------------------------------------------------ made again
@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> shipped.Recipe:
    """A recipe of a few steps for the name ebm28."""
    numbers = {"batch": 16, "buffer": 16, "langevin": 2, "every": 2}
    recipe = shipped.Recipe("ebm", 28, 5, numbers)
    monkeypatch.setattr(shipped, "RECIPES", {"ebm28": recipe})
    monkeypatch.setattr(shipped, "COUNT", 20)
    return recipe


def test_made_again_is_the_same_bytes_also_after_a_kill(
    small: shipped.Recipe, tmp_path: Path
) -> None:
    """A run that stops in the middle goes on from its checkpoint, and ends at the same file."""

    def stop(record: Record) -> None:
        if record.step == 3:
            raise KeyboardInterrupt

    whole, broken = tmp_path / "a", tmp_path / "b"
    for folder in (whole, broken):
        folder.mkdir()
    made = shipped.make("ebm28", whole, 1, lambda record: None)
    assert list(whole.iterdir()) == [made]
    assert shipped.read(made).command == small.command
    with pytest.raises(KeyboardInterrupt):
        shipped.make("ebm28", broken, 2, stop)
    seen: list[int] = []
    again = shipped.make("ebm28", broken, 2, lambda record: seen.append(record.step))
    assert seen == [3, 4, 5]  # the checkpoint was of step 2
    assert again.read_bytes() == made.read_bytes()
    stamp = made.stat().st_mtime_ns
    assert shipped.make("ebm28", whole, 1, stop).stat().st_mtime_ns == stamp


def test_retrain_makes_figures_from_the_new_weights(
    small: shipped.Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`figures all --retrain` trains first, says the scores, and leaves the weights to read."""
    from toyflows.cli import figures

    monkeypatch.setenv("TOYFLOWS_WEIGHTS", "")  # set by the command: undone at the end
    monkeypatch.setattr(curves, "STEPS", 3)
    monkeypatch.setattr(curves, "RUNS", {"neither": replace(curves.BASE, langevin=1, buffer=32)})
    monkeypatch.setattr(
        diffusion, "RECIPES", {"roll": diffusion.Config("ddpm", cosine=2, batch=16)}
    )
    monkeypatch.setattr(diffusion, "STEPS", 2)
    monkeypatch.setattr(figures, "_make", lambda *asked: None)
    done = CliRunner().invoke(figures.app, ["all", "--retrain", "--out", str(tmp_path / "g")])
    assert done.exit_code == 0, done.output
    assert small.command in done.stdout
    assert "uniform noise" in done.stdout
    assert files.weights_folder() == tmp_path / "g" / "weights"
    assert shipped.load("ebm28").step == 5
    assert diffusion.load("roll").state.step == 2
    assert len(curves.load()["neither"]) == 3


def test_retrain_refuses_before_it_trains(tmp_path: Path) -> None:
    from toyflows.cli import figures

    words = ["all", "--retrain", "--out", str(tmp_path / "g"), "--format", "gif"]
    assert CliRunner().invoke(figures.app, words).exit_code == 2
    assert not (tmp_path / "g").exists()


# ------------------------------------------------------------------ curves
def test_a_curve_is_the_history_of_a_training_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit what `train` records; the lost step is the last."""
    config = replace(curves.BASE, batch=8, buffer=16, langevin=2)
    run = curves.curve(config, 4, lambda record: None)
    model = Model.new(config, config.parts())
    loop = train.train(model.config, model.state, model.parts().train, model.engine(), lambda s: 0)
    list(itertools.islice(loop, 4))
    assert np.array_equal(run, model.state.history)
    monkeypatch.setattr(train, "LIMIT", 0.0)
    assert len(curves.curve(config, 4, lambda record: None)) == 1


def test_the_shipped_curves_begin_as_they_would_again() -> None:
    for name, run in curves.load().items():
        again = curves.curve(curves.RUNS[name], 5, lambda record: None)
        assert again == pytest.approx(run[:5], rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [("L2 and buffer", lambda run: run[:-1], "iterations"),
     ("L2 and buffer", lambda run: 10 * run, "E. with L2"),
     ("no L2", lambda run: run / 10, "without L2"),
     ("neither", lambda run: run / 10, "E"),
     ("neither", lambda run: np.repeat(run, 60, axis=0), "iterations")],
)  # fmt: skip
def test_other_curves_fail_the_claims(name: str, change: Any, said: str) -> None:
    data = ebm_training.compute(1.0, 0)
    assert ebm_training.claim(data)
    with pytest.raises(ClaimError, match=said):
        ebm_training.claim(data | {name: change(data[name])})


# ------------------------------------------------------------------ figures
@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network as it was before training."""
    right = shipped.load

    def fresh(name: str) -> shipped.Shipped:
        model = right(name)
        return replace(model, θ=model.config.network().init(np.random.default_rng(0)))

    monkeypatch.setattr(shipped, "load", fresh)


@pytest.mark.parametrize("figure", [ebm_generation, ebm_ood])
@pytest.mark.usefixtures("untrained")
def test_an_untrained_energy_fails_the_claims(figure) -> None:
    with pytest.raises(ClaimError):
        figure.claim(figure.compute(0.25, 0))


@pytest.mark.parametrize("figure", [ebm_generation, ebm_ood])
def test_the_shipped_energy_passes_them(figure) -> None:
    assert figure.claim(figure.compute(0.25, 1))
