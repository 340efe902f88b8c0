"""The exact law in the plane of the modes."""

from __future__ import annotations

import numpy as np
import pytest

from toyflows import solve, stats
from toyflows.backends.grid import Grid
from toyflows.errors import InputError
from toyflows.flows import make
from toyflows.method import method as parse
from toyflows.modes.family import Modes
from toyflows.modes.follow import ON_GRID, follow
from toyflows.modes.plane import Plane
from toyflows.modes.target import target_of
from toyflows.modes.walkers import ModesWalkers
from toyflows.target import Target

THREE = target_of(Modes([[0, 0], [4, 0], [2, 3]]), [0, 1, 0.5], None)
START = np.array([0.3, -0.4])
METHODS = [*ON_GRID, "denoising model=noised"]


@pytest.mark.parametrize("name", METHODS)
def test_on_a_line_it_is_the_two_mode_grid(name: str) -> None:
    """Both have errors of 1e−11 (target.py, plane.py)."""
    flow, θ = parse(name), 0.2
    old = solve.run(flow, Grid(Target.exact(1.4, 6.0), 0.05), θ, 20, 2.0)
    μ = np.outer([-3.0, 3.0], np.ones(25) / 5)  # along the diagonal of 25 dimensions
    new = follow(flow, Plane(target_of(Modes(μ), [0, 1.4], None), 0.05), np.array([θ]), 20, 2.0)
    np.testing.assert_allclose(new.θ[:, 0], old.θ, atol=1e-9)
    np.testing.assert_allclose(new.velocity[:, 0], old.velocity, atol=1e-9)
    if flow.has_negatives:
        np.testing.assert_allclose(new.shares[:, 0], old.mode_b, atol=2e-3)  # a node at the centre


def test_a_step_has_the_moments_of_its_source() -> None:
    """E[y] = E[T(x)] and E|y|² = E|T(x)|² + 2h·2, T = x − h∇U, for the Gaussian's exact step."""
    ops, θ = Plane(THREE, 0.05), START
    start = ops.model(θ)
    T = start.x - 0.05 * ops.mixture.dU_dx(start.x, θ)
    moved = ops.move(start, θ)
    with np.errstate(under="ignore"):
        np.testing.assert_allclose(moved.x @ moved.weights, T @ start.weights, atol=1e-10)
        assert np.sum(moved.x**2, axis=0) @ moved.weights == pytest.approx(
            np.sum(T**2, axis=0) @ start.weights + 0.2, abs=1e-9
        )
    assert moved.log_mass == pytest.approx(0.0, abs=1e-10)


def test_the_models_mean_of_r_is_its_weight() -> None:
    for modes in (Modes([[0, 0], [4, 0], [2, 3]]), Modes([[0, 0], [4, 0], [2, 3]], [0.7, 1, 1.4])):
        ops = Plane(target_of(modes, [0, 1, 0.5], None), 0.05)
        r = ops.mixture.responsibility
        np.testing.assert_allclose(ops.mean(ops.model(START), r, START),
                                   modes.weight_b(START), atol=1e-11)  # fmt: skip


def test_maximum_likelihood_reaches_the_weights() -> None:
    path = follow(make("ml"), Plane(THREE, 0.5), np.zeros(2), 400)
    np.testing.assert_allclose(path.θ[-1], THREE.θ_star, atol=1e-6)


def test_well_apart_pcd_drifts_by_the_lectures_constant() -> None:
    """θ̇ = p(θ0) − q* up to what crosses, e^{−d²/8} = e^{−18}."""
    target = target_of(Modes([[0, 0], [12, 0], [6, 11]]), [0, 1, 0.5], None)
    flow = make("pcd")
    path = follow(flow, Plane(target, 0.1), START, 20)
    told = flow.separated(target, START, START)
    np.testing.assert_allclose(path.velocity, np.broadcast_to(told, path.velocity.shape), atol=1e-7)


def test_a_third_mode_far_away_leaves_the_rates_of_two() -> None:
    """Score matching's θ̇_2 is that of two modes times their share of the data, and θ̇_3 ~ 0."""
    pair = solve.velocity(make("score-matching"), Grid(Target.exact(1.0, 4.0), 0.05), 0.3)
    target = target_of(Modes([[-2, 0], [2, 0], [0, 16]]), [0, 1.0, 0.5], None)
    flow, ops = make("score-matching"), Plane(target, 0.05)
    v = flow.observe(ops, flow.begin(ops, START)).velocity
    share = 1 - target.q_star[1]
    np.testing.assert_allclose(v, [share * pair, 0.0], rtol=1e-7, atol=1e-12)


