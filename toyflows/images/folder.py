"""A user's own images: a folder of classes, or a NumPy archive, as the parts a model learns from.

    letters/a/01.png  letters/a/02.jpg  letters/b/x.tif …     a class is a subfolder
    digits.npz, train-images-idx3-ubyte.gz …                  arrays; whole numbers fill their bits

Grey only: colours become their luma, what is transparent becomes white. The longer side is fitted
to `size` by a filter that averages (Lanczos), the rest filled with the grey of the border. Black is
−1, white 1. A picture that cannot be read is left out and named; of many pages the first is read.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from toyflows.archive import Unreadable
from toyflows.cloud import Array
from toyflows.errors import InputError, near
from toyflows.images import arrays
from toyflows.images.base import Images, Parts, checked_size, split
from toyflows.pictures import Labels, Levels, levels, pixels

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
WHITES = (1, 15, 16, 255, 1023, 4095, 16383, 65535)
DIM = 32  # of 255: a set without a lighter pixel was kept in other units
CURE = "divide them by what is white, and save floats from 0 to 1 in an .npz"
LARGEST = 64_000_000  # pixels of a picture: a file of a few bytes can claim any number
FEWEST = 4  # images of a class that leave one to judge by


@dataclass(frozen=True, eq=False)
class Folder(Parts):
    """The three parts, and what was left out: (file, why) for each file that gave no image."""

    skipped: tuple[tuple[str, str], ...]
    __repr__ = Parts.__repr__


def load(
    source: str, size: int, seed: int = 0, labelled: bool = False, known: Collection[str] = ()
) -> Folder:
    """The images of a folder or of an .npz, 70 % / 15 % / 15 % of each class by the seed.

    `labelled` asks for two classes or more; `known` are names of other sets that may be meant.
    Equal files give equal parts, in whatever order the system lists them. Raises InputError:
    "size", or "data" for what cannot be learned from.
    """
    checked_size(size)
    path = Path(source)
    skipped: list[tuple[str, str]] = []
    try:
        if path.is_dir():
            x, y, classes = _read_folder(path, size, skipped)
        elif path.is_file():
            x, y, classes = _read_arrays(path, size)
        else:
            there = "is neither a folder nor" if path.exists() else "there is no such folder, nor"
            _refuse(source, f"{there} an .npz, .npy or idx file{near(source, known)}")
    except OSError as error:
        _refuse(source, f"cannot be read ({error.strerror or error})")
    except Unreadable as error:
        _refuse(source, str(error))
    if 0 < x.max() < DIM:
        _refuse(source, f"its lightest pixel is {x.max()} of 255: {CURE}")
    if labelled and len(classes) < 2:
        _refuse(source, "has one class only; a classifier needs a subfolder (or a label) for each")
    train, valid, test = split(y, seed)
    if not test.size:
        most = int(np.bincount(y).max())
        _refuse(source, f"at most {most} images a class; at least {FEWEST} leave one to judge by")
    learn, choose, judge = (Images(pixels(x[rows]), y[rows]) for rows in (train, valid, test))
    return Folder(learn, choose, judge, classes, tuple(skipped))


def _refuse(source: str | Path, why: str) -> NoReturn:
    raise InputError("data", source, " ".join(why.split()))


# ---- folders


def _read_folder(
    folder: Path, size: int, skipped: list[tuple[str, str]]
) -> tuple[Levels, Labels, tuple[str, ...]]:
    """Grey levels (n, size, size), classes (n,) and their names; files without an image are named
    in `skipped`. Pictures in the folder itself are one class where no subfolder has any."""
    inside = {d.name: _files(d, deep=True) for d in sorted(folder.iterdir()) if _is_class(d)}
    loose = _files(folder, deep=False)
    if not loose and not any(inside.values()):
        _refuse(folder, "is empty; must be a subfolder of PNG, JPEG or TIFF files for each class")
    grouped = inside if any(map(_any_picture, inside.values())) else {folder.name: loose}
    white = _depth(f for files in grouped.values() for f in files)
    told = loose if grouped is inside else [f for files in inside.values() for f in files]
    skipped += [(_relative(f, folder), "is not in the subfolder of a class") for f in told]
    images: list[Levels] = []
    labels: list[int] = []
    classes: list[str] = []
    for name, files in grouped.items():
        made = [x for f in files if (x := _image(f, folder, size, skipped, white)) is not None]
        if made:
            images += made
            labels += [len(classes)] * len(made)
            classes.append(name)
    if not images:
        first = f"; {skipped[0][0]}: {skipped[0][1]}" if skipped else ""
        _refuse(folder, f"has no readable PNG, JPEG or TIFF file{first}; an idx file or an archive "
                 "is given by its own name")  # fmt: skip
    return np.stack(images), np.array(labels), tuple(classes)


def _depth(files: Iterable[Path]) -> int | None:
    """What is white in the pictures of 16 bits: one number for all of them."""
    high = max(map(_brightest, files), default=0)
    return _white(0, high, deep=True) if high else None


def _brightest(path: Path) -> int:
    """The largest number in a picture of 16 bits; 0 for any other, and for what is none."""
    from PIL import Image

    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return 0
    try:
        with warnings.catch_warnings(), Image.open(path, formats=FORMATS) as picture:
            warnings.simplefilter("ignore")
            if not picture.mode.startswith("I") or picture.width * picture.height > LARGEST:
                return 0
            return min(65535, int(np.asarray(picture).max()))
    except Exception:  # told when it is read
        return 0


def _is_class(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _files(folder: Path, deep: bool) -> list[Path]:
    """Files that are not hidden, by name; `deep` looks into subfolders too."""
    found = folder.rglob("*") if deep else folder.iterdir()
    seen = [
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    return sorted(path for path in seen if not path.is_dir())


def _any_picture(files: list[Path]) -> bool:
    return any(f.suffix.lower() in SUFFIXES for f in files)


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _image(
    path: Path, folder: Path, size: int, skipped: list[tuple[str, str]], white: int | None = None
) -> Levels | None:
    """The picture as grey levels (size, size), or None and a line in `skipped`."""
    try:
        return levels(2.0 * fitted(_grey(path, LARGEST, white), size) - 1.0)
    except Unreadable as error:
        skipped.append((_relative(path, folder), str(error)))
        return None


# ---- one picture


def picture(source: str, option: str, largest: int) -> Array:
    """The grey (h, w) in [0, 1] of one file of at most `largest` pixels, or InputError(option)."""
    try:
        return _grey(Path(source), largest)
    except Unreadable as error:
        raise InputError(option, source, str(error)) from None


def _grey(path: Path, largest: int, white: int | None = None) -> Array:
    """The picture's grey (h, w) in [0, 1], turned as its camera says."""
    from PIL import ImageOps

    if path.suffix.lower() not in SUFFIXES:
        raise Unreadable(f"is not named {', '.join(SUFFIXES)}")
    if not path.is_file():  # a pipe would be waited for, for ever
        raise Unreadable("is not a file")
    if not path.stat().st_size:
        raise Unreadable("is empty")
    large = f"has more than {largest:,} pixels"
    with opened(path, FORMATS, large) as picture:
        if picture.width * picture.height > largest:
            raise Unreadable(large)
        return luma(ImageOps.exif_transpose(picture), white)


