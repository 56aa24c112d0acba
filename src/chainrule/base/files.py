"""Writing files so that a kill at any instant leaves the old or the new content, never half."""

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def atomic_write(path: str | os.PathLike[str], content: bytes | str | Iterable[bytes]) -> Path:
    """Write `content` to `path`: temporary name, flush, fsync, rename, fsync of the folder.

    A text is written as UTF-8. On an error (disk full, no permission) the temporary file is
    removed, whatever stood at `path` stays, and the OSError is raised.
    """
    path = Path(path)
    chunks: Iterable[bytes]
    if isinstance(content, str):
        chunks = (content.encode(),)
    elif isinstance(content, bytes | bytearray | memoryview):
        chunks = (bytes(content),)
    else:
        chunks = content
    try:
        return _written(path, chunks)
    except OSError as error:
        # Not the temporary name, of which nobody else knows.
        error.filename = str(path)
        del error.filename2  # else the message would go on with an arrow to it
        raise


def _written(path: Path, chunks: Iterable[bytes]) -> Path:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes the file private; the result gets what an ordinary open() would give.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)
    return path


def _umask() -> int:
    # The only way to read the mask is to set it; /proc avoids that where it exists.
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except OSError:
        pass
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    # The rename itself is durable only once the folder is. Windows cannot open folders.
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
