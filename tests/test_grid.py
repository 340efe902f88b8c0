"""The grid's law is the exact law of the algorithm: identities, limits and convergence orders."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from fokker_planck import turning_point
from hypothesis import given, settings
from hypothesis import strategies as st

from toyflows import solve, stats
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Array, Cloud
from toyflows.flows import make
from toyflows.flows.jarzynski import Jarzynski
from toyflows.mixture import Mixture
from toyflows.target import Target

PARAMETER = st.floats(-8, 8, allow_subnormal=False)


def moved(grid: Grid, cloud: Cloud, θ: float, steps: int) -> Cloud:
    for _ in range(steps):
        cloud = grid.move(cloud, θ)
    return cloud


@pytest.mark.parametrize(("d", "h"), [(4.0, 0.01), (4.0, 0.3), (20.0, 0.05), (20.0, 1.5)])
def test_mass_is_kept(d: float, h: float) -> None:
    """Σ w stays 1: the trapezoid rule integrates the Gaussian rows to e^{−2π²·2h/Δ²}."""
    grid = Grid(Target.exact(1.4, d), h)
    cloud = grid.model(0.0)
    cloud = grid.move(Cloud(cloud.x, np.log(np.maximum(cloud.weights, 1e-300))), -2.0)
    with np.errstate(under="ignore"):
        assert np.sum(np.exp(cloud.logw)) == pytest.approx(1.0, abs=3e-15)


def test_one_gaussian_has_ulas_exact_moments() -> None:
    """At θ = 600 only mode a is left: x ← (1−h)x' + √(2h)ξ in x' = x − a, whose mean and variance
    after k steps are (1−h)^k μ and (1−h)^{2k} v + 2h(1 − (1−h)^{2k})/(1 − (1−h)²)."""
    target, h = Target.exact(0.0, 4.0), 0.13
    grid = Grid(target, h)
    a, x = target.mixture.a, grid.x
    cloud = Cloud(x, -0.5 * (x - a - 0.7) ** 2 / 0.5)
    for k in range(1, 41):
        cloud = grid.move(cloud, 600.0)
        s = (1 - h) ** (2 * k)
        mean, second = cloud.mean(lambda x: x - a), cloud.mean(lambda x: (x - a) ** 2)
        assert mean == pytest.approx((1 - h) ** k * 0.7, abs=2e-14)
        assert second - mean**2 == pytest.approx(0.5 * s + 2 * h * (1 - s) / (1 - (1 - h) ** 2),
                                                 abs=2e-13)  # fmt: skip


@pytest.mark.parametrize(
    ("d", "h", "θ"), [(4.0, 0.05, 0.4), (8.0, 0.05, -12.0), (20.0, 0.05, -143.0)]
)
def test_the_default_nodes_have_no_error_left(d: float, h: float, θ: float) -> None:
    """Half the node distance changes the law by rounding only, also where mass crosses the ridge.

    √(2h)/3 alone is not enough: at d = 20 the ridge squeezes the kernel sixfold (backends/grid.py),
    and the error is then 10⁵ times larger.
    """

    def fraction(dx: float) -> float:
        grid = Grid(Target.exact(-1.4, d), h, dx)
        cloud = moved(grid, grid.model(0.0), θ, 60)
        return grid.mean(cloud, grid.mixture.responsibility, θ)

    default = Grid(Target.exact(-1.4, d), h).dx
    best = fraction(default / 2)
    assert abs(fraction(default) - best) < 2e-13
    if d == 20.0:
        assert abs(fraction(math.sqrt(2 * h) / 3) - best) > 1e-8


def test_stationary_law_is_first_order_in_h() -> None:
    """ULA's bias of E[r] at d = 3 halves with h (weak order 1: slope 1 within 3 %)."""
    target = Target.exact(0.7, 3.0)
    biases, steps = [], [0.04, 0.02, 0.01]
    for h in steps:
        grid = Grid(target, h)
        cloud = moved(grid, grid.model(0.7), 0.7, round(60 / h))
        biases.append(grid.mean(cloud, grid.mixture.responsibility, 0.7) - target.q_star)
    slopes = np.diff(np.log(np.abs(biases))) / np.diff(np.log(steps))
    assert slopes == pytest.approx([1.0, 1.0], abs=0.03)


