"""What linear algebra alone can do with images: the marks that a network has to beat.

    E(x) = ½ (x − μ)ᵀ Σ⁻¹ (x − μ)        the energy of the Gaussian of the training images
    class(x) = argmax_c (Wᵀx + b)_c      least squares on the one-hot classes, with a ridge
    image(x) = Wᵀx + b                   least squares on whole images, x what is seen of them

The first two see an image as SIDE × SIDE means over equal squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.images.base import Images
from toyflows.pictures import Labels, Pixels

SIDE = 14
RIDGE = 1e-4  # of the mean variance of a pixel: keeps Σ invertible where nothing is ever drawn


def shrunk(x: Pixels, side: int = SIDE) -> Array:
    """(n, side²): the mean grey of equal squares, pixels on their borders in parts."""
    size = x.shape[-1]
    edges = np.arange(side + 1) * (size / side)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(size)
    share = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, 1) * (side / size)
    small = share.astype(np.float32) @ (x @ share.T.astype(np.float32))
    return small.reshape(len(x), side * side).astype(np.float64)


@dataclass(frozen=True, eq=False)
class GaussianEnergy:
    """E(x) = ½ |L⁻¹(x − μ)|², LLᵀ = Σ."""

    mean: Array
    whitener: Array  # L⁻¹

    @classmethod
    def fit(cls, x: Pixels) -> GaussianEnergy:
        """Mean and covariance of the images x (n, size, size)."""
        z = shrunk(x)
        mean = z.mean(axis=0)
        Σ = np.cov(z, rowvar=False)
        Σ += RIDGE * np.trace(Σ) / len(Σ) * np.eye(len(Σ))
        return cls(mean, np.linalg.inv(np.linalg.cholesky(Σ)))

    def __call__(self, x: Pixels) -> Array:
        """Energies (n,)."""
        return np.asarray(0.5 * np.sum(((shrunk(x) - self.mean) @ self.whitener.T) ** 2, axis=1))


@dataclass(frozen=True, eq=False)
class LinearClassifier:
    """Scores Wᵀz + b of the shrunk image z."""

    weights: Array  # (side² + 1, classes), the last row is b

    @classmethod
    def fit(cls, images: Images, classes: int, ridge: float = 1e-3) -> LinearClassifier:
        """Minimises |Z W − one-hot|²/n + ridge |W|²."""
        return cls(_least_squares(_with_one(shrunk(images.x)), np.eye(classes)[images.y], ridge))

    def __call__(self, x: Pixels) -> Labels:
        """The class of each image (n,)."""
        return np.asarray(np.argmax(_with_one(shrunk(x)) @ self.weights, axis=1))

    def accuracy(self, images: Images) -> float:
        """Share of images whose class is found."""
        return float(np.mean(self(images.x) == images.y))


@dataclass(frozen=True, eq=False)
class LinearFilter:
    """The best linear guess of the pixels of an image from what is seen of it: fills a hole, takes
    noise away. No linear map has a smaller mean square error on the images it was fitted to."""

    weights: Array  # (pixels seen + 1, pixels guessed), the last row is b

    @classmethod
    def fit(cls, seen: NDArray[np.float32], whole: NDArray[np.float32]) -> LinearFilter:
        """From rows seen (n, p) and the rows (n, q) that were to be guessed."""
        return cls(_least_squares(_with_one(seen), whole, ridge=1e-3))

    def __call__(self, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """Guesses (n, q)."""
        return np.asarray(_with_one(seen) @ self.weights, np.float32)


def _with_one(z: NDArray[Any]) -> NDArray[Any]:
    return np.column_stack([z, np.ones(len(z), z.dtype)])


def _least_squares(z: NDArray[Any], wanted: NDArray[Any], ridge: float) -> Array:
    """W that minimises |Z W − wanted|²/n + ridge |W|²."""
    gram = (z.T @ z).astype(np.float64) / len(z) + ridge * np.eye(z.shape[1])
    return np.asarray(np.linalg.solve(gram, (z.T @ wanted).astype(np.float64) / len(z)))
