"""Training: it learns, it is a function of seed and step, and it comes back from divergence."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from toyflows.errors import InputError
from toyflows.images import train, uses
from toyflows.images.base import Images, Parts
from toyflows.images.detection import auroc
from toyflows.images.engines import engine_of
from toyflows.images.train import Config, Model, State
from toyflows.nn import checkpoint, training
from toyflows.nn.layers import Array
from toyflows.pictures import levels, pixels

TINY = Config(size=16, langevin=3, batch=8, buffer=32, every=2, engine="numpy")


def strokes(n: int, seed: int = 0, size: int = 16) -> Images:
    """Upright and lying strokes, two classes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(-0.8, 0.05, (n, size, size))
    y = np.arange(n) % 2
    for k, place in enumerate(rng.integers(4, size - 5, n)):
        bar = np.s_[place : place + 2, 2 : size - 2]
        (x[k].T if y[k] else x[k])[bar] = 0.8
    return Images(pixels(levels(x)), y)


DATA = strokes(40)
PARTS = Parts(DATA, DATA[:8], DATA[8:16], ("lying", "upright"))


def run(config: Config, steps: int, model: Model | None = None) -> tuple[Model, list[train.Record]]:
    model = model or Model.new(config, PARTS)
    records = train.train(model.config, model.state, DATA, model.engine(), lambda _: None)
    return model, list(itertools.islice(records, steps))


def same(a: State, b: State) -> bool:
    return all(
        np.array_equal(x, y) for x, y in zip(a.arrays().values(), b.arrays().values(), strict=True)
    )


# ------------------------------------------------------------------ it learns
@pytest.mark.parametrize("sampler", train.SAMPLERS)
def test_an_ebm_learns_that_noise_is_no_stroke(sampler: str) -> None:
    """A loss of the other sign gives 0."""
    config = Config(size=16, sampler=sampler, langevin=10, batch=32, buffer=128, rate=1e-3)
    model, records = run(config, 60)
    engine, new = model.engine(), strokes(50, seed=9)
    noise = np.random.default_rng(1).uniform(-1, 1, new.x.shape).astype(np.float32)
    inside, outside = (uses.scores(engine, model.state.θ, x)["energy"] for x in (new.x, noise))
    least = 0.0 if sampler == "contrastive-divergence" else 0.99  # CD never looks at noise
    assert auroc(inside, outside) >= least
    assert all(np.isfinite(r.loss.total) and not r.lost for r in records)


@pytest.mark.parametrize("conditional", [False, True])
def test_a_jem_learns_its_classes(conditional: bool) -> None:
    config = Config("jem", 16, conditional=conditional, langevin=5, batch=32, buffer=128, rate=2e-3)
    model, records = run(config, 80)
    new = strokes(50, seed=9)
    right = model.engine().outputs(model.state.mean.mean, new.x).argmax(axis=1) == new.y
    assert right.mean() > 0.95
    assert records[-1].loss.entropy < 0.2 < 0.6 < records[0].loss.entropy
    assert records[-1].loss.accuracy > 0.9


def test_a_classifier_learns_them_without_chains() -> None:
    config = Config("classifier", 16, batch=32, rate=2e-3, engine="numpy")
    model = Model.new(config, PARTS)
    model, records = run(config, 80, model)
    new = strokes(50, seed=9)
    right = model.engine().outputs(model.state.mean.mean, new.x).argmax(axis=1) == new.y
    assert right.mean() > 0.95
    assert records[-1].loss.total == records[-1].loss.entropy < 0.2
    assert model.state.buffer.size == 0


