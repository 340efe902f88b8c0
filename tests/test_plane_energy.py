"""A family of one's own in the plane: the same flows on the exact law and on walkers."""

from __future__ import annotations

import math

import numpy as np
import pytest

import toyflows
from toyflows import PlaneEnergy, solve, stats
from toyflows.backends.exact import exact_law
from toyflows.backends.plane import PlaneGrid, PlaneWalkers
from toyflows.cloud import Cloud
from toyflows.errors import InputError, NoExactLaw
from toyflows.flows import make
from toyflows.mixture import Mixture
from toyflows.target import Target

TWO = Mixture.separated(3.0)
SAME = PlaneEnergy(lambda x, θ: TWO.energy(x[0], θ) + 0.5 * x[1] ** 2, (-9.0, -7.5), (9.0, 7.5))


def bent(x, θ):
    """Two wells on a bent valley."""
    return 0.5 * (x[0] ** 2 - 2.0) ** 2 + 0.5 * (x[1] - 0.5 * x[0] ** 2) ** 2 + 0.5 * θ * x[0]


WELLS = PlaneEnergy(bent, (-4.0, -7.5), (4.0, 10.5), finest=0.15)


def test_slopes_are_those_of_the_polynomial() -> None:
    """∇U, ∂_θU to 1e−8 and Hyvärinen's loss to 1e−4 of their polynomials, at points at random."""
    x, θ = np.random.default_rng(0).uniform(-2, 2, (2, 50)), 0.7
    u, v = x
    along = np.stack([2 * u * (u**2 - 2) - u * (v - 0.5 * u**2) + 0.5 * θ, v - 0.5 * u**2])
    assert WELLS.dU_dx(x, θ) == pytest.approx(along, abs=1e-7)
    assert WELLS.responsibility(x, θ) == pytest.approx(0.5 * u, abs=1e-8)
    assert WELLS.hyvärinen(x, θ) == pytest.approx(
        -0.5 * along[0],
        rel=1e-4,
        abs=1e-4,  # ∂_θ of −½|∇U|²
    )
    given = PlaneEnergy(bent, (-4, -6), (4, 9), slope=lambda x, θ: along, rise=lambda x, θ: 0.5 * u)
    assert np.array_equal(given.dU_dx(x, θ), along)
    assert np.array_equal(given.responsibility(x, θ), 0.5 * u)


def test_two_modes_and_a_normal_coordinate_are_the_two_modes() -> None:
    """log Z, the weight of mode b and the spectral gap are the line's: the other gap is 1."""
    for θ in (-1.0, 0.7):
        assert SAME.log_Z(θ) == pytest.approx(TWO.log_Z(θ) + 0.5 * math.log(2 * math.pi), abs=1e-9)
        assert SAME.weight_b(θ) == pytest.approx(TWO.share_b(θ), abs=1e-9)
        assert SAME.mixing_time(θ) == pytest.approx(TWO.mixing_time(θ), rel=0.01)


@pytest.mark.parametrize(
    ("name", "options"),
    [("ml", {}), ("score-matching", {}), ("pcd", {}), ("cd", {"k": 2}), ("short-run", {"k": 3}),
     ("replay-buffer", {"k": 1})],
)  # fmt: skip
def test_two_modes_in_the_plane_have_the_lines_flows(name: str, options: dict) -> None:
    """θ(t) and KL on the exact law to 1e−5 of the line's, and the share of mode b to 1e−6."""
    how = {"theta_star": -0.8, "theta0": 0.5, "time": 1.5, "dt": 0.1, "backends": "grid"}
    ours = toyflows.flow(name, model=SAME, **how, **options).backends["grid"]
    theirs = toyflows.flow(name, separation=3.0, **how, **options).backends["grid"]
    assert ours.θ == pytest.approx(theirs.θ, abs=1e-5)
    assert ours.seen["kl"] == pytest.approx(theirs.seen["kl"], abs=1e-5)
    if name != "score-matching":
        assert ours.mode_b == pytest.approx(theirs.mode_b, abs=1e-6)


def test_the_verdict_of_the_line() -> None:
    for name in ("ml", "pcd"):
        how = {"theta_star": -0.8, "time": 20.0, "dt": 0.1, "backends": "grid"}
        ours, theirs = toyflows.flow(name, model=SAME, **how), toyflows.flow(name, separation=3.0,
                                                                          **how)  # fmt: skip
        assert ours.verdict.kind == theirs.verdict.kind
        assert ours.verdict.number == pytest.approx(theirs.verdict.number, abs=1e-4)


def test_draws_have_the_law_of_the_nodes() -> None:
    """Six moments of 200,000 draws; false-fail rate 1e−6 each."""
    u = np.random.default_rng(1).random((2, 200_000))
    x, law = WELLS.quantile(u, 0.7), WELLS.law(0.7)
    for i, j in ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0)):
        seen = x[0] ** i * x[1] ** j
        exact = law.mean(lambda y, i=i, j=j: y[0] ** i * y[1] ** j)
        assert stats.mean(f"{i}{j}", seen, exact, bias=4e-3).detects < 0.1


