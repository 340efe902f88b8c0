"""A family of one's own, given by its energy: the same flows on the exact law and on walkers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

import toyflows
from toyflows import Energy, solve, stats
from toyflows.backends.energies import EnergyWalkers
from toyflows.backends.grid import Grid
from toyflows.energy import Model
from toyflows.errors import InputError
from toyflows.flows import make
from toyflows.mixture import Mixture
from toyflows.target import Target

TWO = Mixture.separated(4.0)
SAME = Energy(TWO.energy, -11.0, 11.0, finest=0.05)


def quartic(x, θ):
    """A double well with the tilt θ."""
    return 0.5 * (x * x - 2.0) ** 2 + 0.5 * θ * x


WELLS = Energy(quartic, -6.0, 6.0)


def test_the_mixture_and_an_energy_are_models() -> None:
    """What the protocol names, both have; of the same energy it is the same to 1e−8."""
    x, u = np.linspace(-5.0, 5.0, 41), np.linspace(0.01, 0.99, 9)
    for name in ("energy", "dU_dx", "responsibility", "log_Z", "quantile"):
        assert name in vars(Model)
    for θ in (-1.0, 0.7):
        for name in ("energy", "dU_dx", "responsibility", "centred"):
            ours, theirs = (getattr(m, name)(x, θ) for m in (SAME, TWO))
            assert ours == pytest.approx(theirs, abs=2e-8), name
        assert SAME.log_Z(θ) == pytest.approx(TWO.log_Z(θ), abs=1e-12)
        assert SAME.weight_b(θ) == pytest.approx(TWO.share_b(θ), abs=1e-9)
        assert SAME.hyvärinen(x, θ) == pytest.approx(TWO.hyvärinen(x, θ), abs=1e-4)
        assert SAME.quantile(u, θ) == pytest.approx(TWO.quantile(u, θ), abs=3e-3)
        assert SAME.mixing_time(θ) == pytest.approx(TWO.mixing_time(θ), rel=0.01)


@pytest.mark.parametrize("name", ["ml", "pcd", "cd", "jarzynski", "tempering", "score-matching"])
def test_two_modes_given_as_a_function_have_the_same_flows(name: str) -> None:
    """θ(t) on the exact law to 1e−5, and the same word."""
    how = {"theta_star": -0.8, "theta0": 0.5, "time": 8.0, "dt": 0.1, "backends": ["grid"]}
    ours = toyflows.flow(name, model=SAME, **how)
    theirs = toyflows.flow(name, separation=4.0, **how)
    for column in ("θ", "velocity"):
        one, other = (getattr(r.backends["grid"], column) for r in (ours, theirs))
        assert one == pytest.approx(other, abs=1e-5), column
    assert ours.backends["grid"].seen["kl"] == pytest.approx(theirs.backends["grid"].seen["kl"],
                                                             abs=1e-5)  # fmt: skip
    if name in ("ml", "cd", "score-matching"):  # the others take long to follow
        assert ours.verdict.kind == theirs.verdict.kind


def test_a_double_well_is_learned_as_its_integrals_say(tmp_path: Path) -> None:
    """θ̇ of likelihood at the start against QUADPACK; it learns θ*; files but .npz are written."""

    def mean(θ: float) -> float:
        top, mass = (
            quad(lambda x: f(x) * math.exp(-quartic(x, θ)), -6, 6, epsabs=1e-12)[0]
            for f in (lambda x: 0.5 * x, lambda x: 1.0)
        )
        return top / mass

    run = toyflows.flow("ml", model=WELLS, theta_star=0.7, time=60.0, rate=4.0, walkers=2_000)
    assert list(run.backends) == ["grid", "walkers"]
    assert run.backends["grid"].velocity[0] == pytest.approx(mean(0.0) - mean(0.7), abs=1e-8)
    assert run.verdict.kind == "converges"
    assert run.backends["grid"].θ[-1] == pytest.approx(0.7, abs=1e-3)
    assert run.save(tmp_path / "run.json").stat().st_size > 1_000
    with pytest.raises(InputError, match="a model is a function"):
        run.save(tmp_path / "run.npz")


def test_walkers_in_an_energy_have_the_law_of_the_grid() -> None:
    """θ̇ after three steps, mean over 24 replicas, false-fail rate 1e−6 each, of chains, weights,
    temperatures and Metropolis' acceptance."""
    target = Target.of_model(WELLS, 0.7)
    for name, options in (("pcd", {}), ("jarzynski", {}), ("tempering", {"replicas": 2}),
                          ("cd", {"kernel": "mala"})):  # fmt: skip
        flow = make(name, **options)
        exact = solve.run(flow, Grid(target, 0.05), -0.5, 3, rate=2.0)
        runs = [
            solve.run(flow, EnergyWalkers(target, 0.05, 10_000, seed=s), -0.5, 3, rate=2.0)
            for s in range(24)
        ]
        seen = [run.velocity[3] for run in runs]
        assert stats.mean(name, seen, exact.velocity[3], bias=2e-5).detects < 0.02


def test_pcd_in_far_wells_runs_away_as_in_two_modes() -> None:
    """A barrier of 32: no chain crosses, whatever the shape of the wells."""
    deep = Energy(lambda x, θ: 0.5 * (x * x - 8.0) ** 2 + θ * np.tanh(x), -7.0, 7.0)
    run = toyflows.flow("pcd", model=deep, theta_star=0.7, time=6.0, dt=0.03, backends=["grid"])
    assert run.verdict.kind == "mode collapse"
    assert "p_b(θ0)" not in run.verdict.says


WRONG = [
    ({"loss": "gan"}, "loss = gan: is for two Gaussian modes"),
    ({"separation": 3.0}, "separation = 3.0: does not go with a model"),
    ({"backends": ["theory"]}, "a model has no closed form"),
    ({"theta_star": None}, "must be given with a model"),
    ({"model": Energy(quartic, -2.0, 2.0)}, "must hold all the mass"),
    ({"model": Energy(lambda x, θ: x / 0 if x.size else x, -2.0, 2.0)}, "must be finite"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_what_a_model_cannot_do_is_refused(wrong, said) -> None:
    given = {"loss": "ml", "model": WELLS, "theta_star": 0.7} | wrong
    with np.errstate(all="ignore"), pytest.raises(InputError, match=said):
        toyflows.flow(given.pop("loss"), **given)


def test_a_range_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="must be finite, low < high"):
        Energy(quartic, 2.0, -2.0)
    with pytest.raises(InputError, match="must be 10 to 100000 parts"):
        Energy(quartic, -2.0, 2.0, finest=1.0)
