"""What a transform is, and how transforms are chained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """

    random = False

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


class Compose(Transform):
    """Transforms one after another; plain callables among them see one sample at a time."""

    def __init__(self, transforms: Sequence[Callable[..., Any]]):
        self.transforms = list(transforms)
        for transform in self.transforms:
            if not callable(transform):
                raise ArgumentError(
                    t("Compose takes callables; {value!r} is none.", value=transform)
                )
        self.random = any(getattr(transform, "random", False) for transform in self.transforms)

    def is_single(self, x: np.ndarray) -> bool:
        # The first transform decides, because the layout it takes is the layout that comes in.
        first = self.transforms[0] if self.transforms else None
        return first.is_single(x) if isinstance(first, Transform) else super().is_single(x)

    def batch(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        for transform in self.transforms:
            x = apply_to_batch(transform, x, draws)
        return x

    def __repr__(self) -> str:
        return f"Compose({self.transforms!r})"


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
