"""Products of experts: closed forms, quadrature, Gibbs and Langevin agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from toyflows.diffusion.gaussians import Gaussians
from toyflows.errors import InputError
from toyflows.lattice import experts
from toyflows.lattice.experts import Expert, Product
from toyflows.mixture import Mixture
from toyflows.stats import mean, same_law

LINE = [
    Gaussians(np.array([0.3, 0.7]), np.array([[-2.0], [1.5]]), np.array([0.8, 0.6])),
    Gaussians(np.array([0.5, 0.5]), np.array([[-1.0], [2.5]]), np.array([1.1, 0.9])),
]
PLANE = [
    Gaussians(np.array([0.4, 0.6]), np.array([[-1.5, 0.0], [1.5, 0.5]]), np.array([0.7, 0.9])),
    Gaussians(np.array([0.2, 0.8]), np.array([[0.0, -1.5], [0.5, 1.2]]), np.array([0.8, 0.6])),
    Gaussians(np.array([1.0]), np.array([[0.3, 0.1]]), np.array([1.5])),
]


def test_two_gaussians_by_hand() -> None:
    """N(0, 1) N(2, 1) = N(1, ½) e^{−1}/√(4π)."""
    one = [Gaussians(np.ones(1), np.array([[μ]]), np.ones(1)) for μ in (0.0, 2.0)]
    law, log_Z = experts.closed_form(one)
    assert law.means == pytest.approx(np.array([[1.0]]))
    assert law.spreads == pytest.approx([math.sqrt(0.5)])
    assert log_Z == pytest.approx(-1 - 0.5 * math.log(4 * math.pi))


@pytest.mark.parametrize(("laws", "n"), [(LINE, 4), (PLANE, 4)])
def test_closed_form_is_the_grid(laws: list[Gaussians], n: int) -> None:
    """Density and log Z of the product by quadrature, to 1e−12; the unproduct is caught."""
    law, log_Z = experts.closed_form(laws)
    assert len(law.weights) == n
    D = law.dimension
    axes = [np.linspace(-9, 9, 361)] * D
    p, found = Product([experts.gaussians(one) for one in laws]).on_grid(*axes)
    assert found == pytest.approx(log_Z, abs=1e-12)
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, D)
    with np.errstate(under="ignore"):
        wanted = np.exp(law.log_density(x)).reshape(p.shape)
        alone = np.exp(laws[0].log_density(x)).reshape(p.shape)
    assert np.abs(p - wanted).max() < 1e-12
    assert np.abs(p - alone).max() > 0.05


def test_components_that_are_next_to_impossible() -> None:
    """Two mixtures whose wrong pairs weigh e^{−a²}, relative to the right ones: to the least float
    and beyond it; log Z = −log 2 − ½ log 4π there, as only the two right pairs are left."""
    for a in (5.0, 26.5, *np.sqrt(np.arange(706.0, 748.0)), 30.0):
        one = Gaussians(np.full(2, 0.5), np.array([[-a], [a]]), np.ones(2))
        product, log_Z = experts.closed_form([one, one])
        assert log_Z == pytest.approx(-math.log(2) - 0.5 * math.log(4 * math.pi), abs=1e-10)
        wrong = product.weights[np.abs(product.means[:, 0]) < a / 2]
        assert np.all(np.abs(np.log(wrong) + a**2 + math.log(2)) < (0.01 if a < 26.5 else 1.0))


def test_powers_and_mixed_experts() -> None:
    """p² of N(0, 1) is N(0, ½); U_θ times a Gaussian as a callable is again a mixture."""
    normal = Expert(lambda x: 0.5 * x[:, 0] ** 2, lambda x: x)
    axis = np.linspace(-12, 12, 2401)
    p, log_Z = Product([normal], [2.0]).on_grid(axis)
    assert p == pytest.approx(norm.pdf(axis, scale=math.sqrt(0.5)), abs=1e-12)
    assert log_Z == pytest.approx(0.5 * math.log(math.pi), abs=1e-12)
    mixture, θ = Mixture.separated(4.0), 0.7
    pair = Product([experts.two_modes(mixture, θ), normal])
    p, _ = pair.on_grid(axis)
    q = mixture.weight_b(θ)
    law = Gaussians(np.array([1 - q, q]), np.array([[-2.0], [2.0]]), np.ones(2))
    wanted, _ = experts.closed_form([law, Gaussians(np.ones(1), np.zeros((1, 1)), np.ones(1))])
    with np.errstate(under="ignore"):
        assert p == pytest.approx(np.exp(wanted.log_density(axis[:, None])), abs=1e-12)
    x = np.random.default_rng(0).standard_normal((20, 1))
    h = 1e-6
    slope = (pair.energy(x + h) - pair.energy(x - h)) / (2 * h)
    assert pair.slope(x)[:, 0] == pytest.approx(slope, abs=1e-8)


def test_gibbs_has_the_product_as_its_law() -> None:
    """4000 chains of 60 sweeps from far away, each coordinate's law to 1e−6; detects 0.05. The
    first expert alone is caught."""
    law, _ = experts.closed_form(PLANE)
    x = experts.gibbs(PLANE, np.full((4000, 2), 3.0), 60, np.random.default_rng(0))

    def cdf(mix: Gaussians, axis: int):
        return lambda t: norm.cdf(t[:, None], mix.means[:, axis], mix.spreads) @ mix.weights

    for axis in (0, 1):
        same_law("coordinate", x[:, axis], cdf(law, axis))
        with pytest.raises(AssertionError):
            same_law("coordinate", x[:, axis], cdf(PLANE[0], axis))


def test_gibbs_keeps_its_law_in_one_sweep() -> None:
    """Started in the law, E[x] and E[x²] stay, to 1e−6 with 20 000 chains; detects 0.03."""
    law, _ = experts.closed_form(LINE)
    rng = np.random.default_rng(1)
    x = experts.gibbs(LINE, law.sample(20_000, rng), 1, rng)[:, 0]
    first = float(law.weights @ law.means[:, 0])
    second = float(law.weights @ (law.means[:, 0] ** 2 + law.spreads**2))
    mean("E[x]", x, first)
    mean("E[x²]", x**2, second)


def test_langevin_has_the_product_as_its_law() -> None:
    """MALA with 3000 chains keeps the law, to 1e−6 (detects 0.05), at a step at which without the
    test the spread is off."""
    law, _ = experts.closed_form(LINE)
    product = Product([experts.gaussians(one) for one in LINE])
    rng = np.random.default_rng(2)
    start = law.sample(3000, rng)
    x, accepted = product.langevin(start, 0.25, 20, rng)
    assert 0.3 < accepted < 0.95

    def cdf(t):
        return norm.cdf(t[:, None], law.means[:, 0], law.spreads) @ law.weights

    same_law("x", x[:, 0], cdf)
    rough, all_ = product.langevin(start, 0.25, 20, rng, metropolis=False)
    assert all_ == pytest.approx(1.0)
    with pytest.raises(AssertionError):
        same_law("x", rough[:, 0], cdf)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Product([]), "one or more"),
        (lambda: Product([experts.gaussians(LINE[0])], [1.0, 2.0]), "powers"),
        (lambda: experts.closed_form([LINE[0], PLANE[0]]), "one dimension"),
        (lambda: experts.closed_form([LINE[0]] * 20), "1048576 components"),
        (lambda: Product([Expert(lambda x: x[:, 0])]).slope(np.zeros((1, 1))), "no slope"),
        (lambda: Product([experts.gaussians(LINE[0])]).on_grid(*[np.zeros(9)] * 3), "one or two"),
        (lambda: Product([experts.gaussians(LINE[0])]).langevin(np.zeros((1, 1)), 0.0, 1,
                                                                np.random.default_rng(0)), "dt"),
    ],
)  # fmt: skip
def test_bad_input(call, said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()
