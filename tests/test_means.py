"""Means over a law: which functions a kernel stands for, and what jumps at the centre."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import mpmath as mp
import numpy as np
import pytest
from scipy.special import ndtr

from toyflows import solve, stats
from toyflows.backends.base import method_of
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Array, Cloud, half_line
from toyflows.flows import make
from toyflows.flows.ml import MaximumLikelihood
from toyflows.mixture import Mixture
from toyflows.modes.family import Modes
from toyflows.modes.plane import Plane
from toyflows.modes.target import target_of
from toyflows.modes.walkers import ModesWalkers
from toyflows.target import Target

TARGET, OTHER = Target.exact(0.9, 5.0), Mixture.separated(3.0)


# ------------------------------------------------------------------ by identity, never by name
def strangers(mix: Mixture, other: Mixture):
    """Functions that are not `mix.responsibility`, by what they are; those of its name are lies."""

    def responsibility(x, θ):
        return np.tanh(x) ** 2 * other.responsibility(x, θ)

    def in_b(x, θ):
        return np.cos(x) + θ

    yield "namesake", responsibility
    yield "namesake of another method", in_b
    yield "method of another mixture", other.responsibility
    yield "partial", functools.partial(mix.responsibility)
    yield "partial of another", functools.partial(other.responsibility)
    yield "lambda", lambda x, θ: x - mix.responsibility(x, θ)
    yield "unbound, bound elsewhere", Mixture.responsibility.__get__(other)


@pytest.mark.parametrize("of", ["data", "model", "weighted"])
@pytest.mark.parametrize(
    "backend", [Grid(TARGET, 0.05), Walkers(TARGET, 0.05, 3000)], ids=lambda b: b.name
)
def test_no_kernel_replaces_another_function(backend, of: str) -> None:
    """Each mean is NumPy's over the same points, to 1e−13 of the values."""
    cloud = backend.data() if of == "data" else backend.model(0.2)
    if of == "weighted":
        cloud = Cloud(cloud.x, np.sin(cloud.x))
    for what, f in strangers(backend.mixture, OTHER):
        wanted = cloud.weights @ f(cloud.x, 0.3)
        assert backend.mean(cloud, f, 0.3) == pytest.approx(wanted, abs=1e-13), what


def test_an_equal_mixture_is_the_same_and_a_derived_one_is_not() -> None:
    class Own(Mixture):
        pass

    mix, twin = TARGET.mixture, Mixture.separated(5.0)
    assert method_of(mix, twin.responsibility) is Mixture.responsibility
    for f in (OTHER.responsibility, Own.separated(5.0).responsibility, np.tanh, "responsibility"):
        assert method_of(mix, f) is None
    for f in (len, mix.weight_b(0.0), [].append, functools.partial(mix.in_b)):
        assert method_of(mix, f) is None


@dataclass(frozen=True)
class Namesake(MaximumLikelihood):
    """θ̇ = E_{ρ_θ}[f] − E_data[f], f(x) = x²/10, under a name that the mixture has too."""

    name = ""

    def velocity(self, ops, θ, negatives, **extra):
        def responsibility(x, θ):
            return 0.1 * x * x * np.cos(θ)

        return ops.mean(negatives, responsibility, θ) - ops.mean(ops.data(), responsibility, θ)


def test_a_users_flow_with_a_function_of_our_name() -> None:
    """E[x²] is 1 + (d/2)² for every weight: θ̇ = 0 on the grid, and on walkers up to their noise
    (Student's test over 24 replicas, false-fail rate 1e−6); the mixture's responsibility gives
    −0.2."""
    assert solve.velocity(Namesake(), Grid(TARGET, 0.05), 0.0) == pytest.approx(0.0, abs=1e-14)
    seen = [solve.velocity(Namesake(), Walkers(TARGET, 0.05, 10_000, s), 0.0) for s in range(24)]
    assert stats.mean("θ̇", seen, 0.0).detects < 0.02
    ml = solve.velocity(make("ml"), Grid(TARGET, 0.05), 0.0)
    assert abs(ml) > 0.1


