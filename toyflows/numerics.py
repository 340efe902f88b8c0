"""Exponentials that neither overflow nor cancel: the formulas that all models share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]

LARGEST = 700.0  # e^−700 is still a normal float64, and stands for 0


def expit(z: Numbers) -> Numbers:
    """σ(z) = 1/(1 + e^{−z}), accurate in both tails (σ(−700) = 1e−304, not 0)."""
    e = np.exp(-np.minimum(np.abs(z), LARGEST))
    return np.where(z >= 0, 1.0, e) / (1.0 + e)


def softplus(z: Numbers) -> Numbers:
    """log(1 + e^z) = max(z, 0) + log(1 + e^{−|z|})."""
    return np.maximum(z, 0.0) + np.log1p(np.exp(-np.minimum(np.abs(z), LARGEST)))


def softmax(z: Numbers, axis: int = -1, lowest: float = -np.inf) -> Numbers:
    """e^{z_k}/Σ_j e^{z_j} along the axis; e^lowest stands for what is smaller."""
    with np.errstate(under="ignore"):
        e = np.exp(np.maximum(z - z.max(axis=axis, keepdims=True), lowest))
        return np.asarray(e / e.sum(axis=axis, keepdims=True))


def log_sum_exp(z: Numbers) -> Numbers:
    """log Σ_k e^{z_k} along the last axis."""
    top = z.max(axis=-1)
    with np.errstate(under="ignore"):
        return np.asarray(top + np.log(np.exp(z - top[..., None]).sum(axis=-1)))


def log_one_plus_sum(z: Numbers) -> Numbers:
    """log(1 + Σ_k e^{z_k}) along the first axis."""
    top = np.maximum(z.max(axis=0), 0.0)
    with np.errstate(under="ignore"):
        e = np.exp(np.maximum(z - top, -LARGEST)).sum(axis=0) + np.exp(np.maximum(-top, -LARGEST))
    return np.asarray(top + np.log(e))
