"""Archives and checkpoints that somebody made to do harm: one line, exit code 2, little memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import toyflows
from toyflows import archive
from toyflows.cli.main import main
from toyflows.errors import InputError, printable
from toyflows.lattice import rbm_train
from toyflows.lattice.rbm_config import Config
from toyflows.nn import checkpoint
from toyflows.run_files import COLUMNS

Told = dict[str, Any]


def npy(values: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(values), allow_pickle=True)
    return buffer.getvalue()


def sealed(entries: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    """A file with a right seal, whatever is in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as packed:
        for name, raw in entries.items():
            packed.writestr(f"{name}.npy", raw)
        packed.comment = checkpoint.SEAL + bytes(64)
    return resealed(buffer.getvalue())


def resealed(raw: bytes) -> bytes:
    return raw[:-64] + hashlib.sha256(raw[:-64]).hexdigest().encode()


MODEL = rbm_train.Model.new(Config(size=2, hidden=2), Config(size=2, hidden=2).load())


def good() -> tuple[Told, dict[str, Any]]:
    """Header and arrays of a sound checkpoint."""
    arrays = {name: x.copy() for name, x in MODEL.state.arrays().items()}
    header = checkpoint.Header("rbm", asdict(MODEL.config), 0, 0, MODEL.data_hash)
    outlines = {k: [list(v.shape), v.dtype.str, checkpoint.digest(v)] for k, v in arrays.items()}
    return asdict(header) | {"versions": {"format": 1}, "arrays": outlines}, arrays


def crafted(change: Callable[[Told, dict[str, Any]], object]) -> bytes:
    """The sound one, changed; the header tells of the arrays as they are then."""
    told, arrays = good()
    change(told, arrays)
    for name, x in arrays.items():
        told["arrays"][name] = [list(x.shape), x.dtype.str, checkpoint.digest(x)]
    return sealed({"header": npy(json.dumps(told))} | {k: npy(v) for k, v in arrays.items()})


def of_header(text: str) -> bytes:
    return sealed({"header": npy(text)} | {k: npy(v) for k, v in good()[1].items()})


def deep(levels: int) -> str:
    return '{"kind": ' + "[" * levels + "]" * levels + "}"


def encrypted() -> bytes:
    raw = bytearray(crafted(lambda told, arrays: None))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = raw.find(mark)
        while at >= 0:
            raw[at + place] |= 1
            at = raw.find(mark, at + 4)
    return resealed(bytes(raw))


def broken() -> bytes:
    """A byte of an array is another: its checksum in the zip is wrong, the seal is right."""
    raw = bytearray(crafted(lambda told, arrays: None))
    raw[raw.find(b"NUMPY", raw.find(b"W.npy")) + 130] ^= 255
    return resealed(bytes(raw))


def absurd() -> bytes:
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }"
    raw = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head) + 1) + head + b"\n" + bytes(16)
    return sealed({"header": npy(json.dumps(good()[0])), "W": raw})


def put(**config: Any) -> Callable[[Told, dict[str, Any]], object]:
    return lambda told, arrays: told["configuration"].update(config)


CRAFTED: dict[str, Callable[[], bytes]] = {
    "encrypted": encrypted,
    "broken entry": broken,
    "absurd shape": absurd,
    "deep header": lambda: of_header(deep(100_000)),
    "a list for a header": lambda: of_header("[1, 2]"),
    "no header": lambda: sealed({"W": npy([1.0])}),
    "a number for a kind": lambda: crafted(lambda told, _: told.update(kind=3)),
    "a truth for a seed": lambda: crafted(lambda told, _: told.update(seed=True)),
    "a step below 0": lambda: crafted(lambda told, _: told.update(step=-1)),
    "a step beyond all": lambda: crafted(lambda told, _: told.update(step=10**30)),
    "infinity": lambda: crafted(lambda told, _: told.update(rng={"a": float("inf")})),
    "1e999": lambda: of_header(json.dumps(good()[0]).replace('"seed": 0', '"seed": 1e999')),
    "a list for the versions": lambda: crafted(lambda told, _: told.update(versions=[])),
    "another field": lambda: crafted(lambda told, _: told.update(more=1)),
    "records": lambda: sealed({"header": npy("{}"), "W": npy(np.zeros(2, "f4,i4"))}),
    "objects": lambda: sealed({"header": npy("{}"), "W": npy(np.array([{}], object))}),
    "nan weights": lambda: crafted(lambda _, arrays: arrays["W"].fill(np.nan)),
    "other arrays": lambda: of_header(json.dumps(good()[0] | {"arrays": {}})),
    "bomb": lambda: sealed(
        {"header": npy("{}"), "W": npy(np.zeros(1 << 28, np.uint8))}, zipfile.ZIP_DEFLATED
    ),
}
# What is a sound file, but no sound configuration.
CONFIGURED = {
    "a text for a size": lambda: crafted(put(size="2")),
    "a list for a size": lambda: crafted(put(size=[2])),
    "a huge size": lambda: crafted(put(size=10**9)),
    "a huge layer": lambda: crafted(put(hidden=10**12)),
    "a number for a sampler": lambda: crafted(put(sampler=1)),
    "nothing for a rate": lambda: crafted(put(rate=None)),
    "missing weights": lambda: crafted(lambda _, arrays: arrays.pop("W")),
    "flat weights": lambda: crafted(lambda _, arrays: arrays.update(W=arrays["W"].ravel())),
}


