"""The judge among K modes on a line: the exact law's path and as long again, in |θ − θ*|.

Wider than the judge of two modes: an exact law is followed, nothing is displaced. `jarzynski` has
the law of `ml`, whose weights are exact.
"""

from __future__ import annotations

import numpy as np
import verdict_judge as judge
from verdict_draws import PERSISTENT, ModesCase
from verdict_trial import SPREADS, Trial

from toyflows import modes
from toyflows.errors import Diverged, InputError
from toyflows.flows import make
from toyflows.modes.plane import Plane
from toyflows.modes.target import target_of

REPLICAS = 3
LONG, FAR = 12, 120.0  # times the run, and the time, to which the exact law is followed at least
ALIKE = 0.02  # of the weights: a distance from the true ones that a class would call none
Array = judge.Array


def run_of(case: ModesCase) -> modes.Run:
    """By the front door."""
    flow = case.flow
    options = {name: getattr(flow, name) for name in getattr(flow, "__dataclass_fields__", {})}
    return modes.flow(flow.name, options=options, **case.arguments)


def trial(case: ModesCase) -> Trial:
    """The product's word and the judge's."""
    try:
        run = run_of(case)
        said = run.verdict.kind
    except InputError:
        return Trial(case, "refused")
    except Diverged:
        return Trial(case, judge.DIVERGES, frozenset({judge.DIVERGES}), "raised")
    others = [run_of(case._replace(seed=(case.seed + 7919 * (1 + k)) % 2**62)).judged.θ[-1]
              for k in range(REPLICAS)]  # fmt: skip
    spread = float(np.linalg.norm(np.std([run.judged.θ[-1], *others], axis=0, ddof=1)))
    words, why = allowed(case, exact_path(case), run, SPREADS * spread)
    return Trial(case, said, frozenset(words), f"{why}, spread {spread:.2g}")


def exact_path(case: ModesCase) -> Array:
    """θ − θ* (n, K−1) of the exact law, LONG times as long as the run, and to FAR."""
    flow = make("ml") if case.flow.name == "jarzynski" else case.flow
    mix = modes.Modes([[x] for x in case.positions], 1.0)
    ops = Plane(target_of(mix, case.θ_star, None), case.dt)
    state, θ = flow.begin(ops, np.array(case.θ0[1:])), []
    steps = round(case.time / case.dt)
    with np.errstate(under="ignore"):
        for _ in range(max(LONG * steps, round(FAR / case.dt)) + 1):
            θ.append(state.θ)
            state, _info = flow.step(ops, state, case.rate * case.dt)
    return np.array(θ) - np.array(case.θ_star[1:])


def allowed(case: ModesCase, x: Array, run: modes.Run, noise: float) -> tuple[set[str], str]:
    """From where the exact law is at T and where it goes, and how far the walkers are from it."""
    steps = round(case.time / case.dt)
    later, swings = np.linalg.norm(x, axis=1), max(map(judge.swings, x.T))
    x = x[: 3 * steps + 1]
    r, star = np.linalg.norm(x, axis=1), np.array(case.θ_star[1:])
    end = float(np.linalg.norm(run.judged.θ[-1] - star))
    weights = run.target.mixture.weights
    off = float(np.abs(weights(run.judged.θ[-1]) - weights(star)).max())
    noise = max(noise, float(np.linalg.norm(run.judged.θ[-1] - star - x[steps])))
    speed = float(np.linalg.norm(x[-1] - x[-2])) / case.dt
    done = 1 - r[steps] / r[0] if r[0] > judge.NEAR else 0.0
    comes = r[-1] < max(0.97 * r[steps], judge.NEAR)
    words: set[str] = set()
    if comes or off <= ALIKE:
        words |= {judge.WAY}
        near = min(end, float(r[steps])) <= 2 * judge.NEAR + noise
        words |= {judge.CONVERGES} if near or off <= ALIKE else set()
    if r[-1] > judge.NEAR and speed * case.time < 0.5 * r[-1]:
        words |= {judge.BIASED}
    if not comes:
        words |= {judge.COLLAPSE, judge.BIASED} if r[-1] > judge.NEAR else set()
    if done < 2 * judge.LITTLE and speed * judge.AGES * case.time < 10 * r[-1] + noise:
        words |= {judge.NOTHING}
    if later[-1] > judge.NEAR and later.min() < 0.9 * later[-1]:  # it comes by, and goes elsewhere
        words |= {judge.COLLAPSE, judge.BIASED}
    if later[-1] > judge.NEAR and case.flow.name in PERSISTENT:  # it is not known to stay at θ*
        words |= {judge.COLLAPSE}
    if later[-1] > judge.NEAR and abs(later[-1] - later[-steps]) < 0.02 * later[-1]:
        words |= {judge.BIASED}  # it comes to rest elsewhere
    swings = max(swings, *(judge.swings(column) for column in (run.judged.θ - star).T))
    words |= {judge.SWINGS} if swings >= 2 else set()
    if noise > judge.NEAR and case.flow.name in PERSISTENT:
        words |= {judge.WAY, judge.BIASED, judge.COLLAPSE}
    why = f"|θ − θ*| {r[0]:.3g} → {r[steps]:.3g} → {r[-1]:.3g}; of the walkers {end:.3g}"
    return words, why
