"""Exact answers for the Ising model: the infinite lattice, the torus, all states of a small one.

Infinite, h = 0: T_c = 2/log(1 + √2), magnetisation (1 − sinh(2β)^−4)^{1/8} below it (Yang 1952),
energy −coth 2β [1 + (2/π) w K(√(1 − w²))], w = 2 tanh² 2β − 1 (Onsager 1944). The L × L torus, h =
0: Z is a sum of four products over its wave numbers (Kaufman 1949), so that energy and specific
heat are known for every L. The rest, and a field: a transfer matrix, or all states up to 4 × 4.
"""

from __future__ import annotations

import cmath
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.lattice.ising import Ising
from toyflows.lattice.ising_observables import formulas, powers

T_c = 2 / math.log1p(math.sqrt(2))
COUNTED, LAW, TRANSFER = 4, 8, 12  # the largest L of each way
COLDEST = 0.05  # of the closed forms; below it all spins are equal, up to e^{−160}
TINY = 1e-100  # imaginary step of a derivative: nothing is subtracted, nothing is lost
COLUMNS = 16  # starts of the transfer matrix that are followed at a time


@np.errstate(under="ignore")  # probabilities below the smallest float are zero
def exact(model: Ising) -> dict[str, float]:
    """The observables of this very lattice that are known: all to 4 × 4; to 8 × 8 all but the
    specific heat in a field; beyond that energy and specific heat without a field."""
    L = model.L
    if L <= COUNTED:
        p, M, E = states(model)
        return _observables(model, powers(model, M, E) @ p)
    found: dict[str, float] = {}
    if L <= LAW:
        p, M = magnetisation_law(model)
        means = powers(model, M, np.zeros(len(M))) @ p
        found = _observables(model, means)
        del found["energy"], found["specific heat"]
    if model.h == 0:
        return found | dict(zip(("energy", "specific heat"), torus(L, model.T), strict=True))
    return found | {"energy": transfer(model)[0]} if L <= LAW else found


def _observables(model: Ising, means: Array) -> dict[str, float]:
    return {name: f(means) for name, f in formulas(model).items()}


def infinite(model: Ising) -> dict[str, float]:
    """What is known of the infinite lattice, without a field."""
    if model.h:
        return {}
    T = model.T
    return {"magnetisation": onsager_magnetisation(T), "energy": onsager_energy(T)}


# ---- the infinite lattice


def onsager_magnetisation(T: float) -> float:
    """|⟨m⟩| of the infinite lattice without a field; zero from T_c on."""
    if T_c <= T:
        return 0.0
    return 1.0 if T < COLDEST else (-math.expm1(-4 * math.log(math.sinh(2 / T)))) ** 0.125


def onsager_curve() -> tuple[Array, Array]:
    """T and Onsager's |m| of the infinite lattice, dense where it falls."""
    T = np.concatenate([np.linspace(0.5, 2.2, 80), T_c - np.geomspace(0.069, 1e-7, 60), [T_c, 5.0]])
    return T, np.array([onsager_magnetisation(t) for t in T])


def onsager_energy(T: float) -> float:
    """⟨e⟩ of the infinite lattice without a field."""
    from scipy.special import ellipkm1

    if T < COLDEST:
        return -2.0
    tanh = math.tanh(2 / T)
    w = 2 * tanh**2 - 1
    wK = w * float(ellipkm1(w * w)) if w else 0.0
    return -(1 + 2 / math.pi * wK) / tanh


# ---- the torus without a field


def torus(L: int, T: float) -> tuple[float, float]:
    """(energy, specific heat), per spin, of the L × L torus without a field.

    Z = ½ (2S)^{N/2} Σ of Π 2cosh(Lγ_k/2) and Π 2sinh(Lγ_k/2), each over odd k and over even k from
    0 to 2L − 1, with S = sinh 2β and γ as in `_gamma`; E = −∂_β log Z, its variance is ∂²_β log Z.
    """
    if T < COLDEST:
        return -2.0, 0.0
    β, N = 1 / T, L * L
    terms = [_product(L, β, parity, hyper) for parity in (0, 1) for hyper in (1, -1)]
    top, shift = max(t.log for t in terms), terms[-1].d1
    Z = Z1 = Z2 = 0.0
    for t in terms:  # the derivatives of e^log f, after e^{shift β} is taken out for their digits
        q, d = math.exp(max(t.log - top, -700)), t.d1 - shift
        f, f1, f2 = t.f
        Z += q * f
        Z1 += q * (f1 + d * f)
        Z2 += q * (f2 + 2 * d * f1 + (d * d + t.d2) * f)
    energy = -(N / math.tanh(2 * β) + shift + Z1 / Z)
    variance = -2 * N / math.sinh(2 * β) ** 2 + Z2 / Z - (Z1 / Z) ** 2
    return energy / N, β**2 * variance / N


class _Product(NamedTuple):
    """e^log f: the logarithm with two derivatives in β; f, f', f'' of a factor that may be zero."""

    log: float
    d1: float
    d2: float
    f: tuple[float, float, float]


def _product(L: int, β: float, parity: int, hyper: int) -> _Product:
    """Π 2cosh(Lγ_k/2) where hyper = 1, Π 2sinh(Lγ_k/2) where it is −1, over k = parity mod 2."""
    x, x1, x2 = (L / 2 * g for g in _gamma(β, np.pi / L * np.arange(2 - parity, 2 * L, 2)))
    with np.errstate(under="ignore"):  # in log1p too, where it is the C library's
        e = hyper * np.exp(-2 * x)
        log = float(np.sum(x + np.log1p(e)))
    tanh = (1 - e) / (1 + e)  # or coth
    f = (1.0, 0.0, 0.0)
    if parity == 0:
        y, y1, y2 = (L / 2 * g for g in _gamma_0(β))
        log += abs(y)
        c, s = 1 + math.exp(-2 * abs(y)), math.copysign(math.expm1(-2 * abs(y)), y)
        a, b = (c, s) if hyper > 0 else (s, c)
        f = (a, b * y1, a * y1**2 + b * y2)
    d2 = np.sum(x2 * tanh + x1**2 * (1 - tanh**2))
    return _Product(log, float(np.sum(x1 * tanh)), float(d2), f)


