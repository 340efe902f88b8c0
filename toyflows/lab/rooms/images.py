"""Room 4: chains from noise to letters, and what a network says of an image that you draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from toyflows.images.glyphs import CLASSES
from toyflows.images.shifted import SETS
from toyflows.lab import _images_canvas as canvas
from toyflows.lab import _images_judge as judge
from toyflows.lab._controls import Choice, Control, Drawn, Slider, Switch, Values, seed
from toyflows.lab._explain import Mark
from toyflows.lab._room import Change, Room, Scene
from toyflows.pages.mathml import mathml

if TYPE_CHECKING:
    from toyflows.lab._images_chains import Walk
    from toyflows.lab._images_view import ImagesView
    from toyflows.lab._job import Job
    from toyflows.lab._look import Look

ENERGIES = ("ebm28", "ebm56", "jem28")
DIFFUSION = "ddpm28"
CLASSED = ("jem28", DIFFUSION)
ANY = "any"
SAMPLERS = ("ddim", "ancestral")


CHAINS = (
    Mark("walkers", "chains", "Sixteen chains. A green letter is read with 90 % certainty."),
    Mark("data", "test letters", "Where 90 % of letters are that no network has seen."),
    Mark("grey", "not sure", "A grey letter is the reader’s best guess, and below 90 %."),
)
JUDGED = (
    Mark("data", "test letters", "Letters that no network has seen."),
    Mark("exact", "others", "Images that are no letters, to compare with."),
    Mark("accent", "this image", "Where your image stands."),
    Mark("formula", "limit", "95 % of letters are below it."),
)


class ImagesRoom(Room):
    """Chains of the shipped EBM, JEM and DDPM; and energy, slope and classes of one image."""

    name = "images"
    title = "Images"
    order = 4
    about = "Chains from noise to letters, and what a network says of one image"
    most = 512
    usual = 512
    tall = 980
    speeds = (1, 2, 4, 8, 16)
    speed = 2

    def controls(self, given: Mapping[str, str]) -> tuple[Control, ...]:
        show = Choice(
            name="show",
            label="show",
            default="chains",
            of=("chains", "judge"),
            words={"chains": "chains from noise", "judge": "one image, judged"},
        )
        return (show, *(_judging(given) if given.get("show") == "judge" else _walking(given)))

    def equation(self, values: Values) -> str:
        if values["show"] == "judge":
            return mathml("p(x) = e^{−E(x)}/Z,   strange: E(x) above 95 % of letters")
        if values["model"] == DIFFUSION:
            return mathml("x_t = √α_t x_0 + √(1−α_t) ε,   s(x_t) learned")
        return mathml("x ← x − h ∂_xE(x) + √(2hT) ξ")

    def marks(self, values: Values) -> tuple[Mark, ...]:
        return JUDGED if values["show"] == "judge" else CHAINS

    def last(self, values: Values) -> int:
        """A diffusion ends where there is no noise left."""
        if values["show"] == "chains" and values["model"] == DIFFUSION:
            return int(values["steps"])
        return self.most

    def start(self, values: Values, job: Job) -> Scene:
        if values["show"] == "judge":
            return judge.Judge(asked(values), job)
        from toyflows.lab._images_chains import Chains

        return Chains(walk(values))

    def view(self, look: Look, change: Change) -> ImagesView:
        from toyflows.lab._images_view import ImagesView

        return ImagesView(look, change)

    def of_file(self, name: str, suffix: str, content: bytes) -> Mapping[str, Any]:
        """A picture becomes a sheet of 28 × 28 pixels of 8 grey levels."""
        return {"pattern": canvas.pack(canvas.of_picture(content)), "image": "drawn"}

    def command(self, values: Values, step: int) -> str | None:
        """The command for chains at the trained step and temperature, from their first step on."""
        if values["show"] == "judge" or step == 0:
            return None
        words = ["toyflows sample", values["model"], "--count 16", f"--seed {values['seed']}"]
        words += [f"--class {c}"] if (c := values.get("class", ANY)) != ANY else []
        if values["model"] == DIFFUSION:
            n = values["steps"]
            words += [f"--sampler {values['sampler']}", f"--steps {n}", f"--snapshots {n}"]
            words += [f"--guidance {values['w']:g}"] if c != ANY and values["w"] else []
        elif values["pace"] == values["heat"] == 1:
            words += [f"--steps {step}", "--snapshots 1"]
        else:
            return None
        return " ".join([*words, "--out letters.npz"])

    def python(self, values: Values, step: int) -> str:
        if values["show"] == "judge":
            a = asked(values)
            return judge.lines(a, a.score) + "\n"
        return (_denoised if values["model"] == DIFFUSION else _descended)(values, step)

    def film(self, values: Values, step: int) -> Any:
        """The film of chains; there is none of steps h other than the trained one."""
        v = values
        if v["show"] == "judge" or v.get("pace", 1) != 1:
            return None
        from toyflows import film

        letter = None if (c := v.get("class", ANY)) == ANY else c
        common: dict[str, Any] = {"letter": letter, "seed": v["seed"], "threads": 1}
        if v["model"] == DIFFUSION:
            return film.chain(
                DIFFUSION, steps=v["steps"], sampler=v["sampler"], spacing="uniform",
                guidance=v.get("w", 0.0), **common,
            )  # fmt: skip
        from toyflows.lab._images_langevin import Langevin

        hot = Langevin(v["model"], heat=v["heat"]).chain(0).temperature
        T = None if v["heat"] == 1 else hot
        return film.chain(v["model"], steps=step, temperature=T, **common)


def _walking(given: Mapping[str, str]) -> list[Control]:
    model = given.get("model", "")
    out: list[Control] = [
        Choice(
            name="model",
            label="model",
            default="ebm28",
            of=(*ENERGIES, DIFFUSION),
            words={
                "ebm28": "energy model, 28 × 28",
                "ebm56": "energy model, 56 × 56",
                "jem28": "energy model with classes",
                DIFFUSION: "diffusion model",
            },
        )
    ]
    if model in CLASSED:
        out.append(Choice(name="class", label="letter", default=ANY, of=(ANY, *CLASSES)))
    if model == DIFFUSION:
        if given.get("class", ANY) != ANY:
            out.append(Slider(name="w", label="guidance w", default=0, low=-1, high=8, step=0.5))
        out += [
            Choice(name="sampler", label="sampler", default="ddim", of=SAMPLERS),
            Slider(name="steps", label="sampler's steps", default=50, low=5, high=500, step=5,
                   integer=True),
        ]  # fmt: skip
    else:
        out += [
            Slider(name="heat", label="temperature (1: as trained)", default=1.0, low=0.01,
                   high=1e4, log=True, step=0.25),
            Slider(name="pace", label="step h (1: as trained)", default=1.0, low=0.05, high=3.0,
                   step=0.05),
        ]  # fmt: skip
    return [*out, seed()]


def _judging(given: Mapping[str, str]) -> list[Control]:
    scores = judge.SCORES if given.get("judge", "") in judge.READERS else judge.SCORES[:2]
    out: list[Control] = [
        Choice(
            name="image",
            label="image",
            default="letter",
            of=("letter", "outsider", "drawn"),
            words={"letter": "a test letter", "outsider": "no letter", "drawn": "yours"},
        )
    ]
    if given.get("image") == "drawn":
        out.append(Switch(name="fit", label="centred, a letter's size", default=True))
    else:
        out.append(Slider(name="number", label="which one", default=23, low=0, high=999,
                          integer=True, step=1))  # fmt: skip
    return [
        *out,
        Drawn(name="pattern", label="a picture", default="", longest=canvas.LONGEST,
              accept=canvas.ACCEPT),
        Choice(name="outsiders", label="compared with", default="uniform noise", of=tuple(SETS)),
        Choice(name="judge", label="network", default="ebm28", of=tuple(judge.JUDGES)),
        Choice(name="score", label="what makes it strange", default="energy", of=scores),
    ]  # fmt: skip


def walk(values: Values) -> Walk:
    """The chains that the values mean."""
    name, letter = values["model"], values.get("class", ANY)
    label = None if letter == ANY else CLASSES.index(letter)
    if name == DIFFUSION:
        from toyflows.lab._images_denoising import Denoising

        w = float(values.get("w", 0))
        return Denoising(name, label, w, values["sampler"], values["steps"], values["seed"])
    from toyflows.lab._images_langevin import Langevin

    return Langevin(name, label, values["pace"], values["heat"], values["seed"])


def asked(values: Values) -> judge.Asked:
    """The image, and how it is judged."""
    return judge.Asked(
        values["image"], values["pattern"], values.get("number", 23), values["outsiders"],
        values["judge"], values["score"], values.get("fit", True),
    )  # fmt: skip


def _descended(v: Values, step: int) -> str:
    """Python for chains of an energy."""
    letter = v.get("class", ANY)
    classes = "" if letter == ANY else f", classes=({CLASSES.index(letter)},)"
    energy = "f" if letter == ANY else f"f, np.full((16, 1), {CLASSES.index(letter)})"
    return f"""import math
