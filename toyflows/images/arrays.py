"""Images and labels in the files that courses hand out: NumPy's and MNIST's idx, packed or not.

images (n, h, w), labels (n,)            also x_train, y_train (Keras); X, y; data, target
(n, h, w, 1), (n, 1, h, w), (n, h w)     the same images; (n, h, w, 3) are colours
(n, 1), (n, classes) with a 1 in each    the same labels
train-images-idx3-ubyte.gz               its labels lie beside it: train-labels-idx1-ubyte.gz
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows import archive
from toyflows.archive import Unreadable

# Of an archive, the images and their labels; what it keeps for tests is left there.
NAMES = {"images": "labels", "x_train": "y_train", "X_train": "y_train", "train_images":
         "train_labels", "X": "y", "x": "y", "data": "target", "arr_0": "arr_1"}  # fmt: skip
IDX = b"\0\0\x08"  # of unsigned bytes; then the number of axes
LARGEST = 1 << 30  # bytes of a file
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow


def load(path: Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Images (n, h, w) as they are kept, and their labels (n,), or None. Raises Unreadable."""
    raw = _content(path)
    if raw.startswith(IDX):
        images, labels = _idx(raw), _beside(path)
    elif raw.startswith(b"PK"):
        images, labels = _of_archive(raw)
    elif raw.startswith(b"\x93NUMPY"):
        images, labels = archive.array(raw), None
    elif path.suffix.lower() == ".npz":
        raise Unreadable("is not a numpy archive (.npz)")
    else:
        raise Unreadable("is neither a folder nor an .npz, .npy or idx file of images")
    return _as_images(images), None if labels is None else _as_labels(labels)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise Unreadable(f"holds more than {LARGEST >> 20} MB")
    return archive.unpacked(raw) if raw.startswith(b"\x1f\x8b") else raw


def _of_archive(raw: bytes) -> tuple[NDArray[Any], NDArray[Any] | None]:
    def chosen(there: list[str]) -> list[str]:
        name = next((n for n in NAMES if n in there), there[0] if len(there) == 1 else None)
        if name is None:
            held = ", ".join(there)[:200] or "nothing"
            raise Unreadable(f"holds no array named images (n, h, w), but {held}; usual names are "
                           f"{', '.join(NAMES)}")  # fmt: skip
        return [name, *(label for label in [NAMES.get(name)] if label in there and label)]

    images, *labels = archive.arrays(raw, chosen).values()
    return images, labels[0] if labels else None


def _idx(raw: bytes) -> NDArray[np.uint8]:
    axes = raw[3]
    shape = tuple(int.from_bytes(raw[4 * k : 4 * k + 4]) for k in range(1, axes + 1))
    start = 4 + 4 * axes
    if len(raw) - start != math.prod(shape) or not axes:
        raise Unreadable(f"is damaged: an idx file of shape {shape} has {len(raw) - start} bytes")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def _beside(path: Path) -> NDArray[np.uint8] | None:
    """The labels of an idx file of images, where they lie in the same folder."""
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    for there in (name, name.removesuffix(".gz"), f"{name}.gz"):
        labels = path.with_name(there)
        if there != path.name and labels.is_file():
            return _idx(_content(labels))
    return None


def _as_images(values: Any) -> NDArray[Any]:
    """(n, h, w), whatever axes are left of colour and of flattening."""
    shape = np.shape(values)
    if not isinstance(values, np.ndarray):
        raise Unreadable("is damaged: it holds no array")
    if values.dtype.kind not in "biuf":
        raise Unreadable(f"images holds {values.dtype} values; must be numbers")
    if len(shape) == 4 and shape[-1] == 1:
        return values[..., 0]
    if len(shape) == 4 and shape[1] == 1:
        return values[:, 0]
    if len(shape) == 4 and shape[-1] == 3:
        return np.asarray(np.rint(values @ np.array(LUMA)) if values.dtype.kind in "iu"
                          else values @ np.array(LUMA))  # fmt: skip
    if len(shape) == 2 and math.isqrt(shape[1]) ** 2 == shape[1] > 1:
        return values.reshape(-1, math.isqrt(shape[1]), math.isqrt(shape[1]))
    if len(shape) != 3:
        raise Unreadable(f"images has shape {shape}; must be (n, h, w), (n, h, w, 1 or 3), and "
                       "(n, h²) of squares")  # fmt: skip
    if shape[0] == shape[1] < shape[2]:  # as MATLAB keeps them
        raise Unreadable(f"images has shape {shape}: are these {shape[0]} images or {shape[2]}? "
                       f"Save ({shape[0]}, {shape[1]}, {shape[2]}, 1), or move the last axis to "
                       "the front")  # fmt: skip
    return values


def _as_labels(values: Any) -> NDArray[Any]:
    """(n,), of one-hot rows the place of the 1, of whole numbers integers."""
    labels = np.asarray(values)
    if labels.dtype.kind in "f" and (labels == np.rint(labels)).all():
        labels = labels.astype(np.int64)
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    if labels.ndim == 2 and labels.dtype.kind in "iub" and len(labels):
        ones = np.asarray(labels, np.int64)
        if ((ones == 0) | (ones == 1)).all() and (ones.sum(axis=1) == 1).all():
            return ones.argmax(axis=1)
    return labels
