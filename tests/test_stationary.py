"""The law of particles at a θ that is held, against linear algebra and against long runs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyflows import bench, stationary
from toyflows.backends.grid import Grid
from toyflows.cloud import Array, Cloud
from toyflows.flows.replay_buffer import ReplayBuffer
from toyflows.method import method as flow_of
from toyflows.outlook import outlook
from toyflows.settings import RunSettings
from toyflows.state import State
from toyflows.target import Target


def at(star: float, θ0: float, time: float, dt: float, rate: float) -> RunSettings:
    return RunSettings(theta_star=star, theta0=θ0, time=time, dt=dt, rate=rate)


def grid(θ_star: float, d: float, dt: float) -> Grid:
    return Grid(Target.exact(θ_star, d), dt)


def speed(method: str, ops: Grid, θ: float, start: float) -> float:
    flow = flow_of(method)
    chains = flow.begin(ops, start).chains
    assert chains is not None
    return stationary.field(flow, ops, chains)(θ)


@pytest.mark.parametrize(("d", "θ", "dt"), [(3, -1.0, 0.1), (5.5, 1.3, 0.5), (6.3, -5, 0.05)])
def test_the_held_law_of_langevin_is_the_left_eigenvector(d: float, θ: float, dt: float) -> None:
    ops, flow = grid(1.2, d, dt), flow_of("pcd")
    found = stationary.held(flow, ops, θ, ops.model(θ - 1))
    assert isinstance(found, Cloud)
    w = _invariant(ops.transition(θ))
    assert np.sum(np.abs(found.weights - w)) < 1e-6


def _invariant(P: Array) -> Array:
    """wP = w, Σw = 1, by a dense solve."""
    n = len(P)
    with np.errstate(under="ignore"):
        P = P / P.sum(axis=1, keepdims=True)
    system = np.vstack([(np.eye(n) - P).T, np.ones(n)])
    return np.asarray(np.linalg.lstsq(system, np.append(np.zeros(n), 1.0), rcond=None)[0])


@pytest.mark.parametrize("θ", [-2.0, 0.7, 4.0])
@pytest.mark.parametrize("method", ["pcd kernel=mala", "tempering kernel=mala replicas=3"])
def test_what_metropolis_corrects_holds_the_model(method: str, θ: float) -> None:
    ops = grid(0.3, 5, 0.2)
    right = flow_of("ml").velocity(ops, θ, ops.model(θ))
    assert speed(method, ops, θ, θ + 1) == pytest.approx(right, abs=1e-8)


@pytest.mark.parametrize("buffer", [1, 10])
def test_a_buffer_holds_the_law_of_its_linear_equation(buffer: int) -> None:
    ops, θ, k, fresh = grid(0.3, 4, 0.1), 0.9, 3, 0.2
    flow = ReplayBuffer(k=k, h=0.1, fresh=fresh, buffer=buffer)
    chains = flow.begin(ops, 0.0).chains
    assert chains is not None
    found = stationary.held(flow, ops, θ, chains)
    assert isinstance(found, Cloud)
    with np.errstate(under="ignore"):
        P = np.linalg.matrix_power(ops.transition(θ), k)  # μ = ((1 − p)μ + pN)Pᵏ on the nodes
    born = ops.noise(flow.noise)
    for _ in range(k):
        born = ops.move(born, θ)
    assert np.array_equal(born.x, ops.x)
    μ = np.linalg.solve(np.eye(len(P)) - (1 - fresh) * P.T, fresh * born.weights)
    got = found.mean(lambda x: (x > ops.mixture.m) + 0.0 * x)
    assert got == pytest.approx(float(μ @ (ops.x > ops.mixture.m)), abs=1e-8)


def test_particles_that_do_not_mix_have_no_one_law() -> None:
    assert math.isnan(speed("pcd", grid(1.4, 20, 0.1), 2.0, 0.0))


@pytest.mark.parametrize(
    ("method", "d", "setting", "rest"),
    [
        ("pcd", 5.564, at(1.164, -2.829, 171.8, 0.5, 0.1353), 1.30874),
        ("replay-buffer k=1 noise=1.671 buffer=7", 6.729,
         at(-0.6426, 4.791, 204.9, 0.5, 0.2703), -2.97043),
    ],
)  # fmt: skip
def test_a_rest_beside_the_weight_is_where_a_long_run_ends(
    method: str, d: float, setting: RunSettings, rest: float
) -> None:
    flow = flow_of(method)
    run = bench.cell(flow, d, setting, "grid").run
    assert run is not None
    ahead = outlook(flow, Target.exact(setting.target.θ_star, d), run)
    assert ahead.exact
    assert ahead.rest == pytest.approx(rest, abs=1e-4)
    ops, state = grid(setting.target.θ_star, d, setting.dt), run.state
    assert state is not None
    for _ in range(4000):
        state, info = flow.step(ops, state, setting.rate * setting.dt)
    assert state.θ == pytest.approx(ahead.rest, abs=2e-4)
    assert abs(info.velocity) < 1e-4


def test_particles_that_mix_fast_follow_the_field() -> None:
    """pcd with MALA, mixing in a time of 4, is as fast as the field of held particles says."""
    flow, ops = flow_of("pcd kernel=mala"), grid(8.0, 3.29, 0.5)
    chains = flow.begin(ops, 3.0).chains
    assert chains is not None
    g = stationary.field(flow, ops, chains)
    state, rate = State(0, 5.0, {}, stationary.held(flow, ops, 5.0, chains)), 0.2
    for _ in range(400):
        state, info = flow.step(ops, state, rate * ops.h)
    assert info.velocity == pytest.approx(g(state.θ), rel=0.05)
