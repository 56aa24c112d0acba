"""The compiled loops of the nearest neighbours: the best of each row, exact distances, the tree."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numba import njit

# No C entry: nobody calls these from C, and every entry has to be compiled.
jit = partial(njit, cache=True, nogil=True, no_cfunc_wrapper=True)
# Functions that only machine code calls need no entry from Python either.
part = partial(jit, no_cpython_wrapper=True)

EUCLIDEAN, MANHATTAN, CHEBYSHEV, MINKOWSKI = 0, 1, 2, 3
_STRIP = 32
_CHUNK = 256


@part
def sift(distances: Any, indices: Any, distance: float, index: int) -> None:
    """Puts a pair in the place of the largest of a heap (largest first)."""
    k, i = distances.size, 0
    while True:
        child = 2 * i + 1
        if child >= k:
            break
        if child + 1 < k and distances[child + 1] > distances[child]:
            child += 1
        if distances[child] <= distance:
            break
        distances[i], indices[i] = distances[child], indices[child]
        i = child
    distances[i], indices[i] = distance, index


@jit(fastmath={"nnan", "nsz", "contract"})
def keep_best(products: Any, squares: Any, offset: int, distances: Any, indices: Any) -> None:
    """Goes through a block of ‖y_j‖² − 2 x_i·y_j and keeps the smallest of each row.

    products: [m, n] x_i·y_j; squares: [n] ‖y_j‖²; offset: the index of the block's first column;
    distances, indices: [m, k] heaps, largest first.
    """
    n = products.shape[1]
    for i in range(products.shape[0]):
        row, best, where = products[i], distances[i], indices[i]
        bound = best[0]
        for start in range(0, n, _STRIP):
            end = min(start + _STRIP, n)
            # One comparison a strip: few hold anything that is near enough.
            smallest = np.inf
            for j in range(start, end):
                smallest = min(smallest, squares[j] - 2.0 * row[j])
            if smallest < bound:
                for j in range(start, end):
                    d = squares[j] - 2.0 * row[j]
                    if d < bound:
                        sift(best, where, d, j + offset)
                        bound = best[0]


@part(fastmath={"contract", "nsz"})
def power_sums(
    query: Any, columns: Any, start: int, end: int, metric: int, p: float, out: Any
) -> None:
    """What distances are a monotone function of: Σ(a − b)², Σ|a − b|, max|a − b| or Σ|a − b|^p.

    columns: [features, n], so that one instruction serves several points; out: [end − start].
    """
    m = end - start
    for j in range(m):
        out[j] = 0.0
    for c in range(query.size):
        value, column = np.float64(query[c]), columns[c, start:end]
        if metric == EUCLIDEAN:
            for j in range(m):
                d = value - column[j]
                out[j] += d * d
        elif metric == MANHATTAN:
            for j in range(m):
                out[j] += abs(value - column[j])
        elif metric == CHEBYSHEV:
            for j in range(m):
                out[j] = max(out[j], abs(value - column[j]))
        else:
            for j in range(m):
                out[j] += abs(value - column[j]) ** p


@part
def order_row(distances: Any, indices: Any) -> None:
    """Sorts by distance, equal ones by index; insertion, for rows are short."""
    for i in range(1, distances.size):
        d, index = distances[i], indices[i]
        j = i - 1
        while j >= 0 and (distances[j] > d or (distances[j] == d and indices[j] > index)):
            distances[j + 1], indices[j + 1] = distances[j], indices[j]
            j -= 1
        distances[j + 1], indices[j + 1] = d, index


@jit
def settle(x: Any, y: Any, distances: Any, indices: Any) -> None:
    """Squared distances of the candidates from differences, then in order: [m, k] in place."""
    for i in range(x.shape[0]):
        for c in range(indices.shape[1]):
            total, j = 0.0, indices[i, c]
            for f in range(x.shape[1]):
                d = np.float64(x[i, f]) - np.float64(y[j, f])
                total += d * d
            distances[i, c] = total
        order_row(distances[i], indices[i])


@jit(fastmath={"nnan", "nsz"})
def scan(x: Any, columns: Any, metric: int, p: float, distances: Any, indices: Any) -> None:
    """Every row of x against every point, for few points and metrics that are no product."""
    sums = np.empty(_CHUNK)
    n = columns.shape[1]
    for start in range(0, n, _CHUNK):
        end = min(start + _CHUNK, n)
        for i in range(x.shape[0]):
            best, where = distances[i], indices[i]
            power_sums(x[i], columns, start, end, metric, p, sums)
            bound = best[0]
            for first in range(0, end - start, _STRIP):
                last = min(first + _STRIP, end - start)
                smallest = np.inf
                for j in range(first, last):
                    smallest = min(smallest, sums[j])
                if smallest < bound:
                    for j in range(first, last):
                        if sums[j] < bound:
                            sift(best, where, sums[j], start + j)
                            bound = best[0]
    for i in range(x.shape[0]):
        order_row(distances[i], indices[i])


@jit
def search(
    x: Any, columns: Any, origin: Any, lows: Any, highs: Any, starts: Any, leaves: int,
    metric: int, p: float, distances: Any, indices: Any,
) -> None:  # fmt: skip
    """The k nearest of each row of x in a balanced tree of boxes (see `tree`)."""
    stack = np.empty(128, np.int64)
    bounds = np.empty(128)
    widest = 0
    for leaf in range(leaves):
        widest = max(widest, starts[leaf + 1] - starts[leaf])
    sums = np.empty(widest)
    for i in range(x.shape[0]):
        query, best, where = x[i], distances[i], indices[i]
        top = 1
        stack[0], bounds[0] = 0, 0.0
        while top > 0:
            top -= 1
            node = stack[top]
            if bounds[top] > best[0]:
                continue
            if node >= leaves - 1:
                first, last = starts[node - leaves + 1], starts[node - leaves + 2]
                power_sums(query, columns, first, last, metric, p, sums)
                for j in range(last - first):
                    d = sums[j]
                    if d <= best[0]:
                        index = origin[first + j]
                        if d < best[0] or index < where[0]:
                            sift(best, where, d, index)
                continue
            left, right = 2 * node + 1, 2 * node + 2
            near = box_sum(query, lows[left], highs[left], metric, p)
            far = box_sum(query, lows[right], highs[right], metric, p)
            if near > far:
                left, right, near, far = right, left, far, near
            # The nearer child lies on top of the stack.
            if far <= best[0]:
                stack[top], bounds[top] = right, far
                top += 1
            if near <= best[0]:
                stack[top], bounds[top] = left, near
                top += 1
        order_row(best, where)


@part
def box_sum(query: Any, low: Any, high: Any, metric: int, p: float) -> float:
    """`power_sum` to the nearest point of a box."""
    total = 0.0
    for c in range(query.size):
        d = max(low[c] - query[c], query[c] - high[c], 0.0)
        if metric == EUCLIDEAN:
            total += d * d
        elif metric == MANHATTAN:
            total += d
        elif metric == CHEBYSHEV:
            total = max(total, d)
        elif d > 0.0:
            total += d**p
    return total


@part
def select(values: Any, order: Any, start: int, middle: int, end: int) -> None:
    """Puts the smallest `middle − start` of a range first (Hoare's quickselect); both move."""
    low, high = start, end - 1
    while low < high:
        a, b, c = values[low], values[(low + high) // 2], values[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return


@jit
def build(points: Any, order: Any, cuts: Any, lows: Any, highs: Any, leaves: int) -> None:
    """Halves the points at the median of their widest feature, level after level.

    order: 0 … n − 1, is put in the order of the leaves; cuts: [nodes, 2], each node's range.
    """
    values = np.empty(order.size, np.float64)
    for node in range(2 * leaves - 1):
        start, end = cuts[node, 0], cuts[node, 1]
        low, high = lows[node], highs[node]
        for c in range(low.size):  # an assignment of rows would compile for two seconds
            low[c] = high[c] = points[order[start], c]
        for t in range(start + 1, end):
            for c in range(low.size):
                value = points[order[t], c]
                if value < low[c]:
                    low[c] = value
                if value > high[c]:
                    high[c] = value
        if node >= leaves - 1:
            continue
        feature = 0
        for c in range(low.size):
            if high[c] - low[c] > high[feature] - low[feature]:
                feature = c
        for t in range(start, end):
            values[t] = points[order[t], feature]
        middle = (start + end) // 2
        select(values, order, start, middle, end)
        cuts[2 * node + 1, 0], cuts[2 * node + 1, 1] = start, middle
        cuts[2 * node + 2, 0], cuts[2 * node + 2, 1] = middle, end
