"""Object code on disk, so that a program is compiled once a machine and not once a process.

Cached code will be executed: an entry counts only if folder and file belong to this user, nobody
else can write to them, and the content carries the digest of itself and its key. Whatever fails
that is removed and compiled again. Trouble with the disk is never an error, only a miss.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import struct
import tempfile
import threading
import time
from collections.abc import Hashable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.compile.runtime.target import llvm

_HEADER = struct.Struct("<8sIQ32s")  # magic, version, bytes of payload, digest
_MAGIC = b"chainrul"
_VERSION = 1
_SUFFIX, _TEMPORARY = ".code", ".tmp"
_DEFAULT_MIB = 512
_ABANDONED_SECONDS = 3600
# Floors that can influence the code made from a program: the compiler's own and those below.
_FLOORS = ("base", "graph", "ops", "compile")


class Statistics(NamedTuple):
    """Of this process: entries found, entries not found, bytes of payload written."""

    hits: int
    misses: int
    stored_bytes: int


_lock = threading.Lock()
_hits = _misses = _stored = 0
_room = 0  # bytes that may be written before the folder must be counted again


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def statistics() -> Statistics:
    """How often this process found code on disk, and how much it added."""
    with _lock:
        return Statistics(_hits, _misses, _stored)


# ---------------------------------------------------------------- keys


def key(*parts: str | bytes) -> str:
    """A name for what is made from `parts`: the SHA-256 of them and of where each one ends."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()


@cache
def fingerprint() -> str:
    """Stands for the compiler itself: its source, LLVM and llvmlite. Belongs in every key."""
    package = Path(__file__).parents[1]
    sources = sorted(path for floor in _FLOORS for path in (package / floor).rglob("*.py"))
    # Without source files (a zip archive) nothing tells two compilers apart: no key repeats.
    content = [path.read_bytes() for path in sources] or [os.urandom(32)]
    names = [path.relative_to(package).as_posix() for path in sources]
    return key(_llvm_version(), *names, *content)


def _llvm_version() -> str:
    import llvmlite

    return f"{llvmlite.__version__} {llvm().llvm_version_info}"


# ---------------------------------------------------------------- load and store


def load(name: str) -> bytes | None:
    """What was stored under the key `name`; None where there is nothing to be trusted."""
    global _hits, _misses
    payload = None
    folder = _folder() if _limit() else None
    if folder is not None and _private(folder):
        path = folder / (name + _SUFFIX)
        with suppress(OSError):
            payload = _read(path, name)
    with _lock:
        _hits += payload is not None
        _misses += payload is None
    return payload


def _read(path: Path, name: str) -> bytes | None:
    """The payload of a sound entry; an unsound one is removed."""
    content = b""
    # A link must not lead elsewhere, and a pipe put in the place must not block.
    flags = os.O_RDONLY
    for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, flag, 0)
    try:
        handle = os.open(path, flags)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
    else:
        try:
            status = os.fstat(handle)
            if stat.S_ISREG(status.st_mode) and _own(status):
                with open(handle, "rb", closefd=False) as file:
                    content = file.read()
        finally:
            os.close(handle)
    payload = content[_HEADER.size :]
    if content[: _HEADER.size] == _header(name, payload):
        with suppress(OSError):
            os.utime(path)  # the time of the last use decides what stays
        return payload
    os.unlink(path)
    return None


def store(name: str, payload: bytes) -> None:
    """Keep `payload` under the key `name`, if the folder is private and the disk allows it."""
    global _room, _stored
    limit, folder, size = _limit(), _folder(), _HEADER.size + len(payload)
    if folder is None or size > limit:
        return
    with suppress(OSError):
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if not _private(folder):
            return
        with _lock:
            if size > _room:
                _room = _make_room(folder, limit, size)
            _room -= size
        _write(folder / (name + _SUFFIX), _header(name, payload) + payload)
        with _lock:
            _stored += len(payload)


def _write(path: Path, content: bytes) -> None:
    # Like base.files.atomic_write, but readable for the user alone whatever the umask says.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=_TEMPORARY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _header(name: str, payload: bytes) -> bytes:
    # The key is part of the digest: a sound entry under another's name is foreign too.
    digest = hashlib.sha256(name.encode() + payload).digest()
    return _HEADER.pack(_MAGIC, _VERSION, len(payload), digest)


# ---------------------------------------------------------------- the folder


def _folder() -> Path | None:
    """CHAINRULE_CACHE, else chainrule in XDG_CACHE_HOME, else in ~/.cache; None: no home."""
    if chosen := os.environ.get("CHAINRULE_CACHE"):
        return Path(chosen).absolute()
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # the standard says to ignore a relative one
        try:
            base = Path.home() / ".cache"
        except RuntimeError:
            return None
    return base / "chainrule"


def place() -> Hashable | None:
    """What the environment says about the folder, so that code in memory is another's where the
    folder is; None: there is to be no cache."""
    if not _limit():
        return None
    return os.environ.get("CHAINRULE_CACHE"), os.environ.get("XDG_CACHE_HOME")


def _private(folder: Path) -> bool:
    try:
        status = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and _own(status)


def _own(status: os.stat_result) -> bool:
    """Belongs to this user, and nobody else may write."""
    if not hasattr(os, "geteuid"):
        return True  # Windows guards the user's profile with other means than mode bits
    others = stat.S_IWGRP | stat.S_IWOTH
    return status.st_uid == os.geteuid() and not status.st_mode & others


def _limit() -> int:
    """The most bytes in the folder: CHAINRULE_CACHE_SIZE MiB; 0 turns the cache off."""
    text = os.environ.get("CHAINRULE_CACHE_SIZE", "").strip() or str(_DEFAULT_MIB)
    if not text.isdecimal():
        raise ArgumentError(
            t("CHAINRULE_CACHE_SIZE is {text!r}: write a whole number of MiB, or 0.", text=text)
        )
    return int(text) << 20


def _make_room(folder: Path, limit: int, size: int) -> int:
    """Remove entries, longest unused first, until `size` bytes fit; the bytes now free."""
    entries = []
    for entry in os.scandir(folder):
        with suppress(OSError):  # another process may remove it at the same moment
            status = entry.stat(follow_symlinks=False)
            if entry.name.endswith(_SUFFIX):
                entries.append((status.st_mtime_ns, status.st_size, entry.path))
            abandoned = time.time() - status.st_mtime > _ABANDONED_SECONDS
            if abandoned and entry.name.endswith(_TEMPORARY):
                os.unlink(entry.path)
    total = sum(length for _, length, _ in entries)
    if total + size > limit:
        # Some more than needed, or the next entry would bring all this again.
        for _, length, path in sorted(entries):
            if total + size <= limit - limit // 8:
                break
            with suppress(OSError):
                os.unlink(path)
                total -= length
    # Other processes write too: look again before they can have filled the folder.
    return max(size, min(limit - total, size + limit // 16))
