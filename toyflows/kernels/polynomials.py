"""Elementary functions as minimax polynomials, so that LLVM vectorises the loops that use them.

Coefficients are lowest degree first, fitted on the interval named. Stated errors are checked in
tests/test_kernels.py against NumPy.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload

from toyflows.kernels.jit import (
    as_f32,
    as_f64,
    as_i32,
    as_i64,
    device,
    f32,
    fma,
    horner,
    i32,
    i64,
)

LOG2E = 1.4426950408889634
EDGE = 120.0  # sigmoid2's argument ends at ±EDGE: beyond, σ is 0 or 1 to 2^−120
LN2 = f32(0.6931471805599453)
# Adding 1.5·2^52 (float32: 1.5·2^23) rounds to an integer, which then stands in the lowest bits of
# the sum: no conversion, which would not be vectorised everywhere.
ROUND_32, ROUND_64 = f32(1.5 * 2**23), 1.5 * 2**52
SQRT_HALF_BITS = i32(0x3F3504F3)  # the float32 √½: splits the octave of the logarithm at its middle
SQRT_HALF_BITS_64 = i64(0x3FE6A09E667F3BCD)
ROUND_BITS = i64(0x4338000000000000)  # ROUND_64's

# fmt: off
# log1p(m)/m on [√½ − 1, √2 − 1]
_LOG = tuple(f32(c) for c in (
    0.9999999758865378, -0.4999997961688822, 0.3333414257841045, -0.25002779279204196,
    0.1995887630221782, -0.16547598540226183, 0.14916686877952415, -0.14456106030402516,
    0.0893053386487957))
# sin(πy/2)/y and cos(πy/2) in y² on [0, 1]
_SIN = tuple(f32(c) for c in (
    1.5707963200778203, -0.6459637608500963, 0.0796899246967145, -0.004674154063809309,
    0.00015167682986525727))
_COS = tuple(f32(c) for c in (
    0.9999999997802572, -1.2337005342877503, 0.25366932261871894, -0.020862687961927046,
    0.0009177243591502307, -2.382472744554074e-05))
# 2^f on [−½, ½]
EXP2_32 = tuple(f32(c) for c in (
    0.9999999999378397, 0.6931472066397888, 0.24022650671801634, 0.05550327328292791,
    0.009618008811251093, 0.0013400395536395484, 0.0001547421681722331))
_EXP2_64 = (
    1.0, 0.69314718055995, 0.24022650695910192, 0.055504108664448035, 0.009618129107577074,
    0.0013333558230119505, 0.00015403530475138066, 1.5252657284480392e-05,
    1.3215427315228938e-06, 1.0208685979562036e-07, 7.075029981438208e-09)
# log2(m)/s in s², s = (m − 1)/(m + 1), on m in [√½, √2]
_LOG2_64 = (
    2.8853900817779268, 0.9617966939259898, 0.5770780163455203, 0.4121985858409005,
    0.32059853491395984, 0.262334352504183, 0.2209130842311768, 0.2136589569431927)
# fmt: on


@device
def log_f32(u):
    """log u for a normal float32 u > 0: error 4e−7 relative to max(|log u|, 1)."""
    e = i32(i32(as_i32(u) - SQRT_HALF_BITS) >> i32(23))
    m = as_f32(i32(as_i32(u) - i32(e << i32(23)))) - f32(1.0)
    return fma(horner(m, _LOG), m, f32(e) * LN2)


@device
def sin_quarter_f32(y):
    """sin(πy/2) for |y| ≤ 1: error 2e−7."""
    return horner(y * y, _SIN) * y


@device
def cos_quarter_f32(y):
    """cos(πy/2) for |y| ≤ 1: error 2e−7."""
    return horner(y * y, _COS)


@device
def exp2_f32(t):
    """2^t for |t| ≤ 120 in float32: relative error 3e−7 (of t rounded to float32)."""
    n = t + ROUND_32
    p = horner(t - (n - ROUND_32), EXP2_32)
    return as_f32(i32(as_i32(p) + i32(as_i32(n) << i32(23))))


@device
def exp2_f64(t):
    """2^t for |t| ≤ 1000 in float64: relative error 3e−15."""
    n = t + ROUND_64
    p = horner(t - (n - ROUND_64), _EXP2_64)
    return as_f64(as_i64(p) + (as_i64(n) << i64(52)))


@device
def log2_f64(u):
    """log2 u for a normal float64 u > 0: error 3e−16 relative to max(|log2 u|, 1)."""
    e = (as_i64(u) - SQRT_HALF_BITS_64) >> i64(52)
    m = as_f64(as_i64(u) - (e << i64(52)))
    s = (m - 1.0) / (m + 1.0)
    return fma(horner(s * s, _LOG2_64), s, as_f64(ROUND_BITS + e) - ROUND_64)


def sigmoid2(t):
    """1/(1 + 2^t), t clamped to ±EDGE, in the precision of t. Errors: 4e−15 and 3e−7."""
    return 1.0 / (1.0 + 2.0 ** np.clip(t, -EDGE, EDGE))


@overload(sigmoid2)
def _sigmoid2(t):
    def single(t):
        return f32(1.0) / (f32(1.0) + exp2_f32(min(max(t, f32(-EDGE)), f32(EDGE))))

    def double(t):
        return 1.0 / (1.0 + exp2_f64(min(max(t, -EDGE), EDGE)))

    return single if t == types.float32 else double