def dense(grid: Grid, cloud: Cloud, y: Array, θ: float, T=1.0, kernel="ula", log_g=None, args=()):
    """The weights on nodes y after a step, by the matrix written out: N(y_j; T(x_i), 2hT)Δ times
    Metropolis' acceptance and e^{log_g}. What MALA rejects stays, at nodes y."""
    mix, h, x, w = grid.mixture, grid.h, cloud.x, cloud.weights
    with np.errstate(under="ignore"):
        aim = x - h * mix.dU_dx(x, θ)
        log_p = -((y - aim[:, None]) ** 2) / (4 * h * T)
        log_p += math.log(grid.dx / math.sqrt(4 * math.pi * h * T))
        weight = 0.0 if log_g is None else log_g(x[:, None], y, *args)
        if kernel == "ula":
            return w @ np.exp(log_p + weight)
        log_p += np.minimum(mix.work(x[:, None], y, θ, θ, h) / T, 0)
        out, stays = w @ np.exp(log_p + weight), w * (1 - np.exp(log_p).sum(axis=1))
        stays *= 1.0 if log_g is None else np.exp(log_g(x, x, *args))
        np.add.at(out, np.rint((x - y[0]) / grid.dx).astype(int), stays)
        return out


def linear(cloud: Cloud, log_mass: float = 0.0) -> Array:
    """The weights as they are, in units of e^log_mass."""
    with np.errstate(under="ignore"):
        return np.exp(cloud.logw - log_mass)


LAWS = {  # log densities, from that of a Jarzynski run to some that no run has
    "model": lambda x, mix, θ: -mix.energy(x, 0.3),
    "at rest": lambda x, mix, θ: -mix.energy(x, θ),
    "uniform": lambda x, mix, θ: np.zeros(x.size),
    "narrow": lambda x, mix, θ: -50 * (x - mix.a) ** 2,
    "at the edge": lambda x, mix, θ: -((x - x[-1]) ** 2),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    ("d", "h", "θ"), [(4.0, 0.3, 0.4), (10.0, 0.1, -30.0), (20.0, 0.05, -143.0), (20.0, 1.2, 0.3)]
)
def test_each_step_is_the_dense_matrix(d: float, h: float, θ: float, law: str) -> None:
    """Every kind of step, with θ' far from θ, to 6e−16 of the mass after it. T = 4: a ULA kernel
    applied in two parts, and nodes beyond the cloud's."""
    grid = Grid(Target.exact(1.4, d), h)
    mix = grid.mixture
    cloud = Cloud(grid.x, LAWS[law](grid.x, mix, θ))
    for T, kernel, log_g, args in [
        (1.0, "ula", None, ()),
        (1.0, "ula", mix.work, (θ, θ + 2.0, h)),
        (1.0, "mala", None, ()),
        (1.0, "mala", mix.tilt, (θ, θ + 2.0)),
        (4.0, "ula", None, ()),
        (4.0, "mala", None, ()),
    ]:
        after = grid.move(cloud, θ, kernel=kernel, temperature=T, log_g=log_g, args=args)
        wanted = dense(grid, cloud, after.x, θ, T, kernel, log_g, args)
        error = np.max(np.abs(linear(after, cloud.log_mass) - wanted))
        assert error < 6e-16 * wanted.sum(), (T, kernel, log_g)


def test_a_hot_step_in_two_parts_is_the_dense_matrix() -> None:
    """T = 50 at d = 20, where the kernel is 1600 nodes wide: to 1e−16 of the mass, and in the
    tails relative to themselves (no Fourier transform, so no floor)."""
    grid = Grid(Target.exact(1.4, 20.0), 0.05)
    cloud = grid.move(grid.model(0.3), 0.3, temperature=50.0)
    after = grid.move(cloud, 0.3, temperature=50.0)
    some = slice(None, None, 60)
    wanted = dense(grid, cloud, after.x[some], 0.3, 50.0)
    got = linear(after, cloud.log_mass)[some]
    assert np.max(np.abs(got - wanted)) < 1e-16
    tail = wanted > 1e-16 * wanted.max()
    assert np.count_nonzero(wanted[tail] < 1e-10 * wanted.max()) > 5
    assert got[tail] == pytest.approx(wanted[tail], rel=1e-3, abs=0)


