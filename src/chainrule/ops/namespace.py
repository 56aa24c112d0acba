"""What a formula may use, whatever it runs on: the derived functions, written in primitives.

Three namespaces implement the primitives: `ops.arrays` (NumPy), `ops.recording` (tensors, recorded)
and `compile.trace` (symbols). Composite operations of the registry are offered by name as well.
"""

from __future__ import annotations

import math
from typing import Any

from chainrule.base.shapes import normalize_axes

# Stands in an index key where an array goes: gather(x, (slice(None), HOLE), indices).
HOLE = "array"


class Namespace:
    """Base of the three. A value is an array, a tensor or a symbol; all have shape and dtype."""

    composites: dict[str, Any] = {}  # filled by the registry

    def __getattr__(self, name: str) -> Any:
        op = Namespace.composites.get(name)
        if op is None:
            raise AttributeError(f"{type(self).__name__} has no function {name!r}")
        function = self._composite(op)
        setattr(self, name, function)
        return function

    def _composite(self, op: Any) -> Any:
        """How a composite runs here: its forward, traced through."""

        def run(*inputs: Any, **params: Any) -> Any:
            return op.forward(self, *inputs, **(op.defaults | params))

        return run

    # ---- comparisons and arithmetic ---------------------------------------------------------

    def not_equal(self, x: Any, o: Any) -> Any:
        return self.bitwise_invert(self.equal(x, o))

    def greater(self, x: Any, o: Any) -> Any:
        return self.less(o, x)

    def greater_equal(self, x: Any, o: Any) -> Any:
        return self.less_equal(o, x)

    def square(self, x: Any) -> Any:
        return self.multiply(x, x)

    def rsqrt(self, x: Any) -> Any:
        return self.divide(1.0, self.sqrt(x))

    def clip(self, x: Any, low: Any, high: Any) -> Any:
        return self.minimum(self.maximum(x, low), high)

    def isfinite(self, x: Any) -> Any:
        # inf − inf and NaN − NaN are NaN, everything else gives 0.
        return self.equal(self.subtract(x, x), 0)

    # ---- reductions -------------------------------------------------------------------------

    def mean(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return self.sum(x, axis, keepdims) / count(x.shape, axis)

    def sum_to(self, x: Any, shape: tuple[int, ...]) -> Any:
        """Sums `x` down to `shape`: the adjoint of broadcasting from `shape`."""
        if x.shape == shape:
            return x
        extra = len(x.shape) - len(shape)
        axes = tuple(range(extra)) + tuple(
            i + extra for i, n in enumerate(shape) if n == 1 and x.shape[i + extra] != 1
        )
        if axes:
            x = self.sum(x, axes, True)
        return self.reshape(x, shape) if extra else x

    # ---- shapes -----------------------------------------------------------------------------

    def matrix_transpose(self, x: Any) -> Any:
        n = len(x.shape)
        return self.permute_dims(x, (*range(n - 2), n - 1, n - 2))

    def expand_dims(self, x: Any, axis: int) -> Any:
        n = len(x.shape) + 1
        at = axis + n if axis < 0 else axis
        return self.reshape(x, x.shape[:at] + (1,) + x.shape[at:])

    def squeeze(self, x: Any, axis: Any) -> Any:
        axes = normalize_axes(axis, len(x.shape))
        return self.reshape(x, tuple(s for i, s in enumerate(x.shape) if i not in axes))

    def keep(self, x: Any, axis: Any, shape: tuple[int, ...]) -> Any:
        """A result reduced over `axis` without keepdims, with those axes back as size 1."""
        axes = normalize_axes(axis, len(shape))
        return self.reshape(x, tuple(1 if i in axes else s for i, s in enumerate(shape)))

    def stack(self, xs: Any, axis: int) -> Any:
        return self.concat([self.expand_dims(x, axis) for x in xs], axis)

    # ---- order and diagonals ----------------------------------------------------------------

    def sort(self, x: Any, axis: int) -> Any:
        """The entries in ascending order along `axis`, NaN last."""
        return self.take_along_axis(x, self.argsort(x, axis), axis)

    def diagonal(self, x: Any, offset: int) -> Any:
        """The entries [i, i + offset] of each matrix (the last two axes) of x."""
        rows, columns = x.shape[-2:]
        flat = self.reshape(x, (*x.shape[:-2], rows * columns))
        return self.slice(flat, diagonal_key(rows, columns, offset))

    # ---- planes -----------------------------------------------------------------------------

    def plane_take(self, x: Any, indices: Any, axes: int) -> Any:
        """The elements of each plane (the last `axes` axes) of x at the flat indices into it."""
        plane = math.prod(x.shape[-axes:])
        at = self._positions(indices, axes, plane)
        flat = self.reshape(x, (math.prod(x.shape),))
        return self.reshape(self.gather(flat, (HOLE,), at), indices.shape)

    def plane_add(self, g: Any, indices: Any, size: tuple[int, ...]) -> Any:
        """The adjoint: planes of `size`, zero, to which g is added at the indices."""
        shape = (*g.shape[: len(g.shape) - len(size)], *size)
        at = self._positions(indices, len(size), math.prod(size))
        flat = self.reshape(g, (math.prod(g.shape),))
        return self.reshape(self.scatter_add(flat, (math.prod(shape),), (HOLE,), at), shape)

    def _positions(self, indices: Any, axes: int, plane: int) -> Any:
        """Flat indices into a plane of `plane` elements as indices into all planes, in a line."""
        shape = indices.shape
        rows = math.prod(shape[: len(shape) - axes])
        lines = self.reshape(indices, (rows, math.prod(shape[len(shape) - axes :])))
        starts = self.reshape(self.arange(rows, "int64") * plane, (rows, 1))
        return self.reshape(lines + starts, (math.prod(shape),))

    def centre(self, x: Any, first: Any, axes: Any) -> Any:
        """What to take off x before squares are summed over `axes`: the mean, or its `first` entry
        where that is the mean up to rounding."""
        mean = self.mean(x, axes, True)
        rounding = 1e-6 if x.dtype.itemsize <= 4 else 1e-14
        near = self.less_equal(self.abs(mean - first), rounding * self.abs(first))
        return self.where(near, first, mean)

    # ---- constants --------------------------------------------------------------------------

    def zeros_like(self, x: Any) -> Any:
        return self.full(x.shape, 0, x.dtype)

    def ones_like(self, x: Any) -> Any:
        return self.full(x.shape, 1, x.dtype)

    def one_hot(self, indices: Any, n: int, dtype: Any) -> Any:
        """A new last axis of size n with 1 at each index."""
        return self.astype(
            self.equal(self.expand_dims(indices, -1), self.arange(n, "int64")), dtype
        )


def count(shape: tuple[int, ...], axis: Any) -> int:
    """How many elements a reduction over `axis` takes together."""
    return math.prod(shape[i] for i in normalize_axes(axis, len(shape)))


def diagonal_key(rows: int, columns: int, offset: int) -> tuple[Any, ...]:
    """The entries [i, i + offset] of a matrix as a slice of its elements in a row."""
    i, j = max(-offset, 0), max(offset, 0)
    n = max(min(rows - i, columns - j), 0)
    start = i * columns + j
    return (Ellipsis, slice(start, start + (n - 1) * (columns + 1) + 1, columns + 1) if n
            else slice(0, 0))  # fmt: skip
