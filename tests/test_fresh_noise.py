"""Chains from fresh noise: short-run chains, and a replay buffer that is reborn from it.

Truth: dense matrices written out here, the continuous-time law of the ridge, the linear equation of
the buffer, and the limits in which both are another method.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from toyflows import solve, stats
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Cloud
from toyflows.errors import InputError
from toyflows.flows import Flow, make
from toyflows.settings import check_particles
from toyflows.target import Target


def rest(flow: Flow, target: Target, h: float, around: float | None = None) -> float:
    """Where θ̇ of fresh chains is 0 on the exact law."""
    grid, near = Grid(target, h), around or flow.fixed_point(target)
    assert near is not None
    return brentq(lambda θ: solve.velocity(flow, grid, θ), 0.8 * near, 1.2 * near, xtol=1e-7)


# ------------------------------------------------------------------ short-run chains
@pytest.mark.parametrize("kernel", ["ula", "mala"])
@pytest.mark.parametrize(("h", "k"), [(0.2, 5), (0.1, 10), (0.05, 1), (0.05, 20), (0.01, 100)])
def test_the_error_bound_holds(h: float, k: int, kernel: str) -> None:
    """|velocity − separated| ≤ separated_error over separations, spreads and θ up to 0.4 d²; and
    the bound is of the errors' own size: the largest is above a fifth of its bound."""
    closest = 0.0
    for d in (4.0, 6.0, 10.0, 20.0)[: 4 if kernel == "ula" else 3]:
        target = Target.exact(-math.log(4), d)
        for s in (0.25, 0.5, 1.0, 2.0, 4.0):
            flow = make("short-run", k=k, h=h, noise=s, kernel=kernel)
            for θ in (-0.4 * d * d, -3.0, 0.0, 2.5, 0.2 * d * d):
                wrong = abs(
                    solve.velocity(flow, Grid(target, 0.05), θ) - flow.separated(target, θ, θ)
                )
                bound = flow.separated_error(target, θ)
                assert wrong <= bound + 1e-14, (d, s, θ)
                closest = max(closest, wrong / bound)
    assert closest > 1 / 5


@pytest.mark.parametrize(
    ("d", "s", "θ", "h", "k", "needs"),
    [(12.0, 8.0, 12.0, 0.01, 100, 0.93), (6.0, 2.0, 2.0, 0.1, 300, 0.2)],
    ids=["curvature", "crossings"],
)
def test_no_part_of_the_error_bound_can_be_left_out(d, s, θ, h, k, needs) -> None:
    """Where the curvature of the ridge counts, and where chains cross, the bound is needed."""
    target, flow = Target.exact(-math.log(4), d), make("short-run", k=k, h=h, noise=s)
    wrong = abs(solve.velocity(flow, Grid(target, 0.05), θ) - flow.separated(target, θ, θ))
    assert needs < wrong / flow.separated_error(target, θ) < 1


@pytest.mark.parametrize("s", [0.5, 4.0])
def test_the_ridge_moves_the_fixed_point_by_its_width_squared(s: float) -> None:
    """In continuous time θ rests short of d s Φ⁻¹(1−q*) by the share (π/d)²(1 − 1/(2s²)): at d = 20
    and 28, extrapolated in h and in 1/d², to 1 %. So the formula is of order 2 in 1/d; as s grows
    its error does not vanish, but tends to (π/d)²: the point climbs the ridge's flank with s."""
    shares = []
    for d in (20.0, 28.0):
        target, by_h = Target.from_q(0.3, d), []
        for c in (0.8, 0.4):  # h = c/d²: the ridge turns chains away within a time of 4/d²
            flow = make("short-run", k=round(120 / c), noise=s)
            by_h.append(1 - rest(flow, target, c / d**2) / flow.separated_rest(target))
        shares.append((2 * by_h[1] - by_h[0]) * d**2 / math.pi**2 / (1 - 1 / (2 * s**2)))
    assert np.abs(np.array(shares) - 1) == pytest.approx(0, abs=0.1)
    assert (28**2 * shares[1] - 20**2 * shares[0]) / (28**2 - 20**2) == pytest.approx(1, abs=0.01)


