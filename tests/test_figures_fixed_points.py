"""The figures on fixed points: their claims hold, wrong methods are caught, words are legible."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.figures import _style, max_likelihood, mixture, nce_bias, no_learning
from toyflows.flows import make
from toyflows.flows.ml import MaximumLikelihood
from toyflows.flows.nce import NCE
from toyflows.flows.score_matching import ScoreMatching
from toyflows.mixture import Mixture
from toyflows.stats import Checked, ClaimError

SMALL = 0.05
FIGURES = (mixture, max_likelihood, no_learning, nce_bias)
names = [module.__name__.rpartition(".")[2] for module in FIGURES]
each_figure = pytest.mark.parametrize("module", FIGURES, ids=names)


@cache
def computed(module: ModuleType, seed: int) -> dict[str, np.ndarray]:
    return module.compute(SMALL, seed)


def fails(module: ModuleType) -> str:
    """The message of the claim that fails."""
    with pytest.raises(ClaimError) as caught:
        module.claim(module.compute(SMALL, 0))
    return str(caught.value)


@each_figure
def test_claims_hold(module: ModuleType) -> None:
    numbers = module.claim(computed(module, 0))
    assert any(isinstance(n, Checked) for n in numbers.values())


@each_figure
def test_same_seed_same_numbers(module: ModuleType) -> None:
    again = module.compute(SMALL, 0)
    for name, values in computed(module, 0).items():
        np.testing.assert_array_equal(values, again[name], err_msg=name)


@each_figure
def test_picture_is_legible(module: ModuleType) -> None:
    figure = drawn(module, computed(module, 0))
    assert problems(figure) == []
    assert struck_through(figure) == []


def test_illegible_pictures_are_caught() -> None:
    with _style.style():
        figure = _style.new_figure()
        axes = figure.subplots()
        axes.plot(np.linspace(0, 1, 9), np.linspace(0, 1, 9) ** 2)
        axes.text(0.5, 0.25, "one")
        axes.text(0.5, 0.26, "on one", fontsize=9)
        axes.text(0.9, 1.0, "this runs out of the figure at x = -2", in_layout=False)
        figure.canvas.draw()
    found = " ".join(problems(figure))
    for what in ("overlap: 'one' and 'on one'", "9 pt", "outside the figure", "hyphen"):
        assert what in found
    assert len(struck_through(figure)) == 3


# ---- negative controls: what must fail, fails ---------------------------------------
def test_mixture_with_a_wrong_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mixture, "logit", lambda mix, x, θ: mix.d * (x - mix.m) + θ)
    assert "error of the energy outside" in fails(mixture)


def test_mixture_with_too_thin_a_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Mixture.ridge_reach
    monkeypatch.setattr(Mixture, "ridge_reach", lambda mix, tol: 0.99 * right(mix, tol))
    assert "error of the slope outside" in fails(mixture)


def test_mixture_with_too_wide_a_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Mixture.ridge_reach
    monkeypatch.setattr(Mixture, "ridge_reach", lambda mix, tol: 1.02 * right(mix, tol))
    assert "just inside" in fails(mixture)


@dataclass(frozen=True)
class Louder(MaximumLikelihood):
    """Right fixed point, rate 1 % too high."""

    def velocity(self, *args: Any, **extra: float) -> float:
        return 1.01 * super().velocity(*args, **extra)


@dataclass(frozen=True)
class LateWalkers(MaximumLikelihood):
    """The walkers' negatives come from a slightly wrong θ; the exact law is right."""

    def negatives(self, ops: Any, θ: float, chains: Any) -> Any:
        return ops.model(θ + 0.02 if ops.name == "walkers" else θ)


@pytest.mark.parametrize(
    ("flow", "what"),
    [
        (make("pcd"), "at the end"),
        (make("nce"), "fixed point"),
        (make("score-matching"), "at the end"),
        (Louder(), "rate from"),
        (LateWalkers(), "walkers − grid"),
    ],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)
def test_other_methods_are_not_maximum_likelihood(
    flow: Any, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(max_likelihood, "FLOW", flow)
    assert what in fails(max_likelihood)


@dataclass(frozen=True)
class Stronger(ScoreMatching):
    """1 % too strong: the slope is right, the prefactor is not."""

    def velocity(self, *args: Any, **extra: float) -> float:
        return 1.01 * super().velocity(*args, **extra)


@pytest.mark.parametrize(
    ("part", "flow", "what"),
    [
        ("FLOW", make("ml"), "slope"),
        ("FLOW", Stronger(), "stated error"),
        ("RIVAL", make("score-matching"), "of ml"),
    ],
    ids=["ml", "stronger", "rival"],
)
def test_other_methods_are_not_score_matching(
    part: str, flow: Any, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(no_learning, part, flow)
    assert what in fails(no_learning)


@dataclass(frozen=True)
class Normalised(NCE):
    """Moves as the normalised form, claims the fixed point of the plain one."""

    def velocity(self, *args: Any, **extra: float) -> Any:
        return NCE(self.mu, normalised=True).velocity(*args, **extra)


def test_normalised_nce_has_not_the_plain_fixed_points(monkeypatch: pytest.MonkeyPatch) -> None:
    right = nce_bias._flow
    monkeypatch.setattr(
        nce_bias, "_flow", lambda μ, cure="": right(μ, cure) if cure else Normalised(μ)
    )
    assert "fixed point − formula" in fails(nce_bias)


def test_nce_without_a_bias_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nce_bias, "_flow", lambda μ, cure="": NCE(μ, normalised=True))
    assert "where |μ − θ*|" in fails(nce_bias)


def test_the_slides_formula_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = NCE.fixed_point
    monkeypatch.setattr(
        NCE, "fixed_point", lambda flow, target: right(flow, target) - target.θ_star + flow.mu
    )
    assert "fixed point − formula" in fails(nce_bias)


def test_a_cure_that_cures_nothing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nce_bias, "_flow", lambda μ, cure="": NCE(μ))
    assert "limit with" in fails(nce_bias)
