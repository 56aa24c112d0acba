"""Files that `torch.save` wrote, both kinds, read without running anything in them.

Since PyTorch 1.6 a zip archive: data.pkl describes the object, data/KEY holds one storage. Before:
pickles of a magic number, the version, the byte order, the object and the keys of its storages,
then for each storage its number of elements (8 bytes) and its elements. The tensors are views of
the storages, so what shared memory when it was saved shares it again.
"""

from __future__ import annotations

import io
import math
import os
import struct
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from chainrule.base import dtypes
from chainrule.base.dtypes import DType
from chainrule.base.errors import FileFormatError
from chainrule.base.text import t
from chainrule.files.unpickle import Layout, Storage, children, unpickle
from chainrule.graph import Tensor
from chainrule.ops.type_info import Size

# A state dict of 100,000 tensors needs some 30 MiB; the tensors' bytes stand outside the pickle.
LONGEST = 1 << 28
MAGIC = 0x1950A86A20F9469CFC6C
_MAGIC_BYTES = MAGIC.to_bytes(10, "little")
VERSION = 1001

# Element kinds: how they are stored, and the dtype that they get.
_KINDS: dict[str, tuple[str, DType]] = {
    **{d.name: (d.numpy.newbyteorder("<").str, d) for d in dtypes.ALL},
    "bfloat16": ("<u2", dtypes.bfloat16),
    # As from safetensors files: there is no unsigned dtype of 16 or 32 bits, so the next wider.
    "uint16": ("<u2", dtypes.int32), "uint32": ("<u4", dtypes.int64),
}  # fmt: skip


def is_torch_file(path: str | os.PathLike[str]) -> bool:
    """Whether the first bytes are those of a file by `torch.save`, of either kind."""
    with Path(path).open("rb") as file:
        first = file.read(32)
    return first[:4] == b"PK\x03\x04" or _MAGIC_BYTES in first


def load_torch(path: str | os.PathLike[str]) -> Any:
    """What `torch.save` put into the file: dicts, lists, tuples, numbers, texts, None and tensors.

    Nothing in the file is run; anything else than these (a whole model, a function, a class) is
    refused. Parameters become tensors that require gradients; what was on another device comes to
    memory; uint16 and uint32 become int32 and int64. Quantised, sparse and complex tensors are
    refused. Errors: OSError; FileFormatError, which says what does not fit or is not read.
    """
    path = Path(path)
    with path.open("rb") as file:
        try:
            first = file.read(4)
            file.seek(0)
            return _from_zip(file) if first[:2] == b"PK" else _from_pickles(file)
        except FileFormatError as error:
            raise FileFormatError(
                t("{path} cannot be read as a PyTorch file: {error}.", path=path, error=error)
            ) from None


# ---- the zip archive --------------------------------------------------------------------------


def _from_zip(file: BinaryIO) -> Any:
    try:
        with zipfile.ZipFile(file) as archive:
            members = _Members(archive, os.fstat(file.fileno()).st_size)
            if members.read("byteorder", 16, b"little").strip() != b"little":
                raise _big_endian()
            value = unpickle(io.BytesIO(members.read("data.pkl", LONGEST)))
            return _Tensors(members).restore(value)
    except (
        zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, struct.error, zlib.error,
        ValueError, OverflowError,
    ) as error:  # fmt: skip
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(t("its archive is damaged: {error!r:.200}", error=error)) from None


