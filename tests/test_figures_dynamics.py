"""The figures on dynamics: their claims hold, wrong methods are caught, words are legible."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from fokker_planck import turning_point
from picture_checks import drawn, problems, struck_through

from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.figures import mode_collapse, old_faithful, pcd_long_run
from toyflows.flows import make
from toyflows.flows.pcd import PCD
from toyflows.stats import Checked, ClaimError
from toyflows.target import Target

SMALL = 0.05
FIGURES = (mode_collapse, pcd_long_run, old_faithful)
names = [module.__name__.rpartition(".")[2] for module in FIGURES]
each_figure = pytest.mark.parametrize("module", FIGURES, ids=names)
Data = dict[str, np.ndarray]


@cache
def computed(module: ModuleType, seed: int) -> Data:
    return module.compute(SMALL, seed)


def refused(module: ModuleType, data: Data) -> str:
    """The message of the claim that fails on `data`."""
    with pytest.raises(ClaimError) as caught:
        module.claim(data)
    return str(caught.value)


@each_figure
@pytest.mark.parametrize("seed", [0, 1])
def test_claims_hold(module: ModuleType, seed: int) -> None:
    numbers = module.claim(computed(module, seed))
    assert any(isinstance(n, Checked) and n.false_fail for n in numbers.values())


@each_figure
def test_picture_is_legible(module: ModuleType) -> None:
    figure = drawn(module, computed(module, 0))
    assert problems(figure) == []
    assert struck_through(figure) == []


@each_figure
def test_arrays_are_plain_and_few(module: ModuleType) -> None:
    data = computed(module, 0)
    assert all(not values.dtype.hasobject for values in data.values())
    assert sum(values.nbytes for values in data.values()) < 2**22


def test_same_seed_same_walkers() -> None:
    again = mode_collapse.compute(SMALL, 0)
    for name, values in computed(mode_collapse, 0).items():
        np.testing.assert_array_equal(values, again[name], err_msg=name)


def test_the_kept_walkers_are_followed_in_step() -> None:
    paths = computed(mode_collapse, 0)["paths"]
    steps = np.diff(paths)  # eight steps of Langevin, correlated by 0.95⁸ = 0.66
    assert paths.shape == (mode_collapse.FOLLOWED, 1 + mode_collapse.STEPS // mode_collapse.PIECE)
    assert 0.6 < steps.std() < 1.1  # √(2(1 − 0.66)) = 0.82 for one walker, √2 for two


def test_first_turn_of_continuous_time() -> None:
    turn = turning_point(d=20, θ_star=-np.log(4), θ0=0.0, dx=0.04, dt=0.25)
    np.testing.assert_allclose((turn.t, turn.θ), pcd_long_run.FOKKER_PLANCK, atol=0.1)


# ---- negative controls: what must fail, fails ---------------------------------------
@dataclass(frozen=True)
class Forgetful(PCD):
    """The chains are drawn anew: maximum likelihood in PCD's clothes."""

    def advance(self, ops: Any, θ: float, θ_new: float, chains: Any) -> Any:
        return ops.model(θ_new)


@dataclass(frozen=True)
class Leaking(PCD):
    """One walker in a thousand is sent to the other mode at each step; the exact law stays."""

    def advance(self, ops: Any, θ: float, θ_new: float, chains: Any) -> Any:
        moved = super().advance(ops, θ, θ_new, chains)
        if ops.name == "walkers":
            moved.x[::1000] *= -1
        return moved


@dataclass(frozen=True)
class Faster(PCD):
    """1 % too fast; the lecture's formula stays."""

    def velocity(self, *args: Any, **extra: float) -> float:
        return 1.01 * super().velocity(*args, **extra)


@pytest.mark.parametrize(
    ("flow", "what"),
    [(Forgetful(), "changed mode"), (Leaking(), "changed mode"), (Faster(), "p_b(θ0) − q*")],
    ids=["forgetful", "leaking", "faster"],
)
def test_collapse_of_another_method(flow: Any, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mode_collapse, "FLOW", flow)
    assert what in refused(mode_collapse, mode_collapse.compute(0.002, 0))


def test_collapse_from_a_wrong_start(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Walkers.model
    monkeypatch.setattr(Walkers, "model", lambda ops, θ: right(ops, θ + 0.1))
    assert "share of b" in refused(mode_collapse, mode_collapse.compute(SMALL, 0))


def test_long_run_of_maximum_likelihood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcd_long_run, "FLOW", make("ml"))
    monkeypatch.setattr(pcd_long_run, "TIME", 200)
    monkeypatch.setattr(pcd_long_run, "REPLICAS", 2)
    data = pcd_long_run.compute(SMALL, 0)
    assert "turns of the exact law" in refused(pcd_long_run, data)


def test_long_run_that_ends_before_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcd_long_run, "TIME", 400)
    monkeypatch.setattr(pcd_long_run, "REPLICAS", 2)
    data = pcd_long_run.compute(SMALL, 0)
    assert "turns of the exact law" in refused(pcd_long_run, data)


@pytest.mark.parametrize(
    ("part", "right", "what"),
    [("Grid", Grid, "t of the first turn"), ("Walkers", Walkers, "t of turn 1")],
)
def test_long_run_towards_another_target(
    part: str, right: Any, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """q* = 0.78 in place of 0.8, for one of the two backends: it turns at another time."""
    other = Target.from_q(0.78)
    monkeypatch.setattr(pcd_long_run, part, lambda target, *how: right(other, *how))
    assert what in refused(pcd_long_run, pcd_long_run.compute(SMALL, 0))


@pytest.mark.parametrize(
    ("name", "flow", "what"),
    [
        ("ML", make("nce"), "ML’s weight"),
        ("NCE, normalised", make("nce"), "weight of NCE, normalised"),
        ("PCD", Forgetful(), "weight of PCD"),
    ],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)
def test_old_faithful_with_methods_exchanged(
    name: str, flow: Any, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(old_faithful.FLOWS, name, flow)
    monkeypatch.setattr(old_faithful, "REPLICAS", 2)
    monkeypatch.setattr(old_faithful, "WALKERS", 1)
    assert what in refused(old_faithful, old_faithful.compute(SMALL, 0))


def test_old_faithful_with_faster_walkers(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dict(computed(old_faithful, 0))
    early = int(data["exact"][-1].argmin())
    data["walkers"] = np.roll(data["walkers"], -early // 2, axis=1)
    assert "PCD’s walkers" in refused(old_faithful, data)
