"""A user's own images: what can be read is read right, the rest is named; all refusals."""

from __future__ import annotations

import gzip
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from toyflows.errors import InputError
from toyflows.images import folder, shifted
from toyflows.pictures import levels

SIZE = 16


def picture(value: int, side: int = SIZE, mark: int = 0) -> Image.Image:
    """Grey `value`; one pixel tells pictures apart."""
    grey = np.full((side, side), value, np.uint8)
    grey[side // 2, side // 2] = mark
    return Image.fromarray(grey)


def write_classes(root: Path, each: int = 10, suffix: str = ".png") -> Path:
    """Classes dark (grey 50) and light (grey 200)."""
    for name, value in (("dark", 50), ("light", 200)):
        (root / name).mkdir(parents=True)
        for k in range(each):
            picture(value, mark=k).save(root / name / f"{k:02}{suffix}")
    return root


def everything(found: folder.Folder) -> tuple[np.ndarray, np.ndarray]:
    parts = (found.train, found.valid, found.test)
    return np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts])


def one(path: Path, size: int = SIZE) -> np.ndarray:
    """The grey levels that the single picture `path` becomes."""
    skipped: list[tuple[str, str]] = []
    image = folder._image(path, path.parent, size, skipped)
    assert image is not None, skipped
    return image


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.name == "data"
    assert "\n" not in str(caught.value)
    return caught.value.why


# ---- folders


def test_classes_are_subfolders_by_name(tmp_path: Path) -> None:
    found = folder.load(str(write_classes(tmp_path)), SIZE, labelled=True)
    assert found.classes == ("dark", "light")
    assert found.skipped == ()
    assert [np.bincount(p.y).tolist() for p in (found.train, found.valid, found.test)] == [
        [6, 6], [2, 2], [2, 2],
    ]  # fmt: skip
    x, y = everything(found)
    assert x.dtype == np.float32
    assert np.array_equal(levels(x[:, 0, 0]), np.where(y == 0, 50, 200))
    assert sorted(levels(x[:, 8, 8]).tolist()) == sorted(2 * list(range(10)))  # each exactly once


def test_equal_files_give_equal_parts_in_any_order_of_writing(tmp_path: Path) -> None:
    first = folder.load(str(write_classes(tmp_path / "a")), SIZE, seed=3)
    other = tmp_path / "b"
    for path in sorted((tmp_path / "a").rglob("*.png"), reverse=True):
        copy = other / path.relative_to(tmp_path / "a")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    assert folder.load(str(other), SIZE, seed=3).data_hash == first.data_hash
    assert folder.load(str(other), SIZE, seed=4).data_hash != first.data_hash
    picture(51).save(other / "dark" / "00.png")
    assert folder.load(str(other), SIZE, seed=3).data_hash != first.data_hash


def test_the_order_of_the_system_s_listing_is_nothing(tmp_path: Path, monkeypatch) -> None:
    write_classes(tmp_path)
    first = folder.load(str(tmp_path), SIZE).data_hash
    for name in ("rglob", "iterdir"):
        listed = getattr(Path, name)
        for k in (0, 1):  # of the two orders at least one is not the sorted one

            def listing(path: Path, *pattern: str, listed=listed, k=k):
                return iter(sorted(listed(path, *pattern), reverse=bool(k)))

            monkeypatch.setattr(Path, name, listing)
            assert folder.load(str(tmp_path), SIZE).data_hash == first


def test_pictures_below_a_class_are_of_it_and_hidden_ones_are_nowhere(tmp_path: Path) -> None:
    write_classes(tmp_path)
    (tmp_path / "dark" / "more").mkdir()
    picture(50).save(tmp_path / "dark" / "more" / "x.png")
    for hidden in (".thumbs", "light/.cache"):
        (tmp_path / hidden).mkdir()
        picture(9).save(tmp_path / hidden / "x.png")
    (tmp_path / ".DS_Store").write_text("x")
    found = folder.load(str(tmp_path), SIZE)
    assert len(everything(found)[0]) == 21
    assert found.skipped == ()


def test_a_folder_of_pictures_is_one_class(tmp_path: Path) -> None:
    root = tmp_path / "own"
    root.mkdir()
    for k in range(8):
        picture(100, mark=k).save(root / f"{k}.png")
    (root / "notes").mkdir()
    (root / "notes" / "a.txt").write_text("x")
    found = folder.load(str(root), SIZE)
    assert found.classes == ("own",)
    assert found.skipped == (("notes/a.txt", "is not in the subfolder of a class"),)
    assert "one class only" in refusal(lambda: folder.load(str(root), SIZE, labelled=True))


