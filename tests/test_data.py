"""Data: every bad file is refused by one line; the fit is the maximum of the likelihood, exactly.

Identities first (fixed points, gradients, invariances), then one statistical test, whose rate of
false failure is stated there.
"""

from __future__ import annotations

import csv
import math
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import logsumexp

from toyflows import data
from toyflows import fit as fitting
from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.numerics import expit


@pytest.fixture(autouse=True)
def _strict_floats() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


def mixture_sample(n: int, a: float, b: float, s: float, q: float, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n) < q, b, a) + s * rng.standard_normal(n)


def log_likelihood(x: Array, a: float, b: float, s: float, q: float) -> float:
    """Straight from the density, with no help from the module under test."""
    density = (1 - q) * np.exp(-((x - a) ** 2) / (2 * s * s)) + q * np.exp(
        -((x - b) ** 2) / (2 * s * s)
    )
    return float(np.sum(np.log(density / (s * math.sqrt(2 * math.pi)))))


def refusal(call: Callable[[], object], name: str = "data") -> str:
    """The reason of an InputError; the message is one line which names the option."""
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.name == name
    assert "\n" not in str(caught.value)
    return caught.value.why


# ---- reading ------------------------------------------------------------------------------------

LINE = " (a missing value is NA, and a line that is no data begins with #)"
TYPED = " is not a number (write digits and one decimal point; a name begins with a letter)"
MISSING = ": a value is missing; --skip-missing leaves such rows out"
VALUES = [3.6, 1.8, 3.333, -2.283e-1, 4.5e2]


def write(folder: Path, content: str | bytes, name: str = "points.csv") -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize(
    "text",
    [
        "3.6\n1.8\n3.333\n-2.283e-1\n4.5E2\n",
        "3.6\n1.8\n3.333\n-2.283e-1\n+450",  # no newline at the end
        "eruptions\n3.6\n1.8\n3.333\n-0.2283\n450\n",
        "\ufeff# a comment\r\n\r\neruptions\r\n3.6\r\n1.8\r\n 3.333 \r\n-.2283\r\n450.\r\n\r\n",
        "3.6\r1.8\r3.333\r-.2283\r450\r",
        "a,b\n3.6,x\n1.8,y\n3.333,z\n-.2283,\n450,w\n",
        '"a name, with a comma";b\n3.6;x\n1.8;y\n3.333;\n-.2283;z\n450;nan\n',
        "3.6\tx\n1.8\ty\n3.333\tz\n-.2283\tx y\n450\tz\n",
        "3.6  x\n  1.8 y\n3.333 z\n-.2283   x\n450 y\n",
        ",eruptions\n0,3.6\n1,1.8\n2,3.333\n3,-.2283\n4,450\n",  # pandas
        '"","eruptions"\n"1",3.6\n"2",1.8\n"3",3.333\n"4",-.2283\n"5",450\n',  # R
        '"3.6"\n"1.8"\n"3.333"\n"-.2283"\n"450"\n',
        "infant mortality, year\n3.6,y1\n1.8,y2\n3.333,y3\n-.2283,y4\n450,y5\n",
    ],
)
def test_text_forms(tmp_path: Path, text: str) -> None:
    x = data.load(write(tmp_path, text))
    assert x.dtype == np.float64
    np.testing.assert_array_equal(x, VALUES)


def test_line_numbers_count_only_newlines(tmp_path: Path) -> None:
    """A form feed or U+2028 is no line for an editor."""
    source = write(tmp_path, "# \x0c \u2028\n1\n2\nabc\n4\n")
    assert refusal(lambda: data.load(source)) == "line 4: 'abc' is not a number" + LINE


