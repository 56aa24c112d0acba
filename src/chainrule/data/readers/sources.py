"""The kinds of source that `load` knows, one class each."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from chainrule.base.errors import DataError, FileFormatError
from chainrule.base.text import t
from chainrule.data.readers.checks import check_inputs
from chainrule.data.readers.idx import read_idx
from chainrule.data.readers.images import class_folders, image_sizes, read_image_folder
from chainrule.data.readers.npy import NpzFile, read_npy
from chainrule.data.readers.table import read_csv

SPLITS = ("train", "test")


class Source:
    """One place that data come from.

    `splits` are the parts it has by itself; empty if it is one whole. `read(split)` gives inputs
    and targets, `targets(split)` the targets alone, where that is cheaper.
    """

    # Whether the values are pictures, whatever their dtype.
    images = False
    # Class names that the source itself knows.
    classes: tuple[str, ...] | None = None

    def __init__(self, path: Path, max_bytes: int):
        self.path = path
        self.max_bytes = max_bytes
        self.splits: tuple[str, ...] = ()

    def read(self, split: str | None) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError(f"{type(self).__name__}.read")

    def targets(self, split: str | None) -> np.ndarray:
        return self.read(split)[1]


class Digits(Source):
    """The embedded digits: the first 4,000 train, the last 1,000 test."""

    images = True
    classes = tuple("0123456789")
    _parts = {"train": slice(0, 4000), "test": slice(4000, 5000)}

    def __init__(self, max_bytes: int):
        folder = resources.files("chainrule.data") / "digits28"
        with resources.as_file(folder / "digits28.npz") as path:
            super().__init__(path, max_bytes)
            archive = NpzFile(path)
            self._arrays = archive["images"], archive["labels"]
        self.splits = SPLITS

    def read(self, split: str | None) -> tuple[np.ndarray, np.ndarray]:
        assert split is not None
        images, labels = self._arrays
        part = self._parts[split]
        return images[part], labels[part]


class IdxFolder(Source):
    """MNIST's layout: train-images-idx3-ubyte, train-labels-idx1-ubyte, and t10k likewise."""

    images = True
    _prefixes = {"train": "train", "test": "t10k"}

    def __init__(self, path: Path, max_bytes: int):
        super().__init__(path, max_bytes)
        self.splits = tuple(s for s in SPLITS if self._find(s, 3) or self._find(s, 1))

    def _names(self, split: str, rank: int) -> list[str]:
        kind = "images" if rank == 3 else "labels"
        stems = [f"{self._prefixes[split]}-{kind}{dash}idx{rank}-ubyte" for dash in "-."]
        return [stem + end for end in ("", ".gz") for stem in stems]

    def _find(self, split: str, rank: int) -> Path | None:
        paths = (self.path / name for name in self._names(split, rank))
        return next((path for path in paths if path.is_file()), None)

    def _array(self, split: str, rank: int) -> tuple[Path, np.ndarray]:
        path = self._find(split, rank)
        if path is None:
            raise DataError(
                t(
                    "{path}: {name} is missing (.gz and '.' before idx are fine too).",
                    path=self.path,
                    name=self._names(split, rank)[0],
                )
            )
        array = read_idx(path, self.max_bytes)
        # Four axes are pictures with colours; EMNIST and the like keep to three.
        if array.ndim != rank and not (rank == 3 and array.ndim == 4):
            raise FileFormatError(
                t(
                    "{path}: holds {found} axes (shape {shape}), expected {expected}.",
                    path=path,
                    found=array.ndim,
                    shape=array.shape,
                    expected=rank,
                )
            )
        return path, array

    def read(self, split: str | None) -> tuple[np.ndarray, np.ndarray]:
        assert split is not None
        image_path, images = self._array(split, 3)
        label_path, labels = self._array(split, 1)
        if len(images) != len(labels):
            raise FileFormatError(
                t(
                    "{images} holds {n} pictures, but {labels} holds {m} labels.",
                    images=image_path,
                    n=len(images),
                    labels=label_path,
                    m=len(labels),
                )
            )
        return images, labels

    def targets(self, split: str | None) -> np.ndarray:
        assert split is not None
        return self._array(split, 1)[1]


