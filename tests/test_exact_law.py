"""The exact law of persistent chains in one kernel call (kernels/exact_law.py): the flow's own
steps, to round-off, and no bit that depends on where a run is cut."""

from __future__ import annotations

import numpy as np
import pytest

from toyflows import solve
from toyflows.backends.grid import Grid
from toyflows.cloud import Cloud
from toyflows.flows.base import make
from toyflows.flows.jarzynski import Jarzynski
from toyflows.flows.pcd import PCD
from toyflows.target import Target

SETTINGS = [(20.0, 0.05, 1.4, 1.0), (4.0, 0.1, 0.5, 3.0), (1.0, 0.3, -2.0, 1.0),
            (8.0, 0.5, -8.0, 10.0), (20.0, 1.2, 1.4, 1.0)]  # fmt: skip


class Plain(PCD):
    """PCD by its own steps: a class that has a step of its own is never fused."""

    name = "plain"
    step = PCD.step


class PlainWork(Jarzynski):
    """Jarzynski's correction by its own steps."""

    name = "plain-work"
    step = Jarzynski.step


PAIRS = {"pcd": Plain, "jarzynski": PlainWork}


@pytest.mark.parametrize("loss", PAIRS)
@pytest.mark.parametrize(("d", "h", "θ_star", "rate"), SETTINGS)
def test_it_is_the_flows_own_steps(
    loss: str, d: float, h: float, θ_star: float, rate: float
) -> None:
    """θ̇ is the difference of two means of order 1, each a sum of n terms: n·ε, and what θ adds."""
    grid = Grid(Target.exact(θ_star, d), h)
    fused = solve.run(make(loss), grid, 0.3, 300, rate)
    plain = solve.run(PAIRS[loss](), grid, 0.3, 300, rate)
    for name in ("velocity", "mode_b"):
        assert np.max(np.abs(getattr(fused, name) - getattr(plain, name))) < 3e-14, name
    assert np.max(np.abs(fused.θ - plain.θ)) < 300 * rate * h * 3e-14
    assert fused.state is not None
    assert plain.state is not None
    assert isinstance(fused.state.chains, Cloud)
    assert isinstance(plain.state.chains, Cloud)
    assert fused.state.chains.log_mass == pytest.approx(plain.state.chains.log_mass, abs=1e-10)


@pytest.mark.parametrize("loss", PAIRS)
@pytest.mark.parametrize(("d", "h", "θ_star", "rate"), SETTINGS[:2])
def test_a_run_may_be_cut_anywhere(
    loss: str, d: float, h: float, θ_star: float, rate: float
) -> None:
    grid, flow = Grid(Target.exact(θ_star, d), h), make(loss)
    whole = solve.run(flow, grid, 0.3, 250, rate)
    first = solve.run(flow, grid, 0.3, 33, rate)
    second = solve.run(flow, grid, 0.3, 217, rate, state=first.state)
    assert np.array_equal(whole.θ[33:], second.θ)
    assert whole.state is not None
    assert second.state is not None
    assert isinstance(whole.state.chains, Cloud)
    assert isinstance(second.state.chains, Cloud)
    assert whole.state.chains.logw is not None
    assert second.state.chains.logw is not None
    assert np.array_equal(whole.state.chains.logw, second.state.chains.logw)
    assert first.velocity[-1] == whole.velocity[33]  # the last record is the kernel's too


def test_points_that_are_no_nodes_come_to_the_nodes() -> None:
    """Chains that begin at the user's points: the first step is an ordinary one."""
    target = Target.of_points(np.array([-2.1, -1.9, 0.3, 2.2]), -2.0, 2.0, 0.5)
    grid, start = Grid(target, 0.1), make("pcd").begin(Grid(target, 0.1), 0.2)
    state = start._replace(chains=Cloud(target.data.x))
    fused = solve.run(make("pcd"), grid, 0.2, 50, 1.0, state=state)
    plain = solve.run(Plain(), grid, 0.2, 50, 1.0, state=state)
    assert np.max(np.abs(fused.θ - plain.θ)) < 1e-13
