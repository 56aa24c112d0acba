"""Reading a picture at any places: grid_sample, and the grids of affine maps.

The places are points of the picture's square [−1, 1]ⁿ, so both the picture and the places get a
gradient: spatial transformers (M. Jaderberg et al., NeurIPS 2015) learn where to look.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np

from chainrule.base.constraints import Bool, Choice, Ints, Optional
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.ops.namespace import HOLE
from chainrule.ops.op import Card, Op, op
from chainrule.ops.windows import Ints_, Shapes

# ---- places ---------------------------------------------------------------------------------

# One neighbour along an axis: the element, its weight, the weight's slope in the place (None where
# it is 0), and whether it is inside the picture (None: surely).
Tap = tuple[Any, Any, Any, Any]


def _clipped(F: Any, c: Any, size: int) -> tuple[Any, Any]:
    """c within [0, size − 1], and where it was; no gradient at the ends, as in PyTorch."""
    low, high = (F.full((), v, c.dtype) for v in (0.0, float(size - 1)))
    below, above = F.less_equal(c, 0.0), F.less_equal(size - 1.0, c)
    within = F.bitwise_invert(F.bitwise_or(below, above))
    return F.where(below, low, F.where(above, high, c)), F.astype(within, c.dtype)


def _reflected(F: Any, c: Any, size: int, align: bool) -> tuple[Any, Any]:
    """c thrown back at the borders, as often as it takes, then clipped; and its slope in c."""
    low, high = (0.0, size - 1.0) if align else (-0.5, size - 0.5)
    span = high - low
    if span == 0:
        return F.zeros_like(c), F.zeros_like(c)
    d = F.abs(c - low)
    flips = F.floor(d / span)
    rest = d - flips * span
    odd = F.equal(F.remainder(flips, 2.0), 1.0)
    out = F.where(odd, high - rest, rest + low)
    # Beyond all counting (an infinite place), the border.
    known = F.isfinite(out)
    out, within = _clipped(F, F.where(known, out, F.zeros_like(out)), size)
    slope = F.sign(c - low) * F.where(odd, -within, within)
    return out, F.where(known, slope, F.zeros_like(slope))


def _padded(F: Any, c: Any, size: int, padding_mode: str, align: bool) -> tuple[Any, Any]:
    """Places in elements by the border's rule, so near that integers can hold them, and their
    slope (None: 1, or of no account so far outside)."""
    if padding_mode == "border":
        return _clipped(F, c, size)
    if padding_mode == "reflection":
        return _reflected(F, c, size, align)
    return F.clip(c, -4.0, size + 3.0), None


def _taps(F: Any, c: Any, size: int, mode: str, padding_mode: str, align: bool) -> list[Tap]:
    """The neighbours of the places c along one axis."""
    if mode == "bicubic":
        c = F.clip(c, -1e6, 1e6)
        first = F.floor(c)
        weights = _cubic_weights(c - first)
        places = [_padded(F, first + float(k), size, padding_mode, align)[0] for k in range(-1, 3)]
    else:
        c, slope = _padded(F, c, size, padding_mode, align)
        first = F.round(c) if mode == "nearest" else F.floor(c)
        part = c - first
        slope = F.ones_like(c) if slope is None else slope
        # The nearest element does not change with the place: the place's gradient is 0, not None.
        weights = (
            [(part * 0.0 + 1.0, None)]
            if mode == "nearest"
            else [(1.0 - part, -slope), (part, slope)]
        )
        places = [first + float(k) for k in range(len(weights))]
    taps: list[Tap] = []
    for place, (weight, slope) in zip(places, weights, strict=True):
        at = F.astype(place, "int64")
        inside = None
        if padding_mode == "zeros":
            inside = F.bitwise_and(F.less_equal(0, at), F.less(at, size))
        taps.append((F.clip(at, 0, size - 1), weight, slope, inside))
    return taps


def _cubic_weights(d: Any) -> list[tuple[Any, Any]]:
    """Of the elements −1, 0, 1, 2 around a place at d ∈ [0, 1), with their slopes in d: R. Keys
    (1981), with a = −0.75."""
    a = -0.75
    e = 1.0 - d

    def near(v: Any) -> tuple[Any, Any]:
        return (
            ((a + 2.0) * v - (a + 3.0)) * v * v + 1.0,
            (3.0 * (a + 2.0) * v - 2.0 * (a + 3.0)) * v,
        )

    def far(v: Any) -> tuple[Any, Any]:
        return (
            ((a * v - 5.0 * a) * v + 8.0 * a) * v - 4.0 * a,
            (3.0 * a * v - 10.0 * a) * v + 8.0 * a,
        )

    # Those to the right are further away the smaller d is.
    right = ((w, -slope) for w, slope in (near(e), far(e + 1.0)))
    return [far(d + 1.0), near(d), *right]


# ---- sampling -------------------------------------------------------------------------------


def _sampled_shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
    x, grid = shapes["x"], shapes["grid"]
    n = len(x) - 2
    if n not in (2, 3) or len(grid) != n + 2 or grid[-1] != n or grid[0] != x[0]:
        raise ShapeError(
            t(
                "grid_sample: the input must be (N, C, H, W) with a grid (N, H′, W′, 2), or "
                "(N, C, D, H, W) with (N, D′, H′, W′, 3), got {x} and {grid}.",
                x=x,
                grid=grid,
            )
        )
    if params["mode"] == "bicubic" and n == 3:
        raise ArgumentError(t("grid_sample: mode 'bicubic' is for (N, C, H, W), got {x}.", x=x))
    if 0 in x[2:]:
        raise ShapeError(t("grid_sample: the input of shape {x} has no elements to read.", x=x))
    return (*x[:2], *grid[1:-1])


@op
class GridSample(Op):
    """x (N, C, H, W) read at grid (N, H′, W′, 2): (N, C, H′, W′); with one more axis each, too.

    grid[…, 0] is the place along W from −1 (left) to 1 (right), grid[…, 1] along H, and so on.
    mode: "bilinear" (of 2 or 3 axes), "nearest", "bicubic". padding_mode, for places outside:
    "zeros", "border" (the nearest element), "reflection". `align_corners`: −1 and 1 are the centres
    of the corner elements, else the edges of the picture. NaN counts as −1.
    """

    math = "sum(weight(grid) * x over the neighbours)"
    params = {
        "mode": Choice("bilinear", "nearest", "bicubic"),
        "padding_mode": Choice("zeros", "border", "reflection"),
        "align_corners": Optional(Bool()),
    }
    autocast = "float32"
    dtypes = "match"
    saves = ("x", "grid")
    method = False
    shape = staticmethod(_sampled_shape)
    domains = {"grid": (-1.4, 1.4)}
    samples = (
        ((2, 2, 3, 4), (2, 3, 2, 2)),
        (((2, 2, 3, 4), (2, 3, 2, 2)), {"padding_mode": "border", "align_corners": True}),
        (((1, 2, 4, 3), (1, 3, 2, 2)), {"padding_mode": "reflection"}),
        (((1, 2, 4, 3), (1, 3, 2, 2)), {"padding_mode": "reflection", "align_corners": True}),
        (((2, 2, 3, 4), (2, 3, 2, 2)), {"mode": "nearest"}),
        (((1, 2, 5, 4), (1, 3, 2, 2)), {"mode": "bicubic"}),
        (((1, 1, 5, 4), (1, 3, 2, 2)), {"mode": "bicubic", "padding_mode": "reflection"}),
        ((1, 2, 3, 2, 4), (1, 2, 2, 3, 3)),
    )
    card = Card(
        en="Reads the picture at places that may lie between its elements. Its gradient goes to "
        "the elements around each place, and to the place itself: which way to look instead.",
        zh="在任意位置（可以落在元素之间）读取图像。梯度传给该位置周围的元素，也传给位置本身："
        "告诉它应往哪里看。",
    )

    def forward(F, x, grid, *, mode, padding_mode, align_corners):
        _sampled_shape({"x": x.shape, "grid": grid.shape}, {"mode": mode})
        rows, y = _rows(F, x), None
        for at, axes, inside in _neighbours(F, x, grid, mode, padding_mode, bool(align_corners)):
            part = F.gather(rows, (HOLE,), at) * _product([w for w, _ in axes])
            if inside is not None:
                part = F.where(inside, part, F.zeros_like(part))
            y = part if y is None else y + part
        return _pictures(F, y, x.shape[0], grid.shape[1:-1])

    def vjp(F, g, y, x, grid, *, mode, padding_mode, align_corners):
        neighbours = _neighbours(F, x, grid, mode, padding_mode, bool(align_corners))
        g = _rows(F, g)

        def of_x():
            total, size = None, (x.shape[0] * prod(x.shape[2:]), x.shape[1])
            for at, axes, inside in neighbours:
                part = g * _product([w for w, _ in axes])
                part = part if inside is None else F.where(inside, part, F.zeros_like(part))
                part = F.scatter_add(part, size, (HOLE,), at)
                total = part if total is None else total + part
            return _pictures(F, total, x.shape[0], x.shape[2:])

        def of_grid():
            if mode == "nearest":
                return F.zeros_like(grid)
            rows = _rows(F, x)
            size = x.shape[2:]
            totals = [None] * len(size)
            for at, axes, inside in neighbours:
                along = F.sum(g * F.gather(rows, (HOLE,), at), 1, True)
                if inside is not None:
                    along = F.where(inside, along, F.zeros_like(along))
                for i, (_, slope) in enumerate(axes):
                    others = [w for k, (w, _) in enumerate(axes) if k != i]
                    part = along * _product([slope, *others])
                    totals[i] = part if totals[i] is None else totals[i] + part
            steps = [total * _step(s, align_corners) for total, s in zip(totals, size, strict=True)]
            out = F.reshape(F.concat(steps[::-1], 1), grid.shape)
            return F.where(F.isnan(grid), F.zeros_like(grid), out)

        return of_x, of_grid


def _step(size: int, align: bool | None) -> float:
    """How many elements further a place is for 1 in the grid."""
    return (size - 1) / 2 if align else size * 0.5


def _product(factors: list[Any]) -> Any:
    out = factors[0]
    for factor in factors[1:]:
        out = out * factor
    return out


def _rows(F: Any, x: Any) -> Any:
    """(N, C, …) → (N·elements, C): channels last, so that one index fetches all of an element."""
    n, c, *size = x.shape
    axes = (0, *range(2, len(size) + 2), 1)
    return F.reshape(F.permute_dims(x, axes), (n * prod(size), c))


def _pictures(F: Any, rows: Any, batch: int, size: Ints_) -> Any:
    """The way back: (N·elements, C) → (N, C, *size)."""
    n = len(size)
    y = F.reshape(rows, (batch, *size, rows.shape[1]))
    return F.permute_dims(y, (0, n + 1, *range(1, n + 1)))


def _neighbours(
    F: Any, x: Any, grid: Any, mode: str, padding_mode: str, align: bool
) -> list[tuple[Any, list[tuple[Any, Any]], Any]]:
    """For each neighbour of all points: its row (points,); its weight along each axis and that
    weight's slope in the place, (points, 1); whether it is inside the picture (None: surely)."""
    batch, _, *size = x.shape
    n = len(size)
    points = prod(grid.shape[1:-1])
    grid = F.where(F.isnan(grid), F.full((), -1.0, grid.dtype), grid)
    axes = []
    for i, s in enumerate(size):
        c = F.reshape(F.slice(grid, (..., n - 1 - i)), (batch * points, 1))
        c = (c + 1.0) * _step(s, align) if align else ((c + 1.0) * s - 1.0) * 0.5
        axes.append(_taps(F, c, s, mode, padding_mode, align))
    start = F.arange(batch, "int64") * prod(size)
    start = F.broadcast_to(F.reshape(start, (batch, 1)), (batch, points))
    start = F.reshape(start, (batch * points, 1))
    out = []
    for taps in product(*axes):
        at, inside = start, None
        for i, (place, _, _, within) in enumerate(taps):
            at = at + place * prod(size[i + 1 :])
            if within is not None:
                inside = within if inside is None else F.bitwise_and(inside, within)
        weights = [(weight, slope) for _, weight, slope, _ in taps]
        out.append((F.reshape(at, (batch * points,)), weights, inside))
    return out


