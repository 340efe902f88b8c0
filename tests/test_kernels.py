"""Each kernel against its NumPy twin, its random numbers against their law, its bits against
themselves."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sweep_noise import sweep_noise

from toyflows import stats
from toyflows.backends.grid import Grid, _gauss
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Cloud
from toyflows.kernels import polynomials, random, sample, team
from toyflows.kernels.banded import apply_banded
from toyflows.kernels.chains import persistent
from toyflows.kernels.jit import f32, kernel
from toyflows.kernels.langevin import langevin, sorted_responsibility, tree_sum
from toyflows.kernels.metropolis import metropolis
from toyflows.mixture import Mixture
from toyflows.target import Target

MIX = Mixture()
N = 5_000  # not a multiple of the block


@kernel
def _apply(which, x, out):
    for i in range(x.size):
        if which == 0:
            out[i] = polynomials.log_f32(f32(x[i]))
        elif which == 1:
            out[i] = polynomials.sin_quarter_f32(f32(x[i]))
        elif which == 2:
            out[i] = polynomials.cos_quarter_f32(f32(x[i]))
        elif which == 3:
            out[i] = polynomials.exp2_f32(f32(x[i]))
        elif which == 4:
            out[i] = polynomials.exp2_f64(x[i])
        elif which == 5:
            out[i] = polynomials.sigmoid2(x[i])
        elif which == 7:
            out[i] = polynomials.log2_f64(x[i])
        else:
            out[i] = polynomials.sigmoid2(f32(x[i]))


@pytest.mark.parametrize(
    ("which", "low", "high", "truth", "error"),
    [
        (0, 1e-9, 1.0, lambda x: np.log(x), 8e-6),
        (1, -1.0, 1.0, lambda x: np.sin(np.pi * x / 2), 3e-7),
        (2, -1.0, 1.0, lambda x: np.cos(np.pi * x / 2), 3e-7),
        (3, -30.0, 5.0, lambda x: np.exp2(x), 1e-5),
        (4, -30.0, 1.0, lambda x: np.exp2(x), 1e-14),
        (5, -60.0, 60.0, lambda x: 1 / (1 + np.exp2(x)), 4e-15),
        (6, -60.0, 60.0, lambda x: 1 / (1 + np.exp2(x)), 4e-7),
        (7, 1e-3, 4.0, np.log2, 2e-15),
    ],
)
def test_polynomials(which, low, high, truth, error) -> None:
    x = np.linspace(low, high, 100_001)
    if which in (0, 1, 2, 3, 6):
        x = x.astype(np.float32).astype(float)
    out = np.empty_like(x)
    _apply(which, x, out)
    assert np.max(np.abs(out - truth(x))) < error


def test_small_values_keep_their_relative_accuracy() -> None:
    """2^t and σ far down: relative error, where an absolute one would say nothing."""
    x = np.linspace(20.0, 110.0, 1001)
    out = np.empty_like(x)
    _apply(4, -x, out)
    assert np.max(np.abs(out / np.exp2(-x) - 1)) < 5e-15
    _apply(5, x, out)
    assert np.max(np.abs(out * (1 + np.exp2(x)) - 1)) < 5e-15
    for power in (-119.7, -3.0, 1e-9, 0.3, 119.7):
        _apply(7, np.exp2(power) * np.linspace(1, 2, x.size), out)
        wanted = power + np.log2(np.linspace(1, 2, x.size))
        assert np.max(np.abs(out - wanted)) < 4e-16 * max(abs(power), 1.0)


def normals(n: int, seed: int = 1, step: int = 0, stream: int = 7) -> np.ndarray:
    out = np.empty(n)
    random.normals(out, seed, step, stream)
    return out


def test_normals_have_the_normal_law() -> None:
    """Kolmogorov–Smirnov over 2·10⁶ draws at a false-fail rate of 1e−6: detects a distance of
    0.0019 from the normal distribution function with probability 0.99; then moments 1 to 4."""
    z = normals(2_000_000)
    assert scipy_stats.kstest(z, "norm").pvalue > 1e-6
    for power, wanted in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)):
        stats.mean(f"moment {power}", z**power, wanted)
    assert np.max(np.abs(z)) < 6.77


@pytest.mark.parametrize(
    "other",
    [{"step": 1}, {"seed": 2}, {"stream": 8}, {"seed": 2**62}, {"step": 10**12}],
    ids=str,
)
def test_streams_are_independent(other) -> None:
    """Products of values and of squares between streams have mean 0 (false-fail rate 1e−6)."""
    x, y = normals(400_000), normals(400_000, **other)
    stats.mean("correlation", x * y, 0.0)
    stats.mean("correlation of squares", (x**2 - 1) * (y**2 - 1), 0.0)


@pytest.mark.parametrize("lag", [1, 2, 512, 1024])
def test_walkers_are_independent(lag: int) -> None:
    x = normals(400_000)
    stats.mean("correlation", x[lag:] * x[:-lag], 0.0)
    stats.mean("of squares", (x[lag:] ** 2 - 1) * (x[:-lag] ** 2 - 1), 0.0)


def test_a_longer_array_extends_a_shorter_one() -> None:
    assert np.array_equal(normals(10_000)[:3_000], normals(3_000))


def test_tree_sum_is_the_sum() -> None:
    v = np.random.default_rng(0).normal(size=1024)
    assert tree_sum(v.copy()) == pytest.approx(np.sum(v.astype(np.longdouble)), abs=1e-12)


def walkers(seed: int = 0, n: int = N) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n) < 0.5, -10.0, 10.0) + 3 * rng.normal(size=n)


@pytest.mark.parametrize("θ", [-150.0, 0.0, 1.4, 90.0])
def test_langevin_is_its_numpy_twin(θ: float) -> None:
    """x − h∂_xU + √(2h) ξ with the same ξ: the float32 noise and 2e−14 in r leave 1e−6."""
    x = walkers()
    y, h = x.copy(), 0.05
    langevin(y, 0, 5, 3, 11, random.MOVE, h, 1.0, MIX.a, MIX.b, θ)
    ξ = np.empty(N)
    random.normals(ξ, 3, 11, random.MOVE)
    assert np.max(np.abs(y - MIX.langevin(x, θ, h, ξ))) < 1e-6


def test_both_backends_move_as_the_plain_step_does() -> None:
    """The walkers with their own noise; the grid by its law: ∫(x')² of one step from ρ_θ."""
    θ, h = 1.4, 0.05
    target = Target.exact(θ, 6.0)
    walkers = Walkers(target, h, N, seed=5).at(7)
    x, ξ = walkers.model(θ).x, np.empty(N)
    random.normals(ξ, 5, 7, random.MOVE)
    moved = walkers.move(Cloud(x), θ).x
    assert np.max(np.abs(moved - target.mixture.langevin(x, θ, h, ξ))) < 1e-6
    grid = Grid(target, h)
    start = grid.model(θ)
    end = grid.move(start, θ)
    still = target.mixture.langevin(start.x, θ, h, np.zeros(start.x.size))
    assert grid.mean(end, lambda x: x**2) == pytest.approx(
        grid.mean(start, lambda _: still**2) + 2 * h, rel=1e-10
    )


def near_and_far(d: float, seed: int = 0) -> tuple[Mixture, np.ndarray]:
    """Walkers around both modes, between them and far outside."""
    rng, mix = np.random.default_rng(seed), Mixture.separated(d)
    return mix, rng.choice([mix.a, mix.b, 0.0], N) + rng.choice([0.3, 1.0, 5.0], N) * rng.normal(
        size=N
    )


@pytest.mark.parametrize("T", [1.0, 0.3, 4.0, 50.0])
@pytest.mark.parametrize(
    ("d", "h", "θ"),
    [(3.0, 0.3, 0.4), (20.0, 0.05, -150.0), (20.0, 0.5, 1.4), (8.0, 1.2, 20.0), (100.0, 0.3, -2e3)],
)
def test_metropolis_is_its_numpy_twin(d: float, h: float, θ: float, T: float) -> None:
    """The same noise and uniform numbers: each walker where log u < work/T puts it, to 1e−12.

    A walker decides otherwise only where u is within 1e−12 of its ratio: none among 10⁵.
    """
    mix, x = near_and_far(d)
    got, accept = x.copy(), random.ACCEPT
    metropolis(got, 0, 5, 3, 11, random.MOVE, accept, h, T, mix.a, mix.b, θ)
    ξ, u = sweep_noise(N, 3, 11, np.sqrt(2 * h * T))
    y = x - h * mix.dU_dx(x, θ) + ξ
    accepted = np.log(u) < mix.work(x, y, θ, θ, h) / T
    assert np.max(np.abs(got - np.where(accepted, y, x))) < 1e-12 * (d + h * abs(x).max())
    assert 0.005 < accepted.mean() < 0.999


SMALL = Mixture.separated(3.0)


def share_after(kernel: str, T: float, seed: int) -> float:
    """E[r] after 40 steps of h = 0.3 at θ = 0.7 from 40,000 independent draws of ρ_θ^(1/T)."""
    backend = Walkers(Target.exact(0.7, 3.0), 0.3, 40_000, seed)
    cloud = backend.model(0.7) if T == 1.0 else tempered(backend, T)
    for k in range(40):
        cloud = backend.at(k).move(cloud, 0.7, kernel=kernel, temperature=T)
    return backend.mean(cloud, SMALL.responsibility, 0.7)


def tempered(backend: Walkers, T: float) -> Cloud:
    """Independent draws of e^{−U_θ/T} by the inverse of its distribution function on fine nodes."""
    x = np.linspace(-16, 16, 40_001)
    law = np.cumsum(np.exp(-SMALL.energy(x, 0.7) / T))
    u = backend._uniform(backend.walkers, random.DATA, 0)
    return Cloud(np.interp(u, (law - 0.5 * law[0]) / law[-1], x))


def law_of_r(T: float) -> float:
    x = np.linspace(-30, 30, 60_001)
    with np.errstate(under="ignore"):
        w = np.exp(-SMALL.energy(x, 0.7) / T)
        return float(w @ SMALL.responsibility(x, 0.7) / w.sum())


@pytest.mark.parametrize("T", [1.0, 2.5])
def test_metropolis_leaves_the_law_invariant(T: float) -> None:
    """E[r_θ] at d = 3, h = 0.3 over 24 replicas (false-fail rate 1e−6), to 0.004."""
    wanted = law_of_r(T)
    assert T != 1.0 or wanted == pytest.approx(SMALL.weight_b(0.7), abs=1e-12)
    replicas = [share_after("mala", T, seed) for seed in range(24)]
    assert stats.mean("E[r]", replicas, wanted, bias=1e-6).detects < 0.004


def test_without_metropolis_the_bias_of_the_step_is_seen() -> None:
    """The same test without acceptance fails, as it must: ULA's law is another one."""
    replicas = [share_after("ula", 1.0, seed) for seed in range(24)]
    with pytest.raises(stats.ClaimError):
        stats.mean("E[r]", replicas, law_of_r(1.0))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_persistent_is_stepwise_numpy_for_any_team(size: int) -> None:
    """θ, θ̇, walkers in b and crossings of 30 steps against the same steps written in NumPy."""
    target = Target.exact(1.4, 5.0)
    mix, data, steps, h, η = target.mixture, target.data, 30, 0.1, 0.7
    x0 = walkers(1) / 4
    w = target.data.weights
    tail = np.append(np.cumsum(w[::-1])[::-1], 0.0)
    x, path = x0.copy(), np.empty((steps, 4))
    sync, sums = team.new_sync(size), np.empty((2, 5, 3))

    def part(rank: int, of: int) -> float:
        return persistent(
            rank, of, sync, sums, x, steps, 3, 0, h, η, mix.a, mix.b, 0.2, data.x, w, tail, path,
            None,
        )  # fmt: skip

    last = team.run(part, size)
    θ, y = 0.2, x0.copy()
    for k in range(steps):
        v = mix.responsibility(y, θ).mean() - w @ mix.responsibility(data.x, θ)
        ξ = np.empty(N)
        random.normals(ξ, 3, k, random.MOVE)
        new = y - h * mix.dU_dx(y, θ) + np.sqrt(2 * h) * ξ
        crossed = np.count_nonzero((y > mix.m) != (new > mix.m))
        assert path[k] == pytest.approx([θ, v, np.count_nonzero(y > mix.m), crossed], abs=1e-5)
        θ, y = θ + η * v, new
    assert last == pytest.approx(θ, abs=1e-5)
    assert np.max(np.abs(x - y)) < 1e-4


@pytest.mark.parametrize("size", [2, 3])
def test_metropolis_chains_are_the_same_bits_for_any_team(size: int) -> None:
    """30 steps of `persistent` on one thread and on a team."""
    target = Target.exact(1.4, 3.0)
    one, team_of = (Walkers(target, 0.3, N, seed=3, threads=n) for n in (1, size))
    ends = []
    for backend in (one, team_of):
        chains, θ, path = backend.persistent("plain", "mala", 0, backend.model(0.2), 0.2, 30, 0.5)
        ends.append((chains.x, θ, path))
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(*ends, strict=True))
    assert path[:, 3].min() > 10


