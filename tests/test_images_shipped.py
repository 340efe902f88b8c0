"""The weights that ship are what their headers say, and the figures made of them can fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from toyflows.errors import InputError
from toyflows.figures import ebm_generation, ebm_ood
from toyflows.images import glyphs, shipped
from toyflows.stats import ClaimError


@pytest.mark.parametrize("name", shipped.names())
def test_a_file_gives_its_recorded_scores(name: str) -> None:
    model = shipped.load(name)
    parts = glyphs.load(model.config.size)
    assert parts.data_hash == model.data_hash
    found = shipped.auroc(model.engine(), model.θ, parts)
    assert found == pytest.approx(model.auroc, abs=1e-3)
    assert (shipped.FOLDER / f"{name}.npz").stat().st_size < 1.5e6
    assert model.θ.dtype == np.float32


@pytest.mark.parametrize("name", shipped.names())
def test_training_begins_with_the_recorded_losses(name: str) -> None:
    """The first 20 steps of the run in the header, from its seed."""
    model = shipped.load(name)
    again = shipped.first_losses(model.config, glyphs.load(model.config.size))
    assert len(again) == shipped.FIRST
    assert again == pytest.approx(model.losses, rel=1e-3, abs=1e-4)
    assert f"train {model.config.kind} --size {model.config.size}" in model.command


def test_other_names_are_refused() -> None:
    with pytest.raises(InputError, match="did you mean ebm28"):
        shipped.load("ebm29")


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
