"""What `compiled` answers of a denoising network, answered by NumPy in twenty lines.

L = 1/N Σ_n weight_n |f(x_n, t_n) − target_n|²,      of images |·|² is the mean over pixels
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from toyflows.errors import InputError
from toyflows.nn.embeddings import ClassEmbedding
from toyflows.nn.layers import Array
from toyflows.nn.network import Network


class Reference:
    """f (N, …) of x (N, …), a time and a label for each or one for all; no label means no class.
    `mean`: the loss is a mean over the numbers of an image. Threads are ignored."""

    def __init__(self, network: Network, mean: bool = False):
        self.network, self.mean = network, mean
        tables = [n.layer for n in network.nodes if isinstance(n.layer, ClassEmbedding)]
        self.classes = tables[0].classes - 1 if tables else 0

    def forward(
        self, θ: Array, x: Array, t: ArrayLike | None = None, labels: ArrayLike | None = None,
        threads: int = 1,
    ) -> Array:  # fmt: skip
        """f, in θ's dtype."""
        return self.network.forward(θ, *self._inputs(x, t, labels))[0]

    def loss_and_gradient(
        self, θ: Array, x: Array, t: ArrayLike | None, target: Array, weight: ArrayLike = 1.0,
        labels: ArrayLike | None = None, threads: int = 1,
    ) -> tuple[float, Array]:  # fmt: skip
        """L and ∂L/∂θ, flat like θ."""
        f, memory = self.network.forward(θ, *self._inputs(x, t, labels))
        each = np.broadcast_to(np.asarray(weight, θ.dtype), len(x)) / max(len(x), 1)
        w = each.reshape(-1, *(1,) * (f.ndim - 1)) / (f[0].size if self.mean else 1)
        with np.errstate(under="ignore"):  # of small residues
            r = f - np.asarray(target, θ.dtype)
            g = w * r
            loss = float(np.sum(g * r, dtype=np.float64))
            return loss, self.network.gradients(θ, memory, 2 * g)

    def divergence(
        self, θ: Array, x: Array, t: ArrayLike | None = None, labels: ArrayLike | None = None
    ) -> tuple[Array, Array]:
        """f (N, D) and Σ_i ∂f_i/∂x_i (N,), exact: D times the way back from one way on."""
        f, memory = self.network.forward(θ, *self._inputs(x, t, labels))
        if f.shape != x.shape or x.ndim != 2:
            raise InputError("network", (x.shape[1:], f.shape[1:]), "must be x to x's size")
        total = np.zeros(len(x), θ.dtype)
        for i in range(x.shape[1]):
            g = np.zeros_like(f)
            g[:, i] = 1
            total += self.network.input_gradient(θ, memory, g)[:, i]
        return f, total

    def _inputs(self, x: Array, t: ArrayLike | None, labels: ArrayLike | None) -> list[Array]:
        """x, and a time and a label of each where the network takes them."""
        given = {"t": t, "label": self.classes if labels is None else labels}
        taken = list(self.network.inputs)[1:]
        more = [np.broadcast_to(np.asarray(given[n]), len(x)) for n in taken]
        return [x, *more]
