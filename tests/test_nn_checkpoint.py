"""Checkpoints: what was saved comes back, training goes on bit for bit, and damage is seen."""

from __future__ import annotations

import dataclasses
import io
import math
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toyflows.errors import InputError
from toyflows.nn import checkpoint
from toyflows.nn.checkpoint import Header, digest, generator, load, save, state
from toyflows.nn.network import energy_network
from toyflows.nn.optimise import EMA, Adam, Schedule, clip

ARRAYS = {
    "θ": np.linspace(-1, 1, 7, dtype=np.float32),
    "adam/m": np.arange(6.0).reshape(2, 3),
    "labels": np.array([1, 2, 250], np.uint8),
    "steps": np.array(12),
    "none": np.zeros((0, 3)),
}
HEADER = Header("toy", {"size": 28, "rates": [0.1, 1e-300], "ε": 1e-8}, seed=2**63, step=12)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save(tmp_path / "a.npz", ARRAYS, HEADER)


# ------------------------------------------------------------------ there and back
def test_what_was_saved_comes_back(path: Path) -> None:
    arrays, header = load(path, "toy", ARRAYS)
    assert arrays.keys() == ARRAYS.keys()
    for name, values in ARRAYS.items():
        assert arrays[name].dtype == values.dtype
        assert np.array_equal(arrays[name], values)
        shape, dtype, sha = header.arrays[name]
        assert (tuple(shape), dtype, sha) == (values.shape, values.dtype.str, digest(values))
    assert dataclasses.replace(header, versions={}, arrays={}) == HEADER
    assert header.versions.keys() == {"format", "toyflows", "numpy", "python"}


def test_any_npz_reader_reads_it(path: Path) -> None:
    with np.load(path, allow_pickle=False) as file:
        assert set(file.files) == {*ARRAYS, "header"}
        assert np.array_equal(file["θ"], ARRAYS["θ"])
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


def test_equal_states_give_equal_files(tmp_path: Path, path: Path) -> None:
    again = save(tmp_path / "b.npz", {k: v.copy() for k, v in ARRAYS.items()}, HEADER)
    assert again.read_bytes() == path.read_bytes()
    other = save(tmp_path / "c.npz", ARRAYS, dataclasses.replace(HEADER, step=13))
    assert other.read_bytes() != path.read_bytes()


def test_digest_sees_shape_and_dtype() -> None:
    same = [np.zeros(4), np.zeros((2, 2)), np.zeros(4, np.int64), np.zeros(8, np.float32)]
    assert len({digest(a) for a in same}) == 4
    assert digest(np.ones((3, 2)).T) == digest(np.ones((2, 3)))


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "Philox", "SFC64", "MT19937"])
def test_generators_go_on(tmp_path: Path, kind: str) -> None:
    """Also between the two halves of a 64-bit draw, of which float32 and integers take one."""
    rng = np.random.Generator(getattr(np.random, kind)(5))
    rng.integers(0, 2**31, 3, dtype=np.int32)
    header = dataclasses.replace(HEADER, rng=state(rng))
    _, found = load(save(tmp_path / "r.npz", {}, header))
    again = generator(found.rng)
    assert np.array_equal(again.integers(0, 2**31, 5, dtype=np.int32),
                          rng.integers(0, 2**31, 5, dtype=np.int32))  # fmt: skip
    assert np.array_equal(again.standard_normal(1000), rng.standard_normal(1000))


@pytest.mark.parametrize("bad", [{}, {"bit_generator": "Dice"}, {"bit_generator": "PCG64"},
                                 {"bit_generator": "PCG64", "state": {"state": -1, "inc": "x"},
                                  "has_uint32": 0, "uinteger": 0}])  # fmt: skip
def test_a_state_of_no_generator_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="rng = "):
        generator(bad)


# ------------------------------------------------------------------ training goes on
class Training:
    """A tiny contrastive training on random images: weights, Adam, average and generator."""

    net = energy_network(8)
    rate = Schedule(1e-2, warm_up=3, cosine=15)

    def __init__(self) -> None:
        self.rng = np.random.default_rng(3)
        self.θ = self.net.init(self.rng)
        self.adam, self.ema = Adam.at(self.θ, β1=0.5), EMA.of(self.θ, 0.9)

    def step(self) -> None:
        x = self.rng.uniform(-1, 1, (8, 8, 8, 1)).astype(np.float32)
        x[:4] = np.abs(x[:4])  # "data" are bright
        for _ in range(2):
            _, memory = self.net.forward(self.θ, x[4:])
            slope = self.net.input_gradient(self.θ, memory, np.ones((4, 1), np.float32))
            x[4:] -= slope + self.rng.normal(0, 0.01, slope.shape).astype(np.float32)
        _, memory = self.net.forward(self.θ, x)
        sign = np.repeat(np.array([[0.25], [-0.25]], np.float32), 4, axis=0)
        g = self.net.gradients(self.θ, memory, sign)
        clip(g, 0.1)
        self.adam.step(self.θ, g, self.rate(self.adam.steps))
        self.ema.update(self.θ)

    def save(self, path: Path) -> None:
        arrays = {"θ": self.θ, "m": self.adam.m, "v": self.adam.v, "mean": self.ema.mean}
        save(path, arrays, Header("training", {}, 3, self.adam.steps, rng=state(self.rng)))

    @classmethod
    def load(cls, path: Path) -> Training:
        arrays, header = load(path, "training")
        new = cls.__new__(cls)
        new.θ, new.rng = arrays["θ"], generator(header.rng)
        new.adam = Adam(arrays["m"], arrays["v"], header.step, β1=0.5)
        new.ema = EMA(arrays["mean"], 0.9, header.step)
        return new


