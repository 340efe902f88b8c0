"""Whether a classifier is right as often as it says.

Images are put in bins by the probability p = max_y q(y|x) of the class they are given. In a bin the
share that is right should be the mean of p; the expected calibration error is the mean distance

    ECE = Σ_bins (n_bin/n) |right_bin − p_bin|.

A classifier that ranks images well, but is too sure or not sure enough, is corrected by one number,
the temperature T of softmax(f/T), fitted to images it has not learned from. Source: Guo et al., On
calibration of modern neural networks (2017), Eqs. (3) and (9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toyflows import display
from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.images.energy import cross_entropy
from toyflows.numerics import softmax
from toyflows.pictures import Labels

BINS = 15


@dataclass(frozen=True, eq=False)
class Reliability:
    """For bins of equal width in [0, 1]: mean p, the share that is right, the share of images.

    A bin without images has p = right = 0.
    """

    p: Array
    right: Array
    share: Array
    __repr__ = display.short

    @property
    def error(self) -> float:
        """The expected calibration error."""
        return float(self.share @ np.abs(self.right - self.p))


def reliability(f: Array, y: Labels, bins: int = BINS) -> Reliability:
    """The reliability of the logits f (n, K) for images of the classes y (n,)."""
    if bins < 1:
        raise InputError("bins", bins, "must be 1 or more")
    if len(f) == 0:
        raise InputError("f", "no images", "must be 1 or more")
    q = softmax(f.astype(np.float64))
    p, right = q.max(axis=1), q.argmax(axis=1) == y
    place = np.minimum((p * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    filled = np.maximum(count, 1)
    sums = [np.bincount(place, weights, bins) for weights in (p, right)]
    return Reliability(sums[0] / filled, sums[1] / filled, count / len(f))


def temperature(f: Array, y: Labels) -> float:
    """The T > 0 for which softmax(f/T) has the least cross-entropy, between 0.01 and 100."""
    from scipy.optimize import minimize_scalar

    f = f.astype(np.float64)

    def entropy(log_T: float) -> float:
        with np.errstate(under="ignore"):
            return cross_entropy(f / np.exp(log_T), y)[0]

    edge = np.log(100)
    return float(np.exp(minimize_scalar(entropy, bounds=(-edge, edge), method="bounded").x))
