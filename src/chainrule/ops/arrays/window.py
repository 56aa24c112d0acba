"""Windows that slide over the last axes of an array: views, sums, maxima, unfold and fold.

Everywhere `window`, `stride` and `dilation` hold one int, and `padding` one (low, high) pair, for
each spatial axis. A negative padding crops. Window number `o` of an axis covers the positions
`o * stride + k * dilation - low` for `k` in `range(window)`. NumPy only; no input is written to.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from itertools import product
from math import ceil, prod
from typing import Any, TypeVar

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Array = NDArray[Any]
Sizes = Sequence[int]
Pairs = Sequence[tuple[int, int]]
Index = tuple[Any, ...]
Result = TypeVar("Result")


# ---------------------------------------------------------------------------- sizes and padding


def conv_output_size(
    size: Sizes, kernel: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes
) -> tuple[int, ...]:
    """Number of windows along each axis: `(low + size + high - extent) // stride + 1`, where
    `extent = (kernel - 1) * dilation + 1`. ValueError if a window does not fit even once."""
    if not len(size) == len(kernel) == len(stride) == len(padding) == len(dilation):
        raise ValueError(
            f"size {tuple(size)}, kernel {tuple(kernel)}, stride {tuple(stride)}, padding "
            f"{tuple(padding)} and dilation {tuple(dilation)} must have the same length"
        )
    if min((*kernel, *stride, *dilation), default=1) < 1:
        raise ValueError(
            f"kernel {tuple(kernel)}, stride {tuple(stride)} and dilation {tuple(dilation)} "
            "must be at least 1"
        )
    padded = [low + n + high for n, (low, high) in zip(size, padding, strict=True)]
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    if any(e > p for e, p in zip(extent, padded, strict=True)):
        raise ValueError(
            f"the kernel {tuple(kernel)} with dilation {tuple(dilation)} covers {tuple(extent)} "
            f"elements, more than the padded input has: size {tuple(size)} with padding "
            f"{tuple(padding)} makes {tuple(padded)}; use a smaller kernel or more padding"
        )
    return tuple((p - e) // s + 1 for p, e, s in zip(padded, extent, stride, strict=True))


def exact_padding(
    size: Sizes, out: Sizes, window: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes
) -> tuple[tuple[int, int], ...]:
    """`padding` with its high side moved so that the last window ends at the last element."""
    return tuple(
        (low, (o - 1) * s + (k - 1) * d + 1 - n - low)
        for n, o, k, s, (low, _), d in zip(
            size, out, window, stride, padding, dilation, strict=True
        )
    )


def _overlap(size: Sizes, padding: Pairs) -> tuple[Index, Index]:
    """Where the unpadded and the padded array hold the same elements: a slice tuple into each."""
    inner: list[slice] = []
    outer: list[slice] = []
    for n, (low, high) in zip(size, padding, strict=True):
        first = max(0, -low)
        last = max(first, min(n, n + high))
        inner.append(slice(first, last))
        outer.append(slice(first + low, last + low) if last > first else slice(0, 0))
    return tuple(inner), tuple(outer)


def pad(x: Array, padding: Pairs, value: float = 0) -> Array:
    """`x` with its last axes padded by `value` (cropped where negative); `x` itself, or a view of
    it, if nothing is added."""
    size = x.shape[x.ndim - len(padding) :]
    inner, outer = _overlap(size, padding)
    if all(low <= 0 and high <= 0 for low, high in padding):
        return x[(..., *inner)]
    padded = [low + n + high for n, (low, high) in zip(size, padding, strict=True)]
    y = np.full((*x.shape[: x.ndim - len(padding)], *padded), value, x.dtype)
    y[(..., *outer)] = x[(..., *inner)]
    return y


def pad_adjoint(g: Array, size: Sizes, padding: Pairs) -> Array:
    """Adjoint of `pad`: crops what was padded and puts zeros where it had cropped."""
    inner, outer = _overlap(size, padding)
    if all(low >= 0 and high >= 0 for low, high in padding):
        return np.ascontiguousarray(g[(..., *outer)])
    x = np.zeros((*g.shape[: g.ndim - len(padding)], *size), g.dtype)
    x[(..., *inner)] = g[(..., *outer)]
    return x


# ------------------------------------------------------------------------------ pieces of a batch


@lru_cache(maxsize=1)
def _helper() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="chainrule-windows")


if hasattr(os, "register_at_fork"):  # a forked child has the pool's object but not its thread
    os.register_at_fork(after_in_child=_helper.cache_clear)


def in_pieces(
    batch: int, elements: int, piece: int, work: Callable[[slice], Result]
) -> list[Result]:
    """`work` on slices of a batch, each laying out about `piece` elements where an image lays out
    `elements`; the results in order. This thread does half of the slices, a helper the others.
    Where to cut depends on sizes alone, so that sums of results keep their bits."""
    count = ceil(batch * elements / piece)
    if 2 * batch * elements > piece:
        count += count % 2
    step = ceil(batch / count)
    pieces = [slice(i, i + step) for i in range(0, batch, step)]

    def run(some: list[slice]) -> list[Result]:
        with np.errstate(all="ignore"):
            return [work(part) for part in some]

    if len(pieces) < 2:
        return run(pieces)
    half = (len(pieces) + 1) // 2
    others = _helper().submit(run, pieces[half:])
    try:
        mine = run(pieces[:half])
    finally:
        wait([others])  # they write into the same result
    return mine + others.result()


def total(parts: list[Array]) -> Array:
    """Sum in the order of the list, so that the bits are the same each time."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def common_type(a: Array, b: Array) -> tuple[np.dtype[Any], Array, Array]:
    """Result type, and both arrays in the type to calculate in: float32 for float16."""
    dtype = np.result_type(a, b)
    wide = np.dtype(np.float32) if dtype == np.float16 else dtype
    return dtype, a.astype(wide, copy=False), b.astype(wide, copy=False)


