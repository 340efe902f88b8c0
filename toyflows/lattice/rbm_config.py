"""The options of an RBM's training, their defaults and their limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from toyflows.cloud import Array
from toyflows.errors import InputError, nearest
from toyflows.images.base import checked_size
from toyflows.lattice import enumeration
from toyflows.lattice.binary import BARS, LINES, Data, load
from toyflows.limits import FASTEST, Demanding, check_seed

SAMPLERS = ("cd", "pcd", "tempering", "exact")


@dataclass(frozen=True)
class Config(Demanding):
    """All that decides a run, but its length. The rate falls, as in Tieleman (2008): at a constant
    one the chains of pcd stay behind, and cd ends with the better likelihood. 0: for bars and
    stripes 4 × 4, 16 hidden units, all in one batch, at the rate 0.2; for pictures 28 × 28, 256,
    batches of 100, 0.05."""

    data: str = BARS  # or glyphs, a folder, an .npz
    size: int = 0
    hidden: int = 0
    seed: int = 0
    sampler: str = "cd"
    k: int = 1  # sweeps of a step
    temperatures: int = 10
    chains: int = 0  # of pcd, and at each temperature; 0: a batch
    batch: int = 0
    rate: float = 0.0
    cosine: int = 2000  # steps in which the rate falls to zero, as a half cosine; 0: it stays
    decay: float = 0.0
    threshold: float = 0.5  # grey above which a pixel is 1
    every: int = 100  # steps between checkpoints, and between reported likelihoods
    below: int = 0  # hidden units of the RBM that this one stands on; 0: it learns the images

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise InputError("sampler", self.sampler, nearest(self.sampler, SAMPLERS))
        bars = self.data == BARS
        self._default("size", 4 if bars else 28)
        if not bars:
            checked_size(self.size)
        elif not LINES[0] <= self.size <= LINES[1]:
            raise InputError("size", self.size, f"must be {LINES[0]} … {LINES[1]} for {BARS}")
        if self.below < 0:
            raise InputError("below", self.below, "must be 0 or more")
        self._default("hidden", self.size**2 if self.below else 16 if bars else 256)
        self._default("batch", 2 << self.size if bars else 100)
        self._default("chains", self.batch)
        self._default("rate", 0.2 if bars else 0.05)
        if self.hidden < 1:
            raise InputError("hidden", self.hidden, "must be 1 or more")
        for name in ("k", "batch", "chains", "every"):
            self._demand(name, getattr(self, name) >= 1, "1 or more")
        self._demand("temperatures", self.temperatures >= 2, "2 or more")
        self._demand("rate", 0 < self.rate <= FASTEST, f"0 < rate ≤ {FASTEST:g}")
        self._demand("cosine", self.cosine >= 0, "0 or more")
        self._demand("decay", 0 <= self.decay < math.inf, "0 or more")
        self._demand("threshold", 0 <= self.threshold < 1, "0 ≤ threshold < 1")
        check_seed(self.seed)
        if self.sampler == "exact":
            enumeration.check("hidden", self.smaller)

    def _default(self, name: str, value: float) -> None:
        if not getattr(self, name):
            object.__setattr__(self, name, value)

    @property
    def idle(self) -> dict[str, str]:
        """The options that have no effect here, and what each is for."""
        used = {"cd": ("k",), "pcd": ("k", "chains"), "exact": ()}
        chains = ("k", "chains", "temperatures")
        idle = [n for n in chains if n not in used.get(self.sampler, chains)]
        found = dict.fromkeys(idle, f"is for other samplers; {self.sampler} has none")
        if self.data == BARS:
            found["threshold"] = f"is for pictures; {BARS} are binary"
        return found

    @property
    def smaller(self) -> int:
        """Units of the smaller layer."""
        return min(self.visible, self.hidden)

    @property
    def visible(self) -> int:
        """Visible units: pixels, or the hidden units of the RBM below."""
        return self.below or self.size**2

    @cached_property
    def β(self) -> Array:
        """β of each chain that is kept, (rows,)."""
        βs = np.linspace(1, 0, self.temperatures) if self.sampler == "tempering" else np.ones(1)
        return np.repeat(βs, self.chains)

    def load(self) -> Data:
        """The data."""
        return load(self.data, self.size, self.threshold)
