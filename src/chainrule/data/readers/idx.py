"""IDX files, the format of MNIST: reading and writing, plain or gzipped.

Two zero bytes, one byte for the type, one for the number of axes; each axis as four bytes; then
the values. All big-endian. (Y. LeCun, "The MNIST database of handwritten digits".)
"""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.base.errors import DTypeError, FileFormatError, ShapeError
from chainrule.base.files import atomic_write
from chainrule.base.text import t

TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
# Deflate cannot shrink more than 1032 times (RFC 1951: two bits for 258 bytes).
DEFLATE_RATIO = 1032
# What a compressed file may unpack to unless the caller says otherwise.
MAX_BYTES = 4 << 30
_BLOCK = 1 << 20
# NumPy's limit.
_MAX_RANK = 64


def read_idx(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> np.ndarray:
    """The array of an IDX file, gzipped or not (seen by its first bytes), in native byte order.

    Args:
        max_bytes: the most that a gzipped file may unpack to.

    Raises:
        FileFormatError: wrong magic number, cut off, trailing bytes, corrupt gzip, or a header
            that announces more than the file can hold. Nothing is allocated for such a file.
        FileNotFoundError: no such file.
    """
    path = Path(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not packed:
            return _read(path, file, size)
        limit = min(max_bytes, size * DEFLATE_RATIO)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read(path, unpacked, None, limit)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FileFormatError(
                t(
                    "{path}: the gzip data are corrupt or cut off ({reason}).",
                    path=path,
                    reason=error,
                )
            ) from error


def _read(path: Path, file: io.BufferedIOBase, size: int | None, limit: int = 0) -> np.ndarray:
    """Parse a stream of `size` bytes, or of an unknown number that `limit` bounds."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES:
        raise FileFormatError(
            t(
                "{path}: not an IDX file: it begins with {found}, expected 00 00, a type code "
                "(08 09 0b 0c 0d 0e) and the number of axes.",
                path=path,
                found=magic.hex(" ") or t("nothing"),
            )
        )
    dtype, rank = TYPES[magic[2]], magic[3]
    if rank > _MAX_RANK:
        raise FileFormatError(
            t(
                "{path}: the header announces {rank} axes; at most {most} are possible.",
                path=path,
                rank=rank,
                most=_MAX_RANK,
            )
        )
    axes = file.read(4 * rank)
    if len(axes) < 4 * rank:
        raise FileFormatError(
            t(
                "{path}: cut off within the header: {rank} axes need {expected} bytes, found "
                "{found}.",
                path=path,
                rank=rank,
                expected=4 + 4 * rank,
                found=4 + len(axes),
            )
        )
    shape = struct.unpack(f">{rank}I", axes)
    header = 4 + 4 * rank
    announced = math.prod(shape) * dtype.itemsize
    if size is not None and header + announced != size:
        raise _wrong_length(path, shape, dtype, header + announced, size)
    if size is None and header + announced > limit:
        raise FileFormatError(
            t(
                "{path}: the header announces shape {shape} of {dtype}, {expected} bytes, but "
                "this gzip file can or may unpack to {limit} at most.",
                path=path,
                shape=shape,
                dtype=dtype.name,
                expected=header + announced,
                limit=limit,
            )
        )
    content = bytearray()
    while len(content) < announced:
        block = file.read(min(_BLOCK, announced - len(content)))
        if not block:
            break
        content += block
    if len(content) < announced:
        raise _wrong_length(path, shape, dtype, header + announced, header + len(content))
    # One byte more settles both: nothing may follow, and gzip checks its sum at the end.
    if file.read(1):
        raise FileFormatError(
            t(
                "{path}: bytes follow after the {expected} that the header announces (shape "
                "{shape} of {dtype}).",
                path=path,
                expected=header + announced,
                shape=shape,
                dtype=dtype.name,
            )
        )
    try:
        array = np.frombuffer(content, dtype).reshape(shape)
    except ValueError as error:
        raise FileFormatError(
            t("{path}: impossible shape {shape} ({reason}).", path=path, shape=shape, reason=error)
        ) from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def _wrong_length(
    path: Path, shape: tuple[int, ...], dtype: np.dtype, expected: int, found: int
) -> FileFormatError:
    fields = dict(path=path, shape=shape, dtype=dtype.name, expected=expected, found=found)
    if found < expected:
        return FileFormatError(
            t(
                "{path}: cut off: the header announces shape {shape} of {dtype}, {expected} bytes "
                "in all, but there are {found}.",
                **fields,
            )
        )
    return FileFormatError(
        t(
            "{path}: too long: the header announces shape {shape} of {dtype}, {expected} bytes "
            "in all, but there are {found}.",
            **fields,
        )
    )


def write_idx(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write an array as IDX; gzipped if the name ends in .gz. Same array, same bytes.

    Raises:
        DTypeError: a dtype other than uint8, int8, int16, int32, float32, float64.
        ShapeError: an axis of 2**32 or more.
    """
    path, array = Path(path), np.asarray(array)
    codes = {dtype.newbyteorder("="): code for code, dtype in TYPES.items()}
    code = codes.get(array.dtype.newbyteorder("="))
    if code is None:
        raise DTypeError(
            t(
                "IDX files hold {names}, not {dtype}: convert the array with .astype first.",
                names=", ".join(dtype.name for dtype in TYPES.values()),
                dtype=array.dtype,
            )
        )
    if any(n >= 2**32 for n in array.shape):
        raise ShapeError(
            t("IDX files count each axis in 32 bits: shape {shape} is too long.", shape=array.shape)
        )
    content = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    content += array.astype(TYPES[code]).tobytes()
    if path.suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    atomic_write(path, content)