# ------------------------------------------------------------------------------ views of windows


def window_view(x: Array, axis: int, window: Sizes, stride: Sizes, dilation: Sizes) -> Array:
    """Read-only view `[*before, *out, *window, *after]` of all the windows of `x` over the
    `len(window)` axes that begin at `axis`."""
    end = axis + len(window)
    out = [
        (n - (k - 1) * d - 1) // s + 1
        for n, k, s, d in zip(x.shape[axis:end], window, stride, dilation, strict=True)
    ]
    steps = x.strides[axis:end]
    return as_strided(
        x,
        (*x.shape[:axis], *out, *window, *x.shape[end:]),
        (
            *x.strides[:axis],
            *(t * s for t, s in zip(steps, stride, strict=True)),
            *(t * d for t, d in zip(steps, dilation, strict=True)),
            *x.strides[end:],
        ),
        writeable=False,
    )


def _taps(
    out: Sizes, window: Sizes, stride: Sizes, dilation: Sizes
) -> Iterator[tuple[Index, Index]]:
    """Each place `k` in the window, in row-major order, with the slices of the elements that the
    windows see at that place."""
    for k in product(*map(range, window)):
        yield (
            k,
            tuple(
                slice(i * d, i * d + (o - 1) * s + 1, s)
                for i, o, s, d in zip(k, out, stride, dilation, strict=True)
            ),
        )


def add_windows(
    x: Array, cols: Array, axis: int, window: Sizes, stride: Sizes, dilation: Sizes
) -> None:
    """Adjoint of `window_view`: adds `cols [*before, *out, *window, *after]` into `x`."""
    before = (slice(None),) * axis
    out = cols.shape[axis : axis + len(window)]
    everywhere = (slice(None),) * len(out)
    for k, where in _taps(out, window, stride, dilation):
        x[before + where] += cols[before + everywhere + k]


# ------------------------------------------------------------------------------------------ sums


def windows_sum(
    x: Array, *, window: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes
) -> Array:
    """Sum of each window over the last `len(window)` axes of `x`; padding counts as 0."""
    nd = len(window)
    lead, size = x.shape[: x.ndim - nd], x.shape[x.ndim - nd :]
    out = conv_output_size(size, window, stride, padding, dilation)
    # Sums of float16 must not be rounded at every step.
    source = x.astype(np.float32) if x.dtype == np.float16 else x
    y = pad(source, exact_padding(size, out, window, stride, padding, dilation))
    # A window's sum is a sum along each axis in turn. The last axis goes last, when the least is
    # left to do: its strided reads are the slow ones. A slice for each place in the window is
    # many times faster than NumPy's reduction over a short axis.
    for a, (o, k, s, d) in enumerate(zip(out, window, stride, dilation, strict=True), len(lead)):
        if o == 1 and d == 1:
            y = np.add.reduce(y, axis=a, dtype=source.dtype, keepdims=True)
        elif k > 1 or s > 1:
            parts = [y[(slice(None),) * a + at] for _, at in _taps((o,), (k,), (s,), (d,))]
            y = parts[0] + parts[1] if k > 1 else parts[0]
            for part in parts[2:]:
                y += part
    return np.array(y, x.dtype, order="C", copy=np.may_share_memory(x, y) or None)


def windows_sum_adjoint(
    g: Array, *, size: Sizes, window: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes
) -> Array:
    """Adjoint of `windows_sum`: every element gets the sum of `g` over the windows it is in."""
    out = conv_output_size(size, window, stride, padding, dilation)
    first = g.ndim - len(out)
    exact = exact_padding(size, out, window, stride, padding, dilation)
    x = g.astype(np.float32) if g.dtype == np.float16 else g
    for a in reversed(range(len(out))):
        o, k, s, d = out[a], window[a], stride[a], dilation[a]
        if d == 1 and (s == k or o == 1):  # windows side by side: each element is in just one
            x = np.repeat(x, k, axis=first + a) if k > 1 else x
            continue
        shape = list(x.shape)
        shape[first + a] = (o - 1) * s + (k - 1) * d + 1
        y = np.zeros(shape, x.dtype)
        for _, at in _taps((o,), (k,), (s,), (d,)):
            y[(slice(None),) * (first + a) + at] += x
        x = y
    x = pad_adjoint(x, size, exact)
    return np.array(x, g.dtype, order="C", copy=np.may_share_memory(x, g) or None)


