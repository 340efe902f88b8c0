"""The only home of numba. Reading order: jit, polynomials, random, team, langevin, metropolis,
chains, weighted, sample, banded, swap; for K modes modes, modes_chains, plane; for networks
lanes, tiles, energy_chain.

Every kernel has a NumPy twin that a test pins it to (mixture.py, backends/grid.py, nn/). Nothing is
imported by `toyflows --help`, by listing or by refusing: import it where a run starts.
"""

# The command line sets this before a run: see jit.without_blas.
own_process = False
