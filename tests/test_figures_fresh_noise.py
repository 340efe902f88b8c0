"""The figures of short-run chains and the replay buffer: claims hold, other methods fail them."""

from __future__ import annotations

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through
from scipy.optimize import brentq

from toyflows import solve
from toyflows.backends.grid import Grid
from toyflows.figures import replay_buffer, short_run
from toyflows.flows import make
from toyflows.stats import ClaimError
from toyflows.target import Target


@pytest.fixture(scope="module", params=[short_run, replay_buffer], ids=["short run", "buffer"])
def made(request):
    """A figure's module with its data, computed once."""
    return request.param, request.param.compute(0.05, 1)


def test_claims_hold_and_words_are_legible(made) -> None:
    module, data = made
    module.claim(data)
    figure = drawn(module, data)
    assert problems(figure) == []
    assert struck_through(figure) == []


def test_short_runs_ends_are_the_flows_own() -> None:
    """The squared matrices and the polynomial give what k steps of the flow give, to 1e−5."""
    target = Target.from_q(short_run.Q_STAR, 6.0)
    ends = short_run._ends(target)
    for k in (1, 3, 64):
        flow, grid = make("short-run", k=k, noise=short_run.NOISE), Grid(target, short_run.H)
        wanted = brentq(lambda θ, f=flow, g=grid: solve.velocity(f, g, θ), 0.5, 7.0)
        assert ends[k == short_run.STEPS].item() == pytest.approx(wanted, abs=1e-5)


def test_wrong_data_fail_the_claims(made) -> None:
    """Walkers, formula or truth replaced, one at a time."""
    module, data = made
    wrong = {
        "walkers": data["walkers"] + (0.5 if module is short_run else 3.0),
        "mixing": data.get("mixing", np.ones(1)) * 3,
        "formula": data["formula"] * 1.2,
        "end": data.get("end", np.ones(1)) * 0.9,
        "level": data.get("level", np.ones(1)) * 1.1,
        "other": data.get("other", np.ones(1)) + 0.1,
        "theta_star": data["theta_star"] + 10,
    }
    for name in set(wrong) & set(data):
        if module is short_run and name == "theta_star":  # drawn only
            continue
        with pytest.raises(ClaimError):
            module.claim(data | {name: wrong[name]})


@pytest.mark.parametrize(
    "flow",
    [make("ml"), make("pcd"), make("replay-buffer", k=3, buffer=5, fresh=0.0)],
    ids=["ml", "pcd", "never reborn"],
)
def test_other_methods_do_not_end_where_the_noise_falls(flow) -> None:
    """Maximum likelihood ends at θ*, PCD and a buffer without fresh noise run away."""
    target = Target.from_q(replay_buffer.Q_STAR)
    level = make("replay-buffer").fixed_point(target)
    end = replay_buffer._path(flow, Grid(target, replay_buffer.H))[-1]
    assert abs(end / level - 1) > 0.2
