"""Classical energy models on binary units: almost everything has an exact answer.

    from toyflows import lattice
    record = lattice.simulate(lattice.Ising(16, 2.27), "wolff", sweeps=100)
    print(record.M.mean(), record.E.mean())

`Ising` spins (`simulate` runs them, `exact` knows the answer), `Hopfield` networks (`hebb` stores
patterns) with their `Continuous` and `Modern` forms, `Boltzmann` machines, the `RBM`, a `Product`
of experts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toyflows.lazy import lazy

__all__ = [
    "RBM", "Boltzmann", "Continuous", "Hopfield", "Ising", "Modern", "Product", "exact", "hebb",
    "simulate",
]  # fmt: skip

if TYPE_CHECKING:
    from toyflows.lattice.boltzmann import Boltzmann
    from toyflows.lattice.continuous import Continuous
    from toyflows.lattice.experts import Product
    from toyflows.lattice.hopfield import Hopfield, hebb
    from toyflows.lattice.ising import Ising
    from toyflows.lattice.ising_chain import run as simulate
    from toyflows.lattice.ising_exact import exact
    from toyflows.lattice.modern import Modern
    from toyflows.lattice.rbm import RBM

__getattr__, __dir__ = lazy(__name__, {
    "boltzmann": "Boltzmann", "continuous": "Continuous", "experts": "Product",
    "hopfield": "Hopfield hebb", "ising": "Ising", "ising_chain": "simulate=run",
    "ising_exact": "exact", "modern": "Modern", "rbm": "RBM",
})  # fmt: skip
