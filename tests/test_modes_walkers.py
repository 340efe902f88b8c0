"""Walkers among K modes: those of two modes where K = 2, D = 1, and the right law elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from toyflows import solve, stats
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.flows import make
from toyflows.kernels import modes as kernels
from toyflows.modes.family import Modes
from toyflows.modes.follow import SUITED, follow
from toyflows.modes.target import ModesTarget, target_of
from toyflows.modes.walkers import ModesWalkers, model_of
from toyflows.target import Target

THREE = target_of(Modes([[0, 0], [6, 0], [3, 5]]), [0, 1, 0.5], None)
SPACE = Modes([[0, 0, 0], [4, 0, 0], [0, 4, 0], [0, 0, 4]], [1.0, 1.2, 0.8, 1.0])
START = np.array([0.3, -0.4])


@pytest.mark.parametrize("name", [name for name in SUITED if name != "tempering"])
def test_two_modes_on_a_line_walk_where_the_lectures_walk(name: str) -> None:
    """Five steps of every method from the same random numbers (tempering draws its coins anew)."""
    flow, n = make(name), 3000
    old = Walkers(Target.exact(1.4, 6.0), 0.05, n, 3)
    new = ModesWalkers(target_of(Modes([-3.0, 3.0]), [0, 1.4], None), 0.05, n, 3)
    a, b = flow.begin(old, 0.2), flow.begin(new, np.array([0.2]))
    for _ in range(5):
        a, seen = flow.step(old, a, 0.05)
        b, also = flow.step(new, b, 0.05)
        assert also.velocity[0] == pytest.approx(seen.velocity, abs=1e-12)
    assert b.θ[0] == pytest.approx(a.θ, abs=1e-13)
    if flow.has_negatives:
        assert also.mode_b[0] == pytest.approx(seen.mode_b, abs=1e-12)


def test_kernels_are_their_numpy_twins() -> None:
    """A step without noise, responsibilities and counts, with own spreads, in 2500 points."""
    modes, θ, h = SPACE, np.array([0.6, -0.9, 0.3]), 0.1
    x = np.random.default_rng(1).normal(size=(3, 2500)) * 4
    ops = ModesWalkers(ModesTarget(modes, θ), h, 2500)
    y = x.copy()
    kernels.langevin(y, 0, 3, 0, 0, 0, h, 0.0, model_of(modes), θ)
    np.testing.assert_allclose(y, x - h * modes.dU_dx(x, θ), atol=1e-12)
    w = np.random.default_rng(2).random(2500)
    sums = np.zeros((3, 3))
    kernels.sum_responsibility(x, 0, 3, sums, w, model_of(modes), θ)
    np.testing.assert_allclose(sums.sum(axis=0), modes.responsibility(x, θ) @ w, rtol=1e-12)
    np.testing.assert_array_equal(ops.labels(x), modes.nearest(x))


def test_draws_have_the_mixtures_law() -> None:
    """False-fail rate 1e−6 each; a share wrong by 0.007, a mean or a variance by 0.03 is caught."""
    θ = np.array([0.6, -0.9, 0.3])
    ops = ModesWalkers(ModesTarget(SPACE, θ), 0.05, 200_000, seed=4)
    x, weights = ops.model(θ).x, SPACE.weights(θ)
    far = Modes(SPACE.positions * 13, SPACE.spreads)  # draws are μ + s ξ: labels without error
    y = ModesWalkers(ModesTarget(far, θ), 0.05, 200_000, seed=4).model(θ).x
    label = far.nearest(y)
    for k in range(4):
        mine = label == k
        stats.proportion("share", int(mine.sum()), y.shape[1], weights[k])
        ξ = (x[:, mine] - SPACE.positions[k][:, None]) / SPACE.spreads[k]
        for i in range(3):
            stats.mean("mean", ξ[i], 0.0)
            stats.mean("variance", ξ[i] ** 2, 1.0)
            stats.mean("covariance", ξ[i] * ξ[(i + 1) % 3], 0.0)


def test_the_noise_of_each_coordinate_is_its_own() -> None:
    """Unit normals (false-fail rate 1e−6; a distance of 0.009 is caught), uncorrelated."""
    ξ = np.empty((50, 100_000))
    kernels.normals(ξ, 5, 2, 7)
    from math import erf

    cdf = np.vectorize(lambda z: 0.5 * (1 + erf(z / 2**0.5)))
    for i in (0, 1, 49):
        with np.errstate(under="ignore"):
            stats.same_law("normal", ξ[i], cdf)
    for i, j in ((0, 1), (1, 2), (0, 49), (48, 49)):
        stats.mean("correlation", ξ[i] * ξ[j], 0.0)
    longer = np.empty((50, 101_000))
    kernels.normals(longer, 5, 2, 7)
    np.testing.assert_array_equal(longer[:, :100_000], ξ)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_fused_kernel_is_the_stepwise_run_bit_for_bit(threads: int) -> None:
    flow, n, steps = make("pcd"), 5000, 40
    ops = ModesWalkers(THREE, 0.05, n, 3, threads)
    fused = follow(flow, ops, START, steps)
    state, crossed = flow.begin(ops, START), 0.0
    for k in range(steps):
        before = state
        state, seen = flow.step(ops, before, 0.05)
        np.testing.assert_array_equal(fused.θ[k], before.θ)
        np.testing.assert_array_equal(fused.velocity[k], seen.velocity)
        np.testing.assert_array_equal(fused.shares[k], seen.mode_b)
        assert fused.crossings[k] == crossed
        crossed += ops.crossed(before.chains, state.chains)
    assert fused.state is not None
    np.testing.assert_array_equal(fused.state.chains.x, state.chains.x)
    np.testing.assert_array_equal(fused.state.θ, state.θ)
    assert crossed > 0


def test_maximum_likelihood_reaches_the_weights() -> None:
    """θ̇ has mean 0 at θ* only, and η/2λ of its variance: 6 deviations are 0.03."""
    path = follow(make("ml"), ModesWalkers(THREE, 0.1, 20_000), np.zeros(2), 1000)
    np.testing.assert_allclose(path.θ[-200:].mean(axis=0), THREE.θ_star, atol=0.03)


@pytest.mark.parametrize(("name", "bias"), [("pcd", 0.0), ("cd", 0.0), ("score-matching", 0.0)])
def test_two_modes_in_fifty_dimensions_give_the_two_mode_numbers(name: str, bias: float) -> None:
    """θ̇ of 24 independent runs has the exact law's mean (false-fail rate 1e−6)."""
    μ = np.zeros((2, 50))
    μ[:, 7] = -2, 2
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(50, 50)))[0]
    target = target_of(Modes(μ @ turn.T), [0, 1.4], None)
    flow, θ = make(name), 0.5
    told = solve.velocity(flow, Grid(Target.exact(1.4, 4.0), 0.05), θ)
    found = [
        flow.observe(ops, flow.begin(ops, np.array([θ]))).velocity[0]
        for ops in (ModesWalkers(target, 0.05, 2000, seed) for seed in range(24))
    ]
    stats.mean(name, found, told, bias=bias)


