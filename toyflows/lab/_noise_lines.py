"""What is seen in the room of noise as command lines, and as Python that anyone can run."""

from __future__ import annotations

import shlex
from typing import Any

from toyflows.diffusion.processes import VE, Process
from toyflows.diffusion.train import Config
from toyflows.lab._noise_act import EVERY, LENGTH
from toyflows.lab._noise_laws import DRAWN, REACH, law
from toyflows.lab._noise_paths import HALF
from toyflows.lab._noise_scenes import WIDE, step_at
from toyflows.lab._noise_training import KINDS

Values = dict[str, Any]

# ---- command lines -------------------------------------------------------------------------------


def command(values: Values, step: int) -> str | None:
    """The command lines, joined by &&; None for drawn points and for arrows."""
    if values["target"] == DRAWN or values["show"] == "scores" or step == 0:
        return None
    lines = {"langevin": _langevin, "diffusion": _diffusion, "train": _train}
    found = lines[values["show"]](values, step)
    return " && ".join(shlex.join(["toyflows", *line]) for line in found) or None


def _langevin(v: Values, step: int) -> list[list[str]]:
    """Langevin at any step; annealed Langevin when it is at the end of its levels."""
    exact = ["sample", "--exact", v["target"], *_process(VE(v["last"], v["first"]))]
    h = f"h={step_at(law(v), v['last'])!r}"
    one = [*exact, "--sampler", "langevin", "-p", h, "--steps", str(min(step, LENGTH))]
    each = LENGTH // v["levels"]
    other = [*exact, "--sampler", "annealed-langevin", "-p", f"steps={each}",
             "--steps", str(v["levels"])]  # fmt: skip
    lines = [one, other] if step == each * v["levels"] else [one]
    return [
        [*line, *_drawn(v, name)] for line, name in zip(lines, ("one", "annealed"), strict=False)
    ]


def _diffusion(v: Values, step: int) -> list[list[str]]:
    """The way back, at its end."""
    if step < LENGTH:
        return []
    how = ["--sampler", v["sampler"], "--steps", str(v["steps"]), *_drawn(v, "points")]
    if v["score"] == "network":
        return [*_train(v, LENGTH), ["sample", "network.npz", *how]]
    process = Config(KINDS[v["process"]]).process
    return [["sample", "--exact", v["target"], *_process(process), *how]]


def _train(v: Values, step: int) -> list[list[str]]:
    steps = min(step, LENGTH) * v["train"] // LENGTH
    numbers = ["-p", f"cosine={v['train']}", "-p", f"every={EVERY}"]
    return [["train", KINDS[v["process"]], "--target", v["target"], "--steps", str(steps), *numbers,
             "--seed", str(v["seed"]), "--out", "network.npz"]]  # fmt: skip


def _process(process: Process) -> list[str]:
    if isinstance(process, VE):
        numbers = f"sigma_min={process.sigma_min!r}", f"sigma_max={process.sigma_max!r}"
        return ["--process", "ve", "-p", numbers[0], "-p", numbers[1]]
    return ["--process", process.name]


def _drawn(v: Values, name: str) -> list[str]:
    return ["--count", str(v["walkers"]), "--seed", str(v["seed"]), "--out", f"{name}.csv"]


# ---- Python --------------------------------------------------------------------------------------

