"""Work weights: the kernel against the formula, the law and the mass against the mathematics, and
the bits against every way to cut a run."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from sweep_noise import sweep_noise

from toyflows import solve, stats
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Cloud
from toyflows.flows import make
from toyflows.mixture import Mixture
from toyflows.state import Trajectory
from toyflows.stats import ClaimError
from toyflows.target import Target

N = 5_000  # not a multiple of the block


def by_the_formula(flow, target: Target, h: float, θ: float, steps: int, rate: float, seed: int):
    """log w ← log w + work, in NumPy: rows of θ, θ̇, mode_b, log Z, effective size; the chains."""
    mix, cloud = target.mixture, flow.begin(Walkers(target, h, N, seed), θ).chains
    x, logw, rows = cloud.x, cloud.logw, []
    for k in range(steps):
        with np.errstate(under="ignore"):
            w, at_data = np.exp(logw - logw.max()), mix.responsibility(target.data.x, θ)
            v = w @ mix.responsibility(x, θ) / w.sum() - target.data.weights @ at_data
            log_Z = logw.max() + math.log(w.sum())
            rows.append((θ, v, w[x > mix.m].sum() / w.sum(), log_Z, w.sum() ** 2 / (w @ w) / N))
        ξ, _ = sweep_noise(N, seed, k, math.sqrt(2 * h))
        y, θ_new = x - h * mix.dU_dx(x, θ) + ξ, θ + rate * h * v
        x, logw, θ = y, logw + mix.work(x, y, θ, θ_new, h), θ_new
    return np.array(rows).T, x, logw


@pytest.mark.parametrize(
    ("d", "h", "rate", "steps"),
    [(3.0, 0.3, 5.0, 50), (20.0, 0.05, 1.0, 50), (100.0, 0.3, 3.0, 50), (20.0, 0.05, 2e4, 15)],
)
def test_the_kernel_is_the_formula(d: float, h: float, rate: float, steps: int) -> None:
    """All that is recorded to 2e−12 of its size, log w to 1e−10; also where θ jumps by hundreds a
    step and the weights by e^±hundreds."""
    target, flow = Target.exact(1.4, d), make("jarzynski")
    run = solve.run(flow, Walkers(target, h, N, seed=3), 0.2, steps, rate)
    rows, x, logw = by_the_formula(flow, target, h, 0.2, steps, rate, 3)
    ours = run.θ, run.velocity, run.mode_b, run.seen["log_Z"], run.seen["effective_size"]
    for got, wanted in zip(ours, rows, strict=True):
        assert np.max(np.abs(got[:-1] - wanted)) <= 2e-12 * max(1.0, np.max(np.abs(wanted)))
    scale = max(1.0, np.max(np.abs(run.θ)))
    assert np.max(np.abs(run.state.chains.x - x)) < 1e-10 * scale
    assert np.max(np.abs(run.state.chains.logw - logw)) < 1e-10 * scale
    assert (np.ptp(run.θ) > 100) == (rate > 100)


@pytest.mark.parametrize("shift", [-1500.0, 1500.0])
def test_no_weight_is_too_large_or_too_small(shift: float) -> None:
    """All weights times e^±1500, which no float64 holds: log Z is shifted, and nothing else."""
    backend, mix = Walkers(Target.exact(1.4, 5.0), 0.1, N, seed=1), Mixture.separated(5.0)
    paths = []
    for s in (0.0, shift):
        cloud = backend.model(0.2).of_mass(mix.log_Z(0.2) + s)
        paths.append(backend.persistent("work", "ula", 0, cloud, 0.2, 30, 0.5)[2])
    assert np.max(np.abs(paths[1] - paths[0] - [0, 0, 0, 0, shift, 0])) < 1e-11


# ------------------------------------------------------------------ bits
def same(one: Trajectory, other: Trajectory) -> None:
    for column in ("t", "θ", "velocity", "mode_b", "crossings"):
        assert np.array_equal(getattr(one, column), getattr(other, column)), column
    for name in ("log_Z", "effective_size"):
        assert np.array_equal(one.seen[name], other.seen[name]), name
    assert np.array_equal(one.state.chains.x, other.state.chains.x)
    assert np.array_equal(one.state.chains.logw, other.state.chains.logw)


@pytest.mark.parametrize(("d", "h", "rate"), [(3.0, 0.3, 5.0), (20.0, 0.05, 200.0)])
@pytest.mark.parametrize("resample", [0.0, 0.9, 1.0])
def test_no_bit_depends_on_cuts_or_threads(monkeypatch, d, h, rate, resample) -> None:
    """80 steps in one call, in calls of 1, 7 or 30, on one thread or more: all the same."""
    target, flow = Target.exact(1.4, d), make("jarzynski", resample=resample)

    def run(steps_a_call: int, threads: int) -> Trajectory:
        monkeypatch.setattr("toyflows.backends.walkers.WALKER_STEPS_A_CALL", steps_a_call * N)
        return solve.run(flow, Walkers(target, h, N, 2, threads), 0.2, 80, rate)

    whole = run(80, 1)
    for steps_a_call, threads in ((1, 1), (7, 2), (30, 3), (80, 2)):
        same(run(steps_a_call, threads), whole)
    if resample == 0.9 and d == 3.0:
        assert np.count_nonzero(np.diff(whole.seen["effective_size"]) > 0.05) >= 3


@pytest.mark.parametrize("resample", [0.0, 0.9])
def test_a_run_resumed_after_any_step_is_the_uninterrupted_one(resample: float) -> None:
    target, flow = Target.exact(1.4, 3.0), make("jarzynski", resample=resample)
    backend = Walkers(target, 0.3, N, seed=5)
    whole = solve.run(flow, backend, 0.2, 40, rate=5.0)
    for k in (1, 2, 17, 39):
        first = solve.run(flow, backend, 0.2, k, rate=5.0)
        x, logw = first.state.chains.x.copy(), first.state.chains.logw.copy()
        rest = solve.run(flow, backend, steps=40 - k, rate=5.0, state=first.state)
        same(first.then(rest), whole)
        assert np.array_equal(first.state.chains.x, x)
        assert np.array_equal(first.state.chains.logw, logw)


def test_resampling_is_the_flows_own() -> None:
    """The kernel with early returns against step(): the same resampling steps, and all that is
    recorded to 5e−12 (crossings apart: step() also counts walkers that resampling replaces)."""
    target, flow = Target.exact(1.4, 3.0), make("jarzynski", resample=0.9)
    backend = Walkers(target, 0.3, N, seed=2)
    run = solve.run(flow, backend, 0.2, 60, rate=5.0)
    state, seen = flow.begin(backend, 0.2), []
    for _ in range(60):
        state, info = flow.step(backend, state, 5.0 * 0.3)
        seen.append((info.velocity, info.mode_b, *info.seen.values()))
    ours = run.velocity, run.mode_b, run.seen["log_Z"], run.seen["effective_size"]
    for got, wanted in zip(ours, np.array(seen).T, strict=True):
        assert np.max(np.abs(got[:-1] - wanted)) < 5e-12
    assert np.max(np.abs(run.state.chains.x - state.chains.x)) < 1e-9
    assert np.count_nonzero(np.diff(run.seen["effective_size"]) > 0.05) >= 3


# ------------------------------------------------------------------ law and mass
SCHEDULE, STEP = np.linspace(0.0, 2.0, 6), 0.6


def along_a_schedule(seed: int, log_g=None, resample: float = 0.0) -> tuple[float, float]:
    """Σw/Z_θ and its share of r, both at the end of a fixed path of θ at d = 3, h = 0.6.

    Without log_g by the kernel: two steps at each θ (η = 0), then the tilt to the next one.
    """
    backend, mix = Walkers(Target.exact(1.4, 3.0), STEP, 2_000, seed), Mixture.separated(3.0)
    cloud = backend.model(0.0).of_mass(mix.log_Z(0.0))
    for k, (θ, θ_new) in enumerate(pairwise(SCHEDULE)):
        if log_g is None:
            cloud, _, _ = backend.persistent("work", "ula", 2 * k, cloud, θ, 2, 0.0)
            cloud = Cloud(cloud.x, cloud.logw + mix.tilt(cloud.x, cloud.x, θ, θ_new))
        else:
            cloud = backend.at(k).move(cloud, θ, log_g=log_g, args=(θ, θ_new, STEP))
        cloud = backend.at(k).resample(cloud, resample)
    mass = math.exp(cloud.log_mass - mix.log_Z(SCHEDULE[-1]))
    return mass, mass * cloud.mean(lambda x: mix.responsibility(x, SCHEDULE[-1]))


def half_for_a_quarter(x, y, θ, θ_new, h):
    """Work with ½h F² where ¼h F² is right."""
    mix = Mixture.separated(3.0)
    return mix.work(x, y, θ, θ_new, 2 * h)


def tilt(x, y, θ, θ_new, h):
    """The weight after a step that leaves ρ_θ invariant, which this one does not."""
    return Mixture.separated(3.0).tilt(x, y, θ, θ_new)


@pytest.mark.parametrize(
    ("log_g", "resample"),
    [(None, 0.0), (None, 0.95), (Mixture.separated(3.0).work, 0.0)],
    ids=["kernel", "kernel, resampled", "NumPy"],
)
def test_mass_and_law_are_unbiased(log_g, resample: float) -> None:
    """E[Σw] = Z_θ and E[Σw r_θ] = Z_θ p_b(θ) over 200 replicas of 2,000 walkers, for any step h;
    false-fail rate 1e−6, and 3 % of either is detected."""
    mass, r = np.array([along_a_schedule(s, log_g, resample) for s in range(200)]).T
    p_b = Mixture.separated(3.0).weight_b(SCHEDULE[-1])
    assert stats.mean("Σw/Z", mass, 1.0).detects < 0.03
    assert stats.mean("Σw r/Z", r, p_b).detects < 0.03 * p_b


@pytest.mark.parametrize("wrong", [half_for_a_quarter, tilt])
def test_wrong_work_is_caught(wrong) -> None:
    mass, _ = np.array([along_a_schedule(s, wrong) for s in range(200)]).T
    with pytest.raises(ClaimError):
        stats.mean("Σw/Z", mass, 1.0)


def test_systematic_resampling_gives_each_walker_its_share() -> None:
    """Copies of each walker: n w rounded up or down, and the mass to rounding."""
    rng = np.random.default_rng(0)
    cloud = Cloud(np.arange(1000.0), rng.normal(size=1000))
    backend = Walkers(Target.exact(1.4, 3.0), 0.1, 1000, seed=1)
    after = backend.resample(cloud, 1.0)
    copies = np.bincount(after.x.astype(int), minlength=1000)
    assert np.max(np.abs(copies - 1000 * cloud.weights)) < 1
    assert np.ptp(after.logw) == 0
    assert after.log_mass == pytest.approx(cloud.log_mass, abs=1e-13)
    assert backend.resample(cloud, 0.1) is cloud


def test_the_weights_cure_the_collapse() -> None:
    """θ → θ* at d = 4 and at d = 20, where `pcd` runs away: the noise of 20,000 walkers whose
    effective size is n leaves 1/√(n q*(1 − q*)) in θ; six of them allowed."""
    for d, steps, rate in ((4.0, 1500, 2.0), (20.0, 1500, 2.0)):
        target = Target.exact(-math.log(4), d)
        run = solve.run(make("jarzynski"), Walkers(target, 0.05, 20_000, seed=1), 0.0, steps, rate)
        q, n = target.q_star, 20_000 * run.seen["effective_size"].min()
        margin = 6 / math.sqrt(n * q * (1 - q))
        assert margin < 0.15
        stats.close(f"θ at d = {d:g}", run.θ[-1], target.θ_star, atol=margin)
        stats.close("log Z", run.seen["log_Z"][-1], target.mixture.log_Z(run.θ[-1]), atol=margin)
        lost = solve.run(make("pcd"), Walkers(target, 0.05, 20_000, seed=1), 0.0, steps, rate)
        assert d < 10 or abs(lost.θ[-1] - target.θ_star) > 10