def test_points_between_the_nodes_are_moved_as_the_dense_matrix_moves_them() -> None:
    """The user's points: weights after a step with a weight; and under MALA, where what is rejected
    stays at its point, so that the mass stays 1 and the cloud grows by the points only once."""
    points = np.array([-1.7, -0.3, 0.011, 2.9])
    grid = Grid(Target.of_points(points, -2.0, 2.0, 0.4), 0.4)
    cloud, mix = grid.data_particles(), grid.mixture
    args = (0.6, 0.9, 0.4)
    after = grid.move(cloud, 0.6, log_g=mix.work, args=args)
    wanted = dense(grid, cloud, grid.x, 0.6, log_g=mix.work, args=args)
    assert np.max(np.abs(linear(after) - wanted)) < 1e-15
    once = grid.move(cloud, 0.6, kernel="mala")
    twice = grid.move(once, 0.6, kernel="mala")
    n = grid.x.size
    assert np.array_equal(once.x[n:], points)
    assert np.array_equal(twice.x[n:], points)
    with np.errstate(under="ignore"):
        proposed = np.array([dense(grid, Cloud(x[None]), grid.x, 0.6) for x in points]) / 4
        moved = proposed * np.exp(np.minimum(mix.work(points[:, None], grid.x, 0.6, 0.6, 0.4), 0))
    assert np.max(np.abs(linear(once)[:n] - moved.sum(axis=0))) < 1e-15
    assert np.max(np.abs(linear(once)[n:] - (0.25 - moved.sum(axis=1)))) < 1e-15
    for cloud in (once, twice):
        assert cloud.log_mass == pytest.approx(0.0, abs=1e-15)


def test_a_weight_that_no_kernel_knows_is_applied_as_it_is() -> None:
    """log_g of another name, with either kernel."""
    grid = Grid(Target.exact(0.4, 4.0), 0.2)

    def log_g(x, y, c):
        return np.sin(c * x) - np.cos(y * x)

    for kernel in ("ula", "mala"):
        cloud = grid.model(0.0)
        after = grid.move(cloud, 0.7, kernel=kernel, log_g=log_g, args=(3.0,))
        wanted = dense(grid, cloud, grid.x, 0.7, 1.0, kernel, log_g, (3.0,))
        assert np.max(np.abs(linear(after, cloud.log_mass) - wanted)) < 1e-15


@pytest.mark.parametrize(("d", "h", "θ"), [(4.0, 0.3, 0.4), (20.0, 0.05, 1.4), (20.0, 0.3, -30.0)])
def test_mala_leaves_the_law_and_ula_does_not(d: float, h: float, θ: float) -> None:
    """100 steps from ρ_θ change no weight by 1e−13 of the largest, nor one above 1e−12 by 1e−11 of
    itself; ULA's wells widen to 1/(1 − h/2)."""
    grid = Grid(Target.exact(1.4, d), h)
    start = grid.model(θ)

    def error(kernel: str) -> tuple[float, float]:
        cloud = start
        for _ in range(100):
            cloud = grid.move(cloud, θ, kernel=kernel)
        off = np.abs(cloud.weights - start.weights)
        seen = start.weights > 1e-12 * start.weights.max()
        return off.max() / start.weights.max(), np.max(off[seen] / start.weights[seen])

    absolute, relative = error("mala")
    assert absolute < 1e-13
    assert relative < 1e-11
    assert error("ula")[0] > 0.15 * h


def test_mala_ends_at_the_law() -> None:
    """d = 4, h = 0.3: from ρ at another θ to ρ_θ within 1e−13 of the largest weight; at a
    temperature to e^{−U_θ/T}."""
    grid, θ = Grid(Target.exact(1.4, 4.0), 0.3), 0.4
    for T in (1.0, 3.0):
        cloud = grid.model(-1.0)
        for _ in range(1200):
            cloud = grid.move(cloud, θ, kernel="mala", temperature=T)
        wanted = Cloud(cloud.x, -grid.mixture.energy(cloud.x, θ) / T).weights
        assert np.max(np.abs(cloud.weights - wanted)) < 1e-13 * wanted.max()
        assert cloud.log_mass == pytest.approx(grid.model(-1.0).log_mass, abs=1e-13)


