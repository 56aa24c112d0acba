"""Convolution (cross-correlation, as in PyTorch) in 1, 2 or 3 dimensions, with its two adjoints.

    y[n, o, i] = sum over c, k of  x[n, c, i * stride + k * dilation - low] * w[o, c, k]

Each of the three is a matrix product next to a copy that lays the windows out (or adds them up).
`_best_form` picks one of three layouts by measured cost:

- *tiles* (few channels): `tile` neighbouring outputs of a row share one window, wide enough for
  all of them, and the kernel becomes a band matrix `[window, outputs of the tile]`. The copy
  shrinks and its runs grow, and the product gets a good shape, at the price of multiplying by the
  zeros off the band.
- *columns* (im2col): one window a column, a product for each image.
- *merged columns* (many channels or few windows): the same, one big product for many images.

A product under `SMALL` runs on the calling thread, where a larger one makes OpenBLAS wake and
await all its threads: on a busy machine that costs milliseconds. So tiles and columns keep their
products small, and share the batch between two threads here instead.

stride and dilation are tuples of ints, padding a tuple of (low, high) pairs; negative ones crop.
No input is written to; results do not depend on the number of threads. Infinities and NaN arise
in silence, as in PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import isqrt, prod

import numpy as np
from numpy.lib.stride_tricks import as_strided

from chainrule.ops.arrays.window import (
    Array,
    Pairs,
    Sizes,
    add_windows,
    common_type,
    conv_output_size,
    exact_padding,
    in_pieces,
    pad,
    pad_adjoint,
    total,
    window_view,
)

__all__ = ["conv", "conv_input", "conv_output_size", "conv_weight"]

Ints = tuple[int, ...]

SMALL = 1 << 18  # multiply-adds of a product that OpenBLAS leaves on one thread
PIECE = 1 << 17  # elements laid out at a time: bounds the memory and stays in the L2 cache
MERGED_PIECE = 1 << 19  # the same for merged columns, whose product must be worth BLAS's threads


# ----------------------------------------------------------------------------------- sizes, forms


@dataclass(frozen=True)
class _Conv:
    """Sizes of one convolution (channels and features are those of one group) and its form."""

    batch: int
    groups: int
    channels: int
    features: int
    size: Ints
    out: Ints
    kernel: Ints
    stride: Ints
    padding: tuple[tuple[int, int], ...]
    dilation: Ints
    tile: int = 0  # outputs a tile; 0 for columns
    block: int = 0  # windows a product of columns; 0 for merged columns

    @property
    def x_shape(self) -> Ints:
        padded = (lo + n + hi for n, (lo, hi) in zip(self.size, self.padding, strict=True))
        return (self.batch, self.groups * self.channels, *padded)

    @property
    def y_shape(self) -> Ints:
        return (self.batch, self.groups * self.features, *self.out)

    @property
    def piece(self) -> int:
        return PIECE if self.tile or self.block else MERGED_PIECE

    @property
    def empty(self) -> bool:
        return 0 in (self.batch, self.channels, self.features)

    @property
    def elements(self) -> int:
        """Elements that the windows of one image hold when laid out."""
        width = self.span(self.tile) / self.tile if self.tile else self.kernel[-1]
        taps = self.groups * self.channels * prod(self.kernel[:-1])
        return int(taps * width * prod(self.out))

    def span(self, tile: int) -> int:
        """Width of the window that `tile` neighbouring outputs share."""
        return (tile - 1) * self.stride[-1] + (self.kernel[-1] - 1) * self.dilation[-1] + 1


@lru_cache(maxsize=256)
def _plan(
    x: Ints,
    w: Ints,
    stride: Ints,
    padding: tuple[tuple[int, int], ...],
    dilation: Ints,
    groups: int,
) -> _Conv:
    if len(x) != len(w) or groups < 1 or x[1] != w[1] * groups or w[0] % groups:
        raise ValueError(
            f"convolution of an input {x} with a weight {w} in {groups} groups: the weight must "
            "be [O, C / groups, *kernel] where C is the input's second size, groups divides O"
        )
    out = conv_output_size(x[2:], w[2:], stride, padding, dilation)
    exact = exact_padding(x[2:], out, w[2:], stride, padding, dilation)
    p = _Conv(x[0], groups, w[1], w[0] // groups, x[2:], out, w[2:], stride, exact, dilation)
    tile, block = _best_form(p)
    return replace(p, tile=tile, block=block)


def _best_form(p: _Conv) -> tuple[int, int]:
    """The form's (tile, block). Costs are nanoseconds for one image and group as measured on
    x86-64 with AVX2: copies in runs of r elements take 3.2 / r each, products 0.02 for each
    multiply-add, with at least 16 columns' worth."""
    across, windows = p.out[-1], prod(p.out)
    taps = p.channels * prod(p.kernel[:-1])

    def copy(elements: int, run: int) -> float:
        return elements * (0.05 + 3.2 / run)

    column = taps * p.kernel[-1]
    block = max((b for b in _divisors(windows) if column * p.features * b <= SMALL), default=0)
    best = copy(column * windows, across) + 0.02 * column * windows * max(16, p.features)
    tile = 0
    for t in _divisors(across):
        row, wide, rows = taps * p.span(t), p.features * t, windows // t
        matrix = 0.5 * row * wide / max(1, p.batch)
        cost = copy(row * rows, p.span(t)) + 0.02 * row * rows * max(16, wide) + matrix
        cost += copy(p.features * windows, t)
        if cost < best and row * wide * rows <= SMALL:
            best, tile = cost, t
    return tile, block if block >= min(windows, 32) else 0


