"""What every source's arrays go through: layout, finite values, labels that are classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError, DataError
from chainrule.base.text import t

# Without classes= a label decides how many classes there are; a stray huge one must not.
MAX_GUESSED_CLASSES = 65_536
_CHANNELS = (1, 3, 4)


def check_inputs(
    where: str, x: np.ndarray, input_shape: Sequence[int] | None = None, images: bool = False
) -> np.ndarray:
    """Inputs as uint8 [N, C, H, W] for pixels 0 .. 255, else float32 [N, ...].

    Pictures are uint8 arrays, whole numbers in the range of pixels from three axes on, four axes,
    an `input_shape` of three, and what `images` says. Their range is brought to 0 .. 1 (uint8
    stays uint8, which stands for that) by `white_of`; values without a pixel range stay.

    Args:
        images: the values are pictures whatever their dtype: [N, H, W] gains a channel axis and
            [N, H, W, C] is turned to [N, C, H, W], as uint8 arrays are always.
        input_shape: reshape each sample to this instead.
    """
    if x.ndim < 2:
        raise DataError(
            t(
                "{path}: inputs need an axis of samples and one of values; found shape {shape}.",
                path=where,
                shape=x.shape,
            )
        )
    if input_shape is not None:
        x = _reshape(where, x, tuple(input_shape))
        pictures = len(input_shape) == 3
    else:
        pictures = images or x.ndim == 4
        if x.dtype != np.uint8 and x.ndim == 3 and not images:
            # [N, H, W] of other dtypes may be sequences: whole pixel values tell pictures.
            pictures = white_of(x) in (255, 65535) and _are_whole(x)
        if x.dtype == np.uint8 or pictures:
            x = _channels_first(x)
    if x.dtype == np.uint8:
        return x
    if x.dtype.kind == "f":
        _check_finite(where, x)
    white = white_of(x) if pictures else None
    if white == 255 and _are_whole(x):
        return x.astype(np.uint8)
    if white is not None and white > 1:
        return np.divide(x, white, dtype=np.float64).astype(np.float32)
    with np.errstate(over="ignore"):
        out = x.astype(np.float32)
    _check_fits(where, x, out)
    if x.dtype.kind in "iu" and not np.array_equal(out.astype(np.float64), x):
        raise DataError(
            t(
                "{path}: {dtype} values too large for float32 to hold exactly; load the array "
                "yourself and give it to ArrayDataset.",
                path=where,
                dtype=x.dtype,
            )
        )
    return out


def _channels_first(x: np.ndarray) -> np.ndarray:
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and x.shape[1] not in _CHANNELS and x.shape[3] in _CHANNELS:
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return x


def _reshape(where: str, x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if any(n < 1 for n in shape) or math.prod(shape) != math.prod(x.shape[1:]):
        raise DataError(
            t(
                "{path}: an input has shape {have}, {count} values; it cannot become {shape}.",
                path=where,
                have=x.shape[1:],
                count=math.prod(x.shape[1:]),
                shape=shape,
            )
        )
    return x.reshape(len(x), *shape)


def white_of(x: np.ndarray) -> int | None:
    """The value that stands for white in pixels: 1, 255 or 65535; None for values of no such range.

    uint8 goes to 255 whatever it holds. Else the values tell: 0 .. 1 goes to 1, 0 .. 255 to 255,
    integers 0 .. 65535 to 65535. Negative values, larger ones, NaN, and floats beyond 255 have no
    pixel range.
    """
    if x.dtype == np.uint8:
        return 255
    if x.dtype == np.bool_ or not x.size:
        return 1
    low, high = x.min(), x.max()
    if not (low >= 0 and high <= 65535):
        return None
    if high <= 1:
        return 1
    if high <= 255:
        return 255
    return 65535 if x.dtype.kind in "iu" else None


def _are_whole(x: np.ndarray) -> bool:
    return x.dtype.kind in "iu" or bool((x == np.rint(x)).all())


def _check_finite(where: str, x: np.ndarray) -> None:
    good = np.isfinite(x)
    if good.all():
        return
    row, column, value = _first(x, ~good)
    raise DataError(
        t(
            "{path}, row {row}, column {column} (counted from 0): {value} where a finite float32 "
            "is needed.",
            path=where,
            row=row,
            column=column,
            value=value,
        )
    )


def _check_fits(where: str, x: np.ndarray, out: np.ndarray) -> None:
    """Finite values whose float32 is infinite are named as they stand in the file."""
    bad = np.isinf(out)
    if not bad.any():
        return
    row, column, value = _first(x, bad)
    raise DataError(
        t(
            "{path}, row {row}, column {column} (counted from 0): {value} is too large for "
            "float32.",
            path=where,
            row=row,
            column=column,
            value=value,
        )
    )


def _first(x: np.ndarray, bad: np.ndarray) -> tuple[int, Any, float]:
    row, *rest = (int(i) for i in np.argwhere(bad)[0])
    return row, rest[0] if len(rest) == 1 else tuple(rest), float(x[(row, *rest)])


def check_targets(
    where: str, y: np.ndarray, n: int, classes: int | None = None, regression: bool = False
) -> np.ndarray:
    """Targets [n]: int64 labels in 0 .. classes-1, or float32 for regression."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(
            t(
                "{path}: labels have shape {shape}; one number a sample is needed. Turn one-hot "
                "rows into labels with argmax(1).",
                path=where,
                shape=y.shape,
            )
        )
    if len(y) != n:
        raise DataError(
            t("{path}: {labels} labels for {inputs} inputs.", path=where, labels=len(y), inputs=n)
        )
    if not n:
        raise DataError(t("{path}: there are no samples.", path=where))
    if y.dtype.kind == "f":
        _refuse(where, y, ~np.isfinite(y), t("a finite number is needed"))
    if regression:
        with np.errstate(over="ignore"):
            out = y.astype(np.float32)
        _refuse(where, y, ~np.isfinite(out), t("float32 cannot hold it"))
        return out
    if y.dtype.kind == "f":
        _refuse(where, y, y != np.rint(y), t("a whole number is needed"))
    _refuse(where, y, y < 0, t("labels count from 0"))
    most = MAX_GUESSED_CLASSES if classes is None else classes
    hint = t("labels go up to {last}; give classes= if there are more", last=most - 1)
    _refuse(where, y, y >= most, hint)
    return y.astype(np.int64)


def _refuse(where: str, y: np.ndarray, bad: np.ndarray, reason: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        value = y[row].item()
        raise DataError(
            t(
                "{path}: label {value} of row {row} (counted from 0): {reason}.",
                path=where,
                value=int(value) if value == value // 1 else value,
                row=row,
                reason=reason,
            )
        )


def check_classes(classes: int | Sequence[str] | None) -> tuple[str, ...] | None:
    """Class names from a count or a list of names."""
    if classes is None:
        return None
    if isinstance(classes, (int, np.integer)) and not isinstance(classes, bool):
        if classes < 1:
            raise ArgumentError(t("classes must be from 1 up, not {value}.", value=classes))
        return tuple(map(str, range(classes)))
    names = () if isinstance(classes, str | bool) else tuple(classes)
    if not names or not all(isinstance(name, str) for name in names):
        raise ArgumentError(
            t("classes is how many there are, or their names, not {value!r}.", value=classes)
        )
    if len(set(names)) != len(names):
        raise ArgumentError(t("classes names a class twice: {names}.", names=", ".join(names)))
    return names
