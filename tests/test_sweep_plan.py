"""Plans: axes, keys, seeds, refusals."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from toyflows.errors import InputError
from toyflows.sweep import Axis, Plan
from toyflows.sweep.plan import differences
from toyflows.sweep.settings import KEY

SMALL = {"over": {"separation": "2:14:3", "rate": "0.1:10:2:log"}, "walkers": 100, "time": 1.0}


def plan(*losses: str, **changes: object) -> Plan:
    return Plan.make(losses or ("pcd", "jarzynski"), **(SMALL | changes))


def refused(**changes: object) -> str:
    with pytest.raises(InputError) as error:
        plan(**changes)
    assert "\n" not in str(error.value)
    return str(error.value)


# ------------------------------------------------------------------ axes
def test_ranges_have_both_ends_and_round_numbers() -> None:
    assert Axis.parse("separation=2:14:7").values == (2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0)
    assert Axis.parse("rate=0.1:10:5:log").values[::2] == (0.1, 1.0, 10.0)
    assert np.diff(np.log(Axis.parse("rate=0.1:10:5:log").values)) == pytest.approx(
        math.log(100) / 4, rel=1e-11
    )
    assert Axis.parse("rate=0.1:0.5:5").values == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert Axis.parse("theta-star=1,2.5").values == (1, 2.5)


def test_whole_numbers_of_a_range_are_rounded_and_those_of_a_list_refused() -> None:
    assert plan(over={"walkers": "100:1000:3:log"}).axes[0].values == (100, 316, 1000)
    assert "must be a whole number" in refused(over={"walkers": "2.5,3"})
    assert "given twice" in refused(over={"walkers": "1:2:5"})


@pytest.mark.parametrize(
    "text",
    ["rate", "=1:2:3", "rate=", "rate=1:2", "rate=1:2:0", "rate=1:2:3:lin", "rate=1:2:1",
     "rate=0:2:3:log", "rate=a:2:3", "rate=1:inf:3", "rate=1,1", "rate=2:2:3", "rate=1:2:3.5",
     "rate=1:2:999999999"],
)  # fmt: skip
def test_bad_axes_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match="over") as error:
        Axis.parse(text)
    assert "\n" not in str(error.value)


# ------------------------------------------------------------------ the product
def test_the_product_is_in_order_of_its_dimensions() -> None:
    p = plan(repeats=2)
    assert p.dims == ("loss", "separation", "rate", "repeat")
    assert p.shape == (2, 3, 2, 2)
    assert p.runs == 24
    every = itertools.product(p.losses, (2.0, 8.0, 14.0), (0.1, 10.0), range(2))
    for index, (loss, d, rate, repeat) in enumerate(every):
        run = p.run(index)
        said = run.settings.loss, run.settings.separation, run.settings.rate, run.repeat
        assert said == (loss, d, rate, repeat)


def test_every_run_has_its_own_key_and_seed() -> None:
    p = plan(repeats=3)
    assert np.unique(p.keys()).size == p.runs
    seeds = {p.run(k).seed for k in range(p.runs)}
    assert len(seeds) == p.runs
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds).bit_length() > 50


def test_an_extended_plan_keeps_keys_and_seeds() -> None:
    small, large = plan(repeats=2), plan("ml", "jarzynski", "pcd", repeats=3, over={
        "separation": "2,3,8,14,20", "rate": [10, 0.1, 0.5]})  # fmt: skip
    assert set(small.keys().tolist()) < set(large.keys().tolist())


@pytest.mark.parametrize(
    "changes",
    [{"seed": 1}, {"theta0": 0.1}, {"dt": 0.04}, {"theta_star": 0.5}, {"walkers": 101},
     {"time": 2.0}],
    ids=str,
)  # fmt: skip
def test_every_setting_changes_every_key(changes: dict[str, float]) -> None:
    assert not set(plan().keys().tolist()) & set(plan(**changes).keys().tolist())


def test_an_option_goes_to_the_methods_that_have_it() -> None:
    p = plan("pcd", "cd", over={"k": [1, 10]})
    assert [p.run(k).settings.loss for k in range(4)] == ["pcd", "pcd", "cd", "cd k=10"]
    assert np.unique(p.keys()).size == 3  # pcd's run is one


def test_names_are_written_one_way() -> None:
    assert plan("cd k=1").losses == ("cd",)
    assert plan("pcd", q_star=0.8).base.theta_star == pytest.approx(-math.log(4), rel=1e-15)
    q = plan(over={"q_star": [0.5, 0.8]})
    assert q.run(0).settings.theta_star == 0.0
    assert plan(keep=["theta", "verdict"]).keep == ("verdict", "theta")
    assert len(plan().keys()[0]) == KEY.itemsize


def test_a_plan_goes_through_json() -> None:
    p = plan("cd", over={"k": [1, 2], "kernel": ["ula", "mala"], "dt": [0.1, 0.05]}, repeats=2)
    again = Plan.from_dict(json.loads(json.dumps(p.to_dict())))
    assert again == p
    assert (again.keys() == p.keys()).all()


# ------------------------------------------------------------------ refusals
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"over": {"seperation": "2:4:2"}}, "did you mean separation"),
        ({"over": {"kk": "2:4:2"}}, "no setting, and no option"),
        ({"over": {"separation": "0:4:3"}}, "0 < d"),
        ({"over": {"separation": [2, 101]}}, "0 < d"),
        ({"over": {"dt": [0.1, 2.0]}}, "0 < dt < 2"),
        ({"over": {"dt": [0.1, 1.0], "rate": [1, 9.0]}}, "0 < rate < 8"),
        ({"over": {"q_star": [0.5, 1.0]}}, "0 < q* < 1"),
        ({"over": {"q_star": [0.5], "theta_star": [1]}}, "must be one"),
        ({"over": {"theta0": ["a", "b"]}}, "must be a number"),
        ({"over": {"separation": "1:9:1001", "rate": "1:2:1001"}}, "at most 1,000,000"),
        ({"repeats": 0}, "1 or more"),
        ({"keep": []}, "choose from"),
        ({"keep": ["thetas"]}, "did you mean theta"),
        ({"backend": "gird"}, "did you mean grid"),
        ({"backend": "grid", "repeats": 2}, "no noise"),
        ({"backend": "grid", "over": {"walkers": [1, 2]}}, "no noise"),
        ({"seed": -1}, "seed"),
        ({"wlkers": 3}, "did you mean walkers"),
        ({"walkers": 2.5}, "a whole number"),
        ({"rate": "x"}, "a number"),
        ({"theta_star": math.nan}, "finite"),
    ],
    ids=str,
)
def test_what_cannot_be_run_is_refused_before_anything(
    changes: dict[str, object], says: str
) -> None:
    assert says in refused(**changes)


@pytest.mark.parametrize(
    ("losses", "changes", "says"),
    [
        ([], {}, "must be a method"),
        (["pdc"], {}, "did you mean"),
        (["pcd", "pcd"], {}, "given twice"),
        (["cd", "cd k=1"], {}, "given twice"),
        (["cd k=5"], {"over": {"k": [1, 2]}}, "is said by the loss"),
        (["cd"], {"over": {"k": [0, 1]}}, "k="),
        (["total-variation"], {}, "quadrature"),
        (["tempering"], {"backend": "theory"}, "no closed form"),
    ],
    ids=str,
)
def test_what_methods_cannot_do_is_refused(
    losses: list[str], changes: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        Plan.make(losses, **({"walkers": 100, "time": 1.0} | changes))


# ------------------------------------------------------------------ files
def test_a_plan_is_a_toml_file_too(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(
        'loss = ["pcd", "jarzynski"]\nwalkers = 100\ntime = 1\nrepeats = 2\n'
        'keep = "theta,verdict"\n[over]\nseparation = "2:14:3"\nrate = [0.1, 10]\n'
    )
    assert Plan.load(path) == plan(repeats=2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("loss = [", "plan"), ('los = "pcd"', "did you mean loss"), ("loss = 3", "are words"),
        ('loss = "pcd"\nover = 3', "over is a table"), ('loss = "pcd"\nrepeats = "x"', "whole"),
        ('loss = "pcd"\nwalkers = "x"', "a whole number"), ("", "must be a method"),
        ('loss = "pcd"\n[over]\nrate = 3', "must be NAME"), ('loss = [["pcd"]]', "words"),
        ('loss = "pcd"\nbackend = 3', "are words"),
        ('loss = "pcd"\n[over]\nrate = [[1, 2]]', "must be"),
    ],
)  # fmt: skip
def test_bad_plan_files_are_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        Plan.load(path)
    with pytest.raises(InputError, match="No such file"):
        Plan.load(tmp_path / "nope.toml")


def test_what_differs_is_named() -> None:
    old = plan()
    assert list(differences(old, old)) == []
    assert list(differences(old, plan("ml", "pcd", "jarzynski", repeats=2))) == []
    other = [
        (plan(theta0=1.0), "theta0 = 0.0, here 1.0"),
        (plan(backend="grid"), "backend = walkers, here grid"),
        (plan(keep=["theta"]), "keep = verdict,theta, here theta"),
        (plan("pcd"), "jarzynski"),
        (plan(over={"separation": [2, 8], "rate": [0.1, 10]}), "separation = 14.0"),
        (plan(over={"separation": [2, 8, 14]}), "over = separation rate, here separation"),
    ]
    for new, says in other:
        assert says in "; ".join(differences(old, new))
    assert "repeats = 3, here 1" in "; ".join(differences(replace(old, repeats=3), old))