# ------------------------------------------------------------------ one step
@pytest.mark.parametrize("kind", train.KINDS)
def test_a_step_written_out(kind: str) -> None:
    """θ after the first step: Adam's with bias correction moves every weight by rate · sign(g)."""
    config = dataclasses.replace(TINY, kind=kind, sampler="contrastive-divergence", rate=1e-3)
    model = Model.new(config, PARTS)
    before = model.state.copy()
    record = train.advance(model.config, model.state, DATA, model.engine())
    key = before.key(config.seed)
    batch = DATA[train.order(40, 8, key, 0)]
    ξ = train.stream(key, "data", 0).standard_normal(batch.x.shape, np.float32)
    x = np.clip(batch.x + np.float32(0.005) * ξ, -1, 1)
    engine = model.engine()
    samples = engine.langevin(before.θ, batch.x, config.chain, key, 0, None)
    h, g = 1e-2, np.random.default_rng(0)

    def L(θ: Array) -> float:
        θ = θ.astype(np.float64)
        outputs = engine.outputs(θ, x), engine.outputs(θ, samples)
        if kind == "classifier":
            return train.energy.cross_entropy(outputs[0], batch.y)[0]
        return train.energy.loss(*outputs, batch.y, config.alpha)[0].total

    assert abs(record.loss.total - L(before.θ)) < 1e-5
    moved = (model.state.θ - before.θ).astype(np.float64)
    top = np.argsort(-np.abs(model.state.adam.v))[:20]
    assert np.abs(np.abs(moved[top]) / 1e-3 - 1).max() < 1e-2
    for k in g.choice(top, 5, replace=False):
        e = np.zeros_like(before.θ, np.float64)
        e[k] = h
        assert np.sign(moved[k]) == -np.sign(L(before.θ + e) - L(before.θ - e))
    assert model.state.step == 1
    assert np.array_equal(model.state.mean.mean, model.state.θ)


def test_the_rate_falls_as_a_half_cosine() -> None:
    """And the run ends where it is 0."""
    _, records = run(dataclasses.replace(TINY, cosine=4, rate=1e-3), 6)
    wanted = [1e-3 * (1 + np.cos(np.pi * k / 4)) / 2 for k in range(4)]
    assert [r.rate for r in records] == pytest.approx(wanted, abs=1e-18)


def test_the_history_is_what_the_records_said() -> None:
    model, records = run(TINY, 5)
    wanted = np.array([[*r.loss, r.norm] for r in records], np.float32)
    assert np.array_equal(model.state.history, wanted)
    assert train.SEEN == ("total", "data", "model", "entropy", "accuracy", "norm")


def test_chains_go_back_to_their_slots() -> None:
    model = Model.new(TINY, PARTS)
    before = model.state.copy()
    train.advance(model.config, model.state, DATA, model.engine())
    x, _, slots = train.beginnings(model.config, before, DATA)
    x = model.engine().langevin(before.θ, x, TINY.chain, before.key(TINY.seed), 0, None)
    others = np.setdiff1d(np.arange(32), slots)
    assert np.array_equal(model.state.buffer[slots], levels(x))
    assert np.array_equal(model.state.buffer[others], before.buffer[others])


# ------------------------------------------------------------------ seed and step
class Listening:
    """An engine that remembers the seeds and the numbers of the steps it was asked for."""

    def __init__(self, config: Config):
        self.inner, self.asked = engine_of(config.network(), "numpy"), []
        self.name = "listening"

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def langevin(self, θ: Array, x: Array, chain: object, seed: int, start: int,
                 classes: Array | None) -> Array:  # fmt: skip
        self.asked.append((seed, start))
        return self.inner.langevin(θ, x, chain, seed, start, classes)


def test_no_two_steps_have_the_same_noise() -> None:
    model = Model.new(TINY, PARTS)
    engine = Listening(model.config)
    records = train.train(model.config, model.state, DATA, engine, lambda _: None)
    list(itertools.islice(records, 4))
    key = model.state.key(TINY.seed)
    assert engine.asked == [(key, 3 * step) for step in range(4)]


@pytest.mark.parametrize("engine", ["numpy", "fast"])
@pytest.mark.parametrize("sampler", train.SAMPLERS)
def test_a_run_that_is_resumed_is_the_uninterrupted_one(
    tmp_path: Path, sampler: str, engine: str
) -> None:
    config = dataclasses.replace(TINY, kind="jem", sampler=sampler, engine=engine)
    whole, _ = run(config, 6)
    for cut in (1, 2, 5):
        half, _ = run(config, cut)
        again = Model.load(half.save(tmp_path / f"{cut}.npz"), "jem")
        assert again.config == half.config
        assert same(again.state, half.state)
        assert same(run(config, 6 - cut, again)[0].state, whole.state)
    other, _ = run(dataclasses.replace(config, seed=1), 6)
    assert not same(other.state, whole.state)


def test_one_and_two_threads_give_the_same_run() -> None:
    config = dataclasses.replace(TINY, engine="fast", batch=40, buffer=64)
    ends = []
    for threads in (1, 2):
        model = Model.new(config, PARTS)
        records = train.train(
            model.config, model.state, DATA, model.engine(threads), lambda _: None
        )
        list(itertools.islice(records, 3))
        ends.append(model.state)
    assert same(*ends)