@settings(deadline=None, max_examples=40)
@given(d=st.floats(8, 28), log_s=st.floats(-2, 2), θ_star=st.floats(-4, 4),
       log_h=st.floats(-2, -0.7), kind=st.sampled_from(["short-run", "replay-buffer"]))  # fmt: skip
def test_the_stated_rest_is_the_exact_laws(d, log_s, θ_star, log_h, kind) -> None:
    """θ̇ changes sign within (π/d)²(1 + 1/(2s²))/4 of the stated rest, for chains of time 1.5 among
    which less than one in a thousand crosses, up to 0.4 of the basin's end. (A buffer rests there
    too: its chains are these, used again.) The plain d s Φ⁻¹(1 − q*) is up to 14 % off."""
    target, s, h = Target.exact(θ_star, d), 2.0**log_s, 10.0**log_h
    there = make(kind, noise=s, h=h).fixed_point(target)
    assume(there is not None and 0.01 < abs(there) < 0.4 * target.mixture.bistable_up_to)
    assume(target.mixture.mixing_time(there) > 1500)
    flow, grid = make("short-run", noise=s, h=h, k=math.ceil(1.5 / h)), Grid(target, 0.05)
    share = 0.25 * (math.pi / d) ** 2 * (1 + 0.5 / s**2)
    low, high = (solve.velocity(flow, grid, there * (1 + e)) for e in (-share, share))
    assert low * math.copysign(1, there) > 0 > high * math.copysign(1, there)


def test_past_the_mixing_time_it_is_maximum_likelihood() -> None:
    """At d = 4, where the mixing time is 8, chains of time 100 rest within O(h) of θ*: halving h
    halves what is left (up to O(h²)), and the noise's spread does not matter."""
    target, left = Target.exact(1.4, 4.0), []
    assert target.mixture.mixing_time(1.4) < 10
    for h in (0.1, 0.05, 0.025):
        flow = make("short-run", k=round(100 / h))
        left.append(rest(flow, target, h, around=1.4) - 1.4)
    assert 0 < left[2] < 0.005
    assert left[0] / left[1] == pytest.approx(2, rel=0.15)
    assert left[1] / left[2] == pytest.approx(2, rel=0.08)
    wide = make("short-run", k=2000, noise=3.0)
    assert solve.velocity(wide, Grid(target, 0.05), 1.4 + left[1]) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("θ_star", [-700.0, -40.0, -1.4, 0.0, 1e-9, 1.4, 40.0, 700.0])
def test_fixed_points_are_mirrored_and_stop_where_a_basin_ends(θ_star: float) -> None:
    """d s Φ⁻¹(1−q*) for any θ*, without cancellation, and less by 1 % to 2 % at rest; None where
    U_θ has one basin only."""
    there = make("short-run").fixed_point(Target.exact(θ_star, 20.0))
    mirrored = make("short-run").fixed_point(Target.exact(-θ_star, 20.0))
    if abs(θ_star) == 700:
        assert there is mirrored is None
        return
    assert there == -mirrored
    plain = make("short-run").separated_rest(Target.exact(θ_star, 20.0))
    wanted = 20 * NormalDist().inv_cdf(1 / (1 + math.exp(-θ_star))) if θ_star < 30 else plain
    assert plain == pytest.approx(wanted, rel=1e-9, abs=1e-13)
    assert there == pytest.approx(0.985 * plain, rel=0.005, abs=1e-13)
    assert make("short-run", noise=30.0).fixed_point(Target.exact(1.4, 20.0)) is None


