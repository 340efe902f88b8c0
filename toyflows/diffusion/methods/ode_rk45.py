"""An adaptive Runge–Kutta method on the probability-flow ODE."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from toyflows.cloud import Array
from toyflows.diffusion.methods.base import Method, Model, Normals, positive
from toyflows.errors import Unsolved


@dataclass(frozen=True)
class OdeRK45(Method):
    """dx/dt = f x − ½ g² score from t to s, by Dormand & Prince's 5(4) (`scipy.integrate.RK45`)

    All points are one system: the root mean square of their local errors is kept below
    tolerance · (1 + |x|). A grid of two times leaves every step to the solver.
    """

    name = "ode-rk45"
    title = "adaptive Runge–Kutta on the probability-flow ODE"
    order = math.inf
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        positive("tolerance", self.tolerance)

    def step(self, model: Model, x: Array, t: float, s: float, rng: Normals) -> Array:
        from scipy.integrate import solve_ivp

        def slope(time: float, flat: Array) -> Array:
            now = flat.reshape(x.shape).astype(x.dtype, copy=False)
            return -model.reverse_drift(now, float(time), 0.5).ravel()

        with np.errstate(under="ignore"):  # weights of stages that are nearly zero
            end = solve_ivp(slope, (t, s), x.ravel(), rtol=self.tolerance, atol=self.tolerance)
        if not end.success:
            raise Unsolved(self.name, float(end.t[-1]), end.message)
        return end.y[:, -1].reshape(x.shape).astype(x.dtype, copy=False)
