"""The peers: the same step (see setting.py) as a good user of each library would write it.

Every peer draws the noise, moves the walkers, averages r and updates θ at every step; torchebm
alone has no θ to update and no mean of r, so its figures flatter it. "f32 noise" is float64 state
and drift with float32 normals, what our "mixed" kernel does.

Jarzynski peers weigh the walkers by exp(A), the work of the unadjusted Langevin step. The work
telescopes, so all of them (and ours) carry S and P = (X_k − X_{k−1})/2 and need one energy a step:

    g_k = ∂U_k(X_k),   S_k = S_{k−1} + P (g_{k−1} + g_k),   A_k = S_k − U_k(X_k) − h/4 g_k²
    θ' = θ + η(Σ e^A r / Σ e^A − q*),   with the effective size and log Z ratio of the same sums
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from limit import c_limit
from setting import MissingPeer, Run, Setting

# NumPy's scratch stays in the second-level cache: as fast as whole arrays at 1e5, faster above.
CHUNK = 32768


def _need(name: str) -> ModuleType:
    """The module, imported only when its peer is built."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingPeer(f"{name.split('.')[0]} is not installed") from error


# ------------------------------------------------------------------ NumPy
def numpy_naive(n: int, seed: int, s: Setting) -> Run:
    """The formulas as written, default generator, float64."""
    x, theta, rng = s.start(n, seed), s.theta, np.random.default_rng(seed)

    def run(steps: int) -> float:
        nonlocal x, theta
        with np.errstate(over="ignore"):
            for _ in range(steps):
                r = 1.0 / (1.0 + np.exp(theta - s.d * (x - s.m)))
                x = x - s.h * ((x - s.a) - s.d * r) + s.noise * rng.standard_normal(n)
                theta += s.eta * (r.mean() - s.qstar)
        return float(theta)

    return run


def numpy_best(n: int, seed: int, s: Setting, dtype: type, noise: type) -> Run:
    """SFC64, the fastest generator; in place, in chunks that stay in cache, no temporaries."""
    x, theta = s.start(n, seed, dtype), s.theta
    rng = np.random.Generator(np.random.SFC64(seed))
    scratch, normals = np.empty(CHUNK, dtype), np.empty(CHUNK, noise)

    def sweep(theta: float) -> float:
        total = 0.0
        for lo in range(0, n, CHUNK):
            part = x[lo : lo + CHUNK]
            r, g = scratch[: part.size], normals[: part.size]
            np.multiply(part, -s.d, out=r)
            r += theta + s.d * s.m
            np.exp(r, out=r)
            r += 1.0
            np.reciprocal(r, out=r)
            total += float(r.sum())
            r *= s.h * s.d
            r += s.h * s.a
            part *= 1.0 - s.h
            part += r
            rng.standard_normal(dtype=noise, out=g)
            g *= s.noise
            part += g
        return total

    def run(steps: int) -> float:
        nonlocal theta
        with np.errstate(over="ignore"):
            for _ in range(steps):
                theta += s.eta * (sweep(theta) / n - s.qstar)
        return theta

    return run


def _work_start(x: np.ndarray, s: Setting) -> np.ndarray:
    """S_0 = U_0(X_0) + h/4 g_0², so that A_0 = 0."""
    z = s.d * (x - s.m) - s.theta
    r = np.exp(-np.logaddexp(0.0, -z))
    return 0.5 * (x - s.a) ** 2 - np.logaddexp(0.0, z) + 0.25 * s.h * (x - s.a - s.d * r) ** 2


