"""Parallel tempering: the exchange leaves the product law invariant, the exact law is the mean of
the walkers', and θ reaches θ* where PCD does not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyflows import solve, stats
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Cloud
from toyflows.errors import InputError
from toyflows.flows import make
from toyflows.kernels import swap
from toyflows.target import Target


def at_rest(grid: Grid, θ: float, T: float) -> Cloud:
    """e^{−U_θ/T} on the nodes of that temperature."""
    x = grid._nodes(T)
    return Cloud(x, -grid.mixture.energy(x, θ) / T)


def on(cloud: Cloud, x: np.ndarray, dx: float) -> np.ndarray:
    """The cloud's weights at the nodes x, 0 where it has none."""
    k = np.rint((cloud.x - x[0]) / dx).astype(int)
    return np.bincount(k, cloud.weights, x.size)


# ------------------------------------------------------------------ the exchange on the grid
@pytest.mark.parametrize("d", [3.0, 10.0, 20.0])
@pytest.mark.parametrize(("T_cold", "T_hot"), [(1.0, 1.1), (1.0, 5.0), (1.0, 100.0), (20.0, 50.0)])
@pytest.mark.parametrize("θ", [-3.0, 0.4])
def test_the_exchange_leaves_the_product_law(d, T_cold, T_hot, θ) -> None:
    """Each level at its own law stays there to 1e−13; with the wrong temperatures it does not."""
    grid = Grid(Target.exact(1.0, d), 0.05)
    cold, hot = at_rest(grid, θ, T_cold), at_rest(grid, θ, T_hot)
    for before, after in zip((cold, hot), grid.swap(cold, hot, θ, T_cold, T_hot), strict=True):
        assert np.max(np.abs(after.weights - before.weights)) < 1e-13
        heavy = before.weights > 1e-30
        assert after.weights[heavy] == pytest.approx(before.weights[heavy], rel=1e-12)
    for temperatures in ((1.2 * T_cold, T_hot), (T_hot, T_cold)):
        wrong, _ = grid.swap(cold, hot, θ, *temperatures)
        assert np.abs(wrong.weights - cold.weights).sum() > 1e-3


@pytest.mark.parametrize("θ", [-40.0, 0.0, 7.0])
def test_the_sorted_exchange_is_the_matrix_of_all_pairs(θ: float) -> None:
    """Two laws far from rest, on nodes of different reach, against the n × n sum to 1e−13; the
    partners that `cold` has no node for are refused."""
    grid, dice = Grid(Target.exact(1.0, 6.0), 0.1), np.random.default_rng(3)
    cold, hot = (Cloud(grid._nodes(T), 5 * dice.normal(size=grid._nodes(T).size)) for T in (1, 30))
    δ = 1 / 1.3 - 1 / 9
    rise = grid.mixture.energy(hot.x, θ)[None, :] - grid.mixture.energy(cold.x, θ)[:, None]
    with np.errstate(under="ignore"):
        a = np.exp(np.minimum(-δ * rise, 0.0))
    a[:, (hot.x < cold.x[0] - 1e-9) | (hot.x > cold.x[-1] + 1e-9)] = 0.0
    w, v = cold.weights, hot.weights
    moved = w[:, None] * a * v[None, :]  # (from node of cold, from node of hot)
    into_cold, into_hot = moved.sum(axis=0), on(Cloud(cold.x, None), hot.x, grid.dx)
    into_hot[into_hot > 0] = moved.sum(axis=1)
    new_cold, new_hot = grid.swap(cold, hot, θ, 1.3, 9.0)
    assert new_hot.weights == pytest.approx(v + into_hot - into_cold, abs=1e-13)
    kept = w - moved.sum(axis=1) + into_cold[on(Cloud(cold.x, None), hot.x, grid.dx) > 0]
    assert new_cold.weights == pytest.approx(kept, abs=1e-13)
    both = on(new_cold, hot.x, grid.dx) + new_hot.weights
    assert both == pytest.approx(on(cold, hot.x, grid.dx) + v, abs=1e-14)  # nothing is lost


# ------------------------------------------------------------------ the exchange of walkers
def test_energies_of_the_kernel_are_the_mixtures() -> None:
    """U(z) − U(x) to 3e−7 in the wells, on the ridge and far out."""
    dice = np.random.default_rng(1)
    for d, θ in ((3.0, 0.3), (20.0, -5.0), (20.0, 150.0)):
        mix = Target.exact(1.0, d).mixture
        x, z = mix.ridge(θ) + dice.normal(size=(2, 1024)) * np.repeat([0.1, 9.0, 40.0, d], 256)
        rise, ratio = np.empty(1024), np.empty(1024, np.float32)
        swap.ascent(x, z, rise, ratio, mix.a, mix.d, mix.m, θ)
        wanted = mix.energy(z, θ) - mix.energy(x, θ)
        assert rise + np.log(ratio) == pytest.approx(wanted, abs=3e-7, rel=1e-12)


