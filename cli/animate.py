"""`toyflows animate` makes films: of a run, of a cloud of points under noise, of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toyflows.cli import _options, _run
from toyflows.cli._errors import refuse_typed, refusing
from toyflows.cli._output import progress_bar
from toyflows.errors import InputError
from toyflows.limits import ONE_RUN
from toyflows.registry import named_values

if TYPE_CHECKING:
    from toyflows.film import Film

app = typer.Typer(
    help="Make a film: a .gif, or with ffmpeg an .mp4 or .webm.", no_args_is_help=True
)

Out = Annotated[Path, typer.Option(help="The film: .gif, .mp4 or .webm.")]
Seconds = Annotated[float, typer.Option(help="How long the film is, in seconds: 0.2 to 60.")]
Fps = Annotated[int, typer.Option(help="How many frames a second has: 1 to 50.")]
Width = Annotated[int, typer.Option(help="The width in pixels: even, 320 to 1920.")]
Height = Annotated[int, typer.Option(help="The height in pixels: even, 240 to 1080.")]


@app.command()
def flow(
    loss: _run.Loss,
    out: Out,
    theta_star: _run.ThetaStar = None,
    q_star: _run.QStar = None,
    versus: Annotated[
        str | None, typer.Option(help="A second method, named as the first and shown below.")
    ] = None,
    theta0: _run.Theta0 = 0.0,
    separation: _run.Separation = 20.0,
    time: _run.Time = 100.0,
    dt: _run.Dt = 0.05,
    rate: _run.Rate = 1.0,
    walkers: _run.Walkers = ONE_RUN,
    p: _run.Options = None,
    seconds: Seconds = 6.0,
    fps: Fps = 20,
    width: Width = 1280,
    height: Height = 720,
    seed: _options.Seed = 0,
    threads: _run.Threads = None,
) -> None:
    """Film a training run: θ(t), the densities and the walkers.

    Example: toyflows animate flow --loss pcd --theta-star 1.4 --out pcd.gif
    """
    with refusing():
        from toyflows import film, kernels

        kernels.own_process = True
        film.check_out(out)
        made = film.two_modes(
            loss, theta_star=theta_star, q_star=q_star, versus=versus, theta0=theta0,
            separation=separation, time=time, dt=dt, rate=rate, walkers=walkers, seed=seed,
            threads=threads, options=named_values(p or []), seconds=seconds, fps=fps,
            size=(width, height),
        )  # fmt: skip
        _save(made, out)


@app.command()
def cloud(
    target: Annotated[str, typer.Option(help="A law with an exact score: swiss-roll, …")],
    out: Out,
    direction: Annotated[str, typer.Option(help="forward (data to noise) or reverse.")] = "reverse",
    process: Annotated[str, typer.Option(help="Noising process: vp, ve or ou.")] = "vp",
    sampler: Annotated[
        str, typer.Option(help="Reverse sampler: euler-maruyama, ancestral, ddim, ode-heun, …")
    ] = "euler-maruyama",
    steps: Annotated[int | None, typer.Option(help="Steps of the sampler, up to 2000.")] = None,
    spacing: _options.Spacing = "log-snr",
    points: Annotated[int, typer.Option(help="Number of points, up to 20000.")] = 2000,
    p: _options.SamplerOptions = None,
    seconds: Seconds = 6.0,
    fps: Fps = 20,
    width: Width = 1280,
    height: Height = 720,
    seed: _options.Seed = 0,
) -> None:
    """Film points that become noise, or noise that becomes points.

    Example: toyflows animate cloud --target swiss-roll --out roll.gif
    """
    with refusing():
        from toyflows import film
        from toyflows.diffusion import methods, processes
        from toyflows.registry import options_of

        film.check_out(out)
        if direction == "forward":
            refuse_typed(["sampler"], "is for --direction reverse")
        pairs = named_values(p or [])
        own = {f.name for f in options_of(type(methods.make(sampler)))}
        mine = {k: v for k, v in pairs.items() if k in own}
        noise = processes.process(process, **{k: v for k, v in pairs.items() if k not in own})
        made = film.cloud(
            target, process=noise, direction=direction, sampler=sampler, steps=_given(steps),
            spacing=spacing, options=mine, points=points, seed=seed, seconds=seconds, fps=fps,
            size=(width, height),
        )  # fmt: skip
        _save(made, out)


@app.command()
def images(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint; or ebm28, jem28, ddpm28.")],
    out: Out,
    count: Annotated[int, typer.Option(help="How many images, up to 100.")] = 16,
    class_: Annotated[
        str | None, typer.Option("--class", help="Class, where the model knows classes.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps of the chains (256) or sampler, up to 10000.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Temperature of an energy's chains. Default: as trained.")
    ] = None,
    sampler: _options.Sampler = None,
    spacing: _options.Spacing = "log-snr",
    guidance: _options.Guidance = 0.0,
    p: _options.SamplerOptions = None,
    seconds: Seconds = 6.0,
    fps: Fps = 20,
    width: Width = 1280,
    height: Height = 720,
    seed: _options.Seed = 0,
    threads: _run.Threads = None,
) -> None:
    """Film how noise becomes images: chains of an energy, or samples of a diffusion model.

    Example: toyflows animate images jem28 --class A --out a.gif
    """
    with refusing():
        from toyflows import film

        film.check_out(out)
        made = film.chain(
            checkpoint, count=count, letter=class_, steps=_given(steps), temperature=temperature,
            sampler=sampler, spacing=spacing, options=named_values(p or []), guidance=guidance,
            seed=seed, threads=threads, seconds=seconds, fps=fps, size=(width, height),
        )  # fmt: skip
        _save(made, out)


def _given(steps: int | None) -> int:
    """Steps, 0 where nothing is said."""
    if steps is not None and steps < 1:
        raise InputError("steps", steps, "must be 1 or more")
    return steps or 0


def _save(made: Film, out: Path) -> None:

    with progress_bar("frames", made.frames) as tell:
        made.save(out, tell)
    kilobytes = out.stat().st_size / 1000
    print(f"{made.frames} frames, {made.frames / made.fps:g} s, {kilobytes:.0f} kB")
    print(f"saved   {out}")