def test_what_cannot_be_read_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    write_classes(tmp_path)
    dark = tmp_path / "dark"
    good = (dark / "00.png").read_bytes()
    (dark / "cut.png").write_bytes(good[: len(good) // 2])
    (dark / "empty.png").write_bytes(b"")
    (dark / "notes.txt").write_text("x")
    (dark / "renamed.dat").write_bytes(good)
    (dark / "text.jpg").write_text("no picture")
    picture(50).save(dark / "gif.png", format="GIF")
    (tmp_path / "loose.png").write_bytes(good)
    Image.fromarray(np.full((4, 4), 7.5, np.float32)).save(dark / "float.tif")
    (dark / "link.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(dark / "pipe.png")
    found = folder.load(str(tmp_path), SIZE)
    assert len(everything(found)[0]) == 20
    why = dict(found.skipped)
    assert len(why) == len(found.skipped) == 10
    assert why.pop("dark/cut.png").startswith("is damaged (")
    named = "is not named .png, .jpg, .jpeg, .tif, .tiff"
    assert why == {
        "loose.png": "is not in the subfolder of a class",
        "dark/empty.png": "is empty",
        "dark/notes.txt": named,
        "dark/renamed.dat": named,
        "dark/text.jpg": "is no PNG, JPEG or TIFF",
        "dark/gif.png": "is no PNG, JPEG or TIFF",
        "dark/float.tif": "holds 7.5 … 7.5; must be, for floats: [0, 1] or [−1, 1]",
        "dark/link.png": "is not a file",
        "dark/pipe.png": "is not a file",
    }


def test_a_picture_that_claims_too_many_pixels_is_not_unpacked(tmp_path, monkeypatch) -> None:
    write_classes(tmp_path)
    monkeypatch.setattr(folder, "LARGEST", 300)
    picture(50, side=18).save(tmp_path / "dark" / "large.png")
    found = folder.load(str(tmp_path), SIZE)
    assert found.skipped == (("dark/large.png", "has more than 300 pixels"),)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow's own alarm
    assert ("dark/large.png", "has more than 300 pixels") in folder.load(
        str(write_classes_and(tmp_path / "b")), SIZE
    ).skipped


def write_classes_and(root: Path) -> Path:
    """Pictures of 14 × 14 (below Pillow's alarm of 200), and a large one."""
    for name in ("dark", "light"):
        (root / name).mkdir(parents=True)
        for k in range(5):
            picture(50, side=9, mark=k).save(root / name / f"{k}.png")
    picture(50, side=18).save(root / "dark" / "large.png")
    return root


def test_a_class_without_a_readable_picture_is_no_class(tmp_path: Path) -> None:
    write_classes(tmp_path)
    (tmp_path / "middle").mkdir()
    (tmp_path / "middle" / "x.png").write_bytes(b"")
    found = folder.load(str(tmp_path), SIZE)
    assert found.classes == ("dark", "light")
    assert set(everything(found)[1].tolist()) == {0, 1}
    assert found.skipped == (("middle/x.png", "is empty"),)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: None, "is empty"),
        (lambda p: (p / "a").mkdir(), "is empty"),
        (lambda p: (p / "a.png").write_bytes(b""), "no readable PNG, .*; a.png: is empty"),
        (lambda p: (p / "a.txt").write_text("x"), "no readable PNG, .*; a.txt: is not named"),
        (lambda p: write_classes(p, each=3), "at most 3 images a class; at least 4"),
    ],
)
def test_folders_that_are_refused(make, said, tmp_path: Path) -> None:
    make(tmp_path)
    assert re.search(said, refusal(lambda: folder.load(str(tmp_path), SIZE)))