def _divisors(n: int) -> list[int]:
    small = [i for i in range(1, isqrt(n) + 1) if n % i == 0]
    return sorted({*small, *(n // i for i in small)})


# ---------------------------------------------------------------------------------------- columns


def _grouped(p: _Conv, a: Array) -> Array:
    """`[n, G, channels or features of a group, *rest]` of `a [n, C or O, *rest]`."""
    return a.reshape(a.shape[0], p.groups, a.shape[1] // p.groups, *a.shape[2:])


def _column_axes(p: _Conv) -> Ints:
    """From the order of `window_view`, [n, G, c, *out, *kernel], to the order of the columns;
    merged columns have the batch inside: [G, c, *kernel, n, *out]."""
    nd = len(p.out)
    out, kernel = range(3, 3 + nd), range(3 + nd, 3 + 2 * nd)
    return (0, 1, 2, *kernel, *out) if p.block else (1, 2, *kernel, 0, *out)


def _columns(p: _Conv, x: Array) -> Array:
    """Windows of the padded `x [n, C, *padded]`: `[n, G, blocks, c * kernel, block]`, merged
    columns `[G, c * kernel, n * windows]`."""
    view = window_view(_grouped(p, x), 3, p.kernel, p.stride, p.dilation)
    cols = view.transpose(_column_axes(p))
    rows = p.channels * prod(p.kernel)
    if p.block:
        return _blocks(p, cols.reshape(x.shape[0], p.groups, rows, -1))
    return cols.reshape(p.groups, rows, -1)


def _add_columns(p: _Conv, x: Array, cols: Array) -> None:
    """Adjoint of `_columns`, added into `x`; blocks already side by side."""
    axes = _column_axes(p)
    target = _grouped(p, x)
    shape = (*target.shape[:3], *p.out, *p.kernel)
    view = cols.reshape([shape[a] for a in axes]).transpose(np.argsort(axes))
    add_windows(target, view, 3, p.kernel, p.stride, p.dilation)


def _blocks(p: _Conv, a: Array) -> Array:
    """View `[n, G, blocks, m, block]` of `a [n, G, m, windows]`: small products, no copy."""
    return a.reshape(*a.shape[:3], -1, p.block).swapaxes(2, 3)


def _output_columns(p: _Conv, y: Array) -> Array:
    """`y [n, O, *out]` in the shape of the columns: a view `[n, G, blocks, f, block]`, or for
    merged columns a copy `[G, f, n * windows]`."""
    y = y.reshape(y.shape[0], p.groups, p.features, -1)
    if p.block:
        return _blocks(p, y)
    return y.transpose(1, 2, 0, 3).reshape(p.groups, p.features, -1)


# ------------------------------------------------------------------------------------------ tiles


def _tiles(p: _Conv, x: Array) -> Array:
    """Copy `[n, G, rows * tiles, kernel rows * c * span]` of the padded `x [n, C, *padded]`."""
    nd, span = len(p.out), p.span(p.tile)
    view = window_view(
        _grouped(p, x),
        3,
        (*p.kernel[:-1], span),
        (*p.stride[:-1], p.tile * p.stride[-1]),
        (*p.dilation[:-1], 1),
    )
    last = 2 + 2 * nd
    view = view.transpose(0, 1, *range(3, 3 + nd), *range(3 + nd, last), 2, last)
    return view.reshape(x.shape[0], p.groups, prod(p.out) // p.tile, -1)


def _add_tiles(p: _Conv, x: Array, tiles: Array) -> None:
    """Adjoint of `_tiles`, added into `x`."""
    nd, span = len(p.out), p.span(p.tile)
    target = _grouped(p, x)
    count = p.out[-1] // p.tile
    # Rows are added first, where slices of [c, span] are contiguous, then tile after tile.
    rows = np.zeros((*target.shape[:2], *p.x_shape[2:-1], count, p.channels, span), x.dtype)
    tiles = tiles.reshape(*target.shape[:2], *p.out[:-1], count, *p.kernel[:-1], p.channels, span)
    tiles = np.moveaxis(tiles, 1 + nd, -3)
    add_windows(rows, tiles, 2, p.kernel[:-1], p.stride[:-1], p.dilation[:-1])
    for i in range(count):
        start = i * p.tile * p.stride[-1]
        target[..., start : start + span] += np.moveaxis(rows[..., i, :, :], -2, 2)


def _output_tiles(p: _Conv, y: Array) -> Array:
    """View `[n, G, rows, tiles, f, tile]` of `y [n, O, *out]`."""
    y = y.reshape(y.shape[0], p.groups, p.features, -1, p.out[-1] // p.tile, p.tile)
    return y.transpose(0, 1, 3, 4, 2, 5)


def _band_shape(p: _Conv) -> Ints:
    return (p.groups, prod(p.kernel[:-1]), p.channels, p.span(p.tile), p.features, p.tile)


def _band(p: _Conv, matrix: Array) -> Array:
    """View `[G, kernel rows, c, kernel width, f, tile]` of the places in a band matrix
    `[G, kernel rows, c, span, f, tile]` that hold the kernel's elements."""
    group, row, channel, column, feature, output = matrix.strides
    return as_strided(
        matrix,
        (*matrix.shape[:3], p.kernel[-1], *matrix.shape[4:]),
        (group, row, channel, p.dilation[-1] * column, feature, p.stride[-1] * column + output),
    )


def _band_matrix(p: _Conv, w: Array) -> Array:
    """`[G, kernel rows * c * span, f * tile]`, the kernel as a map of windows to tiles."""
    matrix = np.zeros(_band_shape(p), w.dtype)
    w = w.reshape(p.groups, p.features, p.channels, -1, p.kernel[-1])
    _band(p, matrix)[...] = w.transpose(0, 3, 2, 4, 1)[..., None]
    return matrix.reshape(p.groups, -1, p.features * p.tile)


def _spoilt(y: Array) -> bool:
    """Whether `y` may hold an infinity or NaN: in a product with a band matrix an infinity meets
    zeros, and the NaN would spread to outputs that never saw it. One BLAS pass, no temporary; an
    overflow of the squares only costs a second calculation."""
    return not np.isfinite(np.vdot(y, y))


# ------------------------------------------------------------------------------ the three products


def conv(
    x: Array, w: Array, *, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Array:
    """Cross-correlation of `x [N, C, *S]` with `w [O, C / groups, *K]`: `[N, O, *S']`."""
    dtype, x, w = common_type(x, w)
    p = _plan_for(x.shape, w.shape, stride, padding, dilation, groups)
    if p.empty:
        return np.zeros(p.y_shape, dtype)
    x = pad(x, p.padding)
    if p.tile:
        y = _tiles_conv(p, x, w)
        if not _spoilt(y):
            return y.astype(dtype, copy=False)
        p = replace(p, tile=0)
    return _columns_conv(p, x, w).astype(dtype, copy=False)


def _tiles_conv(p: _Conv, x: Array, w: Array) -> Array:
    y = np.empty(p.y_shape, x.dtype)
    matrix = _band_matrix(p, w)

    def work(piece: slice) -> None:
        target = _output_tiles(p, y[piece])
        target[...] = (_tiles(p, x[piece]) @ matrix).reshape(target.shape)

    in_pieces(p.batch, p.elements, p.piece, work)
    return y


def _columns_conv(p: _Conv, x: Array, w: Array) -> Array:
    y = np.empty(p.y_shape, x.dtype)
    w = w.reshape(p.groups, p.features, -1)

    def work(piece: slice) -> None:
        if p.block:
            np.matmul(w[:, None], _columns(p, x[piece]), out=_output_columns(p, y[piece]))
        else:
            target = y[piece].reshape(-1, p.groups, p.features, prod(p.out))
            product = (w @ _columns(p, x[piece])).reshape(p.groups, p.features, len(target), -1)
            target[...] = product.transpose(2, 0, 1, 3)

    in_pieces(p.batch, p.elements, p.piece, work)
    return y


def conv_input(
    g: Array, w: Array, *, size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Array:
    """Adjoint of `conv` in its input: `g [N, O, *S']` and `w` to `[N, C, *size]`."""
    dtype, g, w = common_type(g, w)
    shape = (g.shape[0], w.shape[1] * groups, *size)
    p = _plan_for(shape, w.shape, stride, padding, dilation, groups, g.shape)
    if p.empty:
        return np.zeros(shape, dtype)
    if p.tile:
        x = _tiles_input(p, g, w)
        if _spoilt(x):
            p = replace(p, tile=0)
    if not p.tile:
        x = _columns_input(p, g, w)
    return pad_adjoint(x, p.size, p.padding).astype(dtype, copy=False)


def _tiles_input(p: _Conv, g: Array, w: Array) -> Array:
    x = np.zeros(p.x_shape, g.dtype)
    matrix = _band_matrix(p, w).swapaxes(1, 2)

    def work(piece: slice) -> None:
        tiles = _output_tiles(p, g[piece])
        tiles = tiles.reshape(*tiles.shape[:2], -1, matrix.shape[1])
        _add_tiles(p, x[piece], tiles @ matrix)

    in_pieces(p.batch, p.elements, p.piece, work)
    return x


def _columns_input(p: _Conv, g: Array, w: Array) -> Array:
    x = np.zeros(p.x_shape, g.dtype)
    w = w.reshape(p.groups, p.features, -1).swapaxes(1, 2)

    def work(piece: slice) -> None:
        outputs = _output_columns(p, g[piece])
        if p.block:
            cols = np.empty((*outputs.shape[:2], w.shape[1], prod(p.out)), g.dtype)
            np.matmul(w[:, None], outputs, out=_blocks(p, cols))
        else:
            cols = w @ outputs
        _add_columns(p, x[piece], cols)

    in_pieces(p.batch, p.elements, p.piece, work)
    return x


def conv_weight(
    x: Array,
    g: Array,
    *,
    kernel: Sizes,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> Array:
    """Adjoint of `conv` in its weight: `x` and `g [N, O, *S']` to `[O, C / groups, *kernel]`."""
    dtype, x, g = common_type(x, g)
    shape = (g.shape[1], x.shape[1] // groups, *kernel)
    p = _plan_for(x.shape, shape, stride, padding, dilation, groups, g.shape)
    if p.empty:
        return np.zeros(shape, dtype)
    x = pad(x, p.padding)
    w = (_tiles_weight if p.tile else _columns_weight)(p, x, g)
    return np.ascontiguousarray(w).reshape(shape).astype(dtype, copy=False)


def _tiles_weight(p: _Conv, x: Array, g: Array) -> Array:
    """`[G, f, c, kernel rows, kernel width]`. The product's places off the band are not read, so
    an infinity does no harm here."""

    def work(piece: slice) -> Array:
        outputs = _output_tiles(p, g[piece])
        outputs = outputs.reshape(*outputs.shape[:2], -1, p.features * p.tile)
        product = _tiles(p, x[piece]).swapaxes(2, 3) @ outputs
        return np.asarray(product.sum(axis=0, dtype=product.dtype))

    parts = in_pieces(p.batch, p.elements, p.piece, work)
    band = _band(p, total(parts).reshape(_band_shape(p)))
    return np.asarray(band.sum(axis=-1, dtype=band.dtype)).transpose(0, 4, 2, 1, 3)


def _columns_weight(p: _Conv, x: Array, g: Array) -> Array:
    """`[G, f, c * kernel]`."""

    def work(piece: slice) -> Array:
        product = _output_columns(p, g[piece]) @ _columns(p, x[piece]).swapaxes(-1, -2)
        return np.asarray(product.sum(axis=(0, 2), dtype=product.dtype) if p.block else product)

    return total(in_pieces(p.batch, p.elements, p.piece, work))


# ------------------------------------------------------------------------------------------ checks


def _plan_for(
    x: Sizes, w: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int, g: Sizes = ()
) -> _Conv:
    """The remembered plan; `g`, where there is one, must have the shape of the output."""
    pairs = tuple((low, high) for low, high in padding)
    p = _plan(tuple(x), tuple(w), tuple(stride), pairs, tuple(dilation), groups)
    if g and tuple(g) != p.y_shape:
        raise ValueError(
            f"the gradient has shape {tuple(g)}, but this convolution's output is {p.y_shape}"
        )
    return p
