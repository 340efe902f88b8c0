"""ẏ = f(y) by linearly implicit steps: for flows of few coordinates, some fast and some slow.

A step of the size h solves, for s = 1 … 6 and with J = ∂f/∂y,

    (1/γh − J) k_s = f(y + Σ_j<s a_sj k_j) + Σ_j<s c_sj k_j / h

and goes to y + Σ_j<6 a_6j k_j + k_6, of which k_6 is the error: Rosenbrock's method RODAS of order
4(3), whose numbers are those of Hairer & Wanner, Solving ordinary differential equations II, IV.10.
It damps fast motions whatever h is. pages/room/ode.js is its twin, step for step.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from toyflows.cloud import Array

Rates = Callable[[Array], Array]

GAMMA = 0.25
A = (
    (),
    (1.544,),
    (0.9466785280815826, 0.2557011698983284),
    (3.314825187068521, 2.896124015972201, 0.9986419139977817),
    (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950),
    (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 1.0),
)
C = (
    (),
    (-5.6688,),
    (-2.430093356833875, -0.2063599157091915),
    (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
    (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
    (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136,
     -6.058818238834054),
)  # fmt: skip
BESIDE = 2.0**-20  # of the differences in J: what f loses in round-off is 1e−8 of it
TOLERANCE = 1e-6  # of a step, relative to 1 + |y|
STEPS = 20_000  # at most
BEGINS = 0.01  # share of 1 + |y| that the first step may move
SAFE, LEAST, MOST = 0.9, 0.2, 6.0  # of the next step, as a share of the one before
LOST = 1e-14  # share of the whole time that a step must have


def follow(
    rates: Rates, y: Array, until: float, done: Callable[[Array], bool]
) -> tuple[Array, Array]:
    """ẏ = rates(y) from t = 0 to `until`, or till done(y): t (n,) and y (n, coordinates). It ends
    before where y leaves the finite numbers."""
    f = rates(y)
    size = float(np.max(np.abs(f) / (1 + np.abs(y))))
    h = min(until, BEGINS / size if size > 0 else until)
    times, places = [0.0], [y]
    while times[-1] < until and len(times) < STEPS and not done(y):
        J = _jacobian(rates, y, f)
        while True:
            h = min(h, until - times[-1])
            new, error = _step(rates, y, f, J, h)
            grows = SAFE * error**-0.25 if 0 < error < math.inf else MOST if error == 0 else LEAST
            ends = h == until - times[-1]
            before, h = h, h * min(max(grows, LEAST), MOST)
            if error <= 1 or h <= LOST * until:
                break
        if not error <= 1:
            break
        y, f = new, rates(new)
        times.append(until if ends else times[-1] + before)
        places.append(y)
    return np.array(times), np.array(places)


def _step(rates: Rates, y: Array, f: Array, J: Array, h: float) -> tuple[Array, float]:
    """Where a step goes, and its error in tolerances; inf where it is not a number."""
    inverse = np.linalg.inv(np.eye(y.size) / (GAMMA * h) - J)
    k = np.zeros((6, y.size))
    at = y
    for s in range(6):
        if s > 0:
            at = y + np.asarray(A[s]) @ k[:s]
            f = rates(at)
        told = f + np.asarray(C[s]) @ k[:s] / h
        if not np.all(np.isfinite(told)):
            return y, math.inf
        k[s] = inverse @ told
    error = np.abs(k[5]) / (TOLERANCE * (1 + np.maximum(np.abs(y), np.abs(at + k[5]))))
    return at + k[5], float(np.max(error))


def _jacobian(rates: Rates, y: Array, f: Array) -> Array:
    """J (n, n) by differences to one side: its error is below a step's."""
    steps = BESIDE * (1 + np.abs(y))
    return np.stack([(rates(y + e) - f) / np.max(e) for e in np.diag(steps)], axis=1)