def test_sums_are_the_means_of_the_integrands() -> None:
    x, sums = walkers(2) / 3, np.zeros((5, 3))
    mix = Mixture.separated(6.0)
    sample.sum_responsibility(x, 0, 5, sums, mix.d, mix.m, 0.4)
    assert sums[:, 0].sum() / N == pytest.approx(mix.responsibility(x, 0.4).mean(), rel=1e-12)
    sample.sum_hyvärinen(x, 0, 5, sums, mix.a, mix.d, mix.m, 0.4)
    assert sums[:, 0].sum() / N == pytest.approx(mix.hyvärinen(x, 0.4).mean(), rel=1e-11)
    for θ, μ, c in ((0.4, -0.7, 0.2), (200.0, -90.0, -5.0), (-300.0, 20.0, 40.0)):
        sample.sum_discriminator(x, 0, 5, sums, mix.d, mix.m, θ, μ, c)
        wanted = mix.discriminator(x, θ, μ, c).mean(axis=1)
        assert sums.sum(axis=0) / N == pytest.approx(wanted, rel=1e-11, abs=1e-300)
    sample.count_in_b(x, 0, 5, sums, mix.m)
    assert sums[:, 0].sum() == np.count_nonzero(x > mix.m)


def test_sorted_responsibility_skips_nothing() -> None:
    """Only |z| < 40 is summed; the rest is 0 or 1 to 4e−18."""
    target = Target.exact(0.7, 20.0)
    mix, w = target.mixture, target.data.weights
    tail = np.append(np.cumsum(w[::-1])[::-1], 0.0)
    for θ in (-500.0, -143.0, 0.0, 2.0, 150.0, 500.0):
        got = sorted_responsibility(target.data.x, w, tail, np.empty(1024), mix.d, mix.m, θ)
        wanted = target.data.mean(lambda x, θ=θ: mix.responsibility(x, θ))
        assert got == pytest.approx(wanted, abs=3e-15)