def test_no_folder_and_no_size(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1")
    for name, said in (("nowhere", "there is no such"), ("a.csv", "neither a folder nor")):
        assert said in refusal(lambda name=name: folder.load(str(tmp_path / name), SIZE))
    with pytest.raises(InputError, match="must be 16") as caught:
        folder.load(str(tmp_path), 3)
    assert caught.value.name == "size"


# ---- one picture


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".tif", ".tiff", ".PNG"])
def test_formats_of_the_same_grey(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.new("L", (20, 20), 90).save(path)
    assert np.array_equal(one(path), np.full((SIZE, SIZE), 90))


def test_the_content_counts_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    picture(90, mark=3).save(path, format="PNG")
    assert one(path)[8, 8] == 3


@pytest.mark.parametrize(
    ("mode", "colour", "grey"),
    [
        ("1", 1, 255),
        ("L", 77, 77),
        ("P", 77, 77),
        ("RGB", (255, 0, 0), 76),  # the luma of red, 0.299
        ("RGBA", (0, 255, 0, 255), 150),  # of green, 0.587
        ("RGBA", (0, 0, 0, 0), 255),  # nothing there: white
        ("RGBA", (0, 0, 0, 51), 204),  # a fifth of black
        ("LA", (10, 255), 10),
        ("LA", (10, 0), 255),
    ],
)
def test_colours_palettes_and_transparency(tmp_path: Path, mode, colour, grey) -> None:
    path = tmp_path / "a.png"
    image = Image.new(mode, (SIZE, SIZE), colour)
    if mode == "P":
        image.putpalette([k for k in range(256) for _ in range(3)])
    image.save(path)
    assert np.abs(one(path).astype(int) - grey).max() <= 1


def test_a_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    """Of the colours 0 (red, transparent) and 1 (black)."""
    image = Image.new("P", (SIZE, SIZE), 0)
    image.putpalette([255, 0, 0, 0, 0, 0])
    image.paste(1, (0, 0, 8, SIZE))
    image.save(tmp_path / "a.png", transparency=0)
    grey = one(tmp_path / "a.png")
    assert (grey[:, :8] == 0).all()
    assert (grey[:, 8:] == 255).all()


def test_cmyk_jpeg(tmp_path: Path) -> None:
    Image.new("RGB", (SIZE, SIZE), (128, 128, 128)).convert("CMYK").save(tmp_path / "a.jpg")
    assert np.abs(one(tmp_path / "a.jpg").astype(int) - 128).max() <= 2


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_not_cut(tmp_path: Path, suffix: str) -> None:
    ramp = np.tile(np.linspace(0, 65535, SIZE).astype(np.uint16), (SIZE, 1))
    Image.fromarray(ramp).save(tmp_path / f"a{suffix}")
    assert np.array_equal(one(tmp_path / f"a{suffix}"), np.rint(ramp / 257).astype(np.uint8))


def test_sixteen_bits_that_are_not_filled(tmp_path: Path) -> None:
    """Twelve bits are read as such where the lightest pixel says so, and asked about else."""
    for number, high in enumerate((4095, 3000)):
        ramp = np.tile(np.linspace(0, high, SIZE).astype(np.uint16), (SIZE, 1))
        for k in range(4):
            (tmp_path / str(number)).mkdir(exist_ok=True)
            Image.fromarray(ramp // (1 + k)).save(tmp_path / str(number) / f"{k}.png")
    x = folder.load(str(tmp_path / "0"), SIZE).train.x
    assert {int(levels(image).max()) for image in x} <= {255, 127, 85, 64, 63}
    why = refusal(lambda: folder.load(str(tmp_path / "1"), SIZE))
    assert why.startswith("holds 0 … 3000 where white may be 65535; divide them by")


def test_float_tiff_and_more_than_sixteen_bits(tmp_path: Path) -> None:
    Image.fromarray(np.full((SIZE, SIZE), 0.25, np.float32)).save(tmp_path / "a.tif")
    assert (one(tmp_path / "a.tif") == 64).all()
    Image.fromarray(np.full((4, 4), 70_000, np.int32)).save(tmp_path / "b.tif")
    skipped: list[tuple[str, str]] = []
    assert folder._image(tmp_path / "b.tif", tmp_path, SIZE, skipped) is None
    assert skipped == [("b.tif", "has more than 16 bits a pixel")]


def test_the_first_page_is_read(tmp_path: Path) -> None:
    pages = [Image.new("L", (SIZE, SIZE), v) for v in (40, 200)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert (one(tmp_path / "a.tif") == 40).all()


def test_a_picture_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    """Orientation 3: upside down."""
    grey = np.zeros((SIZE, SIZE), np.uint8)
    grey[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(grey).save(tmp_path / "a.png", exif=exif)
    assert (one(tmp_path / "a.png")[-4:] == 255).all()


# ---- size


def test_at_its_own_size_a_picture_is_not_touched(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE)).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert np.array_equal(one(tmp_path / "a.png"), grey)


def test_shrinking_averages(tmp_path: Path) -> None:
    """A chessboard of single pixels, ten times too large, is grey and not a moiré."""
    board = (np.indices((160, 160)).sum(axis=0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "a.png")
    assert np.abs(one(tmp_path / "a.png").astype(int) - 127.5).max() < 8


def test_a_picture_keeps_its_shape_and_is_framed_in_the_grey_of_its_border(tmp_path) -> None:
    wide = np.full((20, 40), 200, np.uint8)
    wide[8:12, 18:22] = 0
    Image.fromarray(wide).save(tmp_path / "a.png")
    grey = one(tmp_path / "a.png", 20)
    assert (grey[:5] == 200).all()
    assert (grey[-5:] == 200).all()
    inked = np.argwhere(grey < 100)
    assert inked.min(axis=0).tolist() == [9, 9]
    assert inked.max(axis=0).tolist() == [10, 10]


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (3, 17)])
def test_odd_shapes(tmp_path: Path, shape: tuple[int, int]) -> None:
    Image.fromarray(np.full(shape, 90, np.uint8)).save(tmp_path / "a.png")
    assert (one(tmp_path / "a.png") == 90).all()


# ---- archives


def archive(path: Path, **arrays: object) -> str:
    np.savez(path / "own.npz", **arrays)
    return str(path / "own.npz")


GREY = np.tile(np.arange(236, 256, dtype=np.uint8)[:, None, None], (1, SIZE, SIZE))


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (GREY, range(236, 256)),
        (GREY.astype(np.int64), range(236, 256)),
        (GREY.astype(np.uint16) * 257, range(236, 256)),
        (GREY.astype(np.uint16), range(236, 256)),  # eight bits in sixteen
        ((GREY - 236).astype(np.int32) * 257 * 13, range(0, 260, 13)),
        (GREY / 255, range(236, 256)),
        (GREY * 1.0, range(236, 256)),
        (((GREY - 236) * 13 / 255 * 2 - 1).astype(np.float32), range(0, 260, 13)),
        (GREY > 245, [0] * 10 + [255] * 10),
        ((GREY > 245) * 1, [0] * 10 + [255] * 10),
        ((GREY > 245) * 16.0, [0] * 10 + [255] * 10),  # scikit-learn's digits
        ((GREY > 245) * 15, [0] * 10 + [255] * 10),
        ((GREY > 245) * 4095, [0] * 10 + [255] * 10),
    ],
)
def test_numbers_of_every_usual_kind(tmp_path: Path, images, expected) -> None:
    found = folder.load(archive(tmp_path, images=images), SIZE)
    x, y = everything(found)
    assert sorted(levels(x[:, 0, 0]).tolist()) == list(expected)
    assert found.classes == ("own",)
    assert not y.any()