# ------------------------------------------------------------------ the buffer's exact law
@pytest.mark.parametrize(("B", "p", "k"), [(1, 0.0, 1), (1, 0.3, 2), (4, 0.1, 1), (3, 1.0, 2)])
def test_the_buffers_law_is_the_matrix_recursion(B: int, p: float, k: int) -> None:
    """ν = ((1−p)μ + p·noise)P^k, μ ← μ + (ν−μ)/B with θ moving, by dense matrices: weights and θ to
    1e−13; B = 1, p = 0 is PCD from noise whose chains move before they are used."""
    target, θ, η = Target.exact(1.1, 5.0), 0.4, 0.5
    grid = Grid(target, 0.1)
    flow = make("replay-buffer", buffer=B, fresh=p, k=k, noise=0.8)
    state = flow.begin(grid, θ)
    noise = np.exp(-0.5 * (grid.x / 0.8) ** 2)
    noise /= noise.sum()
    μ, r = noise, grid.mixture.responsibility
    for _ in range(40):
        P = grid.transition(θ)
        with np.errstate(under="ignore"):
            ν = (1 - p) * μ + p * noise
            for _ in range(k):
                ν = ν @ P
            θ += η * (ν @ r(grid.x, θ) - target.data.weights @ r(target.data.x, θ))
            μ = μ + (ν - μ) / B
        state, _ = flow.step(grid, state, η)
        assert abs(state.θ - θ) < 1e-13
        assert on_nodes(state.chains, grid) == pytest.approx(μ, abs=1e-13)
    assert state.chains.size == grid.x.size  # blending does not make it longer


def on_nodes(cloud: Cloud, grid: Grid) -> np.ndarray:
    at = np.rint((cloud.x - grid.x[0]) / grid.dx).astype(int)
    return np.bincount(at, cloud.weights, grid.x.size)


def test_noise_finer_than_the_nodes_keeps_the_buffer_bounded() -> None:
    """Spread 0.01 has nodes of its own: they are kept once, not once a step."""
    grid = Grid(Target.exact(1.4, 4.0), 0.1)
    flow = make("replay-buffer", noise=0.01, k=1)
    state, sizes = flow.begin(grid, 0.0), []
    for _ in range(30):
        state, _ = flow.step(grid, state, 0.1)
        sizes.append(state.chains.size)
    assert sizes[-1] <= grid.x.size + grid.noise(0.01).size
    assert sizes[-1] == sizes[0]


@pytest.mark.parametrize("kind", [Grid, Walkers])
def test_a_buffer_of_one_batch_always_reborn_is_short_run(kind) -> None:
    """The same θ: to 1e−14 on the grid, bit for bit on walkers."""
    target = Target.exact(1.4, 6.0)
    backend = Grid(target, 0.05) if kind is Grid else Walkers(target, 0.05, 2_000, seed=5)
    short = solve.run(make("short-run", k=3), backend, 0.2, 40, rate=5.0)
    buffer = solve.run(make("replay-buffer", k=3, buffer=1, fresh=1.0), backend, 0.2, 40, rate=5.0)
    if kind is Grid:
        assert buffer.θ == pytest.approx(short.θ, abs=1e-14)
    else:
        assert np.array_equal(buffer.θ, short.θ)


@pytest.mark.parametrize("p", [0.05, 0.4])
def test_at_rest_the_buffer_is_where_short_run_chains_are(p: float) -> None:
    """Root of the exact stationary law μ = ((1−p)μ + p·noise)P^k, solved as a linear system at
    d = 14: the formula within its error, for either p, and no nearer to θ*."""
    target, k = Target.from_q(0.25, 14.0), 4
    grid, flow = Grid(target, 0.05), make("replay-buffer", fresh=p, k=k)
    noise = np.exp(-0.5 * grid.x**2)
    noise /= noise.sum()

    def velocity(θ: float) -> float:
        with np.errstate(under="ignore"):
            Pk = np.linalg.matrix_power(grid.transition(θ), k)
            μ = np.linalg.solve(np.eye(grid.x.size) - (1 - p) * Pk.T, p * (noise @ Pk))
            r = grid.mixture.responsibility
            return float(μ @ r(grid.x, θ)) - grid.mean(grid.data(), r, θ)

    formula = flow.fixed_point(target)
    found = brentq(velocity, 0.8 * formula, 1.2 * formula, xtol=1e-9)
    κ = NormalDist().pdf(NormalDist().inv_cdf(0.25)) / 14
    assert abs(found - formula) * κ < flow.separated_error(target, formula)
    assert abs(found - rest(make("short-run", k=60), target, 0.05)) < 0.02
    assert abs(found - target.θ_star) > 8
    run = solve.run(make("replay-buffer", fresh=p, k=k, buffer=2), grid, found, 600)
    assert abs(run.θ[-1] - found) < 1e-3


