"""The figures of samplers and likelihood: claims hold, wrong data and methods fail them."""

from __future__ import annotations

from functools import cache
from types import ModuleType

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.diffusion import methods
from toyflows.diffusion.processes import VE
from toyflows.figures import (
    annealed_langevin,
    exact_likelihood,
    forward_reverse_sde,
    samplers_order,
)
from toyflows.stats import ClaimError

FIGURES = [annealed_langevin, forward_reverse_sde, exact_likelihood, samplers_order]


@cache
def computed(figure: ModuleType, seed: int) -> dict[str, np.ndarray]:
    return figure.compute(0.05, seed)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f.__name__.rpartition(".")[2])
def test_claims_hold_and_words_are_legible(figure: ModuleType) -> None:
    data = computed(figure, 0)
    figure.claim(data)
    figure = drawn(figure, data)
    assert problems(figure) == []
    assert struck_through(figure) == []


# --- annealed Langevin


def test_annealing_in_tiny_steps_fails(monkeypatch) -> None:
    """At α_i a thousandth as large the walkers do not follow the noise."""

    def wrong(name: str, **options):
        return methods.make(name, **options | ({"epsilon": 5e-5} if "epsilon" in options else {}))

    monkeypatch.setattr(annealed_langevin, "make", wrong)
    with pytest.raises(ClaimError, match="annealed Langevin"):
        annealed_langevin.claim(annealed_langevin.compute(0.05, 0))


def test_langevin_on_noised_data_fails(monkeypatch) -> None:
    """With noise of 4 in the data the modes meet, and Langevin finds their weights."""
    monkeypatch.setattr(annealed_langevin, "ALMOST", VE(4.0, 20.0))
    with pytest.raises(ClaimError, match="Langevin's share"):
        annealed_langevin.claim(annealed_langevin.compute(0.05, 0))


@pytest.mark.parametrize(
    ("key", "wrong", "said"),
    [
        ("changed", np.array(1), "changes"),
        ("exact shares", np.full(20, 0.8), "annealed at a noise"),
        ("shares", np.full((2, 2001), 0.8), "Langevin's change"),
    ],
)
def test_wrong_data_fail_the_claims_of_langevin(key: str, wrong: np.ndarray, said: str) -> None:
    with pytest.raises(ClaimError, match=said):
        annealed_langevin.claim(computed(annealed_langevin, 0) | {key: wrong})


@pytest.mark.parametrize(("k", "said"), [(1, "exact"), (2, "Langevin"), (3, "annealed")])
def test_points_too_wide_or_moved_fail(k: int, said: str) -> None:
    data = computed(annealed_langevin, 0)
    points = data["points"].copy()
    points[k] = points[k] * 1.2 if k > 1 else np.abs(points[k])
    with pytest.raises(ClaimError, match=said):
        annealed_langevin.claim(data | {"points": points})


# --- forward and back


@pytest.mark.parametrize(
    ("asked", "by", "options", "said"),
    [
        ("ode-heun", "ode-euler", {"share": 1.0}, "ODE of VE"),
        ("euler-maruyama", "ode-euler", {"share": 1.0}, "reverse SDE of VE"),
        ("ode-euler", "ode-euler", {}, "slide's ODE of VE"),
    ],
)
def test_the_slides_ode_fails_and_the_right_one_is_no_slip(
    asked, by, options, said, monkeypatch
) -> None:
    """4000 walkers detect 0.05 in a CDF."""

    def wrong(name: str, **o):
        return methods.make(by, **options) if name == asked else methods.make(name, **o)

    monkeypatch.setattr(forward_reverse_sde, "make", wrong)
    with pytest.raises(ClaimError, match=said):
        forward_reverse_sde.claim(forward_reverse_sde.compute(0.05, 0))


def test_walkers_of_another_weight_fail() -> None:
    ends = computed(forward_reverse_sde, 0)["ends"].copy()
    ends[1, 0] += 0.2  # forward, VP
    with pytest.raises(ClaimError, match="forward SDE of VP"):
        forward_reverse_sde.claim({"ends": ends})


# --- likelihood


def test_another_density_fails() -> None:
    data = computed(exact_likelihood, 0)
    exact, ode, slip = data["lines"]
    for lines, said in (
        ((exact, ode + 2e-5, slip), "error of log p"),
        ((exact, ode, ode), "slide"),
    ):
        with pytest.raises(ClaimError, match=said):
            exact_likelihood.claim(data | {"lines": np.array(lines)})


@pytest.mark.parametrize(
    ("key", "change", "said"),
    [
        ("errors", lambda e: e + 1.1e-5, "VE"),
        ("errors", lambda e: e[:, :1] * np.linspace(1, 0.9, 7) * 1e-5, "over tolerance"),
        ("guesses", lambda g: g + 1.5, "Hutchinson"),
        ("guesses", lambda g: np.sort(g), "Hutchinson's error"),
    ],
)
def test_wrong_errors_fail(key: str, change, said: str) -> None:
    """512 probes detect a bias of 0.5 nats, where one probe has an error of 1.7."""
    data = computed(exact_likelihood, 0)
    with pytest.raises(ClaimError, match=said):
        exact_likelihood.claim(data | {key: change(data[key])})


# --- orders


@pytest.mark.parametrize(
    ("asked", "by"),
    [("ode-heun", "ode-euler"), ("euler-maruyama", "ode-heun"), ("ddim", "ode-heun"),
     ("ancestral", "ode-heun"), ("predictor-corrector", "euler-maruyama")],
)  # fmt: skip
def test_a_method_of_another_order_fails(asked: str, by: str, monkeypatch) -> None:
    data, right = computed(samplers_order, 0), samplers_order._method
    other = (methods.make(by), 1) if by == "ode-euler" else right(by)
    monkeypatch.setattr(samplers_order, "_method", lambda name: other)
    row = list(samplers_order.METHODS).index(asked)
    one = data["one"].copy()
    one[row] = [samplers_order._exact(asked, cost) for cost in samplers_order.COST.tolist()]
    with pytest.raises(ClaimError, match=f"order of {asked}"):
        samplers_order.claim(data | {"one": one})


def test_wrong_errors_on_two_modes_fail() -> None:
    data = computed(samplers_order, 0)
    for name, change, said in (
        ("ddim", lambda e: e**2, "order of ddim"),
        ("ode-heun", lambda e: np.sqrt(e), "order of ode-heun"),
        ("euler-maruyama", lambda e: e / 9, "Heun's gain"),
    ):
        two = data["two"].copy()
        row = list(samplers_order.METHODS).index(name)
        two[row] = change(two[row])
        with pytest.raises(ClaimError, match=said):
            samplers_order.claim(data | {"two": two})
