"""The RBM against sums over all states of both layers; its chains, its training, log Z."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from toyflows import doubt
from toyflows.errors import Diverged, InputError
from toyflows.kernels.rbm import draw_units
from toyflows.lattice import annealed, binary, rbm_train, rbm_uses
from toyflows.lattice.enumeration import states
from toyflows.lattice.rbm import RBM, exact_draws, mean_of
from toyflows.lattice.rbm_config import Config
from toyflows.lattice.rbm_train import Model, State, advance, exchange, negatives, rows_of, train
from toyflows.numerics import expit
from toyflows.seeds import order
from toyflows.stats import ClaimError, mean, proportion

RNG = np.random.default_rng


def machine(n: int, m: int, seed: int = 0, spread: float = 1.0) -> RBM:
    rng = RNG(seed)
    return RBM(*(spread * rng.standard_normal(shape) for shape in ((n, m), n, m)))


def joint(r: RBM) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """All v, all h, p(v, h) and log Z, from the energy written out."""
    V, H = states(len(r.a)), states(len(r.b))
    E = np.array([[-(r.a @ v) - r.b @ h - v @ r.W @ h for h in H] for v in V])
    p = np.exp(-E)
    return V, H, p / p.sum(), float(np.log(p.sum()))


# ------------------------------------------------------------------ what is exact
@pytest.mark.parametrize("shape", [(1, 1), (4, 1), (1, 4), (6, 5), (3, 7), (5, 5)])
def test_all_states(shape: tuple[int, int]) -> None:
    r = machine(*shape)
    V, H, p, log_Z = joint(r)
    assert r.log_Z == pytest.approx(log_Z, abs=1e-12)
    found = r.statistics()
    for name, expected in (("vh", V.T @ p @ H), ("v", p.sum(axis=1) @ V), ("h", p.sum(axis=0) @ H)):
        assert np.abs(getattr(found, name) - expected).max() < 1e-10
    assert np.allclose(r.log_likelihood(V), np.log(p.sum(axis=1)), rtol=0, atol=1e-12)
    assert np.allclose(r.T.log_likelihood(H), np.log(p.sum(axis=0)), rtol=0, atol=1e-12)
    E = r.energy(np.repeat(V, len(H), axis=0), np.tile(H, (len(V), 1)))
    assert np.allclose(np.exp(-E - log_Z), p.ravel(), rtol=0, atol=1e-13)


def test_the_gradient_is_data_minus_model() -> None:
    """Against central differences of the mean log-likelihood, in a weight and in both biases."""
    r, v, h = machine(5, 4), states(5)[[3, 9, 30]], 1e-5
    gradient = mean_of(v, expit(r.b + v @ r.W)).minus(r.statistics())
    for name, place in (("W", (2, 1)), ("a", 3), ("b", 0)):
        ends = []
        for sign in (1, -1):
            θ = getattr(r, name).copy()
            θ[place] += sign * h
            ends.append(dataclasses.replace(r, **{name: θ}).log_likelihood(v).mean())
        known = {"W": gradient.vh, "a": gradient.v, "b": gradient.h}[name][place]
        assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(known, abs=1e-9)
    assert gradient.norm == pytest.approx(np.sqrt(sum((x**2).sum() for x in gradient)), rel=1e-12)


def test_large_layers_and_large_weights() -> None:
    """More than 512 units share a logarithm; activations of ±800 do not overflow."""
    r = machine(1030, 3, spread=2.0)
    V = RNG(1).integers(0, 2, (4, 1030)).astype(float)
    F = -V @ r.a - np.logaddexp(0, r.b + V @ r.W).sum(axis=1)
    assert np.allclose(r.free_energy(V), F, rtol=1e-13, atol=1e-10)
    logw = states(3) @ r.b + np.logaddexp(0, r.a + states(3) @ r.W.T).sum(axis=1)
    top = logw.max()
    with np.errstate(under="ignore"):
        expected = top + np.log(np.exp(logw - top).sum())
        assert r.log_Z == pytest.approx(expected, rel=1e-13)
        wide = machine(700, 900)
        V = RNG(1).integers(0, 2, (3, 700)).astype(float)
        F = -V @ wide.a - np.logaddexp(0, wide.b + V @ wide.W).sum(axis=1)
    assert np.allclose(wide.free_energy(V), F, rtol=1e-12)
    extreme = RBM(np.full((2, 2), 800.0), np.full(2, -800.0), np.full(2, -800.0))
    assert extreme.log_Z == pytest.approx(np.log(2), abs=1e-12)  # all off, or all on
    assert np.allclose(extreme.statistics().vh, 0.5, rtol=0, atol=1e-12)


def test_three_thousand_units_that_are_undecided() -> None:
    """Their factors 1 + e^0 = 2 must not be multiplied beyond float64."""
    r = RBM(np.zeros((3000, 2)), np.zeros(3000), np.zeros(2))
    assert r.log_Z == pytest.approx(3002 * np.log(2), rel=1e-14)
    assert r.T.free_energy(np.ones((1, 2))) == pytest.approx(-3000 * np.log(2), rel=1e-14)


def test_two_to_the_twenty_states_are_the_most() -> None:
    a, b = RNG(0).standard_normal(24), RNG(1).standard_normal(20)
    free = RBM(np.zeros((24, 20)), a, b)
    assert free.log_Z == pytest.approx(
        np.logaddexp(0, a).sum() + np.logaddexp(0, b).sum(), rel=1e-13
    )
    with pytest.raises(InputError, match=r"hidden = 21: too many .* must be at most 20 units"):
        _ = machine(30, 21).log_Z


def test_pseudo_likelihood_is_unbiased() -> None:
    """Mean over pixels at random against all pixels, by enumeration; a pixel twice is caught."""
    r, v = machine(5, 3), states(5)[[11]]
    log_p = r.log_likelihood(states(5))
    full = 0.0
    for i in range(5):
        other = 11 ^ (1 << i)
        full -= np.logaddexp(0, log_p[other] - log_p[11])
    mean("pseudo", r.pseudo_likelihood(np.repeat(v, 20_000, axis=0), RNG(0)), full)


# ------------------------------------------------------------------ chains
def test_units_are_drawn_with_their_probability() -> None:
    x = np.linspace(-15, 15, 7).astype(np.float32)
    b, β = RNG(0).standard_normal(7).astype(np.float32), np.array([1.0, 0.3])
    x2 = np.repeat(np.tile(x, (2, 1)), 40_000, axis=0)
    p, s = np.empty_like(x2), np.empty_like(x2)
    draw_units(x2, b, np.repeat(β, 40_000), p, s, 3, 4, 5)
    for k, one in enumerate(β):
        rows = slice(k * 40_000, (k + 1) * 40_000)
        exact = expit(one * (x.astype(float) + b))
        assert np.allclose(p[rows], exact, rtol=2e-6)
        for j in range(1, 6):
            proportion(f"unit {j}", int(s[rows, j].sum()), 40_000, float(exact[j]))
    part_p, part_s = np.empty_like(x2[:9]), np.empty_like(x2[:9])
    draw_units(x2[:9], b, np.ones(9), part_p, part_s, 3, 4, 5)
    assert np.array_equal(part_s, s[:9])  # a row's numbers do not depend on the other rows
    pair = np.corrcoef(s[:40_000, 2:5].T)
    assert np.abs(pair - np.eye(3)).max() < 0.03  # 6 standard errors of independent units


def residue(r: RBM, sampled: RBM) -> None:
    """Means of units and of an energy after 3 sweeps of `sampled` from exact draws of r."""
    v, _ = sampled.gibbs(exact_draws(r, 20_000, RNG(0)), 3, seed=1)
    exact = r.statistics()
    for i in (0, 3):
        mean(f"unit {i}", v[:, i], exact.v[i])
    V, _, p, _ = joint(r)
    F = r.free_energy(V)
    mean("F", r.free_energy(v), float(p.sum(axis=1) @ F))


def test_gibbs_leaves_the_law_and_no_other() -> None:
    """Each false-fail 1e−6. The control forgets a tenth of the weights."""
    r = machine(5, 4)
    residue(r, r)
    residue(r.T, r.T)
    with pytest.raises(ClaimError):
        residue(r, RBM(0.9 * r.W, r.a, r.b))
    hot = RBM(0.5 * r.W, 0.5 * r.a, 0.5 * r.b)
    v, _ = r.gibbs(exact_draws(hot, 20_000, RNG(0)), 2, seed=1, β=0.5)
    mean("unit 0 at T = 2", v[:, 0], hot.statistics().v[0])


def deep() -> RBM:
    """Two states, e³ : 1, and a ridge of e⁻⁸ between them: 8 visible units, 2 hidden."""
    W = np.array([[6.0, -6.0]] * 8)
    return RBM(W, np.full(8, 0.0), np.array([-20.0, 27.0]))


def test_tempering_finds_the_weights_of_modes_where_one_chain_does_not() -> None:
    """Columns are independent. The control, PCD with the same sweeps, keeps its starting modes."""
    r = deep()
    exact = r.statistics()
    seen = {}
    for sampler in ("tempering", "pcd"):
        config = Config(size=4, hidden=2, sampler=sampler, chains=2000, temperatures=12, k=120)
        state = State(r, np.zeros((len(config.β), 2)), np.zeros((0, 5)))
        state.h[:, 0] = 1.0
        negatives(config, state, state.h)
        seen[sampler] = state.h[:2000, 0]
    with pytest.raises(ClaimError):
        mean("first hidden unit", seen["pcd"], exact.h[0])
    mean("first hidden unit", seen["tempering"], exact.h[0])


def test_exchange_is_metropolis() -> None:
    """Two temperatures, one pair of states: the share of exchanges is min(1, e^{ΔβΔE})."""
    r, C = machine(3, 2), 40_000
    config = Config(size=4, hidden=2, sampler="tempering", chains=C, temperatures=2)
    state = State(r, np.zeros((2 * C, 2)), np.zeros((0, 5)))
    v, h = np.zeros((2 * C, 3)), np.zeros((2 * C, 2))
    v[:C, 0], h[:C, 1] = 1, 1
    E = r.energy(v[[0, C]], h[[0, C]])
    expected = min(1.0, float(np.exp(E[0] - E[1])))
    assert expected < 1
    exchange(config, state, v, h, 0)
    proportion("exchanges", int(v[C:, 0].sum()), C, expected)
    assert np.array_equal(v[C:, 0], h[C:, 1])  # pairs move together
    back = v.copy(), h.copy()
    exchange(config, state, v, h, 1)  # an odd turn has no pair of two temperatures
    assert np.array_equal(v, back[0])
    assert np.array_equal(h, back[1])


def test_no_two_sweeps_and_steps_share_their_noise() -> None:
    """Without weights the draws of two sweeps agree by chance alone: half of them do."""
    r = RBM(np.zeros((4, 1)), np.zeros(4), np.zeros(1))
    ends = [r.up(np.zeros((4000, 4)), 0, 0)[1]]
    for k, step in ((1, 0), (2, 0), (1, 1)):
        config = Config(size=2, hidden=1, sampler="pcd", chains=4000, k=k)
        state = State(r, np.zeros((4000, 1)), np.zeros((0, 5)), step)
        negatives(config, state, state.h)
        ends.append(state.h)
    for i in range(4):
        for j in range(i):
            proportion("agreement", int((ends[i] == ends[j]).sum()), 4000, 0.5)


# ------------------------------------------------------------------ data
def test_bars_and_stripes() -> None:
    data = binary.load(binary.BARS, 4)
    assert data.train.shape == (32, 16)
    v, w = data.law()
    assert len(v) == 30
    assert sorted(w.tolist()) == [1 / 32] * 28 + [1 / 16] * 2
    assert data.entropy() == pytest.approx(28 / 32 * np.log(32) + 2 / 16 * np.log(16), abs=1e-12)
    everything = states(16)
    assert binary.patterns(everything, 4).sum() == 30
    assert binary.patterns(v, 4).all()


def test_pictures_are_cut_at_the_threshold(tmp_path: Path) -> None:
    x = np.array([-1.0, -0.5, 0.0, 0.5, 1.0], np.float32).reshape(1, 1, 5)
    assert binary.cut(x, 0.5).tolist() == [[0, 0, 0, 1, 1]]
    assert binary.cut(x, 0.2).tolist() == [[0, 1, 1, 1, 1]]
    letters = binary.load("glyphs", 16, 0.5)
    assert set(np.unique(letters.train)) == {0.0, 1.0}
    assert 0.05 < letters.train.mean() < 0.3  # ink is the smaller part
    np.savez(tmp_path / "grey.npz", images=np.full((20, 16, 16), 200, np.uint8))
    with pytest.raises(InputError, match="one side"):
        binary.load(str(tmp_path / "grey.npz"), 16, 0.5)


# ------------------------------------------------------------------ training
SAMPLERS = ("cd", "pcd", "tempering", "exact")


def trained(steps: int, **options: object) -> tuple[Config, State, binary.Data]:
    config = Config(**({"size": 3, "hidden": 6, "rate": 0.4, "every": 10} | options))  # type: ignore[arg-type]
    data = config.load()
    state = State.new(config, data)
    for record in train(config, state, data):
        if record.step == steps:
            break
    return config, state, data


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_training_comes_nearer_to_the_data(sampler: str) -> None:
    _, state, data = trained(800, sampler=sampler, cosine=800, rate=0.8)
    KL = -data.entropy() - state.history[:, 1]
    assert KL[-1] < 0.6 * KL[0]
    assert (KL > 0).all()
    assert state.history[-1, 3] < state.history[0, 3]
    assert np.isnan(state.history[:, 2]).all()
    exact = state.rbm.log_likelihood(data.train).mean()
    assert state.history[-1, 1] == pytest.approx(exact, abs=1e-12)


def test_exact_learning_climbs_and_its_step_is_the_gradient() -> None:
    config, state, data = trained(1, sampler="exact", every=1)
    before = RBM(*(x.copy() for x in (state.rbm.W, state.rbm.a, state.rbm.b)))
    v = data.train
    gradient = mean_of(v, expit(before.b + v @ before.W)).minus(before.statistics())
    norm = advance(config, state, v, 0.1)
    assert np.allclose(state.rbm.W, before.W + 0.1 * gradient.vh, rtol=0, atol=1e-6)
    assert np.allclose(state.rbm.a, before.a + 0.1 * gradient.v, rtol=0, atol=1e-6)
    assert np.allclose(state.rbm.b, before.b + 0.1 * gradient.h, rtol=0, atol=1e-6)
    assert norm == pytest.approx(gradient.norm, rel=1e-4)
    _, state, _ = trained(300, sampler="exact", rate=0.1, every=1)
    assert (np.diff(state.history[:, 1]) > -1e-6).all()  # float32 weights


def test_long_contrastive_divergence_is_the_exact_gradient() -> None:
    """CD-k's negatives for k = 60 from one image, over 20,000 chains; CD-1's are caught."""
    r = machine(9, 6, spread=0.7)
    exact = r.statistics()
    for k, good in ((60, True), (1, False)):
        config = Config(size=3, hidden=6, k=k, batch=20_000)
        state = State(r, np.zeros((0, 6)), np.zeros((0, 5)))
        seen = negatives(config, state, np.ones((20_000, 6)))
        room = 6 * 0.5 / np.sqrt(20_000)  # six standard errors of a coin, more than of v·p(h)
        assert (np.abs(seen.vh - exact.vh).max() < room) == good
        assert (np.abs(seen.v - exact.v).max() < room) == good


def test_learning_begins_at_the_pixels_frequencies() -> None:
    """Without weights the model would have the data's means, but for the half images."""
    v = np.array([[1, 0, 0], [1, 0, 1], [1, 0, 0]], np.float32)
    r = RBM.new(v, 4, RNG(0))
    assert np.allclose(expit(r.a.astype(float)), [3.5 / 4, 0.5 / 4, 1.5 / 4], rtol=1e-6)
    assert r.W.dtype == r.a.dtype == r.b.dtype == np.float32
    assert 0 < np.abs(r.W).max() < 0.05
    assert not r.b.any()


