"""Text as numbers: characters and their places in an alphabet, and pieces of a text to learn from.

Learning to write is next-character prediction: from the characters x_1 … x_T the model says, at
each place, what comes next, so the targets are the same text one character on.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.base.constraints import Int
from chainrule.base.errors import ArgumentError, DataError
from chainrule.base.text import t
from chainrule.data.dataset import Dataset

#: The embedded texts; see `texts/ATTRIBUTION.md`.
TEXTS = ("shakespeare", "milton")
# A last part of a text, never trained on, tells what a model of it is worth.
HELD_OUT = 0.1
# A stream shorter than so many pieces says little about carrying states from one to the next.
_PIECES = 4


def load_text(source: str | os.PathLike[str]) -> str:
    """The text of a name in `TEXTS`, or of a UTF-8 file; line ends become "\\n".

    Raises:
        FileNotFoundError: there is no such file.
        DataError: an empty file, a folder, or bytes that are no UTF-8 text.
    """
    if source in TEXTS:
        packed = files("chainrule.data").joinpath("texts", f"{source}.txt.gz").read_bytes()
        return gzip.decompress(packed).decode("ascii")
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(
            t(
                "{path}: there is no such file; a text is a UTF-8 file, or one of {names}.",
                path=path,
                names=", ".join(TEXTS),
            )
        )
    if not path.is_file():
        raise DataError(t("{path} is no file: give a text file in UTF-8.", path=path))
    data = path.read_bytes()
    if b"\0" in data:
        raise DataError(
            t("{path} is a binary file (it holds zero bytes): give a text file in UTF-8.",
              path=path)
        )  # fmt: skip
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            t(
                "{path} is not UTF-8: line {line} holds the byte 0x{byte:02x}. Save it as UTF-8 "
                "first.",
                path=path,
                line=data.count(b"\n", 0, error.start) + 1,
                byte=data[error.start],
            )
        ) from None
    if not text.strip():
        raise DataError(t("{path} is empty: there is nothing to learn from.", path=path))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def split_text(text: str, share: float = HELD_OUT) -> tuple[str, str]:
    """The text without its last `share`, and that."""
    end = len(text) - round(share * len(text))
    return text[:end], text[end:]


class Characters:
    """An alphabet: `encode` gives the number of each character, `decode` the text again.

    Args:
        characters: distinct single characters; character i has the number i.

    Raises ArgumentError for anything else.
    """

    def __init__(self, characters: Iterable[str]) -> None:
        self.characters = tuple(characters)
        if not self.characters or not all(
            isinstance(c, str) and len(c) == 1 for c in self.characters
        ):
            raise ArgumentError(
                t("Characters takes single characters, at least one, such as 'abc'.")
            )
        codes = np.array([ord(c) for c in self.characters], np.uint32)
        self._order = np.argsort(codes, kind="stable")
        self._sorted = codes[self._order]
        if (self._sorted[1:] == self._sorted[:-1]).any():
            raise ArgumentError(t("Characters: a character occurs twice."))

    @classmethod
    def of(cls, text: str) -> Characters:
        """The alphabet of a text, in the order of Unicode."""
        return cls(sorted(set(text)))

    def __len__(self) -> int:
        return len(self.characters)

    def __contains__(self, character: object) -> bool:
        return character in self.characters

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Characters) and self.characters == other.characters

    def __hash__(self) -> int:
        return hash(self.characters)

    def __repr__(self) -> str:
        return f"Characters({''.join(self.characters)!r})"

    def encode(self, text: str, unknown: int | None = None) -> NDArray[np.int64]:
        """The numbers of the characters: int64 [len(text)].

        unknown: the number of characters outside the alphabet; None refuses them with a DataError
            that names the first one and its place.
        """
        # What a terminal passes on of broken bytes are lone surrogates.
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        places = np.searchsorted(self._sorted, codes).clip(max=len(self) - 1)
        strange = self._sorted[places] != codes
        ids: NDArray[np.int64] = self._order[places].astype(np.int64)
        if strange.any():
            if unknown is None:
                raise self._refusal(text, int(strange.argmax()))
            ids[strange] = unknown
        return ids

    def decode(self, ids: Iterable[int] | NDArray[np.int64]) -> str:
        """The text of numbers. Raises IndexError for one that no character has."""
        return "".join(self.characters[int(i)] for i in ids)

    def _refusal(self, text: str, place: int) -> DataError:
        before = text[:place]
        return DataError(
            t(
                "The character {character!r} (number {place} of line {line}) is not among the {n} "
                "known ones: {some}",
                character=text[place],
                place=place - (before.rfind("\n") + 1) + 1,
                line=before.count("\n") + 1,
                n=len(self),
                some=_shown(self.characters),
            )
        )


def _shown(characters: Sequence[str]) -> str:
    some = "".join(c for c in characters if c.isprintable())
    return some if len(some) <= 120 else some[:120] + "…"


class TextWindows(Dataset):
    """Pieces of `length` characters with what follows each of them, in any order.

    Sample i is (ids [length], the same one character on [length]), both int64, from place
    i · stride.

    Args:
        ids: a text as numbers, from `Characters.encode`.
        stride: from the begin of a piece to that of the next; by default `length`: none overlap.
        characters: the alphabet, for who shows the pieces as text.

    Raises DataError for a text that is not longer than `length`.
    """

    batched = True

    def __init__(
        self, ids: NDArray[np.int64], length: int, stride: int | None = None,
        characters: Characters | None = None,
    ) -> None:  # fmt: skip
        self.characters = characters
        self.ids = np.asarray(ids, np.int64)
        self.length = Int(low=1).check(length, "TextWindows", "length")
        self.stride = Int(low=1).check(stride or length, "TextWindows", "stride")
        if len(self.ids) <= length:
            raise too_short(len(self.ids), length)

    def __len__(self) -> int:
        return 1 + (len(self.ids) - 1 - self.length) // self.stride

    def __getitem__(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        x, y = self.fetch(np.array([range(len(self))[index]]))
        return x[0], y[0]

    def fetch(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        places = indices[:, None] * self.stride + np.arange(self.length)
        return self.ids[places], self.ids[places + 1]


class TextStreams(Dataset):
    """A text cut into `streams` long stretches that are read side by side, piece after piece.

    Sample k is a whole batch: piece k of every stretch, (ids [streams, length], the same one
    character on), so row i of it goes on where row i of the sample before ended. A recurrent
    model that keeps its states from one batch to the next reads each stretch as a whole, while
    gradients go back through one piece: truncated backpropagation through time. `continues` tells
    a Trainer so. What is left at the end of a stretch, less than a piece, is not used.

    Args:
        ids: a text as numbers, from `Characters.encode`.
        streams: how many rows a batch has; fewer where a stretch would have less than four pieces.
        characters: the alphabet, for who shows the pieces as text.

    Raises DataError for a text that is not longer than `length`.
    """

    #: Each sample is the next part of the same sequences: no shuffling, and no batches of samples.
    continues = True

    def __init__(
        self, ids: NDArray[np.int64], streams: int, length: int,
        characters: Characters | None = None,
    ) -> None:  # fmt: skip
        self.characters = characters
        ids = np.asarray(ids, np.int64)
        self.length = Int(low=1).check(length, "TextStreams", "length")
        wanted = Int(low=1).check(streams, "TextStreams", "streams")
        if len(ids) <= length:
            raise too_short(len(ids), length)
        self.streams = max(1, min(wanted, (len(ids) - 1) // (_PIECES * length)))
        pieces = (len(ids) - 1) // self.streams // length
        starts = np.arange(self.streams) * ((len(ids) - 1) // self.streams)
        places = starts[:, None] + np.arange(pieces * length)
        self._x, self._y = ids[places], ids[places + 1]

    def __len__(self) -> int:
        return self._x.shape[1] // self.length

    def __getitem__(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        start = range(len(self))[index] * self.length
        part = slice(start, start + self.length)
        return self._x[:, part].copy(), self._y[:, part].copy()


def too_short(found: int, length: int) -> DataError:
    """The error about a text that has not even one piece."""
    return DataError(
        t(
            "The text is too short: {found} characters, but a piece of {length} and the one that "
            "follows it need {least}. Give more text, or a smaller length.",
            found=found,
            length=length,
            least=length + 1,
        )
    )
