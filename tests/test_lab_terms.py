"""The stages of one update: the numbers are those of the method to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import toyflows
from toyflows.flows import equation, make, registry
from toyflows.lab import _controls, _methods
from toyflows.lab._explain import helped
from toyflows.lab._job import Job
from toyflows.lab._room import rooms
from toyflows.lab._runs import Side
from toyflows.lab._terms import terms
from toyflows.target import Target

STAR, D, DT, RATE, STEPS = 1.4, 6.0, 0.05, 2.0, 12
STAGED: dict[str, dict[str, Any]] = {
    "ml": {}, "pcd": {}, "cd": {"k": 2}, "nce": {"mu": 0.5}, "gan": {}, "jarzynski": {},
}  # fmt: skip


def side(method: str, options: dict[str, Any]) -> Side:
    """The method after some steps, as the room has it."""
    flow = make(method, **options)
    found = Side(flow, Target.exact(STAR, D), 0.0, DT, RATE, 200, 0)
    found.begin()

    def nothing(_: Any) -> None:
        return None

    found.advance("grid", STEPS, Job(nothing, nothing, nothing, nothing))
    return found


@pytest.mark.parametrize("method", STAGED)
def test_the_terms_are_the_method_to_the_last_bit(method: str) -> None:
    """θ̇ of the next record of `toyflows.flow`, or ẇ for a GAN, is the difference that is shown;
    and the step that is shown is the step that θ makes. A fused sweep (PCD, Jarzynski) records what
    its kernel has summed in another order (solve._looked): there the method itself is the judge,
    and the record is as near as that order allows."""
    options = STAGED[method]
    now = side(method, options)
    state = now.runs["grid"].state
    assert state is not None
    found = terms(now.flow, now.backends["grid"], state)
    assert found is not None
    run = toyflows.flow(method, theta_star=STAR, separation=D, time=(STEPS + 1) * DT, dt=DT,
                        rate=RATE, backends="grid", options=options)  # fmt: skip
    path = run.backends["grid"]
    assert path.θ[STEPS] == state.θ
    assert found.rest == 0.0
    if method == "gan":
        w = path.extra["w"]
        assert w[STEPS + 1] == w[STEPS] + RATE * DT * (found.data - found.model)
        return
    seen = now.flow.observe(now.backends["grid"], state)
    assert found.model - found.data == found.speed == seen.velocity
    near = 4e-16 if now.flow.fused else 0.0
    assert abs(found.speed - path.velocity[STEPS]) <= near
    assert abs(path.θ[STEPS + 1] - (path.θ[STEPS] + RATE * DT * found.speed)) <= near


@pytest.mark.parametrize("method", ["ml", "pcd", "cd"])
def test_each_term_is_the_mean_that_the_equation_says(method: str) -> None:
    """E_data[r_θ] and E_negatives[r_θ], computed here by themselves."""
    now = side(method, STAGED[method])
    state, ops = now.runs["grid"].state, now.backends["grid"]
    assert state is not None
    found = terms(now.flow, ops, state)
    assert found is not None
    ops = ops.at(state.step)
    r, θ = ops.mixture.responsibility, state.θ
    data = ops.data_particles() if method == "cd" else ops.data()
    negatives = now.flow.negatives(ops, θ, state.chains)
    assert negatives is not None
    assert found.data == ops.mean(data, r, θ)
    assert found.model == ops.mean(negatives, r, θ)


def test_a_penalty_and_a_normalisation_are_told_as_the_rest() -> None:
    for method, options in (("gan", {"penalty": 0.5}), ("nce", {"normalised": True})):
        now = side(method, options)
        state = now.runs["grid"].state
        assert state is not None
        found = terms(now.flow, now.backends["grid"], state)
        assert found is not None
        assert abs(found.rest) > 1e-4
        assert found.difference + found.rest == pytest.approx(found.speed, abs=1e-15)


@pytest.mark.parametrize("method", ["score-matching", "wasserstein"])
def test_what_is_no_difference_of_two_means_has_no_stages(method: str) -> None:
    now = side(method, {})
    state = now.runs["grid"].state
    assert state is not None
    assert terms(now.flow, now.backends["grid"], state) is None


# ---- what the page says of itself


def test_every_method_has_a_place_a_name_and_an_equation() -> None:
    placed = [name for names in _methods.grouped().values() for name in names]
    assert sorted(placed) == sorted(registry())
    assert _methods.YOURS not in _methods.grouped()
    for flow in registry().values():
        assert flow.title
        assert equation(flow)


QUERIES = [
    {}, {"show": "judge"}, {"show": "judge", "image": "drawn"}, {"show": "langevin"},
    {"show": "diffusion", "score": "network"}, {"show": "train"}, {"target": "points"},
    {"model": "ddpm28", "class": "A"}, {"patterns": "glyphs"}, {"patterns": "drawn"},
    {"patterns": "cities"}, {"sampler": "wolff"},
    {"method": "nce", "p.normalised": "1", "p.learn_c": "1"},  # which do not go together
    *({"method": name} for name in registry()),
]  # fmt: skip


@pytest.mark.parametrize("name", rooms())
def test_every_control_is_explained_and_every_colour_has_a_legend(name: str) -> None:
    """In a sentence of its own, before its bounds; with an equation and the words of the marks."""
    room = rooms()[name]
    for query in QUERIES:
        controls = room.controls(query)
        values, _ = _controls.read(controls, query)
        for control in controls:
            own, _, bounds = helped(control, name).partition(". ")
            assert bounds, (name, control.name)
            assert len(own) > 10, (name, control.name)
        assert "<math" in room.equation(values)
        assert len({mark.role for mark in room.marks(values)}) == len(room.marks(values)) >= 3


def test_two_methods_share_their_axes() -> None:
    from toyflows.lab._look import Look
    from toyflows.lab._two_modes_view import TwoModesView

    room = rooms()["two-modes"]
    query = {"method": "pcd", "versus": "score-matching", "walkers": "200"}
    values, _ = _controls.read(room.controls(query), query)

    def nothing(_: Any) -> None:
        return None

    job = Job(nothing, nothing, nothing, nothing)
    scene = room.start(values, job)
    scene.advance(60, job)
    view = TwoModesView(Look())
    view.show(scene.frame())
    one, two = view.blocks["one"], view.blocks["two"]
    for p, q in ((one.paths, two.paths), (one.densities, two.densities)):
        assert (p.x_range.end, p.y_range.end) == (q.x_range.end, q.y_range.end)


def test_the_arrows_of_a_method_that_stands_still_are_points() -> None:
    """On the scale of shares, which differ by 1 at most: score matching's 8e−6 is no march."""
    from toyflows.lab._look import Look
    from toyflows.lab._two_modes_view import TwoModesView

    room = rooms()["two-modes"]
    marks = {}
    for method in ("ml", "score-matching"):
        query = {"method": method, "separation": "10", "walkers": "200"}
        values, _ = _controls.read(room.controls(query), query)
        view = TwoModesView(Look())
        view.show(room.start(values, None).frame())
        block = view.blocks["one"]
        marks[method] = set(block.speed.data["mark"])
        assert block.phase.y_range.end >= 1.0
    assert marks["score-matching"] == {"circle"}
    assert "triangle" in marks["ml"]
    assert np.isfinite(block.speed.data["size"]).all()