NAMED = """\
from toyflows.diffusion.sources import Points, Units
from toyflows.diffusion.targets import TARGETS

source = Points(TARGETS[{target!r}])
data = source.target.mixture  # exact: Gaussians along the curve
units = Units.of_mixture(data)
"""
POINTS = """\
from toyflows.lab._noise_laws import law

source = law({law!r}).source
data = source.target.mixture  # a Gaussian on each point
units = source.units
"""
SCORES = """\
from toyflows.diffusion.methods.base import Model
from toyflows.diffusion.methods.langevin import langevin
from toyflows.diffusion.processes import VE, ExactScore
from toyflows.seeds import stream

mixture = units.mixture(data)  # in units of mean 0 and spread 1
σ, h = {noise!r}, {h!r}
at = [[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]
print("score at", at, mixture.score(at, 1.0, σ).tolist())

process = VE(σ, 2 * σ)
rng = stream({seed}, "walkers")
x = rng.uniform((-{wide}, -{reach}), ({wide}, {reach}), ({walkers}, 2))
x = langevin(Model(ExactScore(mixture, process), process, 0.0), x, 0.0, h, {step}, rng)
print(x[:5])
"""
LANGEVIN = """\
from toyflows.diffusion.methods.base import Model
from toyflows.diffusion.methods.langevin import langevin
from toyflows.diffusion.processes import VE, ExactScore, times
from toyflows.seeds import stream

process = VE({last!r}, {first!r})
model = Model(ExactScore(units.mixture(data), process), process, 0.0)

rng = stream({seed}, "sample")
start = process.prior_sigma * rng.standard_normal(({walkers}, 2))
one = langevin(model, start, 0.0, {h!r}, {step}, rng)

rng = stream({seed}, "sample")
annealed = process.prior_sigma * rng.standard_normal(({walkers}, 2))
levels = times(process, {levels})[1:].tolist()
σ = [model.sigma(t) for t in levels]
for move in range({step}):
    k = min(move // {each}, len(levels) - 1)
    h = 0.2 * σ[-1] ** 2 * (σ[k] / σ[-1]) ** 2 / 2  # a tenth of σ²
    annealed = langevin(model, annealed, levels[k], h, 1, rng)
print(one[:5], annealed[:5])
"""
NETWORK = """\
from itertools import islice

from toyflows.diffusion.train import Config, train
from toyflows.diffusion.trained import Model as Trained

config = Config({kind!r}, {target!r}, seed={seed}, cosine={train}, every={every})
trained = Trained.new(config, source)
run_on = train(trained.config, trained.state, source.batch, trained.config.net(), lambda kept: None)
losses = [record.loss for record in islice(run_on, {trained})]
print(losses[-5:])
"""
PROCESS = """\
from toyflows.diffusion.train import Config

process = Config({kind!r}).process
"""
EXACT = """\
from toyflows.diffusion.processes import ExactScore

mixture = units.mixture(data)
score = ExactScore(mixture, process)
"""
LEARNED = """\
mixture = trained.units.mixture(data)
score = trained.score()
"""
THERE = """\
import math

from toyflows.diffusion.methods.base import Model
from toyflows.seeds import stream

model = Model(score, process, 0.0)
rng = stream({seed}, "forward")
x = mixture.sample({walkers}, rng) * model.alpha(0.0)
x = x + model.sigma(0.0) * rng.standard_normal(x.shape)
for k in range({step}):  # the exact law of X_t given X_s
    α, variance, _ = model.transition((k + 1) / {half}, k / {half})
    x = α * x + math.sqrt(variance) * rng.standard_normal(x.shape)
print(x[:5])
"""
BACK = """\
from toyflows.diffusion.methods import make
from toyflows.diffusion.processes import times
from toyflows.diffusion.samplers import run
from toyflows.seeds import stream

rng = stream({seed}, "sample")
x = process.prior_sigma * rng.standard_normal(({walkers}, 2))
grid = times(process, {steps})[: {done} + 1]
if {done}:
    x = run(make({sampler!r}), score, process, x, grid, rng).x
print(x[:5])
"""


def python(values: Values, step: int) -> str:
    """Lines that print numbers of what is seen, in the units of the picture."""
    v = {**values, "step": min(step, LENGTH), "every": EVERY, "half": HALF, "wide": WIDE,
         "reach": REACH, "law": {n: values[n] for n in ("target", "points", "kernel")}}  # fmt: skip
    v["kind"] = KINDS.get(values.get("process", ""), "")
    if "train" in v:
        v["trained"] = v["train"] if v["show"] == "diffusion" else v["step"] * v["train"] // LENGTH
    parts = [POINTS if v["target"] == DRAWN else NAMED, *_PARTS[v["show"]](v)]
    return "\n".join(part.format(**v) for part in parts)


def _of_scores(v: Values) -> list[str]:
    v["h"] = step_at(law(v), v["noise"])
    return [SCORES]


def _of_langevin(v: Values) -> list[str]:
    v["h"], v["each"] = step_at(law(v), v["last"]), LENGTH // v["levels"]
    return [LANGEVIN]


def _of_diffusion(v: Values) -> list[str]:
    v["done"] = max(0, v["step"] - HALF) * v["steps"] // HALF
    score = [NETWORK, LEARNED] if v["score"] == "network" else [EXACT]
    return [PROCESS, *score, THERE if v["step"] <= HALF else BACK]


_PARTS = {
    "scores": _of_scores, "langevin": _of_langevin, "diffusion": _of_diffusion,
    "train": lambda v: [NETWORK],
}  # fmt: skip