def mala_path(d: float, h: float, θ0: float, θ: float, dx: float = 0.0) -> Array:
    """E[r_θ] and the share of b after 1 and 8 steps of MALA at θ from ρ_θ0."""
    grid, out = Grid(Target.exact(0.0, d), h, dx), []
    cloud, mix = grid.model(θ0), grid.mixture
    for k in range(8):
        cloud = grid.move(cloud, θ, kernel="mala")
        if k in (0, 7):
            out.append([grid.mean(cloud, mix.responsibility, θ), grid.mean(cloud, mix.in_b)])
    return np.array(out)


@settings(deadline=None, max_examples=40)
@given(d=st.floats(0.5, 20), h=st.floats(0.01, 0.5), θ0=PARAMETER, θ=PARAMETER)
def test_the_kink_of_mala_leaves_what_is_stated(d: float, h: float, θ0: float, θ: float) -> None:
    """Δ²/50, against a sixth of the node distance."""
    dx = Grid(Target.exact(0.0, d), h).dx
    error = np.abs(mala_path(d, h, θ0, θ) - mala_path(d, h, θ0, θ, dx / 6))
    assert error.max() < dx**2 / 50


def test_the_kink_of_mala_needs_its_bound() -> None:
    """Some setting uses a tenth of it; at a quarter of Δ a fifth of it is left, or less."""
    d, h, θ0, θ = 3.94, 0.363, 2.3, 0.0
    dx = Grid(Target.exact(0.0, d), h).dx
    exact = mala_path(d, h, θ0, θ, dx / 12)
    errors = [np.abs(mala_path(d, h, θ0, θ, dx / k) - exact).max() for k in (1, 4)]
    assert dx**2 / 500 < errors[0] < dx**2 / 50
    assert errors[1] < errors[0] / 5


@pytest.mark.parametrize(("d", "h", "rate"), [(4.0, 0.3, 8.0), (20.0, 0.05, 40.0)])
@pytest.mark.parametrize("kernel", ["ula", "mala"])
def test_the_jarzynski_flow_keeps_the_law_and_log_Z(d, h, rate, kernel) -> None:
    """Along a moving θ, of the flow itself, the grid's law is ρ_θ to 1e−12 of its largest weight,
    and log of the mean weight is log Z_θ to 1e−9."""
    target = Target.exact(-math.log(4), d)
    grid, mix = Grid(target, h), target.mixture
    run = solve.run(make("jarzynski", kernel=kernel), grid, 1.0, 60, rate)
    assert np.ptp(run.θ) > 1.0
    log_Z = [mix.log_Z(θ) for θ in run.θ]
    assert np.max(np.abs(run.seen["log_Z"] - log_Z)) < 1e-9
    wanted = mix.density(grid.x, run.θ[-1]) * grid.dx
    assert np.max(np.abs(run.state.chains.weights - wanted)) < 1e-12 * wanted.max()


def test_a_wrong_weight_is_caught(monkeypatch) -> None:
    """¼ mutated to ½ in the weight: the law and log Z are off by far more than the bounds above."""

    def mutated(mix, x, y, θ, θ_new, h):
        def α(x, y, θ):
            F = mix.dU_dx(x, θ)
            return mix.energy(x, θ) + 0.5 * (y - x) * F + 0.5 * h * F**2

        return α(x, y, θ) - α(y, x, θ_new)

    monkeypatch.setattr(Mixture, "work", mutated)
    target = Target.exact(-math.log(4), 4.0)
    grid, mix = Grid(target, 0.3), target.mixture
    plain = type("Plain", (Jarzynski,), {"step": Jarzynski.step})()  # the kernel has its own weight
    run = solve.run(plain, grid, 1.0, 60, 8.0)
    assert abs(run.seen["log_Z"][-1] - mix.log_Z(run.θ[-1])) > 1e-3
    wanted = mix.density(grid.x, run.θ[-1]) * grid.dx
    assert np.max(np.abs(run.state.chains.weights - wanted)) > 1e-3 * wanted.max()


