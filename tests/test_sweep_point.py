"""One run of a sweep: the numbers of solve.run and judge, and no others."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sweep_engine import small

from toyflows import solve
from toyflows.backends.walkers import Walkers
from toyflows.errors import Diverged
from toyflows.flows import make
from toyflows.method import method as parse
from toyflows.settings import RunSettings
from toyflows.sweep.plan import KEEP, Plan
from toyflows.sweep.point import COLUMNS, PATH, Chunk, Refused, Rows, kept, measure, versions, work
from toyflows.sweep.settings import Run
from toyflows.target import Target
from toyflows.verdict import KINDS, judge

BASE = RunSettings(separation=4.0, time=5.0, walkers=1000)


@pytest.mark.parametrize("loss", ["jarzynski", "pcd", "cd k=2"])
def test_a_run_has_the_numbers_of_its_own_path(loss: str) -> None:
    run = Run(replace(BASE, loss=loss), "walkers")
    target = Target.exact(BASE.theta_star, 4.0)
    path = solve.run(parse(loss), Walkers(target, 0.05, 1000, run.seed), 0.0, 100)
    told, verdict = measure(run), judge(parse(loss), target, path)
    assert set(told) == set(COLUMNS)
    assert KINDS[told["verdict"]] == verdict.kind
    assert told["number"] == verdict.number
    np.testing.assert_equal(told["needs"], verdict.needs or math.nan)
    assert told["theta"] == path.θ[-1]
    assert told["bias"] == path.θ[-1] - target.θ_star
    assert told["drift"] == pytest.approx(np.mean(path.velocity[-5:]), rel=1e-12)
    np.testing.assert_equal(told["crossings"], path.crossings[-1])
    if loss == "jarzynski":
        assert told["effective_size"] == path.seen["effective_size"].min() < 1
    else:
        assert math.isnan(told["effective_size"])
    even = np.interp(np.linspace(0, 5, PATH), path.t, path.θ)
    assert np.array_equal(told["path"], even)


def test_backends_say_the_same_in_their_limits() -> None:
    """ML on the grid is the closed form's flow up to Euler's error, O(dt): half of it at dt/2."""
    base = RunSettings(separation=14.0, time=4.0, dt=0.1)
    gap = []
    for dt in (0.1, 0.05):
        exact = measure(Run(replace(base, loss="ml", dt=dt), "theory"))["theta"]
        gap.append(measure(Run(replace(base, loss="ml", dt=dt), "grid"))["theta"] - exact)
    assert gap[0] / gap[1] == pytest.approx(2.0, abs=0.1)


def test_rows_are_the_same_bits_in_every_chunking() -> None:
    plan = small(keep=list(KEEP))
    runs = tuple(plan.run(k) for k in range(plan.runs))
    whole = work(Chunk(runs, plan.keep, versions()))
    assert isinstance(whole, Rows)
    for k in reversed(range(plan.runs)):
        one = work(Chunk((runs[k],), plan.keep, versions()))
        assert isinstance(one, Rows)
        assert one.keys[0] == whole.keys[k] == runs[k].key
        for name, array in one.values.items():
            assert np.array_equal(array[0], whole.values[name][k], equal_nan=True), name
    assert list(whole.values) == list(kept(plan.keep))
    assert len(whole.seconds) == plan.runs


def test_a_worker_of_other_versions_is_refused() -> None:
    plan = small()
    told = work(Chunk((plan.run(0),), plan.keep, versions() | {"toyflows": "0.0.0"}))
    assert isinstance(told, Refused)
    assert "started with toyflows 0.0.0" in str(told.error())


@pytest.mark.parametrize("every", [1, 3, 7])
def test_the_path_is_recorded_as_step_by_step(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one kernel call, in many of 10 steps, and without the kernel."""
    for loss in ("pcd", "jarzynski"):
        flow, target = make(loss), Target.exact(0.5, 3.0)

        def walk(flow: object = flow, target: Target = target) -> object:
            return solve.run(flow, Walkers(target, 0.1, 500, 3), 0.2, 47, 1.0, every)

        whole = walk()
        with monkeypatch.context() as patch:
            patch.setattr("toyflows.backends.walkers.WALKER_STEPS_A_CALL", 10 * 500)
            pieces = walk()
        slow = walk(type("Slow", (type(flow),), {"step": type(flow).step})())
        for name in ("t", "θ", "velocity", "mode_b", "crossings"):
            assert np.array_equal(getattr(whole, name), getattr(pieces, name)), name
            close = getattr(whole, name), getattr(slow, name)
            np.testing.assert_allclose(*close, rtol=1e-12, atol=1e-13)
        assert whole.t.size == len({*range(0, 47, every), 47})
        assert whole.crossings[-1] > 0


def test_a_path_that_runs_away_is_told_at_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve, "RUNAWAY", 1.0)
    base = RunSettings(separation=20.0, time=50.0, walkers=500)
    target = Target.exact(base.theta_star, 20.0)
    with pytest.raises(Diverged) as error:
        solve.run(make("pcd"), Walkers(target, 0.05, 500, 1), 0.0, 1000)
    assert error.value.time == pytest.approx(1.0 / 0.3, rel=0.15)  # |θ̇| = |p_b(0) − q*| = 0.3
    run = Run(replace(base, loss="pcd"), "theory")
    assert measure(run)["number"] == pytest.approx(1.0 / 0.3, abs=0.051)
    row = measure(Run(replace(base, loss="pcd"), "walkers"))
    assert KINDS[row["verdict"]] == "diverges"
    assert row["number"] == pytest.approx(1.0 / 0.3, rel=0.15)
    assert all(math.isnan(row[name]) for name in COLUMNS if name not in ("verdict", "number"))


def test_a_plan_of_many_runs_costs_microseconds_a_run() -> None:
    plan = Plan.make(["pcd"], {"separation": "1:20:100", "rate": "0.1:7:100"}, walkers=10)
    assert np.unique(plan.keys()).size == 10_000