# ---- grids of affine maps -------------------------------------------------------------------


def _grid_shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
    theta, size = shapes["theta"], params["size"]
    n = len(size) - 2
    if n not in (2, 3) or theta != (size[0], n, n + 1):
        raise ShapeError(
            t(
                "affine_grid: theta must be (N, 2, 3) for a size (N, C, H, W), or (N, 3, 4) for "
                "(N, C, D, H, W), got {theta} and {size}.",
                theta=theta,
                size=size,
            )
        )
    return (size[0], *size[2:], n)


@lru_cache(maxsize=64)
def _base(size: Ints_, align: bool, dtype: str) -> np.ndarray:
    """(points, n + 1): the places (x, y, …, 1) of all elements of a picture of `size`."""
    axes = []
    for s in size:
        # A single element stands in the middle.
        line = np.linspace(-1.0, 1.0, s) if s > 1 else np.zeros(s)
        axes.append(line if align else line * ((s - 1) / s))
    grid = np.meshgrid(*axes, indexing="ij")
    return np.stack([g.reshape(-1) for g in (*grid[::-1], np.ones(size))], 1).astype(dtype)


@op
class AffineGrid(Op):
    """theta (N, 2, 3) → the grid (N, H, W, 2) that grid_sample reads for this affine map.

    size: of the picture to be made, (N, C, H, W); with theta (N, 3, 4), (N, C, D, H, W).
    `align_corners` as in grid_sample.
    """

    math = "theta @ (x, y, 1)"
    params = {"size": Ints(low=1), "align_corners": Optional(Bool())}
    vjp = None
    method = False
    shape = staticmethod(_grid_shape)
    samples = (
        (((2, 2, 3),), {"size": (2, 1, 3, 4)}),
        (((2, 2, 3),), {"size": (2, 1, 3, 1), "align_corners": True}),
        (((1, 3, 4),), {"size": (1, 2, 2, 3, 2)}),
    )
    card = Card(
        en="Where each element of the new picture comes from, if the picture is turned, moved, "
        "sheared or scaled.",
        zh="图像旋转、平移、错切或缩放之后，新图像的每个元素来自何处。",
    )

    def forward(F, theta, *, size, align_corners):
        shape = _grid_shape({"theta": theta.shape}, {"size": size})
        dtype = getattr(theta.dtype, "numpy", theta.dtype).name
        base = F.asarray(_base(tuple(size[2:]), bool(align_corners), dtype))
        return F.reshape(F.matmul(base, F.matrix_transpose(theta)), shape)
