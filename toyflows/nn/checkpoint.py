"""Checkpoints: arrays and a header in one .npz file, whole or refused.

The file is a plain .npz (numpy.load reads it) whose entry `header` is JSON. The last 64 bytes, the
end of the archive's comment, are the sha256 of all bytes before them: a file cut short or with one
wrong bit anywhere is refused. Equal states give equal bytes. No pickle.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

import toyflows
from toyflows import archive
from toyflows.errors import InputError, printable
from toyflows.files import whole_file
from toyflows.nn.layers import Array

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FORMAT = 1
SEAL = b"toyflows checkpoint, sha256 of all before: "
DIGITS = 64
HEADER, HISTORY = "header", "history"  # what a run saw may be nan
LONGEST = 10**12  # steps
SIZES = ("size", "hidden", "below", "pool", "width", "depth")
FOREIGN = "is not a toyflows checkpoint, or is cut short"

C = TypeVar("C", bound="DataclassInstance")


@dataclass(frozen=True)
class Header:
    """What a run needs besides its arrays to go on bit for bit; every value is JSON.

    `data` is the `digest` of the data, `rng` the `state` of its generator; `versions` and `arrays`
    (shape, dtype and digest of each) are filled in by `save`.
    """

    kind: str
    configuration: dict[str, Any]
    seed: int
    step: int
    data: str = ""
    rng: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Any] = field(default_factory=dict)


def save(path: str | Path, arrays: Mapping[str, Array], header: Header) -> Path:
    """Writes the file whole or not at all; raises InputError where it cannot be written."""
    path = Path(path)
    if HEADER in arrays:
        raise InputError("arrays", HEADER, "is the header's name")
    told = asdict(header) | {"versions": _versions(), "arrays": _outlines(arrays)}
    text = json.dumps(told, ensure_ascii=False, allow_nan=False)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, values in {HEADER: np.array(text), **arrays}.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # of 1980: no clock in the file
            with archive.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(values), allow_pickle=False)
        archive.comment = SEAL + bytes(DIGITS)
    body = buffer.getbuffer()[:-DIGITS]
    with whole_file(path, "checkpoint") as temporary, temporary.open("wb") as opened:
        opened.write(body)
        opened.write(hashlib.sha256(body).hexdigest().encode())
    return path


def save_run(
    path: str | Path, kind: str, config: Any, arrays: Mapping[str, Array], step: int, data: str
) -> Path:
    """`save` of a run whose configuration is a dataclass with a seed."""
    return save(path, arrays, Header(kind, asdict(config), config.seed, step, data))


def load(
    path: str | Path, kinds: Collection[str] = (), like: Mapping[str, Array] | None = None
) -> tuple[dict[str, Array], Header]:
    """The arrays and the header that `save` wrote.

    Raises InputError("checkpoint", path) for a file that is not whole, or of none of these `kinds`,
    or whose arrays have not the names, shapes and dtypes of `like`.
    """
    raw = _sealed(path)
    try:
        arrays = archive.arrays(raw)
        header = _header(str(arrays.pop(HEADER)))
        written = header.versions["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError("checkpoint", path, FOREIGN) from None
    if written != FORMAT:
        raise InputError("checkpoint", path, f"has format {written}; this toyflows reads {FORMAT}")
    if header.arrays != _outlines(arrays):
        raise InputError("checkpoint", path, "holds other arrays than its header says")
    for name, values in arrays.items():
        if values.dtype.kind == "f" and name != HISTORY and not np.isfinite(values).all():
            raise InputError("checkpoint", path, f"{name} has numbers that are not finite")
    if kinds and header.kind not in kinds:
        wanted = " or ".join(kinds)
        raise InputError("checkpoint", path, f"is of kind {header.kind}; must be {wanted}")
    for name in {} if like is None else {**like, **arrays}:
        found, wanted = (_outline(a.get(name)) for a in (arrays, like or {}))
        if found != wanted:
            raise InputError("checkpoint", path, f"{name}: is {found}, must be {wanted}")
    return arrays, header


def _outlines(arrays: Mapping[str, Array]) -> dict[str, list[Any]]:
    return {name: [list(x.shape), x.dtype.str, digest(x)] for name, x in arrays.items()}


def _header(text: str) -> Header:
    """Raises ValueError, TypeError or RecursionError where the text is no header."""
    told = json.loads(text, parse_constant=_foreign)
    header = Header(**_plain(told))
    for f in fields(Header):
        value = getattr(header, f.name)
        if type(value).__name__ != f.type.partition("[")[0]:
            _foreign(f.name)
    if not (header.seed >= 0 and 0 <= header.step <= LONGEST):
        _foreign("seed, step")
    return header


def _plain(value: Any) -> Any:
    """JSON whose numbers are finite and at most of 128 bits, as a generator's state has them, its
    texts without commands to a terminal."""
    if isinstance(value, dict):
        return {printable(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, str):
        return printable(value)
    if value is not None and not abs(value) < 2**128:
        _foreign(value)
    return value


def _foreign(what: object) -> NoReturn:
    raise ValueError(what)


def configured(config: type[C], header: Header, arrays: Mapping[str, Array], path: object) -> C:
    """The configuration in the header, of the types that its fields have; what says how large a
    network is (SIZES) is not more than the file has numbers.

    Raises InputError("checkpoint", path).
    """
    numbers, given = sum(x.size for x in arrays.values()), dict[str, Any]()
    try:
        for f in fields(config):
            value = _like(f.default, header.configuration.get(f.name, f.default))
            if f.name in SIZES and value > numbers:
                raise ValueError(f"{f.name} = {value}")
            given[f.name] = value
        made = config(**given)
        network = getattr(made, "network", None) if "θ" in arrays else None  # told by the shapes
        if network and network().size != arrays["θ"].size:
            raise ValueError(f"its network has {network().size} weights")
        return made
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise InputError("checkpoint", path, f"has no usable configuration ({error})") from None


def _like(default: Any, value: Any) -> Any:
    """The value, if its type is that of a field with this default; a tuple has none but texts,
    where it is not of numbers."""
    if isinstance(default, tuple) and isinstance(value, list | tuple):
        return tuple(_like(default[0] if default else "", inner) for inner in value)
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise TypeError(f"{value} for {default!r}")
    return value


def digest(values: Array) -> str:
    """sha256 of an array's shape, dtype and numbers."""
    outline = f"{values.shape} {values.dtype.str} ".encode()
    return hashlib.sha256(outline + values.tobytes()).hexdigest()


