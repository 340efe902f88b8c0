"""The step of Adam, `nn.optimise.Adam`, in one pass over memory.

NumPy takes 14 passes, with the same roundings: five times as long for 40 000 parameters.
"""

from __future__ import annotations

import numpy as np

from toyflows.kernels.jit import kernel, wide_vectors


@kernel
def adam_step(θ, g, m, v, numbers):
    """m ← β₁m + (1−β₁)g,   v ← β₂v + (1−β₂)g²,   θ ← θ − rate · m̂/(√v̂ + ε)

    with m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ). numbers: β₁, β₂, 1−β₁, 1−β₂, 1−β₁ᵗ, 1−β₂ᵗ, rate, ε; all
    have one dtype.
    """
    wide_vectors()
    β1, β2, γ1, γ2, δ1, δ2, rate, ε = numbers
    for i in range(θ.size):
        m[i] = β1 * m[i] + γ1 * g[i]
        v[i] = β2 * v[i] + γ2 * (g[i] * g[i])
        θ[i] -= rate * (m[i] / δ1) / (np.sqrt(v[i] / δ2) + ε)