@pytest.mark.parametrize(
    ("x", "z", "hot"),
    [(-10.0, -7.5, 8.0), (9.0, 12.0, 8.0), (-10.0, 11.0, 8.0), (-10.0, 0.04, 1.6)],
)
def test_a_pair_is_exchanged_as_often_as_it_should_be(x: float, z: float, hot: float) -> None:
    """A million equal pairs, the last with its z on the ridge: the share exchanged is e^{−δΔU}
    (binomial, false-fail rate 1e−6), and a pair that comes down always is."""
    n, θ, T = 1_000_000, 0.8, (1.5, hot)
    walkers = Walkers(Target.exact(1.4), 0.05, n, seed=5)
    mix = walkers.mixture
    low, high = Cloud(np.full(n, x)), Cloud(np.full(n, z))
    rise = float(np.diff(mix.energy(np.array([x, z]), θ))[0])
    went, came = walkers.swap(low, high, θ, *T)
    assert np.array_equal(went.x == z, came.x == x)
    wanted = math.exp(-(1 / T[0] - 1 / T[1]) * rise)
    checked = stats.proportion("share", int(np.sum(went.x == z)), n, wanted)
    assert checked.detects < 0.03 * wanted
    assert np.all(walkers.swap(high, low, θ, *T)[0].x == x)
    assert np.all(low.x == x), "a cloud was changed in place"


def exchanged(backend, cold: Cloud, hot: Cloud, temperatures: tuple[float, float]) -> list[float]:
    """Means of both clouds after three exchanges with no move between them."""
    for step in range(3):
        cold, hot = backend.at(step).swap(cold, hot, 0.8, *temperatures)
    mix = backend.mixture
    return [
        float(backend.mean(cloud, f, *θ))
        for cloud in (cold, hot)
        for f, θ in ((mix.in_b, ()), (mix.responsibility, (0.8,)), (mix.energy, (0.8,)))
    ]


def test_walkers_exchange_as_their_law_does() -> None:
    """From laws that are not at rest, three exchanges in a row: six means over 24 replicas against
    the grid (false-fail rate 1e−6 each). The second and third exchange see the partners of the
    first: were they not drawn anew, the means would be off. With δ of the wrong sign they are."""
    target, T = Target.exact(1.4, 8.0), (1.0, 6.0)
    grid = Grid(target, 0.05)
    wanted = exchanged(grid, grid.model(2.0), grid.noise(6.0), T)
    runs = []
    for seed in range(24):
        walkers = Walkers(target, 0.05, 20_000, seed=seed)
        runs.append(exchanged(walkers, walkers.model(2.0), walkers.noise(6.0), T))
    for k, samples in enumerate(np.transpose(runs)):
        stats.mean(f"mean {k}", samples, wanted[k], bias=1e-5)
    flipped = exchanged(grid, grid.model(2.0), grid.noise(6.0), T[::-1])
    with pytest.raises(stats.ClaimError):
        stats.mean("flipped", [r[2] for r in runs], flipped[2], bias=1e-5)


def test_the_share_of_exchanges_is_the_exact_laws() -> None:
    """Pairs of fresh particles are independent: the number accepted is binomial with the exact
    law's probability (false-fail rate 1e−6)."""
    target, n = Target.exact(1.4, 8.0), 400_000
    walkers, grid = Walkers(target, 0.05, n, seed=8), Grid(target, 0.05)
    cold = walkers.model(0.5)
    after, _ = walkers.swap(cold, walkers.noise(6.0), 0.5, 1.0, 6.0)
    law, other = grid.model(0.5), grid.noise(6.0)
    a = np.searchsorted(other.x, law.x - 1e-9)
    order = np.argsort(grid.mixture.energy(law.x, 0.5))
    A, B = swap.acceptance(order, grid.mixture.energy(law.x, 0.5), law.weights, other.weights[a],
                           1 - 1 / 6)  # fmt: skip
    assert law.weights @ A == pytest.approx(other.weights[a] @ B, rel=1e-13)
    stats.proportion("accepted", int(np.sum(after.x != cold.x)), n, float(law.weights @ A))