def test_draws_have_the_mixtures_law() -> None:
    """The share of b (binomial test) and the law inside each mode (KS), false-fail rate 1e−6."""
    n, p_b = 400_000, 0.198
    x = np.empty(n)
    sample.draw(x, 0, 391, 5, 0, 2, 5, -10.0, 10.0, p_b)
    in_b = x > 0
    stats.proportion("share of b", int(in_b.sum()), n, p_b)
    for part, centre in ((x[in_b], 10.0), (x[~in_b], -10.0)):
        assert scipy_stats.kstest(part - centre, "norm").pvalue > 1e-6


def test_uniforms_are_uniform() -> None:
    u = np.empty(300_000)
    sample.uniforms(u, 4, 2, 1)
    assert scipy_stats.kstest(u, "uniform").pvalue > 1e-6


@pytest.mark.parametrize(("d", "h", "θ"), [(4.0, 0.1, 0.5), (20.0, 0.05, 1.4), (20.0, 1.2, -143.0)])
def test_banded_is_the_dense_matrix(d: float, h: float, θ: float) -> None:
    """Twin: the matrix written out in NumPy. Entries beyond 9 deviations (e^−40) are cut."""
    grid = Grid(Target.exact(1.4, d), h)
    w = grid.model(0.3).weights
    gauss = _gauss(h, grid.dx)
    K = gauss.size // 2
    out = np.empty(w.size + 2 * K)
    aim = (grid.x - h * grid.mixture.dU_dx(grid.x, θ) - grid.x[0]) / grid.dx
    apply_banded(w, aim, grid.dx, h, gauss, out)
    with np.errstate(under="ignore"):
        wanted = w @ grid.transition(θ)
    assert np.max(np.abs(out[K:-K] - wanted)) < 1e-16