def test_pcd_in_fifty_dimensions_drifts_as_on_the_line() -> None:
    """θ(2) of 16 runs of 2000 walkers against the exact law of two modes; the runs' own θ moves
    their walkers, which leaves a bias O(1/N) far below the margin."""
    μ = np.zeros((2, 50))
    μ[:, 0] = -2, 2
    target = target_of(Modes(μ), [0, 1.4], None)
    told = solve.run(make("pcd"), Grid(Target.exact(1.4, 4.0), 0.05), 0.0, 40).θ[-1]
    ends = [
        follow(make("pcd"), ModesWalkers(target, 0.05, 2000, s), np.zeros(1), 40).θ[-1, 0]
        for s in range(16)
    ]
    stats.mean("θ(2)", ends, told)


def test_data_beyond_a_plane_has_an_unbiased_mean_without_noise_at_the_truth() -> None:
    modes = Modes(SPACE.positions)
    target = target_of(modes, [0, 0.5, -0.3, 0.2], None)
    assert target.data is None
    ops = ModesWalkers(target, 0.05, 3000)
    r = modes.responsibility
    np.testing.assert_allclose(ops.mean(None, r, target.θ_star), target.q_star, atol=1e-15)
    axis, θ = np.arange(-6.0, 10.2, 0.3), np.array([0.1, 0.4, -0.5])
    x = np.stack([a.ravel() for a in np.meshgrid(axis, axis, axis, indexing="ij")])
    told = r(x, θ) @ modes.density(x, target.θ_star) * 0.3**3
    found = np.array([ops.at(step).mean(ops.data(), r, θ) for step in range(30)])
    for k in range(3):
        stats.mean(f"E_data[r_{k + 2}]", found[:, k], told[k], bias=1e-5)