def test_score_matching_descends_the_fisher_divergence() -> None:
    """θ̇ = −∂_θ E_*|∇U_θ − ∇U_*|², by central differences on the same nodes."""
    modes = Modes([[0, 0], [4, 0], [2, 3]], [0.8, 1.0, 1.3])
    target = target_of(modes, [0, 1, 0.5], None)
    ops, flow = Plane(target, 0.05), make("score-matching")
    data, flat = ops.data(), ops.mixture

    def fisher(θ) -> float:
        away = flat.dU_dx(data.x, θ) - flat.dU_dx(data.x, target.θ_star)
        return float(np.sum(away**2, axis=0) @ data.weights)

    v = flow.observe(ops, flow.begin(ops, START)).velocity
    for k in range(2):
        δ = 1e-4 * (np.arange(2) == k)
        with np.errstate(under="ignore"):
            told = -(fisher(START + δ) - fisher(START - δ)) / 2e-4
        assert v[k] == pytest.approx(told, abs=1e-8)


@pytest.mark.parametrize("model", ["plain", "noised"])
def test_denoising_descends_the_lectures_loss(model: str) -> None:
    """θ̇ = −∂_θ E|s_θ(y) + ε/σ|², by central differences on finer nodes; and of two modes it is the
    two-mode grid's."""
    modes, σ = Modes([[0, 0], [4, 0], [2, 3]], [0.8, 1.0, 1.3]), 0.7
    target, flow = target_of(modes, [0, 1, 0.5], None), make("denoising", sigma=σ, model=model)
    ops = Plane(target, 0.05)
    v = flow.observe(ops, flow.begin(ops, START)).velocity
    noisy, seen = ops.mixture.noised(σ), ops.mixture.noised(σ if model == "noised" else 0.0)
    axis = np.arange(-12, 14, 0.05)
    y = np.stack([a.ravel() for a in np.meshgrid(axis, axis)])

    def loss(θ) -> float:
        with np.errstate(under="ignore"):
            away = noisy.dU_dx(y, target.θ_star) - seen.dU_dx(y, θ)
            return float(np.sum(away**2, axis=0) @ noisy.density(y, target.θ_star)) * 0.05**2

    for k in range(2):
        δ = 1e-4 * (np.arange(2) == k)
        told = -(loss(START + δ) - loss(START - δ)) / 2e-4
        assert v[k] == pytest.approx(told, abs=1e-8)
    pair = solve.velocity(flow, Grid(Target.exact(1.0, 4.0), 0.05), 0.3)
    two = Plane(target_of(Modes([-2.0, 2.0]), [0, 1.0], None), 0.05)
    v = flow.observe(two, flow.begin(two, np.array([0.3]))).velocity
    assert v[0] == pytest.approx(pair, abs=1e-9)


def test_too_many_nodes_for_a_sharp_model_are_refused() -> None:
    """ρ_θ itself over much noise: at once, and not after minutes."""
    target = target_of(Modes([[0, 0], [12, 0], [6, 11]]), [0, 1, 0.5], None)
    ops = Plane(target, 0.05)
    ops.noised(20.0)
    with pytest.raises(InputError, match="noised by 20, must be"):
        ops.noised(20.0, sharp=True)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "ml"])
def test_walkers_have_its_rates(name: str) -> None:
    """θ̇ after three steps of 16 runs of 3000 walkers (false-fail rate 1e−6; the θ of a run moves
    with its own walkers: a bias O(1/N), at most 1e−4)."""
    flow, steps = parse(name), 3
    told = follow(flow, Plane(THREE, 0.05), START, steps).velocity[-1]
    found = np.array([
        follow(flow, ModesWalkers(THREE, 0.05, 3000, s), START, steps).velocity[-1]
        for s in range(16)
    ])  # fmt: skip
    for k in range(2):
        stats.mean(f"θ̇_{k + 2}", found[:, k], told[k], bias=1e-4)


def test_walkers_of_pcd_follow_its_path() -> None:
    """θ(5), where walkers have crossed (false-fail rate 1e−6)."""
    flow = make("pcd")
    told = follow(flow, Plane(THREE, 0.1), np.zeros(2), 50).θ[-1]
    found = np.array([
        follow(flow, ModesWalkers(THREE, 0.1, 4000, s), np.zeros(2), 50).θ[-1] for s in range(16)
    ])  # fmt: skip
    for k in range(2):
        stats.mean(f"θ_{k + 2}(5)", found[:, k], told[k], bias=1e-3)
    constant = 5 * (1 / 3 - THREE.q_star)
    assert np.abs(told - constant).max() > 0.05  # here the lecture's drift would fail