def test_second_moment_of_the_weights_is_the_walkers_effective_size() -> None:
    """A cloud moved with the square of the weight carries E[w²], so that (E w)²/E w² is the limit
    of the walkers' effective size as a share of N: 16 replicas, false-fail rate 1e−6; the share of
    a sample is biased by O(1/N) = 1e−4."""
    target, h = Target.exact(-math.log(4), 4.0), 0.1
    grid, mix = Grid(target, h), target.mixture
    flow = make("jarzynski")
    exact = solve.run(flow, grid, 1.5, 40, 2.0)
    squared = grid.model(1.5).of_mass(2 * mix.log_Z(1.5))
    for θ, θ_new in pairwise(exact.θ):
        squared = grid.move(squared, θ, log_g=lambda *a: 2 * mix.work(*a), args=(θ, θ_new, h))
    share = math.exp(2 * exact.seen["log_Z"][-1] - squared.log_mass)
    assert 0.3 < share < 0.9
    sizes = [
        solve.run(flow, Walkers(target, h, 20_000, seed), 1.5, 40, 2.0).seen["effective_size"][-1]
        for seed in range(16)
    ]
    assert stats.mean("effective size", sizes, share, bias=1e-3).detects < 0.02


def first_turn(h: float, d: float, time: float) -> tuple[float, float]:
    """(t, θ) where θ̇ first vanishes, from the parabola through the three records around it."""
    run = solve.run(make("pcd"), Grid(Target.exact(-math.log(4), d), h), 0.0, round(time / h))
    k = int(np.argmin(run.θ))
    curve = np.polynomial.Polynomial.fit(run.t[k - 1 : k + 2], run.θ[k - 1 : k + 2], 2)
    t = float(curve.deriv().roots()[0])
    return t, float(curve(t))


def test_first_turning_point_is_first_order_in_dt() -> None:
    """At d = 8 the long run's first turning point tends to the Fokker–Planck equation's at order 1:
    the error halves with dt (within 8 %), and Richardson's value of two steps is 20 × closer.

    The oracle is independent (finite volumes in continuous time, tests/fokker_planck.py).
    """
    t0, θ0, _ = turning_point(8.0, -math.log(4), 0.0, 1.0, dx=0.01, dt=0.05)
    coarse, fine = (np.array(first_turn(h, 8.0, 75.0)) - [t0, θ0] for h in (0.01, 0.005))
    assert coarse / fine == pytest.approx([2.0, 2.0], rel=0.08)
    assert np.all(np.abs(2 * fine - coarse) < np.abs(coarse) / 20)


def test_first_turning_point_of_the_lecture_tends_to_the_fokker_planck_equation() -> None:
    """At d = 20 the ridge is 1/d wide, less than a step √(2dt) of a walker, so order 1 begins only
    below dt ≈ 1/2d² = 0.001; until then the error falls by a factor that grows from √2 towards 2.

    Fokker–Planck: θ = −142.982 at t = 518.63. (The −142.95 printed in the issue is not reproduced:
    a constant q* in place of E_data[r_θ] gives −142.965.)
    """
    t0, θ0, _ = turning_point(20.0, -math.log(4), 0.0, 1.0, dx=0.01, dt=0.1)
    assert (t0, θ0) == pytest.approx((518.63, -142.982), abs=0.01)
    errors = [np.array(first_turn(h, 20.0, 540.0)) - [t0, θ0] for h in (0.1, 0.05, 0.025)]
    ratios = [errors[0] / errors[1], errors[1] / errors[2]]
    assert np.all(np.array(ratios) > 1.38)
    assert np.all(ratios[1] > ratios[0])
    assert np.all(np.abs(errors[2]) < [2.5, 0.7])


def test_data_points_are_moved_to_the_nodes() -> None:
    """Points anywhere, as the user's data are: after a step the law is the Gaussian mixture around
    their images, whose mean and second moment are known; and the nodes of the exact data law, which
    are not the grid's, give the law that the grid's own nodes give."""
    points = np.array([-1.7, -0.3, 0.011, 2.9])
    target, h = Target.of_points(points, -2.0, 2.0, 0.4), 0.07
    grid = Grid(target, h)
    T = points - h * grid.mixture.dU_dx(points, 0.6)
    after = grid.move(grid.data_particles(), 0.6)
    assert after.mean(lambda x: x) == pytest.approx(T.mean(), abs=1e-13)
    assert after.mean(np.square) == pytest.approx(np.mean(T**2) + 2 * h, abs=1e-13)
    exact = Grid(Target.exact(0.4, 4.0), h)
    one, other = (exact.move(c, 0.6) for c in (exact.data_particles(), exact.model(0.4)))
    assert one.x is other.x
    assert np.max(np.abs(one.weights - other.weights)) < 1e-15