class _Members:
    """The members of an archive, by their names under its one folder."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self.archive = archive
        self.size = self.left = size
        self.infos = {info.filename: info for info in archive.infolist()}
        if len(self.infos) != len(archive.infolist()):
            raise FileFormatError(t("its archive has two members of one name"))
        roots = [name[: -len("data.pkl")] for name in self.infos if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise FileFormatError(t("its archive has no data.pkl in its one folder"))
        self.root = roots[0]

    def read(self, name: str, most: int, default: bytes | None = None) -> bytes:
        """The content of a member of at most `most` bytes."""
        info = self.infos.get(self.root + name)
        if info is None:
            if default is None:
                raise FileFormatError(t("its archive lacks {name!r:.99}", name=name))
            return default
        self._check(info, name)
        if info.file_size > most:
            raise FileFormatError(
                t("{name!r:.99} has {n} bytes, more than {most}", name=name, n=info.file_size,
                  most=most)
            )  # fmt: skip
        return self.archive.read(info)

    def storage(self, key: str, size: int) -> np.ndarray:
        info = self.infos.get(f"{self.root}data/{key}")
        if info is None:
            raise FileFormatError(t("its archive lacks {name!r:.99}", name=f"data/{key}"))
        self._check(info, key)
        if info.file_size != size:
            raise _wrong_size(key, size, info.file_size)
        out = np.empty(size, np.uint8)
        view = out.data
        with self.archive.open(info) as member:
            done = 0
            while n := member.readinto(view[done:]):  # type: ignore[attr-defined]
                done += n
        if done != size:
            raise _wrong_size(key, size, done)
        return out

    def _check(self, info: zipfile.ZipInfo, name: str) -> None:
        """PyTorch never compresses, so nothing in its files is larger than the file."""
        if info.compress_type != zipfile.ZIP_STORED:
            raise FileFormatError(t("{name!r:.99} is compressed, as by no PyTorch", name=name))
        self.left -= info.file_size
        if not 0 <= info.header_offset < self.size:
            raise FileFormatError(t("{name!r:.99} begins outside the file", name=name))
        if self.left < 0:
            raise FileFormatError(t("its members have more bytes than the file"))


# ---- the pickles of old -----------------------------------------------------------------------


class _Part:
    """At most LONGEST bytes of a file from where it stands, which a claimed length cannot exceed
    (a file allocates what is asked for before it looks)."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.left = min(LONGEST, os.fstat(file.fileno()).st_size - file.tell())

    def read(self, n: int) -> bytes:
        data = self.file.read(min(n, self.left))
        self.left -= len(data)
        return data

    def readline(self) -> bytes:
        data = self.file.readline(self.left)
        self.left -= len(data)
        return data


def _from_pickles(file: BinaryIO) -> Any:
    start = file.read(512)
    file.seek(0)
    if start[257:262] == b"ustar":
        raise FileFormatError(
            t("it has the tar format of PyTorch before 0.2: save it anew with a later version")
        )
    if _MAGIC_BYTES not in start[:32]:
        raise FileFormatError(t("it does not begin as the files of torch.save do"))
    magic, version, system = (unpickle(_Part(file)) for _ in range(3))
    if magic != MAGIC or version != VERSION or type(system) is not dict:
        raise FileFormatError(t("it has a version that is not known"))
    if system.get("little_endian") is not True:
        raise _big_endian()
    value = unpickle(_Part(file))
    keys = unpickle(_Part(file))
    if type(keys) is not list or not all(type(key) is str for key in keys):
        raise FileFormatError(t("its list of storages is none"))
    return _Tensors(_Following(file, keys, _storages(value))).restore(value)


def _storages(value: Any) -> dict[str, int]:
    """Bytes an element of each storage that the tensors in `value` use."""
    sizes: dict[str, int] = {}
    seen: set[int] = set()
    todo = [value]
    while todo:
        x = todo.pop()
        if isinstance(x, Layout):
            size = 1 if x.storage.code is None else np.dtype(_kind(x.storage.code)[0]).itemsize
            if sizes.setdefault(x.storage.key, size) != size:
                raise FileFormatError(t("storage {key!r:.99} has two kinds", key=x.storage.key))
        elif id(x) not in seen:
            seen.add(id(x))
            todo.extend(children(x))
    return sizes


class _Following:
    """The storages that stand one after the other at the end of a file."""

    def __init__(self, file: BinaryIO, keys: list[str], sizes: dict[str, int]) -> None:
        self.file = file
        self.places: dict[str, tuple[int, int]] = {}
        end = os.fstat(file.fileno()).st_size
        for key in keys:
            if key not in sizes or key in self.places:
                raise FileFormatError(t("storage {key!r:.99} belongs to no tensor", key=key))
            begin = file.tell() + 8
            n = int.from_bytes(file.read(8), "little") * sizes[key]
            if begin + n > end:
                raise FileFormatError(
                    t("storage {key!r:.99} has {wanted} bytes, of which the file holds {found}",
                      key=key, wanted=n, found=max(end - begin, 0))
                )  # fmt: skip
            self.places[key] = begin, n
            file.seek(begin + n)

    def storage(self, key: str, size: int) -> np.ndarray:
        if key not in self.places:
            raise FileFormatError(t("storage {key!r:.99} is missing", key=key))
        begin, n = self.places[key]
        if n < size:
            raise _wrong_size(key, size, n)
        out = np.empty(n, np.uint8)
        self.file.seek(begin)
        if self.file.readinto(out) != n:  # type: ignore[attr-defined]
            raise FileFormatError(t("it became shorter while it was read"))
        return out


# ---- tensors ----------------------------------------------------------------------------------