@pytest.mark.parametrize("labels", [[7, 10] * 10, ["a", "ß"] * 10, [False, True] * 10])
def test_labels_are_numbers_or_text(tmp_path: Path, labels) -> None:
    path = archive(tmp_path, images=GREY, labels=np.array(labels))
    found = folder.load(path, SIZE, labelled=True)
    assert found.classes == tuple(map(str, sorted(set(labels))))
    x, y = everything(found)
    assert np.array_equal(levels(x[:, 0, 0]) % 2, y)


def test_images_of_an_archive_are_fitted_too(tmp_path: Path) -> None:
    found = folder.load(archive(tmp_path, images=np.full((9, 30, 10), 160, np.uint8)), 24)
    assert found.train.x.shape == (7, 24, 24)
    assert (levels(found.train.x) == 160).all()


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"u": GREY, "v": GREY}, "holds no array named images (n, h, w), but u, v; usual names"),
        ({"images": GREY - 236}, "images holds 0 … 19 where white may be 255; divide them by"),
        (
            {"images": GREY.astype(int) * 12},
            "images holds 2832 … 3060 where white may be 65535; divide",
        ),
        ({"images": (GREY - 236) / 255}, "its lightest pixel is 19 of 255: divide them by"),
        ({}, "but nothing"),
        ({"images": GREY[0, :, :15]}, "images has shape (16, 15); must be (n, h, w)"),
        ({"images": GREY[:, :, :8]}, ""),
        ({"images": np.moveaxis(GREY, 0, -1)}, "are these 16 images or 20? Save (16, 16, 20, 1)"),
        ({"images": (GREY - 236) / 19 - 0.5}, "holds -0.5 … 0.5; must be, for floats: [0, 1] or"),
        ({"images": GREY[:0]}, "images holds no pixel"),
        ({"images": GREY[:, :0]}, "images holds no pixel"),
        ({"images": GREY * 1.5}, "images holds 354 … 382.5; must be, for floats"),
        ({"images": GREY.astype(int) - 237}, "images holds -1 … 18; must be, for integers"),
        ({"images": GREY * np.nan}, "images holds nan … nan; must be, for floats"),
        ({"images": GREY.astype(complex)}, "images holds complex128 values"),
        ({"images": GREY.astype(object)}, "pickled Python objects, which are never loaded"),
        ({"images": GREY, "labels": np.zeros(19, int)}, "labels has shape (19,); must be (20,)"),
        ({"images": GREY, "labels": np.full(20, 0.5)}, "labels holds float64 values"),
        ({"images": GREY[:3]}, "at most 3 images a class"),
        ({"images": GREY, "labels": np.zeros(20, int)}, ""),
    ],
)
def test_archives_that_are_refused(tmp_path: Path, arrays, said: str) -> None:
    path = archive(tmp_path, **arrays)
    why = refusal(lambda: folder.load(path, SIZE, labelled=said == ""))
    assert said in why if said else "one class only" in why


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped", "foreign"])
def test_damaged_archives(tmp_path: Path, damage: str) -> None:
    path = Path(archive(tmp_path, images=GREY))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    contents = {"empty": b"", "text": b"no", "cut": bytes(raw[:999]), "flipped": bytes(raw)}
    if damage == "foreign":
        with zipfile.ZipFile(path, "w") as zipped:
            zipped.writestr("images", "x")
    else:
        path.write_bytes(contents[damage])
    why = refusal(lambda: folder.load(str(path), SIZE))
    assert "damaged" in why or "not a numpy archive" in why or "holds no array" in why


