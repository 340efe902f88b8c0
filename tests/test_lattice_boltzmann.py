"""The visible Boltzmann machine against its own definition: sums over all states."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toyflows.errors import InputError
from toyflows.lattice import boltzmann, enumeration
from toyflows.lattice.boltzmann import Boltzmann, Chains, Moments, learn
from toyflows.stats import ClaimError, mean

RNG = np.random.default_rng


def machine(N: int, seed: int = 0, T: float = 1.3, spread: float = 0.5) -> Boltzmann:
    rng = RNG(seed)
    W = np.triu(spread * rng.standard_normal((N, N)), 1)
    return Boltzmann(W + W.T, 0.3 * rng.standard_normal(N), T)


def law(m: Boltzmann) -> tuple[np.ndarray, np.ndarray, float]:
    """All states, their probabilities and log Z, one by one."""
    S = np.array(list(itertools.product([-1.0, 1.0], repeat=len(m.b))))
    pairs = itertools.combinations(range(len(m.b)), 2)
    E = -sum(m.W[i, j] * S[:, i] * S[:, j] for i, j in pairs) - S @ m.b
    p = np.exp(-E / m.temperature)
    return S, p / p.sum(), float(np.log(p.sum()))


@pytest.mark.parametrize("N", [2, 3, 8])
def test_moments_are_sums_over_all_states(N: int) -> None:
    m = machine(N)
    S, p, log_Z = law(m)
    assert m.log_Z == pytest.approx(log_Z, abs=1e-12)
    found = m.moments()
    assert np.allclose(found.pairs, (S.T * p) @ S, rtol=0, atol=1e-12)
    assert np.allclose(found.means, p @ S, rtol=0, atol=1e-12)
    assert np.allclose(m.log_likelihood(S), np.log(p), rtol=0, atol=1e-12)
    data = Moments.of(S[:3])
    assert m.mean_log_likelihood(data) == pytest.approx(np.log(p[:3]).mean(), abs=1e-12)


def test_twenty_units_are_the_most() -> None:
    free = Boltzmann(np.zeros((20, 20)), np.full(20, 0.5), 2.0)
    assert free.log_Z == pytest.approx(20 * np.log(2 * np.cosh(0.25)), abs=1e-9)
    assert np.allclose(free.moments().means, np.tanh(0.25), rtol=0, atol=1e-12)
    with pytest.raises(InputError, match=r"2\^21; must be at most 20 units \(2\^20\)"):
        Boltzmann(np.zeros((21, 21)), np.zeros(21)).moments()


def test_the_gradient_is_a_difference_of_moments() -> None:
    """Against central differences of E_data[log p], in a weight and in a bias."""
    m = machine(5)
    data, model, h = machine(5, 1).moments(), m.moments(), 1e-5
    W = m.W.copy()
    W[1, 3] += h
    W[3, 1] += h
    V = 2 * m.W - W
    b = m.b + h * (np.arange(5) == 2)

    def value(W: np.ndarray, b: np.ndarray) -> float:
        return Boltzmann(W, b, m.temperature).mean_log_likelihood(data)

    slope = (value(W, m.b) - value(V, m.b)) / (2 * h)
    assert slope == pytest.approx((data.pairs - model.pairs)[1, 3] / m.temperature, abs=1e-8)
    slope = (value(m.W, b) - value(m.W, 2 * m.b - b)) / (2 * h)
    assert slope == pytest.approx((data.means - model.means)[2] / m.temperature, abs=1e-8)


def test_a_temperature_divides_the_weights() -> None:
    m = machine(6, T=2.5)
    cold = Boltzmann(m.W / 2.5, m.b / 2.5)
    assert m.log_Z == pytest.approx(cold.log_Z, abs=1e-12)
    assert m.moments().apart(cold.moments()) < 1e-12


def residue(m: Boltzmann, sampled: Boltzmann) -> None:
    """Energy, a spin and a pair after 5 sweeps of `sampled` from m's law, in 20,000 chains."""
    S = sampled.sweeps(m.draws(20_000, RNG(3)), 5, seed=7)
    exact = m.moments()
    everything, p, _ = law(m)
    mean("energy", m.energy(S), float(p @ m.energy(everything)))
    mean("a spin", S[:, 0], exact.means[0])
    mean("a pair", S[:, 1] * S[:, 4], exact.pairs[1, 4])


