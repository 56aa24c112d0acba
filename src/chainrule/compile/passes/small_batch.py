"""Convolutions of small batches, backward: by what runs with the channels in the lanes.

With a batch of a few images most lanes and threads would have nothing to do if each lane took an
image. The gradient of the input is a convolution with the turned weight; that of the weight is a
product of matrices: images, padded, as one long row of elements (channels innermost), are
multiplied with the padded gradients, shifted by one row or column for each place of the kernel.
"""

from __future__ import annotations

import math
from typing import Any

from chainrule.compile.graph import Graph, Instruction, Value
from chainrule.compile.passes.rewrite import Rewriter, rewritten

BACKWARD = ("conv_input", "conv_weight")
#: What channels in the lanes must save before a training step is done so.
WORTH = 0.7
#: Work of a weight's gradient done as products, in terms of a direct sum: borders and copies.
PRODUCTS = 1.3


def by_channels(graph: Graph, lanes: int, threads: int) -> Graph:
    """The graph without backward convolutions, if it gains from that."""
    if not any(i.primitive in BACKWARD for i in graph.instructions):
        return graph
    convolutions = [i for i in graph.instructions if i.primitive in ("conv", *BACKWARD)]
    if not all(map(_fits, convolutions)):
        return graph
    batch = channels = 0.0
    for i in convolutions:
        work, width = _work(i)
        batch += math.prod(work) / filled(i.operands[0].shape[0], lanes, threads)
        channels += math.prod(work) * _more(i) / filled(width, lanes)
    return rewritten(graph, (_input, _weight)) if channels < WORTH * batch else graph