class Pictures(Source):
    """A folder of pictures, one subfolder a class, in train/ and test/ or without."""

    images = True

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        classes: Sequence[str] | None,
        channels: int | None,
        size: Sequence[int] | None,
    ):
        super().__init__(path, max_bytes)
        parts = [s for s in SPLITS if (path / s).is_dir() and class_folders(path / s)]
        self.splits = tuple(parts)
        # Both parts number the same classes, also where one lacks a class.
        folders = [path / part for part in parts] or [path]
        found = {sub.name for folder in folders for sub in class_folders(folder)}
        self.classes = tuple(classes or sorted(found))
        self.channels, self.size = channels, size

    def read(self, split: str | None) -> tuple[np.ndarray, np.ndarray]:
        folder = self.path / split if split else self.path
        return read_image_folder(folder, self.classes, self.channels, self.size)[:2]

    def sizes(self) -> set[tuple[int, int]]:
        """The sizes (height, width) that the pictures have in their files."""
        return set().union(*(image_sizes(self.path / part) for part in self.splits or [""]))


class Archive(Source):
    """An .npz: images and labels, or x and y, or x_train, y_train, x_test, y_test."""

    _pairs = (("images", "labels"), ("x", "y"), ("X", "y"))

    def __init__(self, path: Path, max_bytes: int):
        super().__init__(path, max_bytes)
        self.archive = NpzFile(path, max_bytes)
        self._keys: dict[str | None, tuple[str, str]] = {
            split: (f"x_{split}", f"y_{split}")
            for split in SPLITS
            if f"x_{split}" in self.archive and f"y_{split}" in self.archive
        }
        self.splits = tuple(self._keys)  # type: ignore[arg-type]
        if not self._keys:
            whole = [p for p in self._pairs if p[0] in self.archive and p[1] in self.archive]
            if not whole:
                raise DataError(
                    t(
                        "{path}: expected the arrays images and labels, or x and y, or x_train, "
                        "y_train, x_test, y_test; it holds {names}.",
                        path=path,
                        names=", ".join(self.archive.names) or t("nothing"),
                    )
                )
            self._keys[None] = whole[0]
            self.images = whole[0][0] == "images"

    def read(self, split: str | None) -> tuple[np.ndarray, np.ndarray]:
        x, y = self._keys[split]
        return self.archive[x], self.archive[y]

    def targets(self, split: str | None) -> np.ndarray:
        return self.archive[self._keys[split][1]]


class Table(Source):
    """A .csv file, or a .npy file of two axes; the label is the first column unless named."""

    def read(self, split: str | None) -> tuple[np.ndarray, np.ndarray]:
        if self.path.suffix.lower() == ".csv":
            return read_csv(self.path)
        table = read_npy(self.path)
        if table.ndim != 2 or table.shape[1] < 2:
            raise DataError(
                t(
                    "{path}: an array of shape {shape} is no table of labels and features; "
                    "expected [N, 1 + D], or an .npz file with x and y.",
                    path=self.path,
                    shape=table.shape,
                )
            )
        # Checked before the cut, so that the column named is the file's.
        if table.dtype.kind == "f":
            check_inputs(str(self.path), table)
        return table[:, 1:], table[:, 0]


def open_source(
    path: Path,
    max_bytes: int,
    classes: Sequence[str] | None = None,
    channels: int | None = None,
    size: Sequence[int] | None = None,
) -> Source:
    """The source at `path`, its kind told by what stands there.

    Raises:
        FileNotFoundError: nothing stands there.
        DataError: nothing that can be read.
    """
    if not path.exists():
        raise FileNotFoundError(t("{path}: there is no such file or folder.", path=path))
    if path.is_dir():
        folder = IdxFolder(path, max_bytes)
        if folder.splits:
            return folder
        pictures = Pictures(path, max_bytes, classes, channels, size)
        if pictures.classes and (pictures.splits or class_folders(path)):
            return pictures
        raise DataError(
            t(
                "{path}: the folder holds neither IDX files ({example}) nor pictures "
                "(CLASS/*.png).",
                path=path,
                example="train-images-idx3-ubyte",
            )
        )
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return Archive(path, max_bytes)
    if suffix in (".csv", ".npy"):
        return Table(path, max_bytes)
    raise DataError(
        t(
            "{path}: files ending in {suffix!r} cannot be read as a dataset; give .csv, .npy, "
            ".npz, or a folder of IDX files or pictures.",
            path=path,
            suffix=suffix,
        )
    )