def test_weight_decay_and_batches() -> None:
    config, _, data = trained(1)
    small = dataclasses.replace(config, decay=0.5)
    other = State.new(config, data)
    plain = State.new(config, data)
    W = other.rbm.W.copy()
    advance(small, other, data.train, 0.1)
    advance(config, plain, data.train, 0.1)
    assert np.allclose(other.rbm.W - plain.rbm.W, -0.05 * W, rtol=1e-3, atol=1e-8)
    assert np.array_equal(other.rbm.a, plain.rbm.a)
    for n, batch, step in ((7, 3, 5), (10, 10, 2), (4, 9, 3)):
        assert np.array_equal(rows_of(n, batch, 1, step), order(n, batch, 1, step))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_resumed_is_uninterrupted_bit_for_bit(sampler: str, tmp_path: Path) -> None:
    config = Config(size=3, hidden=5, sampler=sampler, batch=7, every=4, rate=0.3, k=2)
    data = config.load()
    whole, part = Model.new(config, data), Model.new(config, data)
    for model, steps in ((whole, 11), (part, 6)):
        records = train(config, model.state, data)
        for _ in range(steps):
            next(records)
    part.save(tmp_path / "part.npz")
    part = Model.load(tmp_path / "part.npz")
    assert part.state.step == 6
    records = train(config, part.state, part.load_data())
    for _ in range(5):
        next(records)
    assert whole.save(tmp_path / "a.npz").read_bytes() == part.save(tmp_path / "b.npz").read_bytes()