def test_the_exchange_is_the_same_for_any_number_of_threads() -> None:
    target = Target.exact(1.4, 8.0)
    pairs = []
    for threads in (1, 2, 3):
        walkers = Walkers(target, 0.05, 5_000, 4, threads)
        pairs.append(walkers.swap(walkers.model(0.5), walkers.noise(6.0), 0.5, 1.0, 6.0, substep=2))
    for pair in pairs[1:]:
        assert all(np.array_equal(p.x, q.x) for p, q in zip(pair, pairs[0], strict=True))


# ------------------------------------------------------------------ the method
def test_one_replica_is_pcd() -> None:
    """Bit for bit on walkers; on the grid, where PCD has a kernel of its own, to round-off."""
    target = Target.exact(1.4, 7.0)
    for backend in (Walkers(target, 0.05, 3_000, seed=2), Grid(target, 0.05)):
        one, pcd = (
            solve.run(flow, backend, 0.2, 40)
            for flow in (make("tempering", replicas=1), make("pcd"))
        )
        bound = 1e-13 if backend.name == "grid" else 0.0
        assert np.max(np.abs(one.θ - pcd.θ)) <= bound
        assert np.max(np.abs(one.mode_b - pcd.mode_b)) <= bound
        assert np.array_equal(one.crossings, pcd.crossings, equal_nan=True)


@pytest.mark.parametrize("replicas", [2, 3, 5])
def test_a_step_with_mala_leaves_every_level_at_its_law(replicas: int) -> None:
    """Moves and exchanges: all laws stay to 1e−13; with ULA they leave by O(h)."""
    grid, θ = Grid(Target.exact(1.0, 5.0), 0.05), 0.7
    flow = make("tempering", replicas=replicas, hottest=6.0, kernel="mala")
    levels = tuple(at_rest(grid, θ, T) for T in flow.temperatures)
    after = flow.advance(grid, θ, θ, levels)
    biased = make("tempering", replicas=replicas, hottest=6.0).advance(grid, θ, θ, levels)
    for before, stayed, left in zip(levels, after, biased, strict=True):
        x = stayed.x
        assert on(stayed, x, grid.dx) == pytest.approx(on(before, x, grid.dx), abs=1e-13)
        assert np.abs(on(left, x, grid.dx) - on(before, x, grid.dx)).sum() > 1e-4


def test_tempering_reaches_theta_star_where_pcd_does_not() -> None:
    """d = 20: the exact law comes to θ* up to ULA's bias, walkers to the exact law (8 replicas,
    false-fail rate 1e−6), while PCD goes past it with no crossing at all."""
    target, steps = Target.exact(1.4), 500
    flow = make("tempering", replicas=2)
    exact = solve.run(flow, Grid(target, 0.1), 0.0, steps)
    assert abs(exact.θ[-1] - 1.4) < 0.02
    runs = [solve.run(flow, Walkers(target, 0.1, 5_000, s), 0.0, steps) for s in range(8)]
    stats.mean("θ at the end", [run.θ[-1] for run in runs], exact.θ[-1], bias=1e-3)
    assert runs[0].crossings[-1] > 5_000
    pcd = solve.run(make("pcd"), Walkers(target, 0.1, 5_000), 0.0, steps)
    assert pcd.θ[-1] > 10
    assert pcd.crossings[-1] == 0


def test_ulas_bias_is_of_the_order_of_the_step_and_mala_has_none() -> None:
    """d = 8, where it takes 1 s: the distance from θ* halves or better with h."""
    target = Target.exact(1.4, 8.0)
    rest = [
        solve.run(make("tempering", replicas=2, hottest=10.0, kernel=kernel), Grid(target, h),
                  1.4, round(80 / h), rate=2.0).θ[-1] - 1.4
        for kernel, h in (("ula", 0.1), ("ula", 0.05), ("mala", 0.1))
    ]  # fmt: skip
    assert 0 < rest[1] < 0.6 * rest[0] < 0.03
    assert abs(rest[2]) < 1e-6


def test_options() -> None:
    flow = make("tempering", replicas=3, hottest="16")
    assert flow.temperatures == pytest.approx([1, 4, 16], rel=1e-15)
    assert flow.copies == 3
    for options in ({"replicas": 0}, {"replicas": 101}, {"hottest": 1.0}, {"hottest": 2e4}):
        with pytest.raises(InputError, match="must be 1"):
            make("tempering", **options)
    with pytest.raises(InputError, match="did you mean mala"):
        make("tempering", kernel="malla")
