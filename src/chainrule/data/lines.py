"""Lines of text in classes: who wrote this line?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.base.errors import DataError
from chainrule.base.text import t
from chainrule.data.dataset import TensorDataset
from chainrule.data.text import HELD_OUT, TEXTS, Characters, load_text
from chainrule.graph import Tensor

#: The embedded texts, line by line, each one a class.
AUTHORS = "shakespeare-milton"
# Shorter ones are mostly the names of those who speak, and headings.
SHORTEST = 20


class Lines(NamedTuple):
    """Lines and their classes, in two parts: `held_out` has the last tenth of each class."""

    train: list[str]
    train_targets: NDArray[np.int64]
    held_out: list[str]
    held_out_targets: NDArray[np.int64]
    classes: tuple[str, ...]


def load_lines(source: str | os.PathLike[str] = AUTHORS, shortest: int = SHORTEST) -> Lines:
    """Lines of `AUTHORS`, or of a folder with files CLASS/*.txt in UTF-8.

    shortest: lines with fewer characters, blanks around them not counted, are left out.

    Raises:
        FileNotFoundError: there is no such folder.
        DataError: fewer than two classes, a class with too few lines, a file that is no text.
    """
    if source == AUTHORS:
        texts = {name: load_text(name) for name in TEXTS}
    else:
        texts = _of_folder(Path(source))
    parts: tuple[list[str], list[str]] = ([], [])
    targets: tuple[list[int], list[int]] = ([], [])
    for k, (name, text) in enumerate(texts.items()):
        lines = [line for line in map(str.strip, text.split("\n")) if len(line) >= shortest]
        if len(lines) < 2:
            raise DataError(
                t(
                    "{source}: the class {name} has {n} lines of {shortest} characters or more; "
                    "two are the least.",
                    source=source,
                    name=name,
                    n=len(lines),
                    shortest=shortest,
                )
            )
        end = len(lines) - max(1, round(HELD_OUT * len(lines)))
        for part, place, some in zip(parts, targets, (lines[:end], lines[end:]), strict=True):
            part += some
            place += [k] * len(some)
    return Lines(
        parts[0], np.array(targets[0], np.int64), parts[1], np.array(targets[1], np.int64),
        tuple(texts),
    )  # fmt: skip


def _of_folder(path: Path) -> dict[str, str]:
    if not path.exists():
        raise FileNotFoundError(t("{path}: there is no such file or folder.", path=path))
    if not path.is_dir():
        raise DataError(
            t("{path} is a file: give a folder with a folder of .txt files for each class.",
              path=path)
        )  # fmt: skip
    texts = {}
    for folder in sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")):
        found = sorted(p for p in folder.glob("*.txt") if not p.name.startswith("."))
        if found:
            texts[folder.name] = "\n".join(map(load_text, found))
    if len(texts) < 2:
        raise DataError(
            t(
                "{path} holds {n} folders with .txt files: each is a class, and two are the least "
                "(CLASS/*.txt).",
                path=path,
                n=len(texts),
            )
        )
    return texts


def encode_lines(
    lines: list[str], characters: Characters, length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lines as numbers [N, length] and how many of them each line has [N]: at least 1.

    Character i of the alphabet is i + 1; 0 stands for one outside it, and fills up short lines.
    Longer lines are cut.
    """
    ids = np.zeros((len(lines), length), np.int64)
    sizes = np.ones(len(lines), np.int64)
    for row, line in enumerate(lines):
        codes = characters.encode(line[:length], unknown=-1) + 1
        ids[row, : len(codes)] = codes
        sizes[row] = max(1, len(codes))
    return ids, sizes


def line_dataset(
    lines: list[str], targets: NDArray[np.int64], characters: Characters, length: int
) -> TensorDataset:
    """Samples (ids [length], size, class): see `encode_lines`."""
    ids, sizes = encode_lines(lines, characters, length)
    return TensorDataset(Tensor(ids), Tensor(sizes), Tensor(targets))
