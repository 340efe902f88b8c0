"""`toyflows ising denoise` cleans a black-and-white image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toyflows.cli import _options
from toyflows.cli._errors import refusing
from toyflows.cli._lattice import number, picture
from toyflows.cli._output import print_json, progress_bar, say_saved
from toyflows.errors import InputError

if TYPE_CHECKING:
    from toyflows.lattice.ising import Spins


def denoise(
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="A picture file, or one letter such as R.")
    ],
    noise: Annotated[float, typer.Option(help="Share of the pixels that are flipped.")] = 0.2,
    coupling: Annotated[
        float, typer.Option(help="Coupling J: neighbours agree more where J is larger.")
    ] = 0.6,
    noisy: Annotated[
        bool, typer.Option("--noisy", help="The image is noisy already; add no noise.")
    ] = False,
    sweeps: Annotated[int, typer.Option(help="Number of Gibbs sweeps in the average.")] = 200,
    burn: Annotated[
        int, typer.Option(help="Number of Gibbs sweeps before the average begins.")
    ] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the noise and of the Gibbs sweeps.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Save the images to a .png (side by side) or an .npz.")
    ] = None,
    json: _options.Json = False,
) -> None:
    """Flip pixels of a black-and-white image, and clean it by ICM, Gibbs and an exact minimal cut.

    Example: toyflows ising denoise R --noise 0.2 --out R.png
    """
    with refusing():
        from toyflows.files import check_writable
        from toyflows.images.uses import check_picture
        from toyflows.lattice.ising import MOST
        from toyflows.limits import check_seed, check_whole

        check_whole("sweeps", sweeps, 1, MOST)
        check_whole("burn", burn, 0, MOST)
        check_seed(seed)
        if out is not None:
            check_picture(out)
            check_writable(out)
        answers, rows = _cleaned(image, noise, coupling, noisy, sweeps, burn, seed)
        if out is not None:
            _save_images(out, answers)
        if json:
            print_json({"image": image, "noise": noise, "coupling": coupling, "answers": rows})
        else:
            _print_answers(rows, out)


def _black_and_white(image: str) -> Spins:
    """(h, w), ink or paper of the picture, light +1."""
    import numpy as np

    from toyflows.images import folder, glyphs
    from toyflows.lattice.denoise import LARGEST

    if len(image) == 1 and not Path(image).exists():
        if image not in glyphs.CLASSES + glyphs.DIGITS:
            raise InputError("image", image, "must be a picture file, a letter or a digit")
        grey = glyphs.master(image, "DejaVuSerif-Bold")
    else:
        grey = folder.picture(image, "image", LARGEST)
    return np.where(grey > 0.5, 1, -1).astype(np.int8)


def _cleaned(
    image: str, noise: float, coupling: float, noisy: bool, sweeps: int, burn: int, seed: int
) -> tuple[dict[str, Spins], list[dict[str, Any]]]:
    """The images by name, and a row of numbers for each."""
    import numpy as np

    from toyflows.lattice import denoise as cleaning

    model = cleaning.Posterior.of_noise(noise, coupling)
    x, rng = _black_and_white(image), np.random.default_rng(seed)
    y = x if noisy else cleaning.flipped(x, noise, rng)
    answers = {"seen": y, "ICM": cleaning.icm(model, y)[0]}
    with progress_bar("sweeps", burn + sweeps) as tell:
        mean = cleaning.gibbs(model, y, sweeps, burn, rng, tell)
    answers["Gibbs"] = np.where(mean > 0, 1, -1).astype(np.int8)
    answers["minimal cut"] = cleaning.mode(model, y)
    rows = [
        {
            "answer": name,
            "wrong": None if noisy else float(np.mean(z != x)),
            "energy": model.energy(z, y),
        }
        for name, z in answers.items()
    ]
    return ({} if noisy else {"image": x}) | answers, rows


def _save_images(path: Path, answers: dict[str, Spins]) -> None:
    import numpy as np

    from toyflows.files import whole_file

    with whole_file(path) as temporary:
        if path.suffix.lower() == ".npz":
            np.savez(temporary, **answers)  # type: ignore[arg-type]
        else:
            picture(temporary, list(answers.values()))


def _print_answers(rows: list[dict[str, Any]], out: Path | None) -> None:
    for row in rows:
        wrong = "" if row["wrong"] is None else f"{row['wrong']:8.2%} of the pixels wrong,"
        print(f"{row['answer']:12}{wrong} energy {number(row['energy'])}")
    say_saved([out] if out is not None else [])