def test_the_grid_takes_a_weight_by_identity() -> None:
    """`work` and `tilt` of another mixture are weights that no kernel knows."""
    grid, cloud = Grid(TARGET, 0.2), Grid(TARGET, 0.2).model(0.1)
    for name, args in (("work", (0.3, 0.5, 0.2)), ("tilt", (0.3, 0.5))):
        method = getattr(OTHER, name)
        wanted = grid.move(cloud, 0.3, log_g=lambda *a, f=method: f(*a), args=args)
        got = grid.move(cloud, 0.3, log_g=method, args=args)
        own = grid.move(cloud, 0.3, log_g=getattr(grid.mixture, name), args=args)
        assert np.max(np.abs(got.weights - wanted.weights)) < 1e-15
        assert got.log_mass == pytest.approx(wanted.log_mass, abs=1e-13)
        assert np.max(np.abs(got.weights - own.weights)) > 1e-5


def test_among_k_modes_too() -> None:
    modes = Modes([[0, 0], [4, 0], [2, 3]])
    target, θ = target_of(modes, [0, 1, 0.5], None), np.array([0.3, -0.4])
    other = Modes([[0, 0], [3, 0], [2, 3]])

    def responsibility(x: Array, θ: Array) -> Array:
        return np.tanh(x) * θ[0]

    for ops in (Plane(target, 0.1), ModesWalkers(target, 0.1, 2000)):
        cloud = ops.model(θ)
        for f in (responsibility, other.responsibility, functools.partial(other.responsibility)):
            wanted = f(cloud.x, θ) @ cloud.weights
            np.testing.assert_allclose(ops.mean(cloud, f, θ), wanted, atol=1e-13)
        wanted = other.in_b(cloud.x) @ cloud.weights
        np.testing.assert_allclose(ops.mean(cloud, other.in_b), wanted, atol=1e-13)
    with pytest.raises(NotImplementedError, match="data's mean"):
        ops.mean(ops.data(), other.responsibility, θ)


# ------------------------------------------------------------------ what jumps at the centre
@pytest.mark.parametrize("Δ", [1 / 12, 1 / 3, 0.4, 0.5])
def test_half_line_weights_integrate_half_a_normal_law(Δ: float) -> None:
    """∫_0^∞ of N(μ, 1) is Φ(μ) within the stated e^{−π²/2(Δ² + 1/36)}; on fine nodes Φ(−9) = 1e−19
    keeps its digits beside a mass of 1."""
    k = np.arange(-round(20 / Δ), round(20 / Δ) + 1)
    for μ in (-9.0, -3.0, -0.4, 0.0, 1.7):
        with np.errstate(under="ignore"):
            density = np.exp(-0.5 * (k * Δ - μ) ** 2) / math.sqrt(2 * math.pi)
            wrong = abs(Δ * float(half_line(k) @ density) - ndtr(μ))
        assert wrong < math.exp(-(math.pi**2) / (2 * (Δ**2 + 1 / 36))) + 4e-16
        assert Δ > 0.1 or wrong < 1e-6 * ndtr(μ)


