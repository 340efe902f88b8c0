"""Hopfield's network: energy, rest states by two enumerations, recall, learning rules, capacity."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toyflows.errors import InputError
from toyflows.kernels import hopfield as kernels
from toyflows.lattice import capacity, hopfield, patterns
from toyflows.lattice.continuous import Continuous
from toyflows.lattice.hopfield import Hopfield, gradient_rule, hebb, overlaps
from toyflows.stats import close, proportion

LETTERS = patterns.load(["letters"])
X = LETTERS.x
ROWS = """. 0 0 0 0 -2 2 -2 2 2 -2 0 0 0 2 0 0 -2 0 2 2 0 0 -2 -2
0 . 4 4 0 -2 -2 -2 -2 -2 -2 0 -4 0 -2 0 0 -2 0 -2 -2 4 4 2 -2"""


def random_net(N: int, seed: int, whole: bool = False) -> Hopfield:
    """Symmetric, zero diagonal; whole numbers make ties."""
    rng = np.random.default_rng(seed)
    W = np.triu(rng.integers(-2, 3, (N, N)) if whole else rng.standard_normal((N, N)), 1)
    b = rng.integers(-1, 2, N) if whole else rng.standard_normal(N)
    return Hopfield((W + W.T).astype(float), b.astype(float))


def states(N: int) -> np.ndarray:
    return np.array(list(itertools.product([-1.0, 1.0], repeat=N)))


def corrupted(x: np.ndarray, k: int) -> np.ndarray:
    """All states k bits from x."""
    rows = list(itertools.combinations(range(x.size), k))
    out = np.repeat(x[None], len(rows), 0)
    out[np.arange(len(rows))[:, None], rows] *= -1
    return out


# ---- energy and updates


@settings(max_examples=60, deadline=None)
@given(N=st.integers(2, 12), seed=st.integers(0, 10**6), whole=st.booleans(), unknown=st.booleans())
def test_energy_never_rises_one_unit_at_a_time(N, seed, whole, unknown) -> None:
    """Unit by unit in random order, by the kernel; the activations it keeps are those of its state,
    and the network comes to rest where no unit wants to move."""
    net, rng = random_net(N, seed, whole), np.random.default_rng(seed)
    s = rng.choice([-1.0, 0.0, 1.0] if unknown else [-1.0, 1.0], N)
    a = net.activations(s)
    E = float(net.energy(s))
    for _ in range(40 * N):
        i, before = int(rng.integers(N)), s.copy()
        changed = kernels.sweep(net.W, s, a, np.array([i]), 0.0, np.uint64(1), np.uint64(2))
        new = float(net.energy(s))
        assert new <= E + 1e-12
        if changed and before[i] != 0:
            assert new < E  # no drifting at equal energy
        assert a == pytest.approx(net.activations(s), abs=1e-12)
        E = new
    at, sweeps = net.settle(rng.choice([-1.0, 1.0], (5, N)), seed)
    assert (sweeps >= 0).all()
    assert np.min(at * net.activations(at)) >= -1e-12


def test_a_nonsymmetric_net_is_refused_and_would_rise() -> None:
    W = np.array([[0.0, 1.0], [-1.0, 0.0]])
    with pytest.raises(InputError, match="symmetric with a zero diagonal"):
        Hopfield(W, np.zeros(2))
    with pytest.raises(InputError, match="symmetric"):
        Hopfield(np.eye(2), np.zeros(2))


def test_path_is_settle_and_energies_fall() -> None:
    net = random_net(20, 3)
    start = np.random.default_rng(0).choice([-1.0, 1.0], 20)
    for update in ("asynchronous", "sequential"):
        path = net.path(start, update, seed=7)
        rest, sweeps = net.settle(start[None], 7, update)
        assert path.end == "rest"
        assert np.array_equal(path.states[-1], rest[0])
        assert len(path.states) == sweeps[0] + 1
        assert np.all(np.diff(path.energies) < 0)
        assert path.energies == pytest.approx([float(net.energy(s)) for s in path.states])
    with pytest.raises(InputError, match="may never come to rest"):
        net.settle(start[None], update="synchronous")
    with pytest.raises(InputError, match="must be asynchronous"):
        net.path(start, "backwards")


def test_synchronous_updates_can_cycle() -> None:
    """Two units that hold each other: (1, −1) ↔ (−1, 1), at one energy; one at a time they rest."""
    net = Hopfield(np.array([[0.0, 1.0], [1.0, 0.0]]), np.zeros(2))
    start = np.array([1.0, -1.0])
    path = net.path(start, "synchronous")
    assert path.end == "cycle"
    assert path.states.tolist() == [[1, -1], [-1, 1], [1, -1]]
    assert net.path(start).end == "rest"


@settings(max_examples=30, deadline=None)
@given(N=st.integers(2, 12), seed=st.integers(0, 10**6))
def test_synchronous_updates_rest_or_alternate(N, seed) -> None:
    """−s(t)ᵀWs(t+1) − bᵀ(s(t) + s(t+1)) never rises (Goles 1985), so no longer cycle exists."""
    net = random_net(N, seed)
    path = net.path(np.random.default_rng(seed).choice([-1.0, 1.0], N), "synchronous", sweeps=2**N)
    assert path.end in ("rest", "cycle")
    s, t = path.states[:-1], path.states[1:]
    two = -np.sum(s * (t @ net.W), axis=1) - (s + t) @ net.b
    assert np.all(np.diff(two) <= 1e-12)


def test_heat_bath_has_the_boltzmann_law() -> None:
    """One sweep in sequence of 4 units: the kernel's transition frequencies against the product of
    the exact conditionals of e^{−E/T}, whose stationary law is e^{−E/T}/Z. 40 000 starts from one
    state, each of the 16 shares to 1e−6/16; detects 0.015."""
    net, T, n = random_net(4, 1), 1.7, 40_000
    all_ = states(4)
    law = np.exp(-net.energy(all_) / T)
    law /= law.sum()
    P = np.eye(16)
    for i in range(4):
        one = np.zeros((16, 16))
        for k, s in enumerate(all_):
            up = [j for j, t in enumerate(all_) if np.array_equal(np.delete(t, i), np.delete(s, i))]
            one[k, up] = law[up] / law[up].sum()
        P = P @ one
    assert law @ P == pytest.approx(law, abs=1e-14)
    at, done = net.settle(np.repeat(all_[5:6], n, 0), 3, "sequential", T, sweeps=1)
    counts = np.bincount(((at > 0) @ [8, 4, 2, 1]).astype(int), minlength=16)
    for share, count in zip(P[5], counts, strict=True):
        proportion("state", int(count), n, float(share), false_fail=1e-6 / 16)
    assert set(done.tolist()) <= {0, -1}


@pytest.mark.parametrize("update", ["asynchronous", "sequential"])
def test_a_warm_net_settles_into_the_boltzmann_law(update: str) -> None:
    """20000 rows of 4 units after 60 sweeps, against all 16 states: χ² on 15 degrees of freedom is
    beyond 50 in 1 of 10⁵. To stop at the first sweep without a change gave 6000."""
    net, T, rows = random_net(4, 5), 1.5, 20_000
    found, done = net.settle(np.ones((rows, 4)), 1, update, T, 60)
    assert np.all(done == -1)
    p = np.exp(-net.energy(states(4)) / T)
    expected = rows * p / p.sum()
    counts = np.bincount(((found > 0) @ np.array([8, 4, 2, 1])).astype(int), minlength=16)
    assert np.sum((counts - expected) ** 2 / expected) < 50


def test_random_orders_are_uniform_and_of_the_seed() -> None:
    """All 24 orders of 4 units, 24 000 of them: each share to 1e−6/24; detects 0.011."""
    seen: dict[tuple[int, ...], int] = {}
    for k in range(24_000):
        order = np.empty(4, np.int64)
        kernels.shuffle(order, np.uint64(k * 7919 + 1), np.uint64(k))
        seen[tuple(order.tolist())] = seen.get(tuple(order.tolist()), 0) + 1
    assert len(seen) == 24
    for count in seen.values():
        proportion("order", count, 24_000, 1 / 24, false_fail=1e-6 / 24)
    net = random_net(30, 0)
    start = np.random.default_rng(0).choice([-1.0, 1.0], (50, 30))
    one, other = net.settle(start, 1)[0], net.settle(start, 2)[0]
    assert np.array_equal(one, net.settle(start, 1)[0])
    assert not np.array_equal(one, other)


# ---- rest states


@pytest.mark.parametrize(("N", "whole"), [(2, True), (9, False), (11, True), (17, True)])
def test_rest_states_are_all_of_them(N: int, whole: bool) -> None:
    """Gray code's enumeration against NumPy's over all states."""
    net = random_net(N, N, whole)
    every = states(N)
    content = (every * net.activations(every)).min(axis=1) >= -1e-12
    found = net.rest_states()
    assert set(map(tuple, found)) == set(map(tuple, every[content]))
    assert len(found) == content.sum()
    assert np.all(np.diff(net.energy(found)) >= 0)
    assert net.energy(found[0]) == pytest.approx(float(net.energy(every).min()))


def test_too_many_states_are_refused() -> None:
    with pytest.raises(InputError, match="31 units: must be at most 30"):
        random_net(31, 0).rest_states()
    with pytest.raises(InputError, match="states are at rest"):
        Hopfield(np.zeros((22, 22)), np.zeros(22)).rest_states()


# ---- MacKay's letters


def test_letters_give_the_printed_weights() -> None:
    W = hebb(X).W
    assert [[int(v) for v in row.replace(".", "0").split()] for row in ROWS.split("\n")] == W[
        :2
    ].tolist()
    assert LETTERS.names == ("D", "J", "C", "M")


def ends(net: Hopfield, start: np.ndarray) -> set[tuple[float, ...]]:
    """All states at rest that some order of updates leads to."""
    seen, open_, out = {tuple(start)}, [start], set()
    while open_:
        s = open_.pop()
        unhappy = np.flatnonzero(s * net.activations(s) < 0)
        if not unhappy.size:
            out.add(tuple(s))
        for i in unhappy:
            t = s.copy()
            t[i] = -t[i]
            if tuple(t) not in seen:
                seen.add(tuple(t))
                open_.append(t)
    return out


def test_letters_rest_and_one_wrong_bit_is_mended() -> None:
    """The gradient rule: whatever the order, for all 100 starts. Hebb's: whatever the order for 96;
    for four (J without pixels 8 or 23, M without 7 or 17) it depends on the order, and an update of
    all units at once fails them."""
    sure = {}
    for name, net in (("hebb", hebb(X)), ("gradient", gradient_rule(X))):
        assert np.min(X * net.activations(X)) > 0
        sure[name] = {
            (letter, int(np.flatnonzero(s != x)[0]))
            for letter, x in zip("DJCM", X, strict=True)
            for s in corrupted(x, 1)
            if ends(net, s) == {tuple(x)}
        }
    every = set(itertools.product("DJCM", range(25)))
    assert sure["gradient"] == every
    left = every - sure["hebb"]
    assert left == {("J", 8), ("J", 23), ("M", 7), ("M", 17)}
    net = hebb(X)
    for letter, x in zip("DJCM", X, strict=True):
        for s in corrupted(x, 1):
            bit = int(np.flatnonzero(s != x)[0])
            assert tuple(x) in ends(net, s)
            assert (len(ends(net, s)) > 1) == ((letter, bit) in left)
            at = net.path(s, "synchronous").states[-1]
            assert np.array_equal(at, x) == ((letter, bit) not in left)


def test_spurious_states_of_the_letters() -> None:
    """Of Hebb's weights: 20 states at rest, in pairs of a state and its inverse, four of them ties;
    among them the letters, their inverses, and mixtures: signs of sums of an odd number of letters
    up to two bits."""
    net = hebb(X)
    found = net.rest_states()
    assert len(found) == 20
    held = set(map(tuple, found))
    assert held == {tuple(-s) for s in found}
    assert all(tuple(x) in held and tuple(-x) in held for x in X)
    strict = found[(found * net.activations(found)).min(axis=1) > 0]
    assert len(strict) == 16
    spurious = found[np.abs(overlaps(found, X)).max(axis=1) < 1]
    assert len(spurious) == 12
    mixed = np.sort(np.abs(overlaps(spurious, X)), axis=1)
    assert np.all(mixed[:, -1] >= 0.5)
    assert (mixed[:, -2] >= 0.6).sum() == 4  # near two letters: MacKay's mixtures, and inverses
    assert len(gradient_rule(X).rest_states()) > 20


@pytest.mark.parametrize("k", [2, 3])
def test_recall_of_letters_is_better_with_the_gradient_rule(k: int) -> None:
    shares = [
        np.mean([np.all(net.settle(corrupted(x, k))[0] == x, axis=1).mean() for x in X])
        for net in (hebb(X), gradient_rule(X))
    ]
    assert shares[0] < shares[1] - 0.04
    assert shares[1] > 0.98


# ---- rules


def test_the_gradient_is_the_slope_and_no_step_goes_up() -> None:
    rng = np.random.default_rng(0)
    x, decay = rng.choice([-1.0, 1.0], (5, 8)), 0.3
    W = random_net(8, 0).W
    value, slope = hopfield.objective(W, x, decay)
    t = np.where(x > 0, 1.0, 0.0)  # MacKay's targets and outputs, written as he does
    y = 1 / (1 + np.exp(-(x @ W)))
    cross = -np.sum(t * np.log(y) + (1 - t) * np.log(1 - y))
    assert value == pytest.approx(cross + 0.5 * decay * np.sum(np.triu(W) ** 2), rel=1e-12)
    h = 1e-6
    for i, j in itertools.combinations(range(8), 2):
        step = np.zeros((8, 8))
        step[i, j] = step[j, i] = h
        up, down = (hopfield.objective(W + c * step, x, decay)[0] for c in (1, -1))
        assert slope[i, j] == pytest.approx((up - down) / (2 * h), abs=1e-7)
    values = [
        hopfield.objective(gradient_rule(x, decay, n).W, x, decay)[0] for n in range(0, 40, 2)
    ]
    assert np.all(np.diff(values) < 0)
    end = gradient_rule(x, decay, 4000).W
    assert np.abs(hopfield.objective(end, x, decay)[1]).max() < 1e-8


def test_nine_cities_need_the_gradient_rule() -> None:
    """Hebb's weights hold none of them. The gradient rule recalls all from their first 7 characters
    and from their last 7, in every one of 20 random orders."""
    cities = patterns.load(["cities"])
    assert len(cities.names) == 9
    assert cities.x.shape == (9, 126)
    assert np.all((cities.x * hebb(cities.x).activations(cities.x)).min(axis=1) < 0)
    net = gradient_rule(cities.x)
    for x, name in zip(cities.x, cities.names, strict=True):
        for words in (name[:7] + "?" * 11, "?" * 11 + name[11:]):
            at, _ = net.settle(np.repeat(cities.start(words)[None], 20, 0))
            assert np.all(at == x), words
            assert cities.draw(at[0]) == name
    for words, meant in (("otowa-------canada", "ottawa------canada"),
                         ("egindurrh-sxotland", "edinburgh-scotland")):  # fmt: skip
        at, _ = net.settle(cities.start(words)[None])
        assert cities.draw(at[0]) == meant


# ---- graded units


def test_graded_units_lyapunov_function() -> None:
    """E falls with every update of a unit and along the flow, dE/dt = −Σβ(1 − V²)(a − u)²; its
    slope is u − a; both end in a fixed point; a steep gain gives the binary network."""
    net, rng = random_net(10, 2), np.random.default_rng(0)
    graded = Continuous(net, 0.8)
    V = rng.uniform(-0.9, 0.9, 10)
    slope = np.array([
        (graded.energy(V + h) - graded.energy(V - h)) / 2e-6 for h in 1e-6 * np.eye(10)
    ])  # fmt: skip
    u = np.arctanh(V) / 0.8
    assert slope == pytest.approx(u - net.activations(V), abs=1e-8)
    end, energies = graded.settle(V)
    assert np.diff(energies).max() <= 1e-13
    assert energies[0] - energies[-1] > 0.1
    assert end == pytest.approx(graded.response(end), abs=1e-11)
    dt = 1e-5
    _, two = graded.flow(u, dt, 1)
    fall = -np.sum(0.8 * (1 - V**2) * (net.activations(V) - u) ** 2)
    assert (two[1] - two[0]) / dt == pytest.approx(fall, rel=1e-3)
    at, energies = graded.flow(u, 0.02, 4000)
    assert np.all(np.diff(energies) <= 1e-13)
    assert np.tanh(0.8 * at) == pytest.approx(graded.response(np.tanh(0.8 * at)), abs=1e-6)
    start = rng.choice([-1.0, 1.0], 10)
    steep = np.sign(Continuous(net, 500.0).settle(0.99 * start)[0])
    assert np.min(steep * net.activations(steep)) > 0


def test_hot_graded_units_come_to_rest_at_zero() -> None:
    """βλ < 1 for the largest eigenvalue λ of W: V shrinks past the smallest float, no error raised,
    and E tends to 0, its value there."""
    W = np.ones((6, 6)) - np.eye(6)
    graded = Continuous(Hopfield(W, np.zeros(6)), 0.1)
    assert np.linalg.eigvalsh(W).max() * graded.β == pytest.approx(0.5)
    u, energies = graded.flow(np.full(6, 0.4), 1.0, 1200)
    assert np.abs(u).max() < 1e-300
    assert energies[-1] == pytest.approx(0.0, abs=1e-300)
    for V in (np.full(6, 1e-160), np.full(6, 1e-310)):
        assert np.abs(graded.response(V)).max() <= np.abs(V).max()
        assert np.abs(graded.settle(V)[0]).max() <= np.abs(V).max()


def test_graded_units_are_mean_field() -> None:
    """βE + N log ½ is the variational free energy Σ q log q + β⟨E⟩ of independent units with means
    V: never below −log Z, and equal to it for units that do not interact."""
    β, rng = 0.6, np.random.default_rng(1)
    for net, exact in ((random_net(6, 4), False), (Hopfield(np.zeros((6, 6)), np.ones(6)), True)):
        graded = Continuous(net, β)
        V, _ = graded.settle(rng.uniform(-0.5, 0.5, 6))
        log_Z = math.log(np.exp(-β * net.energy(states(6))).sum())
        bound = β * float(graded.energy(V)) - 6 * math.log(2)
        assert bound >= -log_Z - 1e-12
        assert (bound == pytest.approx(-log_Z, abs=1e-12)) == exact
    with pytest.raises(InputError, match="beta"):
        Continuous(net, 0)
    with pytest.raises(InputError, match="dt"):
        graded.flow(V, 2.0, 1)


# ---- capacity


def test_theory_of_the_capacity() -> None:
    """α_c = 0.1379, m_c = 0.967 (Amit, Gutfreund & Sompolinsky); m solves their equations."""
    α_c, m_c = capacity.critical()
    assert close("α_c", α_c, 0.137906, atol=1e-6)
    assert close("m_c", m_c, 0.9674, atol=1e-4)
    for α in (0.05, 0.1, 0.137):
        m = capacity.overlap(α)
        r = 1.0
        for _ in range(2000):  # of r = 1/(1 − C)², at this m
            C = math.sqrt(2 / (math.pi * α * r)) * math.exp(-m * m / (2 * α * r))
            r = 1 / (1 - C) ** 2
        assert m == pytest.approx(math.erf(m / math.sqrt(2 * α * r)), abs=1e-9)
    assert capacity.overlap(0.137) > m_c
    assert math.isnan(capacity.overlap(0.14))


def test_capacity_threshold_at_1000_units() -> None:
    """The load at which the mean error is that of the end of the branch: 0.134 ± 0.0006 with 5 nets
    a load, so that ±5 % of 0.138 is 4.8 standard errors away."""
    loads = np.array([0.12, 0.13, 0.135, 0.14, 0.145, 0.15])
    errors = np.array([np.mean(1 - capacity.at_rest(α, 1000, 5)) / 2 for α in loads])
    close("threshold", capacity.threshold(loads, errors), 0.138, rtol=0.05)
    low = capacity.at_rest(0.08, 1000, 1)
    close("overlap at α = 0.08", low.mean(), capacity.overlap(0.08), atol=5e-4)


def test_the_gradient_rule_holds_as_many_patterns_as_units() -> None:
    assert capacity.at_rest(1.0, 100, 1, rule="gradient").min() == 1
    assert capacity.at_rest(1.0, 100, 1).mean() < 0.5
    for wrong in ({"N": 0}, {"N": 5000}, {"α": 0.001}):
        with pytest.raises(InputError):
            capacity.at_rest(**({"α": 0.1, "N": 100, "nets": 1} | wrong))


# ---- patterns


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("abc\nab\n", "line 2 has 2 characters, the first has 3"),
        ("\n \n", "holds no pattern"),
        ("abc\nabé\n", "has 'é'; must be ASCII"),
        ("ab?\nabc\n", "unknown"),
        ("#.\n##\n\n#.\n", "letter 2 is not 2 rows of 2 pixels"),
        ("#.\n##\n\nB\n#x\n#.", "letter B has the character 'x'"),
    ],
)
def test_bad_files_are_refused_in_a_line(tmp_path, text: str, said: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match="patterns") as error:
        patterns.load([str(path)])
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_files_folders_and_starts(tmp_path) -> None:
    from PIL import Image

    words = tmp_path / "words.txt"
    words.write_text("abc\nxyz\n")
    read = patterns.load([str(words)])
    assert [read.draw(x) for x in read.x] == ["abc", "xyz"]
    assert read.draw(read.start("a?c")) == "a?c"
    letters = tmp_path / "letters.txt"
    letters.write_text("#.\n##\n\nT\n##\n.#\n")
    read = patterns.load([str(letters)])
    assert read.names == ("1", "T")
    assert read.draw(read.start("T")) == "##\n.#"
    assert read.start("#?/..").tolist() == [1, 0, -1, -1]
    rng = np.random.default_rng(0)
    for name in "ab":
        grey = rng.integers(0, 256, (6, 5), np.uint8)
        Image.fromarray(grey).save(tmp_path / f"{name}.png")
        one = patterns.load([str(tmp_path / f"{name}.png")])
        assert np.array_equal(one.x.reshape(6, 5) > 0, grey > 127)
        assert one.names == (name,)
    both = patterns.load([str(tmp_path / "a.png"), str(tmp_path / "b.png")])
    assert both.x.shape == (2, 30)
    with pytest.raises(InputError, match="another shape"):
        patterns.load(["letters", str(tmp_path / "a.png")])
    images = tmp_path / "set.npz"
    np.savez(images, images=rng.random((6, 20, 20)))
    many = patterns.load([str(images)])
    assert many.x.shape == (6, 256)
    assert set(np.unique(many.x)) == {-1.0, 1.0}
    assert many.names[:2] == ("set", "set 2")
    for source in ("leters", str(tmp_path / "none.txt")):
        with pytest.raises(InputError, match="no such file"):
            patterns.load([source])
    for start in ("Q", "#./#", "ab"):
        with pytest.raises(InputError, match="start"):
            LETTERS.start(start)