def _gamma(β: float, φ: NDArray[np.floating]) -> tuple[Array, Array, Array]:
    """γ > 0 and its two derivatives: cosh γ = S + 1/S − cos φ."""
    S, C = math.sinh(2 * β), math.cosh(2 * β)
    v = (1 - S) ** 2 / S + 2 * np.sin(φ / 2) ** 2  # cosh γ − 1
    sinh = np.sqrt(v * (v + 2))
    γ1 = 2 * C * (1 - S**-2) / sinh
    γ2 = (4 * S - 4 / S + 8 * C**2 / S**3 - (1 + v) * γ1**2) / sinh
    return 2 * np.arcsinh(np.sqrt(v / 2)), γ1, γ2


def _gamma_0(β: float) -> tuple[float, float, float]:
    """γ at φ = 0, negative above T_c, and its two derivatives."""
    S, C = math.sinh(2 * β), math.cosh(2 * β)
    return 2 * β + math.log(math.tanh(β)), 2 + 2 / S, -4 * C / S**2


# ---- a transfer matrix: rows of L spins, one after the other


def log_Z(L: int, rows: int, β: complex, H: complex) -> complex:
    """log Σ_s exp(β Σ s s' + H Σ s) of an L × rows torus, L ≤ 12; β and H may be complex."""
    return cmath.log(_trace(L, rows, β, H)) + rows * L * (2 * β + abs(H.real))


def _trace(L: int, rows: int, β: complex, H: complex) -> complex:
    """Z/e^{rows · L (2β + |Re H|)} = Tr (W D)^rows: D the bonds and the field of a row, W those
    between two rows, applied spin by spin to all 2^L first rows."""
    if not 2 <= L <= TRANSFER:
        raise InputError("size", L, f"must be 2 to {TRANSFER} with a transfer matrix")
    s = 1 - 2 * (np.arange(2**L)[:, None] >> np.arange(L) & 1)  # (2^L, L)
    bonds, M = np.sum(s * np.roll(s, 1, axis=1), axis=1), s.sum(axis=1)
    trace = 0j
    with np.errstate(under="ignore"):
        D = np.exp(β * (bonds - L) + H * M - abs(H.real) * L)[:, None]
        unequal = np.exp(-2 * β)
        for first in range(0, 2**L, COLUMNS):
            n = min(COLUMNS, 2**L - first)
            v = np.zeros((2**L, n), complex)
            v[first + np.arange(n), np.arange(n)] = 1
            for _ in range(rows):
                v = _between(v * D, unequal, L)
            trace += v[first + np.arange(n), np.arange(n)].sum()
    return trace


def _between(v: NDArray[np.complex128], unequal: complex, L: int) -> NDArray[np.complex128]:
    """W v, without the factor e^{βL}."""
    for i in range(L):
        pairs = v.reshape(2 ** (L - 1 - i), 2, -1)
        v = (pairs + unequal * pairs[:, ::-1]).reshape(v.shape)
    return v


def transfer(model: Ising) -> tuple[float, float]:
    """(⟨e⟩, ⟨m⟩) of an L × L torus, L ≤ 12, in any field: derivatives of log Z by an imaginary
    step, ∂f = Im f(x + iε)/ε."""
    L, β, h = model.L, model.β, model.h
    in_β = log_Z(L, L, β + 1j * TINY, (β + 1j * TINY) * h).imag
    in_H = log_Z(L, L, complex(β), β * h + 1j * TINY).imag
    return -in_β / TINY / model.N, in_H / TINY / model.N


def magnetisation_law(model: Ising) -> tuple[Array, Array]:
    """P(M) and M (N + 1,), L ≤ 8: E[e^{iφM}] = Z(H + iφ)/Z(H), and Fourier's inverse."""
    L, N, β, H = model.L, model.N, model.β, model.β * model.h
    φ = np.pi * np.arange(N + 1) / (N + 1)
    f = np.array([_trace(L, L, complex(β), complex(H, angle)) for angle in φ])
    M = np.arange(-N, N + 1, 2)
    with np.errstate(under="ignore"):
        p = np.real(f @ np.exp(-1j * np.outer(φ, M))) / ((N + 1) * f[0].real)
    return np.maximum(p, 0.0), M.astype(float)


# ---- all states


def states(model: Ising) -> tuple[Array, Array, Array]:
    """(ρ(s), M, E) of all 2^N states, L ≤ 4; bit i of the state's number is spin i, 1 for +1."""
    L = model.L
    if L > COUNTED:
        raise InputError("size", L, f"must be at most {COUNTED} where all states are counted")
    s = 2 * (np.arange(2**model.N)[:, None] >> np.arange(model.N) & 1).astype(np.int8) - 1
    x = s.reshape(-1, L, L)
    M = x.sum(axis=(1, 2)).astype(float)
    bonds = np.sum(x * (np.roll(x, 1, 1) + np.roll(x, 1, 2)), axis=(1, 2))
    E = -bonds - model.h * M
    with np.errstate(under="ignore"):
        p = np.exp(-model.β * (E - E.min()))
        return p / p.sum(), M, E