def test_mala_leaves_the_models_law_unchanged() -> None:
    """40 large steps: |x − μ_k|²/s_k² stays 3 on average, where ULA's would be 3/(1 − h/2s²), at
    least 3.6 (false-fail rate 1e−6 each; wrong by 0.3 is caught)."""
    far, θ, h = Modes(SPACE.positions * 13, SPACE.spreads), np.array([0.6, -0.9, 0.3]), 0.5
    ops = ModesWalkers(ModesTarget(far, θ), h, 10_000, 9)
    start = chains = ops.model(θ)
    for step in range(40):
        chains = ops.at(step).move(chains, θ, kernel="mala")
    assert np.mean(np.all(chains.x == start.x, axis=0)) < 0.01
    label = far.nearest(chains.x)
    for k in range(4):
        ξ = (chains.x[:, label == k] - far.positions[k][:, None]) / far.spreads[k]
        stats.mean("|ξ|²", np.sum(ξ**2, axis=0), 3.0)


def test_work_weights_follow_log_z() -> None:
    """log Σw/N of 12 runs whose θ moves far, against log Z_θ (false-fail rate 1e−6)."""
    θ = np.array([0.6, -0.9, 0.3])
    target = ModesTarget(SPACE, θ)
    runs = [
        follow(make("jarzynski"), ModesWalkers(target, 0.2, 1000, i), np.zeros(3), 60, 0.5)
        for i in range(12)
    ]
    log_Z = [run.seen["log_Z"][-1] - SPACE.log_Z(run.θ[-1]) for run in runs]
    stats.mean("log Z", log_Z, 0.0, bias=0.005)  # log of a mean: biased by its variance / 2


def test_exchange_moves_each_point_once_and_as_often_as_it_should() -> None:
    """The share exchanged is E min(1, e^{δ(U(x) − U(z))}) over independent pairs (false-fail rate
    1e−6; the other side's sampling error is in the bias)."""
    θ, n = np.array([0.6, -0.9, 0.3]), 20_000
    ops = ModesWalkers(ModesTarget(SPACE, θ), 0.05, n)
    x, z = ops.model(θ), ops.noise(3.0)
    cold, hot = ops.swap(x, z, θ, 1.0, 4.0)
    both = np.sort(np.concatenate([cold.x, hot.x], axis=1), axis=1)
    np.testing.assert_array_equal(both, np.sort(np.concatenate([x.x, z.x], axis=1), axis=1))
    far_pairs = np.roll(z.x, n // 3, axis=1)
    with np.errstate(under="ignore"):
        chance = np.exp(np.minimum(0.75 * (SPACE.energy(x.x, θ) - SPACE.energy(far_pairs, θ)), 0.0))
    swapped = np.any(cold.x != x.x, axis=0)
    stats.mean("share", swapped.astype(float), float(chance.mean()), bias=0.02)
    assert 0.05 < chance.mean() < 0.5
    same, _ = ops.swap(x, z, θ, 2.0, 2.0)  # equal temperatures: always
    assert not np.any(np.all(same.x == x.x, axis=0))
    again, _ = ops.at(1).swap(x, z, θ, 2.0, 2.0)
    assert not np.array_equal(again.x, same.x)  # other partners