import numpy as np
from toyflows.images import shipped, uses
from toyflows.images.energy import energy
from toyflows.images.sgld import Chain
model = shipped.load({v["model"]!r})
c, engine, pace, heat = model.config, model.engine(), {v["pace"]!r}, {v["heat"]!r}
chain = Chain({step}, c.step * pace, c.noise * math.sqrt(pace * heat), c.clip)
sampler = uses.Sampler(engine, model.θ, chain, seed={v["seed"]}{classes})
x = uses.last(sampler.from_noise(16, c.size))
f = engine.outputs(model.θ, x)
E, _ = energy({energy})
print(E.mean(dtype=float))
"""


def _denoised(v: Values, step: int) -> str:
    """Python for samples of a diffusion model."""
    letter, w = v.get("class", ANY), float(v.get("w", 0))
    label = None if letter == ANY else CLASSES.index(letter)
    return f"""from toyflows.diffusion import shipped
from toyflows.diffusion.drawing import Plan, guided
from toyflows.seeds import stream
model = shipped.load({v["model"]!r})
plan, path = Plan({v["sampler"]!r}, {v["steps"]}), []
score, start = guided(model, {label}, {0.0 if label is None else w}), stream({v["seed"]}, "sample")
shape = (16, *model.shape)
plan.draw(score, model.process, shape, start, "float32", lambda k, t, x: path.append((t, x)))
t, x = path[{min(step, v["steps"])}]
print(t, x.mean(dtype=float), x.std(dtype=float))
"""
