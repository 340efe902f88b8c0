"""What a run among K modes leaves behind: paths, weights, walkers, a verdict, and its files."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from toyflows.cloud import Array
from toyflows.files import whole_file
from toyflows.flows import Flow
from toyflows.modes.follow import Path
from toyflows.modes.target import ModesTarget
from toyflows.registry import options_of
from toyflows.run import check_out
from toyflows.state import Trajectory
from toyflows.target import Target
from toyflows.verdict import Verdict, judge

PASSING = 0.5  # of the largest speed: faster than this, θ is not coming to rest
ALONG = 0.9  # cosine of the angle to θ*, from where θ heads for it
SAYS = {
    "converges": "it learns the weights",
    "biased": "it comes to rest at the wrong weights",
    "no learning": "it does not move the weights",
    "mode collapse": "it runs away from the weights",
    "oscillates": "it never settles on the weights",
}


@dataclass(frozen=True)
class Settings:
    """What makes a run what it is."""

    loss: str
    options: dict[str, Any]
    theta0: tuple[float, ...]
    time: float
    dt: float
    rate: float
    walkers: int
    seed: int

    @property
    def steps(self) -> int:
        return round(self.time / self.dt)


@dataclass(frozen=True)
class Run:
    """The paths of one method by backend name, and the verdict on them."""

    settings: Settings
    target: ModesTarget
    flow: Flow
    backends: dict[str, Path]

    def __repr__(self) -> str:
        s, mix = self.settings, self.target.mixture
        ends = ", ".join(
            f"{_numbers(mix.weights(p.θ[-1]))} on {n}" for n, p in self.backends.items()
        )
        return f"Run({s.loss}, {mix.K} modes in {mix.D}-D, t = {s.time:g}: weights {ends})"

    @property
    def judged(self) -> Path:
        """The exact law where it was followed, else the walkers, else the theory."""
        return next(self.backends[n] for n in ("grid", "walkers", "theory") if n in self.backends)

    @property
    def θ(self) -> Array:
        """θ_1 = 0, θ_2 … θ_K of the judged path (n, K)."""
        return np.pad(self.judged.θ, ((0, 0), (1, 0)))

    @property
    def weights(self) -> Array:
        """softmax(−θ) of the judged path (n, K)."""
        return self.target.mixture.weights(self.judged.θ)

    @property
    def walkers(self) -> Array | None:
        """Where the walkers are at the end (D, N); None for a method that keeps none."""
        path = self.backends.get("walkers")
        cold = None if path is None or path.state is None else path.state.cold
        return None if cold is None else cold.x

    @cached_property
    def verdict(self) -> Verdict:
        """The one θ of K = 2 is judged as the lecture's. Of more, the distance |θ − θ*| is, and a
        θ_k that swings across θ*_k is an oscillation. The number is the distance at the end."""
        path, star = self.judged, self.target.θ_star
        columns = zip(path.θ.T, path.velocity.T, star, strict=True)
        kinds = [self._judged(θ, velocity, at) for θ, velocity, at in columns]
        kind = "oscillates" if "oscillates" in kinds else kinds[0]
        if kind != "oscillates" and star.size > 1:
            kind = self._judged_together(path.θ - star, path.velocity)
        all_weights = self.target.mixture.weights
        start, end, true = (_numbers(all_weights(θ)) for θ in (path.θ[0], path.θ[-1], star))
        says = (f"The weights go from {start} to {end} in a time {self.settings.time:g}, the true "
                f"ones are {true}: {SAYS[kind]}.")  # fmt: skip
        return Verdict(kind, float(np.linalg.norm(path.θ[-1] - star)), says)

    def _judged_together(self, away: Array, velocity: Array) -> str:
        """The verdict on r = |θ − θ*| (n,), corrected by what a distance cannot tell: θ that passes
        θ* sideways does not rest there; θ that slows down on its way to θ*, nearer than it began,
        does not run on."""
        r = np.linalg.norm(away, axis=1)
        with np.errstate(under="ignore"):  # θ̇ may be 1e−304
            kind = self._judged(r, np.sum(away * velocity, axis=1) / np.maximum(r, 1e-12), 0.0)
            v = velocity[-max(2, len(r) // 20) :].mean(axis=0)
            fast = np.linalg.norm(v) > PASSING * np.linalg.norm(velocity, axis=1).max()
            heads = r[-1] < r[0] and -v @ away[-1] > ALONG * np.linalg.norm(v) * r[-1]
        if kind == "biased" and fast:
            return "mode collapse"
        return "converges" if kind == "mode collapse" and heads and not fast else kind

    def _judged(self, θ: Array, velocity: Array, star: float) -> str:
        s, t = self.settings, self.judged.t
        nothing = np.full(t.size, math.nan)
        one = Trajectory(s.loss, "walkers", s.dt, s.rate, t, θ, velocity, nothing, nothing)
        return judge(one, Target.exact(float(star), 2.0)).kind

    def plot(self) -> Any:
        """The weights' path, in the triangle where K = 3, and where the walkers are: a matplotlib
        Figure."""
        from toyflows.figures._modes import picture

        return picture(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, ready for JSON; θ has K entries, the first 0."""
        s, mix = self.settings, self.target.mixture
        θ_star = [0.0, *self.target.θ_star.tolist()]
        return {
            "loss": s.loss,
            "options": {f.name: getattr(self.flow, f.name) for f in options_of(type(self.flow))},
            "positions": mix.positions.tolist(),
            "spreads": mix.spreads.tolist(),
            "theta_star": θ_star,
            "q_star": mix.weights(self.target.θ_star).tolist(),
            "theta0": list(s.theta0),
            "time": s.steps * s.dt,
            **{name: getattr(s, name) for name in ("dt", "rate", "seed", "walkers")},
            "backends": {name: self._columns(path) for name, path in self.backends.items()},
            "verdict": dataclasses.asdict(self.verdict),
        }

    def _columns(self, path: Path) -> dict[str, Any]:
        out = {"t": path.t, "theta": np.pad(path.θ, ((0, 0), (1, 0))),
               "q": self.target.mixture.weights(path.θ)}  # fmt: skip
        if np.isfinite(path.shares).all():
            out["negatives"] = np.column_stack([1 - path.shares.sum(axis=1), path.shares])
        if np.isfinite(path.crossings).all():
            out["crossings"] = path.crossings
        return {name: values.tolist() for name, values in (out | path.seen).items()}

    def save(self, path: str | FilePath) -> FilePath:
        """Writes the run; the suffix decides: .png .pdf .svg .json .csv .npz. Raises InputError."""
        path = FilePath(path)
        check_out(path)
        with whole_file(path) as temporary:
            if path.suffix == ".json":
                text = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)
                temporary.write_text(text + "\n", encoding="utf-8")
            elif path.suffix == ".csv":
                temporary.write_text(self._csv(), encoding="utf-8")
            elif path.suffix == ".npz":
                np.savez(temporary, **self._arrays())
            else:
                from toyflows.figures._signature import save_picture

                save_picture(self.plot(), temporary)
        return path

    def _csv(self) -> str:
        """One row a record and backend: t, θ_1 … θ_K, then the weights."""
        K = self.target.mixture.K
        head = ["backend", "t", *(f"theta_{k + 1}" for k in range(K)),
                *(f"q_{k + 1}" for k in range(K))]  # fmt: skip
        lines = [",".join(head)]
        for name, p in self.backends.items():
            columns = [p.t, np.zeros(p.t.size), *p.θ.T, *self.target.mixture.weights(p.θ).T]
            rows = np.column_stack(columns).tolist()
            lines += [",".join([name, *map(repr, row)]) for row in rows]
        return "\n".join(lines) + "\n"

    def _arrays(self) -> dict[str, Any]:
        out: dict[str, Any] = {"summary": json.dumps(self.to_dict() | {"backends": {}})}
        for name, path in self.backends.items():
            out |= {f"{name}/{k}": np.asarray(v) for k, v in self._columns(path).items()}
        return out if self.walkers is None else out | {"walkers": self.walkers}


def _numbers(values: Array) -> str:
    """(0.5, 0.25, …) of at most six values."""
    shown = ", ".join(f"{v:.3g}" for v in values[:6].tolist())
    return f"({shown}{', …' if values.size > 6 else ''})"
