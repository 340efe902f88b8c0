"""The diffusion model that ships, how it is made again, and the figure made of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toyflows.diffusion import shipped
from toyflows.diffusion.train import Config, Record
from toyflows.figures import ddpm_glyphs
from toyflows.files import SHIPPED
from toyflows.nn import checkpoint
from toyflows.stats import ClaimError

NAMES = sorted(shipped.RECIPES)


@pytest.mark.parametrize("name", NAMES)
def test_training_begins_with_the_recorded_losses(name: str) -> None:
    """The first 20 steps of the run in the header, from its seed; the command is the recipe's."""
    path = SHIPPED / f"{name}.npz"
    arrays, header = checkpoint.load(path)
    told = header.configuration
    again = shipped.first_losses(shipped.RECIPES[name])
    assert len(again) == shipped.FIRST
    assert again == pytest.approx(told["losses"], rel=1e-3, abs=1e-4)
    assert told["command"] == shipped.command(shipped.RECIPES[name])
    assert header.step == shipped.STEPS
    assert path.stat().st_size < 1.5e6
    assert arrays["θ"].dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
def test_the_command_is_that_of_the_configuration(name: str) -> None:
    model, words = shipped.load(name), shipped.command(shipped.RECIPES[name]).split()
    assert words[:2] == ["toyflows", "train"]
    given = dict(zip(words[3::2], words[4::2], strict=True))
    typed = Config(
        words[2], given["--target"], int(given["--size"]), int(given["--seed"]),
        labels=given["-p"] == "labels=true", cosine=int(given["--steps"]),
        classes=model.config.classes, centre=model.config.centre, spread=model.config.spread,
    )  # fmt: skip
    assert typed == model.config


def test_made_again_also_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that stops in the middle goes on from its checkpoint, and ends at the same file."""
    small = Config("ddpm", "swiss-roll", batch=16, width=16, every=2, cosine=5)
    monkeypatch.setattr(shipped, "RECIPES", {"roll": small})
    monkeypatch.setattr(shipped, "STEPS", 5)

    def stop(record: Record) -> None:
        if record.step == 3:
            raise KeyboardInterrupt

    whole, broken = tmp_path / "a", tmp_path / "b"
    for folder in (whole, broken):
        folder.mkdir()
    made = shipped.make("roll", whole, 1, lambda record: None)
    assert list(whole.iterdir()) == [made]
    with pytest.raises(KeyboardInterrupt):
        shipped.make("roll", broken, 1, stop)
    seen: list[int] = []
    again = shipped.make("roll", broken, 1, lambda record: seen.append(record.step))
    assert seen == [3, 4, 5]  # the checkpoint was of step 2
    assert again.read_bytes() == made.read_bytes()
    stamp = made.stat().st_mtime_ns
    assert shipped.make("roll", whole, 1, stop).stat().st_mtime_ns == stamp


# ------------------------------------------------------------------ ddpm_glyphs
@pytest.fixture(scope="module")
def drawn() -> dict[str, Any]:
    return ddpm_glyphs.compute(0.05, 0)


def test_the_shipped_model_passes_the_claims(drawn: dict[str, Any]) -> None:
    assert ddpm_glyphs.claim(drawn)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [("logits", lambda f: f / 100, "sure"),
     ("logits", lambda f: f[::-1], "rise"),
     ("x", lambda x: x[::-1], "rise"),
     ("nearest, samples", lambda d: d / 2, "distance")],
)  # fmt: skip
def test_other_samples_fail_them(drawn: Any, name: str, change: Any, said: str) -> None:
    with pytest.raises(ClaimError, match=said):
        ddpm_glyphs.claim(drawn | {name: change(drawn[name])})


def test_an_untrained_network_fails_them(monkeypatch: pytest.MonkeyPatch) -> None:
    model = shipped.load("ddpm28")
    state = dataclasses.replace(model.state, θ=shipped.new(model.config).state.θ, step=0)
    monkeypatch.setattr(ddpm_glyphs, "SCALES", (0.0, 1.0))
    monkeypatch.setattr(ddpm_glyphs, "STEPS", 4)
    monkeypatch.setattr(shipped, "load", lambda name: dataclasses.replace(model, state=state))
    with pytest.raises(ClaimError):
        ddpm_glyphs.claim(ddpm_glyphs.compute(0.05, 0))
