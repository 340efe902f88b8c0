"""toyflows: how generative models learn, on a model small enough to follow exactly.

    import toyflows
    run = toyflows.flow("pcd", theta_star=1.4)
    run.plot()

`flow` runs a method, `load` reads a saved Run, `check` judges a method, also one of your own. The
packages: `flows` has the methods, `modes` K modes in D dimensions; `sweep` makes a map of many
runs, `pages` and `film` show runs, `lab` is the live laboratory; `diffusion`, `images`, `lattice`
and `nn` hold the larger models. docs/architecture.md has the reading order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toyflows.lazy import lazy

__version__ = "0.2.0"
__all__ = [
    "Energy", "Flow", "Mixture", "PlaneEnergy", "Run", "Target", "check", "diffusion", "film",
    "flow", "flows", "images", "lab", "lattice", "load", "modes", "nn", "pages", "sweep",
]  # fmt: skip

if TYPE_CHECKING:
    from toyflows import diffusion, film, flows, images, lab, lattice, modes, nn, pages, sweep
    from toyflows.checks import check
    from toyflows.energy import Energy
    from toyflows.flows.base import Flow
    from toyflows.mixture import Mixture
    from toyflows.plane_energy import PlaneEnergy
    from toyflows.run import Run, flow
    from toyflows.saved import load
    from toyflows.target import Target

__getattr__, __dir__ = lazy(__name__, {
    "": "diffusion film flows images lab lattice modes nn pages sweep", "checks": "check",
    "energy": "Energy", "flows.base": "Flow", "mixture": "Mixture", "plane_energy": "PlaneEnergy",
    "run": "Run flow", "saved": "load", "target": "Target",
})  # fmt: skip
