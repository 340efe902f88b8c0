"""Metrics of samples: against enumeration, identities, closed forms of Gaussians, known floors.

Random assertions have a false-fail rate of 1e-6 each, over independent replicas.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.special import erf, ive

from toyflows import stats
from toyflows.cloud import Array
from toyflows.diffusion import metrics
from toyflows.diffusion.gaussians import Gaussians, song_ermon
from toyflows.errors import InputError


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, 51])


def normals(seed: int, *shape: int) -> Array:
    return rng(seed).standard_normal(shape)


# ---- sliced Wasserstein -------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(6, 6), (3, 5), (4, 6), (1, 4), (5, 1)])
def test_on_a_line_w2_is_the_best_assignment(n: int, m: int) -> None:
    """Of lcm(n, m) equal pieces, by SciPy's linear assignment."""
    from scipy.optimize import linear_sum_assignment

    x, y = normals(n, n, 1), 1 + 2 * normals(m, m, 1)
    pieces = math.lcm(n, m)
    cost = np.square(np.repeat(x, pieces // n) - np.repeat(y, pieces // m)[:, None])
    best = math.sqrt(cost[linear_sum_assignment(cost)].mean())
    assert metrics.sliced_w2(x, y) == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize(("D", "K"), [(1, 9), (2, 2), (2, 7), (3, 6), (5, 20), (40, 40)])
def test_sliced_w2_of_a_scaled_and_shifted_copy_is_exact(D: int, K: int) -> None:
    """y = ax + δ is monotone along every u, and mean uuᵀ = I/D: W2² = mean |(a − 1)x + δ|²/D."""
    u = metrics.unit_vectors(K, D)
    assert np.allclose(u.T @ u / len(u), np.eye(D) / D, atol=1e-14)
    assert np.allclose(np.linalg.norm(u, axis=1), 1, atol=1e-14)
    x, δ = normals(1, 30, D), normals(2, D)
    expected = math.sqrt(np.mean(np.sum((0.7 * x + δ) ** 2, axis=1)) / D)
    assert metrics.sliced_w2(x, 1.7 * x + δ, K) == pytest.approx(expected, rel=1e-12)


def test_directions_are_of_the_seed_and_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normals(3, 40, 3), normals(4, 25, 3) + 1
    whole = metrics.sliced_w2(x, y, 16, seed=1)
    assert whole != metrics.sliced_w2(x, y, 16, seed=2)
    monkeypatch.setattr(metrics, "BLOCK", 100)
    assert metrics.sliced_w2(x, y, 16, seed=1) == pytest.approx(whole, rel=1e-13)


def test_the_directions_of_the_plane_converge() -> None:
    """Gaussians of spreads (1, s) and (1, 1): W2²(u) = (√(cos² + s² sin²) − 1)², by quadrature."""
    s, φ = 3.0, np.linspace(0, math.pi, 20_001)[:-1]
    exact = np.mean((np.sqrt(np.cos(φ) ** 2 + (s * np.sin(φ)) ** 2) - 1) ** 2)
    u = metrics.unit_vectors(128, 2)
    found = np.mean((np.sqrt(u[:, 0] ** 2 + (s * u[:, 1]) ** 2) - 1) ** 2)
    assert found == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("n", [1, 10, 300])
def test_the_floor_of_w2_for_uniform_points_is_known(n: int) -> None:
    """E W2² = (2/n) Σ Var U_(i) = 1/(3(n + 1)): hence √ of it falls as n^−1/2."""

    def square(x: Array, y: Array) -> float:
        return metrics.sliced_w2(x, y) ** 2

    found = metrics.floor(square, lambda k, g: g.random((k, 1)), n, replicas=400, seed=n)
    checked = stats.mean("E W2²", found.values, 1 / (3 * (n + 1)))
    assert checked.detects < 0.5 * checked.expected


# ---- energy distance ----------------------------------------------------------------------------


def brute_energy(x: Array, y: Array, unbiased: bool) -> float:
    def average(a: Array, b: Array, pairs: int) -> float:
        return sum(math.dist(p, q) for p, q in itertools.product(a, b)) / pairs

    n, m, less = len(x), len(y), int(unbiased)
    return (2 * average(x, y, n * m) - average(x, x, n * (n - less))
            - average(y, y, m * (m - less)))  # fmt: skip


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("D", [1, 2, 3, 20])
@pytest.mark.parametrize("block", [1, 40, 1 << 18])
def test_energy_distance_is_the_sum_over_all_pairs(
    D: int, unbiased: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "BLOCK", block)
    x, y = normals(5, 13, D), 0.5 + normals(6, 9, D)
    expected = brute_energy(x, y, unbiased)
    assert metrics.energy_distance(x, y, unbiased) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_on_a_line_energy_is_twice_the_square_of_f_minus_g(offset: float) -> None:
    x, y = offset + normals(7, 50), offset + 0.3 + normals(8, 31)
    ends = np.sort(np.concatenate([x, y]))
    F, G = (np.searchsorted(np.sort(v), ends[:-1], "right") / len(v) for v in (x, y))
    expected = 2 * np.sum((F - G) ** 2 * np.diff(ends))
    assert metrics.energy_distance(x, y) == pytest.approx(expected, rel=1e-12)


def test_in_the_plane_energy_is_the_mean_over_projections() -> None:
    """|v| = π/2 · mean |u·v|: the two ways of summing check each other; error ∝ directions⁻²."""
    x, y = normals(9, 40, 2), 0.5 + normals(10, 30, 2)
    exact = metrics.energy_distance(x, y)
    errors = []
    for K in (500, 4000):
        lines = [metrics.energy_distance(x @ u, y @ u) for u in metrics.unit_vectors(K, 2)]
        errors.append(abs(math.pi / 2 * np.mean(lines) / exact - 1))
    assert errors[1] < 1e-6
    assert errors[1] < errors[0] / 8


def mean_norm(δ: float, s: float, D: int) -> float:
    """E|N(δ e₁, s² I)| in one dimension (folded normal) and in two (Rice)."""
    if D == 1:
        return s * math.sqrt(2 / math.pi) * math.exp(-(δ**2) / (2 * s**2)) + δ * erf(
            δ / (s * math.sqrt(2))
        )
    q = δ**2 / (4 * s**2)
    return s * math.sqrt(math.pi / 2) * ((1 + 2 * q) * ive(0, q) + 2 * q * ive(1, q))


@pytest.mark.parametrize("D", [1, 2])
def test_energy_distance_of_two_gaussians(D: int) -> None:
    """Unbiased: the mean over replicas is 2 E|X − Y| − E|X − X′| − E|Y − Y′| in closed form."""
    δ, s, g = 0.8, 1.5, rng(11)
    expected = (2 * mean_norm(δ, math.hypot(1, s), D) - mean_norm(0, math.sqrt(2), D)
                - mean_norm(0, s * math.sqrt(2), D))  # fmt: skip
    found = []
    for _ in range(300):
        x, y = g.standard_normal((40, D)), s * g.standard_normal((50, D))
        y[:, 0] += δ
        found.append(metrics.energy_distance(x, y, unbiased=True))
    checked = stats.mean("energy", found, expected)
    # An average with the points themselves is above it by 2/n E|X − X′|/2 each: it is caught.
    bias = mean_norm(0, math.sqrt(2), D) / 40 + mean_norm(0, s * math.sqrt(2), D) / 50
    assert checked.detects < 1.5 * bias


@pytest.mark.parametrize(("n", "m"), [(10, 10), (40, 160)])
def test_the_floor_of_energy_is_known(n: int, m: int) -> None:
    """E of the V-statistic between equal laws is (1/n + 1/m) E|X − X′|; unbiased, it is 0."""
    sampler = song_ermon().sample
    d = mean_norm(0, math.sqrt(2), 2)
    far = mean_norm(10 * math.sqrt(2), math.sqrt(2), 2)
    expected = (1 / n + 1 / m) * (0.68 * d + 0.32 * far)  # 0.2² + 0.8² pairs lie in one mode
    found = metrics.floor(metrics.energy_distance, sampler, n, replicas=300, against=m)
    assert stats.mean("V", found.values, expected).detects < expected

    def unbiased(x: Array, y: Array) -> float:
        return metrics.energy_distance(x, y, unbiased=True)

    stats.mean("U", metrics.floor(unbiased, sampler, n, replicas=300, against=m).values, 0.0)


# ---- MMD ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("D", [1, 2, 20])
def test_mmd_is_the_sum_over_all_pairs(
    D: int, unbiased: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "BLOCK", 40)
    x, y, h = normals(12, 11, D), 0.5 + normals(13, 7, D), 1.3

    def average(a: Array, b: Array, less: int) -> float:
        pairs = itertools.product(enumerate(a), enumerate(b))
        k = [math.exp(-math.dist(p, q) ** 2 / (2 * h * h)) for (i, p), (j, q) in pairs
             if not (less and i == j)]  # fmt: skip
        return sum(k) / len(k)

    less = int(unbiased)
    expected = average(x, x, less) + average(y, y, less) - 2 * average(x, y, 0)
    assert metrics.mmd(x, y, h, unbiased) == pytest.approx(expected, rel=1e-10)


def test_mmd_of_two_gaussians() -> None:
    """E k = (h²/(h² + v))^{D/2} e^{−δ²/2(h² + v)} for a difference N(δ, v I)."""
    δ, s, h, D, g = 1.0, 0.5, 0.9, 2, rng(14)

    def mean_kernel(δ: float, v: float) -> float:
        return (h**2 / (h**2 + v)) ** (D / 2) * math.exp(-(δ**2) / (2 * (h**2 + v)))

    expected = mean_kernel(0, 2) + mean_kernel(0, 2 * s**2) - 2 * mean_kernel(δ, 1 + s**2)
    found = []
    for _ in range(1000):
        y = s * g.standard_normal((40, D))
        y[:, 0] += δ
        found.append(metrics.mmd(g.standard_normal((50, D)), y, h, unbiased=True))
    checked = stats.mean("MMD²", found, expected)
    assert checked.detects < (1 - mean_kernel(0, 2)) / 50 + (1 - mean_kernel(0, 2 * s**2)) / 40


def test_mmd_at_the_ends_of_the_bandwidth() -> None:
    """h → ∞: |mean x − mean y|²/h²; h → 0: each point sees itself only, 1/n + 1/m."""
    x, y = normals(15, 12, 3), 1 + normals(16, 8, 3)
    apart = float(np.sum((x.mean(0) - y.mean(0)) ** 2))
    assert metrics.mmd(x, y, 1e3) * 1e6 == pytest.approx(apart, rel=1e-4)
    assert metrics.mmd(x, y, 1e-3) == pytest.approx(1 / 12 + 1 / 8, rel=1e-12)


def test_the_bandwidth_is_the_median_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normals(17, 9, 2), normals(18, 8, 2)
    both = np.concatenate([x, y])
    pairs = [math.dist(a, b) for a, b in itertools.combinations(both, 2)]
    assert metrics.median_distance(x, y) == pytest.approx(float(np.median(pairs)), rel=1e-12)
    assert metrics.mmd(x, y) == metrics.mmd(x, y, metrics.median_distance(x, y))
    assert metrics.mmd(3 * x, 3 * y) == pytest.approx(metrics.mmd(x, y), rel=1e-10)
    monkeypatch.setattr(metrics, "POOL", 7)
    thinned = metrics.median_distance(x, y)
    assert thinned != metrics.median_distance(x[1:], y)
    assert thinned == metrics.median_distance(rng(31).permutation(x), y[::-1])
    monkeypatch.undo()
    # Of N(0, I) in the plane |a − b|² is 4 times exponential: the median is 2√log 2.
    far = metrics.median_distance(normals(19, 20_000, 2), normals(20, 20_000, 2))
    assert far == pytest.approx(2 * math.sqrt(math.log(2)), rel=0.05)


# ---- what all distances share -------------------------------------------------------------------


@pytest.mark.parametrize("D", [1, 2, 3, 30])
@pytest.mark.parametrize("metric", [metrics.sliced_w2, metrics.energy_distance, metrics.mmd])
def test_a_distance_is_symmetric_without_order_and_zero_between_equal_samples(
    metric: metrics.Metric, D: int
) -> None:
    x, y = normals(21, 60, D), 0.4 + normals(22, 45, D)
    value, g = metric(x, y), rng(23)
    assert value > 0.01
    assert metric(g.permutation(x), g.permutation(y)) == pytest.approx(value, rel=1e-11)
    assert metric(y, x) == pytest.approx(value, rel=1e-11)
    assert 0 <= metric(x, g.permutation(x)) < 1e-11
    if metric is not metrics.mmd:  # whose bandwidth is of the two samples together
        assert metric(np.concatenate([x, x]), y) == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize(
    ("metric", "rate"),
    [(metrics.sliced_w2, -0.5), (metrics.energy_distance, -1.0), (metrics.mmd, -1.0)],
)
def test_floors_fall_at_their_rates(metric: metrics.Metric, rate: float) -> None:
    """Points of a square; the seed is fixed, so this fails always or never."""
    n = [25, 100, 400]
    means = [metrics.floor(metric, lambda k, g: g.random((k, 2)), k, 200).mean for k in n]
    stats.slope("rate", np.log(n), np.log(means), rate, rtol=0.1)


def test_a_floor_is_of_independent_samples_of_the_sizes_asked() -> None:
    seen: list[Array] = []

    def sampler(n: int, g: np.random.Generator) -> Array:
        seen.append(g.random((n, 2)))
        return seen[-1]

    def metric(x: Array, y: Array) -> float:
        return float(x[0, 0] - y[0, 0])

    found = metrics.floor(metric, sampler, 3, replicas=50, seed=5, against=4, level=0.5)
    assert [len(x) for x in seen] == [3, 4] * 50
    assert len({float(x[0, 0]) for x in seen}) == 100
    assert found.mean == found.values.mean()
    assert found.quantile == np.median(found.values)
    again = metrics.floor(metric, sampler, 3, replicas=50, seed=5)
    assert (again.values == found.values).all()
    assert (metrics.floor(metric, sampler, 3, 50, 6).values != found.values).all()


# ---- neighbours ---------------------------------------------------------------------------------


@pytest.mark.parametrize("D", [1, 2, 40])
@pytest.mark.parametrize("k", [1, 3])
def test_nearest_neighbours_are_those_of_enumeration(
    D: int, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "BLOCK", 40)
    x, y = normals(24, 15, D), normals(25, 12, D)
    to_y = [sorted(math.dist(p, q) for q in y)[k - 1] for p in x]
    assert np.allclose(metrics.nearest(x, y, k), to_y, rtol=1e-12, atol=0)
    others = [sorted(math.dist(p, q) for q in x)[k] for p in x]
    assert np.allclose(metrics.nearest(x, k=k), others, rtol=1e-12, atol=0)


@pytest.mark.parametrize("D", [2, 100])
def test_a_copy_is_at_distance_zero(D: int) -> None:
    data = 50 + normals(26, 30, D)
    assert (metrics.nearest(data[[3, 7]], data) == 0).all()
    nearly = data[[3, 7]] + 1e-9
    expected = np.linalg.norm(nearly - data[[3, 7]], axis=1)
    assert np.allclose(metrics.nearest(nearly, data), expected, rtol=1e-5, atol=0)
    assert (metrics.nearest(np.concatenate([data, data[:1]]))[[0, -1]] == 0).all()


@pytest.mark.parametrize("D", [2, 40])
@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall_are_those_of_enumeration(D: int, k: int) -> None:
    real, made = normals(27, 30, D), 1.2 * normals(28, 20, D)

    def covered(x: Array, y: Array) -> float:
        reach = [sorted(math.dist(p, q) for q in y)[k] for p in y]
        return np.mean(
            [any(math.dist(p, q) <= r for q, r in zip(y, reach, strict=True)) for p in x]
        )

    found = metrics.precision_recall(real, made, k)
    assert found == (covered(made, real), covered(real, made))
    assert 0 < found.precision < 1
    assert metrics.precision_recall(made, real, k) == (found.recall, found.precision)


def test_precision_on_a_circle_is_three_quarters() -> None:
    """Balls to the first neighbour leave of a gap g between gaps a and b the part (g − a − b)₊;
    gaps are as exponentials, so a fresh point is outside with probability E e^{−(a + b)} = 1/4."""

    def circle(n: int, g: np.random.Generator) -> Array:
        φ = 2 * math.pi * g.random(n)
        return np.stack([np.cos(φ), np.sin(φ)], axis=1)

    def precision(x: Array, y: Array) -> float:
        return metrics.precision_recall(x, y, k=1).precision

    for n in (4, 50):
        found = metrics.floor(precision, circle, n, replicas=500, seed=n)
        assert stats.mean("precision", found.values, 0.75).detects < 0.15


def test_a_lost_mode_costs_recall_and_an_invented_one_precision() -> None:
    modes, g = song_ermon(), rng(29)
    real, heavy = modes.sample(500, g), 5 + g.standard_normal((500, 2))
    lost = metrics.precision_recall(real, heavy)
    assert lost.precision > 0.9
    assert lost.recall == pytest.approx(np.mean(real[:, 0] > 0), abs=0.05)
    half = np.concatenate([heavy[:250], 50 + g.standard_normal((250, 2))])
    assert metrics.precision_recall(real, half).precision == pytest.approx(0.5, abs=0.05)


def test_mode_weights() -> None:
    """Hard: of the nearest mode. Soft: their expectation is the mixture's weights, by E_p[r_k]."""
    overlapping = Gaussians(np.array([0.3, 0.7]), np.array([[-1.0], [1.0]]), np.array([1.0, 1.0]))
    x = np.array([[-3.0], [-0.1], [0.2], [0.3], [9.0]])
    assert metrics.mode_weights(x, overlapping).tolist() == [0.4, 0.6]
    g = rng(30)
    samples = [overlapping.sample(200, g) for _ in range(200)]
    soft = [metrics.mode_weights(x, overlapping, soft=True)[1] for x in samples]
    assert stats.mean("soft", soft, 0.7).detects < 0.02
    hard = np.concatenate(samples)[:, 0]
    nearer = 0.3 * (1 - erf(1 / math.sqrt(2))) / 2 + 0.7 * (1 + erf(1 / math.sqrt(2))) / 2
    share = metrics.mode_weights(hard, overlapping)[1]
    stats.proportion("hard", round(share * hard.size), hard.size, nearer)


# ---- what is refused ----------------------------------------------------------------------------

GOOD = np.zeros((4, 2))
BAD = [
    ("samples", lambda: metrics.sliced_w2(GOOD, np.zeros((4, 3)))),
    ("samples", lambda: metrics.energy_distance(np.zeros((0, 2)), GOOD)),
    ("samples", lambda: metrics.energy_distance(GOOD[:1], GOOD, unbiased=True)),
    ("samples", lambda: metrics.mmd(GOOD, np.full((4, 2), np.nan))),
    ("samples", lambda: metrics.mmd(3.0, GOOD)),
    ("bandwidth", lambda: metrics.mmd(GOOD, GOOD)),
    ("bandwidth", lambda: metrics.mmd(GOOD, GOOD, -1.0)),
    ("directions", lambda: metrics.sliced_w2(GOOD, GOOD, 0)),
    ("k", lambda: metrics.precision_recall(GOOD, GOOD, 4)),
    ("k", lambda: metrics.nearest(GOOD, GOOD, 0)),
    ("samples", lambda: metrics.mode_weights(np.zeros((4, 3)), song_ermon())),
    ("replicas", lambda: metrics.floor(metrics.mmd, song_ermon().sample, 4, 0)),
    ("level", lambda: metrics.floor(metrics.mmd, song_ermon().sample, 4, level=2)),
]


@pytest.mark.parametrize(("option", "call"), BAD)
def test_bad_input_is_one_line(option: str, call) -> None:
    with pytest.raises(InputError) as refused:
        call()
    assert refused.value.name == option
    assert "\n" not in str(refused.value)
