"""The header of a safetensors file.

8 bytes: length n of the header, little-endian. n bytes of JSON: for each tensor its dtype, shape
and [begin, end) in the data; "__metadata__": strings to strings. Then the data, without gaps.
Source: the format's description in the safetensors repository.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from chainrule.base import dtypes
from chainrule.base.dtypes import DType
from chainrule.base.errors import ArgumentError, FileFormatError
from chainrule.base.text import t

METADATA = "__metadata__"
MOST = 100_000_000  # bytes of header; the format's own limit

# The format's names, the NumPy type of the stored bytes, and our dtype. The two unsigned types have
# no dtype here: their values are kept in the next wider one.
DTYPES: dict[str, tuple[str, DType]] = {
    "F64": ("<f8", dtypes.float64),
    "F32": ("<f4", dtypes.float32),
    "F16": ("<f2", dtypes.float16),
    "BF16": ("<u2", dtypes.bfloat16),
    "I64": ("<i8", dtypes.int64),
    "I32": ("<i4", dtypes.int32),
    "I16": ("<i2", dtypes.int16),
    "I8": ("|i1", dtypes.int8),
    "U8": ("|u1", dtypes.uint8),
    "BOOL": ("|u1", dtypes.bool_),
    "U16": ("<u2", dtypes.int32),
    "U32": ("<u4", dtypes.int64),
}
CODES = {dtype: code for code, (_, dtype) in reversed(DTYPES.items())}


class Entry(NamedTuple):
    """One tensor in the file; `begin` and `end` count from the start of the data."""

    name: str
    code: str
    shape: tuple[int, ...]
    begin: int
    end: int


class Header(NamedTuple):
    """What stands before the data, and the number of bytes it takes."""

    entries: list[Entry]  # in the order of the data
    metadata: dict[str, str]
    raw: bytes


def encode(
    tensors: Mapping[str, tuple[DType, tuple[int, ...]]], metadata: Mapping[str, str] | None
) -> Header:
    """The header for tensors given as (dtype, shape); the widest dtypes come first, so that every
    tensor begins at a multiple of its element size."""
    described: dict[str, Any] = {}
    for key, value in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ArgumentError(
                t("Metadata maps strings to strings, not {key!r} to {value!r}.",
                  key=key, value=value)
            )  # fmt: skip
    if metadata:
        described[METADATA] = dict(metadata)
    entries, begin = [], 0
    for name in tensors:
        if not isinstance(name, str) or name == METADATA:
            raise ArgumentError(t("A tensor cannot have the name {name!r} in a file.", name=name))
    for name in sorted(tensors, key=lambda name: (-tensors[name][0].itemsize, name)):
        dtype, shape = tensors[name]
        end = begin + math.prod(shape) * dtype.itemsize
        entries.append(Entry(name, CODES[dtype], tuple(shape), begin, end))
        described[name] = {
            "dtype": CODES[dtype], "shape": list(shape), "data_offsets": [begin, end],
        }  # fmt: skip
        begin = end
    try:
        text = json.dumps(described, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(
            t("A name or a metadata text is no valid Unicode text: {error}", error=error)
        ) from None
    text += b" " * (-len(text) % 8)
    if len(text) > MOST:
        raise ArgumentError(
            t("The header would have {n} bytes; the format allows {most}. Save fewer tensors or "
              "less metadata in one file.", n=len(text), most=MOST)
        )  # fmt: skip
    return Header(entries, dict(metadata or {}), len(text).to_bytes(8, "little") + text)


def decode(raw: bytes, size: int) -> Header:
    """The header of a file of `size` bytes; `raw` is its beginning (`length` tells how much).

    Raises FileFormatError, without the file's name, for anything the format does not allow.
    """
    try:
        described = json.loads(
            raw[8:].decode(), object_pairs_hook=_no_duplicates, parse_constant=_refuse_constant
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError, ValueError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(t("the header is not JSON: {error}", error=error)) from None
    if not isinstance(described, dict):
        raise FileFormatError(t("the header is not a JSON object"))
    metadata = described.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise FileFormatError(t("the metadata does not map strings to strings"))
    entries = sorted(_entries(described), key=lambda e: (e.begin, e.end))
    position = 0
    for entry in entries:
        if entry.begin != position:
            raise FileFormatError(
                t("tensor {name!r:.99} begins at byte {begin} of the data, but the one before ends "
                  "at {end}", name=entry.name, begin=entry.begin, end=position)
            )  # fmt: skip
        position = entry.end
    if len(raw) + position != size:
        raise FileFormatError(
            t("the header describes {wanted} bytes, the file has {found}",
              wanted=len(raw) + position, found=size)
        )  # fmt: skip
    return Header(entries, metadata, raw)


def length(first: bytes, size: int) -> int:
    """The length of the header, from the first 8 bytes of a file of `size` bytes."""
    if len(first) < 8:
        raise FileFormatError(t("it has only {n} bytes", n=len(first)))
    n = int.from_bytes(first, "little")
    if n > MOST or 8 + n > size:
        raise FileFormatError(
            t("it says that its header has {n} bytes, but the file has {size} in all, and a header "
              "at most {most}", n=n, size=size, most=MOST)
        )  # fmt: skip
    return n


def _entries(described: dict[str, Any]) -> Iterator[Entry]:
    for name, value in described.items():
        if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
            raise FileFormatError(
                t("tensor {name!r:.99} is not described by dtype, shape and data_offsets",
                  name=name)
            )  # fmt: skip
        code, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
        if not isinstance(code, str) or code not in DTYPES:
            raise FileFormatError(
                t("tensor {name!r:.99} has dtype {code!r:.99}, which is none of {known}",
                  name=name, code=code, known=", ".join(DTYPES))
            )  # fmt: skip
        if not _naturals(shape) or len(shape) > 64:
            raise FileFormatError(
                t("tensor {name!r:.99} has no valid shape: {shape!r:.99}", name=name, shape=shape)
            )
        if not _naturals(offsets) or len(offsets) != 2:
            raise FileFormatError(
                t("tensor {name!r:.99} has no valid data_offsets: {offsets!r:.99}",
                  name=name, offsets=offsets)
            )  # fmt: skip
        begin, end = offsets
        wanted = math.prod(shape) * np.dtype(DTYPES[code][0]).itemsize
        if end - begin != wanted:
            raise FileFormatError(
                t("tensor {name!r:.99} of shape {shape} and dtype {code} needs {wanted} bytes, but "
                  "has {found}", name=name, shape=tuple(shape), code=code, wanted=wanted,
                  found=end - begin)
            )  # fmt: skip
        yield Entry(name, code, tuple(shape), begin, end)


def _naturals(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**63 for n in value)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise FileFormatError(t("the header has the name {name!r:.99} twice", name=twice))
    return out


def _refuse_constant(text: str) -> Any:
    raise FileFormatError(t("the header has {text}, which is not JSON", text=text))