@contextlib.contextmanager
def opened(source: Path | io.BytesIO, formats: tuple[str, ...], large: str) -> Iterator[Image]:
    """The picture of one of these formats. Raises Unreadable for anything else, and for whatever
    goes wrong inside; `large` says what a picture is that Pillow finds too large."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata; what is too large is refused
            with Image.open(source, formats=formats) as picture:
                yield picture
    except Unreadable:
        raise
    except Image.DecompressionBombError:
        raise Unreadable(large) from None
    except UnidentifiedImageError:
        raise Unreadable(f"is no {', '.join(formats[:-1])} or {formats[-1]}") from None
    except PermissionError:
        raise Unreadable("may not be read (permission denied)") from None
    except Exception as error:  # Pillow and its decoders raise a dozen kinds on a damaged file
        raise Unreadable(f"is damaged ({' '.join(str(error).split())[:80]})") from None


def luma(picture: Image, top: int | None = None) -> Array:
    """The picture's grey (h, w) in [0, 1]; `top` is white (16 bits), else it is found."""
    if picture.mode.startswith("I"):  # 16 bits, which Pillow's own conversion cuts at 255
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 65535:
            raise Unreadable("has more than 16 bits a pixel")
        return values / (top or _white(0, values.max(), deep=True))
    if picture.mode == "F":
        return _unit(np.asarray(picture, np.float64))
    if "transparency" in picture.info or picture.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
        paper = picture.convert("RGBA")
        white = paper.copy()
        white.paste("white", (0, 0, *paper.size))
        white.alpha_composite(paper)
        picture = white
    return np.asarray(picture.convert("L"), np.float64) / 255