@pytest.mark.parametrize("name", ["points.npy", "points.NPY", "points.npz"])
@pytest.mark.parametrize("dtype", ["f8", ">f8", "f4", "f2", "g", "i2", "u8"])
def test_numpy_forms(tmp_path: Path, name: str, dtype: str) -> None:
    values = np.array([3, 1, 4, 1, 5]).astype(dtype)
    with (tmp_path / name).open("wb") as file:
        (np.save if name.lower().endswith("npy") else np.savez_compressed)(file, values)
    x = data.load(str(tmp_path / name))
    assert x.dtype == np.dtype("=f8")
    np.testing.assert_array_equal(x, [3, 1, 4, 1, 5])


@pytest.mark.parametrize("chosen", ["x", "data"])
def test_npz_of_several_takes_the_named_array(tmp_path: Path, chosen: str) -> None:
    np.savez(tmp_path / "p.npz", **{"first": np.zeros(9), chosen: np.array(VALUES)})
    np.testing.assert_array_equal(data.load(str(tmp_path / "p.npz")), VALUES)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    values=st.lists(st.floats(-1e300, 1e300), min_size=4, max_size=30, unique=True),
    separator=st.sampled_from([None, ";", ",", "\t", " "]),
)
def test_text_round_trip(tmp_path: Path, values: list[float], separator: str | None) -> None:
    """repr() of a float is read back to the last bit."""
    other = "" if separator is None else f"{separator}0.5"
    source = write(tmp_path, "".join(f"{value!r}{other}\n" for value in values))
    column = None if separator is None else "1"
    np.testing.assert_array_equal(data.load(source, column, False), values)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "is empty: no line holds a number"),
        ("\n \n# only a comment\n", "is empty: no line holds a number"),
        ("\n\neruptions\n\n", "holds only a header (line 3)"),
        ("x\n1\n2\n# c\n\n3\nabc\n4\n", "line 7: 'abc' is not a number" + LINE),
        (
            "1.x\n2\n3\n4\n5\n",
            f"line 1: '1.x'{TYPED}",
        ),
        ("x\n1\n2\ny\n4\n5\n", "line 4: 'y' is not a number" + LINE),
        (
            "1_000\n2\n3\n4\n",
            f"line 1: '1_000'{TYPED}",
        ),
        ("x;y\n3,6;1\n1,8;2\n", "has 2 columns of numbers (x, y); say which: --column NAME|N"),
        (
            "x;y\n3,600;a\n1,800;b\n",
            "is 3,600 3.600 or 3600? Write decimal points, and no marks of thousands",
        ),
        ("3,6\n1,8\n3,3\n2,2\n", "line 1: is 3,6 one number or 2? Write a decimal point, or "),
        (
            "eruptions\n3,6\n1,8\n",
            "line 2: 2 columns, but line 1 has 1 (write a decimal point, or ",
        ),
        ("1,2\n3,4\n5\n6,7\n", "line 3: 1 columns, but line 1 has 2 (write a decimal point, or "),
        ("a,b\n1,x\n,y\n5,z\n", f"line 3{MISSING}"),
        ("1\n2\n3\nnan\n5\n", f"line 4{MISSING}"),
        ("NaN\n2\n3\n4\n5\n", f"line 1{MISSING}"),
        ("1\n2\n\n-inf\n5\n", "line 4: -inf is not finite"),
        ("1\n2\n3\n4\n1e400\n", "line 5: 1e400 is too large (must be up to 1e+300 in size)"),
        ("1\n2\n3\n1e301\n", "line 4: 1e+301 is too large (must be up to 1e+300 in size)"),
        ("1\n2\n3\n", "too few values (3); at least 4 are needed"),
        ("2.5\n2.5\n2.5\n2.5\n", "all 4 values are equal (2.5); two modes need a spread"),
        (b"1\n2\n\xff\xfe\n", "line 3: 'ÿþ' is not a number" + LINE),
        (b"1\n2\n3\x00\n4\n", "is a binary file; must be text, .npy, .npz"),
        ('1,"' + "9" * 200_000 + '"\n', "line 1: field larger than field limit"),
        ("1\n2\n3\n" + "x" * 99 + "\n", "line 4: '" + "x" * 40 + "' is not a number" + LINE),
    ],
)
def test_bad_text(tmp_path: Path, content: str | bytes, why: str) -> None:
    source = write(tmp_path, content)
    found = refusal(lambda: data.load(source))
    assert found.startswith(why)
    assert found == why or why.endswith(("or ", "limit"))