def test_a_run_without_hope_says_so() -> None:
    with pytest.raises(Diverged, match="weights"):
        trained(20, rate=1000.0, decay=1000.0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sampler": "nuts"}, "choose from cd"),
        ({"size": 9}, "2 … 8"),
        ({"data": "glyphs", "size": 9}, "16 … 128"),
        ({"hidden": -1}, "1 or more"),
        ({"hidden": 25, "size": 5, "sampler": "exact"}, "must be at most 20 units"),
        ({"k": 0}, "k=0"),
        ({"temperatures": 1}, "2 or more"),
        ({"rate": np.inf}, "0 < rate ≤ 1000"),
        ({"decay": -1.0}, "0 or more"),
        ({"threshold": 1.0}, "threshold"),
        ({"cosine": -1}, "cosine"),
        ({"seed": -1}, "0 ≤ seed"),
    ],
)
def test_no_other_configuration(options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Config(**options)  # type: ignore[arg-type]


# ------------------------------------------------------------------ log Z
@pytest.fixture(scope="module")
def bars() -> tuple[RBM, np.ndarray]:
    with np.errstate(all="raise"):
        state = trained(400, sampler="exact", cosine=400)[1]
    return state.rbm, 0.5 * RNG(5).standard_normal(9)  # any start will do


@pytest.mark.parametrize("temperatures", [3, 40])
def test_weights_are_unbiased_both_ways(bars: tuple[RBM, np.ndarray], temperatures: int) -> None:
    """E[e^{log w}] = Z forwards and E[1/…] = 1/Z backwards, for any number of temperatures; 4000
    chains, false-fail 1e−6. On average the way back is above log Z and the way there below."""
    r, c = bars
    there = annealed.forward(r, 4000, temperatures, 1, c)
    back = annealed.backward(r, exact_draws(r, 4000, RNG(0)), temperatures, 2, c)
    with np.errstate(under="ignore"):
        mean("forwards", np.exp(there - r.log_Z), 1.0)
        mean("backwards", np.exp(r.log_Z - back), 1.0)
        with pytest.raises(ClaimError):
            mean("forwards", np.exp(there - r.log_Z - 0.5), 1.0)
    assert there.mean() < r.log_Z < back.mean()


def test_the_interval_covers(bars: tuple[RBM, np.ndarray]) -> None:
    """Three standard errors: of 30 estimates two outside have a probability of 3e−3, four 1e−6."""
    r, c = bars
    found = [annealed.log_Z(r, 100, 100, seed, c) for seed in range(30)]
    assert sum(not e.low < r.log_Z < e.high for e in found) <= 3
    assert np.median([e.high - e.low for e in found]) < 0.3
    assert all(e.effective > 50 for e in found)
    finer = annealed.log_Z(r, 100, 1000, 0, c)
    assert finer.error < 0.5 * np.median([e.error for e in found])


def test_few_chains_are_not_believed() -> None:
    e = annealed.Estimate.of(np.array([0.0, -40.0, -50.0]))
    assert e.low == -np.inf
    assert e.effective == pytest.approx(1.0)
    with pytest.raises(InputError, match="chains"):
        annealed.log_Z(machine(2, 2), 1, 10, 0)
    with pytest.raises(InputError, match="temperatures"):
        annealed.log_Z(machine(2, 2), 10, 0, 0)


def test_the_base_is_exact() -> None:
    """Without weights and with c = a the estimate has no error."""
    a, b = RNG(0).standard_normal(4), np.zeros(3)
    r = RBM(np.zeros((4, 3)), a, b)
    assert np.allclose(annealed.forward(r, 5, 7, 0, a), r.log_Z, rtol=0, atol=1e-12)


def test_judging_uses_both_parts() -> None:
    """Held-out images have their own likelihood; above 16 units it is the pseudo-likelihood."""
    config = Config(size=3, hidden=6)
    v = binary.bars_and_stripes(3)
    data = binary.Data(v[:8], v[8:], 3)
    state = State.new(config, data)
    seen = rbm_train.judge(config, state, data, 0.5)
    assert seen.valid == pytest.approx(state.rbm.log_likelihood(v[8:]).mean(), abs=1e-12)
    assert (seen.step, seen.norm) == (0, 0.5)
    wide = Config(size=5, hidden=17)
    bars5 = wide.load()
    pseudo = rbm_train.judge(wide, State.new(wide, bars5), bars5, 0.5).log_p
    # nearly independent pixels, so that the pseudo-likelihood is nearly Σ log p(v_i) on average
    assert pseudo == pytest.approx(-25 * np.log(2), abs=1.5)


def test_persistent_chains_learn_more_than_contrastive_divergence() -> None:
    """At the defaults, on bars and stripes, exact log p: Tieleman (2008). Three seeds gave cd
    −5.2 … −5.3 and pcd −4.3 … −4.5; at a constant rate cd is ahead."""
    found = {}
    for sampler in ("cd", "pcd"):
        config = Config(sampler=sampler)
        data = config.load()
        model = Model.new(config, data)
        records = rbm_train.train(config, model.state, data)
        assert len(list(itertools.islice(records, 2001))) == 2000  # it ends by itself
        found[sampler] = rbm_train.judge(config, model.state, data, 0.0).log_p
    assert found["pcd"] > found["cd"] + 0.3


def test_few_effective_chains_and_impossible_numbers_are_told(tmp_path: Path) -> None:
    """AIS with one temperature from a trained machine: a log Z that is not to be believed."""
    config = Config(size=4, hidden=12, sampler="exact", rate=1.0, cosine=300)
    data = config.load()
    model = Model.new(config, data)
    for _ in rbm_train.train(config, model.state, data):
        pass
    told = rbm_uses.score(model, data, "ais", 20, 1, 0)
    assert told["effective"] < 10
    assert "chains count" in told["doubt"]
    exact = rbm_uses.score(model, data, "exact", 20, 1, 0)
    assert exact["doubt"] == ""
    if told["log_p"] > 0 or told["kl"] < 0:
        assert "cannot be" in told["doubt"]
    assert doubt.impossible(0.5, -0.1) == (
        "log p = 0.5 > 0 and KL = -0.1 < 0 cannot be: log Z is too low"
    )
