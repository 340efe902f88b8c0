"""Figures of scores, schedules and the backward kernel: claims hold, and other data fail them."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.diffusion import chain, gaussians, schedules
from toyflows.figures import noise_scales, reverse_kernel, score_field
from toyflows.figures import schedules as schedules_figure
from toyflows.stats import ClaimError

FIGURES = {
    "score_field": score_field,
    "noise_scales": noise_scales,
    "schedules": schedules_figure,
    "reverse_kernel": reverse_kernel,
}
COMPUTED: dict[str, dict[str, np.ndarray]] = {}


def computed(name: str) -> dict[str, np.ndarray]:
    if name not in COMPUTED:
        with np.errstate(all="raise"):
            COMPUTED[name] = FIGURES[name].compute(0.05, 0)
    return COMPUTED[name]


@pytest.mark.parametrize("name", FIGURES)
def test_claims_hold_and_words_are_legible(name: str) -> None:
    figure, data = FIGURES[name], computed(name)
    figure.claim(data)
    picture = drawn(figure, data)
    assert problems(picture) == []
    assert struck_through(picture) == []


def test_claims_of_schedules_hold_for_another_seed() -> None:
    schedules_figure.claim(schedules_figure.compute(0.05, 1))


def scaled(row: int, factor: float):
    """A copy with `row` times `factor`."""

    def change(v: np.ndarray) -> np.ndarray:
        out = np.array(v, float)
        out[row] *= factor
        return out

    return change


@pytest.mark.parametrize(
    ("name", "column", "change", "said"),
    [
        ("score_field", "score", lambda v: v * (1 + 1e-6), "differences"),
        ("score_field", "score", lambda v: -v, "differences"),
        ("score_field", "mass", lambda v: v * 0.9, "in view"),
        ("score_field", "unseen", lambda v: v + 1e-6, r"mean \|difference"),
        ("score_field", "along", lambda v: v * 0, "largest difference"),
        ("noise_scales", "convolved", lambda v: v * (1 + 1e-8), "relative difference"),
        ("noise_scales", "ladder", lambda v: v + 1e-6, "seen"),
        ("noise_scales", "ladder", lambda v: v * 0.05, "seen"),
        ("schedules", "ᾱ_T", lambda v: v * 1.01, "ᾱ_T"),
        ("schedules", "warned", lambda v: ~v, "warnings"),
        ("schedules", "spread", scaled(0, 1.03), "spread"),
        ("schedules", "x", lambda v: 1.2 * v, "variance of"),
        ("schedules", "log ᾱ", lambda v: v / 2, "ᾱ\\(1\\) of"),
        ("reverse_kernel", "kernel", lambda v: v + 1e-11, "conditioning"),
        ("reverse_kernel", "errors", scaled(3, 0.5), "printed B"),
        ("reverse_kernel", "errors", scaled(4, 1e6), "conditioning"),
        ("reverse_kernel", "errors", lambda v: v * reverse_kernel.COUNTS**0.3, "order of A"),
    ],
)
def test_other_data_fail_the_claims(name, column, change, said) -> None:
    data = computed(name)
    with pytest.raises(ClaimError, match=said):
        FIGURES[name].claim(data | {column: change(data[column])})


def half_divided(self, x, α=1.0, σ=0.0):
    """A score that forgets the scale of the noise: that of half the variance's log density."""
    return 0.5 * SCORE(self, x, α, σ)


SCORE = gaussians.Gaussians.score
DENSITY = gaussians.Gaussians.log_density


@pytest.mark.parametrize(
    ("name", "owner", "attribute", "wrong", "said"),
    [
        ("score_field", gaussians.Gaussians, "score", half_divided, "differences"),
        ("noise_scales", gaussians.Gaussians, "log_density",
         lambda self, x, α=1.0, σ=0.0: DENSITY(self, x, α, 1.01 * np.asarray(σ)), "relative"),
        ("schedules", schedules_figure.schedules, "ddpm_betas",
         lambda T: np.linspace(1e-4, 0.03, T), "ᾱ_T"),
        ("schedules", schedules, "LARGEST_LEFTOVER", 0.9, "warnings"),
        ("reverse_kernel", reverse_kernel, "taylor",
         lambda γ, σ: chain.Backward(1 + 2 * γ, 2 * γ / σ, np.sqrt(2 * γ)), "order of A"),
    ],
    ids=["half the score", "other noise", "other β", "nobody warned", "another expansion"],
)  # fmt: skip
def test_other_formulas_fail_the_claims(
    name: str, owner: ModuleType | type, attribute: str, wrong: object, said: str, monkeypatch
) -> None:
    monkeypatch.setattr(owner, attribute, wrong)
    with pytest.raises(ClaimError, match=said):
        FIGURES[name].claim(FIGURES[name].compute(0.05, 0))


def test_the_chain_with_the_printed_kernel_fails(monkeypatch) -> None:
    """The variance of the step forth in place of that of the step back."""

    def printed(self: chain.Ladder) -> chain.Backward:
        A, B, _ = BACKWARD(self)
        return chain.Backward(A, B, self.b)

    BACKWARD = chain.Ladder.__dict__["backward"].func
    monkeypatch.setattr(chain.Ladder, "backward", property(printed))
    with pytest.raises(ClaimError, match="conditioning"):
        reverse_kernel.claim(reverse_kernel.compute(0.05, 0))
