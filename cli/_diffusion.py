"""What `train` does with a diffusion model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toyflows.cli import _training
from toyflows.cli._errors import say
from toyflows.errors import InputError

if TYPE_CHECKING:
    from toyflows.diffusion.train import Config, Record
    from toyflows.diffusion.trained import Model
    from toyflows.nn.training import State

# Where neither --steps nor --minutes is given; and where the rate has fallen to 0 (-p cosine=).
STEPS = {"points": 4000, "images": 20_000}
SIZE = 28
# Options that are not given by -p.
SPELLED = ("kind", "target", "columns", "skip_missing", "size", "seed")
FILLED = ("classes", "centre", "spread")  # fields of Config that the data fill
JUDGED = 2000  # points that a trained model is judged by


def train(
    given: dict[str, Any], pairs: dict[str, str], length: _training.Length, threads: int | None,
    resume: bool, out: Path,
) -> None:  # fmt: skip
    """Trains or goes on; at the end the distances of samples from fresh data."""
    from toyflows.diffusion.train import Config
    from toyflows.diffusion.trained import Model

    for name in ("data", "sampler"):
        if name in given:
            raise InputError(name, given[name], f"not for {given['kind']}: its data are --target")
    given = _training.read(Config, (*SPELLED, *FILLED), given, pairs)
    if resume:
        model = Model.load(out, given["kind"])
        _training.check_same(model, given, SPELLED)
    else:
        model = _begun(given, length)
    _training.check_used(model.config, pairs)
    length.check(model.config.cosine)
    if not resume:
        model.save(out)
    if told := _warned(model.config):
        say(told)
    _run(model, length.or_steps(STEPS["images" if model.config.size else "points"]), threads, out)


def _begun(given: dict[str, Any], length: _training.Length) -> Model:
    """The rate falls to zero in STEPS, whatever --steps; of a run by --minutes it stays."""
    from toyflows.diffusion import sources
    from toyflows.diffusion.train import Config
    from toyflows.diffusion.trained import Model

    target = given.setdefault("target", Config.target)
    if sources.holds_images(target):
        given.setdefault("size", SIZE)
    end = 0 if length.by_time else STEPS["images" if given.get("size") else "points"]
    chosen: dict[str, Any] = {"cosine": end} | given
    config = Config(**chosen)
    return Model.new(config, sources.find(*config.asked))


def _warned(config: Config) -> str | None:
    from toyflows.diffusion import processes

    return processes.warning_of(config.process) if config.kind == "ddpm" else None


def _run(model: Model, length: _training.Length, threads: int | None, out: Path) -> None:
    from toyflows.diffusion import train as training

    config, state, source = model.config, model.state, model.source()
    net, clock = config.net(threads), _training.Clock(model, length)
    what = f"images {config.size} × {config.size}" if config.size else "points"
    of = f", {len(config.classes)} classes" * bool(config.classes)
    print(f"{config.kind} of {config.target}, {what}{of}, {state.θ.size} weights, "
          f"{config.levels} levels, from step {state.step}")  # fmt: skip
    heads = ["step", "loss", "gradient", "rate", "images/s" if config.size else "points/s", "left"]

    def keep(kept: State) -> None:
        replace(model, state=kept).save(out)

    def cells(r: Record) -> list[str]:
        numbers = [str(r.step), f"{r.loss:.4f}", f"{r.norm:.3g}", f"{r.rate:.3g}"]
        return [*numbers, f"{clock.samples():.0f}", clock.left_told()]

    records = training.train(config, state, source.batch, net, keep)
    _training.follow(records, clock, heads, cells)
    clock.tell_end()
    model.save(out)
    print(f"saved   {out} at step {state.step}")
    if not config.size:
        _tell_quality(model)


def _tell_quality(model: Model) -> None:
    """Prints the quality of samples that are drawn as `toyflows sample` does by default."""
    from toyflows.cli._drawing import judged
    from toyflows.diffusion.drawing import Plan
    from toyflows.seeds import stream

    plan, shape = Plan.default(model.config), (JUDGED, *model.shape)
    drawn = plan.draw(model.score(), model.process, shape, stream(0, "sample"))
    print(f"judged  {JUDGED} samples of {plan.told}, {drawn.evaluations} evaluations of the score")
    judged(model, model.units.outward(drawn.x), tell=True)
