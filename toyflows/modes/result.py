"""What a run among K modes leaves behind: paths, weights, walkers, a verdict, and its files."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from toyflows.cloud import Array
from toyflows.files import whole_file
from toyflows.flows import Flow
from toyflows.flows.base import LEARNED
from toyflows.frames import Columns, Frames
from toyflows.modes.ahead import outlook
from toyflows.modes.follow import Path
from toyflows.modes.target import ModesTarget
from toyflows.registry import options_of
from toyflows.run import check_out
from toyflows.verdict import Verdict, word

SAYS = {
    "converges": "it learns the weights, and holds them",
    "on its way": "it is on its way to them",
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
class Run(Frames):
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
    def theta(self) -> Array:
        """θ."""
        return self.θ

    @property
    def theta_star(self) -> Array:
        """θ* (K,), the first 0."""
        return np.pad(self.target.θ_star, (1, 0))

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
        """By the rules of verdict.py, of all coordinates together. The number is max |θ_k − θ*_k|
        at the end."""
        with np.errstate(under="ignore"):  # θ̇ may be 1e−304
            return self._verdict()

    def _verdict(self) -> Verdict:
        s, path, star = self.settings, self.judged, self.target.θ_star
        ahead, near = outlook(self.flow, self.target, path, self._backend(), s.dt, s.rate)
        away = np.abs(path.θ - star)
        way, moved = (float(np.linalg.norm(v - path.θ[0], axis=-1).max()) for v in (star, path.θ))
        kind = word(ahead, bool(np.all(away[-1] <= near)),
                    moved > max(LEARNED * way, float(near.max())),
                    s.rate * float(np.linalg.norm(path.velocity[-1]))
                    / max(float(np.linalg.norm(away[-1])), float(near.max())),
                    s.time)  # fmt: skip
        start, end, true = (self._shown(θ) for θ in (path.θ[0], path.θ[-1], star))
        where = (
            f"The weights go from {start} to {end} in a time {s.time:g}, the true ones are {true}"
        )
        near_them = ahead.noise and kind == "converges"
        noise = f" (within the walkers' noise, ±{ahead.noise:.1g} in θ)" if near_them else ""
        k = int(np.argmax(away[-1]))
        now = (f"The weights are {end}, the true ones {true}; θ_{k + 2} is farthest, by "
               f"{away[-1, k]:.2g}, moving at {s.rate * path.velocity[-1, k]:+.2g}.")  # fmt: skip
        so_far = f"The weights went from {start} to {end}."
        needs = (
            ahead.needs if kind in ("on its way", "biased") and math.isfinite(ahead.needs) else None
        )
        return Verdict(kind, float(away[-1].max()), f"{where}{noise}: {SAYS[kind]}.", now, so_far,
                       needs, float(near.max()))  # fmt: skip

    def _shown(self, θ: Array) -> str:
        return _numbers(self.target.mixture.weights(θ))

    def _backend(self) -> Any:
        """The one of the judged path; None: the closed form."""
        s = self.settings
        if "grid" in self.backends:
            from toyflows.modes.plane import Plane

            return Plane(self.target, s.dt)
        if "walkers" in self.backends:
            from toyflows.modes.walkers import ModesWalkers

            return ModesWalkers(self.target, s.dt, s.walkers, s.seed)
        return None

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

    def _frames(self) -> tuple[Mapping[str, Columns], dict[str, Any]]:
        columns = {name: self._recorded(path) for name, path in self.backends.items()}
        return columns, dataclasses.asdict(self.settings)

    def _columns(self, path: Path) -> dict[str, Any]:
        return {name: values.tolist() for name, values in self._recorded(path).items()}

    def _recorded(self, path: Path) -> dict[str, Array]:
        out = {"t": path.t, "theta": np.pad(path.θ, ((0, 0), (1, 0))),
               "q": self.target.mixture.weights(path.θ)}  # fmt: skip
        if np.isfinite(path.shares).all():
            out["negatives"] = np.column_stack([1 - path.shares.sum(axis=1), path.shares])
        if np.isfinite(path.crossings).all():
            out["crossings"] = path.crossings
        return out | path.seen

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
        """One row a record and backend: t, θ_1 … θ_K, the weights, then what the method shows; a
        number that a backend has not is left empty."""
        K = self.target.mixture.K
        names = list(dict.fromkeys(key for p in self.backends.values() for key in p.seen))
        head = ["backend", "t", *(f"theta_{k + 1}" for k in range(K)),
                *(f"q_{k + 1}" for k in range(K)), *names]  # fmt: skip
        lines = [",".join(head)]
        for name, p in self.backends.items():
            columns = [p.t, np.zeros(p.t.size), *p.θ.T, *self.target.mixture.weights(p.θ).T]
            nothing = np.full(p.t.size, math.nan)
            rows = np.column_stack(columns + [p.seen.get(key, nothing) for key in names]).tolist()
            for row in rows:
                told = ("" if math.isnan(value) else repr(value) for value in row)
                lines.append(",".join([name, *told]))
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
