"""Figures of trained diffusion models: claims hold and can fail, words are legible."""

from __future__ import annotations

import numpy as np
import pytest
from picture_checks import drawn, problems

from toyflows.diffusion.processes import VP
from toyflows.figures import ema_stability, guidance, swiss_roll
from toyflows.stats import ClaimError


@pytest.mark.parametrize("figure", [swiss_roll, ema_stability, guidance])
def test_claims_hold_and_words_are_legible(figure) -> None:
    data = figure.compute(0.05, 1)
    figure.claim(data)
    assert problems(drawn(figure, data)) == []


def test_an_untrained_network_draws_no_roll(monkeypatch) -> None:
    trained = swiss_roll.diffusion.trained

    def lazy(target, steps, seed, **numbers):
        return trained(target, 50, seed, **numbers)

    monkeypatch.setattr(swiss_roll.diffusion, "trained", lazy)
    with pytest.raises(ClaimError, match="over data's"):
        swiss_roll.claim(swiss_roll.compute(0.05, 0))


def test_without_a_mean_the_claim_fails() -> None:
    rough = np.exp(np.random.default_rng(0).standard_normal(30))
    with pytest.raises(ClaimError, match="jumps"):
        ema_stability.claim({"distance": np.array([rough, rough]), "floor": np.array(1.0)})


def test_guidance_that_does_nothing_fails(monkeypatch) -> None:
    """Exact scores in the network's place, and w not heeded."""
    guided, model = guidance.guided, guidance.Exact(guidance.LAW, VP())
    monkeypatch.setattr(guidance.diffusion, "trained", lambda *args, **numbers: model)
    guidance.claim(guidance.compute(0.05, 0))
    monkeypatch.setattr(guidance, "guided", lambda subject, y, w: guided(subject, y, 0.0))
    with pytest.raises(ClaimError, match="gain"):
        guidance.claim(guidance.compute(0.05, 0))
