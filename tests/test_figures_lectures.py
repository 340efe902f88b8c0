"""What the lectures draw: budget of steps, classifier guidance, samplers, weights, graded units."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from picture_checks import drawn, problems

from toyflows.figures import (
    classifier_guidance,
    gibbs_metropolis,
    graphs,
    hopfield_graded,
    hopfield_weights,
    letter_inpainting,
    letter_interpolation,
    letter_strips,
    model_map,
    step_budget,
)
from toyflows.stats import ClaimError

FIGURES = [classifier_guidance, gibbs_metropolis, graphs, hopfield_graded, hopfield_weights,
           letter_inpainting, letter_interpolation, letter_strips, model_map,
           step_budget]  # fmt: skip


@pytest.mark.parametrize("figure", FIGURES, ids=lambda m: m.__name__.rpartition(".")[2])
def test_claims_hold_and_words_are_legible(figure: ModuleType) -> None:
    data = figure.compute(0.05, 1)
    figure.claim(data)
    assert problems(drawn(figure, data)) == []


def fails(figure: ModuleType, said: str, data: dict[str, Any]) -> None:
    with pytest.raises(ClaimError, match=said):
        figure.claim(data)


def test_a_rule_that_does_not_keep_the_law_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flip is kept with e^{−ΔE/2T}, cut at 1."""
    monkeypatch.setitem(
        gibbs_metropolis.RULES, "Metropolis", lambda x: np.exp(-np.maximum(x, 0) / 2)
    )
    fails(gibbs_metropolis, "error", gibbs_metropolis.compute(0.05, 0))


def test_a_budget_that_is_not_the_best_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    even = step_budget._even
    monkeypatch.setattr(
        step_budget, "_best", lambda E, most=64: {k: even("linear", k) for k in range(1, 65)}
        if len(E) > 7 else {3: np.array([0, 1, 2, 6])},
    )  # fmt: skip
    fails(step_budget, "ratio", step_budget.compute(0.05, 0))


def test_weights_with_a_diagonal_and_rising_energies_are_caught() -> None:
    data = hopfield_weights.compute(1.0, 0)
    fails(hopfield_weights, "rank", data | {"W": data["W"] + np.eye(25)})
    graded = hopfield_graded.compute(1.0, 0)
    fails(hopfield_graded, "rise", graded | {"E": graded["E"][::-1]})


def test_a_classifier_that_learns_nothing_is_caught() -> None:
    data = classifier_guidance.compute(0.05, 0)
    mixed = data["learned"][::-1]
    fails(classifier_guidance, "distance", data | {"learned": mixed})


def test_a_joined_layer_and_a_figure_that_is_not_there_are_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = graphs.compute(1.0, 0)
    fails(graphs, "difference", data | {"far": data["far"][::-1]})
    monkeypatch.setitem(model_map.MAP, "samples", ("", "", {"net": ("flows.gan", "no_figure")}))
    fails(model_map, "methods", model_map.compute(1.0, 0))
