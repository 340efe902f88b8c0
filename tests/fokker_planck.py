"""Numerical oracle: persistent contrastive divergence in continuous time, two-mode energy.

With a = −d/2, b = d/2 and σ the logistic function,

    U_θ(x) = −log(e^{−(x−a)²/2} + e^{−θ} e^{−(x−b)²/2}),    r_θ(x) = ∂_θ U_θ(x) = σ(d x − θ),
    ∂_t p  = ∂_x(p ∂_x U_θ) + ∂_xx p,                       p(0)   = ρ_{θ0} ∝ e^{−U_{θ0}},
    θ̇      = rate (∫ p r_θ dx − ∫ ρ_* r_θ dx),              ρ_*    ∝ e^{−U_{θ*}}.

Space: Scharfetter–Gummel (Chang–Cooper) finite volumes, which conserve mass, keep ρ_θ exactly
stationary, and err at O(dx²). Time: Strang splitting, θ for dt/2 with p frozen, p for dt with θ
frozen, θ for dt/2; errs at O(dt²). Both orders are there to be extrapolated.

It shares no code with the package under test: only numpy and scipy.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_banded
from scipy.optimize import brentq
from scipy.special import expit

Array = NDArray[np.float64]

PAD = 8.0  # half-width kept beyond each mode, in standard deviations; 1e-15 of the mass is outside

# Radau IIA (order 3, L-stable): (1 + z/3) / (1 − 2z/3 + z²/6) = 2 Re[RESIDUE / (z − POLE)].
POLE = 2 + 1j * np.sqrt(2)
RESIDUE = 1 - 5j / np.sqrt(2)


class State(NamedTuple):
    """Time, parameter and the mass of each cell."""

    t: float
    θ: float
    p: Array


class Turn(NamedTuple):
    """A zero of θ̇: its time, θ there, and the mass at x > 0 there."""

    t: float
    θ: float
    mode_b: float


def energy(x: Array, d: float, θ: float) -> Array:
    """U_θ(x) = −log(e^{−(x+d/2)²/2} + e^{−θ − (x−d/2)²/2})."""
    return -np.logaddexp(-((x + d / 2) ** 2) / 2, -θ - (x - d / 2) ** 2 / 2)


def gibbs(x: Array, d: float, θ: float) -> Array:
    """Cell masses of ρ_θ ∝ e^{−U_θ}, by the midpoint rule (spectrally accurate here)."""
    u = energy(x, d, θ)
    w = np.exp(u.min() - u)
    return w / w.sum()


def generator(x: Array, d: float, θ: float) -> Array:
    """Bands (upper, diagonal, lower) of the Scharfetter–Gummel matrix L in ṗ = L p.

    Jumps i → i+1 at rate B(ΔU)/dx² and back at B(−ΔU)/dx², with ΔU = U_{i+1} − U_i and
    B(z) = z/(eᶻ − 1); no flux at the ends. B(z)/B(−z) = e^{−z}, so L e^{−U} = 0 exactly.
    """
    dx = x[1] - x[0]
    z = np.diff(energy(x, d, θ))
    z[z == 0] = np.finfo(float).tiny
    right = z / np.expm1(z) / dx**2
    left = right + z / dx**2
    bands = np.zeros((3, x.size))
    bands[0, 1:] = left
    bands[1, :-1] -= right
    bands[1, 1:] -= left
    bands[2, :-1] = right
    return bands


@dataclass(frozen=True)
class Problem:
    """The coupled flow on a grid; `target` replaces ∫ρ_* r_θ by a constant when given."""

    d: float
    θ_star: float
    rate: float
    x: Array
    data: Array
    target: float | None

    @classmethod
    def on_grid(
        cls, d: float, θ_star: float, rate: float, dx: float, target: float | None
    ) -> "Problem":
        """Cells of width at most dx on |x| < d/2 + PAD, with a face at x = 0."""
        half = d / 2 + PAD
        n = int(np.ceil(half / dx))
        x = (np.arange(-n, n) + 0.5) * (half / n)
        return cls(d, θ_star, rate, x, gibbs(x, d, θ_star), target)

    def velocity(self, θ: float, p: Array) -> float:
        """θ̇ = rate (∫ p r_θ − ∫ ρ_* r_θ)."""
        r = expit(self.d * self.x - θ)
        positive = self.data @ r if self.target is None else self.target
        return float(self.rate * (p @ r - positive))

    def drift(self, θ: float, p: Array, h: float) -> float:
        """θ after h with p frozen, by the midpoint rule."""
        return θ + h * self.velocity(θ + h / 2 * self.velocity(θ, p), p)

    def diffuse(self, θ: float, p: Array, h: float) -> Array:
        """e^{hL} p with θ frozen, by one Radau IIA step: 2 Re[RESIDUE (hL − POLE)⁻¹ p]."""
        bands = (h * generator(self.x, self.d, θ)).astype(complex)
        bands[1] -= POLE
        return 2 * (RESIDUE * solve_banded((1, 1), bands, p, check_finite=False)).real

    def step(self, s: State, h: float) -> State:
        """One Strang step."""
        θ = self.drift(s.θ, s.p, h / 2)
        p = self.diffuse(θ, s.p, h)
        return State(s.t + h, self.drift(θ, p, h / 2), p)

    def states(self, θ0: float, dt: float) -> Iterator[State]:
        """The trajectory from p(0) = ρ_{θ0}, at multiples of dt, for ever."""
        s = State(0.0, θ0, gibbs(self.x, self.d, θ0))
        while True:
            yield s
            s = self.step(s, dt)

    def speed(self, s: State) -> float:
        """θ̇ at a state."""
        return self.velocity(s.θ, s.p)

    def mode_b(self, p: Array) -> float:
        """The mass at x > 0."""
        return float(p[self.x > 0].sum())

    def turns(self, θ0: float, dt: float, t_max: float) -> Iterator[Turn]:
        """Zeros of θ̇ up to t_max, each reached by a last step of the length that makes θ̇ = 0."""
        steps = int(np.ceil(t_max / dt))
        for before, after in pairwise(islice(self.states(θ0, dt), steps + 1)):
            if self.speed(before) * self.speed(after) < 0:
                h = brentq(lambda h, s=before: self.speed(self.step(s, h)), 0.0, dt, xtol=1e-10)
                s = self.step(before, h)
                yield Turn(s.t, s.θ, self.mode_b(s.p))


def turning_points(
    d: float,
    θ_star: float,
    θ0: float,
    rate: float = 1.0,
    dx: float = 0.02,
    dt: float = 0.1,
    target: float | None = None,
    t_max: float = 3000.0,
) -> Iterator[Turn]:
    """Successive zeros of θ̇ after t = 0, lazily."""
    return Problem.on_grid(d, θ_star, rate, dx, target).turns(θ0, dt, t_max)


def turning_point(
    d: float,
    θ_star: float,
    θ0: float,
    rate: float = 1.0,
    dx: float = 0.02,
    dt: float = 0.1,
    target: float | None = None,
    t_max: float = 3000.0,
) -> Turn:
    """(t, θ, mode_b) at the first zero of θ̇ after t = 0."""
    return next(turning_points(d, θ_star, θ0, rate, dx, dt, target, t_max))


def solve(
    d: float,
    θ_star: float,
    θ0: float,
    T: float,
    rate: float = 1.0,
    dx: float = 0.02,
    dt: float = 0.1,
    target: float | None = None,
) -> tuple[Array, Array, Array]:
    """t, θ(t) and the mass at x > 0, at every step of [0, T]."""
    problem = Problem.on_grid(d, θ_star, rate, dx, target)
    path = islice(problem.states(θ0, dt), round(T / dt) + 1)
    rows = np.array([(s.t, s.θ, problem.mode_b(s.p)) for s in path])
    return rows[:, 0], rows[:, 1], rows[:, 2]
