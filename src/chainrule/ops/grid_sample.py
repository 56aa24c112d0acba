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


def _clipped(F: Any, c: Any, size: int) -> Any:
    """c within [0, size − 1]; no gradient at the ends, as in PyTorch."""
    low, high = (F.full((), v, c.dtype) for v in (0.0, float(size - 1)))
    return F.where(F.less_equal(c, 0.0), low, F.where(F.less_equal(size - 1.0, c), high, c))


def _reflected(F: Any, c: Any, size: int, align: bool) -> Any:
    """c thrown back at the borders, as often as it takes, then clipped."""
    low, high = (0.0, size - 1.0) if align else (-0.5, size - 0.5)
    span = high - low
    if span == 0:
        return F.zeros_like(c)
    d = F.abs(c - low)
    flips = F.floor(d / span)
    rest = d - flips * span
    odd = F.equal(F.remainder(flips, 2.0), 1.0)
    # Beyond all counting (an infinite place), the border.
    c = F.where(odd, high - rest, rest + low)
    return _clipped(F, F.where(F.isfinite(c), c, F.zeros_like(c)), size)


def _padded(F: Any, c: Any, size: int, padding_mode: str, align: bool) -> Any:
    """Places in elements by the border's rule, so near that integers can hold them."""
    if padding_mode == "border":
        return _clipped(F, c, size)
    if padding_mode == "reflection":
        return _reflected(F, c, size, align)
    return F.clip(c, -4.0, size + 3.0)


def _taps(F: Any, c: Any, size: int, mode: str, padding_mode: str, align: bool) -> list[Any]:
    """(element, weight, whether inside) of each neighbour along one axis; None: surely inside."""
    if mode == "bicubic":
        c = F.clip(c, -1e6, 1e6)
        first = F.floor(c)
        weights = _cubic_weights(c - first)
        places = [_padded(F, first + float(k), size, padding_mode, align) for k in range(-1, 3)]
    else:
        c = _padded(F, c, size, padding_mode, align)
        first = F.round(c) if mode == "nearest" else F.floor(c)
        part = c - first
        # The nearest element does not change with the place: the place's gradient is 0, not None.
        weights = [part * 0.0 + 1.0] if mode == "nearest" else [1.0 - part, part]
        places = [first + float(k) for k in range(len(weights))]
    taps = []
    for place, weight in zip(places, weights, strict=True):
        at = F.astype(place, "int64")
        inside = None
        if padding_mode == "zeros":
            inside = F.bitwise_and(F.less_equal(0, at), F.less(at, size))
        taps.append((F.clip(at, 0, size - 1), weight, inside))
    return taps


def _cubic_weights(d: Any) -> list[Any]:
    """Of the elements −1, 0, 1, 2 around a place at d ∈ [0, 1): R. Keys (1981), with a = −0.75."""
    a = -0.75
    e = 1.0 - d

    def near(v: Any) -> Any:
        return ((a + 2.0) * v - (a + 3.0)) * v * v + 1.0

    def far(v: Any) -> Any:
        return ((a * v - 5.0 * a) * v + 8.0 * a) * v - 4.0 * a

    return [far(d + 1.0), near(d), near(e), far(e + 1.0)]


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
    vjp = None
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
        batch, channels, *size = x.shape
        n = len(size)
        grid = F.where(F.isnan(grid), F.full((), -1.0, grid.dtype), grid)
        points = prod(grid.shape[1:-1])
        axes = []
        for i, s in enumerate(size):
            c = F.reshape(F.slice(grid, (..., n - 1 - i)), (batch * points, 1))
            c = (c + 1.0) * ((s - 1) / 2) if align_corners else ((c + 1.0) * s - 1.0) * 0.5
            axes.append(_taps(F, c, s, mode, padding_mode, bool(align_corners)))
        # Channels last, so that one index fetches all channels of an element.
        rows = F.reshape(
            F.permute_dims(x, (0, *range(2, n + 2), 1)), (batch * prod(size), channels)
        )
        start = F.arange(batch, "int64") * prod(size)
        start = F.broadcast_to(F.reshape(start, (batch, 1)), (batch, points))
        start = F.reshape(start, (batch * points, 1))
        y = None
        for taps in product(*axes):
            at, weight, inside = start, None, None
            for i, (place, w, within) in enumerate(taps):
                at = at + place * prod(size[i + 1 :])
                weight = w if weight is None else weight * w
                if within is not None:
                    inside = within if inside is None else F.bitwise_and(inside, within)
            part = F.gather(rows, (HOLE,), F.reshape(at, (batch * points,)))
            part = part * weight
            if inside is not None:
                part = F.where(inside, part, F.zeros_like(part))
            y = part if y is None else y + part
        y = F.reshape(y, (batch, *grid.shape[1:-1], channels))
        return F.permute_dims(y, (0, n + 1, *range(1, n + 1)))


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