# ------------------------------------------------------------------ divergence
class Failing:
    """An engine whose gradient is not a number in some calls."""

    def __init__(self, config: Config, calls: set[int]):
        self.inner, self.calls, self.count = engine_of(config.network(), "numpy"), calls, 0
        self.name = "failing"

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def gradients(self, θ: Array, x: Array, g: Array) -> Array:
        self.count += 1
        found = self.inner.gradients(θ, x, g)
        return np.full_like(found, np.nan) if self.count in self.calls else found


def test_a_run_goes_back_to_the_last_state_kept() -> None:
    """Step 6 fails: back to step 4 with half the rate and other noise, and that is kept too."""
    model, kept = Model.new(TINY, PARTS), []
    engine = Failing(model.config, {6})
    records = train.train(model.config, model.state, DATA, engine, lambda s: kept.append(s.copy()))
    first = list(itertools.islice(records, 5))
    fourth = kept[-1].copy()
    lost = next(records)
    assert (lost.step, lost.lost) == (4, "gradient norm = nan")
    assert (model.state.step, model.state.rollbacks, fourth.rollbacks) == (4, 1, 0)
    assert np.array_equal(model.state.θ, fourth.θ)
    assert np.array_equal(model.state.buffer, fourth.buffer)
    again = next(records)
    assert again.step == 5
    assert again.rate == TINY.rate / 2
    assert again.loss != first[4].loss
    assert [(s.step, s.rollbacks) for s in kept] == [(2, 0), (4, 0), (4, 1)]
    next(records)
    assert (kept[-1].step, kept[-1].rollbacks) == (6, 1)
    assert np.isfinite(model.state.θ).all()


def test_a_run_that_goes_back_is_resumed_from_any_state_kept() -> None:
    """A rate so large that it must be halved: the same path from each of its checkpoints."""
    config = Model.new(dataclasses.replace(TINY, rate=1.0), PARTS).config
    state, kept = State.new(config), []
    records = train.train(config, state, DATA, engine_of(config.network(), "numpy"),
                          lambda s: kept.append(s.copy()))  # fmt: skip
    path = list(itertools.islice(records, 24))
    assert state.rollbacks >= 1
    assert any(r.lost for r in path)
    for start in kept[:4]:
        again = start.copy()
        more = train.train(
            config, again, DATA, engine_of(config.network(), "numpy"), lambda _: None
        )
        while (again.step, again.rollbacks) != (state.step, state.rollbacks):
            next(more)
        assert same(again, state)


def test_a_run_that_cannot_be_saved_ends() -> None:
    model = Model.new(TINY, PARTS)
    engine = Failing(model.config, set(range(100)))
    records = train.train(model.config, model.state, DATA, engine, lambda _: None)
    found = [next(records) for _ in range(training.ROLLBACKS)]
    assert {r.step for r in found} == {0}
    with pytest.raises(training.Lost, match="diverged 9 times, at last with gradient norm = nan"):
        next(records)


def test_energies_out_of_bounds_are_divergence() -> None:
    E = np.array([3.0, -999.0])
    assert train._lost(1.0, 1.0, E) == ""
    assert train._lost(1.0, 1.0, E - 2) == "an energy = -1e+03"
    assert train._lost(1.0, 1.0, np.array([0, np.nan, -5000])) == "an energy = nan"
    assert train._lost(1.0, 1.0, np.array([np.inf, 0])) == "an energy = inf"
    assert train._lost(np.nan, 1.0, E) == "loss = nan"
    assert train._lost(1.0, np.inf, E) == "gradient norm = inf"


# ------------------------------------------------------------------ refusals
def told(config: Config, gaps: list[float]) -> State:
    """A state whose history says these E model − E data."""
    state = Model.new(config, PARTS).state
    for gap in gaps:
        state.seen(0.0, 1.0, 1.0 + gap, 0.0, 0.0, 0.1)
    return state