def test_sweeps_leave_the_law_and_no_other() -> None:
    """Each false-fail 1e−6; a mean that is off by 0.05 is caught. The control takes the activation
    without its factor 2, which is the law at twice the temperature."""
    m = machine(6)
    residue(m, m)
    with pytest.raises(ClaimError):
        residue(m, Boltzmann(m.W, m.b, 2 * m.temperature))


def test_sweeps_come_to_the_law_from_afar() -> None:
    m = machine(6)
    S = m.sweeps(np.ones((20_000, 6)), 60, seed=8)
    for i, expected in enumerate(m.moments().means):
        mean(f"spin {i}", S[:, i], expected)


def test_cold_sweeps_are_hopfields() -> None:
    m = machine(9, T=1e-9)
    S = 2.0 * RNG(5).integers(0, 2, (50, 9)) - 1
    expected = S.copy()
    for s in expected:
        for i in range(9):
            s[i] = 1.0 if m.W[i] @ s + m.b[i] > 0 else -1.0
    assert np.array_equal(m.sweeps(S, 1, seed=0), expected)
    assert (m.energy(expected) <= m.energy(S)).all()


def test_sweeps_in_pieces_are_the_same() -> None:
    m, S = machine(7), np.ones((10, 7))
    pieces = m.sweeps(m.sweeps(S, 2, seed=1), 3, seed=1, first=2)
    assert np.array_equal(m.sweeps(S, 5, seed=1), pieces)
    assert np.array_equal(m.sweeps(S, 5, seed=1)[:4], m.sweeps(S[:4], 5, seed=1))
    assert not np.array_equal(m.sweeps(S, 5, seed=1), m.sweeps(S, 5, seed=2))
    assert np.array_equal(S, np.ones((10, 7)))


def test_draws_are_independent_draws() -> None:
    m = machine(5)
    S = m.draws(20_000, RNG(0))
    for i, expected in enumerate(m.moments().means):
        mean(f"spin {i}", S[:, i], expected)


def path(negatives: boltzmann.Negatives, steps: int) -> tuple[Boltzmann, list[Boltzmann]]:
    """A true machine of 6 spins and those on the way to it from zero weights."""
    true = machine(6, seed=4, T=1.0, spread=0.3)
    start = Boltzmann(np.zeros((6, 6)), np.zeros(6))
    way = learn(true.moments(), negatives, lambda k: 0.3 / (1 + k / 200), start)
    return true, list(itertools.islice(way, steps))


def test_exact_learning_finds_the_machine_of_the_moments() -> None:
    true, way = path(boltzmann.exact, 600)
    data = true.moments()
    values = [m.mean_log_likelihood(data) for m in way]
    assert (np.diff(values) > -1e-14).all()
    assert np.abs(way[-1].W - true.W).max() < 1e-3
    assert way[-1].moments().apart(data) < 1e-3


def test_sampled_learning_comes_near() -> None:
    S = 2.0 * RNG(0).integers(0, 2, (400, 6)) - 1
    true, way = path(Chains(S, seed=0), 600)
    assert way[-1].moments().apart(true.moments()) < 0.1
    assert np.abs(way[-1].W - true.W).max() < 0.1


def test_learning_at_a_temperature_matches_moments_too() -> None:
    data = machine(4, T=1.0).moments()
    start = Boltzmann(np.zeros((4, 4)), np.zeros(4), 2.0)
    *_, last = itertools.islice(learn(data, boltzmann.exact, lambda k: 0.5, start), 400)
    assert last.moments().apart(data) < 1e-4
    assert last.temperature == 2.0


@pytest.mark.parametrize("T", [0.0, -1.0, np.inf, np.nan])
def test_no_other_temperature(T: float) -> None:
    with pytest.raises(InputError, match="temperature"):
        Boltzmann(np.zeros((2, 2)), np.zeros(2), T)


@pytest.mark.parametrize("W", [np.eye(2), np.array([[0.0, 1.0], [2.0, 0.0]]), np.zeros((2, 3))])
def test_no_other_weights(W: np.ndarray) -> None:
    with pytest.raises(InputError, match="symmetric"):
        Boltzmann(W, np.zeros(2))


def test_states_are_the_bits_of_their_number() -> None:
    low, high = enumeration.halves(5)
    S = enumeration.states(5)
    for k in range(32):
        assert np.array_equal(S[k], [k >> i & 1 for i in range(5)])
        assert np.array_equal(S[k], np.concatenate([low[k % 8], high[k // 8]]))
