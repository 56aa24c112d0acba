"""NumPy's .npy and .npz files, read without trust: no pickles, no size that the file belies."""

from __future__ import annotations

import io
import math
import os
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from chainrule.base.errors import FileFormatError
from chainrule.base.text import t
from chainrule.data.readers.idx import DEFLATE_RATIO, MAX_BYTES

# Beyond this size an array packed tighter than this is one value over and over: no data, a trap.
_LARGE = 64 << 20
_MAX_RATIO = 900


def read_npy(path: str | os.PathLike[str]) -> np.ndarray:
    """The array of a .npy file.

    Raises FileFormatError for anything but a plain array of the announced size, and for object
    arrays, which would run code from the file.
    """
    path = Path(path)
    with open(path, "rb") as file:
        return _read_array(str(path), file, os.fstat(file.fileno()).st_size)


class NpzFile:
    """The arrays of a .npz file, read one at a time: `names`, and `file[name]`.

    Raises FileFormatError for a corrupt archive and for members that unpack to more than
    `max_bytes`, than compression allows, or (beyond 64 MiB) to 900 times their packed size.
    """

    def __init__(self, path: str | os.PathLike[str], max_bytes: int = MAX_BYTES):
        self.path = Path(path)
        self.max_bytes = max_bytes
        try:
            with zipfile.ZipFile(self.path) as archive:
                members = archive.infolist()
        except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError) as error:
            raise FileFormatError(
                t("{path}: not an .npz archive ({reason}).", path=self.path, reason=error)
            ) from error
        self._members = {
            member.filename.removesuffix(".npy"): member
            for member in members
            if member.filename.endswith(".npy")
        }

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def __getitem__(self, name: str) -> np.ndarray:
        member = self._members[name]
        where = f"{self.path}[{name}]"
        limit = min(self.max_bytes, member.compress_size * DEFLATE_RATIO)
        if member.file_size > limit:
            raise FileFormatError(
                t(
                    "{path}: announces {expected} bytes, but may unpack to {limit} at most.",
                    path=where,
                    expected=member.file_size,
                    limit=limit,
                )
            )
        if member.file_size > max(_LARGE, member.compress_size * _MAX_RATIO):
            raise FileFormatError(
                t(
                    "{path}: unpacks from {packed} bytes to {expected}, more than {ratio} times "
                    "as many: no real data do, and it is not unpacked. Save it uncompressed if "
                    "it is meant so.",
                    path=where,
                    packed=member.compress_size,
                    expected=member.file_size,
                    ratio=_MAX_RATIO,
                )
            )
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(member) as file:
                return _read_array(where, file, member.file_size)
        except (
            zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError
        ) as error:  # fmt: skip
            raise FileFormatError(
                t("{path}: the archive is corrupt or cut off ({reason}).", path=where, reason=error)
            ) from error


def _read_array(where: str, file: IO[bytes], size: int) -> np.ndarray:
    # The header is bounded by NumPy's own limit; read it first, and believe it only if the
    # number of bytes agrees.
    head = io.BytesIO(file.read(min(size, 1 << 16)))
    try:
        version = np.lib.format.read_magic(head)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in readers:
            raise ValueError(f"version {version[0]}.{version[1]}")
        shape, fortran, dtype = readers[version](head)
    except Exception as error:  # a hostile header fails in NumPy's parser in many ways
        raise FileFormatError(
            t("{path}: not an .npy array ({reason}).", path=where, reason=_first_line(error))
        ) from error
    if dtype.kind not in "biuf":
        raise FileFormatError(
            t(
                "{path}: holds {dtype} values; only numbers are read. (Object arrays would run "
                "code from the file.) Save it again as a plain numeric array.",
                path=where,
                dtype=dtype,
            )
        )
    if any(isinstance(n, bool) or n < 0 for n in shape):
        raise FileFormatError(t("{path}: impossible shape {shape}.", path=where, shape=shape))
    expected = head.tell() + math.prod(shape) * dtype.itemsize
    if expected != size:
        raise FileFormatError(
            t(
                "{path}: the header announces shape {shape} of {dtype}, {expected} bytes in all, "
                "but there are {found}.",
                path=where,
                shape=shape,
                dtype=dtype,
                expected=expected,
                found=size,
            )
        )
    start = head.tell()
    content = bytearray(head.read())
    content += file.read(size - head.tell())
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise FileFormatError(
            t(
                "{path}: cut off: {expected} bytes were announced, but there are {found}.",
                path=where,
                expected=expected,
                found=start + len(content),
            )
        )
    try:
        array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
    except ValueError as error:
        raise FileFormatError(
            t("{path}: impossible shape {shape} ({reason}).", path=where, shape=shape, reason=error)
        ) from error
    return np.ascontiguousarray(array.astype(dtype.newbyteorder("="), copy=False))


def _first_line(error: BaseException) -> str:
    line = (str(error).splitlines() or [type(error).__name__])[0]
    # Python's parser names its own objects and their addresses.
    return t("the header cannot be read") if " object at 0x" in line else line