def test_walkers_in_the_plane_have_the_law_of_the_nodes() -> None:
    """θ̇ after three steps, mean over 24 replicas; false-fail rate 1e−6 each."""
    target = Target.of_model(WELLS, 0.7)
    for name, options in (("pcd", {}), ("cd", {"k": 2}), ("replay-buffer", {"k": 1})):
        flow = make(name, **options)
        exact = solve.run(flow, exact_law(target, 0.05), -0.5, 3, rate=2.0)
        runs = [
            solve.run(flow, PlaneWalkers(target, 0.05, 10_000, seed=s), -0.5, 3, rate=2.0)
            for s in range(24)
        ]
        seen = [run.velocity[3] for run in runs]
        assert stats.mean(name, seen, exact.velocity[3], bias=1e-3).detects < 0.02


def test_weights_in_the_plane_estimate_log_Z() -> None:
    """Jarzynski's mean weight is Z_θ/Z_θ0 on a line, an ellipse or a plane: 20 replicas."""
    target = Target.of_model(WELLS, 0.7)
    runs = [
        solve.run(make("jarzynski"), PlaneWalkers(target, 0.02, 5_000, seed=s), 0.0, 25, rate=3.0)
        for s in range(20)
    ]
    seen = [math.exp(run.seen["log_Z"][-1] - WELLS.log_Z(float(run.θ[-1]))) for run in runs]
    assert stats.mean("Z", seen, 1.0, bias=5e-3).detects < 0.1


def test_who_crosses_the_middle_of_the_first_axis_is_counted() -> None:
    """By x_1 alone; of a ladder, in its coldest cloud."""
    ops = PlaneWalkers(Target.of_model(SAME, 0.7), 0.1, 4)
    before = Cloud(np.array([[-1.0, -1.0, 1.0, 2.0], [3.0, -3.0, 3.0, -3.0]]))
    after = Cloud(np.array([[1.0, -2.0, -1.0, 2.0], [-3.0, 3.0, 3.0, 3.0]]))
    assert ops.crossed(before, after) == ops.crossed((before, after), (after, before)) == 2
    assert ops.crossed(before, before) == 0


def test_walkers_gathered_on_nodes_keep_their_mean() -> None:
    x = np.random.default_rng(2).normal(size=(2, 100))
    grid = exact_law(Target.of_model(SAME, 0.7), 0.1)
    assert isinstance(grid, PlaneGrid)
    nodes = grid.gathered(Cloud(x))
    for k in (0, 1):
        assert nodes.mean(lambda y, k=k: y[k]) == pytest.approx(x[k].mean(), abs=1e-12)
    assert nodes.log_mass == pytest.approx(math.log(100), abs=1e-12)
    with pytest.raises(NoExactLaw, match="left the family's range"):
        grid.gathered(Cloud(np.array([[0.0, 1e300], [0.0, 0.0]])))


def test_a_step_that_the_nodes_cannot_make_is_the_walkers() -> None:
    """Weights and temperatures run on walkers alone, and are judged on replicas."""
    for name in ("jarzynski", "tempering"):
        run = toyflows.flow(name, model=SAME, theta_star=0.7, time=2.0, walkers=500)
        assert list(run.backends) == ["walkers"]
        assert run.verdict.kind in ("converges", "on its way")
    with pytest.raises(NoExactLaw, match="has no weights in a plane; take walkers"):
        toyflows.flow("jarzynski", model=SAME, theta_star=0.7, backends="grid")
    with pytest.raises(NoExactLaw, match="has no kernel=mala in a plane"):
        toyflows.flow("pcd", model=SAME, theta_star=0.7, backends="grid", kernel="mala")


@pytest.mark.parametrize(
    ("given", "said"),
    [({"low": (1, 0), "high": (0, 1)}, "two finite numbers each, low < high"),
     ({"low": -4.0, "high": 4.0}, "two finite numbers each, low < high"),
     ({"low": (-4, math.nan), "high": (4, 4)}, "two finite numbers each, low < high"),
     ({"low": (-4, -4), "high": (4, 4), "finest": 1e-3}, "200,000 in all at most"),
     ({"low": (-4, -4), "high": (4, 4), "finest": 2.0}, "10 nodes a side")],
)  # fmt: skip
def test_a_rectangle_that_is_none_is_refused(given: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        PlaneEnergy(bent, **given)


def test_a_rectangle_that_cuts_mass_off_is_refused() -> None:
    small = PlaneEnergy(bent, (-2.0, -6.0), (2.0, 9.0))
    with pytest.raises(InputError, match="must hold all the mass"):
        toyflows.flow("ml", model=small, theta_star=0.7)
    with np.errstate(all="ignore"), pytest.raises(InputError, match="must be finite"):
        toyflows.flow("ml", model=PlaneEnergy(lambda x, θ: x[0] / 0, (-2, -2), (2, 2)),
                      theta_star=0.7)  # fmt: skip
