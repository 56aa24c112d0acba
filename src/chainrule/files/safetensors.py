"""Tensors by name in a safetensors file, which PyTorch, JAX and others read and write too."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from chainrule.base import dtypes
from chainrule.base.dtypes import DType
from chainrule.base.errors import DTypeError, FileFormatError
from chainrule.base.files import atomic_write
from chainrule.base.text import t
from chainrule.files import header as head
from chainrule.files.header import Entry, Header
from chainrule.graph import Tensor

# Elements that are converted at a time where the stored bytes differ from those in memory.
_SOME = 1 << 20

Source = tuple[np.ndarray, DType]


def save_file(
    tensors: Mapping[str, Tensor | np.ndarray],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes `tensors` and `metadata` to `path`; at a kill or an error the old file stays.

    Errors: OSError (disk full, no permission), DTypeError for arrays that no tensor can hold.
    """
    sources = sources_of(tensors)
    header = head.encode(describe(sources), metadata)
    write(path, header, sources)


def load_file(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name; errors as for `read_file`."""
    return read_file(path)[0]


def read_file(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata in `path`.

    Unsigned 16- and 32-bit integers become int32 and int64. Errors: OSError; FileFormatError for
    anything but an intact safetensors file.
    """
    return read(path, lambda _: None)


# ---- writing --------------------------------------------------------------------------------


def sources_of(tensors: Mapping[str, Tensor | np.ndarray]) -> dict[str, Source]:
    """The arrays to write, with their dtypes; nothing is copied."""
    out = {}
    for name, x in tensors.items():
        if isinstance(x, Tensor):
            out[name] = (x._data, x.dtype)
        elif isinstance(x, np.ndarray | np.generic) and x.dtype.newbyteorder("=") in _KNOWN:
            out[name] = (np.asarray(x), _KNOWN[x.dtype.newbyteorder("=")])
        else:
            raise DTypeError(
                t(
                    "{name!r} is {kind}, which a file cannot hold: give tensors or arrays of one "
                    "of {known}.",
                    name=name,
                    kind=getattr(x, "dtype", type(x).__name__),
                    known=", ".join(d.name for d in dtypes.ALL),
                )
            )
    return out


_KNOWN = dict(dtypes.OF_NUMPY)


def describe(sources: Mapping[str, Source]) -> dict[str, tuple[DType, tuple[int, ...]]]:
    """What the header says of each array."""
    return {name: (dtype, array.shape) for name, (array, dtype) in sources.items()}


def chunks(header: Header, sources: Mapping[str, Source]) -> Iterator[Any]:
    """The file's content piece by piece, without a second copy of what is contiguous."""
    yield header.raw
    for entry in header.entries:
        array, dtype = sources[entry.name]
        if array.size:
            yield from _bytes_of(array, dtype)


def _bytes_of(array: np.ndarray, dtype: DType) -> Iterator[memoryview]:
    stored = np.dtype(head.DTYPES[head.CODES[dtype]][0])
    flat = np.ascontiguousarray(array).reshape(-1)
    if dtype is dtypes.bfloat16:
        for i in range(0, flat.size, _SOME):
            # bfloat16 is the upper half of a float32; the values are rounded already.
            upper = flat[i : i + _SOME].view(np.uint32) >> 16
            yield upper.astype(stored).data.cast("B")
    elif flat.dtype == stored or flat.dtype == np.bool_:
        yield flat.view(np.uint8).data
    else:
        for i in range(0, flat.size, _SOME):
            yield flat[i : i + _SOME].astype(stored).data.cast("B")


def write(path: str | os.PathLike[str], header: Header, sources: Mapping[str, Source]) -> None:
    """Writes the file in one step, and clears away what killed processes left beside it."""
    started = time.time_ns()
    try:
        path = atomic_write(path, chunks(header, sources))
    except OSError as error:
        if error.filename is None:  # a full disk does not say which file it was
            error.filename = os.fspath(path)
        raise
    # The name that atomic_write gives to its temporary files, and to no other file.
    pattern = re.compile(re.escape(f".{path.name}.") + r"[a-z0-9_]{8}\.tmp")
    with os.scandir(path.parent) as entries:
        for entry in entries:
            if pattern.fullmatch(entry.name):
                with suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime_ns < started:
                        os.unlink(entry.path)


# ---- reading --------------------------------------------------------------------------------


def read(
    path: str | os.PathLike[str], see: Callable[[Any], Any]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """`read_file`, which shows the header (as Header) and then all data (as bytes) to `see`."""
    path = Path(path)
    with path.open("rb") as file:
        try:
            header = read_header(file)
            see(header)
            tensors = {entry.name: _read_tensor(file, entry, see) for entry in header.entries}
        except FileFormatError as error:
            raise FileFormatError(
                t(
                    "{path} is no intact safetensors file: {error}. It was cut off, damaged or is "
                    "of another kind: copy it again, or save it anew.",
                    path=path,
                    error=error,
                )
            ) from None
    return tensors, header.metadata


def read_header(file: BinaryIO) -> Header:
    """Reads and checks the header, before anything is allocated for the data."""
    size = os.fstat(file.fileno()).st_size
    first = file.read(8)
    rest = head.length(first, size)
    return head.decode(first + file.read(rest), size)


def _read_tensor(file: BinaryIO, entry: Entry, see: Callable[[Any], Any]) -> Tensor:
    stored, dtype = head.DTYPES[entry.code]
    try:
        array = np.empty(entry.shape, stored)
    except (ValueError, MemoryError) as error:
        raise FileFormatError(
            t("tensor {name!r:.99} does not fit into memory: {error}", name=entry.name, error=error)
        ) from None
    if array.size:
        view = array.reshape(-1).view(np.uint8).data
        if file.readinto(view) != len(view):  # type: ignore[attr-defined]
            raise FileFormatError(t("it became shorter while it was read"))
        see(view)
    if dtype is dtypes.bool_:
        if array.max(initial=0) > 1:
            raise FileFormatError(
                t("tensor {name!r:.99} has truth values other than 0 and 1", name=entry.name)
            )
        return Tensor(array.view(np.bool_))
    if dtype is dtypes.bfloat16:
        wide = array.astype(np.uint32)
        wide <<= 16
        return Tensor(wide.view(np.float32), dtype)
    return Tensor(array.astype(dtype.numpy, copy=False))
