"""Do the peers simulate what they say? θ of every peer against the law it must settle on.

Two near modes (a, b = −2, 2), h = 0.1, from the stationary walkers of θ = 0.7. Without weights θ
settles where the mean of r under the STATIONARY LAW OF THE DISCRETE CHAIN is q*, which differs
from the exact answer by the scheme's own bias and is found here by quadrature: no peer, no noise.
With Metropolis' acceptance or the work weights the bias is gone: θ settles where σ(−θ) = q*.
"""

from __future__ import annotations

import math

import numpy as np
from ours import ours
from peers import PEERS, Peer
from scipy.optimize import brentq
from setting import MissingPeer, Run, Setting

NEAR = Setting(a=-2.0, b=2.0, h=0.1, theta=0.7, eta=0.2, qstar=0.25)
WALKERS, STEPS, READINGS = 100_003, 40, 20  # a number of walkers that fills no vector
# Five standard errors of the mean of the readings, 4e-3 as measured between peers and seeds.
TOLERANCE = 0.02


def stationary_mean(theta: float, s: Setting = NEAR) -> float:
    """E[r] under the stationary law of x' = x − h U'(x) + √(2h) g, by quadrature on 400 nodes."""
    x = np.linspace(-9.0, 9.0, 400)
    r = 1.0 / (1.0 + np.exp(theta - s.d * (x - s.m)))
    mean = x - s.h * ((x - s.a) - s.d * r)
    kernel = np.exp(-0.5 * ((x - mean[:, None]) / s.noise) ** 2)
    kernel /= kernel.sum(axis=1, keepdims=True)
    law = np.full(x.size, 1.0 / x.size)
    for _ in range(12):  # 2^12 steps by squaring
        kernel = kernel @ kernel
    law = law @ kernel
    return float(law @ r)


def unbiased(name: str) -> bool:
    """Is the peer's law at rest the model's own?"""
    return "arzynski" in name or "mala" in name


def expected(name: str, s: Setting = NEAR) -> float:
    """θ that the peer must settle on."""
    if unbiased(name):
        return math.log(1.0 / s.qstar - 1.0)
    return float(brentq(lambda theta: stationary_mean(theta) - s.qstar, -1.0, 4.0, xtol=1e-6))


def all_peers() -> dict[str, Peer]:
    """The peers with a θ, and ours in its three kinds."""
    mine: dict[str, Peer] = {
        f"ours {kind}": lambda n, seed, s, kind=kind: ours(n, kind, 1, seed, s)
        for kind in ("mixed", "float32", "mala", "jarzynski")
    }
    return mine | {name: peer for name, peer in PEERS.items() if "torchebm" not in name}


def settled(run: Run) -> float:
    """Mean θ over the second half of a run."""
    run(STEPS * READINGS)
    return float(np.mean([run(STEPS) for _ in range(READINGS)]))


def check() -> bool:
    """Prints one line per peer; True where all that run agree with the law."""
    wanted = {name: expected(name) for name in ("plain", "jarzynski")}
    good = True
    for name, peer in all_peers().items():
        try:
            theta = settled(peer(WALKERS, 5, NEAR))
        except MissingPeer as missing:
            print(f"{name:30s} not run: {missing}")
            continue
        law = wanted["jarzynski" if unbiased(name) else "plain"]
        ok = abs(theta - law) < TOLERANCE
        good &= ok
        print(f"{name:30s} theta {theta:.4f}  law {law:.4f}  {'agrees' if ok else 'DIFFERS'}")
    return good