@pytest.mark.parametrize(("d", "θ"), [(0.5, 5.0), (1.0, -2.0), (4.0, 0.3), (12.0, 30.0)])
def test_shares_of_the_law_are_those_of_the_normal_law(d: float, θ: float) -> None:
    """E_{ρ_θ}[1_b] and its slope by 30-digit quadrature, on both backends' data law and the grid's
    model; the closed form, and the sum over nodes that do not know what law they hold."""
    target = Target.exact(θ, d)
    mix, grid = target.mixture, Grid(target, 0.05)
    with mp.workdps(30):
        p, h = 1 / (1 + mp.exp(θ)), mp.mpf(d) / 2
        share = p * mp.ncdf(h) + (1 - p) * mp.ncdf(-h)
        minus_slope = p * (1 - p) * (mp.ncdf(h) - mp.ncdf(-h))
    nodes = Cloud(grid.x, -mix.energy(grid.x, θ))
    for ops, law in (
        (grid, grid.data()), (grid, grid.model(θ)), (grid, nodes),
        (Walkers(target, 0.05, 10), target.data),
    ):  # fmt: skip
        assert ops.mean(law, mix.in_b) == pytest.approx(float(share), rel=1e-13, abs=1e-15)
        got = ops.mean(law, mix.in_b_centred, θ)
        assert got == pytest.approx(float(minus_slope), rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("d", [0.5, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("h", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("temperature", [1.0, 9.0])
def test_share_beyond_the_centre_after_a_step(d: float, h: float, temperature: float) -> None:
    """E Φ((T(x) − m)/√(2hT)) over ρ_θ, whose integrand is smooth, by fine nodes: to 1e−14, also
    where the nodes are those of another step (an own chain's)."""
    target, θ = Target.exact(0.4, d), 0.9
    grid, mix = Grid(target, h), target.mixture
    moved = grid.move(grid.model(-1.0), θ, temperature=temperature)
    fine = Grid(target, h, min(grid.dx, math.sqrt(2 * h) / 12)).model(-1.0)
    aim = (fine.x - h * mix.dU_dx(fine.x, θ) - mix.m) / math.sqrt(2 * h * temperature)
    with np.errstate(under="ignore"):
        wanted = fine.weights @ ndtr(aim)
    assert grid.mean(moved, mix.in_b) == pytest.approx(wanted, abs=1e-14)
    assert Grid(target, 3.7 * h).mean(moved, mix.in_b) == grid.mean(moved, mix.in_b)
    assert abs(moved.mean(mix.in_b) - wanted) > 1e-7 or d == 8.0  # the trapezoid rule's jump


def test_the_users_points_stand_for_themselves() -> None:
    """Points that happen to be equidistant about m, before a step and where MALA leaves them."""
    points = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0])
    target = Target.of_points(points, -2.0, 2.0, 0.4)
    grid, mix = Grid(target, 0.05), target.mixture
    assert grid.mean(grid.data(), mix.in_b) == pytest.approx(4 / 7, abs=1e-15)
    after = grid.move(grid.data(), 0.6, kernel="mala")
    n = after.size - points.size
    assert np.array_equal(after.x[n:], points)
    w = after.weights
    on_nodes = grid.mean(Cloud(after.x[:n], after.logw[:n]), mix.in_b) * w[:n].sum()
    assert grid.mean(after, mix.in_b) == pytest.approx(on_nodes + w[-4:].sum(), abs=1e-15)


@pytest.mark.parametrize("h", [0.02, 0.15, 0.4])
def test_what_mala_rejects_of_the_data_stays_at_nodes(h: float) -> None:
    """The data law has nodes of its own; a step from it is one from the grid's, and the cloud is
    no longer for it. The rule's error is that of one grid: at half the nodes' distance the share
    beyond m differs by less than 1e−5, where 1_b summed would differ by 1e−4."""
    target = Target.exact(-0.7, 2.0)
    grid, mix = Grid(target, h), target.mixture
    ours, wanted = (grid.move(law, 0.5, kernel="mala") for law in (grid.data(), grid.model(-0.7)))
    assert ours.x is grid.x
    assert np.max(np.abs(ours.weights - wanted.weights)) < 1e-16
    assert ours.log_mass == pytest.approx(grid.data().log_mass, abs=1e-14)
    fine = Grid(target, h, grid.dx / 2)
    half = fine.move(fine.data(), 0.5, kernel="mala")
    assert grid.mean(ours, mix.in_b) == pytest.approx(fine.mean(half, mix.in_b), abs=1e-5)
    assert abs(ours.mean(mix.in_b) - half.mean(mix.in_b)) > 2e-5