def test_bad_paths(tmp_path: Path) -> None:
    assert refusal(lambda: data.load(str(tmp_path))) == "is a directory, not a file"
    assert refusal(lambda: data.load("")) == "is a directory, not a file"
    for name in ("none.csv", "none.npy", "none.npz"):
        why = refusal(lambda name=name: data.load(str(tmp_path / name)))
        assert why == "no such file (must be a file, - for stdin, or old-faithful)"
    assert refusal(lambda: data.load("a\0b")) == "is not a file name"
    assert refusal(lambda: data.load("x" * 5000)).startswith("cannot be read (File name too long")


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path, "1\n2\n3\n4\n")

    def denied(*_: object) -> None:  # the superuser may read everything, so chmod is no test
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert refusal(lambda: data.load(source)) == "may not be read (permission denied)"


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.array([1, "a", None], dtype=object), "holds pickled Python objects, which are never"),
        (np.arange(8) * 1j, "holds complex128 values; must be real numbers"),
        (np.array(["1", "2"]), "holds <U1 values; must be real numbers"),
        (np.array([True, False] * 4), "holds bool values; must be real numbers"),
        (np.arange(8.0).reshape(2, 4), "has 4 columns of numbers (1, 2, 3, 4); say which: "),
        (np.arange(8.0).reshape(2, 2, 2), "has shape (2, 2, 2); must be (n,)"),
        (np.array(1.0), "has shape (); must be (n,)"),
        (np.array([]), "too few values (0); at least 4 are needed"),
        (np.arange(3), "too few values (3); at least 4 are needed"),
        (np.full(5, 7), "all 5 values are equal (7); two modes need a spread"),
        (np.array([1, 2, np.nan, 4]), f"entry [2]{MISSING}"),
        (np.array([1, 2, 3, np.inf]), "entry [3]: inf is not finite"),
        (np.array([1, 2, 3, np.longdouble("1e400")]), "entry [3]: inf is not finite"),
    ],
)
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_bad_arrays(tmp_path: Path, array: np.ndarray, why: str, suffix: str) -> None:
    path = tmp_path / f"bad.{suffix}"
    (np.save if suffix == "npy" else np.savez)(path, array)
    assert refusal(lambda: data.load(str(path))).startswith(why)


