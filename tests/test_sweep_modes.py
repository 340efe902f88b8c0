"""Sweeps among K modes: each run is the one of `modes.flow`, and is stored with its modes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toyflows import modes
from toyflows.errors import InputError
from toyflows.sweep.axis import Axis
from toyflows.sweep.chart import chart
from toyflows.sweep.plan import Plan
from toyflows.sweep.run import sweep
from toyflows.sweep.store import load
from toyflows.verdict import KINDS

TRIANGLE = [[0.0, 0.0], [6.0, 0.0], [3.0, 5.0]]
STAR = [0.0, 1.0, 0.5]
SMALL = {"positions": TRIANGLE, "theta_star": STAR, "time": 2, "dt": 0.1, "walkers": 200}


def test_a_run_is_the_one_of_modes_flow(tmp_path: Path) -> None:
    """Bit for bit, with the run's own seed; the file keeps θ of every mode, and is extended."""
    keep = ("verdict", "theta", "bias", "drift", "crossings", "path")
    out = tmp_path / "k.npz"
    result = sweep(["ml", "pcd"], over={"rate": [0.5, 1.0]}, keep=keep, out=out, jobs=1, **SMALL)
    assert result["theta"].shape == (2, 2, 1, 3)
    assert result["path"].shape == (2, 2, 1, 200, 3)
    for k in (0, 3):
        run = result.plan.run(k)
        one = modes.flow(run.settings.loss, rate=run.settings.rate, seed=run.seed,
                         backends="walkers", **SMALL)  # fmt: skip
        at = np.unravel_index(k, result.plan.shape)
        assert np.array_equal(result["theta"][at], one.θ[-1])
        assert np.array_equal(result["bias"][at], one.θ[-1] - one.theta_star)
        assert np.array_equal(result["path"][at][[0, -1]], one.θ[[0, -1]])
        assert KINDS[result["verdict"][at]] == one.verdict.kind
        assert result["number"][at] == one.verdict.number
    assert np.array_equal(load(out)["theta"], result["theta"])
    more = sweep(["ml", "pcd"], over={"rate": [0.5, 1.0, 2.0]}, keep=keep, out=out, jobs=1, **SMALL)
    assert np.array_equal(more["theta"][:, :2], result["theta"])
    with pytest.raises(InputError, match="positions"):
        sweep(["ml", "pcd"], over={"rate": [0.5, 1.0, 2.0]}, keep=keep, out=out, jobs=1,
              **SMALL | {"spreads": 1.1})  # fmt: skip


def test_two_modes_on_a_line_are_the_two_modes() -> None:
    """The exact law among K = 2 modes is that of the two-mode laboratory, but for its nodes."""
    over, rest = {"rate": [0.5, 1.0]}, {"backend": "grid", "time": 5, "dt": 0.1, "jobs": 1}
    many = sweep("pcd", over=over, positions=[-2.0, 2.0], theta_star=[0, 1.0], **rest)
    two = sweep("pcd", over=over, separation=4.0, theta_star=1.0, **rest)
    np.testing.assert_allclose(many["theta"][..., 1], two["theta"], atol=1e-8)
    assert np.all(many["theta"][..., 0] == 0)
    assert np.array_equal(many.words, two.words)


def test_a_plan_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    said = 'loss = "ml"\npositions = [[0.0], [5.0], [9.0]]\nq_star = [0.2, 0.3, 0.5]\n'
    path.write_text(said + 'theta0 = [1, 1, 2]\nbackend = "grid"\n[over]\nrate = [0.5, 1.0]\n')
    plan = Plan.load(path)
    assert plan.among is not None
    assert plan.base.theta0 == (0.0, 0.0, 1.0)
    np.testing.assert_allclose(plan.among.target.mixture.weights(plan.among.target.θ_star),
                               [0.2, 0.3, 0.5])  # fmt: skip
    assert Plan.from_dict(plan.to_dict()) == plan


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"over": {"separation": [2.0, 3.0]}}, "over"),
        ({"over": {"theta_star": [2.0, 3.0]}}, "over"),
        ({"separation": 4.0}, "separation"),
        ({"theta_star": [0.0, 1.0]}, "theta_star"),
        ({"theta_star": None}, "theta_star"),
        ({"theta0": 1.0}, "theta0"),
        ({"losses": "nce"}, "loss"),
        ({"losses": "jarzynski", "backend": "grid"}, "backend"),
        ({"spreads": 0.2}, "dt"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(more: dict[str, Any], name: str) -> None:
    asked: dict[str, Any] = {"losses": "pcd", "over": {"rate": [0.5, 1.0]}, **SMALL, **more}
    with pytest.raises(InputError) as refused:
        Plan.make(**asked)
    assert refused.value.name == name


def test_a_map_shows_what_is_one_number(tmp_path: Path) -> None:
    over = [Axis.of("rate", [0.5, 1.0]), Axis.of("dt", [0.1, 0.2])]
    place = {"positions": [[0.0], [5.0], [9.0]], "theta_star": STAR}
    result = sweep("ml", over=over, jobs=1, backend="grid", time=4, **place)
    assert chart(result).to_dict()["panels"][0]["values"] == [["on its way"] * 2] * 2
    share = chart(result, show="share").panels[0].values
    left = np.abs(result["theta"] - STAR).max(axis=-1)[0, ..., 0].T
    np.testing.assert_allclose(share, 1 - left)  # θ0 = 0 and max θ* = 1
    with pytest.raises(InputError, match="for each mode"):
        chart(result, show="theta")
    data = result.to_xarray()
    assert data["theta"].dims == ("loss", "rate", "dt", "repeat", "mode")