def filled(n: int, lanes: int, threads: int = 1) -> float:
    """The share of the lanes, and of threads that take a vector each, that n elements keep busy."""
    blocks = -(-n // lanes)
    return n / (blocks * lanes) * blocks / (-(-blocks // threads) * threads)


def _fits(i: Instruction) -> bool:
    at = i.attributes
    a, b = i.operands[:2]
    sizes = (*a.shape, *b.shape, *i.out.shape)
    fine = len(a.shape) == 4 and at["groups"] == 1 and 0 not in sizes
    fine = fine and i.out.dtype.name in ("float32", "float64") and a.dtype == b.dtype
    if i.primitive != "conv_input":
        return fine
    return fine and all(low >= 0 and high >= 0 for low, high in _turned_padding(i))


def _work(i: Instruction) -> tuple[tuple[int, ...], int]:
    """Factors of the number of products, and the width of what is in the lanes."""
    a, b = i.operands[:2]
    if i.primitive == "conv":
        return (*i.out.shape, *b.shape[1:]), b.shape[0]
    if i.primitive == "conv_input":
        return (*a.shape, *b.shape[1:]), b.shape[1]
    return (*b.shape, a.shape[1], *i.out.shape[2:]), b.shape[1]


def _more(i: Instruction) -> float:
    """How much more work it is than the direct sum."""
    if i.primitive == "conv_input" and math.prod(i.operands[1].shape[2:]) > 1:
        return math.prod(i.attributes["stride"])
    return PRODUCTS if i.primitive == "conv_weight" else 1.0


def _turned_padding(i: Instruction) -> list[tuple[int, int]]:
    """Zeros around the gradient, set apart by the stride, for the convolution that gives that of
    the input."""
    at = i.attributes
    g, w = i.operands[:2]
    out = []
    for n, size, k, s, d, (low, _) in zip(
        g.shape[2:], at["size"], w.shape[2:], at["stride"], at["dilation"], at["padding"],
        strict=True,
    ):  # fmt: skip
        first = (k - 1) * d - low
        out.append((first, size + (k - 1) * d - first - (n - 1) * s - 1))
    return out


def _input(r: Rewriter, i: Instruction) -> Value | None:
    if i.primitive != "conv_input":
        return None
    g, w = i.operands
    at = i.attributes
    turn = (slice(None), slice(None), slice(None, None, -1), slice(None, None, -1))
    turned = r.add("permute_dims", w, (1, 0, 2, 3))
    if math.prod(w.shape[2:]) > 1:
        turned = r.add("slice", turned, turn)
    padding = _turned_padding(i)
    ones = (1, 1)
    settings: dict[str, Any] = {"stride": ones, "dilation": at["dilation"], "groups": 1}
    stride = tuple(at["stride"])
    if stride == ones:
        return r.add("conv", g, turned, padding=tuple(padding), **settings)
    apart = tuple((n - 1) * s + 1 for n, s in zip(g.shape[2:], stride, strict=True))
    key = (slice(None), slice(None), *(slice(None, None, s) for s in stride))
    if math.prod(w.shape[2:]) == 1:
        y = r.add("conv", g, turned, padding=((0, 0), (0, 0)), **settings)
        y = r.add("unslice", y, key, (*y.shape[:2], *apart))
        return r.add("pad", y, ((0, 0), (0, 0), *padding), 0)
    spread = r.add("unslice", g, key, (*g.shape[:2], *apart))
    return r.add("conv", spread, turned, padding=tuple(padding), **settings)


def _weight(r: Rewriter, i: Instruction) -> Value | None:
    if i.primitive != "conv_weight":
        return None
    at = i.attributes
    x, g = i.operands
    kernel, stride, dilation = (tuple(at[k]) for k in ("kernel", "stride", "dilation"))
    if stride == (1, 1) and dilation[1] == 1:
        parts = _shifted(r, i, x, g)
    else:
        n, c = x.shape[:2]
        # Windows as rows (places of the kernel, then channels).
        columns = r.add(
            "unfold", x, window=kernel, stride=stride, padding=at["padding"], dilation=dilation
        )
        count = columns.shape[2]
        columns = r.add("reshape", columns, (n, c, math.prod(kernel), count))
        columns = r.add("permute_dims", columns, (0, 3, 2, 1))
        columns = r.add("reshape", columns, (n * count, math.prod(kernel) * c))
        rows = r.add("reshape", r.add("permute_dims", g, (0, 2, 3, 1)), (n * count, g.shape[1]))
        parts = r.add("matmul", r.add("permute_dims", columns, (1, 0)), rows)
    parts = r.add("reshape", parts, (*kernel, x.shape[1], g.shape[1]))
    return r.add("permute_dims", parts, (3, 2, 0, 1))


def _shifted(r: Rewriter, i: Instruction, x: Value, g: Value) -> Value:
    """(kernel rows · kernel columns · channels, features), stride 1."""
    at = i.attributes
    (high, wide), step = at["kernel"], at["dilation"][0]
    n, c, height, width = x.shape
    features = g.shape[1]
    x = r.add("permute_dims", x, (0, 2, 3, 1))
    g = r.add("permute_dims", g, (0, 2, 3, 1))
    # As much as the windows reach, and no more.
    rows, columns = g.shape[1] + (high - 1) * step, g.shape[2] + wide - 1
    borders = tuple(
        (low, size - low - old)
        for (low, _), size, old in zip(at["padding"], (rows, columns), (height, width), strict=True)
    )
    if any(b != (0, 0) for b in borders):
        x = r.add("pad", x, ((0, 0), *borders, (0, 0)), 0)
    if (rows, columns) != g.shape[1:3]:
        border = ((0, 0), (0, rows - g.shape[1]), (0, columns - g.shape[2]), (0, 0))
        g = r.add("pad", g, border, 0)
    total = n * rows * columns
    line = r.add("reshape", x, (1, 1, total * c))
    windows = r.add(
        "unfold", line, window=(wide * c,), stride=(c,), padding=((0, 0),), dilation=(1,)
    )
    windows = r.add("reshape", windows, windows.shape[1:])
    g = r.add("reshape", g, (total, features))
    parts = []
    last = total - (high - 1) * step * columns - (wide - 1)
    g = r.add("slice", g, (slice(0, last),))
    for k in range(high):
        at_row = k * step * columns
        seen = r.add("slice", windows, (slice(None), slice(at_row, at_row + last)))
        parts.append(r.add("matmul", seen, g))
    return r.add("concat", parts, 0) if len(parts) > 1 else parts[0]
