"""`load`: one call for every kind of source."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError, DataError
from chainrule.base.text import t
from chainrule.data.dataset import ArrayDataset
from chainrule.data.readers.checks import check_classes, check_inputs, check_targets
from chainrule.data.readers.idx import MAX_BYTES
from chainrule.data.readers.sources import SPLITS, Digits, Pictures, Source, open_source
from chainrule.data.transforms import ToFloat

_TASKS = ("classification", "regression")


def load(
    source: str | os.PathLike[str],
    split: str | None = None,
    *,
    transform: Callable[..., Any] | None = ToFloat(),  # noqa: B008 (it holds no state)
    classes: int | Sequence[str] | None = None,
    input_shape: Sequence[int] | None = None,
    task: str = "classification",
    channels: int | None = None,
    size: Sequence[int] | None = None,
    max_bytes: int = MAX_BYTES,
) -> ArrayDataset:
    """A labelled dataset, checked: finite inputs, labels that are classes, equal lengths.

    Sources:
        "digits28": 5,000 handwritten digits that come with the package (1 x 28 x 28).
        a folder of IDX files (MNIST's names; '.' for '-' before idx; plain or .gz).
        a folder of pictures, CLASS/*.png and so on, in train/ and test/ or without.
        a .csv file: numbers, label first or in a column named label or target.
        a .npy file: a table of numbers, label first.
        a .npz file: images and labels, or x and y, or x_train, y_train, x_test, y_test.

    Pictures mean the same in every dtype: values 0 .. 255 (the largest above 1) are pixels and
    become uint8, or are divided by 255 where they are not whole; integers up to 65535 are divided
    by 65535; 0 .. 1, and what is negative or larger, stays.

    Args:
        split: "train", "test", or None for all there is. Only some sources have splits
            (`available_splits`).
        transform: for the inputs; by default uint8 becomes float32 0 .. 1.
        classes: how many there are, or their names; by default as many as the largest label of
            the whole source asks for (never more than there are samples), named by their numbers,
            or the subfolders' names.
        input_shape: the shape to give each input, as (1, 28, 28) for pixels in columns.
        task: "regression" takes any finite number as target (float32 [N]); then no classes.
        channels, size: for pictures, as in `read_image`.
        max_bytes: the most that a compressed file may unpack to.

    Returns:
        ArrayDataset with `x` (uint8 pixels [N, C, H, W], else float32 [N, ...]), `y` int64 [N],
        `classes`, `input_shape`, `name`.

    Raises:
        FileNotFoundError: no such file or folder.
        FileFormatError: a file that is not what its name promises.
        DataError: values that are no data; a split that is not there.

    >>> digits = cr.data.load("digits28", "test")
    >>> digits.x.shape
    (1000, 1, 28, 28)
    """
    if split is not None and split not in SPLITS:
        raise ArgumentError(t("split must be 'train', 'test' or None, not {value!r}.", value=split))
    if task not in _TASKS:
        raise ArgumentError(
            t("task must be 'classification' or 'regression', not {value!r}.", value=task)
        )
    regression = task == "regression"
    names = check_classes(classes)
    opened = _open(source, max_bytes, names, channels, size)
    if split is not None and split not in opened.splits:
        raise _no_split(opened, split)
    inputs, targets = [], []
    for part in [split] if split else opened.splits or [None]:
        x, y = opened.read(part)
        where = f"{opened.path} ({part})" if part else str(opened.path)
        inputs.append(check_inputs(where, x, input_shape, opened.images))
        known = names or opened.classes
        targets.append(check_targets(where, y, len(x), len(known) if known else None, regression))
    if any(x.shape[1:] != inputs[0].shape[1:] for x in inputs):
        raise DataError(
            t(
                "{path}: the parts hold inputs of different shapes, {shapes}.",
                path=opened.path,
                shapes=", ".join(str(x.shape[1:]) for x in inputs),
            )
        )
    if regression:
        names = ()
    elif names is None:
        names = opened.classes or _count_classes(opened, targets)
    return ArrayDataset(
        inputs[0] if len(inputs) == 1 else np.concatenate(inputs),
        np.concatenate(targets),
        transform,
        classes=names,
        name=str(source),
    )


def available_splits(source: str | os.PathLike[str]) -> tuple[str, ...]:
    """The splits that `load` can give of a source: some of "train", "test"; none if it is whole."""
    return _open(source, MAX_BYTES).splits


def picture_sizes(source: str | os.PathLike[str]) -> set[tuple[int, int]]:
    """The sizes (height, width) of the files in a folder of pictures; none of other sources."""
    opened = _open(source, MAX_BYTES)
    return opened.sizes() if isinstance(opened, Pictures) else set()


def _open(
    source: str | os.PathLike[str],
    max_bytes: int,
    classes: Sequence[str] | None = None,
    channels: int | None = None,
    size: Sequence[int] | None = None,
) -> Source:
    if source == "digits28":
        return Digits(max_bytes)
    return open_source(Path(source), max_bytes, classes, channels, size)


def _count_classes(opened: Source, read: list[np.ndarray]) -> tuple[str, ...]:
    # A test split may lack the last class, so the labels of the other split count as well.
    if len(read) < len(opened.splits):
        read = [
            check_targets(str(opened.path), y, len(y)) for y in map(opened.targets, opened.splits)
        ]
    count, samples = 1 + max(int(y.max()) for y in read), sum(map(len, read))
    # A handful of examples may well lack classes; thousands without one are a slip in the labels.
    if count > max(samples, 1000):
        raise DataError(
            t(
                "{path}: the largest label is {label}, which makes {count} classes, but there are "
                "only {samples} samples: check the labels; in Python, classes= says how many "
                "classes there are.",
                path=opened.path,
                label=count - 1,
                count=count,
                samples=samples,
            )
        )
    return tuple(map(str, range(count)))


def _no_split(opened: Source, split: str) -> DataError:
    if opened.splits:
        return DataError(
            t(
                "{path}: there is no split {split!r}, only {found}.",
                path=opened.path,
                split=split,
                found=", ".join(opened.splits),
            )
        )
    return DataError(
        t(
            "{path}: the data are one whole without a split {split!r}: leave split out, and use "
            "random_split to divide them.",
            path=opened.path,
            split=split,
        )
    )