# ---- what follows


def test_outsiders_are_made_for_own_images_too(tmp_path: Path) -> None:
    found = folder.load(str(write_classes(tmp_path)), SIZE)
    for make in shifted.SETS.values():
        assert make(found, 0).shape == (4, SIZE, SIZE)


def test_seed_and_labels_of_the_split_are_by_class(tmp_path: Path) -> None:
    """Of 40 and 4 images, 6 + 6 and 1 + 1 are set aside."""
    images = np.zeros((44, SIZE, SIZE), np.uint8)
    found = folder.load(archive(tmp_path, images=images, labels=np.repeat([0, 1], [40, 4])), SIZE)
    assert np.bincount(found.test.y).tolist() == np.bincount(found.valid.y).tolist() == [6, 1]


# ---- what courses hand out


def idx(array: np.ndarray) -> bytes:
    """MNIST's format."""
    head = b"\0\0\x08" + bytes([array.ndim])
    return head + b"".join(n.to_bytes(4) for n in array.shape) + array.astype(np.uint8).tobytes()


LABELS = np.arange(20) % 4


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_mnist_as_it_is_handed_out(tmp_path: Path, packed: str) -> None:
    write = gzip.compress if packed else bytes
    images = tmp_path / f"train-images-idx3-ubyte{packed}"
    images.write_bytes(write(idx(GREY)))
    assert folder.load(str(images), SIZE).classes == (images.stem,)
    (tmp_path / f"train-labels-idx1-ubyte{packed}").write_bytes(write(idx(LABELS)))
    found = folder.load(str(images), SIZE, labelled=True)
    x, y = everything(found)
    assert found.classes == ("0", "1", "2", "3")
    assert np.array_equal(levels(x[:, 0, 0]) % 4, y)
    images.write_bytes(write(idx(GREY)[:-1]))
    assert "is damaged: an idx file" in refusal(lambda: folder.load(str(images), SIZE))


@pytest.mark.parametrize(
    "arrays",
    [
        {"x_train": GREY, "y_train": LABELS, "x_test": GREY[:2], "y_test": LABELS[:2]},
        {"X": GREY.reshape(20, -1), "y": LABELS},
        {"images": GREY[..., None], "labels": LABELS[:, None]},
        {"images": GREY[:, None], "labels": np.eye(4)[LABELS]},
        {"images": np.repeat(GREY[..., None], 3, axis=-1), "labels": LABELS * 1.0},
        {"arr_0": GREY / 255, "arr_1": LABELS},
    ],
)
def test_usual_layouts_of_archives(tmp_path: Path, arrays) -> None:
    found = folder.load(archive(tmp_path, **arrays), SIZE, labelled=True)
    x, y = everything(found)
    assert sorted(levels(x[:, 3, 3]).tolist()) == list(range(236, 256))
    assert np.array_equal(levels(x[:, 0, 0]) % 4, y)