def test_bad_archives(tmp_path: Path) -> None:
    def why(name: str) -> str:
        return refusal(lambda: data.load(str(tmp_path / name)))

    two = {"u": np.arange(5.0), "v": np.arange(5.0)}
    np.savez(tmp_path / "two.npz", **two)
    assert why("two.npz") == "holds u (5,), v (5,); say which: --column NAME|N"
    np.savez(tmp_path / "both.npz", x=np.arange(5.0), data=np.arange(5.0))
    assert why("both.npz") == "holds x (5,), data (5,); say which: --column NAME|N"
    np.savez(tmp_path / "none.npz")
    assert why("none.npz") in ("holds no array", "is damaged: numpy cannot read it")
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("note.txt", "not an array")
    assert why("other.npz") == "holds no array"
    for name, kind in (("text.npy", "array file (.npy)"), ("text.npz", "archive (.npz)")):
        write(tmp_path, "1\n2\n3\n4\n", name)
        assert why(name) == f"is not a numpy {kind}"
        write(tmp_path, "", name)
        assert why(name) == "is empty"
    whole = (tmp_path / "two.npz").read_bytes()
    write(tmp_path, whole[: len(whole) // 2], "cut.npz")
    assert why("cut.npz") == "is damaged: numpy cannot read it"
    np.savez(tmp_path / "flip.npz", x=np.arange(500.0))
    raw = bytearray((tmp_path / "flip.npz").read_bytes())
    raw[2000] ^= 255  # inside the array: the zip's checksum tells
    write(tmp_path, bytes(raw), "flip.npz")
    assert why("flip.npz") == "is damaged: numpy cannot read it"
    np.save(tmp_path / "cut.npy", np.arange(50.0))
    write(tmp_path, (tmp_path / "cut.npy").read_bytes()[:-9], "cut.npy")
    assert why("cut.npy") == "is damaged: numpy cannot read it"


# ---- the fit ------------------------------------------------------------------------------------

CASES = [
    # n, a, b, s, q: separated, overlapping, strongly overlapping, unbalanced
    (400, -3.0, 3.0, 1.0, 0.3),
    (1000, 0.0, 2.5, 1.0, 0.5),
    (3000, 10.0, 11.5, 0.8, 0.35),
    (500, -1.0, 4.0, 0.5, 0.97),
]


@pytest.fixture(params=[*range(len(CASES)), "old-faithful"])
def sample(request: pytest.FixtureRequest) -> Array:
    if request.param == "old-faithful":
        return data.load("old-faithful")
    return mixture_sample(*CASES[request.param], seed=request.param)


def parameters(fit: data.Fit) -> Array:
    return np.array([fit.mean_a, fit.mean_b, fit.spread, fit.weight_b])


def test_em_never_lowers_the_likelihood(sample: Array) -> None:
    """EM alone, from a bad start, with and without held means; independent likelihood."""
    low, high = map(float, np.quantile(sample, [0.02, 0.8]))
    for held in (False, True):
        mixture = fitting._Mixture(low, high, 2 * float(np.std(sample)), -2.0)
        values = [log_likelihood(sample, low, high, mixture.s, 1 / (1 + math.exp(2.0)))]
        for _ in range(60):
            mixture = fitting._em_step(sample, mixture, held)
            a, b, s, η = mixture
            values.append(log_likelihood(sample, a, b, s, 1 / (1 + math.exp(-η))))
            assert sample.size * fitting._log_likelihood(sample, mixture) == pytest.approx(
                values[-1], rel=1e-12
            )
        assert np.all(np.diff(values) >= -1e-12 * abs(values[-1]))
        assert values[-1] > values[0] + 1


@pytest.mark.parametrize("held", [False, True])
def test_fit_is_a_fixed_point_of_em(sample: Array, held: bool) -> None:
    """The equations of EM, written out: each parameter is its own weighted mean, to rounding."""
    modes = tuple(map(float, np.quantile(sample, [0.2, 0.8]))) if held else None
    fit = data.fit(sample, modes)
    a, b, s, q = parameters(fit)
    with np.errstate(under="ignore"):
        dense_a = (1 - q) * np.exp(-((sample - a) ** 2) / (2 * s * s))
        dense_b = q * np.exp(-((sample - b) ** 2) / (2 * s * s))
        r = dense_b / (dense_a + dense_b)
        variance = np.mean((1 - r) * (sample - a) ** 2 + r * (sample - b) ** 2)
        assert fit.log_likelihood == pytest.approx(log_likelihood(sample, a, b, s, q), rel=1e-12)
        assert np.mean(r) == pytest.approx(q, abs=1e-12)
        assert math.sqrt(variance) == pytest.approx(s, rel=1e-12)
        if modes is not None:
            assert (a, b) == modes
        else:
            assert abs(np.sum((1 - r) * (sample - a)) / np.sum(1 - r)) < 1e-12 * s
            assert abs(np.sum(r * (sample - b)) / np.sum(r)) < 1e-12 * s


def test_gradient_vanishes_by_finite_differences(sample: Array) -> None:
    """Central differences of the independent likelihood: error h² ~ 1e-10 · third derivatives."""
    point, h = parameters(data.fit(sample)), 1e-5
    for k in range(4):
        e = h * np.eye(4)[k]
        up, down = (log_likelihood(sample, *(point + sign * e)) for sign in (1, -1))
        assert abs(up - down) / (2 * h) < 1e-4 * math.sqrt(sample.size)
        here = log_likelihood(sample, *point)
        assert up < here
        assert down < here


def test_score_and_information_are_derivatives(sample: Array) -> None:
    """Louis' formula against differences of the likelihood, away from its maximum."""
    s = float(np.std(sample))
    mean = float(np.mean(sample))
    base = fitting._Mixture(mean - 0.7 * s, mean + 0.9 * s, 0.8 * s, 0.3)
    gradient, information = fitting._score(sample, base)
    h = 1e-4

    def value(step: Array) -> float:
        return fitting._log_likelihood(sample, fitting._moved(base, step))

    e = h * np.eye(4)
    slopes = [(value(e[k]) - value(-e[k])) / (2 * h) for k in range(4)]
    np.testing.assert_allclose(gradient, slopes, atol=1e-6)
    curvatures = [
        [(value(i + j) - value(i - j) - value(j - i) + value(-i - j)) / (4 * h * h) for j in e]
        for i in e
    ]
    np.testing.assert_allclose(-information, curvatures, atol=1e-5)


def test_agrees_with_a_general_minimiser(sample: Array) -> None:
    """Nelder–Mead, started some way off, finds no higher likelihood, and the same place."""
    fit = data.fit(sample)

    def negative(p: Array) -> float:
        with np.errstate(all="ignore"):
            value = -log_likelihood(sample, p[0], p[1], math.exp(p[2]), 1 / (1 + math.exp(-p[3])))
        return value if math.isfinite(value) else 1e300

    start = np.array([fit.mean_a, fit.mean_b, math.log(fit.spread), 0.0]) + 0.2
    found = minimize(
        negative,
        start,
        method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-10, "maxiter": 20_000, "maxfev": 20_000},
    )
    a, b, log_s, η = found.x
    np.testing.assert_allclose(
        parameters(fit), [a, b, math.exp(log_s), 1 / (1 + math.exp(-η))], atol=2e-5
    )
    assert fit.log_likelihood >= -found.fun - 1e-9


def fisher_errors(a: float, b: float, s: float, q: float, n: int) -> Array:
    """Standard errors (4,): the inverse of n E[∇log p ∇log pᵀ], the expectation on a fine grid."""
    x = np.linspace(min(a, b) - 12 * s, max(a, b) + 12 * s, 40_001)

    def log_density(p: Array) -> Array:
        weights, centres = np.array([1 - p[3], p[3]]), np.array([p[0], p[1]])
        modes = weights * np.exp(-((x[:, None] - centres) ** 2) / (2 * p[2] ** 2))
        return np.log(modes.sum(axis=1) / (p[2] * math.sqrt(2 * math.pi)))

    p, h = np.array([a, b, s, q]), 1e-5
    scores = np.array([(log_density(p + e) - log_density(p - e)) / (2 * h) for e in h * np.eye(4)])
    density = np.exp(log_density(p)) * (x[1] - x[0])
    return np.sqrt(np.diag(np.linalg.inv((scores * density) @ scores.T)) / n)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("case", [(-3.0, 3.0, 1.0, 0.3), (0.0, 2.5, 0.7, 0.6)])
def test_recovers_known_parameters(case: tuple[float, ...], seed: int) -> None:
    """Within 5.5 standard errors: 32 comparisons × 3.8e-8 (normal limit) ≈ 1.2e-6 false failures.

    The errors are small (about 1 % of the spread), so a bias of a tenth of the spread is seen.
    """
    n = 20_000
    errors = fisher_errors(*case, n)
    assert np.all(errors < 0.02)
    fit = data.fit(mixture_sample(n, *case, seed=100 + seed))
    assert np.all(np.abs(parameters(fit) - case) < 5.5 * errors)


@pytest.mark.parametrize(("scale", "shift"), [(1e-3, 7.0), (40.0, -1e3), (-2.0, 0.5), (1e200, 0)])
def test_affine_maps(sample: Array, scale: float, shift: float) -> None:
    """x → αx+β moves means and spread along and leaves weight, d and θ* alone; α < 0 swaps them."""
    fit, moved = data.fit(sample), data.fit(scale * sample + shift)
    means = [scale * fit.mean_a + shift, scale * fit.mean_b + shift]
    weight = fit.weight_b if scale > 0 else 1 - fit.weight_b
    rounding = 1e-9 * abs(scale) * fit.spread
    assert [moved.mean_a, moved.mean_b] == pytest.approx(sorted(means), abs=rounding)
    assert moved.spread == pytest.approx(abs(scale) * fit.spread, rel=1e-9)
    assert moved.weight_b == pytest.approx(weight, abs=1e-9)
    shrink = sample.size * math.log(abs(scale))
    assert moved.log_likelihood + shrink == pytest.approx(fit.log_likelihood, rel=1e-9)
    θ = data.standardise(sample, fit).θ_star
    θ_moved = data.standardise(scale * sample + shift, moved).θ_star
    assert θ_moved == pytest.approx(math.copysign(1, scale) * θ, abs=1e-8)


def test_order_and_repetition_of_the_data() -> None:
    """The fit is a function of the empirical measure: permuted or doubled data change nothing."""
    x = mixture_sample(*CASES[1], seed=5)
    fit, shuffled = data.fit(x), data.fit(np.random.default_rng(0).permutation(x))
    doubled = data.fit(np.concatenate([x, x]))
    np.testing.assert_allclose(parameters(shuffled), parameters(fit), rtol=1e-11)
    np.testing.assert_allclose(parameters(doubled), parameters(fit), rtol=1e-11)
    assert doubled.log_likelihood == pytest.approx(2 * fit.log_likelihood, rel=1e-12)
    assert data.fit(x) == fit  # deterministic


def test_split_start_is_the_best_of_all_splits() -> None:
    for seed in range(20):
        u = np.sort(np.random.default_rng(seed).random(12))
        within = [np.sum((u[:k] - u[:k].mean()) ** 2) + np.sum((u[k:] - u[k:].mean()) ** 2)
                  for k in range(1, 12)]  # fmt: skip
        k = int(np.argmin(within)) + 1
        start = fitting._split_starts(u)[0]
        assert start.a == pytest.approx(u[:k].mean(), rel=1e-13)
        assert start.b == pytest.approx(u[k:].mean(), rel=1e-13)
        assert start.s == pytest.approx(math.sqrt(min(within) / 12), rel=1e-12)
        assert start.η == pytest.approx(math.log((12 - k) / k), abs=1e-13)


@pytest.mark.parametrize("seed", range(12))
def test_one_mode_is_fitted_or_refused_but_never_half_fitted(seed: int) -> None:
    """EM lingers for 10⁴ steps on such data; the safeguarded Newton steps must not."""
    x = np.random.default_rng(seed).standard_normal(60)
    try:
        fit = data.fit(x, max_iter=500)
    except InputError:
        why = refusal(lambda: data.fit(x, max_iter=500))
        assert why.startswith("the two modes merge")
        return
    assert data.standardise(x, fit).q_star == pytest.approx(fit.weight_b, abs=1e-9)


def light_far_mode(seed: int) -> Array:
    """198 of N(0, 1) and 2 near ±7, or other light modes 4 to 12 spreads away."""
    rng = np.random.default_rng(seed)
    if seed % 2:
        return np.concatenate([rng.standard_normal(198), 7 + rng.standard_normal(2)])
    few = rng.uniform(4, 12) * rng.choice([-1, 1]) + 0.7 * rng.standard_normal(seed % 3 + 1)
    return np.concatenate([rng.standard_normal(int(rng.integers(20, 400))), few])


@pytest.mark.parametrize("seed", range(24))
def test_no_random_start_is_better(seed: int) -> None:
    """The fit against the best of 50 starts; it finds the far mode."""
    fit = against_random_starts(seed)
    assert fit.mean_b - fit.mean_a > 3 * fit.spread


@pytest.mark.parametrize("seed", range(24, 1024, 50 if "TOYFLOWS_THOROUGH" in os.environ else 500))
def test_no_random_start_is_better_in_1000_samples(seed: int) -> None:
    """The same of other samples, ten a case; TOYFLOWS_THOROUGH=1: of a thousand."""
    for one in range(seed, seed + (50 if "TOYFLOWS_THOROUGH" in os.environ else 10)):
        against_random_starts(one)


def against_random_starts(seed: int) -> data.Fit:
    """The fit, than which none of 50 random starts of EM ends in a higher likelihood."""
    x, rng, best = light_far_mode(seed), np.random.default_rng(seed + 1000), -math.inf
    u = (x - x.min()) / (x.max() - x.min())
    with np.errstate(under="ignore"):
        for _ in range(50):
            a, b = np.sort(rng.uniform(0, 1, 2)).tolist()
            start = fitting._Mixture(a, b, u.std() * rng.uniform(0.2, 1), 2 * rng.standard_normal())
            try:
                found = fitting._maximise(u, start, False, 1e-13, 3000)[0]
            except fitting._Degenerate:
                continue
            best = max(best, fitting._log_likelihood(u, found))
    fit = data.fit(x)
    assert fit.log_likelihood >= x.size * (best - math.log(x.max() - x.min())) - 1e-6
    return fit


def test_an_outlier_is_a_mode() -> None:
    fit = data.fit(np.array([0.0, 1.0, 2.0, 3.0, 1e6]))
    assert parameters(fit) == pytest.approx([1.5, 1e6, 1.0, 0.2])


@pytest.mark.parametrize("size", [1e-300, 1e298])
def test_extreme_units(size: float) -> None:
    x = np.array([0.0, 1.0, 2.0, 8.0, 9.0, 10.5])
    fit = data.fit(size * x)
    assert fit.spread / size == pytest.approx(data.fit(x).spread, rel=1e-12)
    assert data.standardise(size * x, fit).θ_star == pytest.approx(0.0, abs=1e-9)


def test_bad_modes() -> None:
    x = data.load("old-faithful")

    def why(*modes: float) -> str:
        return refusal(lambda: data.fit(x, modes), name="modes")  # type: ignore[arg-type]

    assert why(2.0, 2.0) == "the first must lie below the second"
    assert why(4.0, 2.0) == "the first must lie below the second"
    for bad in (math.nan, math.inf, 1e301):
        assert why(2.0, bad) == "both must be finite, up to 1e+300 in size"
        assert why(-bad, 2.0) == "both must be finite, up to 1e+300 in size"
    assert why(3.0, 300.0) == "mode b is left without data"
    assert why(-300.0, 3.0) == "mode a is left without data"
    assert why(3.0, 3.0 + 1e-5).startswith("the two modes merge")


def test_degenerate_data() -> None:
    two = np.array([1.0, 1.0, 2.0, 2.0, 2.0])
    on_two = "every point lies on one of two values; modes need a spread"
    assert refusal(lambda: data.fit(two)) == on_two
    assert refusal(lambda: data.fit(two, (1.0, 2.0)), name="modes") == on_two
    assert data.fit(two, (0.9, 2.1)).spread == pytest.approx(0.1)
    x = mixture_sample(*CASES[2], seed=0)
    why = refusal(lambda: data.fit(x, max_iter=1))
    assert why == "no convergence in 1 iterations: the modes overlap"


@pytest.mark.parametrize(
    ("x", "why"),
    [
        (np.ones((4, 2)), "has shape (4, 2); must be (n,)"),
        (np.ones(4), "all 4 values are equal (1); two modes need a spread"),
        (np.arange(3.0), "too few values (3); at least 4 are needed"),
        (np.array([1.0, np.nan, 2.0, 3.0]), "entry [1]: nan is not finite"),
    ],
)
def test_fit_checks_its_array(x: Array, why: str) -> None:
    assert refusal(lambda: data.fit(x)) == why


# ---- standardised -------------------------------------------------------------------------------


@pytest.mark.parametrize("held", [False, True])
def test_standardised(sample: Array, held: bool) -> None:
    modes = tuple(map(float, np.quantile(sample, [0.15, 0.85]))) if held else None
    fit = data.fit(sample, modes)
    z = data.standardise(sample, fit)
    np.testing.assert_allclose(z.centre + z.spread * z.x, sample, rtol=1e-13, atol=1e-13)
    assert z.centre + z.spread * z.a == pytest.approx(fit.mean_a, rel=1e-13, abs=1e-13)
    assert z.centre + z.spread * z.b == pytest.approx(fit.mean_b, rel=1e-13, abs=1e-13)
    assert (z.separation, z.fit) == (z.b - z.a, fit)
    # The same fixed point as EM's, from another algorithm.
    assert z.q_star == pytest.approx(fit.weight_b, abs=1e-10)
    assert z.q_star == pytest.approx(1 / (1 + math.exp(z.θ_star)), rel=1e-14)
    with np.errstate(under="ignore"):
        r = 1 / (1 + np.exp(z.θ_star - z.separation * z.x))
    assert abs(np.mean(r) - z.q_star) < 1e-14


@example([30.0, *[-1.0] * 99], 1.0)  # Newton's first step from 1/2 leaves (0, 1)
@given(st.lists(st.floats(-800, 800), min_size=1, max_size=40), st.floats(0.5, 300))
@settings(deadline=None)
def test_best_weight_is_the_root(ratios: list[float], strength: float) -> None:
    """Any log ratios that make q interior, those included whose exponential overflows."""
    t = np.array([-strength, strength, *ratios])
    interior = math.log(1.01 * t.size)  # ℓ′(0) > 0 > ℓ′(1): mean e^t and mean e^{−t} exceed 1
    with np.errstate(under="ignore"):
        assume(logsumexp(t) > interior and logsumexp(-t) > interior)
        q = data._best_weight(t)
        r = expit(t + math.log(q / (1 - q)))
    assert 0 < q < 1
    assert abs(np.mean(r) - q) <= 1e-14


def test_sign_convention() -> None:
    """θ > 0 makes mode b light."""
    x = mixture_sample(2000, -4.0, 4.0, 1.0, 0.1, seed=1)
    z = data.standardise(x, data.fit(x))
    assert z.q_star < 0.2
    assert z.θ_star == pytest.approx(math.log(9), abs=0.4)
    mirrored = data.standardise(-x, data.fit(-x))
    assert mirrored.θ_star == pytest.approx(-z.θ_star, abs=1e-10)


def test_standardise_refuses_a_fit_to_other_data() -> None:
    fit = data.fit(data.load("old-faithful"))
    why = refusal(lambda: data.standardise(np.linspace(1.5, 2.0, 9), fit))
    assert why == "the best weight of these modes is 0 or 1: one has no data"


# ---- Old Faithful -------------------------------------------------------------------------------


def test_old_faithful() -> None:
    x = data.load("old-faithful")
    path = Path(data.__file__).parent / "datasets" / "old_faithful.csv"
    with path.open(newline="") as file:
        np.testing.assert_array_equal(x, [float(row["eruptions"]) for row in csv.DictReader(file)])
    # Mean and standard deviation as R prints them: mean(faithful$eruptions), sd(…).
    assert (x.size, x[0], x[-1]) == (272, 3.6, 4.467)
    assert x.mean() == pytest.approx(3.487783, abs=5e-7)
    assert x.std(ddof=1) == pytest.approx(1.141371, abs=5e-7)
    fit = data.fit(x)
    assert parameters(fit) == pytest.approx([2.048098, 4.297321, 0.363948, 0.640081], abs=5e-7)
    assert fit.log_likelihood == pytest.approx(-287.292024, abs=5e-7)
    z = data.standardise(x, fit)
    assert z.separation == pytest.approx(6.180069, abs=5e-7)
    assert z.θ_star == pytest.approx(-0.575716, abs=5e-7)