def test_resume_is_bit_for_bit(tmp_path: Path) -> None:
    """20 steps, against 10, a file, all objects made anew from it, and 10 more."""
    whole, part = Training(), Training()
    for _ in range(20):
        whole.step()
    for _ in range(10):
        part.step()
    middle = part.θ.copy()
    part.save(tmp_path / "t.npz")
    part = Training.load(tmp_path / "t.npz")
    for _ in range(10):
        part.step()
    for a, b in ((whole.θ, part.θ), (whole.adam.v, part.adam.v), (whole.ema.mean, part.ema.mean)):
        assert a.tobytes() == b.tobytes()
    assert state(whole.rng) == state(part.rng)
    assert np.max(np.abs(whole.θ - middle)) > 1e-3  # and it moved meanwhile


# ------------------------------------------------------------------ what is refused
def refused(path: Path, match: str, **asked: Any) -> None:
    with pytest.raises(InputError, match=match) as caught:
        load(path, **asked)
    assert caught.value.name == "checkpoint"
    assert caught.value.value == path
    assert "\n" not in str(caught.value)


def test_every_flipped_bit_is_seen(path: Path, tmp_path: Path) -> None:
    """1000 random bits of the file, and one in each byte of its last 400 (directory and seal)."""
    raw, bad = path.read_bytes(), tmp_path / "bad.npz"
    draw = random.Random(0)
    places = [draw.randrange(8 * len(raw)) for _ in range(1000)]
    places += [8 * k + draw.randrange(8) for k in range(len(raw) - 400, len(raw))]
    for place in places:
        flipped = bytearray(raw)
        flipped[place // 8] ^= 1 << place % 8
        bad.write_bytes(flipped)
        refused(bad, "checksum does not match|is not a toyflows checkpoint")


def test_every_length_is_seen(path: Path, tmp_path: Path) -> None:
    """Cut at every length, and longer by one byte."""
    raw, bad = path.read_bytes(), tmp_path / "bad.npz"
    for length in range(len(raw)):
        bad.write_bytes(raw[:length])
        refused(bad, "is not a toyflows checkpoint, or is cut short")
    bad.write_bytes(raw + b"0")
    refused(bad, "is not a toyflows checkpoint")


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.npz"
    np.savez(bad, header="{}", θ=np.zeros(3))
    refused(bad, "is not a toyflows checkpoint")
    bad.write_text("hello")
    refused(bad, "is not a toyflows checkpoint")
    refused(tmp_path / "nowhere.npz", "cannot be read")
    refused(tmp_path, "cannot be read")


def sealed(raw: bytes) -> bytes:
    """Bytes with a right seal, whatever they are."""
    import hashlib

    body = raw + checkpoint.SEAL
    return body + hashlib.sha256(body).hexdigest().encode()


def test_a_right_seal_on_a_wrong_file(tmp_path: Path) -> None:
    bad = tmp_path / "bad.npz"
    for raw in (b"", b"hello", b"PK\x05\x06" + bytes(18)):
        bad.write_bytes(sealed(raw))
        refused(bad, "is not a toyflows checkpoint")
    npy = io.BytesIO()
    np.save(npy, np.zeros(3))
    bad.write_bytes(sealed(npy.getvalue()))
    refused(bad, "is not a toyflows checkpoint")
    for text in ("nonsense", "[]", "{}", '{"kind": 1, "more": 2}'):
        pack(bad, header=np.array(text))
        refused(bad, "is not a toyflows checkpoint")
    pack(bad, θ=np.zeros(3))
    refused(bad, "is not a toyflows checkpoint")


def pack(path: Path, **arrays: Any) -> None:
    """A sealed .npz of these arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = checkpoint.SEAL + bytes(64)
    path.write_bytes(sealed(buffer.getvalue()[: -64 - len(checkpoint.SEAL)]))


def test_a_later_format_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as later:
        later.setattr(checkpoint, "FORMAT", 2)
        path = save(tmp_path / "a.npz", ARRAYS, HEADER)
    refused(path, "has format 2; this toyflows reads 1")


def test_the_wrong_kind_and_wrong_arrays_are_refused(path: Path) -> None:
    refused(path, "is of kind toy; must be mlp", kinds=["mlp"])
    shorter = ARRAYS | {"θ": ARRAYS["θ"][:-1]}
    refused(path, r"θ: is float32 \(7,\), must be float32 \(6,\)", like=shorter)
    wider = ARRAYS | {"θ": ARRAYS["θ"].astype(float)}
    refused(path, r"θ: is float32 \(7,\), must be float64 \(7,\)", like=wider)
    more = ARRAYS | {"v": np.zeros(2)}
    refused(path, r"v: is nothing, must be float64 \(2,\)", like=more)
    fewer = {"θ": ARRAYS["θ"]}
    refused(path, r"adam/m: is float64 \(2, 3\), must be nothing", like=fewer)


# ------------------------------------------------------------------ whole or not at all
def test_a_save_that_fails_leaves_the_old_file(path: Path) -> None:
    """Pickles, nan, the header's name, what is not JSON, and a disk that fails while writing."""
    before = path.read_bytes()
    bad: list[tuple[type[Exception], dict[str, Any], Header]] = [
        (ValueError, {"o": np.array([{}])}, HEADER),
        (InputError, {"header": np.zeros(1)}, HEADER),
        (ValueError, {}, dataclasses.replace(HEADER, configuration={"rate": math.nan})),
        (TypeError, {}, dataclasses.replace(HEADER, configuration={"rate": np.zeros(1)})),
    ]
    for error, arrays, header in bad:
        with pytest.raises(error):
            save(path, arrays, header)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(checkpoint.hashlib, "sha256", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            save(path, {}, HEADER)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["a.npz"]


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        save(tmp_path / "no" / "a.npz", ARRAYS, HEADER)