SCRIPT = """
import sys, hashlib
import toyflows
threads = int(sys.argv[1])
def told(*parts):
    print(hashlib.sha256(b"".join(p.tobytes() for p in parts)).hexdigest())
nce = toyflows.flow("nce", theta_star=1.4, time=2, walkers=30_000, threads=threads)
told(nce.backends["walkers"].θ)
if "--short" not in sys.argv:
    run = toyflows.flow("pcd", theta_star=1.4, separation=7., time=5, walkers=30_000, seed=9,
                        threads=threads)
    work = toyflows.flow("jarzynski", theta_star=1.4, separation=3., time=2, walkers=30_000,
                         threads=threads, backends=["walkers"]).backends["walkers"]
    tr = run.backends["walkers"]
    told(tr.θ, tr.mode_b, tr.crossings, tr.state.chains.x, run.backends["grid"].θ, work.θ,
         work.state.chains.logw, work.seen["log_Z"])
"""


def test_same_bits_for_any_threads_cold_and_cached(tmp_path) -> None:
    """Four processes: cold cache, cached, two and three threads; and a part without a cache."""
    env = os.environ | {"TOYFLOWS_CACHE": str(tmp_path / "cache")}
    unwritable = os.environ | {"TOYFLOWS_CACHE": "/proc/none"}

    def bits(env, *words: str) -> list[str]:
        call = [sys.executable, "-c", SCRIPT, *words]
        done = subprocess.run(call, env=env, capture_output=True, text=True, check=True)
        return done.stdout.split()

    cold = bits(env, "1")
    assert list(map(len, cold)) == [64, 64]
    assert list((tmp_path / "cache").glob("kernels-*/**/*.nbi"))
    assert [bits(env, n) for n in "123"] == [cold] * 3
    assert bits(unwritable, "2", "--short") == cold[:1]


def test_the_pace_is_that_of_the_faster_way(monkeypatch) -> None:
    """With a made clock: the team is tried, then one thread, then the faster one is taken; at every
    16th call the other is tried again, and kept once it has become the faster one."""
    now, cost, taken = [0.0], {1: 2.0, 2: 5.0}, []

    def run(f, size):
        taken.append(size)
        now[0] += cost[size]

    monkeypatch.setattr(team, "run", run)
    monkeypatch.setattr(team.time, "perf_counter", lambda: now[0])
    pace = team.Pace(2)
    for _ in range(17):
        pace.run(lambda rank, of: None, 1)
    assert taken == [2, *[1] * 15, 2]
    cost[2] = 1.0
    for _ in range(17):
        pace.run(lambda rank, of: None, 1)
    assert taken[17:] == [*[1] * 15, 2, 2]
