"""Figures of the objectives and the bound: claims hold, wrong formulas and untrained networks fail
them, words are legible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.diffusion import elbo
from toyflows.diffusion import objectives as o
from toyflows.figures import ddpm_elbo, low_density, score_objectives
from toyflows.stats import ClaimError


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("module", [low_density, score_objectives, ddpm_elbo])
def test_claims_hold_and_words_are_legible(module, seed: int) -> None:
    data = module.compute(0.05, seed)
    module.claim(data)
    figure = drawn(module, data)
    assert problems(figure) == []
    assert struck_through(figure) == []


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ((lambda mixture, steps, rng: lambda x: np.zeros_like(x)), "error"),
        ((lambda mixture, steps, rng: mixture.at(1.0, 0.3).score), "ratio"),
    ],
    ids=["no training", "right everywhere"],
)
def test_low_density_fails_for_other_scores(by, said: str, monkeypatch) -> None:
    """The exact score has no error to compare, so it gets a thousandth everywhere."""
    exact = by(low_density.song_ermon(), 0, None)
    monkeypatch.setattr(low_density, "learn", lambda *a: lambda x: exact(x) + 1e-3)
    with pytest.raises(ClaimError, match=said):
        low_density.claim(low_density.compute(0.05, 0))


def test_objectives_fail_with_the_printed_laplacian(monkeypatch) -> None:
    """‖s‖² + Δ, halved: slip D.implicit of docs/errata.md."""

    def printed(score, divergence, x, t):
        return (score(x, t) ** 2).sum(axis=1) / 2 + divergence(x, t) / 2

    monkeypatch.setattr(o, "implicit", printed)
    with pytest.raises(ClaimError, match="mean of implicit"):
        score_objectives.claim(score_objectives.compute(0.05, 0))


def test_objectives_fail_with_the_printed_denoising(monkeypatch) -> None:
    """|s − ε/σ|²: slip C.denoising of docs/errata.md."""

    def printed(score, process, x0, t, ε):
        x, σ = o.noised(process, x0, t, ε)
        return ((score(x, t) - ε / σ) ** 2).sum(axis=1) / 2

    monkeypatch.setattr(o, "denoising", printed)
    with pytest.raises(ClaimError, match="mean of denoising"):
        score_objectives.claim(score_objectives.compute(0.05, 0))


def test_elbo_fails_when_a_term_is_lost(monkeypatch) -> None:
    whole = elbo.bound

    def halved(*a, **k):
        found = whole(*a, **k)
        return replace(found, steps=found.steps / 2)

    monkeypatch.setattr(elbo, "bound", halved)
    with pytest.raises(ClaimError, match="gap"):
        ddpm_elbo.claim(ddpm_elbo.compute(0.05, 0))


@pytest.mark.parametrize(("wrong", "said"), [("posterior", "order"), ("forward", "gap of")])
def test_elbo_fails_with_other_variances(wrong: str, said: str, monkeypatch) -> None:
    """All three curves with one variance."""
    right = ddpm_elbo.expected
    monkeypatch.setattr(ddpm_elbo, "expected", lambda kind, errors: right(wrong, errors))
    data = ddpm_elbo.compute(0.05, 0)
    data["bound"] = data["terms"].sum()
    monkeypatch.setattr(ddpm_elbo, "mean", lambda *a: None)
    with pytest.raises(ClaimError, match=said):
        ddpm_elbo.claim(data)
