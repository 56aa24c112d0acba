"""What a transform is, and how one is applied to a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.base.text import t
from chainrule.data.random import Draws, current_draws
from chainrule.graph import Tensor


class Transform:
    """Base of transforms: implement `batch(x, draws)`, which takes a whole batch.

    Calling a transform takes one sample ([C, H, W] or [D]) or a batch ([N, C, H, W] or [N, D]),
    array or tensor, and gives the same kind back. The input is never changed in place.

    A transform that is random asks `draws` for its numbers and for nothing else; the same draws
    give the same result.

    `by_rows = True` says that each row of a result depends on that row (and its random numbers)
    alone, so that a loader may transform several batches at once. Each class says so for itself:
    a subclass may do otherwise.
    """

    random = False
    by_rows: bool = False

    def batch(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        """Transform x [N, ...]. `draws` is never None when `random` is True."""
        raise NotImplementedError(f"{type(self).__name__}.batch")

    def __call__(self, x: Any, draws: Draws | None = None) -> Any:
        if isinstance(x, Tensor):
            return Tensor(self(x.numpy(), draws))
        x = np.asarray(x)
        single = self.is_single(x)
        batch = x[None] if single else x
        if self.random and draws is None:
            draws = current_draws(len(batch))
        out = self.batch(batch, draws)
        return out[0] if single else out

    def is_single(self, x: np.ndarray) -> bool:
        """Whether x is one sample and not a batch. Raises ShapeError when it is neither."""
        if x.ndim not in (1, 2, 3, 4):
            raise ShapeError(
                t(
                    "{name} takes a sample [C, H, W] or [D], or a batch [N, C, H, W] or [N, D]; "
                    "got shape {shape}.",
                    name=type(self).__name__,
                    shape=x.shape,
                )
            )
        return x.ndim in (1, 3)

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v!r}" for k, v in vars(self).items() if not k.startswith("_"))
        return f"{type(self).__name__}({shown})"


def apply_to_batch(
    transform: Callable[..., Any] | None, x: np.ndarray, draws: Draws | None = None
) -> np.ndarray:
    """x [N, ...] under `transform`: a Transform takes the batch, any other callable each row."""
    if transform is None:
        return x
    if isinstance(transform, Transform):
        if transform.random and draws is None:
            draws = current_draws(len(x))
        return transform.batch(x, draws)
    rows = [np.asarray(transform(row)) for row in x]
    if len({row.shape for row in rows}) > 1:
        raise ShapeError(
            t(
                "The transform gave samples of different shapes, {first} and {other}: a batch "
                "needs one shape.",
                first=rows[0].shape,
                other=next(row.shape for row in rows if row.shape != rows[0].shape),
            )
        )
    return np.stack(rows) if rows else x


def works_by_rows(transform: Callable[..., Any] | None) -> bool:
    """Whether several batches at once may be given to `transform` (see `Transform.by_rows`)."""
    if transform is None:
        return True
    return "by_rows" in vars(type(transform)) and bool(transform.by_rows)  # type: ignore[attr-defined]


class Lambda(Transform):
    """A function as a transform: of each sample by itself, or of the batch if `batched`."""

    def __init__(self, function: Callable[[np.ndarray], Any], batched: bool = False):
        if not callable(function):
            raise ArgumentError(t("Lambda takes a function, not {value!r}.", value=function))
        self.function = function
        self.batched = batched

    def batch(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        if not self.batched:
            return apply_to_batch(self.function, x)
        out = np.asarray(self.function(x))
        if out.shape[:1] != x.shape[:1]:
            raise ShapeError(
                t(
                    "Lambda: the function made shape {out} of a batch of shape {shape}; it must "
                    "keep the first axis.",
                    out=out.shape,
                    shape=x.shape,
                )
            )
        return out


def check_images(name: str, x: np.ndarray) -> None:
    """Raise ShapeError unless x is [N, C, H, W], DTypeError unless uint8 or floating."""
    if x.ndim != 4:
        raise ShapeError(
            t(
                "{name} takes images [C, H, W] or [N, C, H, W]; a batch of shape {shape} came. "
                "Put ToTensor() before it if the channel axis is missing.",
                name=name,
                shape=x.shape,
            )
        )
    if x.dtype != np.uint8:
        check_floating(name, x)


def check_floating(name: str, x: np.ndarray) -> None:
    """Raise DTypeError unless x is floating."""
    if x.dtype.kind != "f":
        raise DTypeError(
            t(
                "{name} takes floating values, not {dtype}: put ToFloat() before it.",
                name=name,
                dtype=x.dtype,
            )
        )
