"""Transforms in a row. What can be done in one pass over the images is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.data.random import Draws
from chainrule.data.transforms.affine import resampled
from chainrule.data.transforms.base import Transform, apply_to_batch, works_by_rows
from chainrule.data.transforms.geometric import RandomAffine
from chainrule.data.transforms.values import Normalize, ToFloat


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

    @property
    def by_rows(self) -> bool:  # type: ignore[override]
        return all(map(works_by_rows, self.transforms))

    def is_single(self, x: np.ndarray) -> bool:
        # The first transform decides, because the layout it takes is the layout that comes in.
        first = self.transforms[0] if self.transforms else None
        return first.is_single(x) if isinstance(first, Transform) else super().is_single(x)

    def batch(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        left = self.transforms
        while left:
            done, x = _augmented(left, x, draws)
            if not done:
                done, x = 1, apply_to_batch(left[0], x, draws)
            left = left[done:]
        return x

    def __repr__(self) -> str:
        return f"Compose({self.transforms!r})"


def _augmented(
    transforms: Sequence[Callable[..., Any]], x: np.ndarray, draws: Draws | None
) -> tuple[int, np.ndarray]:
    """The first transforms in one pass: bytes to floats, an affine map, and normalisation, without
    the first or the last of them. How many these were, 0 for none, and the result: the same bits
    as from each by itself."""
    scales = x.dtype == np.uint8 and type(transforms[0]) is ToFloat
    some = transforms[scales : scales + 2]
    affine = some[0] if some else None
    if (
        not isinstance(affine, RandomAffine)
        or type(affine).batch is not RandomAffine.batch
        or not (scales or x.dtype in (np.float32, np.float64))
    ):
        return 0, x
    if affine.random and draws is None:
        return 0, x
    matrices, moments = affine.matrices(x, draws), None
    if type(some[-1]) is Normalize:
        moments = some[-1].moments(x[:0].astype(np.float32) if scales else x[:0])
    done = scales + 1 + (moments is not None)
    return done, resampled(x, matrices, affine.fill, moments)
