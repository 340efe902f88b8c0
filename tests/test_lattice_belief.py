"""The deep belief network: its law and its bound are compared with sums over all states."""

from __future__ import annotations

import numpy as np
import pytest

from toyflows.errors import InputError
from toyflows.lattice import belief
from toyflows.lattice.belief import Belief
from toyflows.lattice.enumeration import states
from toyflows.lattice.rbm import RBM
from toyflows.numerics import log_sum_exp
from toyflows.stats import mean


def random_rbm(n: int, m: int, seed: int, spread: float = 1.0) -> RBM:
    rng = np.random.default_rng(seed)
    return RBM(*(spread * rng.standard_normal(shape) for shape in ((n, m), n, m)))


NET = Belief(random_rbm(4, 3, 0), random_rbm(3, 5, 1))
V = states(4)


def brute(net: Belief) -> tuple[np.ndarray, np.ndarray]:
    """log p(v, h) (16, 8) from the energies alone, and log q(h|v)."""
    H, K = states(3), states(5)
    upper = np.array([[-net.upper.energy(h[None], k[None])[0] for k in K] for h in H])
    log_p2 = log_sum_exp(upper) - log_sum_exp(upper.ravel())
    lower = np.array([[-net.lower.energy(v[None], h[None])[0] for h in H] for v in V])
    given = lower - log_sum_exp(lower.T)[None, :]
    return given + log_p2, lower - log_sum_exp(lower)[:, None]


def test_the_law_is_that_of_all_states() -> None:
    joint, _ = brute(NET)
    np.testing.assert_allclose(NET.log_likelihood(V), log_sum_exp(joint), atol=1e-12)
    assert np.exp(NET.log_likelihood(V)).sum() == pytest.approx(1.0, abs=1e-12)


def test_the_bound_is_below_by_the_divergence_of_the_posteriors() -> None:
    joint, log_q = brute(NET)
    posterior = joint - log_sum_exp(joint)[:, None]
    apart = (np.exp(log_q) * (log_q - posterior)).sum(axis=1)
    assert apart.min() > 1e-3
    np.testing.assert_allclose(NET.log_likelihood(V) - NET.bound(V), apart, atol=1e-12)


def test_turned_over_the_bound_is_the_lower_ones_likelihood() -> None:
    lower = random_rbm(4, 3, 2)
    net = Belief(lower, belief.turned(lower))
    np.testing.assert_allclose(net.bound(V), lower.log_likelihood(V), atol=1e-12)
    np.testing.assert_allclose(net.log_likelihood(V), lower.log_likelihood(V), atol=1e-12)
    assert np.abs(NET.bound(V) - NET.lower.log_likelihood(V)).max() > 0.1  # another one has not


def test_learning_the_upper_layer_raises_the_bound_at_every_step() -> None:
    """Exact gradient, small steps, from the lower RBM turned over: B never falls, and log p ends
    above the lower RBM's by B's rise or more."""
    lower, w = random_rbm(4, 3, 3), np.random.default_rng(4).dirichlet(np.full(16, 0.3))
    net = Belief(lower, belief.turned(lower))
    bounds = [float(w @ net.bound(V))]
    for _ in range(200):
        up = net.statistics(V, w).minus(net.upper.statistics())
        net = Belief(lower, RBM(*(x + 0.05 * g for x, g in zip(
            (net.upper.W, net.upper.a, net.upper.b), up, strict=True))))  # fmt: skip
        bounds.append(float(w @ net.bound(V)))
    assert np.diff(bounds).min() > 0
    assert bounds[-1] - bounds[0] > 0.05
    assert w @ net.log_likelihood(V) >= bounds[-1]


def test_the_gradient_is_that_of_the_bound() -> None:
    w = np.random.default_rng(5).dirichlet(np.ones(16))
    gradient = NET.statistics(V, w).minus(NET.upper.statistics())
    for name, g in zip(("W", "a", "b"), gradient, strict=True):
        at = (1, 2) if name == "W" else (1,)
        ends = []
        for ε in (1e-5, -1e-5):
            upper = {k: np.array(getattr(NET.upper, k)) for k in ("W", "a", "b")}
            upper[name][at] += ε
            ends.append(w @ Belief(NET.lower, RBM(**upper)).bound(V))
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(g[at], rel=1e-6)


def test_draws_estimate_the_bound_without_bias() -> None:
    """20,000 draws for each of two images; each fails with probability 1e-6."""
    bound = NET.bound(V)
    drawn = NET.drawn_bound(V[[3, 9]], 20_000, 7)
    for row, exact in zip(drawn, bound[[3, 9]], strict=True):
        assert mean("the bound by draws", row, float(exact)).detects < 0.1


def test_images_are_drawn_from_the_law() -> None:
    """The frequency of each of the 16 images in 40,000 draws; in all it fails with 1.6e-5."""
    v = NET.draws(40_000, np.random.default_rng(8))
    number = (v @ (1 << np.arange(4))).astype(int)
    for k, p in enumerate(np.exp(NET.log_likelihood(V))):
        mean("share of an image", (number == k).astype(float), float(p))


def test_decoding_and_lifting_have_the_lower_ones_probabilities() -> None:
    """Means of 20,000 draws of each unit; in all seven it fails with 7e-6."""
    h, v = np.tile([1.0, 0.0, 1.0], (20_000, 1)), np.tile(V[5], (20_000, 1))
    down, p = belief.decode(NET.lower, h, 1)
    for k in range(4):
        mean("a pixel", down[:, k], float(p[0, k]))
    x = V[5] @ NET.lower.W + NET.lower.b
    up = belief.lift(NET.lower, v, 1, 0)
    for k in range(3):
        mean("a hidden unit", up[:, k], float(1 / (1 + np.exp(-x[k]))))
    assert (belief.lift(NET.lower, v, 1, 1) != up).any()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="must be 3"):
        Belief(NET.lower, random_rbm(4, 2, 0))
    wide = Belief(random_rbm(4, 15, 0), random_rbm(15, 2, 0))
    with pytest.raises(InputError, match=r"2\^15"):
        wide.bound(V)
    assert np.isfinite(wide.drawn_bound(V, 2, 0)).all()
