"""The primitive of recurrent layers: one step repeated along time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import ShapeError
from chainrule.base.text import t


def steps(xs: Sequence[Any], reverse: bool) -> range:
    """The time steps of xs in the order in which they are taken.

    Errors: ShapeError if there is none, for then nobody knows the shape of a result.
    """
    n = xs[0].shape[0]
    if not n:
        raise ShapeError(t("A sequence needs at least one time step, got none."))
    return range(n - 1, -1, -1) if reverse else range(n)


def scan(
    F: Any, body: Callable[..., Any], carry: Any, xs: Any, constants: Any, reverse: bool
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """`carry, y = body(F, carry, x, constants)` for each entry x of xs along axis 0.

    Returns the last carry, and each y of all steps stacked on axis 0, in the order of xs.
    """
    order = steps(xs, reverse)
    ys: tuple[Any, ...] = ()
    for i in order:
        carry, y = body(F, carry, tuple([x[i] for x in xs]), constants)
        if not ys:
            ys = tuple(np.empty((len(order), *v.shape), v.dtype) for v in y)
        for out, v in zip(ys, y):
            out[i] = v
    return tuple(carry), ys