def refused(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    monkeypatch.setattr(sys, "argv", ["toyflows", *words])
    with pytest.raises(SystemExit) as end:
        main()
    told = capsys.readouterr()
    assert (end.value.code, told.out, told.err.count("\n")) == (2, "", 1), told
    return str(told.err)


@pytest.mark.parametrize("name", [*CRAFTED, *CONFIGURED])
def test_a_crafted_checkpoint_is_refused_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.npz"
    path.write_bytes((CRAFTED | CONFIGURED)[name]())
    asked = [["rbm", "sample", str(path), "--out", str(tmp_path / "o.png")]]
    if name in CRAFTED:  # of a configuration, inspect only shows the text
        asked.append(["inspect", str(path)])
    for words in asked:
        assert "c.npz" in refused(words, monkeypatch, capsys)
    assert [p.name for p in tmp_path.iterdir()] == ["c.npz"]
    assert [p.name for p in tmp_path.iterdir()] == ["c.npz"]


def test_the_sound_one_is_not_refused(tmp_path: Path) -> None:
    (tmp_path / "c.npz").write_bytes(crafted(lambda told, arrays: None))
    assert rbm_train.Model.load(tmp_path / "c.npz").config == MODEL.config


KINDS: dict[str, dict[str, Any]] = {
    "ddpm": {"size": 10**6}, "ncsn": {"width": 10**6}, "ebm": {"size": 10**6},
    "jem": {"hidden": 10**9}, "classifier": {"classes": [1, 2]},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_networks_too_large_for_their_file_are_not_made(kind: str, tmp_path: Path) -> None:
    from toyflows.diffusion.trained import Model as Diffusion
    from toyflows.images.train import Model as Energy

    header = checkpoint.Header(kind, {"kind": kind} | KINDS[kind], 0, 0)
    checkpoint.save(tmp_path / "c.npz", {"θ": np.zeros(100, np.float32)}, header)
    with pytest.raises(InputError, match="has no usable configuration"):
        (Diffusion if kind in ("ddpm", "ncsn") else Energy).load(tmp_path / "c.npz")


def test_no_command_to_the_terminal_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither where a checkpoint is printed, nor where it is refused."""
    evil = "\x1b[2J\x9b31m\u202e"
    path = tmp_path / "c.npz"
    path.write_bytes(crafted(lambda told, _: told.update(kind=evil, data=evil)))
    monkeypatch.setattr(sys, "argv", ["toyflows", "inspect", str(path)])
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr().out + refused(
        ["rbm", "sample", str(path), "--out", str(tmp_path / "o.png")], monkeypatch, capsys
    )
    assert "\\x1b[2J" in told
    assert all(c.isprintable() or c == "\n" for c in told)
    assert printable(evil) == "\\x1b[2J\\x9b31m\\u202e"


def test_no_reader_unpacks_a_bomb(tmp_path: Path) -> None:
    raw = sealed({"x": npy(np.zeros(archive.ROOM, np.float32))}, zipfile.ZIP_DEFLATED)
    with pytest.raises(archive.Unreadable, match=r"unpacks [\d,]+ bytes to 134"):
        archive.arrays(raw)
    (tmp_path / "b.npz").write_bytes(raw)
    from toyflows import data, saved
    from toyflows.images import folder
    from toyflows.sweep import store

    for read in (data.load, saved.load, lambda p: folder.load(p, 16), store.load):
        with pytest.raises(InputError, match=r"unpacks|is no sweep"):
            read(str(tmp_path / "b.npz"))


def test_no_reader_unpacks_a_gz_that_is_a_bomb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers, images of idx and their labels: what is unpacked is bounded, not only refused."""
    from toyflows import data
    from toyflows.images import folder

    monkeypatch.setattr(archive, "ROOM", 2**16)
    idx = b"\0\0\x08\3" + b"".join(n.to_bytes(4) for n in (4, 256, 256)) + bytes(4 << 16)
    (tmp_path / "t-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx))
    (tmp_path / "n.csv.gz").write_bytes(gzip.compress(b"1\n" * 2**17))
    for read in (
        lambda: data.load(str(tmp_path / "n.csv.gz")),
        lambda: folder.load(str(tmp_path / "t-images-idx3-ubyte.gz"), 16),
    ):
        with pytest.raises(InputError, match=r"unpacks [\d,]+ bytes to more than 65,536"):
            read()


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_a_bomb_takes_little_memory(tmp_path: Path) -> None:
    """600 MB of zeros in less than three."""
    path, zeros = tmp_path / "b.npz", bytes(1 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        with packed.open("W.npy", "w", force_zip64=True) as entry:
            for _ in range(600):
                entry.write(zeros)
        packed.comment = checkpoint.SEAL + bytes(64)
    path.write_bytes(resealed(path.read_bytes()))
    code = (
        "import sys\nfrom pathlib import Path\nfrom toyflows.cli.main import main\n"
        f"sys.argv = ['toyflows', 'inspect', {str(path)!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n"
        "    rows = Path('/proc/self/status').read_text().splitlines()\n"
        "    print(end.code, next(row.split()[1] for row in rows if row.startswith('VmHWM')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    exit_code, kilobytes = map(int, done.stdout.split())
    assert exit_code == 2
    assert kilobytes < 200_000


# ---- saved runs


def state(**other: Any) -> np.ndarray:
    return np.array(json.dumps({"step": 20, "theta": 0.2, "extra": {}} | other))


FORGED: dict[str, dict[str, Any]] = {
    "a text": {"grid/mode_b": np.array("x")},
    "no records": {f"grid/{c}": np.zeros(0) for c in COLUMNS},
    "another length": {"grid/velocity": np.zeros(3)},
    "two axes": {"grid/theta": np.zeros((2, 3))},
    "two axes of crossings": {"grid/crossings": np.zeros((2, 3))},
    "shown numbers of another length": {"grid/seen/kl": np.zeros(1)},
    "θ of nan": {"grid/theta": np.full(21, np.nan)},
    "a step that is no number": {"grid/state": state(step="x")},
    "a step before the first": {"grid/state": state(step=-1)},
    "θ of a text": {"grid/state": state(theta="x")},
    "coordinates that are none": {"grid/state": state(extra=[1])},
    "deep": {"grid/state": np.array("[" * 5000)},
    "data that are no name": {"settings": {"data": [1]}},
}


@pytest.fixture(scope="module")
def saved_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The arrays of a sound one."""
    path = tmp_path_factory.mktemp("run") / "a.npz"
    toyflows.flow("ml", theta_star=1.0, time=1.0, backends=["grid"]).save(path)
    return archive.arrays(path)


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_run_is_refused(name: str, saved_run: dict[str, Any], tmp_path: Path) -> None:
    """In place of a traceback wherever its path is drawn or goes on."""
    forged = FORGED[name]
    if "settings" in forged:
        told = json.loads(str(saved_run["settings"])) | forged["settings"]
        forged = {"settings": np.array(json.dumps(told))}
    np.savez(tmp_path / "a.npz", **saved_run)
    assert toyflows.load(tmp_path / "a.npz").backends["grid"].t.size == 21
    np.savez(tmp_path / "a.npz", **saved_run | forged)
    with pytest.raises(InputError, match="is not a saved run"):
        toyflows.load(tmp_path / "a.npz")