@pytest.mark.parametrize(
    ("B", "p", "rate", "steps"), [(20, 0.05, 4.0, 800), (1, 0.05, 10.0, 300), (2, 0.5, 100.0, 80)]
)
def test_near_rest_the_buffer_is_the_stated_oscillator(B, p, rate, steps) -> None:
    """The distance of two runs, from δ and 0 off the rest point, follows its linear equation to 3 %
    of δ, at d = 20 where κ is known to 2 %: a spiral for B = 20, else a node. Without the term pκ
    it is missed by 5 % in the first case and the last."""
    target, dt, δ = Target.from_q(0.2, 20.0), 0.05, 0.5
    κ, λ = NormalDist().pdf(NormalDist().inv_cdf(0.2)) / 20, p / (B * dt * rate)
    flow, grid = make("replay-buffer", buffer=B, fresh=p, k=2), Grid(target, dt)
    θ_f = rest(make("short-run", k=40), target, dt)
    there, off = (solve.run(flow, grid, θ_f + x, steps, rate).θ for x in (0.0, δ))
    t = rate * dt * np.arange(steps + 1)

    def told(damping: float) -> np.ndarray:
        A = np.array([[0, 1], [-λ * κ, -damping]], complex)
        values, vectors = np.linalg.eig(A)
        modes = vectors[0] * np.linalg.solve(vectors, [1, -κ])
        with np.errstate(under="ignore"):
            return (np.exp(values * t[:, None]) @ modes).real

    seen = (off - there) / δ
    assert np.abs(seen - told(λ + p * κ)).max() < 0.03
    spiral = (λ + p * κ) ** 2 < 4 * λ * κ
    assert spiral == (B == 20) == (seen.min() < -0.1)
    if B > 1:
        assert np.abs(seen - told(λ)).max() > 0.05


# ------------------------------------------------------------------ walkers
def test_pick_takes_one_of_each_group_and_put_returns_it() -> None:
    """Places are uniform in each group (binomial, false-fail 1e−6 each, detects 0.7 %), new at each
    step, and `put` at the same step fills just these."""
    n, B = 200_000, 5
    ops = Walkers(Target.exact(1.4), 0.05, n, seed=8)
    buffer = Cloud(np.arange(n * B, dtype=np.float64))
    picked = ops.pick(buffer, B)
    groups, place = np.divmod(picked.x.astype(int), B)
    assert np.array_equal(groups, np.arange(n))
    for j in range(B):
        checked = stats.proportion(f"place {j}", int(np.sum(place == j)), n, 1 / B)
        assert checked.detects < 0.007
    other = ops.at(1).pick(buffer, B).x.astype(int) % B
    stats.proportion("same place a step later", int(np.sum(other == place)), n, 1 / B)
    after = ops.put(buffer, Cloud(-1.0 - picked.x), B).x
    changed = after != buffer.x
    assert np.array_equal(np.flatnonzero(changed), picked.x.astype(int))
    assert np.array_equal(after[changed], -1.0 - picked.x)
    assert np.array_equal(buffer.x, np.arange(n * B)), "the buffer was changed in place"