def _unit(values: np.ndarray) -> Array:
    """Numbers of any usual kind as grey in [0, 1]."""
    if values.dtype.kind == "b":
        return values.astype(np.float64)
    if values.dtype.kind not in "iuf":
        raise Unreadable(f"holds {values.dtype} values; must be numbers")
    if not values.size:
        raise Unreadable("holds no pixel")
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind == "f" and not (high > 1 and (values == np.rint(values)).all()):
        if 0 <= low <= high <= 1:
            return values.astype(np.float64)
        if -1 <= low <= high <= 1 and max(-low, high) > 0.5:
            return (values.astype(np.float64) + 1) / 2
        must = f"holds {low:g} … {high:g}; must be, for floats: [0, 1] or [−1, 1]"
        raise Unreadable(must if max(-low, high) > 1 else f"{must}, black to white")
    return values / _white(low, high, values.dtype == np.uint16)


def _white(low: float, high: float, deep: bool = False) -> int:
    """What is white among whole numbers that reach from low to high: the last number of the bits
    that they fill (or 16, of scikit-learn's digits); `deep`: they are kept in 16 bits. Raises
    Unreadable where none fits."""
    top = next((t for t in WHITES if high == t), 65535 if deep or high > 255 else 255)
    if low < 0 or high > top:
        raise Unreadable(f"holds {low:g} … {high:g}; must be, for integers: 0 … 255 or 0 … 65535")
    if 0 < high < (top + 1) / 2:
        raise Unreadable(f"holds {low:g} … {high:g} where white may be {top}; {CURE}")
    return top


def fitted(grey: Array, size: int) -> Array:
    """The picture (h, w) with its longer side `size`, in the middle of a square of its border."""
    from PIL import Image

    h, w = grey.shape
    longer = max(h, w)
    high, wide = max(1, round(size * h / longer)), max(1, round(size * w / longer))
    if (high, wide) != (h, w):
        small = Image.fromarray(grey.astype(np.float32))
        grey = np.asarray(small.resize((wide, high), Image.Resampling.LANCZOS), np.float64)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    square = np.full((size, size), np.median(border))
    top, left = (size - high) // 2, (size - wide) // 2
    square[top : top + high, left : left + wide] = grey
    return np.clip(square, 0.0, 1.0)  # Lanczos overshoots at edges


# ---- arrays


def _read_arrays(path: Path, size: int) -> tuple[Levels, Labels, tuple[str, ...]]:
    values, named = arrays.load(path)
    try:
        grey = _unit(values)
    except Unreadable as error:
        raise Unreadable(f"images {error}") from None
    x = np.stack([levels(2.0 * fitted(image, size) - 1.0) for image in grey])
    return x, *_classes(path, named, len(x))


def _classes(path: Path, named: Any, n: int) -> tuple[Labels, tuple[str, ...]]:
    """Places of the labels among their sorted names; without labels all are of one class."""
    if named is None:
        return np.zeros(n, np.int64), (path.stem,)
    if named.shape != (n,):
        _refuse(path, f"labels has shape {named.shape}; must be ({n},), one for each image")
    if named.dtype.kind not in "iuUb":
        _refuse(path, f"labels holds {named.dtype} values; must be integers or text")
    names, y = np.unique(named, return_inverse=True)
    return y.astype(np.int64), tuple(map(str, names.tolist()))