def state(rng: np.random.Generator) -> dict[str, Any]:
    """The state of a generator, for JSON."""
    told = json.dumps(rng.bit_generator.state, default=lambda a: a.tolist())
    found: dict[str, Any] = json.loads(told)
    return found


def generator(state: Mapping[str, Any]) -> np.random.Generator:
    """The generator that has this state; raises InputError where there is none."""
    name = state.get("bit_generator")
    kinds = {kind.__name__: kind for kind in np.random.BitGenerator.__subclasses__()}
    try:
        bits = kinds[str(name)]()
        bits.state = dict(state)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        raise InputError("rng", name, "is not the state of a NumPy generator") from None
    return np.random.Generator(bits)


def _sealed(path: str | Path) -> bytes:
    """The bytes of a file whose seal is right."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise InputError("checkpoint", path, f"cannot be read ({error.strerror})") from None
    body, written = raw[:-DIGITS], raw[-DIGITS:]
    if not body.endswith(SEAL):
        raise InputError("checkpoint", path, FOREIGN)
    if hashlib.sha256(body).hexdigest().encode() != written:
        raise InputError("checkpoint", path, "is damaged: its checksum does not match")
    return raw


def _outline(values: Array | None) -> str:
    return "nothing" if values is None else f"{values.dtype} {values.shape}"


def _versions() -> dict[str, Any]:
    own = {"format": FORMAT, "toyflows": toyflows.__version__}
    return own | {"numpy": np.__version__, "python": platform.python_version()}
