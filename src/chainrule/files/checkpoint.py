"""Checkpoints: any nested state in one safetensors file, under one SHA-256.

The digest covers every byte of the file (with 64 zeros in its own place), so that a file which was
cut off or changed anywhere is refused, and never read as something else.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from chainrule.base.errors import FileFormatError
from chainrule.base.text import t
from chainrule.files import header as head
from chainrule.files import safetensors, tree
from chainrule.files.header import Header

FORMAT = "chainrule checkpoint 1"
_UNKNOWN = "0" * 64


def save_checkpoint(path: str | os.PathLike[str], state: Any) -> None:
    """Writes `state` (nested dicts, lists, tuples, tensors, arrays, numbers, texts) to `path`.

    A kill at any instant leaves the previous file or the new one. Errors: OSError (disk full, no
    permission; the previous file stays), ArgumentError or DTypeError for what cannot be saved.
    """
    text, tensors = tree.pack(state)
    sources = safetensors.sources_of(tensors)
    metadata = {"format": FORMAT, "sha256": _UNKNOWN, "state": text}
    header = head.encode(safetensors.describe(sources), metadata)
    digest = hashlib.sha256()
    for chunk in safetensors.chunks(header, sources):
        digest.update(chunk)
    metadata["sha256"] = digest.hexdigest()
    header = head.encode(safetensors.describe(sources), metadata)
    safetensors.write(path, header, sources)


def save(obj: Any, f: str | os.PathLike[str]) -> None:
    """`save_checkpoint` with the arguments in PyTorch's order: `save(model.state_dict(), path)`.

    What PyTorch would pickle (a whole model, a function) is refused: ArgumentError.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "weights.safetensors")
    ...     cr.save({"w": cr.ones(2)}, path)
    ...     print(cr.load(path)["w"])
    tensor([1., 1.])
    """
    save_checkpoint(f, obj)


def load_checkpoint(path: str | os.PathLike[str]) -> Any:
    """What `save_checkpoint` was given, bit by bit.

    Errors: OSError; FileFormatError if the file is no checkpoint or any byte of it has changed.
    """
    digest = hashlib.sha256()

    def see(part: Any) -> None:
        if isinstance(part, Header):
            found = part.metadata.get("sha256", "")
            part = part.raw.replace(b'"sha256":"%b"' % found.encode(errors="replace"), _BLANK, 1)
        digest.update(part)

    tensors, metadata = safetensors.read(path, see)
    if metadata.get("format") != FORMAT:
        raise FileFormatError(
            t(
                "{path} is a safetensors file, but no checkpoint of this version (its format is "
                "{found!r:.99}): read its tensors with load_file(path).",
                path=path,
                found=metadata.get("format", ""),
            )
        )
    if metadata.get("sha256") != digest.hexdigest():
        raise _damaged(path, t("its SHA-256 does not fit its content"))
    try:
        return tree.unpack(metadata.get("state", ""), tensors)
    except FileFormatError as error:
        raise _damaged(path, error) from None


def is_checkpoint(path: str | os.PathLike[str]) -> bool:
    """Whether the file says of itself that `save_checkpoint` wrote it. Errors: OSError."""
    with Path(path).open("rb") as file:
        try:
            return safetensors.read_header(file).metadata.get("format") == FORMAT
        except FileFormatError:
            return False


_BLANK = b'"sha256":"%b"' % _UNKNOWN.encode()


def _damaged(path: Any, why: object) -> FileFormatError:
    return FileFormatError(
        t(
            "The checkpoint {path} is damaged: {why}. Go on from an earlier checkpoint, or copy "
            "this one again.",
            path=path,
            why=why,
        )
    )