class _Tensors:
    """Puts tensors in place of their layouts."""

    def __init__(self, source: _Members | _Following) -> None:
        self.source = source
        self.raw: dict[str, np.ndarray] = {}
        self.held: dict[tuple[str, str], np.ndarray] = {}
        self.done: dict[int, Any] = {}

    def restore(self, x: Any) -> Any:
        """`x` with tensors; what is one object in it stays one. It is at most DEEPEST deep."""
        if not isinstance(x, Layout | dict | list | tuple) or type(x) is Size:
            return x
        if id(x) in self.done:
            return self.done[id(x)]
        out: Any
        if isinstance(x, Layout):
            out = self.tensor(x)
        elif isinstance(x, dict):
            out = type(x)((key, self.restore(value)) for key, value in x.items())
            if isinstance(x, OrderedDict) and hasattr(x, "_metadata"):
                out._metadata = self.restore(x._metadata)
        else:
            out = type(x)(self.restore(value) for value in x)
        self.done[id(x)] = out
        return out

    def tensor(self, layout: Layout) -> Tensor:
        storage = layout.storage
        dtype = _kind(layout.code)[1]
        flat = self.elements(storage, layout.code)
        begin, count = storage.begin, storage.count
        if storage.code is None:  # counted in bytes
            size = np.dtype(_kind(layout.code)[0]).itemsize
            begin, count = begin // size, count // size
        if begin + count > flat.size:
            raise _wrong_size(storage.key, begin + count, flat.size)
        sizes = [n - 1 for n in layout.shape]
        reach = layout.offset + sum(n * s for n, s in zip(sizes, layout.strides, strict=True))
        if -1 not in sizes and reach >= count:
            raise FileFormatError(
                t("a tensor of shape {shape} reaches element {reach} of storage {key!r:.99}, which "
                  "has {count}", shape=layout.shape, reach=reach, key=storage.key, count=count)
            )  # fmt: skip
        try:
            array: np.ndarray
            if -1 in sizes:
                array = np.empty(layout.shape, flat.dtype)
            elif math.prod(layout.shape) >= 2**60:
                raise ValueError("too many elements")
            else:
                repeated = any(n and not s for n, s in zip(sizes, layout.strides, strict=True))
                array = np.lib.stride_tricks.as_strided(
                    flat[begin + layout.offset :], layout.shape,
                    [s * flat.itemsize for s in layout.strides], writeable=not repeated,
                )  # fmt: skip
        except (ValueError, OverflowError, MemoryError):
            raise FileFormatError(
                t("no tensor can have the shape {shape}", shape=str(layout.shape)[:199])
            ) from None
        if layout.requires_grad and not dtype.is_floating_point:
            raise FileFormatError(
                t("a tensor of {dtype} asks for gradients", dtype=dtype.name)
            )  # fmt: skip
        return Tensor(array, dtype, layout.requires_grad)

    def elements(self, storage: Storage, code: str) -> np.ndarray:
        """The storage as memory holds that kind of element, read once."""
        key = storage.key
        if (key, code) in self.held:
            return self.held[key, code]
        stored, dtype = _kind(code)
        size = 1 if storage.code is None else np.dtype(_kind(storage.code)[0]).itemsize
        if key not in self.raw:
            self.raw[key] = self.source.storage(key, (storage.begin + storage.count) * size)
        raw = self.raw[key]
        array = raw[: raw.size - raw.size % np.dtype(stored).itemsize].view(stored)
        if dtype is dtypes.bool_:
            if array.size and raw.max() > 1:
                raise FileFormatError(
                    t("storage {key!r:.99} has truth values other than 0 and 1", key=key)
                )
        elif dtype is dtypes.bfloat16:
            # bfloat16 is the upper half of a float32.
            array = (array.astype(np.uint32) << 16).view(np.float32)
        else:
            array = array.astype(dtype.numpy, copy=False)
        self.held[key, code] = array
        return array


def _kind(code: str) -> tuple[str, DType]:
    if code not in _KINDS:
        raise FileFormatError(t("it has tensors of {code:.99}, which is no dtype here", code=code))
    return _KINDS[code]


def _big_endian() -> FileFormatError:
    return FileFormatError(
        t("it was written on a big-endian machine: save it anew on a little-endian one")
    )


def _wrong_size(key: str, wanted: int, found: int) -> FileFormatError:
    return FileFormatError(
        t("storage {key!r:.99} needs {wanted} bytes or elements, but has {found}",
          key=key, wanted=wanted, found=found)
    )  # fmt: skip