# ---------------------------------------------------------------------------------------- maxima


def windows_argmax(
    x: Array, *, window: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes
) -> NDArray[np.int64]:
    """Where the maximum of each window is: the flat index, int64, into the unpadded last
    `len(window)` axes of `x`. The first of equal maxima wins, a NaN beats every number (the last
    NaN of a window, as in PyTorch), padding is never chosen. ValueError if a window sees only
    padding."""
    nd = len(window)
    size = x.shape[x.ndim - nd :]
    out = conv_output_size(size, window, stride, padding, dilation)
    exact = exact_padding(size, out, window, stride, padding, dilation)
    starts, skips = [], []
    for i in range(nd):
        start = np.arange(out[i]) * stride[i] - exact[i][0]
        skip = np.maximum(0, -(start // dilation[i]))  # to the first place inside the array
        if np.any(start + skip * dilation[i] >= size[i]) or np.any(skip >= window[i]):
            raise ValueError(
                f"a window sees only padding: size {tuple(size)}, window {tuple(window)}, stride "
                f"{tuple(stride)}, padding {tuple(padding)}, dilation {tuple(dilation)}; pad less"
            )
        starts.append(start)
        skips.append(skip)

    is_float = np.issubdtype(x.dtype, np.inexact)
    has_nan = is_float and x.size > 0 and bool(np.isnan(x.min()))
    padded = pad(x, exact, -np.inf if is_float else np.iinfo(x.dtype).min)
    code = np.uint8 if prod(window) <= 256 else np.int64
    parts = [padded[(..., *at)] for _, at in _taps(out, window, stride, dilation)]
    value = parts[0].copy()
    # A later place wins by being greater, so that the last one to win is the greatest number of
    # a winner. It starts at the first place inside the array, lest -inf choose padding.
    place = np.broadcast_to(_flat(skips, window).astype(code), value.shape)
    for j, part in enumerate(parts[1:], 1):
        wins = part > value
        if has_nan:
            wins |= part != part
        place = np.maximum(place, wins * code(j))
        np.maximum(value, part, out=value)
    steps = [np.arange(k) * d for k, d in zip(window, dilation, strict=True)]
    return np.take(_flat(steps, size).reshape(-1), place) + _flat(starts, size)


def _flat(coordinates: Sequence[NDArray[np.int64]], size: Sizes) -> NDArray[np.int64]:
    """Flat index in row-major order of every combination of one coordinate an axis."""
    index = np.zeros((1,) * len(size), np.int64)
    for i, c in enumerate(coordinates):
        index = index + c.reshape((-1,) + (1,) * (len(size) - i - 1)) * prod(size[i + 1 :])
    return index


# ------------------------------------------------------------------------------- unfold and fold


def unfold(x: Array, *, window: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> Array:
    """The windows of `x [N, C, *S]` as columns: `[N, C * prod(window), L]`, L windows; channels
    vary slowest in a column, and the order of torch.nn.functional.unfold is kept."""
    n, c, *size = x.shape
    nd = len(size)
    out = conv_output_size(size, window, stride, padding, dilation)
    padded = pad(x, exact_padding(size, out, window, stride, padding, dilation))
    view = window_view(padded, 2, window, stride, dilation)
    order = (0, 1, *range(2 + nd, 2 + 2 * nd), *range(2, 2 + nd))
    cols = np.array(view.transpose(order), order="C")
    return cols.reshape(n, c * prod(window), prod(out))


def fold(
    cols: Array, *, size: Sizes, window: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes
) -> Array:
    """Adjoint of `unfold`: `cols [N, C * prod(window), L]` added up into `[N, C, *size]`."""
    n, rows = cols.shape[:2]
    nd = len(size)
    out = conv_output_size(size, window, stride, padding, dilation)
    c, rest = divmod(rows, prod(window))
    if rest or cols.shape[2] != prod(out):
        raise ValueError(
            f"fold got columns of shape {cols.shape}; a window {tuple(window)} on size "
            f"{tuple(size)} needs [N, C * {prod(window)}, {prod(out)}]"
        )
    exact = exact_padding(size, out, window, stride, padding, dilation)
    x = np.zeros(
        (n, c, *(lo + s + hi for s, (lo, hi) in zip(size, exact, strict=True))), cols.dtype
    )
    view = cols.reshape(n, c, *window, *out)
    order = (0, 1, *range(2 + nd, 2 + 2 * nd), *range(2, 2 + nd))
    add_windows(x, view.transpose(order), 2, window, stride, dilation)
    return pad_adjoint(x, size, exact)