@pytest.mark.parametrize("p", [0.0, 0.05, 0.5, 1.0])
def test_blend_replaces_each_particle_with_its_probability(p: float) -> None:
    """Binomial, false-fail rate 1e−6; particles keep their places and are independent."""
    n = 200_000
    ops = Walkers(Target.exact(1.4), 0.05, n, seed=3)
    first, second = Cloud(np.arange(n, dtype=np.float64)), Cloud(-1.0 - np.arange(n))
    x = ops.blend(first, second, p).x
    fresh = x < 0
    assert np.array_equal(np.where(fresh, -1 - x, x), first.x)
    if p in (0.0, 1.0):
        assert fresh.all() == (p == 1.0)
        assert fresh.any() == (p == 1.0)
        return
    stats.proportion("fresh", int(fresh.sum()), n, p)
    pairs = fresh[: n // 2 * 2].reshape(-1, 2)
    stats.proportion("both of a pair", int(pairs.all(axis=1).sum()), n // 2, p * p)
    again = ops.blend(first, second, p, substep=1).x < 0
    stats.proportion("fresh twice", int((fresh & again).sum()), n, p * p)


def test_noise_is_normal_and_the_buffers_is_not_the_fresh_one() -> None:
    """N(m, s²) by its mean, variance and share beyond s (false-fail 1e−6 each); the buffer at t = 0
    and the noise of the first step are uncorrelated."""
    n, s = 100_000, 2.5
    ops = Walkers(Target.exact(1.4), 0.05, n, seed=1)
    x = ops.noise(s).x
    stats.mean("mean", x, 0.0)
    stats.mean("variance", x**2, s * s)
    stats.proportion("beyond s", int(np.sum(x > s)), n, NormalDist().cdf(-1))
    flow = make("replay-buffer", noise=s, buffer=3)
    buffer = flow.init(ops, 0.0).x
    assert buffer.size == 3 * n
    stats.mean("correlation", buffer[:n] * x, 0.0)
    stats.mean("buffer's variance", buffer**2, s * s)


def test_walkers_follow_the_exact_law_through_the_buffer() -> None:
    """Over 25 steps of a buffer of 5 batches, at d = 5 where walkers cross: mean velocity and share
    of b over 20 replicas are the grid's (Student, 1e−6 each; detects 0.02)."""
    target, flow = Target.exact(0.9, 5.0), make("replay-buffer", buffer=5, fresh=0.2, k=2)
    exact = solve.run(flow, Grid(target, 0.1), 0.3, 25, rate=4.0)
    runs = [
        solve.run(flow, Walkers(target, 0.1, 4_000, seed=s), 0.3, 25, rate=4.0) for s in range(20)
    ]
    for k in (5, 15, 25):
        v = stats.mean("velocity", [r.velocity[k] for r in runs], exact.velocity[k], bias=1e-5)
        stats.mean("share", [r.mode_b[k] for r in runs], exact.mode_b[k], bias=1e-5)
        stats.mean("θ", [r.θ[k] for r in runs], exact.θ[k], bias=1e-4)
        assert v.detects < 0.02


# ------------------------------------------------------------------ refusals
def test_memory_counts_the_whole_buffer(monkeypatch) -> None:
    """10⁷ walkers need 160 MB as short-run chains, 16 GB in a buffer of 100 batches."""
    monkeypatch.setattr("toyflows.files.free_memory", lambda: 1 << 30)
    check_particles(make("short-run"), 10_000_000)
    with pytest.raises(InputError, match=r"needs 15\.0 GiB"):
        check_particles(make("replay-buffer", buffer=100), 10_000_000)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("short-run", {"k": 0}),
        ("short-run", {"noise": 0.0}),
        ("short-run", {"noise": 2e3}),
        ("short-run", {"h": 2.0}),
        ("short-run", {"kernel": "hmc"}),
        ("replay-buffer", {"buffer": 0}),
        ("replay-buffer", {"fresh": -0.1}),
        ("replay-buffer", {"fresh": 1.5}),
        ("replay-buffer", {"noise": -1.0}),
    ],
)
def test_options_out_of_range_are_refused(name: str, options: dict) -> None:
    with pytest.raises(InputError, match=r"must be|unknown"):
        make(name, **options)


def test_a_buffer_without_fresh_noise_has_no_fixed_point() -> None:
    target = Target.exact(1.4)
    never = make("replay-buffer", fresh=0.0)
    assert never.fixed_point(target) is None
    assert math.isinf(never.chain_time(0.05))
    assert make("replay-buffer").chain_time(0.05) == pytest.approx(20 * 0.05 / 0.05)
    assert make("replay-buffer").separated(target, 0.0, 0.0) is None