def numpy_jarzynski_naive(n: int, seed: int, s: Setting) -> Run:
    """The formula as it is published: A' = A + α(x → x'; θ) − α(x' → x; θ'), default generator.

    α(x → y; θ) = U_θ(x) + (y−x) ∂U_θ(x)/2 + h ∂U_θ(x)²/4, with logaddexp for U.
    """
    x, theta, A = s.start(n, seed), s.theta, np.zeros(n)
    rng, seen = np.random.default_rng(seed), np.empty(2)

    def model(x: np.ndarray, theta: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        U = -np.logaddexp(-0.5 * (x - s.a) ** 2, -theta - 0.5 * (x - s.b) ** 2)
        with np.errstate(over="ignore"):
            r = 1.0 / (1.0 + np.exp(theta - s.d * (x - s.m)))
        return U, x - s.a - s.d * r, r

    now = model(x, theta)

    def run(steps: int) -> float:
        nonlocal x, theta, A, now
        for _ in range(steps):
            U, grad, r = now
            top = A.max()
            w = np.exp(A - top)
            total = w.sum()
            seen[:] = total**2 / (n * (w**2).sum()), top + np.log(total / n)
            theta += s.eta * ((w * r).sum() / total - s.qstar)
            y = x - s.h * grad + s.noise * rng.standard_normal(n)
            now = model(y, theta)
            A = A + U + 0.5 * (y - x) * grad + 0.25 * s.h * grad**2
            A = A - now[0] - 0.5 * (x - y) * now[1] - 0.25 * s.h * now[1] ** 2
            x = y
        return float(theta)

    return run


def numpy_jarzynski(n: int, seed: int, s: Setting) -> Run:
    """The weighted step in float64 with SFC64: one exp and one log for U and r, one exp for e^A.

    e^{−|z|} serves both r and U = (x−a)²/2 − max(z, 0) − log(1 + e^{−|z|}).
    """
    x, theta = s.start(n, seed), s.theta
    rng = np.random.Generator(np.random.SFC64(seed))
    S, P, g, seen = _work_start(x, s), np.zeros(n), np.empty(n), np.empty(2)

    def step(theta: float) -> float:
        z = s.d * (x - s.m) - theta
        e = np.abs(z)
        np.negative(e, out=e)
        np.exp(e, out=e)
        D = 1.0 + e
        r = np.where(z >= 0.0, 1.0, e)
        r /= D
        q = x - s.a
        grad = q - s.d * r
        np.multiply(P, grad, out=g)
        np.add(S, g, out=S)
        A = S - 0.5 * q * q - 0.25 * s.h * grad * grad
        A += np.maximum(z, 0.0)
        A += np.log(D, out=D)
        top = A.max()
        A -= top
        w = np.exp(A, out=A)
        total = w.sum()
        seen[:] = total**2 / (n * (w @ w)), top + np.log(total / n)
        rng.standard_normal(out=g)
        np.multiply(g, s.noise, out=g)
        np.subtract(g, s.h * grad, out=g)
        np.add(x, g, out=x)
        np.multiply(g, 0.5, out=P)
        np.add(S, np.multiply(P, grad, out=g), out=S)
        return float((w @ r) / total)

    def run(steps: int) -> float:
        nonlocal theta
        for _ in range(steps):
            theta += s.eta * (step(theta) - s.qstar)
        return theta

    return run


# ------------------------------------------------------------------ JAX
def _jax() -> tuple[ModuleType, ModuleType]:
    """JAX with float64 allowed; every peer then names its own types, so float32 stays float32."""
    jax = _need("jax")
    jax.config.update("jax_enable_x64", True)
    return jax, _need("jax.numpy")


def _jax_run(jax: ModuleType, step: Callable[..., Any], state: Any, seed: int) -> Run:
    """jit(scan(step)) over one threefry key a step; state[1] is θ."""

    @partial(jax.jit, static_argnums=2)
    def many(state: Any, key: Any, steps: int) -> Any:
        key, here = jax.random.split(key)
        return jax.lax.scan(step, state, jax.random.split(here, steps))[0], key

    key = jax.random.key(seed)

    def run(steps: int) -> float:
        nonlocal state, key
        state, key = many(state, key, steps)
        return float(state[1])

    return run


def jax_scan(n: int, seed: int, s: Setting, dtype: type, noise: type) -> Run:
    """jit + lax.scan with JAX's default generator (threefry; the others are slower on a CPU)."""
    jax, jnp = _jax()

    def step(state: Any, key: Any) -> Any:
        x, theta = state
        r = 1.0 / (1.0 + jnp.exp(theta - s.d * (x - s.m)))
        g = jax.random.normal(key, (n,), noise).astype(dtype)
        x = x - s.h * ((x - s.a) - s.d * r) + s.noise * g
        return (x, theta + s.eta * (r.mean() - s.qstar)), None

    state = jnp.asarray(s.start(n, seed, dtype)), jnp.asarray(s.theta, dtype)
    return _jax_run(jax, step, state, seed)


def jax_jarzynski(n: int, seed: int, s: Setting) -> Run:
    """The weighted step in float64; the effective size and log Z are part of the state."""
    jax, jnp = _jax()

    def step(state: Any, key: Any) -> Any:
        x, theta, S, P, _ = state
        z = s.d * (x - s.m) - theta
        e = jnp.exp(-jnp.abs(z))
        r = jnp.where(z >= 0.0, 1.0, e) / (1.0 + e)
        q = x - s.a
        grad = q - s.d * r
        S = S + P * grad
        A = S - 0.5 * q * q - 0.25 * s.h * grad * grad + jnp.maximum(z, 0.0) + jnp.log(1.0 + e)
        top = A.max()
        w = jnp.exp(A - top)
        total = w.sum()
        seen = jnp.stack([total**2 / (n * (w * w).sum()), top + jnp.log(total / n)])
        dx = s.noise * jax.random.normal(key, (n,), jnp.float64) - s.h * grad
        theta = theta + s.eta * ((w * r).sum() / total - s.qstar)
        return (x + dx, theta, S + 0.5 * dx * grad, 0.5 * dx, seen), None

    x, theta = s.start(n, seed), np.float64(s.theta)
    state = tuple(map(jnp.asarray, (x, theta, _work_start(x, s), np.zeros(n), np.ones(2))))
    return _jax_run(jax, step, state, seed)


# ------------------------------------------------------------------ PyTorch
def _torch_step(torch: ModuleType, n: int, s: Setting, noise: str) -> Callable[..., Any]:
    def step(x: Any, theta: Any) -> Any:
        r = torch.sigmoid(s.d * (x - s.m) - theta)
        g = torch.randn(n, dtype=getattr(torch, noise)).to(x.dtype)
        x = x - s.h * ((x - s.a) - s.d * r) + s.noise * g
        return x, theta + s.eta * (r.mean() - s.qstar)

    return step


def _torch_run(torch: ModuleType, step: Callable[..., Any], x: Any, theta: Any) -> Run:
    def run(steps: int) -> float:
        nonlocal x, theta
        with torch.no_grad():
            for _ in range(steps):
                x, theta = step(x, theta)
        return float(theta)

    return run


def torch_eager(n: int, seed: int, s: Setting) -> Run:
    """One operator at a time, float64."""
    torch = _need("torch")
    torch.manual_seed(seed)
    x, theta = torch.from_numpy(s.start(n, seed)), torch.tensor(s.theta, dtype=torch.float64)
    return _torch_run(torch, _torch_step(torch, n, s, "float64"), x, theta)


def torch_compiled(n: int, seed: int, s: Setting, dtype: type) -> Run:
    """torch.compile with float32 normals, float64 or float32 state.

    fallback_random: inductor's own normals are scalar code on a CPU, ten times slower than ATen's.
    The limit on recompilation is per Python function, of which there is one here for all sizes and
    types; beyond it torch would silently go back to eager.
    """
    torch, dynamo = _need("torch"), _need("torch._dynamo")
    if not any(map(shutil.which, ("g++", "clang++"))):
        raise MissingPeer("torch.compile needs a C++ compiler")
    dynamo.config.recompile_limit = dynamo.config.accumulated_recompile_limit = 1000
    torch.manual_seed(seed)
    x = torch.from_numpy(s.start(n, seed, dtype))
    step = torch.compile(
        _torch_step(torch, n, s, "float32"),
        fullgraph=True,
        dynamic=False,
        options={"fallback_random": True},
    )
    return _torch_run(torch, step, x, torch.tensor(s.theta, dtype=x.dtype))


def torchebm(n: int, seed: int, s: Setting, dtype: type) -> Run:
    """torchebm's LangevinDynamics on a BaseModel, its gradient by autograd: the sampler alone.

    It has no θ update and no mean of r, so it does less than the others; θ is returned unchanged.
    """
    torch, core, samplers = _need("torch"), _need("torchebm.core"), _need("torchebm.samplers")

    class TwoModes(core.BaseModel):
        def forward(self, x: Any) -> Any:
            left, right = -0.5 * (x - s.a) ** 2, -s.theta - 0.5 * (x - s.b) ** 2
            return -torch.logaddexp(left, right).squeeze(-1)

    torch.manual_seed(seed)
    x = torch.from_numpy(s.start(n, seed, dtype)).unsqueeze(-1)
    model = TwoModes(dtype=x.dtype)
    sampler = samplers.LangevinDynamics(model, step_size=s.h, noise_scale=1.0, dtype=x.dtype)

    def run(steps: int) -> float:
        nonlocal x
        x = sampler.sample(x=x, n_steps=steps)
        return s.theta

    return run


Peer = Callable[[int, int, Setting], Run]
f32, f64 = np.float32, np.float64
PEERS: dict[str, Peer] = {
    "C AVX-512 mixed": partial(c_limit, dtype=f64),
    "C AVX-512 f32": partial(c_limit, dtype=f32),
    "NumPy naive f64": numpy_naive,
    "NumPy SFC64 f64": partial(numpy_best, dtype=f64, noise=f64),
    "NumPy SFC64 f64, f32 noise": partial(numpy_best, dtype=f64, noise=f32),
    "NumPy SFC64 f32": partial(numpy_best, dtype=f32, noise=f32),
    "JAX f64": partial(jax_scan, dtype=f64, noise=f64),
    "JAX f64, f32 noise": partial(jax_scan, dtype=f64, noise=f32),
    "JAX f32": partial(jax_scan, dtype=f32, noise=f32),
    "torch eager f64": torch_eager,
    "torch.compile f64, f32 noise": partial(torch_compiled, dtype=f64),
    "torch.compile f32": partial(torch_compiled, dtype=f32),
    "torchebm f64": partial(torchebm, dtype=f64),
    "torchebm f32": partial(torchebm, dtype=f32),
    "NumPy Jarzynski naive f64": numpy_jarzynski_naive,
    "NumPy Jarzynski f64": numpy_jarzynski,
    "JAX Jarzynski f64": jax_jarzynski,
}