def test_chains_that_the_energy_tells_from_data_are_divergence() -> None:
    """The mean over the last 50 steps, of persistent chains, after the first steps."""
    begun = [9.0] * (5 * train.WINDOW)
    sound = told(TINY, [*begun, *[0.25, -0.05] * 25])
    assert train.apart(TINY, sound) == pytest.approx(0.1, abs=1e-6)
    assert train.apart(TINY, told(TINY, [9.0] * (5 * train.WINDOW - 1))) == 0
    stuck = [*begun, *[0.7] * train.WINDOW]
    assert train.apart(TINY, told(TINY, stuck)) == pytest.approx(0.7, abs=1e-6)
    for other in ({"sampler": "short-run"}, {"alpha": 0.0}):
        config = dataclasses.replace(TINY, **other)
        assert train.apart(config, told(config, stuck)) == 0


def test_training_looks_at_the_gap() -> None:
    """A stuck history makes the next step a lost one; a doubtful one is not kept, a sound is."""
    begun = [0.0] * (5 * train.WINDOW)
    for gap, lost, saved in ((0.7, True, 1), (0.1, False, 0), (0.0, False, 1)):
        kept: list[State] = []
        state = told(TINY, [*begun, *([gap] * train.WINDOW)])
        engine = engine_of(TINY.network(), "numpy")
        steps = train.train(TINY, state, DATA, engine, kept.append)
        records = [next(steps)] if lost else [next(steps), next(steps)]  # every = 2
        assert [bool(r.lost) for r in records] == [lost] * len(records)
        assert len(kept) == saved


def test_a_run_whose_chains_are_stuck_goes_back_to_where_they_were_not() -> None:
    """A step that adds 0.24/50 to the mean: doubted from 0.05 on, lost beyond 0.2; the file keeps
    the last state that was not doubted, and the run goes on from there."""
    config = dataclasses.replace(TINY, every=5)
    state = told(config, [0.0] * (5 * train.WINDOW))
    kept: list[tuple[int, int]] = []

    def step() -> train.Record:
        state.seen(0.0, 1.0, 1.24 if not state.rollbacks else 1.0, 0.0, 0.0, 0.1)
        gap = train.apart(config, state)
        lost = "apart" if gap > train.APART else ""
        return train.Record(state.step, train.energy.Loss(0, 0, 0, 0, 0), 0.1, 1e-3, lost)

    def sound(state: State) -> bool:
        return train.apart(config, state) <= train.DOUBT

    def keep(state: State) -> None:
        kept.append((state.step, state.rollbacks))

    records = list(itertools.islice(training.steps(state, step, 5, keep, sound), 47))
    assert [r.step for r in records if r.lost] == [260]  # 0.2·50/0.24 = 41.7: at the 42nd step
    assert kept == [(255, 0), (260, 0), (260, 1), (265, 1)]


@pytest.mark.parametrize(
    ("field", "value"),
    [("kind", "gan"), ("sampler", "nuts"), ("langevin", 0), ("batch", 0), ("buffer", 4),
     ("every", 0), ("rate", 0.0), ("rate", np.inf), ("norm", -1.0), ("beta1", 1.0),
     ("alpha", -0.1), ("fresh", 1.1), ("conditional", True), ("seed", -1), ("step", -1.0),
     ("noise", -1.0), ("clip", 0.0), ("average", 1.0), ("hidden", -1), ("cosine", -1)],
)  # fmt: skip
def test_bad_configurations_are_refused(field: str, value: object) -> None:
    with pytest.raises(InputError, match=field):
        dataclasses.replace(TINY, **{field: value})


def test_a_checkpoint_with_wrong_shapes_or_configuration_is_refused(tmp_path: Path) -> None:
    model = Model.new(TINY, PARTS)
    arrays, header = checkpoint.load(model.save(tmp_path / "a.npz"))
    bad = {
        "buffer: is": (arrays | {"buffer": arrays["buffer"][:5]}, header),
        "θ: is nothing": ({k: v for k, v in arrays.items() if k != "θ"}, header),
        "is of kind toy": (arrays, dataclasses.replace(header, kind="toy")),
        "buffer: is uint8 ": (arrays, dataclasses.replace(header, configuration={})),
        "no usable configuration .x for 128": (
            arrays,
            dataclasses.replace(header, configuration=header.configuration | {"batch": "x"}),
        ),
    }
    for why, (a, h) in bad.items():
        path = checkpoint.save(tmp_path / "b.npz", a, h)
        with pytest.raises(InputError, match=why) as caught:
            Model.load(path)
        assert caught.value.name == "checkpoint"
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="is of kind ebm; must be jem"):
        Model.load(tmp_path / "a.npz", "jem")
